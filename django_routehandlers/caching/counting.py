"""The counts that the settings describe: made when they are first needed, and anew when they are overridden."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Lock

from django.core.signals import setting_changed

from django_routehandlers.caching.counts import Counted, Counts, MemoryCounts, RedisCounts
from django_routehandlers.caching.redis_store import RedisStore
from django_routehandlers.caching.stores import open_store
from django_routehandlers.clocks import current_clock
from django_routehandlers.conf import SETTING, get_config
from django_routehandlers.policies.throttle import Use

_THREADS = 4  # in which Redis is asked, beside the event loop
# A cache that is slow had better be left alone. A limit that is left alone is none, and a flood makes all slow.
_LEAST_TIMEOUT = 0.5  # seconds


class Counting:
    """The counts of this process, in a thread and on an event loop."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="throttle") if counts.blocks else None

    def judge(self, asked: Sequence[Counted]) -> list[Use]:
        """See ``Counts.judge()``."""
        # A key that names no client leaves nothing to ask a server for.
        return self.counts.judge(asked) if asked else []

    async def ajudge(self, asked: Sequence[Counted]) -> list[Use]:
        """As ``judge()``, on an event loop, which never waits for it."""
        if not asked or self._threads is None or (isinstance(self.counts, RedisCounts) and self.counts.is_out):
            return self.judge(asked)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.counts.judge, asked)

    def close(self) -> None:
        """End the threads, and close the connections."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if isinstance(self.counts, RedisCounts):
            self.counts.store.close()


_MAKING = Lock()


def current_counting() -> Counting:
    """Return the counts of this process: on the Redis server of the cache that is named, else in memory."""
    # Of two that are made at once, one would be lost, with what it has counted.
    with _MAKING:
        return _counting()


@lru_cache(maxsize=1)
def _counting() -> Counting:
    store = _redis_store()
    return Counting(MemoryCounts(current_clock().now) if store is None else RedisCounts(store))


def _redis_store() -> RedisStore | None:
    config = get_config()
    alias, timeout = config.THROTTLE_CACHE or config.CACHE, max(config.STORE_TIMEOUT, _LEAST_TIMEOUT)
    store = open_store(alias, timeout, is_patient=True)
    return store if isinstance(store, RedisStore) else None


def _forget(*, setting: str = SETTING, **kwargs: object) -> None:
    if setting in (SETTING, "CACHES"):
        if _counting.cache_info().currsize:
            _counting().close()
        _counting.cache_clear()


setting_changed.connect(_forget, dispatch_uid="django_routehandlers.caching.counting")


def _begin_anew() -> None:
    # Threads and connections do not come along.
    _counting.cache_clear()
    _MAKING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_MAKING.acquire, after_in_parent=_MAKING.release, after_in_child=_begin_anew)
