"""
Measure the engine: a dynamic JSON GET with Django's middleware, beside stock Django and its peers.

    python tests/benchmarks/engine.py [--install] [--quick] [--rounds N] [CASE ...]

Prints tables of Markdown, what we lose included. Each answers the same JSON of 27 bytes: a route handler that takes
the request, a plain async view and an endpoint of django-ninja, on our engine and on stock Django, with no middleware
and with the seven classes that ``startproject`` names; FastAPI, Starlette and Litestar with none; and an ASGI
function that does nothing else, which shows what the method itself takes.

``process``: without a server, one request at a time, see ``engine_in_process.py``.
``server``: over loopback under uvicorn (one worker, uvloop, httptools, no access log), through one connection and
through 32 that stay open; django-bolt (no log, no compression) under its own server, in one process.
``database``: one row of PostgreSQL by ``aget()``, in process, and over 1 and 32 connections. Its server is started for
this run, on loopback; it asks for a password (SCRAM, its default), which each new connection pays for.
``threads``: twenty sync views that sleep, and what 1,000 requests with a query open.
``sync``: sync views, a sync-only middleware of a third party, and a session that is saved, against stock Django.

Every project and peer has a process of its own, which runs throughout, held to one core; what asks, and PostgreSQL,
are held to another. In process the same is measured once more *on any core*, as servers run unless told otherwise:
a thread that wakes another on another core waits longer, so stock Django is slower there.

Each round asks every row in turn, for so many requests that each takes about as long, so that what disturbs the
machine disturbs all. ``µs`` is the time of one request, the median of the rounds, with the least and the quartiles;
``CPU`` is what the process used of it (Linux only). ``times`` is how many requests are answered in the time of one
of the row that is compared with: in the tables of rows that is the first; the median of the ratios, round by round,
and the ratio of the least times. A goal is reached where both are, and undecided where one is.

Peers that are not installed are left out; ``--install`` puts them into a temporary directory for this run. Two
cores are needed.
"""

import argparse
import os
import platform
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import engine_database
import engine_over_socket
from engine_in_process import child
from engine_rows import PACKAGES, Goal, Key, Row, show_goals, show_rows
from held_cores import hold_to_core
from interleaved import measure
from peer_servers import Peer
from peers import add_option, reachable

ROUNDS = {"process": 40, "server": 15, "database": 25, "threads": 10, "sync": 40}
CONNECTIONS = (1, 32)
IN_PROCESS = 0.03  # seconds of one row in one round
OVER_SOCKET = 0.25
SHOWN = ("Django", "asgiref", "uvicorn", "uvloop", "httptools", *PACKAGES.values())
BARE = "ASGI function"
FASTAPI = ("FastAPI", 0)
STOCK = ("plain view, stock Django", 7)
STOCK_NINJA = ("django-ninja, stock Django", 7)
BOLT = [Goal(("route", middleware), ("django-bolt", middleware), None) for middleware in (7, 0)]


def rows_of_get(*, over_socket: bool) -> list[Row]:
    """Return the rows of a dynamic JSON GET."""
    projects = [
        Row(f"{name}{suffix}", framework, middleware, target)
        for name, target in (("route", "/hello"), ("plain view", "/plain"), ("django-ninja", "/ninja/hello"))
        for framework, suffix in (("ours", ""), ("stock", ", stock Django"))
        for middleware in (7, 0)
    ]
    bolt = [Row("django-bolt", "bolt", middleware, "/hello") for middleware in (7, 0)]
    peers = [Row(name, name.lower(), 0, "/hello") for name in ("FastAPI", "Starlette", "Litestar")]
    return [*projects, *(bolt if over_socket else ()), *peers, Row(BARE, "bare", 0, "/hello")]


def goals_of_get(least: float) -> list[Goal]:
    """Return the goals, of which *least* is the one against stock Django."""
    return [
        Goal(("route", 7), FASTAPI, 1),
        Goal(("route", 7), STOCK, least),
        Goal(("plain view", 7), STOCK, least),
        Goal(("django-ninja", 7), STOCK_NINJA, least),
    ]


def rows_of_sync() -> list[Row]:
    """Return what hops to a thread on stock Django and on ours."""
    views = (
        ("sync view", "/more/sync", (0, 7, 8, 9)),
        ("async view", "/plain", (8, 9)),
        ("route", "/hello", (8, 9)),
        ("session saved", "/more/session", (7,)),
    )
    return [
        Row(f"{name}{suffix}", framework, count, target)
        for name, target, counts in views
        for count in counts
        for framework, suffix in (("ours", ""), ("stock", ", stock Django"))
    ]


def measure_in_process(rows: list[Row], rounds: int, concurrency: int = 1, *, is_free: bool = False) -> None:
    """Measure rows without a server."""
    with ExitStack() as stack:
        children = {
            key: stack.enter_context(child(*key, is_free=is_free)) for key in dict.fromkeys(row.process for row in rows)
        }

        def ask(row: Row, count: int) -> float:
            found = children[row.process].ask(row.target, count, concurrency)
            row.wall.append(found["wall"])
            row.cpu.append(found["cpu"])
            return found["wall"]

        measure(rows, ask, rounds, IN_PROCESS * concurrency**0.5, 10 * concurrency)


def measure_over_socket(tables: dict[int, list[Row]], rounds: int) -> None:
    """Measure rows through servers, by the number of connections."""
    with ExitStack() as stack:
        all_rows = [row for rows in tables.values() for row in rows]
        peers = {row.process: row for row in all_rows}
        servers: dict[Key, Peer] = {}
        for key, row in peers.items():
            try:
                servers[key] = stack.enter_context(engine_over_socket.server(row))
            except RuntimeError as error:
                if row.framework != "bolt":
                    raise
                print(f"{row.name} is left out: {error}")

        def ask(row: Row, count: int, connections: int) -> float:
            return engine_over_socket.ask(row, servers[row.process], count, connections)

        for connections, rows in tables.items():
            rows[:] = [row for row in rows if row.process in servers]
            measure(rows, partial(ask, connections=connections), rounds, OVER_SOCKET, 5 * connections)


def place_of(*, is_free: bool) -> str:
    """Return where what is measured runs."""
    return "on any core" if is_free else "held to one core"


def title_of(connections: int) -> str:
    """Return what stands over a table of servers."""
    return f"over a socket, {connections} connection{'s' if connections > 1 else ''}"


def case_process(rounds: int, found: Iterable[str], _postmaster: int | None) -> None:
    """Measure a dynamic JSON GET without a server."""
    for is_free in (True, False):
        rows = [row for row in rows_of_get(over_socket=False) if row.is_among(found)]
        measure_in_process(rows, rounds, is_free=is_free)
        show_rows(f"GET in process, one at a time, {place_of(is_free=is_free)}, {rounds} rounds", rows)
        show_goals(goals_of_get(30), rows)


def case_server(rounds: int, found: Iterable[str], _postmaster: int | None) -> None:
    """Measure the same over a socket."""
    tables = {
        connections: [row for row in rows_of_get(over_socket=True) if row.is_among(found)]
        for connections in CONNECTIONS
    }
    measure_over_socket(tables, rounds)
    for connections, rows in tables.items():
        show_rows(f"GET {title_of(connections)}, {rounds} rounds", rows)
        # At one connection both wait for the network: only FastAPI is a goal.
        show_goals([*goals_of_get(8)[: None if connections > 1 else 1], *BOLT], rows)


def case_database(rounds: int, found: Iterable[str], postmaster: int | None) -> None:
    """Measure one row of PostgreSQL."""
    if postmaster is None:
        return
    for is_free in (True, False):
        hold_to_core(None if is_free else -1, postmaster)
        rows = [row for row in engine_database.rows() if row.is_among(found)]
        measure_in_process(rows, rounds, is_free=is_free)
        show_rows(f"one row in process, one at a time, {place_of(is_free=is_free)}, {rounds} rounds", rows)
        show_goals(engine_database.GOALS, rows)
    tables = {count: [row for row in engine_database.rows() if row.is_among(found)] for count in CONNECTIONS}
    measure_over_socket(tables, rounds)
    for connections, rows in tables.items():
        show_rows(f"one row {title_of(connections)}, {rounds} rounds", rows)
        show_goals(engine_database.GOALS, rows)


def case_threads(rounds: int, found: Iterable[str], postmaster: int | None) -> None:
    """Measure what requests wait for and open."""
    engine_database.measure_threads(rounds, found, postmaster)


def case_sync(rounds: int, _found: Iterable[str], _postmaster: int | None) -> None:
    """Measure what needs a thread."""
    for concurrency in CONNECTIONS:
        rows = rows_of_sync()
        measure_in_process(rows, rounds, concurrency)
        show_rows(f"in process, {concurrency} at a time, {rounds} rounds", rows)
        pairs = zip(rows[::2], rows[1::2], strict=True)
        show_goals([Goal(one.key, other.key, 1) for one, other in pairs], rows)


CASES: dict[str, Callable[[int, Iterable[str], int | None], None]] = {
    "process": case_process,
    "server": case_server,
    "database": case_database,
    "threads": case_threads,
    "sync": case_sync,
}


def show_versions() -> None:
    """Print what is compared, and where."""
    print(f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores", end="")
    for package in SHOWN:
        name = package.partition("[")[0]
        try:
            print(f", {name} {version(name)}", end="")
        except PackageNotFoundError:
            continue
    # What else runs makes figures worthless.
    print(f"; load at the start {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="Measure the engine beside stock Django and its peers.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; all without one")
    parser.add_argument("--rounds", type=int, help="instead of as many as each case takes")
    parser.add_argument("--quick", action="store_true", help="three rounds")
    add_option(parser)
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - CASES.keys():
        parser.error(f"no case {', '.join(sorted(unknown))}. There are {', '.join(CASES)}.")
    # PostgreSQL is started here, and goes with what asks.
    hold_to_core(-1)
    with ExitStack() as stack:
        found = stack.enter_context(reachable(PACKAGES, install=arguments.install))
        cases = arguments.cases or list(CASES)
        needs_postgresql = not {"database", "threads"}.isdisjoint(cases)
        postmaster = stack.enter_context(engine_database.postgresql()) if needs_postgresql else None
        show_versions()
        for name in cases:
            print(f"\n### {name}")
            CASES[name](3 if arguments.quick else arguments.rounds or ROUNDS[name], found, postmaster)


if __name__ == "__main__":
    main()
