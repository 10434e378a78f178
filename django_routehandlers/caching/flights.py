"""
Let one of those who miss the same entry make it, and the others wait: tasks and threads alike.

Whoever waits takes the result only where it is sure to be no older than its own arrival; what
may not be kept is never taken, since it may have been made for somebody else.
"""

import asyncio
import threading
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass, field
from typing import Any

from django_routehandlers.caching.entries import Entry
from django_routehandlers.caching.keys import Key, digest
from django_routehandlers.clocks import monotonic
from django_routehandlers.responses.time_limit import Overdue

DEADLINE = 30.0
"""Seconds after which those who wait for a fill run it themselves, and nobody waits for it any more."""
PASS = 1.0
"""Seconds for which nobody waits for a fill whose result could not be kept."""
_MOST_PASSES = 10_000
ABOUT_THE_RUN = frozenset({"elsewhere", "invalidated", "session", "snapshot", "store", "transaction", "uncommitted"})
"""Why nothing was kept of one run, where something may well be of the next."""


@dataclass(frozen=True, slots=True)
class Landing:
    """How a flight ended."""

    entry: Entry | None
    """What may be shared; ``None`` where nothing may."""
    as_of: float
    """Seconds of the monotonic clock: what was invalidated before is not in the entry."""
    made: Any = None
    """What the leader itself gets: the result of its run; ``None`` where it found an entry."""
    why: str | None = None
    """Why the entry was not there before; ``None`` where it was."""
    why_not: str | None = None
    """Why the result was not kept; ``None`` where it was."""
    overdue: Overdue | None = None
    """What the run was broken off with, where it took too long: nobody who waited has time for another."""


@dataclass(slots=True, eq=False)
class Flight:
    """One fill that others may wait for."""

    key: Key
    started: float = field(default_factory=monotonic)
    landed: "Future[Landing | None]" = field(default_factory=lambda: Future[Landing | None]())
    """``None`` for a run that failed: each who waited runs its own, unless it took too long."""

    def wait(self) -> Landing | None:
        """Return how it ended, or ``None`` where it failed or takes too long."""
        try:
            return self.landed.result(DEADLINE)
        except TimeoutError:
            return None

    async def await_(self) -> Landing | None:
        """As ``wait()``, on an event loop. A caller that is cancelled takes nobody with it."""
        landed = asyncio.wrap_future(self.landed)
        done, _ = await asyncio.wait({landed}, timeout=DEADLINE)
        return landed.result() if done else None


class Flights:
    """The fills of this process that are under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Key, Flight] = {}
        # By digests: keys have what clients send, and there may be many of them.
        self._passes: dict[str, float] = {}

    def join(self, key: Key) -> tuple[Flight | None, bool]:
        """
        Return the flight to wait for, and whether the caller leads it.

        Returns:
            ``None`` where the last result could not be kept, so that everybody runs alone.
        """
        now = monotonic()
        with self._lock:
            flight = self._under_way.get(key)
            if flight is not None and now - flight.started < DEADLINE:
                return flight, False
            if self._passes and (until := self._passes.get(name := digest(key))) is not None:
                if now < until:
                    return None, False
                del self._passes[name]
            flight = self._under_way[key] = Flight(key)
            return flight, True

    def land(self, flight: Flight, landing: Landing | None) -> None:
        """Tell those who wait how *flight* ended."""
        with self._lock:
            if self._under_way.get(flight.key) is flight:
                del self._under_way[flight.key]
            if landing is None or (landing.entry is None and landing.why_not not in ABOUT_THE_RUN):
                if len(self._passes) >= _MOST_PASSES:
                    self._passes.clear()
                self._passes[digest(flight.key)] = monotonic() + PASS
        # A waiter that timed out, or whose loop is gone, has cancelled nothing but its own future.
        if not flight.landed.done():
            flight.landed.set_result(landing)

    def __len__(self) -> int:
        return len(self._under_way)
