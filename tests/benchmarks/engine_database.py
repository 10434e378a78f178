"""Measure, for ``engine.py``, what a row of PostgreSQL takes, and how many connections and threads requests use."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from engine_apps import BODY, POSTGRESQL_PASSWORD, POSTGRESQL_PORT, POSTGRESQL_TRUSTED, POSTGRESQL_USER, SECONDS
from engine_in_process import child
from engine_rows import Goal, Row, show_head, show_line

EACH = "stock Django, one for each request"
TRUSTED = "stock Django, one for each request, no password"
POOL = "stock Django, psycopg's pool"
GOALS = [
    Goal(("route, connections kept", 7), (EACH, 7), 15),
    Goal(("route, connections kept", 7), (POOL, 7), 6),
    Goal(("route, connections kept", 7), (TRUSTED, 7), None),
    Goal(("route, one for each request", 7), (EACH, 7), 1),
]
SLEEPERS = 20
REQUESTS = 1000
CONCURRENCY = 32
REST = 1  # seconds, after which what is left open counts as idle
USES = (("ours", "kept"), ("ours", "each"), ("stock", "each"), ("stock", "pool"))


def rows() -> list[Row]:
    """Return the rows of one row by ``aget()``."""
    return [
        Row("route, connections kept", "ours", 7, "/row", "kept"),
        Row("route, kept and checked", "ours", 7, "/row", "checked"),
        Row("route, one for each request", "ours", 7, "/row", "each"),
        Row("plain view, connections kept", "ours", 7, "/more/row", "kept"),
        Row(EACH, "stock", 7, "/more/row", "each"),
        Row(TRUSTED, "stock", 7, "/more/row", "trusted"),
        Row(POOL, "stock", 7, "/more/row", "pool"),
    ]


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian keeps them out of PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda program: float(program.parts[-3]), default=None)
    return newest.parent if newest else None


def run_program(program: Path, *arguments: str) -> None:
    """Run one of them; as nobody where we are root, for which they refuse to run."""
    as_nobody: dict[str, Any] = {}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        as_nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    subprocess.run([program, *arguments], check=True, cwd="/", stdout=subprocess.DEVNULL, **as_nobody)


@contextmanager
def postgresql() -> Iterator[int | None]:
    """Run a server with the one row, and put its port into the environment; give the number of its process."""
    programs = find_programs()
    if programs is None or find_spec("psycopg") is None:
        print(f"PostgreSQL is left out: {'it' if programs is None else 'psycopg'} is not installed.")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
        free.close()
        data = f"{folder}/data"
        os.mkdir(data, 0o700)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            os.chmod(folder, 0o711)
            shutil.chown(data, "nobody", "nogroup")
        password = Path(folder, "password")
        password.write_text(POSTGRESQL_PASSWORD)
        access = ["-U", POSTGRESQL_USER, f"--pwfile={password}", "--auth=scram-sha-256"]
        run_program(programs / "initdb", "-D", data, *access, "-E", "UTF8", "--no-sync")
        rules = Path(data, "pg_hba.conf")
        rules.write_text(f"host all {POSTGRESQL_TRUSTED} 127.0.0.1/32 trust\n{rules.read_text()}")
        options = f"-p {port} -h 127.0.0.1 -k {data} -c fsync=off -c max_connections=1000"
        run_program(programs / "pg_ctl", "-D", data, "-l", f"{data}/log", "-w", "-o", options, "start")
        try:
            os.environ[POSTGRESQL_PORT] = port
            fill_database()
            yield int(Path(data, "postmaster.pid").read_text().split()[0])
        finally:
            run_program(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def query(statement: str, *parameters: object) -> Any:
    """Run a statement on the server, through a connection of its own; return the first value."""
    import psycopg

    server = f"127.0.0.1:{os.environ[POSTGRESQL_PORT]}"
    url = f"postgresql://{POSTGRESQL_USER}:{POSTGRESQL_PASSWORD}@{server}/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        found = cursor.fetchone() if cursor.description else None
        return found[0] if found else None


def fill_database() -> None:
    """Make the table and its row, and the user that needs no password."""
    query("CREATE TABLE app_item (id bigint PRIMARY KEY, name varchar(100) NOT NULL)")
    query("INSERT INTO app_item VALUES (%s, %s)", BODY["id"], BODY["name"])
    query(f"CREATE ROLE {POSTGRESQL_TRUSTED} LOGIN SUPERUSER")


def connections_open() -> int:
    """Return how many connections the server has, apart from the one that asks."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = %s AND pid <> pg_backend_pid()"
    return query(statement, "client backend")


def measure_threads(rounds: int, found: Iterable[str], postmaster: int | None) -> None:
    """Print how long views that sleep take together, and what requests with queries open."""
    print(f"\n**{SLEEPERS} concurrent sync views that sleep for {SECONDS} s, {rounds} rounds**")
    show_head("", "middleware", "seconds in all", "least", "goal", "result")
    for framework in ("ours", "stock"):
        for middleware in (0, 7):
            show_sleepers(framework, middleware, rounds)
    if postmaster is None:
        return
    print(f"\n**{REQUESTS:,} requests to a sync view with one query, {CONCURRENCY} at a time**")
    show_head("", "connections", "threads", "alive at most", "opened", f"open after {REST} s", "seconds", "result")
    for framework, connections in USES:
        if connections != "pool" or "psycopg_pool" in found:
            show_use(framework, connections, min(rounds, 3))


def show_sleepers(framework: str, middleware: int, rounds: int) -> None:
    """Print a row of the first table."""
    with child(f"{framework}/", middleware) as process:
        process.ask("/more/sleep", SLEEPERS, SLEEPERS)
        times = [process.ask("/more/sleep", SLEEPERS, SLEEPERS)["wall"] * SLEEPERS for _ in range(rounds)]
    reached = "reached" if median(times) < 1.5 * SECONDS else "**missed**"
    show_line(framework, middleware, f"{median(times):.3f}", f"{min(times):.3f}", f"about {SECONDS}", reached)


def show_use(framework: str, connections: str, rounds: int) -> None:
    """Print a row of the second table: of a child of its own, which has opened nothing before."""
    before = connections_open()
    with child(f"{framework}/{connections}", 7) as process:
        answer = process.ask("/more/row-sync", REQUESTS, CONCURRENCY, REST)
        left = connections_open() - before
        opened, threads = answer["connections"], answer["threads"]
        # What they opened is the first's; how long they take is the least of several.
        more = (process.ask("/more/row-sync", REQUESTS, CONCURRENCY) for _ in range(rounds - 1))
        seconds = min(one["wall"] for one in (answer, *more)) * REQUESTS
    # Its connections are gone only once the server has seen that the process is.
    deadline = time.monotonic() + 10
    while connections_open() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    verdict = ""
    if framework == "ours":
        most = threads if connections == "kept" else 0
        # WORKER_THREADS bounds both, and each thread that has a connection keeps it.
        verdict = "reached" if left <= most and threads <= 40 and (not most or opened <= most) else "**missed**"
    cells = (threads, answer["most_threads"], opened, left, f"{seconds:.2f}")
    show_line(framework, connections, *(f"{cell:,}" if isinstance(cell, int) else cell for cell in cells), verdict)
