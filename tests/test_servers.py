"""The same raw requests get the same answers from every server, under ASGI and WSGI."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import Reply, Server, make_project, serve

KINDS = ("uvicorn-httptools", "uvicorn-h11", "granian", "hypercorn", "gunicorn", "runserver")

SETTINGS = """
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django": {"handlers": ["console"], "propagate": False}},
    }
"""

ROUTES = {
    "items/route.py": """
        async def GET():
            return {"items": [1, 2, 3]}

        def POST():
            return "made"

        async def DELETE():
            return None
        """,
    "sync/route.py": """
        def GET():
            return {"items": []}
        """,
    "number/[id]/route.py": """
        async def GET(id: int):
            return id
        """,
    "pinned/[id=int]/route.py": """
        def GET(id):
            return id
        """,
    "echo/[text]/route.py": """
        async def GET(text):
            return len(text)
        """,
    "rest/[...path]/route.py": """
        async def GET(path):
            return path
        """,
    "docs/[[...slug]]/route.py": """
        def GET(slug):
            return slug
        """,
    "header/[text]/route.py": """
        from django.http import HttpResponse

        async def GET(text):
            return HttpResponse("ok", headers={"X-Text": text})
        """,
    "fails/route.py": """
        async def GET():
            secret = "hunter2"
            raise RuntimeError(f"do not tell: {secret}")
        """,
    "stream/[how]/[run]/route.py": """
        import asyncio
        import time
        from pathlib import Path

        from django_routehandlers import NDJSONResponse

        async def lines_async(run):
            Path(f"{run}.started").touch()
            yield "first"
            for _ in range(300):
                if Path(f"{run}.seen").exists():
                    break
                await asyncio.sleep(0.05)
            yield "last"

        def lines_sync(run):
            Path(f"{run}.started").touch()
            yield "first"
            for _ in range(300):
                if Path(f"{run}.seen").exists():
                    break
                time.sleep(0.05)
            yield "last"

        async def GET(how, run):
            return NDJSONResponse(lines_async(run) if how == "async" else lines_sync(run))
        """,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose routes show what a server makes of requests."""
    return make_project(tmp_path_factory.mktemp("servers"), ROUTES, settings=SETTINGS)


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """The project under each server in turn."""
    with serve(request.param, home) as running:
        yield running


def problem(reply: Reply) -> tuple[int, str | None, bytes]:
    """Return what tells one problem from another."""
    return reply.status, reply["content-type"], reply.body


def problem_of(status: int, title: str) -> tuple[int, str, bytes]:
    """Return the problem that says no more than its status."""
    body = f'{{"type":"about:blank","title":"{title}","status":{status}}}'
    return status, "application/problem+json", body.encode()


@pytest.mark.parametrize(("target", "body"), [("/items", b'{"items":[1,2,3]}'), ("/sync", b'{"items":[]}')])
def test_get_answers_and_head_answers_its_fields_alone(server: Server, target: str, body: bytes) -> None:
    """Invariant 60."""
    got, head = server.send("GET", target), server.send("HEAD", target)
    assert (got.status, got.body) == (200, body)
    assert head.status == 200
    assert head.wire.endswith(b"\r\n\r\n")
    assert head.wire.count(b"\r\n\r\n") == 1
    for field in ("content-type", "content-length"):
        assert head[field] == got[field] is not None


def test_head_never_runs_a_stream_and_get_does(server: Server, home: Path) -> None:
    """Invariant 60."""
    run = f"head-{server.port}"
    started = home / f"{run}.started"
    for how in ("async", "sync"):
        head = server.send("HEAD", f"/stream/{how}/{run}")
        assert (head.status, head["content-type"], head.body) == (200, "application/x-ndjson", b"")
        # An answer to a second request: had the first one run anything, it would have by now.
        assert server.get("/items")[0] == 200
        assert not started.exists()
    (home / f"{run}.seen").touch()
    assert server.get(f"/stream/async/{run}") == (200, b'"first"\n"last"\n')
    assert started.exists()


@pytest.mark.parametrize("how", ["async", "sync"])
def test_lines_of_a_stream_leave_one_by_one(server: Server, home: Path, how: str) -> None:
    """Invariant 69: the last line is not made before the client has the first."""
    run = f"lines-{how}-{server.port}"
    received = b""
    with server.connect() as connection:
        connection.sendall(f"GET /stream/{how}/{run} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        while b'"first"\n' not in received:
            part = connection.recv(65536)
            assert part, received
            received += part
        assert b'"last"' not in received
        (home / f"{run}.seen").touch()
        while part := connection.recv(65536):
            received += part
    assert b'"last"\n' in received


def test_options_names_the_methods_without_a_body(server: Server) -> None:
    """Invariant 60."""
    reply = server.send("OPTIONS", "/items")
    assert (reply.status, reply["allow"], reply.body) == (204, "DELETE, GET, HEAD, OPTIONS, POST", b"")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_method_that_is_missing_is_405(server: Server, method: str) -> None:
    """Invariant 60."""
    reply = server.send(method, "/items")
    assert problem(reply) == problem_of(405, "Method Not Allowed")
    assert reply["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_trailing_slash_redirects_with_the_query_kept(server: Server, method: str) -> None:
    reply = server.send(method, "/items/?q=a%20b&r=%2F")
    assert (reply.status, reply["location"], reply.body) == (308, "/items?q=a%20b&r=%2F", b"")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/echo/abc", 200),
        ("/echo/a%2Fb", 404),
        ("/rest/a%2Fb/c", 200),
        ("/items%2F", 308),
        ("/echo/%00", 404),
        ("/echo/a%00b", 404),
        ("/rest/a/%00", 404),
        ("/echo/%FF", 200),
        ("/echo/%C3%28", 200),
        ("/echo/%E2%82%AC", 200),
        ("/echo/%252F", 200),
        ("/echo/..", 404),
        ("/echo/%2E%2E", 404),
        ("/echo/.", 404),
        ("/rest/../items", 404),
        ("/rest/a/../b", 404),
        ("/echo//abc", 404),
        ("/rest/a//b", 404),
        ("/docs", 200),
        ("/docs/", 308),
        ("/docs//", 404),
        ("/pinned/007", 200),
        ("/pinned/-1", 404),
        ("/number/+1", 404),
        ("/number/1%0A", 404),
        ("/number/" + "9" * 5000, 404),
        ("/pinned/" + "9" * 5000, 404),
        ("/echo/" + "a" * 8000, 200),
        ("/none/" + "a" * 8000, 404),
        ("/rest/" + "a/" * 4000 + "b", 200),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_a_path_has_one_status_on_every_server(server: Server, target: str, status: int) -> None:
    """Invariants 60 and 93."""
    assert server.send("GET", target).status == status


@pytest.mark.parametrize("target", ["//items", "//evil.example/items", "/\\evil.example/items", "/items%", "/%zz"])
def test_an_odd_path_is_never_a_server_error(server: Server, target: str) -> None:
    """Servers differ here before a request reaches Django: some take the first slash away, some refuse."""
    reply = server.send("GET", target)
    assert reply.status in (200, 400, 404)
    assert reply["location"] is None


@pytest.mark.parametrize("method", ["get", "Post", "options", "FOO", "TRACE", "PROPFIND"])
def test_an_unknown_method_is_refused_and_reflects_nothing(server: Server, method: str) -> None:
    """Invariant 60: 400 and 501 are answers of servers that know few methods, 405 is ours."""
    reply = server.send(method, "/items", "X-Secret: reflected")
    # This server writes methods in upper case before an application sees them.
    as_sent = server.kind != "hypercorn" or method.isupper()
    assert reply.status in ((400, 405, 501) if as_sent else (200, 204))
    assert b"reflected" not in reply.wire
    if reply["content-type"] == "application/problem+json":
        assert problem(reply) == problem_of(405, "Method Not Allowed")


@pytest.mark.parametrize("text", ["a%0D%0ASet-Cookie:%20stolen=1", "a%0Ab", "a%0Db"])
def test_a_line_break_in_a_field_never_reaches_the_wire(server: Server, text: str) -> None:
    """Invariant 53."""
    reply = server.send("GET", f"/header/{text}")
    assert problem(reply) == problem_of(500, "Internal Server Error")
    assert (reply["set-cookie"], reply["x-text"]) == (None, None)


def test_an_unhandled_exception_tells_the_log_and_not_the_client(server: Server) -> None:
    """Invariant 64."""
    reply = server.send("GET", "/fails")
    assert problem(reply) == problem_of(500, "Internal Server Error")
    assert reply["cache-control"] == "no-store"
    assert b"hunter2" not in reply.wire
    log = server.wait_for_log("RuntimeError: do not tell: hunter2")
    assert "Traceback (most recent call last):" in log
    assert 'routes/fails/route.py", line 3, in GET' in log


def test_a_host_that_is_not_allowed_is_400(server: Server) -> None:
    reply = server.send("GET", "/items", "X-Forwarded-Host: evil.example")
    assert reply.status == 200
    with server.connect() as connection:
        connection.sendall(b"GET /items HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).split(b" ")[1] == b"400"
