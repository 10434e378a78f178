"""
Turn "for how long" into one of two clocks: what waits never leaves the real one, what ages goes by one that tests move.

freezegun replaces the functions of ``time`` wherever a module has them under a name, and a wait by a clock that
stands still would never end. What is read here is none of these, so that it runs on; time-machine leaves it alone too.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial

monotonic = partial(time.monotonic)
"""Seconds of the real monotonic clock, for waiting and for what came before what."""


@dataclass(frozen=True, slots=True)
class Clock:
    """By which entries of the cache get old, and limits in memory are counted."""

    now: Callable[[], float] = monotonic
    """Seconds from any beginning, which never step back."""
    wall: Callable[[], float] = partial(time.time)
    """Seconds since 1970, which other processes have too."""


REAL = Clock()
"""The clock of every process that is no test."""


class _Chosen:
    """Which clock the next cache goes by."""

    clock = REAL


@lru_cache(maxsize=1)
def _chosen() -> _Chosen:
    return _Chosen()


def current_clock() -> Clock:
    """Return the clock for what is made now: it keeps that one for as long as it lives."""
    return _chosen().clock


@contextmanager
def measured_by(clock: Clock) -> Generator[None]:
    """Give *clock* to what is made within the block, in every thread. For tests."""
    chosen = _chosen()
    before, chosen.clock = chosen.clock, clock
    try:
        yield
    finally:
        chosen.clock = before
