"""
Turn the sync calls of one request into calls on one thread, held only while it is of use.

Django gives each request under ASGI a thread that lives as long as the request does. An event
stream that lasts for hours needs none between its events, so a resting one has given it back.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import Context, ContextVar
from threading import Event, Lock
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_LINGER = 0.05  # seconds that a thread which is given back waits for one more call
_UNSET = object()

_P = ParamSpec("_P")
_R = TypeVar("_R")


class RequestThread(Executor):
    """
    Run one call at a time, on one thread, which is started for the first call.

    Until the request rests all calls run on the same thread. From then on the thread is given
    back soon after each call that leaves no database connection open on it, and the next call
    starts another one.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._calls = 0
        self._rests = False
        self._is_connected = False
        self._wanted: Event | None = None

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Queue a call."""
        with self._lock:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="request")
            self._calls += 1
            if self._wanted is not None:
                self._wanted.set()
            call = self._thread.submit(self._run, fn, *args, **kwargs)
        # Not before the lock is free: a call that has already ended is counted right here.
        call.add_done_callback(self._count)
        return call

    async def rest(self) -> None:
        """
        Close the database connections that are not in a transaction, and give the thread back.

        It stays where it is in a transaction, and while other tasks of the request have calls
        on it. An iteration over rows that has begun is broken off, as its connection is closed.
        """
        with self._lock:
            self._rests = True
            # A sync middleware waits on the thread for the view, and lends it to the view's own calls.
            if self._thread is None or (self._calls and not _is_lent()):
                return
        await sync_to_async(_close_idle_connections)()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """
        End the thread when its calls have ended.

        A later call starts another one, as after ``rest()``: the cleaning up of a task that
        outlives its request may need one, and gets one from Django too.
        """
        with self._lock:
            self._rests = True
            thread, self._thread = self._thread, None
            if self._wanted is not None:
                self._wanted.set()
                self._wanted = None
        if thread is not None:
            thread.shutdown(wait, cancel_futures=cancel_futures)

    def _run(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return fn(*args, **kwargs)
        finally:
            # Known for every call: the request may come to rest right behind this line.
            self._is_connected = any(connection.connection is not None for connection in _used_connections())

    def _count(self, call: Future[Any]) -> None:
        with self._lock:
            self._calls -= 1
            is_idle = self._rests and not self._calls and not self._is_connected
            if is_idle and self._thread is not None and self._wanted is None:
                self._wanted = Event()
                # At the end of the process no call can be queued any more, nor need one be.
                with suppress(RuntimeError):
                    self._thread.submit(self._linger, self._thread, self._wanted)

    def _linger(self, thread: ThreadPoolExecutor, wanted: Event) -> None:
        # Each of several middleware classes has a call of its own: they need not start a thread each.
        wanted.wait(_LINGER)
        with self._lock:
            if self._wanted is wanted:
                self._wanted = None
            if self._thread is thread and not self._calls:
                # This is the thread itself, which cannot wait for its own end.
                thread.shutdown(wait=False)
                self._thread = None


request_thread: ContextVar[RequestThread | None] = ContextVar("request_thread", default=None)
"""The thread of the request that is being answered; ``None`` where nothing of ours serves it."""


@asynccontextmanager
async def own_thread() -> AsyncGenerator[RequestThread]:
    """Make the sync calls of one request on a ``RequestThread``, whose thread ends with this context."""
    thread = RequestThread()
    before = request_thread.set(thread)
    context = ThreadSensitiveContext(executor=thread)
    try:
        async with context:
            yield thread
    finally:
        # asgiref would refuse the calls of tasks that outlive the request. Under Django they get another thread.
        vars(context)["_exited"] = False
        thread.shutdown(wait=False)
        request_thread.reset(before)


def has_thread() -> bool:
    """Return whether sync calls made here have a thread already: that of sync code around, or of a context."""
    return _is_lent() or SyncToAsync.thread_sensitive_context.get(None) is not None


def is_on_loop() -> bool:
    """Return whether this thread runs an event loop right now, so that nothing called here may wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def keep_thread(context: Context) -> None:
    """Have sync calls in *context*, an empty one, run in the thread in which those made here run."""
    variables: list[Any] = [
        SyncToAsync.thread_sensitive_context,
        SyncToAsync.deadlock_context,
        AsyncToSync.async_single_thread_context,
        request_thread,
    ]
    for variable in variables:
        value: object = variable.get(_UNSET)
        if value is not _UNSET:
            context.run(variable.set, value)
    if _is_lent():
        context.run(setattr, AsyncToSync.executors, "current", AsyncToSync.executors.current)


def _is_lent() -> bool:
    return getattr(AsyncToSync.executors, "current", None) is not None


def _used_connections() -> Sequence[BaseDatabaseWrapper]:
    return connections.all(initialized_only=True)


def _close_idle_connections() -> None:
    for connection in _used_connections():
        # Without autocommit there is a transaction that no block of Django's knows of.
        if not connection.in_atomic_block and connection.autocommit:
            # One that the server has dropped is gone even if closing it fails.
            with suppress(Error):
                connection.close()
