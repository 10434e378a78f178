"""Handlers and streams over their time, under real servers."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import Server, make_project, serve, use_engine

SERVERS = ("uvicorn-httptools", "granian", "hypercorn")
LIMIT = 0.3  # seconds

SETTINGS = f"""
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    ROUTEHANDLERS = {{"MAX_DURATION": {LIMIT}}}
"""

ROUTES = {
    "async/route.py": """
        import asyncio

        async def GET(request):
            await asyncio.sleep(30)
        """,
    "sync/route.py": """
        import time

        from django.db import connection

        def GET(request):
            connection.ensure_connection()
            time.sleep(1.5)
        """,
    "stream/route.py": """
        import asyncio

        async def GET(request):
            yield 1
            await asyncio.sleep(30)
        """,
    "free/route.py": """
        from django_routehandlers.engine.overdue import overdue_threads

        def GET(request):
            return len(overdue_threads())
        """,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose ASGI application is ours, with all of Django's middleware."""
    home = make_project(tmp_path_factory.mktemp("limits"), ROUTES, settings=SETTINGS)
    use_engine(home)
    return home


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """The project under each server in turn."""
    with serve(request.param, home) as running:
        # The first request imports.
        assert running.get("/free") == (200, b"0")
        yield running


def test_a_client_is_answered_504_in_its_time(server: Server) -> None:
    """Invariant 63: under all of Django's middleware, whether the handler can be cancelled or not."""
    for target in ("/async", "/sync"):
        start = time.monotonic()
        reply = server.send("GET", target)
        took = time.monotonic() - start
        assert (reply.status, reply["content-type"]) == (504, "application/problem+json")
        assert LIMIT <= took < LIMIT + 0.7
    assert server.get("/free") == (200, b"1")
    time.sleep(1.5)
    assert server.get("/free") == (200, b"0")


def test_a_stream_over_its_time_is_broken_off(server: Server) -> None:
    """Invariant 70: without the chunk that would end it."""
    with server.connect() as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        received = b""
        start = time.monotonic()
        while b'"status":504' not in received:
            part = connection.recv(65536)
            assert part, received
            received += part
    assert time.monotonic() - start < LIMIT + 0.7
    assert b"0\r\n\r\n" not in received
    line = next(line for line in received.split(b"\r\n") if line.startswith(b'{"error"'))
    assert json.loads(line)["error"]["title"] == "Gateway Timeout"
