"""
The cache of this process: finds entries, has them made, and has stale ones refreshed.

Two thin edges, ``get()`` for threads and ``aget()`` for tasks, around the same steps.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async

from django_routehandlers.caching.counters import Counters
from django_routehandlers.caching.driving import AMake, Make, adrive, arun_alone, drive, outlived, run_alone
from django_routehandlers.caching.entries import Entry
from django_routehandlers.caching.filling import Filling
from django_routehandlers.caching.flights import Flight, Flights, Landing
from django_routehandlers.caching.keys import Key
from django_routehandlers.caching.local_tier import LocalTier
from django_routehandlers.caching.refreshes import Refreshes
from django_routehandlers.caching.sessions import may_see_otherwise, why_seen_otherwise
from django_routehandlers.caching.steps import Made, Steps, Wanted
from django_routehandlers.caching.stores import Store
from django_routehandlers.caching.versions import TagVersions
from django_routehandlers.clocks import REAL, Clock, monotonic
from django_routehandlers.engine.own_thread import keep_thread
from django_routehandlers.responses.problems import problem_for_exception
from django_routehandlers.responses.time_limit import Overdue

STORE_THREADS = 8
"""Threads in which calls of a store that may wait are made, beside the event loop."""
_TRY_AGAIN = ("invalidated", "elsewhere", "store")


@dataclass(frozen=True, slots=True)
class Found:
    """What somebody who asked gets."""

    entry: Entry | None
    """The entry, where there is one."""
    result: Any = None
    """What the caller's own run returned, where it ran."""
    has_run: bool = False
    why: str | None = None
    """Why there was no entry before; ``None`` where there was."""
    why_not: str | None = None
    """Why none was kept; ``None`` where one was."""
    is_collapsed: bool = False
    """Whether somebody else's run made the entry, for which this caller waited."""


class Cache:
    """Entries of this process and of its store, which get old by *clock*."""

    def __init__(
        self,
        store: Store,
        versions: TagVersions,
        tier: LocalTier | None,
        *,
        serves_stale: bool,
        max_value: int,
        clock: Clock = REAL,
    ) -> None:
        self.store, self.versions, self.tier, self.counters = store, versions, tier, Counters()
        self.flights, self.clock = Flights(), clock
        self._filling = Filling(
            store, versions, tier, self.counters, clock, serves_stale=serves_stale, max_value=max_value
        )
        self._serves_stale = serves_stale
        self._threads = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="route-cache")
        self.refreshes = Refreshes()

    def peek(self, key: Key, now: float) -> Entry | None:
        """
        Return the entry, fresh or stale, where memory alone tells that it may be served.

        Args:
            now: Seconds of the clock of this cache.
        """
        if self.tier is None:
            return None
        entry = self.tier.get(key)
        if entry is None or not self.versions.is_valid(entry.versions, monotonic()):
            return None
        if not (entry.is_usable(now) if self._serves_stale else entry.is_fresh(now)):
            return None
        return None if may_see_otherwise(entry.tables) else entry

    def get(self, wanted: Wanted, make: Make) -> Found:
        """Return the entry, or what *make* returned where there can be none."""
        arrival = monotonic()
        while not wanted.is_within_itself:
            flight, leads = self.flights.join(wanted.key)
            if flight is None:
                return self._alone(wanted, make, None)
            landing = self._lead(flight, wanted, make) if leads else flight.wait()
            found = self._taken(landing, arrival, leads=leads)
            if found is None:
                if landing is not None and landing.why_not in _TRY_AGAIN:
                    continue
                return self._alone(wanted, make, landing)
            why_not = None if found.entry is None or found.has_run else why_seen_otherwise(found.entry.tables)
            if why_not is not None:
                return self._alone(wanted, make, Landing(None, arrival, why_not=why_not))
            return self._included(found, wanted)
        return self._alone(wanted, make, None)

    async def aget(self, wanted: Wanted, make: AMake) -> Found:
        """As ``get()``, on an event loop. A caller that is cancelled takes nobody with it."""
        arrival = monotonic()
        while not wanted.is_within_itself:
            flight, leads = self.flights.join(wanted.key)
            if flight is None:
                return await self._aalone(wanted, make, None)
            landing = await (self._alead(flight, wanted, make) if leads else flight.await_())
            found = self._taken(landing, arrival, leads=leads)
            if found is None:
                if landing is not None and landing.why_not in _TRY_AGAIN:
                    continue
                return await self._aalone(wanted, make, landing)
            why_not = None if found.entry is None or found.has_run else await _awhy_seen_otherwise(found.entry.tables)
            if why_not is not None:
                return await self._aalone(wanted, make, Landing(None, arrival, why_not=why_not))
            return self._included(found, wanted)
        return await self._aalone(wanted, make, None)

    def find(self, wanted: Wanted) -> Entry | None:
        """Return the entry that the store has, without making one."""
        entry = self._filling.find(wanted)
        return None if entry is None or why_seen_otherwise(entry.tables) else entry

    async def afind(self, wanted: Wanted) -> Entry | None:
        """As ``find()``, on an event loop."""
        entry: Entry | None = await self.ask(self._filling.find, wanted)
        return None if entry is None or await _awhy_seen_otherwise(entry.tables) else entry

    def refresh(self, wanted: Wanted, entry: Entry, make: Make) -> None:
        """Have a stale entry made anew, in a thread of its own, unless that is under way."""
        if self.clock.now() >= entry.retry_at:
            # What waits for a thread must not be waited for: its flight begins with it.
            self.refreshes.start(wanted.key, lambda: self._refresh(wanted, entry, make))

    def arefresh(self, wanted: Wanted, entry: Entry, make: AMake) -> None:
        """As ``refresh()``, in a task of its own on the running event loop."""
        if self.clock.now() < entry.retry_at or not self.refreshes.has_room:
            return
        flight, leads = self.flights.join(wanted.key)
        if flight is not None and leads:
            self.refreshes.astart(lambda: self._arefresh(flight, wanted, entry, make))

    async def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what may ask the store, beside the event loop where the store may make it wait."""
        if not self.store.blocks:
            return function(*arguments)
        if self.store.needs_request_thread:
            return await sync_to_async(function, thread_sensitive=True)(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        """End the threads and close the store."""
        self.refreshes.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.store.close()

    # Leaders

    def _lead(self, flight: Flight, wanted: Wanted, make: Make) -> Landing:
        landing: Landing | None = None
        try:
            landing = drive(self._filling.steps(wanted), wanted, make)
            return landing
        except Exception as error:
            landing = self._count(error)
            raise
        finally:
            self.flights.land(flight, landing)

    async def _alead(self, flight: Flight, wanted: Wanted, make: AMake) -> Landing:
        context = wanted.surroundings.context()
        keep_thread(context)
        work = self._fly(flight, self._filling.steps(wanted), make)
        task = asyncio.get_running_loop().create_task(work, context=context)
        return await outlived(task)

    async def _fly(self, flight: Flight, steps: Steps, make: AMake) -> Landing:
        landing: Landing | None = None
        try:
            landing = await adrive(steps, make, self.ask)
            return landing
        except Exception as error:
            landing = self._count(error)
            raise
        finally:
            self.flights.land(flight, landing)

    def _count(self, error: Exception) -> Landing | None:
        """Count a failure; return how the flight has ended."""
        # A 404 is an answer like any other.
        if _is_failure(error):
            self.counters.add("fill_errors")
        return Landing(None, monotonic(), overdue=error) if isinstance(error, Overdue) else None

    # Refreshes

    def _refresh(self, wanted: Wanted, entry: Entry, make: Make) -> None:
        flight, leads = self.flights.join(wanted.key)
        if flight is None or not leads:
            return
        self.counters.add("refreshes")
        landing: Landing | None = None
        try:
            landing = drive(self._filling.steps(wanted, is_refresh=True), wanted, make)
            self._filling.settle_refresh(wanted, entry, landing)
        except Exception as error:
            landing = self._answered(error)
            self._filling.settle_refresh(wanted, entry, landing)
            if landing is None:
                raise
        finally:
            self.flights.land(flight, landing)

    async def _arefresh(self, flight: Flight, wanted: Wanted, entry: Entry, make: AMake) -> None:
        self.counters.add("refreshes")
        landing: Landing | None = None
        try:
            wanted.surroundings.put()
            landing = await adrive(self._filling.steps(wanted, is_refresh=True), make, self.ask)
            await self.ask(self._filling.settle_refresh, wanted, entry, landing)
        except Exception as error:
            landing = self._answered(error)
            await self.ask(self._filling.settle_refresh, wanted, entry, landing)
            if landing is None:
                raise
        finally:
            self.flights.land(flight, landing)

    def _answered(self, error: Exception) -> Landing | None:
        """Return how a refresh ended that raised *error*; ``None`` for a failure."""
        if not _is_failure(error):
            return Landing(None, monotonic(), why_not="status")
        self.counters.add("refresh_errors")
        return None

    # Endings

    def _taken(self, landing: Landing | None, arrival: float, *, leads: bool) -> Found | None:
        """Return what is taken from a flight, or ``None`` where nothing may be."""
        if landing is None:
            return None
        if landing.overdue is not None:
            raise Overdue(landing.overdue.label, landing.overdue.seconds)
        if leads and landing.why is not None:
            return Found(landing.entry, landing.made, True, landing.why, landing.why_not)
        if landing.entry is None:
            return None
        if landing.as_of < arrival and (
            landing.why_not == "store" or not self.versions.is_valid(landing.entry.versions, monotonic())
        ):
            return None
        return Found(landing.entry, why=landing.why, is_collapsed=not leads and landing.why is not None)

    def _included(self, found: Found, wanted: Wanted) -> Found:
        """Have the fill that asks depend on what the entry depends on."""
        entry, outer = found.entry, wanted.outer
        # Fresh when it was found, it may be stale by now.
        if entry is not None and outer is not None and not found.has_run and not outer.uses(entry, self.clock.now()):
            outer.limit(0.0)
        return found

    def _alone(self, wanted: Wanted, make: Make, landing: Landing | None) -> Found:
        return _unkept(wanted, run_alone(wanted, make), landing)

    async def _aalone(self, wanted: Wanted, make: AMake, landing: Landing | None) -> Found:
        return _unkept(wanted, await arun_alone(wanted, make), landing)


def _is_failure(error: Exception) -> bool:
    """Return whether *error* is no answer to the client, or one that says that something is wrong here."""
    problem = problem_for_exception(error)
    return problem is None or problem.status_code >= 500


def _unkept(wanted: Wanted, made: Made, landing: Landing | None) -> Found:
    if wanted.outer is not None and made.value is None:
        wanted.outer.spoil(made.why_not or "unknown")
    why_not = made.why_not or (landing.why_not if landing is not None else None) or "pass"
    return Found(None, made.result, True, "uri-miss", why_not)


async def _awhy_seen_otherwise(tables: frozenset[str]) -> str | None:
    if not may_see_otherwise(tables):
        return None
    return await sync_to_async(why_seen_otherwise, thread_sensitive=True)(tables)
