"""
Remember for a moment who has been refused, so that a flood costs the server that counts a call a second.

What is refused uses nothing up, and what was used comes back no earlier than the refusal says: until then the
server would refuse again. No longer than a moment, since somebody may set its counts back by hand.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

from django_routehandlers.caching.counts import Counted
from django_routehandlers.clocks import monotonic
from django_routehandlers.policies.throttle import Use

LONGEST = 1.0
"""Seconds for which a refusal is remembered."""
_MOST = 10_000  # refusals

_Key = tuple[tuple[str, str], ...]


class Refusals:
    """
    The refusals of the last moment. Usable from any thread.

    Args:
        clock: Seconds from any beginning, which never step back, as of ``clocks.monotonic()``.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.now = clock
        self._lock = Lock()
        self._known: OrderedDict[_Key, tuple[float, Sequence[Use]]] = OrderedDict()

    def repeated(self, asked: Sequence[Counted]) -> list[Use] | None:
        """Return the use of each of *asked* if a request is refused that they were refused for a moment ago."""
        if not self._known:
            return None
        key = _key(asked)
        with self._lock:
            if (known := self._known.get(key)) is None:
                return None
            told_at, uses = known
            since = self.now() - told_at
            if since >= _lasts(uses):
                del self._known[key]
                return None
        return [Use(use.used, max(0.0, use.wait - since), use.is_exceeded) for use in uses]

    def note(self, asked: Sequence[Counted], uses: Sequence[Use], at: float) -> None:
        """
        Remember *uses*, if one of them is exceeded.

        Args:
            at: What ``now()`` was before the server was asked. It may take long to answer, and no time that it
                has told may seem to begin later than it did.
        """
        if not any(use.is_exceeded for use in uses):
            return
        key = _key(asked)
        with self._lock:
            if key in self._known and self._known[key][0] > at:
                return
            self._known[key] = at, uses
            self._known.move_to_end(key)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)


def _key(asked: Sequence[Counted]) -> _Key:
    return tuple((one.scope, one.client) for one in asked)


def _lasts(uses: Sequence[Use]) -> float:
    # What is told of the others is to be true as well.
    return min(LONGEST, *(use.wait for use in uses if use.used))
