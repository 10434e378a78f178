"""
A cache server that is gone, hung, empty, full or read-only, under load: nobody is refused or waits, nothing is stale.

The short form keeps each fault for a second and a half, and only sees that nobody waits long; ``RH_PROOF=full`` keeps
it for ten seconds, and holds the time that is lost against its limit.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cache_clients import Connection, Process
from cache_projects import configure, make_cache_project, run_workers
from cache_servers import RedisServer
from django_routehandlers.caching.cache import STORE_THREADS
from servers import Server, poll, serve

FULL = os.environ.get("RH_PROOF") == "full"
HOLD = 10.0 if FULL else 1.5  # seconds
LOST = 0.05 if FULL else 1.0  # seconds that a request may lose, at the 99th percentile
SETTLE = min(1.0, HOLD / 2)  # seconds of a fault within which it is noticed
RECOVERY = 5.0  # seconds
CLIENTS = 50
PAUSE = 0.3  # seconds between two requests of a client
TRUSTED_FOR = 1.0  # seconds for which another process may not know of an invalidation

ROUTES = {
    "value/[name]/route.py": """
        from pathlib import Path

        tags = ["value"]

        async def GET(name):
            return int(Path("value").read_text())
        """,
    "plain/[name]/route.py": """
        from pathlib import Path

        tags = ["value"]

        def GET(name):
            return int(Path("value").read_text())
        """,
    "write/route.py": """
        from pathlib import Path

        from django_routehandlers import arevalidate_tag
        from django_routehandlers.caching import StoreError

        async def POST():
            number = int(Path("value").read_text()) + 1
            Path("value.new").write_text(str(number))
            Path("value.new").replace("value")
            try:
                await arevalidate_tag("value")
            except StoreError:
                return [number, False]
            return [number, True]
        """,
    "slow/[number]/route.py": """
        import time

        revalidate = 1
        _seen = set()

        def GET(number):
            if number in _seen:
                time.sleep(2)
            _seen.add(number)
            return number
        """,
    "aslow/[number]/route.py": """
        import asyncio

        from pages.models import Number

        revalidate = 1
        _seen = set()

        async def GET(number):
            count = await Number.objects.acount()
            if number in _seen:
                await asyncio.sleep(6)
            _seen.add(number)
            return [number, count]
        """,
    "refreshed/[number]/route.py": """
        from asgiref.sync import sync_to_async
        from pages.models import Number

        revalidate = 1

        async def GET(number: int):
            return [number, await Number.objects.acount(), await sync_to_async(Number.objects.count)()]
        """,
}


@dataclass
class Load:
    """Clients that read from two processes, and one that writes to the first, until they are stopped."""

    servers: tuple[Server, ...]
    reads: list[tuple[float, float, int, int, int]] = field(default_factory=list)
    """When each began and ended, its status, what was read, and from which of the servers."""
    writes: list[tuple[float, int, bool]] = field(default_factory=list)
    """When each ended, what was written, and whether the store was told."""

    async def run(self, script: Callable[[], object]) -> None:
        """Ask while *script* runs in a thread."""
        reading = [asyncio.create_task(self._read(number)) for number in range(CLIENTS)]
        tasks = [*reading, asyncio.create_task(self._write())]
        script_task = asyncio.create_task(asyncio.to_thread(script))
        done, _ = await asyncio.wait({script_task, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await script_task
        for task in done:
            task.result()

    async def _read(self, number: int) -> None:
        index = number % len(self.servers)
        client = Connection(self.servers[index].port)
        kind = "value" if number % 4 < 2 else "plain"
        await asyncio.sleep(PAUSE * number / CLIENTS)
        try:
            while True:
                began = time.monotonic()
                reply = await client.ask(f"/{kind}/{number % 10}")
                number_read = int(reply.body) if reply.status == 200 else -1
                self.reads.append((began, time.monotonic(), reply.status, number_read, index))
                await asyncio.sleep(PAUSE)
        finally:
            client.close()

    async def _write(self) -> None:
        client = Connection(self.servers[0].port)
        try:
            while True:
                reply = await client.ask("/write", method="POST")
                assert reply.status == 200, reply
                number, is_told = reply.body.decode().strip("[]").split(",")
                self.writes.append((time.monotonic(), int(number), is_told == "true"))
                await asyncio.sleep(PAUSE)
        finally:
            client.close()

    def stale(self) -> list[tuple[int, int, int, float]]:
        """Return what was read, what had been written, from which server, and how long before."""
        found: list[tuple[int, int, int, float]] = []
        for began, _, _, number, index in self.reads:
            for ended, written, is_told in self.writes:
                allowed = 0.0 if index == 0 else TRUSTED_FOR
                if written > number and began - ended > allowed and (is_told or index == 0):
                    found.append((number, written, index, began - ended))
        return found

    def percentile(self, start: float, end: float) -> float:
        """Return the 99th percentile of the seconds that requests of that time took."""
        times = sorted(ended - began for began, ended, *_ in self.reads if start <= began < end)
        return times[int(len(times) * 0.99)]

    def typical(self, start: float, end: float) -> float:
        """Return the median of the 99th percentiles of each second: what else runs on the machine has bad ones."""
        seconds = max(1, int(end - start))
        step = (end - start) / seconds
        return statistics.median(
            self.percentile(start + one * step, start + (one + 1) * step) for one in range(seconds)
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose processes share what its routes read."""
    home = make_cache_project(tmp_path_factory.mktemp("faults"), ROUTES)
    (home / "value").write_text("0")
    return home


@pytest.fixture(scope="module")
def pair(home: Path, redis: RedisServer) -> Iterator[tuple[Server, Server]]:
    """Two processes that have served for a while, so that they have all the threads that they ever need."""
    configure(home, redis.url, BUILD_ID="1")
    with serve("uvicorn-httptools", home) as first, serve("uvicorn-h11", home) as second:
        for server in (first, second):
            asyncio.run(crowd(server))
        yield first, second


async def crowd(server: Server) -> None:
    """Have many clients miss at the same moment, some times over."""
    clients = [Connection(server.port) for _ in range(CLIENTS)]
    for turn in range(4):
        for kind in ("value", "plain"):
            asking = [one.ask(f"/{kind}/{turn}-{number}") for number, one in enumerate(clients)]
            assert {reply.status for reply in await asyncio.gather(*asking)} == {200}
    for one in clients:
        one.close()


FAULTS: dict[str, tuple[Callable[[RedisServer], object], Callable[[RedisServer], object]]] = {
    "stopped": (lambda redis: redis.stop(), lambda redis: redis.start()),
    "hung": (lambda redis: redis.pause(), lambda redis: redis.resume()),
    "emptied": (lambda redis: redis.flush(), lambda redis: None),
    "restarted": (lambda redis: redis.restart(), lambda redis: None),
    "full": (lambda redis: redis.set_maxmemory("1mb"), lambda redis: redis.set_maxmemory("0")),
    "read-only": (lambda redis: redis.make_read_only(), lambda redis: redis.make_writable()),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_store_costs_nobody_an_answer(
    pair: tuple[Server, Server], redis: RedisServer, fault: str
) -> None:
    """Invariants 41 and 45: no error, no wait, nothing older than an invalidation, and soon as it was before."""
    begin, end = FAULTS[fault]
    load = Load(pair)
    moments: list[float] = []
    told: list[float] = []
    processes = [Process(one.process.pid) for one in pair]
    before = [one.wait_until(0, 0, limit=0.3) for one in processes]

    def first_told() -> float | None:
        return next((ended for ended, _, is_told in load.writes if ended > moments[2] and is_told), None)

    def script() -> None:
        for action, seconds in ((None, HOLD / 2), (begin, HOLD), (end, HOLD / 4)):
            if action is not None:
                action(redis)
            moments.append(time.monotonic())
            time.sleep(seconds)
        told.append(poll(first_told, limit=RECOVERY, what="the first invalidation that is told", on=pair[0]))
        time.sleep(HOLD / 4)

    asyncio.run(load.run(script))
    healthy, broken, mended = moments
    base, during = load.typical(healthy, broken), load.typical(broken + SETTLE, mended)
    print(
        f"{fault}: {len(load.reads)} reads, {len(load.writes)} writes, p99 {base * 1000:.0f} ms before, "
        f"{during * 1000:.0f} ms during, worst {load.percentile(broken, broken + SETTLE) * 1000:.0f} ms in the first "
        f"second; told {sum(one[2] for one in load.writes)}; recovered in {told[0] - mended:.2f} s"
    )
    assert {status for _, _, status, _, _ in load.reads} == {200}
    assert load.stale() == []
    assert during - base < LOST
    assert told[0] - mended < RECOVERY
    for process, (threads, sockets) in zip(processes, before, strict=True):
        assert_is_back(process, threads, sockets)
    for server in pair:
        assert complaints(server) == []


def assert_is_back(process: Process, threads: int, sockets: int) -> None:
    # The threads for the store are started as they are needed, and stay, each with a connection.
    most, most_sockets = max(threads, STORE_THREADS + 1) + 4, sockets + STORE_THREADS
    after = process.wait_until(most, most_sockets, limit=5)
    assert after[0] <= most
    assert after[1] <= most_sockets


def complaints(server: Server) -> list[str]:
    """Return what a log must not hold."""
    words = ("Task was destroyed", "never retrieved", "never awaited", "Traceback", "Exception ignored")
    return [word for word in words if word in server.log]


@pytest.mark.slow
def test_a_thousand_refreshes_leave_no_thread_and_no_connection(home: Path) -> None:
    """Invariant 39: and none where their tasks are kept. ``RH_PROOF=full`` does 1,000, else 200."""
    configure(home)
    job = {"kind": "refresh", "refreshes": 1000 if FULL else 200, "entries": 100, "limit": 120}
    (found,) = run_workers(home, [job])
    assert found["refreshes"] >= job["refreshes"]
    assert found["refresh_errors"] == 0
    assert found["end"][0] <= found["start"][0] + 5
    assert found["end"][1] <= found["start"][1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uvicorn-httptools", "gunicorn"])
@pytest.mark.parametrize("route", ["slow", "aslow"])
def test_a_server_that_stops_while_it_refreshes_says_nothing(home: Path, kind: str, route: str) -> None:
    """Invariants 38 and 39."""
    configure(home)
    with serve(kind, home) as server:
        targets = [f"/{route}/{number}" for number in range(5)]
        assert {server.get(one)[0] for one in targets} == {200}
        time.sleep(1.2)
        assert {server.get(one)[0] for one in targets} == {200}
        server.process.terminate()
        poll(lambda: True if server.process.poll() is not None else None, limit=15, what="the end", on=server)
        assert complaints(server) == []
