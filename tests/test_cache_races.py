"""
Who reads while others write and invalidate: nobody is given what was there before, and one runs for all.

The short form does 600 steps of each kind, ``RH_PROOF=full`` 10,000.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from cache_clients import Connection
from cache_projects import configure, make_cache_project, run_workers
from cache_servers import RedisServer
from cache_worker import Note
from conftest import Site
from django_routehandlers.caching.cache import Cache
from django_routehandlers.caching.local_tier import LocalTier
from django_routehandlers.caching.steps import Made, Terms, Wanted
from django_routehandlers.caching.stores import open_store
from django_routehandlers.caching.surroundings import Surroundings
from django_routehandlers.caching.versions import TagVersions
from servers import Reply, poll, serve

FULL = os.environ.get("RH_PROOF") == "full"
STEPS = 10_000 if FULL else 600
TRUSTED_FOR = 1.0  # seconds for which another process may not know
PATIENT = 5.0  # seconds: with more processes than processors, an answer that is late is no fault of the store


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose processes share what its routes read."""
    return make_cache_project(tmp_path_factory.mktemp("races"))


# After an invalidation


def judge(logs: list[list[Note]], *, elsewhere: float) -> tuple[int, int, float, list[Any]]:
    """
    Hold what was read against what was acknowledged before.

    Args:
        elsewhere: Seconds for which another process than the one that wrote may read what was there before.

    Returns:
        Reads, writes, the largest staleness in seconds, and the reads that are wrong.
    """
    writes: dict[tuple[str, str], list[tuple[float, int, int]]] = {}
    for process, notes in enumerate(logs):
        for kind, name, what, _, ended, number in notes:
            if what == "write":
                writes.setdefault((kind, name), []).append((ended, number, process))
    reads, largest, wrong = 0, 0.0, list[Any]()
    for process, notes in enumerate(logs):
        for kind, name, what, began, _, number in notes:
            if what != "read":
                continue
            reads += 1
            for ended, written, writer in writes.get((kind, name), ()):
                if written > number and ended <= began:
                    largest = max(largest, began - ended)
                    if began - ended > (0.0 if writer == process else elsewhere):
                        wrong.append((kind, name, number, written, process, writer, began - ended))
    return reads, sum(map(len, writes.values())), largest, wrong


def job(seed: int, steps: int, *, threads: int, tasks: int = 0) -> dict[str, Any]:
    """Return the job of one worker."""
    return {"kind": "race", "seed": seed, "steps": steps, "threads": threads, "tasks": tasks, "pause": 0.02}


@pytest.mark.slow
@pytest.mark.parametrize("has_tier", [True, False])
def test_no_thread_and_no_task_reads_what_was_there_before_an_invalidation(
    home: Path, has_tier: bool, record_property: Callable[[str, object], None]
) -> None:
    """Invariant 40, in one process and its memory."""
    configure(home, LOCAL_TIER=has_tier)
    logs = run_workers(home, [job(1, STEPS, threads=8, tasks=8)])
    reads, writes, largest, wrong = judge(logs, elsewhere=0.0)
    assert wrong == []
    assert reads > STEPS / 2
    assert writes > STEPS / 10
    record_property("staleness", largest)


@pytest.mark.slow
@pytest.mark.parametrize("has_tier", [True, False])
def test_no_process_reads_what_was_there_before_an_invalidation(
    home: Path, own_redis: RedisServer, has_tier: bool, record_property: Callable[[str, object], None]
) -> None:
    """Invariants 40 and 42, in four processes: elsewhere within a second, or at once without a local tier."""
    configure(home, own_redis.url, LOCAL_TIER=has_tier, STORE_TIMEOUT=PATIENT)
    logs = run_workers(home, [job(seed, STEPS // 4, threads=4, tasks=4) for seed in range(4)])
    reads, writes, largest, wrong = judge(logs, elsewhere=TRUSTED_FOR if has_tier else 0.0)
    print(f"LOCAL_TIER={has_tier}: {reads} reads, {writes} writes, largest staleness {largest:.3f} s")
    assert wrong == []
    assert reads > STEPS / 2
    assert writes > STEPS / 10
    assert (largest <= TRUSTED_FOR) if has_tier else (largest == 0.0)


# One run for all


@pytest.fixture
def counted(site: Site, own_cache: None) -> Site:
    """A site with a store of its own."""
    return site


SLOW = """
    import asyncio
    import itertools

    from django_routehandlers import JSONResponse

    _runs = itertools.count(1)
    """


async def ask_all(site: Site, count: int, target: str = "/a") -> list[Any]:
    """Send requests, all at once."""
    return await asyncio.gather(*(site.async_client.get(target) for _ in range(count)))


@pytest.mark.parametrize("how", ["async", "sync"])
def test_five_hundred_misses_at_once_run_the_handler_once(counted: Site, how: str) -> None:
    """Invariant 32, in tasks."""
    body = "async def GET():\n        await asyncio.sleep(1)\n        return next(_runs)"
    if how == "sync":
        body = "def GET():\n        import time\n        time.sleep(1)\n        return next(_runs)"
    counted.serve({"a/route.py": SLOW + f"\n    {body}\n"})
    responses = asyncio.run(ask_all(counted, 500))
    assert [one.content for one in responses] == [b"1"] * 500
    assert sum("collapsed" in one["Cache-Status"] for one in responses) == 499


def ask_in_threads(count: int, ask: Callable[[], Any]) -> list[Any]:
    """Call *ask* in threads, all at once; return what it returned."""
    barrier, found = threading.Barrier(count), list[Any]()

    def work() -> None:
        barrier.wait()
        found.append(ask())

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_sixty_threads_that_miss_at_once_run_the_handler_once(counted: Site) -> None:
    """Invariant 32, under WSGI."""
    counted.serve(
        {
            "a/route.py": SLOW
            + "\n    def GET():\n        import time\n        time.sleep(0.3)\n        return next(_runs)\n"
        }
    )
    assert counted.client.get("/openapi.json").status_code == 200
    assert ask_in_threads(60, lambda: counted.client.get("/a").content) == [b"1"] * 60


def at_once(name: str, *, seconds: float, threads: int, processes: int) -> dict[str, Any]:
    """Return the job of each of so many workers that ask for one thing, which takes its time, at one moment."""
    target = f"/slow/{seconds}/{name}"
    return {"kind": "at once", "meeting": name, "processes": processes, "threads": threads, "target": target}


@pytest.mark.slow
def test_four_processes_that_miss_at_once_run_the_handler_once(home: Path, own_redis: RedisServer) -> None:
    """Invariant 36."""
    configure(home, own_redis.url, STORE_TIMEOUT=PATIENT)
    one = at_once("stampede", seconds=1, threads=20, processes=4)
    assert run_workers(home, [one] * 4) == [[[200, '"stampede"']] * 20] * 4
    assert (home / "runs-stampede").read_text() == "run\n"


@pytest.mark.slow
def test_who_fills_longer_than_its_turn_is_joined_by_at_most_one_in_each_process(
    home: Path, own_redis: RedisServer
) -> None:
    """Invariant 36: nor does it end the turn of another."""
    configure(home, own_redis.url, STORE_TIMEOUT=PATIENT)
    one = {**at_once("long", seconds=1.5, threads=5, processes=2), "turn": 0.5}
    assert run_workers(home, [one] * 2) == [[[200, '"long"']] * 5] * 2
    assert (home / "runs-long").read_text() in ("run\n", "run\nrun\n")


def test_each_of_fifty_runs_its_own_where_nothing_may_be_shared(counted: Site) -> None:
    """Invariant 35: cookies, private and dynamic ones."""
    ways = {
        "cookie": "response.set_cookie('sid', str(run))",
        "private": "response.headers['Cache-Control'] = 'private'",
        "vary": "response.headers['Vary'] = 'Cookie'",
        "status": "response.status_code = 404",
    }
    for name, how in ways.items():
        body = (
            f"run = next(_runs)\n        await asyncio.sleep(0.1)\n        response = JSONResponse(run)\n        {how}"
        )
        counted.write({f"{name}/route.py": SLOW + f"\n    async def GET():\n        {body}\n        return response\n"})
    counted.write({"request/route.py": "async def GET(request): return request.headers['x-user']"})
    counted.install()

    async def ask() -> None:
        for name in ways:
            responses = await ask_all(counted, 50, f"/{name}")
            assert sorted(one.json() for one in responses) == list(range(1, 51)), name
        found = await asyncio.gather(
            *(counted.async_client.get("/request", headers={"x-user": str(user)}) for user in range(50))
        )
        assert [one.json() for one in found] == [str(user) for user in range(50)]

    asyncio.run(ask())


def test_who_waits_for_a_run_that_fails_runs_its_own(counted: Site) -> None:
    """Invariant 34: and the error is not kept."""
    source = (
        SLOW
        + """
    async def GET():
        run = next(_runs)
        await asyncio.sleep(0.1)
        if run == 1:
            raise ValueError
        return run
    """
    )
    counted.serve({"a/route.py": source})

    async def ask() -> list[int]:
        return sorted(one.status_code for one in await ask_all(counted, 20))

    assert asyncio.run(ask()) == [200] * 19 + [500]


def test_a_run_that_never_ends_holds_nobody_up_for_ever(counted: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 34: with a deadline of half a second in the place of thirty."""
    for module in ("driving", "flights"):
        monkeypatch.setattr(f"django_routehandlers.caching.{module}.DEADLINE", 0.5)
    source = (
        SLOW
        + """
    async def GET():
        run = next(_runs)
        if run == 1:
            await asyncio.Event().wait()
        return run
    """
    )
    counted.serve({"a/route.py": source})

    async def ask() -> list[int]:
        leader = asyncio.create_task(counted.async_client.get("/a"))
        await asyncio.sleep(0.05)
        start = time.monotonic()
        responses = await ask_all(counted, 20)
        assert 0.3 < time.monotonic() - start < 2
        later = await counted.async_client.get("/a")
        assert not leader.done()
        leader.cancel()
        await asyncio.wait({leader})
        return [*sorted(one.status_code for one in responses), later.status_code]

    assert asyncio.run(ask()) == [200] * 21


def test_a_leader_that_is_cancelled_takes_nobody_with_it(counted: Site) -> None:
    """Invariant 33: and its run goes on, for those who wait."""
    counted.serve(
        {"a/route.py": SLOW + "\n    async def GET():\n        await asyncio.sleep(0.3)\n        return next(_runs)\n"}
    )

    async def ask() -> list[bytes]:
        leader = asyncio.create_task(counted.async_client.get("/a"))
        await asyncio.sleep(0.05)
        others = asyncio.create_task(ask_all(counted, 50))
        await asyncio.sleep(0.05)
        leader.cancel()
        return [one.content for one in await others]

    assert asyncio.run(ask()) == [b"1"] * 50


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uvicorn-httptools", "gunicorn"])
def test_a_leader_whose_client_leaves_takes_nobody_with_it(home: Path, kind: str) -> None:
    """Invariant 33, under real servers."""
    configure(home)
    (home / f"runs-leaves-{kind}").unlink(missing_ok=True)
    followers = 100 if kind.startswith("uvicorn") else 3
    with serve(kind, home) as server:
        server.get("/openapi.json")

        async def ask() -> list[Reply]:
            leader = Connection(server.port)
            asking = asyncio.create_task(leader.ask(f"/slow/1/leaves-{kind}"))
            await asyncio.sleep(0.3)
            others = [Connection(server.port) for _ in range(followers)]
            waiting = asyncio.gather(*(one.ask(f"/slow/1/leaves-{kind}") for one in others))
            await asyncio.sleep(0.2)
            leader.close()
            replies = await waiting
            for one in others:
                one.close()
            await asyncio.wait({asking})
            asking.exception()
            return replies

        replies = asyncio.run(ask())
    assert {(one.status, one.body) for one in replies} == {(200, f'"leaves-{kind}"'.encode())}
    assert (home / f"runs-leaves-{kind}").read_text() == "run\n"


@pytest.mark.slow
def test_a_process_that_is_killed_keeps_others_waiting_no_longer_than_its_turn(
    home: Path, own_redis: RedisServer
) -> None:
    """Invariant 37."""
    configure(home, own_redis.url, STORE_TIMEOUT=PATIENT)
    with serve("uvicorn-httptools", home) as first, serve("uvicorn-h11", home) as second:
        second.get("/openapi.json")
        thread = threading.Thread(target=lambda: _quietly(lambda: first.get("/slow/4/killed")))
        thread.start()
        poll(lambda: (home / "runs-killed").exists() or None, limit=10, what="the run", on=first)
        first.process.kill()
        killed = time.monotonic()
        assert second.get("/slow/0/other") == (200, b'"other"')
        status, body = second.get("/slow/4/killed")
        waited = time.monotonic() - killed
        thread.join()
    assert (status, body) == (200, b'"killed"')
    # Its own run takes two of them.
    assert waited < 3 + 1 + 2
    assert (home / "runs-killed").read_text() == "run\nrun\n"


def _quietly(ask: Callable[[], object]) -> None:
    with suppress(OSError, ValueError):
        ask()


class Two:
    """The caches of two processes, in one."""

    def __init__(self, redis: RedisServer, settings: Settings) -> None:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis.url}}
        self.caches = [self._open() for _ in range(2)]
        self.runs = 0
        self.seconds = 0.0
        self._lock = threading.Lock()

    def _open(self) -> Cache:
        store = open_store("default", PATIENT)
        versions = TagVersions(store, max_age=TRUSTED_FOR)
        return Cache(store, versions, LocalTier(1 << 20), serves_stale=True, max_value=1 << 20)

    def wanted(self, lifetime: float) -> Wanted:
        """Return what both are asked for."""
        return Wanted(("a",), Terms(lifetime, ("tag",), False), Surroundings.take(()))

    def make(self) -> Made:
        """Make it, which takes a while."""
        with self._lock:
            self.runs += 1
        time.sleep(self.seconds)
        return Made(self.runs, b"made")

    def close(self) -> None:
        """Close both."""
        for cache in self.caches:
            cache.close()


def test_a_refresh_that_another_process_does_keeps_no_later_miss_from_running_once(
    own_redis: RedisServer, settings: Settings
) -> None:
    """Invariant 36."""
    two = Two(own_redis, settings)
    first, second = two.caches
    try:
        entry = first.get(two.wanted(0.3), two.make).entry
        known = second.get(two.wanted(0.3), two.make).entry
        assert entry is not None
        assert known is not None
        time.sleep(0.4)
        two.seconds = 0.5
        first.refresh(two.wanted(60), entry, two.make)
        poll(lambda: two.runs == 2 or None, limit=5, what="the refresh")
        # It finds that the other process is at it.
        second.refresh(two.wanted(60), known, two.make)
        poll(lambda: len(second.flights) == 0 or None, limit=5, what="the other")
        second.versions.bump(["tag"])
        found = ask_in_threads(20, lambda: second.get(two.wanted(60), two.make))
        assert sum(one.has_run for one in found) == 1
    finally:
        two.close()
