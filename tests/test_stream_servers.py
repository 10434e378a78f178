"""Streams over real sockets: nothing on the way holds the first line back, and a client that leaves is noticed."""

import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from servers import HOST, Server, make_project, poll, serve

ASGI = ("uvicorn-httptools", "uvicorn-h11", "hypercorn", "granian")
KINDS = (*ASGI, "gunicorn")

MIDDLEWARE = (
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
)

SETTINGS = f"""
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    STATIC_ROOT = BASE_DIR / "static"
    MIDDLEWARE = {list(MIDDLEWARE)}
    ROUTEHANDLERS = {{"STREAM_HEARTBEAT": 0.2}}
"""

ROUTES = {
    "first/[how]/[run]/route.py": """
        import asyncio
        import time
        from pathlib import Path

        from django_routehandlers import EventStreamResponse, NDJSONResponse

        async def lines_async(run):
            yield "first" * 100
            for _ in range(400):
                if Path(f"{run}.seen").exists():
                    break
                await asyncio.sleep(0.05)
            yield "last"

        def lines_sync(run):
            yield "first" * 100
            for _ in range(400):
                if Path(f"{run}.seen").exists():
                    break
                time.sleep(0.05)
            yield "last"

        async def GET(request, how, run):
            # A session that changes sets a cookie.
            request.session["seen"] = 1
            kind = EventStreamResponse if "events" in how else NDJSONResponse
            return kind(lines_async(run) if "async" in how else lines_sync(run))
        """,
    "ends/[how]/[run]/route.py": """
        import asyncio
        import itertools
        import time
        from pathlib import Path

        async def waiting(run):
            try:
                yield "first"
                # What keeps a connection under WSGI busy until a write to it fails.
                while True:
                    await asyncio.sleep(0.05)
                    yield "more"
            finally:
                Path(f"{run}.closed").touch()

        async def hot(run):
            try:
                for number in itertools.count():
                    yield number
            finally:
                Path(f"{run}.closed").touch()

        def sync(run):
            try:
                for number in itertools.count():
                    yield number
                    time.sleep(0.02)
            finally:
                Path(f"{run}.closed").touch()

        def hot_sync(run):
            try:
                yield from itertools.count()
            finally:
                Path(f"{run}.closed").touch()

        def GET(how, run):
            from django_routehandlers import NDJSONResponse

            return NDJSONResponse({"waiting": waiting, "hot": hot, "sync": sync, "hot_sync": hot_sync}[how](run))
        """,
    "silent/[run]/route.py": """
        import asyncio
        from pathlib import Path

        async def GET(run):
            try:
                yield "first"
                await asyncio.Future()
            finally:
                Path(f"{run}.closed").touch()
        """,
    "quiet/[run]/route.py": """
        import asyncio
        from pathlib import Path

        from django_routehandlers import EventStreamResponse

        async def events(run):
            try:
                yield "first"
                await asyncio.Future()
            finally:
                Path(f"{run}.closed").touch()

        async def GET(run):
            return EventStreamResponse(events(run))
        """,
    "fails/[how]/route.py": """
        import asyncio
        import time

        from django_routehandlers import NDJSONResponse

        async def fail():
            yield 1
            await asyncio.sleep(0.05)
            raise ValueError("secret")

        def fail_sync():
            yield 1
            time.sleep(0.05)
            raise ValueError("secret")

        async def GET(how):
            return NDJSONResponse(fail() if how == "async" else fail_sync())
        """,
    "items/route.py": """
        async def GET():
            return [1, 2, 3]
        """,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project behind all the middleware that could hold a stream back."""
    if find_spec("whitenoise") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs whitenoise, which CI has to install")
        pytest.skip("needs whitenoise")
    home = make_project(tmp_path_factory.mktemp("streams"), ROUTES, settings=SETTINGS)
    (home / "static").mkdir()
    return home


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """The project under each server in turn."""
    with serve(request.param, home) as running:
        yield running


on_asgi = pytest.mark.parametrize("server", ASGI, indirect=True)


class Reading:
    """A connection on which a stream comes in."""

    def __init__(self, server: Server, target: str) -> None:
        self.connection = server.connect()
        self.received = b""
        self.start = time.monotonic()
        head = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        self.connection.sendall(head.encode())

    def until(self, text: bytes) -> float:
        """Read until *text* has come; return the seconds since the request was sent."""
        while text not in self.received:
            part = self.connection.recv(65536)
            assert part, self.received
            self.received += part
        return time.monotonic() - self.start

    def rest(self) -> bytes:
        """Read until the server closes the connection; return all that has come."""
        try:
            while part := self.connection.recv(65536):
                self.received += part
        except ConnectionResetError:
            pass
        return self.received

    @property
    def fields(self) -> dict[str, str]:
        """The header, names in lower case."""
        head = self.received.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}


@pytest.mark.parametrize("how", ["async", "sync", "events-async", "events-sync"])
def test_the_first_line_passes_all_middleware_at_once(server: Server, home: Path, how: str) -> None:
    """Invariants 75 and 77: within 100 ms, and neither marked, measured, compressed nor stored."""
    # What a server needs once, it needs before it is timed.
    assert server.get("/items")[0] == 200
    times: list[float] = []
    for attempt in range(3):
        run = f"first-{how}-{server.port}-{attempt}"
        reading = Reading(server, f"/first/{how}/{run}")
        times.append(reading.until(b"firstfirst"))
        assert b"last" not in reading.received
        (home / f"{run}.seen").touch()
        assert b'"last"' in reading.rest() or b"data: last" in reading.received
        reading.connection.close()
        assert {"etag", "content-length", "content-encoding", "last-modified"} & set(reading.fields) == set()
        assert reading.fields["cache-control"] == "no-store, no-transform"
        assert reading.fields["x-accel-buffering"] == "no"
        assert "sessionid=" in reading.fields["set-cookie"]
    # The best of three: other tests keep the machine busy.
    assert min(times) < 0.1


@pytest.mark.parametrize("how", ["waiting", "hot", "sync", "hot_sync"])
def test_a_client_that_leaves_ends_the_producer(server: Server, home: Path, how: str) -> None:
    """Invariant 66: while it is read, so while it waits or the next piece is sent."""
    run = f"leaves-{how}-{server.port}"
    reading = Reading(server, f"/ends/{how}/{run}")
    reading.until(b"\n")
    reading.connection.close()
    poll(lambda: (home / f"{run}.closed").exists() or None, limit=2, what="the end", on=server)
    assert server.get("/items") == (200, b"[1,2,3]")


@on_asgi
def test_a_client_that_leaves_a_silent_stream_ends_it(server: Server, home: Path) -> None:
    """Invariant 66."""
    run = f"silent-{server.port}"
    reading = Reading(server, f"/silent/{run}")
    reading.until(b"first")
    reading.connection.close()
    poll(lambda: (home / f"{run}.closed").exists() or None, limit=2, what="the end", on=server)


def test_a_client_that_leaves_a_silent_event_stream_ends_it(server: Server, home: Path) -> None:
    """Invariant 66: under WSGI a heartbeat finds out."""
    run = f"quiet-{server.port}"
    reading = Reading(server, f"/quiet/{run}")
    reading.until(b"data: first\n\n")
    reading.until(b"\n:\n\n")
    reading.connection.close()
    poll(lambda: (home / f"{run}.closed").exists() or None, limit=2, what="the end", on=server)


@pytest.mark.parametrize("how", ["waiting", "hot", "sync", "hot_sync"])
def test_a_client_that_stalls_and_leaves_ends_the_producer(server: Server, home: Path, how: str) -> None:
    """Invariant 66: while the server cannot send."""
    run = f"stalls-{how}-{server.port}"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((HOST, server.port))
        connection.sendall(f"GET /ends/{how}/{run} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert connection.recv(100)
        time.sleep(0.5)
        assert server.get("/items") == (200, b"[1,2,3]")
        assert not (home / f"{run}.closed").exists()
    poll(lambda: (home / f"{run}.closed").exists() or None, limit=3, what="the end", on=server)


@pytest.mark.parametrize("how", ["async", "sync"])
def test_a_stream_that_fails_is_seen_to_be_broken_off(server: Server, how: str) -> None:
    """Invariant 70: one record that tells nothing, and no last chunk."""
    reading = Reading(server, f"/fails/{how}")
    received = reading.rest()
    reading.connection.close()
    assert b"HTTP/1.1 200" in received
    assert b'{"error":{"type":"about:blank","title":"Internal Server Error","status":500}}\n' in received
    assert b"secret" not in received
    assert not received.endswith(b"0\r\n\r\n")
    server.wait_for_log("ValueError: secret")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["hot", "hot_sync"])
def test_others_are_answered_while_a_producer_never_waits(server: Server, home: Path, how: str) -> None:
    """Invariant 67: one client reads what it can, another has left, and the rest wait for nobody."""
    run = f"busy-{how}-{server.port}"
    reading = Reading(server, f"/ends/{how}/{run}")
    reading.until(b"\n")
    done = threading.Event()

    def read() -> None:
        while not done.is_set() and reading.connection.recv(1 << 20):
            pass

    thread = threading.Thread(target=read)
    thread.start()
    times: list[float] = []
    try:
        for _ in range(30):
            start = time.monotonic()
            assert server.get("/items") == (200, b"[1,2,3]")
            times.append(time.monotonic() - start)
    finally:
        done.set()
        thread.join()
        reading.connection.close()
    # Measured alone: 64 ms at the 99th percentile. A loop or an interpreter that is held takes seconds.
    assert statistics.median(times) < 0.25
    assert sorted(times)[-2] < 1
    poll(lambda: (home / f"{run}.closed").exists() or None, limit=3, what="the end", on=server)
