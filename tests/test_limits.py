"""
Requests that are too much, to real servers: the documented problem, and neither memory nor disk is filled.

The short form sends 200 MB and asks one ASGI and one WSGI server, ``RH_PROOF=full`` a gigabyte and
all of them. What a server holds is read from ``/proc``.
"""

import hashlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers import HOST, POLL, REPLY_LIMIT, Reply, Server, make_project, parse_reply, poll, serve, use_engine

FULL = os.environ.get("RH_PROOF") == "full"
MB = 1024 * 1024
TOTAL = (1024 if FULL else 200) * MB
MOST = 10 * MB
"""What memory and temporary files of a server may grow by."""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

ASGI = ("uvicorn-httptools", "uvicorn-h11", "granian", "hypercorn") if FULL else ("uvicorn-httptools",)
WSGI = ("gunicorn",)
CONTINUE = ("gunicorn", "hypercorn")
"""Servers that ask for content before an application does."""

SETTINGS = """
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    SILENCED_SYSTEM_CHECKS = ["routehandlers.W048"]
    LOGGING = {"version": 1, "disable_existing_loggers": True}
"""

ROUTES = {
    "json/route.py": """
        from typing import Any

        async def POST(body: Any):
            return "read"
        """,
    "both/route.py": """
        async def POST(request, body: dict[str, int]):
            return "read"
        """,
    "raw/route.py": """
        def POST(body: bytes):
            return len(body)
        """,
    "form/route.py": """
        from typing import Annotated

        from django_routehandlers import Form

        async def POST(name: Annotated[str, Form()]):
            return name
        """,
    "upload/route.py": """
        import hashlib

        from django.core.files.uploadedfile import UploadedFile

        def POST(file: UploadedFile):
            return [file.size, hashlib.file_digest(file, "sha256").hexdigest()]
        """,
    "piecewise/route.py": """
        async def POST(request):
            size = 0
            while part := request.read(65536):
                size += len(part)
            return size
        """,
    "lines/route.py": """
        from collections.abc import AsyncIterator, Iterator
        from typing import Any

        async def POST(body: AsyncIterator[Any]):
            count = 0
            async for line in body:
                count += 1
            return count

        def PUT(body: Iterator[Any]):
            return sum(1 for line in body)
        """,
    "none/route.py": """
        async def GET(request):
            return "got"

        async def POST():
            return "done"
        """,
    "fields/route.py": """
        from typing import Annotated

        from django_routehandlers import Cookie, Header

        async def GET(x_plan: Annotated[list[str], Header()] = [], theme: Annotated[str, Cookie()] = ""):
            return [len(x_plan), len(theme)]
        """,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose ASGI application is ours, with a route for each way to read content."""
    home = make_project(tmp_path_factory.mktemp("limits"), ROUTES, settings=SETTINGS)
    use_engine(home)
    (home / "tmp").mkdir()
    return home


@pytest.fixture(scope="module", params=[*ASGI, *WSGI])
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """The project under each server in turn, with its temporary files in ``home / "tmp"``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(home / "tmp"))
        with serve(request.param, home) as running:
            # What it needs once, it needs before it is watched.
            for target in ("/none", "/fields"):
                assert running.get(target)[0] == 200
            for target in ("/json", "/form", "/upload", "/raw", "/none", "/piecewise"):
                running.send("POST", target, body=b"1")
            for method in ("POST", "PUT"):
                running.send(method, "/lines", NDJSON, body=b"1")
            yield running


on_asgi = pytest.mark.parametrize("server", ASGI, indirect=True)
on_wsgi = pytest.mark.parametrize("server", WSGI, indirect=True)


@dataclass
class Growth:
    """What a server has come to hold beyond what it held before, in bytes, at its highest."""

    memory: int = 0
    files: int = 0


@contextmanager
def watched(server: Server, home: Path) -> Iterator[Growth]:
    """Watch the server's processes: their memory, and their temporary files, which have no names."""
    growth, done = Growth(), threading.Event()
    for process in _processes(server):
        (process / "clear_refs").write_text("5")  # The peak is what it holds now: proc(5).
    before = _peak(server)

    def watch() -> None:
        while not done.wait(0.01):
            growth.files = max(growth.files, _files(server, home / "tmp"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield growth
    finally:
        done.set()
        thread.join()
        growth.memory = _peak(server) - before


def _processes(server: Server) -> Iterator[Path]:
    # serve() starts each server as a session of its own.
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if folder.name.isdigit() and os.getsid(int(folder.name)) == server.process.pid:
                yield folder


def _peak(server: Server) -> int:
    lines = [line for process in _processes(server) for line in (process / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _open_files(server: Server) -> int:
    return sum(len(list((process / "fd").iterdir())) for process in _processes(server))


def _files(server: Server, folder: Path) -> int:
    total = 0
    for process in _processes(server):
        with suppress(OSError):
            for file in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.readlink(file).startswith(str(folder)):
                        total += file.stat().st_size
    return total


@contextmanager
def answering(server: Server) -> Iterator[None]:
    """Check that others are answered meanwhile, each within three seconds."""
    done, times, wrong = threading.Event(), [], []

    def ask() -> None:
        while not done.wait(POLL):
            start = time.monotonic()
            answer = server.get("/none")
            times.append(time.monotonic() - start)
            if answer != (200, b'"got"'):
                wrong.append(answer)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
        poll(lambda: times or None, limit=REPLY_LIMIT, what="another answer", on=server)
    finally:
        done.set()
        thread.join()
    assert wrong == []
    assert max(times) < 3


CHUNK = b"a" * 65536


def flood(
    server: Server,
    method: str,
    target: str,
    *lines: str,
    total: int = TOTAL,
    start: bytes = b"",
    chunk: bytes = CHUNK,
) -> tuple[Reply, int]:
    """
    Send chunked content for as long as the server takes it, whatever it answers.

    Returns:
        The answer, and how many bytes were taken before the connection was closed.
    """
    fields = [f"Host: {HOST}:{server.port}", "Transfer-Encoding: chunked", *lines]
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", ""]).encode()
    if start:
        head += b"%x\r\n%s\r\n" % (len(start), start)
    sent, received = 0, b""
    chunked = b"%x\r\n%s\r\n" % (len(chunk), chunk)
    with server.connect() as connection:
        try:
            connection.sendall(head)
            while sent < total:
                connection.sendall(chunked)
                sent += len(chunk)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # The server has closed the connection; its answer is there all the same.
        received = _received(connection)
    return parse_reply(received, has_body=method != "HEAD"), sent


def _received(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes; ``TimeoutError`` where it does not."""
    received = b""
    with suppress(ConnectionResetError, BrokenPipeError):
        while part := connection.recv(65536):
            received += part
    return received


def problem(reply: Reply) -> tuple[int, str | None]:
    """Return status and media type."""
    return reply.status, reply["content-type"]


PROBLEM = "application/problem+json"
TOO_LARGE = (413, PROBLEM)
FORM = "Content-Type: application/x-www-form-urlencoded"
MULTIPART = "Content-Type: multipart/form-data; boundary=x"
JSON = "Content-Type: application/json"
NDJSON = "Content-Type: application/x-ndjson"


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@on_asgi
@pytest.mark.parametrize(
    ("method", "target", "lines", "answer"),
    [
        ("POST", "/json", [JSON], TOO_LARGE),
        ("POST", "/both", [JSON], TOO_LARGE),
        ("POST", "/raw", [], TOO_LARGE),
        ("POST", "/form", [FORM], TOO_LARGE),
        ("POST", "/json", [JSON, "Content-Encoding: gzip"], (415, PROBLEM)),
        ("POST", "/form", [MULTIPART], (411, PROBLEM)),
        ("POST", "/upload", [MULTIPART], (411, PROBLEM)),
        ("POST", "/upload", [JSON], TOO_LARGE),
        ("POST", "/none", [], (200, "application/json")),
        ("PUT", "/none", [], (405, PROBLEM)),
        ("POST", "/none/", [], (308, "text/html; charset=utf-8")),
        ("GET", "/none", [], (200, "application/json")),
        ("HEAD", "/none", [], (200, "application/json")),
        ("OPTIONS", "/none", [], (204, None)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_gigabyte_of_chunked_content_fills_neither_memory_nor_disk(
    server: Server, home: Path, method: str, target: str, lines: list[str], answer: tuple[int, str]
) -> None:
    """Invariant 50, fault plan F13."""
    with watched(server, home) as growth, answering(server):
        reply, sent = flood(server, method, target, *lines)

    assert problem(reply) == answer
    assert reply["connection"] == "close"
    assert sent < TOTAL
    assert growth.memory < MOST
    assert growth.files < MOST


@on_asgi
def test_content_is_streamed_to_who_takes_the_request(server: Server, home: Path) -> None:
    """What is read whole is seen on the disk, so the tests above would see it, too."""
    with watched(server, home) as growth, answering(server):
        reply, sent = flood(server, "POST", "/piecewise", "Connection: close", total=50 * MB)

    assert (reply.status, reply.body, sent) == (200, str(50 * MB).encode(), 50 * MB)
    assert growth.memory < MOST
    assert growth.files > MOST


@on_asgi
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_lines_are_read_while_they_arrive(server: Server, home: Path, method: str) -> None:
    """Invariant 50: they fill neither memory nor disk, however many they are."""
    line = b'"%s"\n' % (b"a" * 253)
    with watched(server, home) as growth, answering(server):
        reply, sent = flood(server, method, "/lines", NDJSON, "Connection: close", chunk=line * 256)

    assert (reply.status, reply.body, sent) == (200, str(TOTAL // 256).encode(), TOTAL)
    assert growth.memory < MOST
    assert growth.files == 0


@on_asgi
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_line_without_end_is_not_read_to_its_end(server: Server, home: Path, method: str) -> None:
    """Invariant 50."""
    with watched(server, home) as growth, answering(server):
        reply, sent = flood(server, method, "/lines", NDJSON)

    assert (problem(reply), reply["connection"]) == (TOO_LARGE, "close")
    assert sent < TOTAL
    assert growth.memory < MOST
    assert growth.files == 0


def test_a_big_file_reaches_a_route_that_takes_files(server: Server, home: Path) -> None:
    """Invariant 50."""
    content = bytes(range(256)) * (TOTAL // 4 // 256)

    with watched(server, home) as growth, answering(server):
        reply = server.send("POST", "/upload", MULTIPART, body=PART + content + b"\r\n--x--\r\n")

    assert (reply.status, json.loads(reply.body)) == (200, [len(content), hashlib.sha256(content).hexdigest()])
    assert growth.memory < MOST
    assert growth.files > MOST


EXPECT = "Expect: 100-continue"
STATED = f"Content-Length: {1024 * MB}"


@pytest.mark.parametrize(
    ("method", "target", "line", "answer"),
    [
        ("POST", "/json", JSON, TOO_LARGE),
        ("POST", "/both", JSON, TOO_LARGE),
        ("POST", "/raw", "Accept: */*", TOO_LARGE),
        ("POST", "/form", FORM, TOO_LARGE),
        ("POST", "/form", MULTIPART, TOO_LARGE),
        ("POST", "/upload", FORM, TOO_LARGE),
        ("POST", "/upload", JSON, (415, PROBLEM)),
        ("POST", "/lines", JSON, (415, PROBLEM)),
        ("POST", "/json", FORM, (415, PROBLEM)),
        ("PUT", "/none", JSON, (405, PROBLEM)),
        ("POST", "/none", JSON, (200, "application/json")),
        ("GET", "/none", JSON, (200, "application/json")),
    ],
)
def test_content_that_is_announced_and_not_sent_is_answered_at_once(
    server: Server, method: str, target: str, line: str, answer: tuple[int, str]
) -> None:
    """Invariant 50: nothing is asked for, either; two servers do that on their own (``100 Continue``)."""
    start = time.monotonic()

    reply = ask(server, f"{method} {target}", line, STATED, "Connection: close" if server.kind in CONTINUE else EXPECT)

    assert time.monotonic() - start < 1
    assert problem(reply) == answer
    assert reply["connection"] == "close"


def ask(server: Server, target: str, *lines: str, content: bytes = b"") -> Reply:
    """Send a header as it stands, and *content*; return the first answer, which need not close the connection."""
    head = "\r\n".join([f"{target} HTTP/1.1", f"Host: {HOST}:{server.port}", *lines, "", ""])
    received = b""
    with server.connect() as connection:
        connection.sendall(head.encode("latin-1") + content)
        while b"\r\n\r\n" not in received and (part := connection.recv(65536)):
            received += part
    return parse_reply(received, has_body=False)


@pytest.mark.parametrize(
    "line", ["Content-Length: 9", "Content-Length: -1", "Content-Length: 1e9", "Content-Length: ,"]
)
def test_a_length_that_is_none_is_400(server: Server, line: str) -> None:
    """RFC 9112, section 6.3: servers refuse it, and most close the connection."""
    reply = ask(server, "POST /json", JSON, "Content-Length: 7", line, content=b'{"a":1}')
    assert reply.status == 400


def test_what_goes_beyond_the_stated_length_is_not_read(server: Server) -> None:
    reply = ask(server, "POST /raw", "Content-Length: 3", "Connection: close", content=b"a" * MB)
    # Some take the rest for a request, and refuse both.
    assert reply.status == 400 or (reply.status, reply["content-length"]) == (200, "1")
    assert server.get("/none") == (200, b'"got"')


@pytest.mark.parametrize("target", ["/json", "/form", "/upload", "/raw", "/piecewise", "/lines"])
def test_a_client_that_leaves_or_dawdles_disturbs_nobody(server: Server, target: str) -> None:
    """Invariant 49, as a client sees it: nothing stays behind."""
    # One fewer than the threads of the WSGI server.
    count, line = 3, {"/json": JSON, "/form": FORM, "/upload": MULTIPART, "/lines": NDJSON}.get(target, "Accept: */*")
    head = f"POST {target} HTTP/1.1\r\nHost: {HOST}\r\n{line}\r\nContent-Length: {2 * MB}\r\n\r\n".encode()
    before = _open_files(server)
    connections = [server.connect() for _ in range(count)]
    for connection in connections:
        # The beginning of a line that is no fault yet; others do not look at it before it is there.
        connection.sendall(head + (b'"' if target == "/lines" else PART) + b"a" * MB)
    with answering(server):
        for connection in connections:
            connection.sendall(b"a")
    for connection in connections:
        connection.close()
    poll(lambda: _open_files(server) <= before or None, limit=REPLY_LIMIT, what="files to be closed", on=server)
    assert server.send("POST", "/json", JSON, body=b"{}").body == b'"read"'


@on_wsgi
@pytest.mark.parametrize(
    ("target", "line", "answer"),
    [
        ("/json", JSON, (411, PROBLEM)),
        ("/both", JSON, (411, PROBLEM)),
        ("/raw", "Accept: */*", (411, PROBLEM)),
        ("/form", FORM, (411, PROBLEM)),
        ("/form", MULTIPART, (411, PROBLEM)),
        ("/upload", MULTIPART, (411, PROBLEM)),
        ("/upload", JSON, (411, PROBLEM)),
        ("/lines", NDJSON, (411, PROBLEM)),
        ("/none", JSON, (200, "application/json")),
    ],
)
def test_chunked_content_that_wsgi_does_not_read_is_411(
    server: Server, home: Path, target: str, line: str, answer: tuple[int, str]
) -> None:
    with watched(server, home) as growth:
        reply, _ = flood(server, "POST", target, line, "Connection: close", total=20 * MB)

    assert problem(reply) == answer
    assert growth.memory < MOST
    assert growth.files < MOST


@pytest.mark.parametrize(("size", "statuses"), [(8000, {200}), (60_000, {200, 400, 431})])
@pytest.mark.parametrize("name", ["X-Plan", "Cookie", "Accept", "X-Unknown", "Sec-Fetch-Site", "Content-Type"])
def test_long_header_fields_are_answered(server: Server, name: str, size: int, statuses: set[int]) -> None:
    """Servers limit a header; what passes them is read."""
    reply = ask(server, "GET /fields", f"{name}: {'theme=a;' * (size // 8)}", "Connection: close")
    assert reply.status in statuses
