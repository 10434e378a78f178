"""
Turn the faults of a cache into a state: while it does not answer, nobody waits for it.

The first call that fails opens the breaker; from then on calls fail at once. Whether the cache
answers again is found out beside the requests, by one probe at a time, whether or not requests come.
"""

import logging
import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import ParamSpec, TypeVar

from django_routehandlers.clocks import monotonic
from django_routehandlers.documentation import Documented, Section

_FIRST_PAUSE = 0.25  # seconds from the first failure to the first probe
_LONGEST_PAUSE = 1.0  # seconds between probes, after doubling
# One slow answer may be the machine's own fault: a collection of garbage, a busy processor.
_SLOW_CALLS = 3

_P = ParamSpec("_P")
_R = TypeVar("_R")

logger = logging.getLogger("django_routehandlers.cache")


class StoreError(Documented):
    """
    The cache has not answered, or not taken what it was given: it is down, hung, slow, read-only or full.

    What the call was to do may have been done all the same.
    """

    section = Section("reference/caching", "The store")


class Breaker:
    """
    Make the calls to one cache, unless it has just failed. Usable from any thread, and after a fork.

    Args:
        name: What the cache is called in log records and errors, such as ``CACHES['default']``.
        slow: Seconds. A cache that takes longer for each of three calls in a row has failed, too.
        probe: Asks the cache for anything, and fails where it does not answer. It is called on a thread
            of its own, so that no request pays for it, until it succeeds. ``None``: the next caller finds out.
        clock: Seconds from any beginning, as of ``clocks.monotonic()``.
    """

    def __init__(
        self,
        name: str,
        *,
        slow: float = float("inf"),
        probe: Callable[[], object] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._name = name
        self._slow = slow
        self._probe = probe
        self._clock = clock
        self._lock = Lock()
        self._pause = _FIRST_PAUSE
        self._retry_at: float | None = None
        self._slow_calls = 0
        self._prober: _Prober | None = None
        self._is_woken = False
        self._recovered: list[Callable[[], object]] = []

    @property
    def is_open(self) -> bool:
        """Whether the cache has failed and not answered since."""
        return self._retry_at is not None

    def on_recovery(self, callback: Callable[[], object]) -> None:
        """Call *callback* whenever the cache answers again. It may raise ``StoreError``, which is dropped."""
        self._recovered.append(callback)

    def wake(self) -> None:
        """Let the next caller find out how the cache is, at once: at the end of a process there is no later one."""
        self._is_woken = self.is_open

    def call(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """
        Return what *function* returns.

        A ``StoreError`` of the function's own is an answer, which concerns this call alone: the cache
        is full, say. Any other exception means that the cache cannot be reached.

        Raises:
            StoreError: The call failed, or the breaker is open.
        """
        is_trial = self._retry_at is not None and self._is_trial()
        began = self._clock()
        try:
            result = function(*args, **kwargs)
        except StoreError:
            if is_trial:
                self._close()
            raise
        except Exception as error:
            if is_trial:
                self._wait_longer()
            else:
                self._open(repr(error))
            raise StoreError(f"{self._name} does not answer: {error!r}") from error
        if is_trial:
            self._close()
        elif self._clock() - began <= self._slow:
            self._slow_calls = 0
        else:
            self._slow_calls += 1
            if self._slow_calls >= _SLOW_CALLS:
                self._open(f"{_SLOW_CALLS} calls in a row took more than {self._slow * 1000:.0f} ms each")
        return result

    def _is_trial(self) -> bool:
        """Return whether this call finds out how the cache is; raise where it must not."""
        with self._lock:
            retry_at = self._retry_at
            if retry_at is None:
                return False
            if self._is_woken:
                self._is_woken = False
                return True
            if self._probe is not None:
                # A fork has none of its parent's threads.
                self._start_prober()
            elif self._clock() >= retry_at:
                self._retry_at = self._clock() + self._pause
                return True
        raise StoreError(f"{self._name} has not answered since it last failed.")

    def _start_prober(self) -> None:
        """See that the cache is asked beside the requests. Under the lock."""
        # A fork has none of its parent's threads.
        if self._prober is not None and self._prober.process == os.getpid():
            return
        # A breaker that nobody has any more is not kept, and its cache not asked.
        prober = _Prober(weakref.ref(self))
        # At the end of the process no thread can be started any more, nor need one be.
        with suppress(RuntimeError):
            Thread(target=prober.run, args=(self._pause,), name="cache-probe", daemon=True).start()
            self._prober = prober

    def ask(self) -> float | None:
        """Probe the cache, and return the seconds until it is to be probed again; ``None``: it need not be."""
        if self._probe is None or self._retry_at is None:
            return None
        began = self._clock()
        try:
            self._probe()
            answers = self._clock() - began <= self._slow
        except Exception:
            answers = False
        if answers:
            self._close()
            return None
        self._wait_longer()
        return self._pause

    def rest(self) -> None:
        """Probe the cache no more, until it is called again."""
        with self._lock:
            self._end_prober()

    def _end_prober(self) -> None:
        # What a fork has of its parent's may be locked for ever.
        if self._prober is not None and self._prober.process == os.getpid():
            self._prober.is_over.set()
        self._prober = None

    def _wait_longer(self) -> None:
        with self._lock:
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._retry_at = self._clock() + self._pause

    def _open(self, reason: str) -> None:
        with self._lock:
            was_closed = self._retry_at is None
            if was_closed:
                self._pause = _FIRST_PAUSE
                self._retry_at = self._clock() + self._pause
                if self._probe is not None:
                    self._start_prober()
        if was_closed:
            logger.warning("%s does not answer: %s. Routes are served without it until it does.", self._name, reason)

    def _close(self) -> None:
        with self._lock:
            was_open = self._retry_at is not None
            self._retry_at = None
            self._slow_calls = 0
            self._end_prober()
        if was_open:
            logger.warning("%s answers again.", self._name)
            for callback in self._recovered:
                with suppress(StoreError):
                    callback()


@dataclass(frozen=True, slots=True)
class _Prober:
    """Has a breaker ask its cache until it answers, on a thread."""

    breaker: "weakref.ref[Breaker]"
    process: int = field(default_factory=os.getpid)
    is_over: Event = field(default_factory=Event)

    def run(self, pause: float | None) -> None:
        while pause is not None and not self.is_over.wait(pause):
            breaker = self.breaker()
            pause = None if breaker is None else breaker.ask()
            # Or it would be kept through the next pause.
            del breaker
