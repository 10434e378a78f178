"""The counts that the settings describe: made when they are first needed, and anew when they are overridden."""

import logging
import os
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock

from django.core.signals import setting_changed

from django_routehandlers.caching.awaited_calls import AwaitedCalls
from django_routehandlers.caching.breaker import StoreError
from django_routehandlers.caching.counts import Counted, Counts, MemoryCounts, RedisCounts
from django_routehandlers.caching.redis_store import RedisStore
from django_routehandlers.caching.refusals import Refusals
from django_routehandlers.caching.stores import open_store
from django_routehandlers.clocks import current_clock, monotonic
from django_routehandlers.conf import SETTING, get_config
from django_routehandlers.policies.throttle import Use

# A cache that is slow had better be left alone. A limit that is left alone is none, and a flood makes all slow.
_LEAST_TIMEOUT = 0.5  # seconds
_QUIET = 60.0  # seconds between two log records on requests that found too many before them

logger = logging.getLogger("django_routehandlers.throttle")


class Counting:
    """
    The counts of this process, in a thread and on an event loop.

    Args:
        timeout: Seconds that a request on an event loop waits for its count, beginning with the queue.
    """

    def __init__(self, counts: Counts, timeout: float) -> None:
        self.counts = counts
        # Beside the event loop.
        self._calls = AwaitedCalls(timeout, "throttle", self._tell) if counts.blocks else None
        self._refusals = Refusals() if counts.blocks else None
        self._told_at: float | None = None

    def judge(self, asked: Sequence[Counted]) -> list[Use]:
        """See ``Counts.judge()``."""
        if (known := self._known(asked)) is not None:
            return known
        if self._refusals is None:
            return self.counts.judge(asked)
        began = self._refusals.now()
        uses = self.counts.judge(asked)
        self._refusals.note(asked, uses, began)
        return uses

    async def ajudge(self, asked: Sequence[Counted]) -> list[Use]:
        """As ``judge()``, on an event loop, which never waits for it."""
        if (known := self._known(asked)) is not None:
            return known
        if self._calls is None or (isinstance(self.counts, RedisCounts) and self.counts.is_out):
            return self.judge(asked)
        try:
            # Who was refused while others waited in the queue need not be asked for when its turn comes.
            return await self._calls.run(self.judge, asked)
        except StoreError:
            if (known := self._known(asked)) is not None:
                return known
            raise

    def _known(self, asked: Sequence[Counted]) -> list[Use] | None:
        """Return what need not be asked for: of a client that nothing counts, or that was refused a moment ago."""
        # A key that names no client leaves nothing to ask a server for.
        if not asked:
            return []
        return None if self._refusals is None else self._refusals.repeated(asked)

    def close(self) -> None:
        """End the threads, and close the connections."""
        if self._calls is not None:
            self._calls.close()
        if isinstance(self.counts, RedisCounts):
            self.counts.store.close()

    def _tell(self, reason: str) -> None:
        # Under a flood this one is late, and the next one is not.
        if self._told_at is None or monotonic() - self._told_at >= _QUIET:
            self._told_at = monotonic()
            logger.error("Some requests are not counted against `throttle`: its server is too slow. %s", reason)


_MAKING = Lock()


def current_counting() -> Counting:
    """Return the counts of this process: on the Redis server of the cache that is named, else in memory."""
    # Of two that are made at once, one would be lost, with what it has counted.
    with _MAKING:
        return _counting()


@lru_cache(maxsize=1)
def _counting() -> Counting:
    config = get_config()
    timeout = max(config.STORE_TIMEOUT, _LEAST_TIMEOUT)
    store = open_store(config.THROTTLE_CACHE or config.CACHE, timeout, is_patient=True)
    return Counting(RedisCounts(store) if isinstance(store, RedisStore) else MemoryCounts(current_clock().now), timeout)


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
