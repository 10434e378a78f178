"""
Count requests in a sliding window, for all processes that share a Redis server, or for this one.

A period is counted in tenths. What is counted in the tenth that the window has half left is still counted
whole, so that no window of that length ever holds more than the quota; it comes back a tenth at a time.
All limits of a request are judged in one step: a request that one of them refuses uses none.
"""

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, cast

from django_routehandlers.caching.redis_store import RedisStore
from django_routehandlers.caching.stores import StoreError
from django_routehandlers.clocks import monotonic
from django_routehandlers.policies.throttle import Throttle, Use

PARTS = 10
"""Parts in which a period is counted."""
MOST_CLIENTS = 100_000
"""Clients that one limit counts in the memory of a process; those that have not asked for longest are forgotten."""

# The clock is the server's, so that the clocks of those who ask do not matter. Where it steps back, what it has
# counted in the future counts as of now.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer, passes, news = {}, true, {}
for i, key in ipairs(KEYS) do
  local quota, width = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local part = math.floor(now / width)
  local cells, gone, used, first, ahead = redis.call('HGETALL', key), {}, 0, part, 0
  for j = 1, #cells, 2 do
    local cell, count = tonumber(cells[j]), tonumber(cells[j + 1])
    if cell > part then
      ahead = ahead + count
    end
    if cell > part or cell < part - PARTS then
      gone[#gone + 1] = cells[j]
    else
      used = used + count
      first = math.min(first, cell)
    end
  end
  used = used + ahead
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  if ahead > 0 then
    redis.call('HINCRBY', key, part, ahead)
    redis.call('PEXPIRE', key, (PARTS + 1) * width)
  end
  local exceeded = used >= quota and 1 or 0
  if exceeded == 1 then passes = false end
  news[i] = {part, width}
  answer[#answer + 1] = used
  answer[#answer + 1] = (first + PARTS + 1) * width - now
  answer[#answer + 1] = exceeded
end
if passes then
  for i, key in ipairs(KEYS) do
    redis.call('HINCRBY', key, news[i][1], 1)
    redis.call('PEXPIRE', key, (PARTS + 1) * news[i][2])
    answer[3 * i - 2] = answer[3 * i - 2] + 1
  end
end
return answer
""".replace("PARTS", str(PARTS))

logger = logging.getLogger("django_routehandlers.throttle")


@dataclass(frozen=True, slots=True)
class Counted:
    """One limit, and whom it is applied to."""

    limit: Throttle
    scope: str
    """What tells the limit from all others."""
    client: str
    """What tells the client from all others: a digest."""

    @property
    def width(self) -> int:
        """Milliseconds of one part of the period."""
        return self.limit.period * 1000 // PARTS


class Counts(Protocol):
    """Judges requests. Usable from any thread."""

    @property
    def blocks(self) -> bool:
        """Whether a call may wait, so that it must not be made on an event loop."""
        ...

    def judge(self, asked: Sequence[Counted]) -> list[Use]:
        """
        Count one request against each of *asked*, or against none where it exceeds one; return how far each is used.

        Raises:
            StoreError: It could not be counted.
        """
        ...


class MemoryCounts:
    """
    Counts in the memory of this process. Nothing waits, so that it is used on event loops too.

    Args:
        clock: Seconds from any beginning, which never step back, as of ``clocks.monotonic()``.
        most: Clients that one limit counts.
    """

    blocks = False

    def __init__(self, clock: Callable[[], float] = monotonic, most: int = MOST_CLIENTS) -> None:
        self._clock = clock
        self._most = most
        self._lock = Lock()
        self._scopes: dict[str, OrderedDict[str, dict[int, int]]] = {}

    def judge(self, asked: Sequence[Counted]) -> list[Use]:
        """See ``Counts``."""
        with self._lock:
            now = math.floor(self._clock() * 1000)
            cells = [self._cells(one, now // one.width) for one in asked]
            used = [sum(one.values()) for one in cells]
            exceeded = [count >= one.limit.quota for one, count in zip(asked, used, strict=True)]
            passes = not any(exceeded)
            if passes:
                for one, found in zip(asked, cells, strict=True):
                    self._add(one, found, now // one.width)
            firsts = [min(one, default=now // two.width) for one, two in zip(cells, asked, strict=True)]
        waits = [((first + PARTS + 1) * one.width - now) / 1000 for one, first in zip(asked, firsts, strict=True)]
        return [Use(count + passes, wait, over) for count, wait, over in zip(used, waits, exceeded, strict=True)]

    def _cells(self, one: Counted, part: int) -> dict[int, int]:
        """Return what is counted of a client, by parts, the ones that are over left out."""
        clients = self._scopes.setdefault(one.scope, OrderedDict())
        known = clients.get(one.client, {})
        for cell in [cell for cell in known if cell < part - PARTS]:
            del known[cell]
        # The clock of a test may step back. What it has counted in the future counts as of now.
        if ahead := [cell for cell in known if cell > part]:
            known[part] = known.get(part, 0) + sum(known.pop(cell) for cell in ahead)
        if not known:
            # Another limit may refuse the request, so that nothing is counted.
            clients.pop(one.client, None)
        else:
            clients.move_to_end(one.client)
        return known

    def _add(self, one: Counted, cells: dict[int, int], part: int) -> None:
        cells[part] = cells.get(part, 0) + 1
        clients = self._scopes[one.scope]
        clients[one.client] = cells
        clients.move_to_end(one.client)
        # Two for each that comes: the first are those who have not asked for longest.
        for _ in range(2):
            first = next(iter(clients))
            if len(clients) <= self._most and max(clients[first]) >= part - PARTS:
                return
            del clients[first]


def _three_for_each(answer: object, number: int) -> list[int]:
    """Return what the script has answered; something between may answer in its place."""
    numbers = cast("list[object]", answer) if isinstance(answer, list) else []
    if len(numbers) != 3 * number or not all(isinstance(one, int) for one in numbers):
        raise StoreError("The server has answered something else than what it was asked for.")
    return cast("list[int]", numbers)


class RedisCounts:
    """Counts on a Redis server, for all processes that share it."""

    blocks = True

    def __init__(self, store: RedisStore) -> None:
        self.store = store
        self._script = store.prepare(_SCRIPT)
        self._fails = False

    @property
    def is_out(self) -> bool:
        """Whether the server has failed and not answered since, so that a call fails without waiting."""
        return self.store.is_out

    def judge(self, asked: Sequence[Counted]) -> list[Use]:
        """See ``Counts``."""
        names = [f"throttle:{one.scope}:{one.client}" for one in asked]
        arguments = [number for one in asked for number in (one.limit.quota, one.width)]
        try:
            answer = _three_for_each(self.store.run(self._script, names, arguments), len(asked))
        except StoreError as error:
            if not self._fails:
                self._fails = True
                logger.error("Requests are not counted against `throttle`: %s", error)
            raise
        if self._fails:
            self._fails = False
            logger.warning("Requests are counted against `throttle` again.")
        each = zip(answer[::3], answer[1::3], answer[2::3], strict=True)
        return [Use(used, max(wait, 0) / 1000, bool(exceeded)) for used, wait, exceeded in each]
