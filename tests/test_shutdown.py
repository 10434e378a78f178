"""Streams end when the server stops, or when their reader does not read: in this process, and on real servers."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest

from django_routehandlers.engine.connection import abort
from django_routehandlers.engine.shutdown import Shutdown
from servers import Server, make_project, poll, serve, use_engine

SERVERS = ("uvicorn-httptools", "uvicorn-h11", "hypercorn", "granian")
ABLE_TO_ABORT = ("uvicorn-httptools", "uvicorn-h11", "hypercorn")
# granian answers a request that has ended without an answer, and keeps the connection for the next one when it has
# done so before it sees the signal itself; it ends when the client closes.
KEEPING = ("granian",)
STOPS = "the stream was cut off: the server stops."

SETTINGS = """
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    ROUTEHANDLERS = {"STREAM_SEND_TIMEOUT": 1}
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django": {"handlers": ["console"], "propagate": False}},
    }
"""

ROUTES = {
    "events/[run]/route.py": """
        import asyncio
        from pathlib import Path

        from django_routehandlers import EventStreamResponse

        async def feed(run):
            try:
                yield "first"
                await asyncio.Event().wait()
            finally:
                Path(f"{run}.ended").touch()

        async def GET(run):
            return EventStreamResponse(feed(run))
        """,
    "silent/[run]/route.py": """
        import asyncio
        from pathlib import Path

        from django_routehandlers import EventStreamResponse

        async def feed(run):
            try:
                await asyncio.Event().wait()
                yield "never"
            finally:
                Path(f"{run}.ended").touch()

        async def GET(run):
            return EventStreamResponse(feed(run))
        """,
    "lines/[run]/route.py": """
        import time
        from pathlib import Path

        from django_routehandlers import NDJSONResponse

        def lines(run):
            try:
                while True:
                    yield "line"
                    time.sleep(0.05)
            finally:
                Path(f"{run}.ended").touch()

        def GET(run):
            return NDJSONResponse(lines(run))
        """,
    "flood/[run]/route.py": """
        from pathlib import Path

        from django_routehandlers import NDJSONResponse

        async def lines(run):
            made = 0
            try:
                for made in range(20_000):
                    yield "x" * 65536
            finally:
                Path(f"{run}.ended").write_text(str(made))

        async def GET(run):
            return NDJSONResponse(lines(run))
        """,
    "uploads/[run]/route.py": """
        from collections.abc import AsyncIterator
        from pathlib import Path

        async def POST(run, body: AsyncIterator[int]):
            try:
                async for number in body:
                    Path(f"{run}.begun").touch()
            finally:
                Path(f"{run}.ended").touch()
        """,
    "waits/[run]/route.py": """
        from collections.abc import Iterator
        from pathlib import Path

        def POST(run, body: Iterator[int]):
            try:
                for number in body:
                    Path(f"{run}.begun").touch()
            finally:
                Path(f"{run}.ended").touch()
        """,
    "slow/[run]/route.py": """
        import asyncio
        from collections.abc import AsyncIterator
        from pathlib import Path

        async def POST(run, body: AsyncIterator[int]):
            numbers = [number async for number in body]
            Path(f"{run}.begun").touch()
            await asyncio.sleep(0.5)
            return numbers
        """,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose ASGI application is ours, with a stream of each kind."""
    home = make_project(tmp_path_factory.mktemp("shutdown"), ROUTES, settings=SETTINGS)
    use_engine(home)
    return home


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """The project under each server in turn."""
    with serve(request.param, home) as running:
        yield running


@contextmanager
def stream(server: Server, target: str, *, until: bytes = b"\r\n\r\n") -> Iterator[socket.socket]:
    """Open a stream, and read it up to *until*."""
    with server.connect() as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        received = b""
        while until not in received:
            part = connection.recv(65536)
            assert part, received
            received += part
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    received = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


def first_of(connection: socket.socket) -> bytes:
    """Return what comes first, or nothing where the server just closes."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def ended(home: Path, run: str) -> Callable[[], bool | None]:
    return lambda: (home / f"{run}.ended").exists() or None


# On servers

KINDS_OF_STREAM = {"events": b"data: ", "silent": b":\n\n", "lines": b'"line"'}


def test_streams_end_within_a_second_when_the_server_stops(server: Server, home: Path) -> None:
    """Invariants 65 and 66: whether they have sent something or not, from async and sync producers."""
    runs = {kind: f"{kind}-{server.port}" for kind in KINDS_OF_STREAM}
    with (
        stream(server, f"/events/{runs['events']}", until=b"data: ") as one,
        stream(server, f"/silent/{runs['silent']}", until=b":\n\n") as two,
        stream(server, f"/lines/{runs['lines']}", until=b'"line"') as three,
    ):
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for run in runs.values():
            poll(ended(home, run), limit=5, what=f"the end of {run}", on=server)
        took = time.monotonic() - start
        bodies = [rest_of(connection) for connection in (one, two, three)]
        server.process.wait(10)
    assert took < 1
    # No terminating chunk: a client can tell that there would have been more (RFC 9112, section 8).
    assert [body for body in bodies if body.endswith(b"0\r\n\r\n")] == []
    assert server.log.count(STOPS) == 3
    assert "Traceback" not in server.log
    assert "without completing" not in server.log


@contextmanager
def upload(server: Server, home: Path, kind: str, *, length: int = 100) -> Iterator[tuple[socket.socket, str]]:
    """Begin an upload, and wait until its handler has had the first number."""
    run = f"{kind}-{server.port}"
    fields = f"Host: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\n"
    with server.connect() as connection:
        connection.sendall(f"POST /{kind}/{run} HTTP/1.1\r\n{fields}\r\n1\n".encode())
        poll(lambda: (home / f"{run}.begun").exists() or None, limit=10, what=f"the first number of {run}", on=server)
        yield connection, run


def test_uploads_that_are_being_read_end_when_the_server_stops(server: Server, home: Path) -> None:
    """Invariant 66: async and sync readers alike, as if their clients had left; no other request has to come before."""
    with upload(server, home, "uploads") as (one, first), upload(server, home, "waits") as (two, second):
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for run in (first, second):
            poll(ended(home, run), limit=5, what=f"the end of {run}", on=server)
        took = time.monotonic() - start
        answers = [first_of(connection) for connection in (one, two)]
        if server.kind not in KEEPING:
            server.process.wait(10)
    server.process.wait(10)
    assert took < 1
    assert [answer for answer in answers if answer.startswith(b"HTTP/1.1 2")] == []
    assert "Traceback" not in server.log
    assert "without starting response" not in server.log


def test_an_upload_that_has_come_whole_is_still_answered_when_the_server_stops(server: Server, home: Path) -> None:
    with upload(server, home, "slow", length=2) as (connection, _):
        server.process.send_signal(signal.SIGTERM)
        received = b""
        while not received.endswith(b"[1]"):
            received += (part := connection.recv(65536))
            assert part, received
    server.process.wait(10)


def test_ctrl_c_ends_streams_too(home: Path) -> None:
    with serve("uvicorn-httptools", home) as server, stream(server, f"/events/{server.port}c", until=b"data: "):
        start = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        server.process.wait(10)
        assert time.monotonic() - start < 2
    assert (home / f"{server.port}c.ended").exists()


def test_a_reader_that_does_not_read_is_cut_off(server: Server, home: Path) -> None:
    """Invariants 66 and 68: the producer is paused, its end runs, and the connection is gone."""
    run = f"flood-{server.port}"
    before = sockets(server)
    with stream(server, f"/flood/{run}"):
        poll(ended(home, run), limit=10, what="the end of the flood", on=server)
        log = server.wait_for_log("its reader took nothing for 1 s")
        # A file is there before what is written to it is.
        made = int(poll(lambda: (home / f"{run}.ended").read_text() or None, limit=5, what="the number of records"))
        if server.kind in ABLE_TO_ABORT:
            poll(lambda: sockets(server) <= before or None, limit=5, what="the connection to be dropped", on=server)
    # What the sockets of both sides hold, and no more: of 1.3 GB.
    assert made < 1000
    assert "Traceback" not in log
    assert server.send("GET", "/none").status == 404


def sockets(server: Server) -> int:
    """Return how many sockets the processes of a server have."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    found = 0
    for folder in Path("/proc").iterdir():
        # serve() starts each server as a session of its own.
        with suppress(OSError, ValueError):
            if folder.name.isdigit() and os.getsid(int(folder.name)) == server.process.pid:
                found += sum(os.readlink(link).startswith("socket:") for link in (folder / "fd").iterdir())
    return found


# In this process


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Leave the signal handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def signalled(shutdown: Shutdown, send: object = None) -> None:
    """Watch, send this process SIGTERM, and give the loop a moment."""
    shutdown.watch(send)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.01)


def test_the_servers_own_handler_runs_as_before() -> None:
    seen: list[object] = []

    def servers_own(number: int, frame: FrameType | None) -> None:
        seen.append(signal.Signals(number))

    signal.signal(signal.SIGTERM, servers_own)
    shutdown = Shutdown(lambda: seen.append("told"))
    asyncio.run(signalled(shutdown))
    assert seen == [signal.SIGTERM, "told"]
    assert shutdown.has_begun


def test_a_handler_of_the_event_loop_runs_as_before() -> None:
    """As hypercorn without worker processes and granian set theirs."""
    seen: list[str] = []

    async def serve() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, seen.append, "server")
        await signalled(Shutdown(lambda: seen.append("told")))

    asyncio.run(serve())
    assert sorted(seen) == ["server", "told"]


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
def test_a_signal_that_nobody_handles_is_left_alone(handler: "signal.Handlers") -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
    # Not asyncio.run(), which handles SIGINT.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(watch(Shutdown(lambda: None)))
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == [handler, handler]
    finally:
        loop.close()


async def watch(shutdown: Shutdown) -> None:
    shutdown.watch(None)


def test_a_loop_is_watched_once_and_the_next_one_again() -> None:
    told: list[str] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append("server"))
    shutdown = Shutdown(lambda: told.append("told"))

    async def twice() -> None:
        shutdown.watch(None)
        await signalled(shutdown)

    asyncio.run(twice())
    assert told == ["server", "told"]
    told.clear()
    asyncio.run(twice())
    assert told == ["server", "told"]
    # A signal that comes when no loop is left goes to the server alone.
    told.clear()
    os.kill(os.getpid(), signal.SIGTERM)
    assert told == ["server"]


def test_a_loop_beside_the_main_thread_is_served_without_signals() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: asyncio.run(watch(Shutdown(lambda: None))))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_what_has_no_connection_is_not_aborted() -> None:
    async def send(message: object) -> None:
        """Send nothing: a middleware's function, say, behind which the server's cannot be seen."""

    assert [abort(send), abort(None), abort([].append)] == [False, False, False]
