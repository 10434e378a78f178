"""
Recognise Django's own middleware, and turn its hooks into calls that need no thread where they wait for nothing.

A class counts as Django's own while every function of it is the one in Django's source, of a release
that the engine was tested with: what a subclass, a tracer or a later release has put in the place of
one may do anything, and keeps its thread.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.utils.deprecation import MiddlewareMixin

from django_routehandlers.engine.internals import is_as_released, is_tested
from django_routehandlers.engine.known_hooks import RULES, IsFree, never
from django_routehandlers.engine.plain_run import PARTS, Part
from django_routehandlers.engine.shorter_hooks import SHORTER

HOOKS = ("process_request", "process_view", "process_response")
"""The hooks of a middleware that are known one by one."""

# What a subclass may say without changing what its hooks do.
_PLAIN = (str, int, float, tuple, dict, type(None))


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook of one middleware."""

    call: Callable[..., Any]
    """The hook itself, to be called on the event loop."""
    is_free: IsFree | None
    """Whether it may be called there for a request; ``None``: for every one."""
    in_thread: Callable[..., Awaitable[Any]]
    """The hook on the thread of the request."""

    async def __call__(self, *args: Any) -> Any:
        """Call the hook where it belongs. It is told apart by its first two arguments at most."""
        if self.is_free is None or self.is_free(*args[:2]):
            return self.call(*args)
        return await self.in_thread(*args)


def is_known(middleware: Any) -> bool:
    """Return whether *middleware* is Django's own, or ours, so that ``hook_of()`` knows all that it does."""
    own = cast("dict[str, object]", vars(middleware))
    kind: type = middleware.__class__
    return (_is_ours(kind) or known_class(kind) is not None) and own.keys().isdisjoint(HOOKS)


def hook_of(middleware: Any, name: str) -> Hook | None:
    """
    Return a hook of a middleware that is Django's own, or ours.

    Args:
        name: Such as ``process_request``.

    Returns:
        ``None`` where *middleware* has no such hook, or one that does nothing.
    """
    if _is_ours(middleware.__class__):
        call = getattr(middleware, name, None)
        return call and Hook(call, None, sync_to_async(call, thread_sensitive=True))
    known = known_class(middleware.__class__)
    if known is None or not hasattr(middleware, name):
        return None
    path = dotted_path(known)
    rule = RULES[path].get(name)
    is_free = never if rule is None else rule(middleware)
    call = getattr(middleware, name)
    shorten = SHORTER.get(path, {}).get(name)
    shorter = call if is_free is never or shorten is None else shorten(middleware, call)
    return shorter and Hook(shorter, is_free, sync_to_async(call, thread_sensitive=True))


def part_of(middleware: Any, hooks: Iterable[Hook | None]) -> Part | None:
    """Return what a middleware, whose hooks are given, does for a plain request; ``None`` where they are called."""
    if _is_ours(middleware.__class__):
        return Part(ours=middleware)
    known = known_class(middleware.__class__)
    describe = None if known is None else PARTS.get(dotted_path(known))
    if describe is None or any(hook is not None and hook.is_free is never for hook in hooks):
        return None
    return describe(middleware)


def known_class(kind: type) -> type | None:
    """Return the class of Django's that *kind* is, or is but for plain values; ``None`` where it is none."""
    for place, base in enumerate(kind.__mro__):
        if dotted_path(base) in RULES:
            # A mixin behind it may call the hooks in its own way.
            if kind.__mro__[place:] != base.__mro__:
                return None
            return base if all(_has_own_functions(one) and is_tested(one) for one in (base, MiddlewareMixin)) else None
        if not all(isinstance(value, _PLAIN) for value in vars(base).values()):
            return None
    return None


def dotted_path(kind: type) -> str:
    """Return the name under which ``settings.MIDDLEWARE`` knows a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_ours(kind: type) -> bool:
    # Not what is inherited: a subclass may do anything.
    return vars(kind).get("has_hooks") is True and kind.__module__.startswith("django_routehandlers.")


def _has_own_functions(kind: type) -> bool:
    return all(
        is_as_released(value, kind.__module__) for value in vars(kind).values() if isinstance(value, FunctionType)
    )
