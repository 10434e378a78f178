"""
Set an attribute of an asgiref ``Local`` the short way, once it has been set the long one.

A ``Local`` keeps all its attributes in one context variable, in a value that nobody changes. That value,
set again, is the attribute set again: at a tenth of the cost, which each request would pay twice.
"""

from contextvars import ContextVar
from threading import get_ident
from typing import Any


class LocalValue:
    """
    The only attribute of a ``Local``.

    Where a release of asgiref keeps attributes in another way, it is set and deleted like any other.

    Args:
        local: The ``Local``.
        name: The attribute.
    """

    __slots__ = ("_kept", "_local", "_name", "_unset", "_variable")

    def __init__(self, local: Any, name: str) -> None:
        self._local, self._name = local, name
        variable: object = getattr(getattr(local, "_storage", None), "_data", None)
        self._variable: ContextVar[Any] | None = variable if isinstance(variable, ContextVar) else None
        # The thread, the value, and what the Local keeps for it.
        self._kept: tuple[int, object, object] = (0, None, None)
        self._unset: tuple[int, object] = (0, None)

    @property
    def is_surely_unset(self) -> bool:
        """Whether nothing has ever set it in this context. ``False`` says nothing."""
        return self._variable is not None and self._variable.get(None) is None

    def set(self, value: object) -> None:
        """Set it in this context."""
        thread, known, stored = self._kept
        if self._variable is not None and known == value and thread == get_ident():
            self._variable.set(stored)
            return
        setattr(self._local, self._name, value)
        stored = self._stored({self._name: value})
        if stored is not None:
            self._kept = get_ident(), value, stored

    def unset(self) -> None:
        """Delete it in this context, if it is there."""
        if self.is_surely_unset:
            return
        thread, stored = self._unset
        if self._variable is not None and thread == get_ident():
            self._variable.set(stored)
            return
        if hasattr(self._local, self._name):
            delattr(self._local, self._name)
            stored = self._stored({})
            if stored is not None:
                self._unset = get_ident(), stored

    def _stored(self, attributes: dict[str, object]) -> Any:
        """Return what stands for *attributes*; ``None`` where that is more, or something else."""
        stored: Any = None if self._variable is None else self._variable.get(None)
        return stored if getattr(stored, "data", None) == attributes else None
