"""
Turn a call whose result may be kept into that result: read off an entry, or made by a run.

Knows neither what is called nor what is kept. Two thin edges, ``result_of()`` for threads and
``aresult_of()`` for tasks.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from asgiref.sync import AsyncToSync, async_to_sync

from django_routehandlers.caching.cache import Cache
from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.driving import AMake, Make, arun_alone, run_alone
from django_routehandlers.caching.entries import Entry
from django_routehandlers.caching.flights import Landing
from django_routehandlers.caching.keys import Key
from django_routehandlers.caching.queries import current_recording
from django_routehandlers.caching.recording import Recording
from django_routehandlers.caching.steps import Made, Terms, Wanted
from django_routehandlers.caching.surroundings import Surroundings, Variables
from django_routehandlers.clocks import monotonic
from django_routehandlers.conf import get_config, is_lifetime
from django_routehandlers.documentation import Section, documented
from django_routehandlers.engine.threads import is_on_loop

_SECTION = Section("how-to/cached-functions-and-fetch", "Cache a function")

Revalidate = int | Literal[False] | None
"""Freshness lifetime: seconds, ``False`` until invalidated, ``None`` for the setting ``DEFAULT_REVALIDATE``."""

_R = TypeVar("_R")


class Unreadable(Exception):
    """An entry is not, or no longer, what its reader can read."""


@dataclass(frozen=True, slots=True)
class Call(Generic[_R]):
    """A call whose result may be kept."""

    key: Key | None
    """``None`` where nothing may be kept."""
    variables: Variables
    """Context variables that the run sees."""
    read: Callable[[bytes], _R]
    """Makes the result of what is kept, anew for each caller; raises ``Unreadable`` where it cannot."""


def result_of(call: Call[_R], prepare: Callable[[], tuple[Terms, Make]]) -> _R:
    """
    Return the result of *call*, in a thread.

    On a running event loop it waits for no other run, only for the store.

    Args:
        prepare: Returns on what terms the result may be kept, and what makes it. Called only where
            memory alone does not have the result.
    """
    outer, now = _outer(), current_cache().clock.now()
    entry = None if call.key is None else current_cache().peek(call.key, now)
    if entry is None or (outer is not None and not outer.uses(entry, now)):
        return _result(call, outer, *prepare())
    try:
        result = call.read(entry.value)
    except Unreadable:
        return _result(call, outer, *prepare(), is_alone=True)
    if not entry.is_fresh(now):
        _refresh(call, entry, *prepare())
    return result


async def aresult_of(call: Call[_R], prepare: Callable[[], tuple[Terms, AMake]]) -> _R:
    """As ``result_of()``, in a task."""
    outer, now = _outer(), current_cache().clock.now()
    entry = None if call.key is None else current_cache().peek(call.key, now)
    if entry is None or (outer is not None and not outer.uses(entry, now)):
        return await _aresult(call, outer, *prepare())
    try:
        result = call.read(entry.value)
    except Unreadable:
        return await _aresult(call, outer, *prepare(), is_alone=True)
    if not entry.is_fresh(now):
        _arefresh(call, entry, *prepare())
    return result


def lifetime_of(revalidate: Revalidate) -> float | None:
    """Return a freshness lifetime in seconds; ``None`` until it is invalidated."""
    chosen = get_config().DEFAULT_REVALIDATE if revalidate is None else revalidate
    return None if chosen is False else float(chosen)


def check_revalidate(revalidate: object, where: str) -> None:
    """
    Refuse what is no freshness lifetime.

    Raises:
        ValueError: It is none. The message begins with *where*.
    """
    if revalidate is not None and not is_lifetime(revalidate):
        raise documented(
            ValueError(
                f"{where}: revalidate is {revalidate!r}. It is a whole number of seconds, 0 for never, or False for "
                "until it is invalidated. Write revalidate=60."
            ),
            _SECTION,
        )


def check_tags(tags: object, where: str) -> tuple[str, ...]:
    """
    Return *tags* as a tuple.

    Raises:
        TypeError: They are not several texts. The message begins with *where*.
    """
    # A text is several texts too, one for each character.
    found = tuple(cast("Iterable[object]", tags)) if isinstance(tags, Iterable) and not isinstance(tags, str) else ("",)
    if not all(isinstance(tag, str) and tag for tag in found):
        raise documented(
            TypeError(
                f'{where}: the tags are {tags!r}. They are a list of str, none of them empty, such as ["products"].'
            ),
            _SECTION,
        )
    return cast("tuple[str, ...]", found)


def _outer() -> Recording | None:
    return cast("Recording | None", current_recording.get())


# Misses


def _result(call: Call[_R], outer: Recording | None, terms: Terms, make: Make, *, is_alone: bool = False) -> _R:
    wanted = _wanted(call, outer, terms)
    make = _telling(wanted, make)
    if call.key is None or is_alone or (is_on_loop() and _might_wait(current_cache(), call.key)):
        return run_alone(wanted, make).result
    found = current_cache().get(wanted, make)
    if found.has_run or found.entry is None:
        return found.result
    try:
        result = call.read(found.entry.value)
    except Unreadable:
        return run_alone(wanted, make).result
    if not found.entry.is_fresh(current_cache().clock.now()):
        _refresh(call, found.entry, terms, make)
    return result


async def _aresult(call: Call[_R], outer: Recording | None, terms: Terms, make: AMake, *, is_alone: bool = False) -> _R:
    wanted = _wanted(call, outer, terms)
    make = _atelling(wanted, make)
    if call.key is None or is_alone:
        return (await arun_alone(wanted, make)).result
    found = await current_cache().aget(wanted, make)
    if found.has_run or found.entry is None:
        return found.result
    try:
        result = call.read(found.entry.value)
    except Unreadable:
        return (await arun_alone(wanted, make)).result
    if not found.entry.is_fresh(current_cache().clock.now()):
        _arefresh(call, found.entry, terms, make)
    return result


def _wanted(call: Call[Any], outer: Recording | None, terms: Terms) -> Wanted:
    return Wanted(call.key or (), terms, Surroundings.take(call.variables), outer)


def _might_wait(cache: Cache, key: Key) -> bool:
    """Return whether the event loop that runs here would wait for another run, which may itself wait for the loop."""
    if cache.store.needs_request_thread:
        return True
    flight, leads = cache.flights.join(key)
    if flight is not None and leads:
        # Nobody flies. Who has joined in the meantime asks again.
        cache.flights.land(flight, Landing(None, monotonic(), why_not="invalidated"))
    return not leads


# Refreshes


def _refresh(call: Call[Any], entry: Entry, terms: Terms, make: Make) -> None:
    # Of the fill that found it stale nothing is left when the refresh is done.
    current_cache().refresh(_wanted(call, None, terms), entry, make)


def _arefresh(call: Call[Any], entry: Entry, terms: Terms, make: AMake) -> None:
    if asyncio.get_running_loop() not in AsyncToSync.loop_thread_executors:
        current_cache().arefresh(_wanted(call, None, terms), entry, make)
        return

    # The loop was started for this call, as under WSGI, and ends with it and all its tasks.
    async def run() -> Made:
        return await make()

    _refresh(call, entry, terms, async_to_sync(run))


# What a run makes known


def _telling(wanted: Wanted, make: Make) -> Make:
    def run() -> Made:
        if (outer := _limited(wanted)) is not None:
            if is_on_loop() and current_cache().store.needs_request_thread:
                outer.spoil("store")
            else:
                outer.note(wanted.terms.tags)
        return _judged(make())

    return run


def _atelling(wanted: Wanted, make: AMake) -> AMake:
    async def run() -> Made:
        if (outer := _limited(wanted)) is not None:
            await current_cache().ask(outer.note, wanted.terms.tags)
        return _judged(await make())

    return run


def _limited(wanted: Wanted) -> Recording | None:
    """
    Have what records a run end with its terms.

    Returns:
        The recording of the fill around, which has yet to note the tags, where the run has none of its own.
    """
    recording, terms = _outer(), wanted.terms
    if recording is not None:
        recording.include((), terms.tables, terms.lifetime, terms.names)
    return recording if recording is wanted.outer else None


def _judged(made: Made) -> Made:
    """Have what records a run, and the fill around, end with what the run has made."""
    if (recording := _outer()) is not None:
        recording.limit(made.lifetime)
        if made.value is None:
            recording.spoil(made.why_not or "unknown")
    return made
