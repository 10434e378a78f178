"""
Turn what somebody would ask the cache for into what the store has of it at this moment, whatever its state.

For tools. Nothing is made here, and nothing counts as a hit.
"""

from dataclasses import dataclass
from typing import Literal

from django_routehandlers.caching.cache import Cache
from django_routehandlers.caching.entries import Entry, decode_entry
from django_routehandlers.caching.filling import entry_name
from django_routehandlers.caching.steps import Wanted

State = Literal["fresh", "stale", "invalidated", "none"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a store has under one key."""

    state: State
    """``stale``: beyond its lifetime, and served once more while it is refreshed."""
    entry: Entry | None = None
    data: bytes = b""
    """The entry as the store has it."""


def inspect_entry(cache: Cache, wanted: Wanted) -> Inspection:
    """
    Return what the store has, with its tags as they are now.

    Raises:
        StoreError: The store cannot be reached.
    """
    key = entry_name(wanted)
    data = cache.store.get_many([key]).get(key)
    now = cache.clock.now()
    entry = None if data is None else decode_entry(data, wanted.name, wall=cache.clock.wall(), now=now)
    if entry is None or data is None or not entry.is_usable(now):
        return Inspection("none")
    if not cache.versions.verify(entry.versions, max_age=0.0):
        return Inspection("invalidated", entry, data)
    return Inspection("fresh" if entry.is_fresh(now) else "stale", entry, data)


def forget_entry(cache: Cache, wanted: Wanted, found: Inspection) -> None:
    """
    Let go of what was found, here and in the store, so that the next request here makes it anew and waits for that.

    Raises:
        StoreError: The store cannot be reached.
    """
    if cache.tier is not None:
        cache.tier.pop(wanted.key)
    if found.data:
        cache.store.remove_own(entry_name(wanted), found.data)
