"""What ``after()`` was given, under real servers: the connection is free at once, and the end of the server waits."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import Server, make_project, poll, serve, use_engine

SERVERS = ("uvicorn-httptools", "uvicorn-h11", "granian", "hypercorn")
# The others are run here without the lifespan protocol.
WAITING = ("granian", "hypercorn")
TAKES = 1.0  # seconds

SETTINGS = """
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
"""

ROUTE = f"""
    import asyncio
    import time
    from pathlib import Path

    from django_routehandlers import NDJSONResponse, after

    def done(run):
        Path(f"{{run}}.done").touch()

    async def slow():
        await asyncio.sleep({TAKES})

    async def GET(request, run):
        after(slow)
        after(done, run)
        return run

    def POST(run):
        after(time.sleep, {TAKES})
        after(done, run)
        return run
    """


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose ASGI application is ours."""
    home = make_project(tmp_path_factory.mktemp("after"), {"x/[run]/route.py": ROUTE}, settings=SETTINGS)
    use_engine(home)
    return home


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """The project under each server in turn."""
    with serve(request.param, home) as running:
        yield running


def ask(server: Server, runs: list[str], *, method: str = "GET") -> float:
    """Send requests one after the other on one connection; return the seconds until the last answer was there."""
    with server.connect() as connection:
        start = time.monotonic()
        for run in runs:
            fields = "Host: 127.0.0.1\r\nContent-Length: 0\r\n"
            connection.sendall(f"{method} /x/{run} HTTP/1.1\r\n{fields}\r\n".encode())
            received = b""
            while not received.endswith(f'"{run}"'.encode()):
                part = connection.recv(65536)
                assert part, received
                received += part
        return time.monotonic() - start


def has_run(server: Server, home: Path, run: str) -> None:
    """Wait until the last function of a request has run."""
    poll(lambda: (home / f"{run}.done").exists() or None, limit=5, what=f"the end of {run}", on=server)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_takes_its_next_request_at_once(server: Server, home: Path, method: str) -> None:
    runs = [f"{server.port}-{method}-{number}" for number in range(3)]
    # The first request imports.
    ask(server, [runs[0]], method=method)
    took = ask(server, runs[1:], method=method)
    assert not (home / f"{runs[2]}.done").exists()
    for run in runs:
        has_run(server, home, run)
    assert took < TAKES / 2


@pytest.mark.parametrize("kind", WAITING)
def test_the_server_waits_for_what_is_to_be_done(kind: str, home: Path) -> None:
    with serve(kind, home) as server:
        run = f"{server.port}-stop"
        ask(server, [run])
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(15)
        assert (home / f"{run}.done").exists()
        assert "Traceback" not in server.log


def test_uvicorn_waits_where_it_has_the_lifespan_protocol(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servers._uvicorn", uvicorn_with_lifespan)
    with serve("uvicorn-httptools", home) as server:
        run = f"{server.port}-stop"
        ask(server, [run])
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait(15)
        assert (home / f"{run}.done").exists()


def uvicorn_with_lifespan(port: int, http: str) -> list[str]:
    """Return the command line of uvicorn as it is without options."""
    return ["-m", "uvicorn", "--http", http, "--port", str(port), "project.asgi:application"]


def test_a_wsgi_server_runs_it_behind_the_last_byte(home: Path) -> None:
    with serve("gunicorn", home) as server:
        run = f"{server.port}-wsgi"
        # The first request imports.
        ask(server, [f"{run}-0"])
        took = ask(server, [run])
        assert not (home / f"{run}.done").exists()
        has_run(server, home, run)
        assert took < TAKES / 2
