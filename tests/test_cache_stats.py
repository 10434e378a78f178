"""``django_routehandlers.caching.stats()`` tells what the route cache of a process has done, and how it is."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

from cache_servers import RedisServer
from conftest import Site
from django_routehandlers.caching import stats
from django_routehandlers.caching.local_tier import OVERHEAD


def test_new_cache_has_done_nothing(site: Site) -> None:
    site.serve({"x/route.py": "def GET(): return 1\n"})
    assert stats() == {
        "hits": 0,
        "stale_hits": 0,
        "misses": 0,
        "collapsed": 0,
        "bypasses": 0,
        "fills": 0,
        "stored": 0,
        "not_stored": 0,
        "fill_errors": 0,
        "refreshes": 0,
        "refresh_errors": 0,
        "invalidations": 0,
        "store_errors": 0,
        "local_entries": 0,
        "local_bytes": 0,
        "store_answers": 1,
    }


def test_requests_are_counted(site: Site) -> None:
    site.serve({"x/route.py": "def GET(): return 1\n", "y/route.py": "def GET(): raise ValueError\n"})
    for url in ("/x", "/x", "/x", "/y"):
        site.client.get(url)
    found = stats()
    names = ("hits", "misses", "fills", "stored", "fill_errors", "local_entries")
    assert {name: found[name] for name in names} == {
        "hits": 2,
        "misses": 1,
        "fills": 2,
        "stored": 1,
        "fill_errors": 1,
        "local_entries": 1,
    }
    assert OVERHEAD < found["local_bytes"] < 16 * OVERHEAD


def test_cache_without_a_local_tier_holds_nothing(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"LOCAL_TIER": False}
    site.serve({"x/route.py": "def GET(): return 1\n"})
    site.client.get("/x")
    assert (stats()["stored"], stats()["local_entries"], stats()["local_bytes"]) == (1, 0, 0)


def test_store_is_asked_whether_it_answers(site_redis: RedisServer, site: Site) -> None:
    assert stats()["store_answers"] == 1
    site_redis.stop()
    assert stats()["store_answers"] == 0


def test_store_is_not_waited_for_on_an_event_loop(site_redis: RedisServer, site: Site) -> None:
    async def on_loop() -> int:
        with pytest.raises(SynchronousOnlyOperation, match=r"use `await sync_to_async\(stats\)\(\)`"):
            stats()
        return (await sync_to_async(stats)())["store_answers"]

    assert asyncio.run(on_loop()) == 1


def test_counts_are_a_snapshot(site: Site) -> None:
    site.serve({"x/route.py": "def GET(): return 1\n"})
    before = stats()
    site.client.get("/x")
    assert before["misses"] == 0
