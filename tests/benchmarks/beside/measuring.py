"""Start the servers, make sure that all answer the same, and measure them in turn."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine_rows import Row
from interleaved import measure
from peer_servers import Peer, starting, wait_for
from socket_clients import Connection, ask_many, ask_once, content_of

from beside import database
from beside.environments import Environment, LeftOut
from beside.frameworks import NO_CACHE, Framework
from beside.next_project import DIRECTORY
from beside.work import PRODUCTS, REFUSED, ROUTES, Case

SERVER = str(Path(__file__).parents[1] / "side_by_side_server.py")
START_LIMIT = 60  # seconds; 10,000 routes take most frameworks a few
FIRST_LIMIT = 120  # seconds for the first answer
ENDING = 120  # bytes of an answer that tell that it is whole
STOCK = 999
FAILED = 1.0  # seconds, which leads to the least number of requests


@dataclass
class Server:
    """A server that runs."""

    framework: Framework
    peer: Peer
    log: Path

    @property
    def name(self) -> str:
        """How it is called where one is left out."""
        count = f", {self.peer.middleware} middleware" if len(self.framework.middleware) > 1 else ""
        return f"{self.framework.title}{count}"


@dataclass
class WorkRow(Row):
    """What a server is asked for, by so many clients."""

    case: Case | None = None
    server: Server | None = None
    clients: int = 1
    ending: bytes = b""
    fault: str = ""
    """Why it is not measured to the end."""

    def ask(self, count: int) -> float:
        """Send *count* requests, and keep what one took; return it."""
        assert self.case is not None
        assert self.server is not None
        peer = self.server.peer
        before = peer.cpu_seconds()
        if self.case.is_lines:
            connection = Connection(peer.port)
            times, contents = zip(*(connection.get(self.case.target) for _ in range(count)), strict=True)
            seconds, content = sum(times), contents[-1]
            connection.socket.close()
        else:
            seconds, answer = ask_many(peer.port, self.case.request(), count, self.clients, self.ending)
            content = content_of(answer)
        after = peer.cpu_seconds()
        if not self.case.is_answered_by(content):
            raise RuntimeError(f"{self.name}: {content[:500]!r}")
        self.wall.append(seconds / count)
        self.cpu += [] if before is None or after is None else [(after - before) / count]
        return seconds / count


@dataclass
class Table:
    """A case, asked for by so many clients."""

    case: Case
    clients: int
    rows: list[WorkRow] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What stands over it."""
        return f"{self.case.title}, {self.clients} connection{'s' if self.clients > 1 else ''}"


@contextmanager
def serving(
    frameworks: Sequence[Framework], environments: dict[str, Environment], routes: int, left_out: list[str]
) -> Iterator[list[Server]]:
    """
    Run the servers of all frameworks at once.

    Args:
        routes: 0: with the work; else with so many routes, and only the seven middleware.
        left_out: What did not start is added to it.
    """
    with ExitStack() as stack:
        started: list[Server] = []
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for framework in frameworks:
            environment = environments[framework.environment]
            os.environ[DIRECTORY] = str(environment.directory)
            for middleware in framework.middleware[: 1 if routes else None]:
                name = f"{framework.key}/{routes}" if routes else framework.key
                log = logs / f"{framework.key}-{middleware}"
                context = starting(
                    name, middleware, SERVER, python=environment.python, path=environment.path, log=str(log)
                )
                started.append(Server(framework, stack.enter_context(context), log))
        yield [server for server in started if has_started(server, routes, left_out)]


def has_started(server: Server, routes: int, left_out: list[str]) -> bool:
    """Tell whether a server answers; if not, add why."""
    try:
        wait_for(server.peer.port, server.peer.process, START_LIMIT)
    except RuntimeError as error:
        # What still tries would disturb the others.
        server.peer.process.kill()
        lines = server.log.read_text(errors="replace").splitlines()
        what = f" with {routes:,} routes" if routes else ""
        left_out.append(f"{server.name}{what}: {error} {lines[-1] if lines else ''}".strip())
        return False
    return True


def examine(server: Server, case: Case) -> WorkRow:
    """Return the row of a server that answers as it should."""
    answer = ask_once(server.peer.port, case.request(), FIRST_LIMIT)
    head, _, _ = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 ") or not case.is_answered_by(content_of(answer)):
        raise LeftOut(f"{case.title} is answered by {answer[:300]!r}")
    if (b"\r\nx-frame-options:" in head.lower()) != bool(server.peer.middleware):
        raise LeftOut(f"{case.title} is answered without the middleware that it should have, or with more")
    if case.body is not None:
        refusal = ask_once(server.peer.port, case.request(REFUSED))
        if refusal.split(b" ", 2)[1] not in (b"400", b"422"):
            raise LeftOut(f"{case.title}: what is not valid is answered by {refusal[:300]!r}")
    name = server.framework.title
    if case.key == "cached" and not is_cached(server, case):
        name += f", {NO_CACHE}"
    server.peer.find_workers()
    ending = b"" if case.is_lines else ask_once(server.peer.port, case.request())
    _, _, body = ending.partition(b"\r\n\r\n")
    return WorkRow(
        name, server.framework.key, server.peer.middleware, case.target, case=case, server=server, ending=body[-ENDING:]
    )


def is_cached(server: Server, case: Case) -> bool:
    """Tell whether an answer stays what it was when another process changes the database."""
    database.set_stock(7, STOCK)
    try:
        return case.is_answered_by(content_of(ask_once(server.peer.port, case.request())))
    finally:
        database.set_stock(7, PRODUCTS[6]["stock"])


def examined(servers: Sequence[Server], cases: Sequence[Case], left_out: list[str]) -> Iterator[Table]:
    """Yield the tables of *cases*, with the servers that answer as they should."""
    for case in cases:
        rows: list[WorkRow] = []
        for server in servers:
            try:
                rows.append(examine(server, case))
            except (LeftOut, OSError) as error:
                left_out.append(f"{server.name}: {error}")
        for clients in case.connections if rows else ():
            yield Table(case, clients, [copy(row, clients) for row in rows])


def copy(row: WorkRow, clients: int) -> WorkRow:
    """Return the row for another table."""
    fields = {"case": row.case, "server": row.server, "ending": row.ending}
    return WorkRow(row.name, row.framework, row.middleware, row.target, clients=clients, **fields)  # type: ignore[arg-type]


def measured(tables: Sequence[Table], rounds: int, seconds: float, left_out: list[str]) -> None:
    """
    Measure tables one after the other, and the rows of each in turn.

    Args:
        seconds: For how long a row is asked in a round.
        left_out: What fails meanwhile is added to it.
    """
    for table in tables:
        start = time.monotonic()
        rows: list[Row] = list(table.rows)
        for row in table.rows:
            warm(row, seconds)
        measure(rows, ask, rounds, seconds, 1 if table.case.is_lines else 2 * table.clients)
        left_out += [f"{row.server.name}: {table.title}: {row.fault}" for row in table.rows if row.server and row.fault]
        table.rows = [row for row in table.rows if not row.fault]
        print(f"{table.title}: {time.monotonic() - start:.0f} s", flush=True)


def warm(row: WorkRow, seconds: float) -> None:
    """Ask a row until it is as fast as it gets; *seconds* are those of a round."""
    assert row.server is not None
    end = time.monotonic() + row.server.framework.warming * seconds
    while time.monotonic() < end:
        ask(row, 1 if row.case and row.case.is_lines else 2 * row.clients)


def ask(row: Row, count: int) -> float:
    """Ask a row, unless it has failed before: the others go on."""
    assert isinstance(row, WorkRow)
    if not row.fault:
        try:
            return row.ask(count)
        except (OSError, RuntimeError, ValueError) as error:
            row.fault = str(error)
    return FAILED


def compare(
    frameworks: Sequence[Framework],
    environments: dict[str, Environment],
    cases: Sequence[Case],
    rounds: int,
    seconds: float,
) -> tuple[list[Table], list[str]]:
    """Return the tables of *cases*, and what is left out of them."""
    tables: list[Table] = []
    left_out: list[str] = []
    for is_apart in (False, True):
        part = [case for case in cases if case.is_apart == is_apart]
        if part:
            able = [one for one in frameworks if not (is_apart and one.not_many)]
            left_out += [f"{one.title} with {ROUTES:,} routes: {one.not_many}" for one in frameworks if one not in able]
            with serving(able, environments, ROUTES if is_apart else 0, left_out) as servers:
                found = list(examined(servers, part, left_out))
                measured(found, rounds, seconds, left_out)
                tables += found
    return tables, left_out
