"""NDJSON in requests, over real sockets: a client that talks in turn, one that leaves, and what is left behind."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import HOST, Server, make_project, parse_reply, serve, use_engine

FULL = os.environ.get("RH_PROOF") == "full"

pytestmark = pytest.mark.slow
ASGI = ("uvicorn-httptools", "uvicorn-h11", "granian", "hypercorn") if FULL else ("uvicorn-httptools", "granian")
CONTINUE = ("gunicorn", "hypercorn")
"""Servers that ask for content before an application does."""
NDJSON = "Content-Type: application/x-ndjson"

SETTINGS = """
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    SILENCED_SYSTEM_CHECKS = ["routehandlers.W048"]
"""

ROUTES = {
    "lines/[id]/route.py": """
        from collections.abc import AsyncIterator, Iterator


        async def POST(id: int, body: AsyncIterator[int]):
            count = 0
            try:
                async for item in body:
                    print("got", item)
                    count += 1
                print("complete")
            finally:
                print("finally", count)
            return count


        def PUT(id: int, body: Iterator[int]):
            count = 0
            try:
                for item in body:
                    print("got", item)
                    count += 1
                print("complete")
            finally:
                print("finally", count)
            return count


        async def PATCH(id: int, body: AsyncIterator[int]):
            async for item in body:
                yield item + 1


        def DELETE(id: int, body: Iterator[int]):
            for item in body:
                yield item + 1
        """,
    "first/route.py": """
        from collections.abc import AsyncIterator


        async def POST(body: AsyncIterator[int]):
            async for item in body:
                return item
        """,
    "whole/route.py": """
        from collections.abc import Iterator

        from django.http import HttpRequest


        def POST(request: HttpRequest, body: Iterator[int]):
            return [len(request.body), *body]
        """,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose ASGI application is ours."""
    home = make_project(tmp_path_factory.mktemp("lines"), ROUTES, settings=SETTINGS)
    use_engine(home)
    return home


@pytest.fixture(scope="module", params=[*ASGI, "gunicorn"])
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """The project under each server in turn."""
    with serve(request.param, home) as running:
        yield running


on_asgi = pytest.mark.parametrize("server", ASGI, indirect=True)


def head(method: str, target: str, *lines: str, kind: str = NDJSON) -> bytes:
    """Return the header of a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {HOST}", kind, *lines, "", ""]).encode()


def chunk(content: bytes) -> bytes:
    """Return a chunk of the chunked coding; the last one for no content."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def until(connection: socket.socket, end: bytes) -> bytes:
    """Return what arrives up to *end*, or up to the end of the connection."""
    received = b""
    while end not in received and (part := connection.recv(65536)):
        received += part
    return received


@on_asgi
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_client_and_handler_talk_in_turn(server: Server, method: str) -> None:
    with server.connect() as connection:
        connection.sendall(head(method, "/lines/1", "Transfer-Encoding: chunked") + chunk(b"1\n"))
        received = [until(connection, b"2\n")]
        for number in (2, 3):
            connection.sendall(chunk(b"%d\n" % number))
            received.append(until(connection, b"%d\n" % (number + 1)))
        connection.sendall(chunk(b""))
        received.append(until(connection, b"0\r\n\r\n"))
    reply = parse_reply(b"".join(received))
    assert (reply.status, reply.body, reply["connection"]) == (200, b"2\n3\n4\n", "close")


@on_asgi
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_item_is_there_before_the_next_is_sent(server: Server, method: str) -> None:
    """Under WSGI the server decides how much it waits for: gunicorn for a kilobyte."""
    number = 701 if method == "POST" else 702
    with server.connect() as connection:
        connection.sendall(head(method, "/lines/1", "Content-Length: 8") + b"%d\n" % number)
        server.wait_for_log(f"got {number}\n")
        connection.sendall(b"703\n")
        reply = parse_reply(until(connection, b"\r\n\r\n2"))
    assert (reply.status, reply.body) == (200, b"2")


@on_asgi
def test_a_connection_whose_content_is_read_is_used_again(server: Server) -> None:
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(head("POST", "/lines/1", "Content-Length: 4") + b"1\n2\n")
            reply = parse_reply(until(connection, b"\r\n\r\n2"))
            assert (reply.status, reply.body, reply["connection"]) == (200, b"2", None)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_client_that_breaks_off_ends_the_handler(server: Server, method: str) -> None:
    """Invariant 66: what has arrived of the last line is no item."""
    number = 811 if method == "POST" else 812
    with server.connect() as connection:
        connection.sendall(head(method, "/lines/1", "Content-Length: 100") + b"%d\n%d" % (number, number + 10))
        if server.kind != "gunicorn":
            server.wait_for_log(f"got {number}\n")
    server.wait_for_log(f"got {number}\nfinally 1")
    assert f"got {number + 10}" not in server.log
    assert server.send("POST", "/lines/1", NDJSON, body=b"1").body == b"1"


def test_a_handler_may_stop_before_the_end(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head("POST", "/first", "Content-Length: 1000000") + b"5\n" + b"6\n" * 1000)
        reply = parse_reply(until(connection, b"\r\n\r\n5"))
        assert (reply.status, reply.body) == (200, b"5")
        if server.kind != "gunicorn":
            assert reply["connection"] == "close"
            assert connection.recv(65536) == b""


def test_the_body_may_be_read_whole_in_a_thread(server: Server) -> None:
    assert server.send("POST", "/whole", NDJSON, body=b"1\n2").body == b"[3,1,2]"


@pytest.mark.parametrize(
    ("target", "kind", "line", "status"),
    [
        ("/lines/1", "Content-Type: application/json", "Accept: */*", 415),
        ("/lines/1", NDJSON, "Sec-Fetch-Site: cross-site", 403),
        ("/lines/x", NDJSON, "Accept: */*", 404),
    ],
    ids=["415", "403", "404"],
)
def test_who_waits_to_be_asked_is_refused_unasked(
    server: Server, target: str, kind: str, line: str, status: int
) -> None:
    """RFC 9110, section 10.1.1."""
    if server.kind in CONTINUE:
        pytest.skip(f"{server.kind} asks before the application does")
    with server.connect() as connection:
        connection.sendall(head("POST", target, line, "Expect: 100-continue", "Content-Length: 100", kind=kind))
        assert parse_reply(until(connection, b"\r\n\r\n")).status == status


def test_who_waits_to_be_asked_is_asked_by_the_first_item(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head("POST", "/lines/1", "Expect: 100-continue", "Content-Length: 2"))
        assert until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"1\n")
        reply = parse_reply(until(connection, b"\r\n\r\n1"))
        assert (reply.status, reply.body) == (200, b"1")
