"""
Measure streams of JSON lines over loopback: ours, Django, Starlette, FastAPI and django-ninja.

    python tests/benchmarks/streams.py [--install] [--rounds N] [--quick] [CASE ...]

``lines``: 10,000 lines of 60 bytes from an async generator that never waits, whole responses
read to their end. All servers run throughout, and each round asks each row in turn. ``ms`` is the
median of the rounds, with the least and the most; ``CPU`` is what the server's process used, as the
kernel counts. A ratio is the median over the rounds, and the one of the least times. The records are
made beforehand, except in the rows ``made``; ``joined`` is all lines as one body that is not a stream.

``slow``: a line every 50 ms. The time from the producer's ``yield`` to the client's ``recv``.

``memory``: 1,000,000 lines. How far the worker's resident memory rises above what it was before.

``others``: the time of a small route while an endless generator that never waits streams to a
client that reads, or to clients that come, read a little and leave. A question falls due every
20 ms, and its time counts from then, so that a pause of the server is not asked around.

Each server is a process of its own under uvicorn (one worker, uvloop, httptools, no access log),
without middleware or with the seven classes that ``startproject`` names; the client is a process
of its own, so that two cores are needed. Peers that are not installed are left out; ``--install``
puts them into a temporary directory for this run. ``memory`` and ``CPU`` need Linux.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from math import ceil
from pathlib import Path
from statistics import median

import peer_servers
from django_middleware import DEFAULT_MIDDLEWARE
from peer_servers import Peer
from peers import add_option, reachable
from socket_clients import LIMIT, Connection
from stream_servers import LINES, MAKERS, PAUSE, RECORDS, SLOW_LINES, item
from typed_post import ratio

PACKAGES = {"starlette": "starlette", "fastapi": "fastapi", "ninja": "django-ninja"}
MANY_LINES = 1_000_000
ENDLESS = "/many?count=1000000000"
ENDLESS_SYNC = "/many-sync?count=1000000000"
SENT = re.compile(rb'"sent":(\d+)}\n')
OTHERS_LIMIT = 2  # seconds for an answer beside a stream
EVERY = 0.02  # seconds between two questions
VISIT_EVERY = 0.1  # seconds between two clients that leave
VISIT_SIZE = 1 << 16  # bytes that they read


def running(name: str, middleware: int = 0) -> AbstractContextManager[Peer]:
    """Run a server of this script, until it is not needed any more."""
    return peer_servers.running(name, middleware, __file__)


def serve(name: str, port: int, middleware: int) -> None:
    """Be a server."""
    import uvicorn

    uvicorn.run(
        MAKERS[name](DEFAULT_MIDDLEWARE[:middleware]),
        port=port,
        loop="uvloop",
        http="httptools",
        log_level="critical",
        access_log=False,
        timeout_keep_alive=LIMIT,
    )


@dataclass
class Row:
    """One way to write the lines, and what has been measured of it."""

    name: str
    server: str
    target: str = "/lines"
    middleware: int = 0
    wall: list[float] = field(default_factory=list)
    """Seconds for a response, in each round."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of the server's process for a response, in each round; empty where the kernel does not say."""

    def ask(self, peer: Peer, connection: Connection) -> None:
        """Read one response, keep what it took, and look at each line."""
        before = peer.cpu_seconds()
        seconds, content = connection.get(self.target)
        after = peer.cpu_seconds()
        self.wall.append(seconds)
        if before is not None and after is not None:
            self.cpu.append(after - before)
        records = [json.loads(line) for line in content.splitlines()]
        if records != RECORDS:
            raise ValueError(f"{self.name}: not the lines that were meant")


ROWS = [
    Row("ours", "ours"),
    Row("ours, 7 middleware", "ours", middleware=7),
    Row("ours, sync", "ours", "/lines-sync"),
    Row("ours, typed", "ours", "/typed"),
    Row("Django", "stock"),
    Row("Starlette", "starlette"),
    Row("FastAPI, typed", "fastapi", "/typed"),
    Row("django-ninja, typed", "ninja", "/typed"),
    Row("ours, typed, made", "ours", "/typed-made"),
    Row("FastAPI, typed, made", "fastapi", "/typed-made"),
    Row("django-ninja, typed, made", "ninja", "/typed-made"),
    Row("joined, Django", "ours", "/joined"),
    Row("joined, Starlette", "starlette", "/joined"),
]
RATIOS = [
    ("Starlette", "ours", "at least 6"),
    ("Django", "ours", ""),
    ("FastAPI, typed", "ours, typed", "at least 15"),
    ("django-ninja, typed", "ours, typed", "at least 15"),
    ("FastAPI, typed, made", "ours, typed, made", ""),
    ("django-ninja, typed, made", "ours, typed, made", ""),
    ("ours", "joined, Django", "at most 1.5"),
    ("ours", "joined, Starlette", ""),
]


def measure_lines(found: list[str], rounds: int, *, quick: bool) -> None:
    """Measure whole responses of lines that are ready."""
    rows = [row for row in ROWS if row.server in found]
    with ExitStack() as stack:
        peers = {
            key: stack.enter_context(running(*key))
            for key in dict.fromkeys((row.server, row.middleware) for row in rows)
        }
        connections = {row.name: Connection(peers[row.server, row.middleware].port) for row in rows}
        for number in range(rounds + 1):
            for row in rows:
                row.ask(peers[row.server, row.middleware], connections[row.name])
                if not number:  # The first round warms up.
                    row.wall.clear()
                    row.cpu.clear()
    show_rows(rows, rounds)
    show_ratios({row.name: row for row in rows})


def show_rows(rows: list[Row], rounds: int) -> None:
    """Print the times."""
    size = len(json.dumps(RECORDS[0], separators=(",", ":"))) + 1
    print(f"\n{LINES:,} lines of {size} bytes, {rounds} rounds\n")
    print(f"{'':28}{'ms':>9}{'least':>9}{'most':>9}{'CPU':>9}")
    for row in rows:
        values = [median(row.wall), min(row.wall), max(row.wall), *([median(row.cpu)] if row.cpu else [])]
        print(f"{row.name:28}" + "".join(f"{value * 1e3:>9.1f}" for value in values))
    print(f"{'to make the models alone':28}{making() * 1e3:>9.1f}")


def show_ratios(rows: dict[str, Row]) -> None:
    """Print how the rows compare."""
    print(f"\n{'ratio':48}{'median':>9}{'of least':>9}{'CPU':>9}   target")
    for name, base, target in RATIOS:
        if name in rows and base in rows:
            one, other = rows[name], rows[base]
            values = [ratio(one.wall, other.wall), min(one.wall) / min(other.wall)]
            values += [ratio(one.cpu, other.cpu)] if one.cpu and other.cpu else []
            print(f"{f'{name} / {base}':48}" + "".join(f"{value:>9.2f}" for value in values) + f"   {target}")


def making() -> float:
    """Return the seconds that the rows with ``made`` have in common, the least of a few."""
    times: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        for number in range(LINES):
            item(number)
        times.append(time.perf_counter() - start)
    return min(times)


def measure_slow(found: list[str], rounds: int, *, quick: bool) -> None:
    """Measure how late lines of a slow producer are."""
    rounds = 1 if quick else min(rounds, 3)
    rows: dict[tuple[str, str], list[float]] = {
        (server, target): []
        for server in ("ours", "starlette")
        if server in found
        for target in ("/slow", "/slow-sync")
    }
    with ExitStack() as stack:
        ports = {server: stack.enter_context(running(server)).port for server in {server for server, _ in rows}}
        connections = {key: Connection(ports[key[0]]) for key in rows}
        for number in range(rounds):
            for key, times in rows.items():
                if not number and key[0] == "ours":
                    # The first request of all loads the routes.
                    connections[key].get("/small")
                times += lateness(connections[key], key[1])
    print(f"\nA line every {PAUSE * 1e3:.0f} ms, {rounds} x {SLOW_LINES} lines: ms late (target: most < 5)\n")
    print(f"{'':24}{'ms':>9}{'least':>9}{'most':>9}")
    for (server, target), times in rows.items():
        cells = "".join(f"{value * 1e3:>9.2f}" for value in (median(times), min(times), max(times)))
        print(f"{server + (', sync' if target == '/slow-sync' else ', async'):24}{cells}")


def lateness(connection: Connection, target: str) -> list[float]:
    """Return the seconds between the moment that each line states and its arrival."""
    received, position, times = b"", 0, list[float]()
    for part in connection.parts(target):
        now = time.monotonic_ns()
        received += part
        for match in SENT.finditer(received, position):
            times.append((now - int(match[1])) / 1e9)
            position = match.end()
    if len(times) != SLOW_LINES:
        raise ValueError(f"{target}: {len(times)} lines")
    return times


def measure_memory(found: list[str], rounds: int, *, quick: bool) -> None:
    """Measure what many lines add to the memory of the worker."""
    if not Path("/proc/self/clear_refs").exists():
        print("\nmemory is left out: it needs Linux.")
        return
    count = MANY_LINES // 10 if quick else MANY_LINES
    print(f"\n{count:,} lines: resident memory of the worker in MB (target: growth < 10)\n")
    print(f"{'':24}{'before':>9}{'peak':>9}{'after':>9}{'growth':>9}{'seconds':>9}")
    for name, target in (("ours, async", "/many"), ("ours, sync", "/many-sync")):
        with running("ours") as peer:
            connection = Connection(peer.port)
            connection.get(f"{target}?count={LINES}")
            before = resident(peer, "VmRSS")
            Path(f"/proc/{peer.process.pid}/clear_refs").write_text("5")  # The peak starts anew, see proc(5).
            start = time.perf_counter()
            size = sum(len(part) for part in connection.parts(f"{target}?count={count}"))
            seconds = time.perf_counter() - start
            if size < count * 60:
                raise ValueError(f"{target}: {size} bytes")
            peak, after = resident(peer, "VmHWM"), resident(peer, "VmRSS")
        print(f"{name:24}{before:>9.1f}{peak:>9.1f}{after:>9.1f}{peak - before:>9.1f}{seconds:>9.1f}")


def resident(peer: Peer, name: str) -> float:
    """Return a figure of a server's memory in MB."""
    status = Path(f"/proc/{peer.process.pid}/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1024


def measure_others(found: list[str], rounds: int, *, quick: bool) -> None:
    """Measure a small route beside streams that never wait."""
    duration = 2 if quick else 10
    print(f"\nGET of a small route beside an endless stream, {duration} s each: ms (target: p99 < 100)\n")
    print(f"{'':48}{'median':>9}{'p99':>9}{'most':>9}")
    streams = [("ours", "ours", ENDLESS), ("ours, sync", "ours", ENDLESS_SYNC)]
    streams += [("Django", "stock", ENDLESS), ("Starlette", "starlette", ENDLESS)]
    for name, server, target in streams:
        for how, beside in {"alone": alone, "the client reads": reading, "clients leave": leaving}.items():
            if server in found and not (how == "alone" and target == ENDLESS_SYNC):
                print(f"{f'{name}: {how}':48}{others(server, target, beside, duration)}")


def others(
    server: str, target: str, beside: Callable[[int, str], AbstractContextManager[None]], duration: float
) -> str:
    """Return the times of the small route, in ms."""
    with running(server) as peer:
        connection = Connection(peer.port, OTHERS_LIMIT)
        for _ in range(20):
            connection.get("/small")
        try:
            with beside(peer.port, target):
                times = sorted(paced(connection, duration))
        except TimeoutError:
            return f"  no answer within {OTHERS_LIMIT} s"
    values = (median(times), times[ceil(len(times) * 0.99) - 1], times[-1])
    return "".join(f"{value * 1e3:>9.2f}" for value in values)


def paced(connection: Connection, duration: float) -> Iterable[float]:
    """Ask at fixed moments; yield the seconds from each to its answer."""
    due = time.perf_counter()
    for _ in range(int(duration / EVERY)):
        due += EVERY
        time.sleep(max(0, due - time.perf_counter()))
        connection.get("/small")
        yield time.perf_counter() - due


@contextmanager
def alone(port: int, target: str) -> Iterator[None]:
    """Do nothing else."""
    yield


@contextmanager
def reading(port: int, target: str) -> Iterator[None]:
    """Read a stream meanwhile, in a process of its own."""
    command = [sys.executable, __file__, "--drain", target, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                raise RuntimeError(f"{target}: the stream did not begin.")
            yield
            if process.poll() is not None:
                raise RuntimeError(f"{target}: the stream has ended.")
        finally:
            process.kill()


def drain(port: int, target: str) -> None:
    """Be a client that reads as fast as it can."""
    with suppress(OSError):
        for number, _ in enumerate(Connection(port).parts(target)):
            if not number:
                print("reading", flush=True)


@contextmanager
def leaving(port: int, target: str) -> Iterator[None]:
    """Begin to read a stream again and again meanwhile, and leave."""
    over = threading.Event()
    faults: list[OSError] = []

    def visit() -> None:
        while not over.wait(VISIT_EVERY):
            connection = Connection(port, OTHERS_LIMIT)
            with closing(connection.socket):
                size = 0
                for part in connection.parts(target):
                    size += len(part)
                    if size > VISIT_SIZE:
                        break

    def visits() -> None:
        try:
            visit()
        except OSError as error:
            faults.append(error)

    visitor = threading.Thread(target=visits)
    visitor.start()
    try:
        yield
        if faults:
            raise faults[0]
    finally:
        over.set()
        visitor.join()


CASES: dict[str, Callable[..., None]] = {
    "lines": measure_lines,
    "slow": measure_slow,
    "memory": measure_memory,
    "others": measure_others,
}


def main() -> None:
    """Be a server or a client, or measure."""
    parser = argparse.ArgumentParser(description="Measure streams of JSON lines over loopback, beside their peers.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; all without one")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, lines and seconds")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--drain", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--middleware", type=int, default=0, help=argparse.SUPPRESS)
    add_option(parser)
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - CASES.keys():
        parser.error(f"no case {', '.join(sorted(unknown))}. There are {', '.join(CASES)}.")
    if arguments.serve:
        serve(arguments.serve, arguments.port, arguments.middleware)
    elif arguments.drain:
        drain(arguments.port, arguments.drain)
    else:
        with reachable(PACKAGES, install=arguments.install) as found:
            names = ["Django", "uvicorn", *(PACKAGES[module] for module in found)]
            print(", ".join(f"{name} {version(name)}" for name in names))
            for name in arguments.cases or CASES:
                rounds = min(arguments.rounds, 3) if arguments.quick else arguments.rounds
                CASES[name](["ours", "stock", *found], rounds, quick=arguments.quick)


if __name__ == "__main__":
    main()
