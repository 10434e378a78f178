"""Count what the cache does, for whoever reads :func:`django_routehandlers.caching.stats`."""

import threading
from collections.abc import Mapping
from types import MappingProxyType

NAMES = (
    "hits",
    "stale_hits",
    "misses",
    "collapsed",
    "bypasses",
    "fills",
    "stored",
    "not_stored",
    "fill_errors",
    "refreshes",
    "refresh_errors",
    "invalidations",
    "store_errors",
)


class Counters:
    """Whole numbers that only grow, from the start of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = dict.fromkeys(NAMES, 0)

    def add(self, name: str) -> None:
        """Count one more."""
        with self._lock:
            self._counts[name] += 1

    def read(self) -> Mapping[str, int]:
        """Return the counts of this moment."""
        with self._lock:
            return MappingProxyType(dict(self._counts))
