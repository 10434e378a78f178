"""
Count how often code changes threads, and name each change: an async request that needs none is the fastest.

What is counted are the calls of ``sync_to_async()`` that are bound to the request's thread, made by whomever:
Django, its middleware, this package, and the project's own code.
"""

from functools import partial
from types import TracebackType
from typing import Any, Self, cast

from asgiref.sync import SyncToAsync

_HOPS: Any = SyncToAsync


class CountedHops:
    """A context manager, sync and async, that fails where the block has made another number of changes of threads."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self.names: list[str] = []
        """What each change was made for, in order: the dotted name of the function that was called in a thread."""

    def __enter__(self) -> Self:
        before = self._before = _HOPS.__call__
        self._counts = True

        async def call(hop: Any, /, *args: Any, **kwargs: Any) -> Any:
            if self._counts and hop._thread_sensitive:
                self.names.append(_name(hop.func))
            return await before(hop, *args, **kwargs)

        self._put = call
        _HOPS.__call__ = call
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._counts = False
        # Somebody who came later, and is still there, goes on calling what is here, which counts nothing more.
        if _HOPS.__call__ is self._put:
            _HOPS.__call__ = self._before
        if error is None and len(self.names) != self._expected:
            listed = "".join(f"\n{number}. {name}" for number, name in enumerate(self.names, 1))
            raise AssertionError(f"{len(self.names)} changes of threads, and {self._expected} expected.{listed}")

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)


def assert_num_hops(expected: int) -> CountedHops:
    """
    Fail unless the block makes *expected* changes of threads. For ``with`` and ``async with``.

    Counts all that this process makes while the block runs. Send one request before: the first one loads the
    routes, and may wait where later ones do not.

    Raises:
        AssertionError: There were more, or fewer; the message names each.
    """
    return CountedHops(expected)


def _name(function: Any) -> str:
    while isinstance(function, partial):
        function = cast("partial[Any]", function).func
    kind = cast("Any", type(function))
    named = function if hasattr(function, "__qualname__") else kind
    # A method of a built-in type has no module.
    module: str | None = getattr(named, "__module__", None)
    return f"{module}.{named.__qualname__}" if module else named.__qualname__
