"""
Turn the sync calls of one request into calls on one thread, borrowed only while it is of use.

Django starts a thread for each request under ASGI, which lives as long as the request does. Here
it is borrowed for the first call and given back with the request; and an event stream that lasts
for hours needs none between its events, so a resting one has given it back.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, sync_to_async

from django_routehandlers.engine import database
from django_routehandlers.engine.locals import LocalValue
from django_routehandlers.engine.workers import Worker, WorkerPool, worker_pool

_UNSET = object()
_CURRENT = LocalValue(AsyncToSync.executors, "current")

_P = ParamSpec("_P")
_R = TypeVar("_R")


class RequestThread(Executor):
    """
    Run one call at a time, on one thread, which is borrowed for the first call.

    Until the request rests all calls run on the same thread. From then on the thread is given back
    behind each call that leaves no database connection open on it, and the next call borrows one.
    """

    def __init__(self, pool: WorkerPool | None = None) -> None:
        self._pool = pool or worker_pool()
        self._lock = Lock()
        self._worker: Worker | None = None
        self._is_asking = False
        self._queued: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._calls = 0
        self._running: Future[Any] | None = None
        # Calls that go on without their request, each with its thread.
        self._left: dict[Future[Any], Worker] = {}
        self._is_new, self._is_tidy, self._is_due = True, False, False
        self._rests = self._has_ended = self._is_connected = False

    @property
    def is_used(self) -> bool:
        """Whether the request holds a thread, or waits for one."""
        return self._worker is not None or self._is_asking

    @property
    def is_busy(self) -> bool:
        """Whether calls of the request run, or wait: also those of a view that was cancelled."""
        return self._calls > 0

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Queue a call."""
        call: Future[_R] = Future()
        with self._lock:
            self._calls += 1
            worker = self._worker
            must_ask = worker is None and not self._is_asking
            self._is_asking |= must_ask
            if worker is None:
                self._queued.append((call, partial(fn, *args, **kwargs)))
            else:
                self._pool.work(worker)
                worker.submit(self._run, call, partial(fn, *args, **kwargs))
        # Not before the lock is free: it may be ours at once.
        if must_ask:
            self._pool.take(self._start)
        call.add_done_callback(self._count)
        return call

    async def rest(self) -> None:
        """
        Tidy up the database connections that are not in a transaction, and give the thread back.

        It stays where it is in a transaction, and while other tasks of the request have calls
        on it. An iteration over rows that has begun is broken off where its connection is closed.
        """
        with self._lock:
            self._rests = True
            # A sync middleware waits on the thread for the view, and lends it to the view's own calls.
            if self._worker is None or (self._calls and not is_lent()):
                return
        await sync_to_async(self._tidy_up)()

    def let_go(self) -> bool:
        """
        Leave the thread to the call that runs on it, and borrow another for the next one; return whether one runs.

        It is given back when that call ends.
        """
        with self._lock:
            worker = self._worker
            if worker is None or self._running is None:
                return False
            self._left[self._running] = worker
            self._calls -= 1
            self._running = self._worker = None
            self._is_new, self._is_connected, self._is_due = True, False, False
        # It may never come back: whoever asks has its place.
        self._pool.rest(worker)
        return True

    def let_others_work(self) -> None:
        """Let other requests have a thread in the place of this one's, which only waits."""
        if (worker := self._worker) is not None:
            self._pool.rest(worker)

    def work_again(self) -> None:
        """Say that the thread has work to do again, after ``let_others_work()``."""
        if (worker := self._worker) is not None:
            self._pool.work(worker)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """
        Give the thread back when its calls have ended.

        A later call borrows another one, as after ``rest()``: the cleaning up of a task that
        outlives its request may need one, and gets one from Django too.
        """
        self._rests = self._has_ended = True
        if not self.is_used:
            return
        with self._lock:
            self._give_back()

    def _give_back(self) -> None:
        """Give the thread back if it is of no use any more, or its place while it has no work. The lock is held."""
        worker = self._worker
        if worker is None or self._calls:
            return
        if not self._rests or (self._is_connected and not self._has_ended):
            self._pool.rest(worker)
            return
        self._worker, self._is_new = None, True
        if self._is_due:
            worker.submit(self._end, worker)
        else:
            self._pool.give(worker)

    # On the thread

    def _start(self, worker: Worker) -> None:
        with self._lock:
            self._worker, self._is_asking = worker, False
            while self._queued:
                worker.submit(self._run, *self._queued.popleft())
            self._give_back()

    def _run(self, call: "Future[_R]", fn: Callable[[], _R]) -> None:
        if not call.set_running_or_notify_cancel():
            # Its callbacks have run when it was cancelled.
            return
        self._running = call
        try:
            if self._is_new:
                self._is_new = False
                database.begin()
            result = fn()
        except BaseException as error:
            self._note_connections(call)
            call.set_exception(error)
            # A traceback holds this frame, and this frame would hold the traceback.
            del call
        else:
            self._note_connections(call)
            call.set_result(result)

    def _note_connections(self, call: "Future[Any]") -> None:
        if call in self._left:
            # This thread is the request's no more.
            return
        # Known for every call: the request may come to rest right behind this line. A connection that is
        # open once they are tidied up is for whoever borrows the thread next.
        counts, self._is_tidy = (database.is_in_transaction if self._is_tidy else database.is_open), False
        used = database.used_connections()
        self._is_connected = any(map(counts, used))
        # To close what need not be closed would take another change of threads.
        self._is_due = any(map(database.is_due, used))

    def _tidy_up(self) -> None:
        database.rest()
        self._is_tidy = True

    def _count(self, call: "Future[Any]") -> None:
        with self._lock:
            if (worker := self._left.pop(call, None)) is not None:
                worker.submit(self._end, worker)
                return
            if self._running is call:
                self._running = None
            self._calls -= 1
            if self._is_asking and not self._calls and self._pool.forget(self._start):
                # Those that a thread was asked for have been cancelled.
                self._is_asking = False
                self._queued.clear()
            self._give_back()

    def _end(self, worker: Worker) -> None:
        try:
            database.end()
        finally:
            self._pool.give(worker)


request_thread: ContextVar[RequestThread | None] = ContextVar("request_thread", default=None)
"""The thread of the request that is being answered; ``None`` where nothing of ours serves it."""


def has_thread() -> bool:
    """Return whether sync calls made here have a thread already: that of sync code around, or of a context."""
    return is_lent() or SyncToAsync.thread_sensitive_context.get(None) is not None


def is_on_loop() -> bool:
    """Return whether this thread runs an event loop right now, so that nothing called here may wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def is_lent() -> bool:
    """Return whether sync code around waits, and lends its thread to the sync calls made here."""
    return not _CURRENT.is_surely_unset and getattr(AsyncToSync.executors, "current", None) is not None
