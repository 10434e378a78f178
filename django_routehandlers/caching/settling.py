"""
Turn a change that a store could not be told of into a thread that tells it, in a process that nobody asks anything.

Requests settle what is owed as well, and so does the end of the process.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread

from django_routehandlers.caching.stores import StoreError


class Settling:
    """
    Calls a function again and again, while something is owed.

    Args:
        settle: Tells the store, or raises ``StoreError``.
        owes: Returns whether anything is owed.
        pause: Seconds before each call.
    """

    def __init__(self, settle: Callable[[], object], owes: Callable[[], bool], pause: float) -> None:
        self._settle, self._owes, self._pause = settle, owes, pause
        self._lock = Lock()
        self._is_running = False
        self._ends = Event()

    def start(self) -> None:
        """Begin, unless it is under way. What is owed has to be so by now."""
        with self._lock:
            if self._is_running or self._ends.is_set():
                return
            # At the end of the process no thread can be started any more.
            with suppress(RuntimeError):
                Thread(target=self._run, name="cache-settling", daemon=True).start()
                self._is_running = True

    def close(self) -> None:
        """End, whatever is owed."""
        self._ends.set()

    def _run(self) -> None:
        while not self._ends.wait(self._pause):
            with suppress(StoreError):
                self._settle()
            with self._lock:
                if not self._owes():
                    self._is_running = False
                    return
