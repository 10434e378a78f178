"""
Turn calls that may hang into calls that end in time.

Libraries of others wait for as long as they like. Their calls are made on a few threads of our own,
and a caller that has waited long enough leaves; the thread stays behind until its call ends.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import ParamSpec, TypeVar

from django_routehandlers.clocks import monotonic

PATIENCE = 0.5
"""Seconds for which a write that must not be lost is waited for, where the time limit of a store is shorter."""
_THREADS = 4
# Of a server that is gone for good some calls never end, and their threads must not be the last ones.
_GIVE_UP = 60.0  # seconds after which hung threads are replaced

_P = ParamSpec("_P")
_R = TypeVar("_R")


class TimedCalls:
    """
    Make calls on at most four threads, and wait no longer than a time limit for each. Usable after a fork.

    Unlike those of ``ThreadPoolExecutor``, a thread that hangs does not hold up the end of the process.

    Args:
        timeout: Seconds that a caller waits, for a free thread and for its call together.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._lock = Lock()
        self._crew = _Crew()

    def run(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """
        Return what *function* returns, called on one of the threads.

        Raises:
            TimeoutError: The call has not ended in time. It may still be made, or go on.
        """
        return self.run_within(self._timeout, function, *args, **kwargs)

    def run_within(self, timeout: float, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """As ``run()``, with another time limit in seconds."""
        crew = self._crew
        if crew.process != os.getpid():
            # A fork has none of its parent's threads.
            crew = self._replace(crew)
        call: Future[_R] = Future()
        crew.submit(call, lambda: function(*args, **kwargs))
        try:
            return call.result(timeout)
        except TimeoutError:
            # One that can still be cancelled was never begun: all threads are busy.
            if call.cancel() and monotonic() - crew.began > _GIVE_UP:
                self._replace(crew)
            raise

    def close(self) -> None:
        """End the threads once their calls have ended. Further calls start others."""
        self._replace(self._crew)

    def _replace(self, crew: "_Crew") -> "_Crew":
        with self._lock:
            if self._crew is crew:
                crew.dismiss()
                self._crew = _Crew()
            return self._crew


class _Crew:
    """Threads that take calls from one queue."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.began = monotonic()
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._lock = Lock()
        self._threads = 0

    def submit(self, call: "Future[_R]", function: Callable[[], _R]) -> None:
        def make() -> None:
            if call.set_running_or_notify_cancel():
                try:
                    call.set_result(function())
                except BaseException as error:
                    call.set_exception(error)

        self._queue.put(make)
        if not self._idle.acquire(blocking=False):
            with self._lock:
                if self._threads >= _THREADS:
                    return
                try:
                    Thread(target=self._work, name="cache", daemon=True).start()
                    self._threads += 1
                except RuntimeError:
                    # At the end of the process none can be started any more.
                    if not self._threads:
                        make()

    def dismiss(self) -> None:
        for _ in range(_THREADS):
            self._queue.put(None)

    def _work(self) -> None:
        while (make := self._queue.get()) is not None:
            make()
            # Or the last call's result would live as long as the thread rests.
            del make
            self._idle.release()
