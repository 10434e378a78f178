"""
Measure hits of the route cache: beside prebuilt bytes, the same handler uncached, cache_page and Litestar.

    python tests/benchmarks/cache_hits.py [--install] [--rounds N] [--quick] [CASE ...]

Each answers the same JSON of 27 bytes, which a handler reads from one row of a database on SQLite;
``prebuilt`` is a handler that returns the bytes, ``uncached`` the one whose response is kept elsewhere.
``middleware`` counts ours and the seven classes that ``startproject`` names.

``process``: without a server, see ``cache_in_process.py``, on an event loop and in a thread. Each figure
is the least of many short rounds, which alternate, in a process of its own; the median of several
processes is shown, for how fast the same code runs differs from process to process. ``over`` is what a
hit takes more than prebuilt bytes: the median, the least and the most, and by the processor's time.
The goal is at most 10 microseconds, and with Redis and the local tier at most 1.2 times the hit in memory.

``server``: over loopback, under uvicorn (one worker, uvloop, httptools, no access log), through one
connection and through 32 that stay open. All servers run throughout, and each round asks each row
in turn. ``µs`` is the time between two answers, the median of the rounds, with the least; ``CPU`` is what
the server used of it. ``ratio`` is to prebuilt bytes with as many middleware, of medians and of the least.

Redis is left out where there is no redis-server, and Litestar where it is not installed; ``--install``
puts it into a temporary directory for this run. Two cores are needed, and Linux for ``CPU``.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import peer_servers
from cache_apps import BODY, MAKERS, REDIS_PORT
from cache_in_process import LEVELS
from peer_servers import Peer, wait_for
from peers import add_option, reachable
from socket_clients import LENGTH, Client
from typed_post import ratio

PACKAGES = {"litestar": "litestar"}
STORES = ("memory", "Redis", "memory, no tier", "Redis, no tier")
PROCESSES = 5
REQUESTS = 320  # to each row in each round
CONNECTIONS = (1, 32)


@contextmanager
def redis_server() -> Iterator[int | None]:
    """Run a Redis server that keeps nothing on disk, and give its port; ``None`` where there is none to run."""
    program = shutil.which("redis-server")
    if program is None:
        print("Redis is left out: there is no redis-server.")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait()


def run_process(store: str, port: int | None) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the least times of one process, by way, level and route."""
    command = [sys.executable, str(Path(__file__).with_name("cache_in_process.py")), store]
    command += [str(port)] if store.startswith("Redis") else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, dict[str, list[tuple[float, float]]]] = json.loads(done.stdout)
    return {
        way: {key: (min(wall for wall, _ in times), min(cpu for _, cpu in times)) for key, times in rows.items()}
        for way, rows in found.items()
    }


def measure_process(rounds: int, redis: int | None, _found: list[str]) -> None:
    """Measure without a server."""
    stores = [store for store in STORES if redis is not None or not store.startswith("Redis")]
    runs: dict[str, list[dict[str, dict[str, tuple[float, float]]]]] = {store: [] for store in stores}
    for _ in range(min(rounds, PROCESSES)):
        for store in stores:
            runs[store].append(run_process(store, redis))
    heads = ("prebuilt", "hit", "uncached", "over", "least", "most", "CPU", "x memory")
    print(f"\nIn process: microseconds for one GET, {len(runs['memory'])} processes for each store\n")
    print(f"{'':30}{'middleware':>10}" + "".join(f"{head:>10}" for head in heads))
    for way in ("loop", "thread"):
        for level in LEVELS:
            memory = median(run[way][f"{level} hit"][0] for run in runs["memory"])
            for store in stores:
                show_store(f"{way}, {store}", level, [run[way] for run in runs[store]], memory)


def show_store(title: str, level: str | int, runs: list[dict[str, tuple[float, float]]], memory: float) -> None:
    """Print a row of the first table."""
    values = [median(run[f"{level} {route}"][0] for run in runs) for route in ("prebuilt", "hit", "uncached")]
    over = [run[f"{level} hit"][0] - run[f"{level} prebuilt"][0] for run in runs]
    cpu = median(run[f"{level} hit"][1] - run[f"{level} prebuilt"][1] for run in runs)
    cells = "".join(f"{value * 1e6:>10.1f}" for value in (*values, median(over), min(over), max(over), cpu))
    print(f"{title:30}{level if level != 'view' else 'view alone':>10}{cells}{values[1] / memory:>10.2f}")


@dataclass
class Row:
    """What a server is asked for, and what has been measured of it."""

    name: str
    server: str
    middleware: int
    target: str
    wall: list[float] = field(default_factory=list)
    """Seconds for one request, in each round."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of the server's process for one request, in each round; empty where the kernel does not say."""

    def ask(self, peer: Peer, connections: int, count: int) -> None:
        """Send *count* requests, and keep what one took."""
        before, start = peer.cpu_seconds(), time.perf_counter()
        answers = asyncio.run(send_all(peer.port, self.target, connections, count))
        self.wall.append((time.perf_counter() - start) / count)
        after = peer.cpu_seconds()
        if before is not None and after is not None:
            self.cpu.append((after - before) / count)
        head, _, body = answers[-1].partition(b"\r\n\r\n")
        content = body if LENGTH.search(head) else body.split(b"\r\n")[1]
        assert head.startswith(b"HTTP/1.1 200 "), (self.name, head)
        assert content == BODY, (self.name, body)
        told = b"cache-status: django-routehandlers; hit" in head.lower()
        assert told == (self.name.startswith("hit") and self.middleware in (1, 8)), (self.name, head)


async def send_all(port: int, target: str, connections: int, count: int) -> list[bytes]:
    """Send *count* GETs over so many connections; return the answers as they came."""
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode()
    left, answers = [count], list[bytes]()
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: Client(request, left, answers), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.closed for client in clients))
    assert len(answers) == count
    return answers


def rows_of(servers: set[str]) -> list[Row]:
    """Return the rows whose server there is."""
    rows = [
        *(Row(f"{name}", "django", count, f"/{name}/7") for count in (0, 1, 8) for name in ("prebuilt", "hit")),
        *(Row(f"{name}, our ASGI", "ours", count, f"/{name}/7") for count in (1, 8) for name in ("prebuilt", "hit")),
        *(Row("hit, Redis", "redis", count, "/hit/7") for count in (1, 8)),
        *(Row("uncached", "django", count, "/uncached/7") for count in (1, 8)),
        *(
            Row(f"cache_page, {kind} view", "django", count, f"/cache-page{suffix}/7")
            for count in (0, 7)
            for kind, suffix in (("async", ""), ("sync", "-sync"))
        ),
        Row("prebuilt", "django", 7, "/prebuilt/7"),
        Row("Litestar, prebuilt", "litestar", 0, "/prebuilt/7"),
        Row("Litestar, cache", "litestar", 0, "/hit/7"),
    ]
    return [row for row in rows if row.server in servers]


def measure_server(rounds: int, redis: int | None, found: list[str]) -> None:
    """Measure through servers."""
    if redis is not None:
        os.environ[REDIS_PORT] = str(redis)
    servers = {"django", "ours", *found} | ({"redis"} if redis is not None else set[str]())
    tables = {connections: rows_of(servers) for connections in CONNECTIONS}
    with ExitStack() as stack:
        peers = {
            key: stack.enter_context(peer_servers.running(*key, __file__))
            for key in dict.fromkeys((row.server, row.middleware) for rows in tables.values() for row in rows)
        }
        for number in range(rounds + 1):
            for connections, rows in tables.items():
                for row in rows:
                    row.ask(peers[row.server, row.middleware], connections, REQUESTS)
                    if not number:  # The first round warms up.
                        row.wall.clear()
                        row.cpu.clear()
    for connections, rows in tables.items():
        show_rows(rows, connections, rounds)


def show_rows(rows: list[Row], connections: int, rounds: int) -> None:
    """Print a table of servers."""
    title = f"{connections} connection{'s' if connections > 1 else ''}"
    print(f"\nUnder uvicorn, {title}: microseconds for one GET, {rounds} rounds of {REQUESTS} requests\n")
    heads = ("middleware", "µs", "least", "CPU", "least", "ratio", "of least", "CPU")
    print(f"{'':24}" + "".join(f"{head:>10}" for head in heads))
    for row in sorted(rows, key=lambda row: (row.middleware, min(row.wall))):
        base = next(one for one in rows if one.name == "prebuilt" and one.middleware == row.middleware)
        values: list[Any] = [median(row.wall), min(row.wall), *((median(row.cpu), min(row.cpu)) if row.cpu else ())]
        cells = "".join(f"{value * 1e6:>10.0f}" for value in values)
        ratios = [ratio(row.wall, base.wall), min(row.wall) / min(base.wall)]
        ratios += [ratio(row.cpu, base.cpu)] if row.cpu else []
        print(f"{row.name:24}{row.middleware:>10}{cells}" + "".join(f"{value:>10.2f}" for value in ratios))


def serve(name: str, port: int, middleware: int) -> None:
    """Be a server."""
    import uvicorn

    app = MAKERS[name](middleware)
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", lifespan="off", log_level="warning", access_log=False)


CASES = {"process": measure_process, "server": measure_server}


def main() -> None:
    """Be a server, or measure."""
    parser = argparse.ArgumentParser(description="Measure hits of the route cache, beside their peers.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; both without one")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="two rounds, and two processes")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--middleware", type=int, help=argparse.SUPPRESS)
    add_option(parser)
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - CASES.keys():
        parser.error(f"no case {', '.join(sorted(unknown))}. There are {', '.join(CASES)}.")
    if arguments.serve:
        serve(arguments.serve, arguments.port, arguments.middleware)
        return
    with reachable(PACKAGES, install=arguments.install) as found, redis_server() as redis:
        for name in arguments.cases or CASES:
            CASES[name](2 if arguments.quick else arguments.rounds, redis, found)


if __name__ == "__main__":
    main()
