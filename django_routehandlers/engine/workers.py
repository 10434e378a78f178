"""
Lend threads to requests, out of a bounded number, and keep them between two loans.

A thread that is kept keeps its database connections as well, which is what ``CONN_MAX_AGE`` needs:
under ASGI Django starts a thread for each request, and its connections go with it.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from typing import ParamSpec, TypeVar

from django.core.signals import setting_changed

from django_routehandlers.clocks import monotonic
from django_routehandlers.conf import SETTING, get_config
from django_routehandlers.engine import database

_IDLE = 60  # seconds that a thread is kept without work while others have some

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Worker:
    """A thread that runs one call at a time, started for the first one."""

    def __init__(self, number: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"request-{number}")
        self.is_counted = True
        """Whether it is one of those whose number is bounded."""
        self.idle_since = 0.0
        """When it was given back, on the monotonic clock."""

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Queue a call."""
        return self._executor.submit(fn, *args, **kwargs)

    def end(self) -> None:
        """Close the thread's database connections, and end it when its calls have ended."""
        # At the end of the process no call can be queued any more, nor need one be.
        with suppress(RuntimeError):
            self._executor.submit(database.close)
        self._executor.shutdown(wait=False)


class WorkerPool:
    """
    Threads for the sync code of requests.

    The thread that was given back last is lent first: few stay warm, and hold connections.

    Args:
        size: Threads at most that work at a time. One that is lent and has nothing to do, while its
            request waits for something else, gives its place away where somebody asks for one, and
            stays where it is. Whoever finds all at work waits, in the order of asking.
    """

    def __init__(self, size: int) -> None:
        self._size, self._count, self._is_closed = size, 0, False
        self._started = 0
        self.lent = 0
        """Threads that are lent right now."""
        self._lock = Lock()
        self._idle: deque[Worker] = deque()
        self._waiting: deque[Callable[[Worker], object]] = deque()
        # Lent, and without work, the longest first: a set that keeps its order.
        self._unused: dict[Worker, None] = {}

    def take(self, use: Callable[[Worker], object]) -> None:
        """Call *use* with a thread: now, or in whichever thread gives one back."""
        with self._lock:
            worker = self._free_worker()
            if worker is None and self._unused:
                self._uncount(next(iter(self._unused)))
                worker = self._free_worker()
            if worker is None:
                self._waiting.append(use)
        if worker is not None:
            use(worker)

    def forget(self, use: Callable[[Worker], object]) -> bool:
        """Do not call *use* any more, if it is still to be called; return whether it was."""
        with self._lock, suppress(ValueError):
            self._waiting.remove(use)
            return True
        return False

    def give(self, worker: Worker) -> None:
        """Take a thread back, with no transaction open on its connections."""
        with self._lock:
            self.lent -= 1
            self._unused.pop(worker, None)
            if not worker.is_counted and self._count < self._size:
                worker.is_counted = True
                self._count += 1
            use, ended = None, [worker]
            if worker.is_counted and self._waiting:
                use, ended = self._waiting.popleft(), []
                self.lent += 1
            elif worker.is_counted and not self._is_closed:
                worker.idle_since = monotonic()
                self._idle.append(worker)
                ended = self._outdated(worker.idle_since)
            elif worker.is_counted:
                self._count -= 1
        for one in ended:
            one.end()
        if use is not None:
            use(worker)

    def rest(self, worker: Worker) -> None:
        """
        Say that *worker*, which is lent, has nothing to do, or only waits for what is no work of its own.

        Nobody knows how long its request waits for something else, a client or another service: as
        many of those as there are places would stop all others.
        """
        with self._lock:
            if not worker.is_counted:
                return
            self._unused[worker] = None
            use = another = None
            if self._waiting:
                use = self._waiting.popleft()
                self._uncount(worker)
                another = self._free_worker()
        if use is not None and another is not None:
            use(another)

    def work(self, worker: Worker) -> None:
        """Say that *worker*, which is lent, has something to do again."""
        if worker in self._unused:
            with self._lock:
                self._unused.pop(worker, None)

    def close(self) -> None:
        """End the threads that are idle, and their connections, and keep none from now on."""
        with self._lock:
            # What is still to be cleaned up may borrow one, which ends when it is given back.
            self._is_closed = True
            idle = list(self._idle)
            self._idle.clear()
            self._count -= len(idle)
        for worker in idle:
            worker.end()

    def _uncount(self, worker: Worker) -> None:
        worker.is_counted = False
        self._count -= 1
        self._unused.pop(worker, None)

    def _free_worker(self) -> Worker | None:
        if not self._idle and self._count >= self._size:
            return None
        self.lent += 1
        if self._idle:
            return self._idle.pop()
        self._count += 1
        self._started += 1
        return Worker(self._started)

    def _outdated(self, now: float) -> list[Worker]:
        outdated: list[Worker] = []
        while self._idle[0].idle_since < now - _IDLE:
            outdated.append(self._idle.popleft())
        self._count -= len(outdated)
        return outdated


@lru_cache(maxsize=1)
def worker_pool() -> WorkerPool:
    """Return the threads of this process."""
    return WorkerPool(get_config().WORKER_THREADS)


def _forget_pool(*, setting: str = SETTING, **kwargs: object) -> None:
    if setting == SETTING and worker_pool.cache_info().currsize:
        worker_pool().close()
        worker_pool.cache_clear()


setting_changed.connect(_forget_pool, dispatch_uid="django_routehandlers.engine.workers")
# A child process has none of its parent's threads.
os.register_at_fork(after_in_child=worker_pool.cache_clear)
