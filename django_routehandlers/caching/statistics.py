"""Turn the state of this process's cache into numbers, for a page, a log or a monitor."""

from collections.abc import Mapping
from types import MappingProxyType

from django.core.exceptions import SynchronousOnlyOperation

from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.stores import Store, StoreError
from django_routehandlers.documentation import Section, documented
from django_routehandlers.engine.threads import is_on_loop

_SECTION = Section("reference/caching", "stats()")


def stats() -> Mapping[str, int]:
    """
    Return what the route cache of this process has done since it started, and how it is.

    Counters, which only grow: ``hits`` and ``stale_hits`` (served at once), ``misses`` (the handler
    ran), ``collapsed`` (another request's run was waited for), ``bypasses`` (the cache was passed by),
    ``fills`` (runs to make an entry) with ``stored``, ``not_stored`` and ``fill_errors``, ``refreshes``
    with ``refresh_errors``, ``invalidations`` and ``store_errors``. What is so now: ``local_entries``
    and ``local_bytes`` in the memory of the process, and ``store_answers``, 1 or 0, for which the
    store is asked.

    Raises:
        SynchronousOnlyOperation: Called on an event loop, where the store may not be waited for; use
            ``await sync_to_async(stats)()`` there.
    """
    cache = current_cache()
    if cache.store.blocks and is_on_loop():
        raise documented(
            SynchronousOnlyOperation(
                "stats() may wait for the store: on an event loop use `await sync_to_async(stats)()`."
            ),
            _SECTION,
        )
    tier = cache.tier
    return MappingProxyType(
        {
            **cache.counters.read(),
            "local_entries": 0 if tier is None else len(tier),
            "local_bytes": 0 if tier is None else tier.bytes_used,
            "store_answers": int(_answers(cache.store)),
        }
    )


def _answers(store: Store) -> bool:
    try:
        store.get_many(["probe"])
    except StoreError:
        return False
    return True
