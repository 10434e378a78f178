"""Have asgiref make the sync calls of each request on the request's own thread, at the cost of a few variables."""

from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext

from django_routehandlers.engine.threads import RequestThread, is_lent, request_thread

_UNSET = object()

_P = ParamSpec("_P")
_R = TypeVar("_R")


class _OfRequest(Executor):
    """Hand the calls of each request to the thread of that request."""

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Queue a call on the thread of the request that it is made for."""
        return _called_thread.get().submit(fn, *args, **kwargs)


_called_thread: ContextVar[RequestThread] = ContextVar("called_thread")
# asgiref looks for the executor of a context in a dictionary of weak references. One context that lasts, for all
# requests, needs not be put there by each.
_CONTEXT = ThreadSensitiveContext(executor=_OfRequest())
SyncToAsync.context_to_thread_executor[_CONTEXT] = cast("Any", _CONTEXT)._executor


class own_thread:
    """
    Make the sync calls of one request on a ``RequestThread``, which is given back with this context.

    The calls of tasks that outlive the request get another thread, as under Django. Not for where ``has_thread()``.
    """

    __slots__ = ("_before", "_called", "_context", "_thread")

    def enter(self) -> RequestThread:
        """Return the thread."""
        self._thread = thread = RequestThread()
        self._before = request_thread.set(thread)
        self._called = _called_thread.set(thread)
        self._context = SyncToAsync.thread_sensitive_context.set(_CONTEXT)
        return thread

    def leave(self) -> None:
        """Give the thread back."""
        SyncToAsync.thread_sensitive_context.reset(self._context)
        _called_thread.reset(self._called)
        self._thread.shutdown(wait=False)
        request_thread.reset(self._before)

    async def __aenter__(self) -> RequestThread:
        """As ``enter()``."""
        return self.enter()

    async def __aexit__(self, *error: object) -> None:
        """As ``leave()``."""
        self.leave()


@contextmanager
def no_own_thread() -> Generator[None]:
    """Have a request that is answered within another one, in this process, know nothing of that one's thread."""
    before = request_thread.set(None)
    try:
        yield
    finally:
        request_thread.reset(before)


def keep_thread(context: Context) -> None:
    """Have sync calls in *context*, an empty one, run in the thread in which those made here run."""
    variables: list[Any] = [
        SyncToAsync.thread_sensitive_context,
        SyncToAsync.deadlock_context,
        AsyncToSync.async_single_thread_context,
        request_thread,
        _called_thread,
    ]
    for variable in variables:
        value: object = variable.get(_UNSET)
        if value is not _UNSET:
            context.run(variable.set, value)
    if is_lent():
        context.run(setattr, AsyncToSync.executors, "current", AsyncToSync.executors.current)
