"""
Start a project under a real server, and talk to it in raw bytes.

A server that is not installed skips its tests, and says so; with ``CI=true`` it fails them.
"""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import TypeVar

import pytest

import django_routehandlers
from new_projects import write_new_project

Answer = TypeVar("Answer")

HOST = "127.0.0.1"
START_LIMIT = 60  # seconds until a server that was started answers
REPLY_LIMIT = 20  # seconds until a request is answered
POLL = 0.05  # seconds


@dataclass(frozen=True)
class Kind:
    """One way to run a project: the modules that it needs, and its command line for a port."""

    modules: tuple[str, ...]
    command: Callable[[int], list[str]]


KINDS: Mapping[str, Kind] = {
    "uvicorn-httptools": Kind(("uvicorn", "httptools"), lambda port: _uvicorn(port, "httptools")),
    "uvicorn-h11": Kind(("uvicorn", "h11"), lambda port: _uvicorn(port, "h11")),
    "granian": Kind(
        ("granian",),
        lambda port: _module("granian", "--interface", "asgi", "--port", str(port), "project.asgi:application"),
    ),
    "hypercorn": Kind(
        ("hypercorn",),
        lambda port: _module("hypercorn", "--bind", f"{HOST}:{port}", "project.asgi:application"),
    ),
    "daphne": Kind(
        ("daphne",),
        lambda port: _module("daphne", "-b", HOST, "-p", str(port), "project.asgi:application"),
    ),
    "gunicorn": Kind(
        ("gunicorn",),
        # Its own limit of a request line is 4,094 bytes; ours is Django's threat model, 8 KB.
        lambda port: _module(
            "gunicorn", "--threads", "4", "--limit-request-line", "8190", "--bind", f"{HOST}:{port}", "project.wsgi"
        ),
    ),
    "runserver": Kind((), lambda port: ["manage.py", "runserver", "--noreload", f"{HOST}:{port}"]),
    "runserver-reload": Kind((), lambda port: ["manage.py", "runserver", f"{HOST}:{port}"]),
}


def _module(name: str, *arguments: str) -> list[str]:
    return ["-m", name, *arguments]


def _uvicorn(port: int, http: str) -> list[str]:
    return _module("uvicorn", "--http", http, "--lifespan", "off", "--port", str(port), "project.asgi:application")


@dataclass(frozen=True)
class Reply:
    """A response as it came over the wire."""

    status: int
    fields: tuple[tuple[str, str], ...]
    """Names in lower case, in the order of the wire."""
    body: bytes
    """The content, with the chunked coding taken off."""
    wire: bytes
    """Every byte that came."""

    def __getitem__(self, name: str) -> str | None:
        """Return the values of a field, joined with commas; ``None`` without the field."""
        values = [value for field, value in self.fields if field == name.lower()]
        return ", ".join(values) if values else None


class Server:
    """A server that runs; ``log`` is all that it has printed."""

    def __init__(self, kind: str, port: int, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
        self.kind = kind
        self.port = port
        self.process = process
        self._log_file = log_file

    @property
    def log(self) -> str:
        """All that the server has written to its standard output and error."""
        return self._log_file.read_text(errors="replace")

    def connect(self) -> socket.socket:
        """Return a connection, closed by the caller."""
        return socket.create_connection((HOST, self.port), timeout=REPLY_LIMIT)

    def send(self, method: str, target: str, *lines: str, body: bytes = b"") -> Reply:
        """
        Send one request and read the connection to its end.

        Args:
            target: Sent as it is, not encoded.
            lines: Further header lines.
        """
        fields = [f"Host: {HOST}:{self.port}", "Connection: close", *lines]
        if body or method == "POST":
            fields.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", ""])
        with self.connect() as connection:
            connection.sendall(head.encode("latin-1") + body)
            return parse_reply(_read_all(connection), has_body=method != "HEAD")

    def get(self, target: str) -> tuple[int, bytes]:
        """Return status and body of a GET."""
        reply = self.send("GET", target)
        return reply.status, reply.body

    def wait_for_log(self, text: str, *, limit: float = REPLY_LIMIT) -> str:
        """Return the log once *text* is in it."""
        return poll(lambda: self.log if text in self.log else None, limit=limit, what=f"{text!r} in the log", on=self)


def _read_all(connection: socket.socket) -> bytes:
    received = bytearray()
    # A server that refuses a request may reset the connection behind its answer.
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return bytes(received)


def parse_reply(wire: bytes, *, has_body: bool = True) -> Reply:
    """Return the response in *wire*. ``ValueError`` where that is none."""
    head, end, rest = wire.partition(b"\r\n\r\n")
    if not end or not head.startswith(b"HTTP/1."):
        raise ValueError(f"no response: {wire[:300]!r}")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    body = rest
    if has_body and ("transfer-encoding", "chunked") in fields:
        body = _without_chunks(rest)
    return Reply(int(status.split(" ")[1]), fields, body, wire)


def _without_chunks(rest: bytes) -> bytes:
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body
        body, rest = body + rest[:length], rest[length + 2 :]
    raise ValueError("the chunked body broke off")


def poll(ask: Callable[[], Answer | None], *, limit: float, what: str, on: Server | None = None) -> Answer:
    """Return the first answer of *ask* that is not ``None``; fail after *limit* seconds."""
    deadline = time.monotonic() + limit
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            pytest.fail(f"waited {limit} s for {what}" + (f"\n{on.log[-4000:]}" if on else ""))
        time.sleep(POLL)
    return answer


def make_project(root: Path, routes: Mapping[str, str], *, settings: str = "") -> Path:
    """
    Make a project as Django's tutorial does, and add what our documentation says, no more.

    Args:
        routes: Path below ``pages/routes`` → source; the app ``pages`` is made too.
        settings: Lines added at the end of the settings.

    Returns:
        The folder that holds ``manage.py``.
    """
    home = root / "site"
    home.mkdir()
    write_new_project(home, "project", "pages")
    insert(home / "project" / "settings.py", "INSTALLED_APPS = [", '    "pages",\n    "django_routehandlers",')
    insert(home / "project" / "urls.py", "urlpatterns = [", '    path("", include("django_routehandlers.urls")),')
    urls = home / "project" / "urls.py"
    urls.write_text(urls.read_text().replace("import path", "import include, path"))
    with (home / "project" / "settings.py").open("a") as file:
        file.write(dedent(settings))
    for name, source in routes.items():
        write_route(home, name, source)
    return home


def use_engine(home: Path) -> None:
    """Make the ASGI application of a project ours."""
    file = home / "project" / "asgi.py"
    file.write_text(file.read_text().replace("django.core.asgi", "django_routehandlers.asgi"))


def write_route(home: Path, name: str, source: str, *, app: str = "pages") -> None:
    """Write one file below an app's ``routes`` folder."""
    file = home / app / "routes" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(source).lstrip("\n"))


def insert(file: Path, after: str, line: str) -> None:
    """Add *line* to a file behind the one line that is *after*."""
    text = file.read_text()
    assert text.count(f"\n{after}\n") == 1
    file.write_text(text.replace(f"\n{after}\n", f"\n{after}\n{line}\n"))


def run(arguments: list[str], home: Path) -> None:
    """Run Python in the project; fail with what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=home, env=_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    where = str(Path(django_routehandlers.__file__).parent.parent)
    # A checkout has to be on the path; the installed wheel is.
    environment["PYTHONPATH"] = "" if where in sysconfig.get_paths().values() else where
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def need(kind: str) -> None:
    """Skip the test where what the server needs is not installed; with ``CI=true``, fail it."""
    missing = [module for module in KINDS[kind].modules if find_spec(module) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{kind} needs {', '.join(missing)}, which CI has to install")
    if missing:
        pytest.skip(f"{kind} needs {', '.join(missing)}")


@contextmanager
def serve(kind: str, home: Path) -> Iterator[Server]:
    """Run the project on a free port of the loopback interface, and stop it afterwards."""
    need(kind)
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
    log_file = home / f"{kind}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *KINDS[kind].command(port)],
            cwd=home,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(kind, port, process, log_file)
    try:
        poll(lambda: _answers(server), limit=START_LIMIT, what=f"{kind} to answer", on=server)
        yield server
    finally:
        _stop(process)


def _answers(server: Server) -> bool | None:
    if server.process.poll() is not None:
        pytest.fail(f"the server ended with {server.process.returncode}\n{server.log}")
    try:
        server.connect().close()
    except OSError:
        return None
    return True


def _stop(process: "subprocess.Popen[bytes]") -> None:
    # The whole session: a server's workers, and the process that the autoreloader started.
    for how in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    process.wait(5)
