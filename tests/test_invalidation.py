"""Who is told of a write: all who may hold an entry, be they other processes than the one that writes."""

import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from django_routehandlers import cached
from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.invalidation import tables_written

LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": __name__}
DUMMY = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_process_that_keeps_nothing_tells_those_that_do(settings: Any, tmp_path: Path) -> None:
    """Invariant 42: an invalidation reaches other processes. A worker with CACHE_ENABLED = False writes."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path)}
    }
    runs: list[int] = []

    @cached(revalidate=False, depends_on=["shop_price"])
    def price() -> int:
        runs.append(1)
        return len(runs)

    found: list[int] = []
    # Each change of the setting makes the cache anew, as another process has another.
    for writes in (False, True, True):
        settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
        found.extend([price(), price()])
        if writes:
            settings.ROUTEHANDLERS = {"CACHE_ENABLED": False}
            tables_written({"shop_price"})
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
    found.append(price())
    assert found == [1, 1, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("cache", "is_enabled", "count"),
    [(DUMMY, True, 0), (DUMMY, False, 0), (LOCMEM, False, 0), (LOCMEM, True, 1)],
)
def test_write_is_told_to_nobody_where_nobody_can_hold_an_entry(
    settings: Any, cache: dict[str, str], is_enabled: bool, count: int
) -> None:
    settings.CACHES = {"default": cache}
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": is_enabled}
    tables_written({"shop_price"})
    assert current_cache().counters.read()["invalidations"] == count


def test_a_store_that_is_down_is_complained_of_once_by_many_writes(
    settings: Any, unused_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A migration may write a hundred times."""
    url = f"redis://127.0.0.1:{unused_port}"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}}
    caplog.set_level(logging.INFO, "django_routehandlers.cache")
    for number in range(3):
        tables_written({f"table_{number}"})
    told = [record.levelname for record in caplog.records if "A write to the database" in record.message]
    assert told == ["ERROR", "INFO", "INFO"]
    assert current_cache().versions.owed
