"""Time in a user's tests: by the kit, by time-machine and by freezegun, and what never follows any of them."""

import ast
import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine
from freezegun import freeze_time

from conftest import Site
from django_routehandlers.testing import AsyncRouteClient, RouteCache, RouteClient, RouteTestMixin, route_cache

PACKAGE = Path(__file__).parents[1] / "django_routehandlers"
COUNTED = """
    from itertools import count

    numbers = count(1)
    revalidate = 60


    {kind} GET():
        return next(numbers)
"""
LIMITED = """
    throttle = "2/minute"


    {kind} GET(request):
        return "ok"
"""
Move = Callable[[float], object]


@contextmanager
def advanced(cache: RouteCache) -> Iterator[Move]:
    yield cache.advance


@contextmanager
def travelled(cache: RouteCache) -> Iterator[Move]:
    with time_machine.travel("2030-01-01 12:00Z", tick=False) as traveller:
        yield traveller.shift


@contextmanager
def frozen(cache: RouteCache) -> Iterator[Move]:
    with freeze_time("2030-01-01 12:00:00", real_asyncio=True) as frozen_time:
        yield frozen_time.tick


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest, site: Site) -> str:
    texts = {"counted/route.py": COUNTED, "limited/route.py": LIMITED}
    site.serve({name: text.format(kind=request.param) for name, text in texts.items()})
    return request.param


ALL = pytest.mark.parametrize("moving", [advanced, travelled, frozen], ids=lambda one: one.__name__)


@ALL
def test_entry_gets_stale_is_refreshed_and_ends_when_the_test_says_so(moving: Any, kind: str) -> None:
    client = RouteClient()
    with route_cache() as cache, moving(cache) as move:
        assert client.get("/counted").json() == 1
        move(59)
        cache.assert_hit(client.get("/counted"))
        cache.assert_stored("/counted")
        move(2)
        stale = client.get("/counted")
        cache.assert_hit(stale)
        assert stale.json() == 1
        cache.finish_refreshes()
        assert client.get("/counted").json() == 2
        move(121)
        cache.assert_not_stored("/counted")
        assert client.get("/counted").json() == 3


@ALL
def test_entry_is_refreshed_behind_an_async_client(moving: Any, kind: str) -> None:
    async def ask() -> None:
        client = AsyncRouteClient()
        with route_cache() as cache, moving(cache) as move:
            assert (await client.get("/counted")).json() == 1
            move(61)
            assert (await client.get("/counted")).json() == 1
            await cache.afinish_refreshes()
            assert (await client.get("/counted")).json() == 2

    asyncio.run(ask())


@ALL
def test_window_of_a_limit_moves_on(moving: Any, kind: str) -> None:
    client = RouteClient()
    with route_cache() as cache, moving(cache) as move:
        assert [client.get("/limited").status_code for _ in range(3)] == [200, 200, 429]
        wait = int(client.get("/limited").headers["Retry-After"])
        assert 60 <= wait <= 66
        move(wait - 7)
        assert client.get("/limited").status_code == 429
        move(8)
        assert client.get("/limited").status_code == 200


def test_age_and_time_that_is_left_are_told(site: Site, own_cache: None) -> None:
    site.serve({"counted/route.py": COUNTED.format(kind="def")})
    with route_cache() as cache:
        RouteClient().get("/counted")
        cache.advance(20)
        fields = RouteClient().get("/counted").headers
    assert (fields["Age"], fields["Cache-Status"]) == ("20", "django-routehandlers; hit; ttl=40")


def test_time_only_passes() -> None:
    with route_cache() as cache:
        for seconds in (-1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=rf"advance\({seconds}\): time only passes"):
                cache.advance(seconds)


def test_time_of_one_test_is_not_that_of_the_next(kind: str) -> None:
    client = RouteClient()
    with route_cache() as cache:
        cache.advance(10**6)
        client.get("/counted")
    with route_cache() as cache:
        client.get("/counted")
        cache.advance(59)
        cache.assert_hit(client.get("/counted"))


def test_settings_that_are_overridden_within_keep_the_time(site: Site, kind: str) -> None:
    client = RouteClient()
    with route_cache() as cache:
        site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "DEFAULT_REVALIDATE": 5}
        client.get("/counted")
        cache.advance(200)
        cache.assert_not_stored("/counted")


def test_limits_are_counted_in_memory_whatever_the_settings_say(site: Site, kind: str) -> None:
    nowhere = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    site.settings.CACHES = {**site.settings.CACHES, "counts": nowhere}
    site.settings.ROUTEHANDLERS = {"THROTTLE_CACHE": "counts", "THROTTLE_FAILURE": "refuse"}
    with route_cache():
        assert [RouteClient().get("/limited").status_code for _ in range(3)] == [200, 200, 429]


def test_case_of_django_moves_time_too(kind: str) -> None:
    from django.test import SimpleTestCase

    class Case(RouteTestMixin, SimpleTestCase):
        def test(self) -> None:
            cache = self.use_route_cache()
            self.route_client.get("/counted")
            cache.advance(121)
            cache.assert_not_stored("/counted")

    result = Case("test").run()
    assert result is not None
    assert (result.testsRun, result.failures, result.errors) == (1, [], [])


ENDLESS = "def GET(request):\n    while True:\n        yield 1"
GIVING_WAY = """
    import asyncio


    async def GET(request):
        for number in range(3):
            await asyncio.sleep(0)
            yield number
        while True:
            await asyncio.sleep(0)
"""


def test_stream_flows_where_time_stands_still(site: Site) -> None:
    site.serve(
        {"stream/route.py": GIVING_WAY, "endless/route.py": "def GET(request):\n    while True:\n        yield 1"}
    )

    async def read() -> tuple[Any, Any]:
        client = AsyncRouteClient()
        with freeze_time("2030-01-01", real_asyncio=True):
            found = await asyncio.wait_for(client.get("/stream"), 5)
            lines = await found.lines(3)
            return lines, await (await client.get("/endless")).lines(2)

    assert asyncio.run(read()) == ([0, 1, 2], [1, 1])


def test_waits_go_by_a_clock_that_nothing_freezes() -> None:
    from django_routehandlers.clocks import monotonic
    from django_routehandlers.testing import parts

    with freeze_time("2030-01-01"):
        assert time.monotonic() == time.monotonic()
        before = monotonic()
        while monotonic() == before:
            pass
        assert parts.monotonic is monotonic


def test_only_one_module_reads_a_clock() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in clocks_read(node)
    }
    # Django writes `close_at` by that clock, the frozen one where it is frozen. The kit's is to be moved.
    assert found == {
        "clocks.py: monotonic",
        "clocks.py: time",
        "engine/database.py: monotonic",
        "testing/route_caching.py: time",
    }


def clocks_read(node: ast.AST) -> Iterator[str]:
    names = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
    if isinstance(node, ast.ImportFrom) and node.module == "time":
        yield from (one.name for one in node.names if one.name in names)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time":
        yield from {node.attr} & names
