"""NDJSONResponse sends each value as a line when it is ready, under ASGI and WSGI alike."""

import asyncio
import importlib
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.http import HttpRequest, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from pytest_django import Settings

from conftest import Site
from django_routehandlers.responses.ndjson import NDJSONResponse
from servers import HOST, Server, make_project, poll
from servers import serve as run_server

FIELDS = {
    "Content-Type": "application/x-ndjson",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}
ERROR_LINE = b'{"error":{"type":"about:blank","title":"Internal Server Error","status":500}}\n'


class Source:
    """A producer that writes down what happens to it. ``bad`` is the record it raises at."""

    def __init__(self, count: int = 3, bad: int | None = None) -> None:
        self.count = count
        self.bad = bad
        self.events: list[object] = []

    def sync(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                self.step(number)
                yield number
        finally:
            self.events.append("closed")

    async def asynchronous(self) -> AsyncIterator[int]:
        # A loop that changed between two records would refuse the lock.
        lock = asyncio.Lock()
        try:
            for number in range(self.count):
                async with lock:
                    await asyncio.sleep(0)
                self.step(number)
                yield number
        finally:
            await asyncio.sleep(0)
            self.events.append("closed")

    def step(self, number: int) -> None:
        if number == self.bad:
            raise ValueError("secret")
        self.events.append(number)


@pytest.fixture(autouse=True)
def connections_stay_open() -> Iterator[None]:
    """Keep the end of a request from closing the test's own connection, as Django's test client does."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


Produce = Callable[[Source], Any]
both_sources = pytest.mark.parametrize("produce", [Source.sync, Source.asynchronous], ids=["sync", "async"])


def read_async(response: NDJSONResponse, limit: int = 100) -> list[bytes]:
    """Read up to *limit* parts as ASGI does, then break off."""

    async def read() -> list[bytes]:
        parts: list[bytes] = []
        content = aiter(response)
        async for part in content:
            parts.append(part)
            if len(parts) == limit:
                break
        await content.aclose()  # type: ignore[attr-defined]
        return parts

    return asyncio.run(read())


def serve(settings: Settings, view: Callable[[HttpRequest], object], middleware: Iterable[str] = ()) -> None:
    class URLConf:
        urlpatterns = [path("", view)]  # type: ignore[arg-type]

    settings.ROOT_URLCONF = URLConf
    settings.MIDDLEWARE = list(middleware)


class Handler(ASGIHandler):
    """Django's own, of which 5.2 and 6.0 leave the request's body file open when sending fails."""

    async def read_body(self, receive: object) -> Any:
        self.body_file = await super().read_body(receive)  # type: ignore[misc]
        return self.body_file


async def run_asgi(send: Callable[[dict[str, Any]], Awaitable[None]], method: str = "GET", url: str = "/") -> None:
    """Send a request to Django's own ASGI handler, from a client that stays."""
    requests = [{"type": "http.request", "body": b""}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        return await asyncio.Future()

    scope = {"type": "http", "method": method, "path": url, "headers": [(b"host", b"testserver")], "query_string": b""}
    handler = Handler()
    try:
        await handler(scope, receive, send)  # type: ignore[arg-type]
    finally:
        handler.body_file.close()


@both_sources
def test_each_value_is_a_line_under_wsgi(produce: Produce) -> None:
    response = NDJSONResponse(produce(Source()))
    assert b"".join(response) == b"0\n1\n2\n"


@both_sources
def test_each_value_is_a_line_under_asgi(produce: Produce) -> None:
    response = NDJSONResponse(produce(Source()))
    assert b"".join(read_async(response)) == b"0\n1\n2\n"


def test_status_and_fields() -> None:
    """Invariant 75: no length, and nobody on the way may store or hold back lines."""
    response = NDJSONResponse([])
    assert (response.status_code, dict(response.items())) == (200, FIELDS)


def test_given_status_and_fields_win() -> None:
    response = NDJSONResponse([], status=202, headers={"cache-control": "private", "X-A": "1"})
    assert (response.status_code, dict(response.items())) == (
        202,
        {
            "Content-Type": "application/x-ndjson",
            "cache-control": "private",
            "X-Accel-Buffering": "no",
            "X-A": "1",
        },
    )


@both_sources
def test_an_empty_stream_is_an_empty_body(produce: Produce) -> None:
    """Invariant 74."""
    assert (
        list(NDJSONResponse(produce(Source(count=0)))),
        read_async(NDJSONResponse(produce(Source(count=0)))),
    ) == ([], [])


def test_a_sync_source_never_runs_ahead_of_the_reader_under_wsgi() -> None:
    """Invariant 69."""
    source = Source()
    content = iter(NDJSONResponse(source.sync()))
    assert source.events == []
    assert (next(content), source.events) == (b"0\n", [0])
    assert (next(content), source.events) == (b"1\n", [0, 1])
    assert (list(content), source.events) == ([b"2\n"], [0, 1, 2, "closed"])


@both_sources
def test_nothing_runs_before_the_reader_begins_and_little_ahead_of_it(produce: Produce) -> None:
    """Invariants 68 and 69: what has been sent, a piece that is ready, and the one record that fills it."""
    source = Source(count=10**6)
    response = NDJSONResponse(produce(source))
    assert source.events == []
    [piece] = read_async(response, limit=1)
    made = [event for event in source.events if event != "closed"]
    assert source.events[-1] == "closed"
    assert sum(len(b"%d\n" % number) for number in made) <= len(piece) + 2 * (65536 + 8)


@both_sources
def test_closing_the_response_closes_the_source_under_wsgi(produce: Produce) -> None:
    """Invariant 66."""
    source = Source(count=10**6)
    response = NDJSONResponse(produce(source))
    next(iter(response))
    response.close()
    assert (source.events[0], source.events.count("closed"), response.closed) == (0, 1, True)


@both_sources
def test_a_stream_that_was_never_read_can_be_closed(produce: Produce) -> None:
    source = Source()
    response = NDJSONResponse(produce(source))
    response.close()
    assert (source.events, response.closed) == ([], True)


def test_an_iterator_with_a_close_of_its_own_is_closed_unread() -> None:
    class Cursor:
        closed = False

        def __iter__(self) -> Iterator[int]:
            return iter([1])

        def close(self) -> None:
            self.closed = True

    cursor = Cursor()
    NDJSONResponse(cursor).close()
    assert cursor.closed


def test_a_failing_close_of_the_source_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def rows() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise OSError("disk")

    response = NDJSONResponse(rows(), name="/api GET")
    next(iter(response))
    response.close()
    assert response.closed
    assert [(entry.getMessage(), str(entry.exc_info and entry.exc_info[1])) for entry in caplog.records] == [
        ("/api GET: the end of its producer failed.", "disk")
    ]


@both_sources
def test_an_error_ends_the_stream_with_one_record_under_wsgi(
    produce: Produce, caplog: pytest.LogCaptureFixture
) -> None:
    """Invariant 70: the record tells nothing, the body is broken off, the log has it all."""
    source = Source(bad=1)
    content = iter(NDJSONResponse(produce(source), name="/api GET"))
    assert [next(content), next(content)] == [b"0\n", ERROR_LINE]
    with pytest.raises(ValueError, match="^secret$"):
        next(content)
    assert source.events == [0, "closed"]
    assert [
        (entry.name, entry.levelno, entry.getMessage(), entry.exc_info and entry.exc_info[0])
        for entry in caplog.records
        if entry.name == "django.request"
    ] == [("django.request", logging.ERROR, "/api GET: the stream broke off.", ValueError)]


@both_sources
def test_an_error_breaks_off_the_body_under_asgi(produce: Produce, settings: Settings) -> None:
    """Invariant 70: without its last empty part, a server cannot end the body as if it were whole."""
    serve(settings, lambda request: NDJSONResponse(produce(Source(bad=1))))
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with pytest.raises(ValueError, match="^secret$"):
        asyncio.run(run_asgi(send))
    assert sent[1:] == [
        {"type": "http.response.body", "body": b"0\n", "more_body": True},
        {"type": "http.response.body", "body": ERROR_LINE, "more_body": True},
    ]


def test_a_value_without_json_form_breaks_off_the_body() -> None:
    content = iter(NDJSONResponse([1, {2}]))
    assert [next(content), next(content)] == [b"1\n", ERROR_LINE]
    with pytest.raises(TypeError, match=r"^At #: A set has no order\. Use a list, such as sorted\(values\)\.\n"):
        next(content)


@both_sources
def test_a_client_that_leaves_while_a_line_is_sent_closes_the_source(produce: Produce, settings: Settings) -> None:
    """Invariant 66, through middleware that wraps the stream."""
    source = Source(count=10**6)
    serve(
        settings, lambda request: NDJSONResponse(produce(source)), middleware=["django.middleware.gzip.GZipMiddleware"]
    )

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    with pytest.raises(OSError, match="^gone$"):
        asyncio.run(run_asgi(send))
    assert (source.events[0], source.events.count("closed")) == (0, 1)


def test_lines_of_a_sync_source_leave_one_by_one_through_wsgi(settings: Settings) -> None:
    source = Source()
    serve(settings, lambda request: NDJSONResponse(source.sync()))
    environ = RequestFactory().get("/").environ
    body = WSGIHandler()(environ, lambda status, headers: None)  # type: ignore[arg-type,no-untyped-call]
    assert (next(iter(body)), source.events) == (b"0\n", [0])
    body.close()
    assert source.events == [0, "closed"]


@both_sources
def test_django_test_client_reads_the_stream(produce: Produce, settings: Settings) -> None:
    source = Source()
    serve(settings, lambda request: NDJSONResponse(produce(source)))
    response = Client().get("/")
    assert isinstance(response, StreamingHttpResponse)
    assert (response.getvalue(), source.events, response.closed) == (b"0\n1\n2\n", [0, 1, 2, "closed"], True)


@both_sources
def test_django_async_test_client_reads_the_stream(produce: Produce, settings: Settings) -> None:
    source = Source()
    serve(settings, lambda request: NDJSONResponse(produce(source)))

    async def fetch() -> bytes:
        response = await AsyncClient().get("/")
        assert isinstance(response, StreamingHttpResponse)
        return b"".join([part async for part in response])

    assert (asyncio.run(fetch()), source.events) == (b"0\n1\n2\n", [0, 1, 2, "closed"])


def test_a_sync_source_runs_in_the_requests_thread_under_asgi() -> None:
    """That thread holds the database connection of the request."""

    def rows() -> Iterator[int]:
        for _ in range(2):
            yield threading.get_ident()

    async def read() -> tuple[list[bytes], int]:
        async with ThreadSensitiveContext():
            lines = b"".join([part async for part in NDJSONResponse(rows())]).splitlines()
            return lines, await sync_to_async(threading.get_ident)()

    lines, thread = asyncio.run(read())
    assert (lines, thread != threading.get_ident()) == ([b"%d" % thread] * 2, True)


def test_an_async_source_does_its_thread_work_in_the_readers_thread_under_wsgi() -> None:
    """That thread holds the database connection, and the transaction of a test."""

    async def rows() -> AsyncIterator[bool]:
        for _ in range(2):
            yield await sync_to_async(threading.get_ident)() == reader

    reader = threading.get_ident()
    assert b"".join(NDJSONResponse(rows())) == b"true\ntrue\n"


def test_reading_an_async_source_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    response = NDJSONResponse(Source().asynchronous())
    next(iter(response))
    response.close()
    assert threading.active_count() == before


@pytest.mark.django_db
def test_an_async_source_sees_the_transaction_of_its_reader_under_wsgi() -> None:
    ContentType.objects.create(app_label="a", model="b")

    async def rows() -> AsyncIterator[str]:
        async for row in ContentType.objects.filter(app_label="a"):
            yield row.model

    assert (list(NDJSONResponse(rows())), connection.in_atomic_block) == ([b'"b"\n'], True)


@pytest.mark.django_db
def test_a_queryset_of_dicts_is_a_source() -> None:
    ContentType.objects.create(app_label="a", model="b")
    response = NDJSONResponse(ContentType.objects.filter(app_label="a").values("model"))
    assert [json.loads(line) for line in response] == [{"model": "b"}]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        pytest.param(
            {"a": 1},
            "NDJSONResponse: dict is a single value. A stream needs an iterable of values. "
            "Put it in a list, or return JSONResponse(value).",
            id="dict",
        ),
        pytest.param(
            "ab",
            "NDJSONResponse: str is a single value. A stream needs an iterable of values. "
            "Put it in a list, or return JSONResponse(value).",
            id="str",
        ),
        pytest.param(
            Source.sync,
            "NDJSONResponse: function cannot be streamed. A stream needs an iterable or an async iterable of values. "
            "Call the generator function, or await the coroutine.",
            id="function",
        ),
    ],
)
def test_what_is_no_series_of_values_is_a_type_error(records: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        NDJSONResponse(records)
    assert str(caught.value) == message


class Signals:
    """Writes down that requests start and finish."""

    def __init__(self, events: list[str]) -> None:
        self.started: Callable[..., None] = lambda **kwargs: events.append("started")
        self.finished: Callable[..., None] = lambda **kwargs: events.append("finished")

    def __enter__(self) -> None:
        request_started.connect(self.started)
        request_finished.connect(self.finished)

    def __exit__(self, *exc_info: object) -> None:
        request_started.disconnect(self.started)
        request_finished.disconnect(self.finished)


@both_sources
@pytest.mark.parametrize("reason", ["the source fails", "a send fails", "the server ends it"])
def test_a_request_whose_stream_breaks_off_finishes_once(produce: Produce, reason: str, settings: Settings) -> None:
    """Invariant 49."""
    responses: list[NDJSONResponse] = []

    def view(request: HttpRequest) -> NDJSONResponse:
        responses.append(NDJSONResponse(produce(Source(bad=1 if reason == "the source fails" else None))))
        return responses[-1]

    serve(settings, view)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and reason == "a send fails":
            raise OSError("gone")
        if message["type"] == "http.response.body" and reason == "the server ends it":
            raise asyncio.CancelledError

    events: list[str] = []
    with Signals(events):
        for _ in range(20):
            with suppress(ValueError, OSError, asyncio.CancelledError):
                asyncio.run(run_asgi(send))
    assert (events, [response.closed for response in responses]) == (["started", "finished"] * 20, [True] * 20)


@both_sources
def test_a_request_whose_stream_ends_well_finishes_once(produce: Produce, settings: Settings) -> None:
    """Invariant 49."""
    serve(settings, lambda request: NDJSONResponse(produce(Source())))

    async def send(message: dict[str, Any]) -> None:
        pass

    events: list[str] = []
    with Signals(events):
        asyncio.run(run_asgi(send))
        WSGIHandler()(RequestFactory().get("/").environ, lambda status, headers: None).close()  # type: ignore[arg-type,no-untyped-call]
    assert events == ["started", "finished"] * 2


HEAD_ROUTES = {
    "file/route.py": """
        from io import BytesIO

        from django.http import FileResponse

        class File(BytesIO):
            def close(self):
                if not self.closed:
                    self.events.append("closed")
                super().close()

        def GET(request):
            file = File(b"0123456789")
            file.events = request.events
            return FileResponse(file, content_type="text/plain", headers={"X-A": "1"})
        """,
    "generator/route.py": """
        def GET(request):
            request.events.append("run")
            yield 1
        """,
    "asynchronous/route.py": """
        async def GET(request):
            request.events.append("run")
            yield 1
        """,
    "cursor/route.py": """
        from django_routehandlers import NDJSONResponse

        class Cursor:
            def __init__(self, events):
                self.events = events

            def __iter__(self):
                self.events.append("run")
                yield 1

            def close(self):
                self.events.append("closed")

        async def GET(request):
            response = NDJSONResponse(Cursor(request.events), status=202)
            response.set_cookie("a", "b")
            return response
        """,
}

MIDDLEWARE = """
    events = []

    def record(get_response):
        def middleware(request):
            request.events = events
            response = get_response(request)
            events.append("answered")
            return response

        return middleware
"""


@pytest.fixture
def head(site: Site, settings: Settings) -> Callable[[str, bool], tuple[int, dict[str, str], list[str]]]:
    """Send HEAD to Django's own handlers: status, fields, and what happened, in order."""
    site.serve(HEAD_ROUTES)
    (site.root / site.name / "middleware.py").write_text(dedent(MIDDLEWARE))
    # The outermost stores whole responses, the next one sends the length of a whole body.
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.common.CommonMiddleware",
        f"{site.name}.middleware.record",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    settings.ROUTEHANDLERS = {}

    def send(url: str, is_async: bool) -> tuple[int, dict[str, str], list[str]]:
        events: list[str] = importlib.import_module(f"{site.name}.middleware").events
        with Signals(events):
            status, fields = asyncio.run(_head_asgi(url)) if is_async else _head_wsgi(url)
        return status, fields, events

    return send


def _head_wsgi(url: str) -> tuple[int, dict[str, str]]:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    environ = RequestFactory().head(url).environ
    body = WSGIHandler()(environ, lambda *start: started.append(start))  # type: ignore[arg-type,no-untyped-call]
    assert b"".join(body) == b""
    body.close()
    [(status, fields)] = started
    # Some versions of Django write a space before a cookie.
    return int(status.split()[0]), {name: value.strip() for name, value in fields}


async def _head_asgi(url: str) -> tuple[int, dict[str, str]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await run_asgi(send, "HEAD", url)
    assert b"".join(message.get("body", b"") for message in sent[1:]) == b""
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
@pytest.mark.parametrize(
    ("url", "status", "fields", "closed"),
    [
        ("/file", 200, {"Content-Type": "text/plain", "Content-Length": "10", "X-A": "1"}, ["closed"]),
        ("/generator", 200, {**FIELDS, "Vary": "Accept"}, []),
        ("/asynchronous", 200, {**FIELDS, "Vary": "Accept"}, []),
        ("/cursor", 202, {**FIELDS, "Vary": "Accept", "Set-Cookie": "a=b; Path=/"}, ["closed"]),
    ],
)
def test_head_closes_what_a_stream_holds_as_the_request_finishes(
    head: Callable[[str, bool], tuple[int, dict[str, str], list[str]]],
    is_async: bool,
    url: str,
    status: int,
    fields: dict[str, str],
    closed: list[str],
) -> None:
    """Invariants 49 and 66. The request finishes once, behind all middleware, and sends no length that GET does not."""
    assert head(url, is_async) == (status, fields, ["started", "answered", *closed, "finished"])


HOT_ROUTES = {
    "hot/[how]/[run]/route.py": """
        import itertools
        from pathlib import Path

        from django_routehandlers import NDJSONResponse

        async def count_async(run):
            try:
                for number in itertools.count():
                    yield number
            finally:
                Path(f"{run}.closed").touch()

        def count_sync(run):
            try:
                yield from itertools.count()
            finally:
                Path(f"{run}.closed").touch()

        async def GET(how, run):
            return NDJSONResponse(count_async(run) if how == "async" else count_sync(run))
        """,
    "items/route.py": """
        async def GET():
            return [1, 2, 3]
        """,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with streams that never end and never wait."""
    return make_project(tmp_path_factory.mktemp("ndjson"), HOT_ROUTES, settings='ALLOWED_HOSTS = ["127.0.0.1"]')


@pytest.fixture(scope="module", params=["uvicorn-httptools", "uvicorn-h11"])
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """That project on one event loop."""
    with run_server(request.param, home) as running:
        yield running


@pytest.fixture(params=["async", "sync"])
def hot(request: pytest.FixtureRequest, server: Server, home: Path) -> Iterator[tuple[socket.socket, Path]]:
    """A connection with the first lines of such a stream read, and the file that says that the stream was closed."""
    run = f"{request.param}-{server.port}-{request.node.originalname}"
    with server.connect() as connection:
        connection.sendall(f"GET /hot/{request.param}/{run} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        received = b""
        while b"\n1\n" not in received:
            received += connection.recv(60)
        yield connection, home / f"{run}.closed"


def ask_soon(server: Server) -> bytes:
    """Return the body of another request, which has to be answered within a second."""
    with socket.create_connection((HOST, server.port), timeout=1) as connection:
        connection.sendall(b"GET /items HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return connection.makefile("rb").read().partition(b"\r\n\r\n")[2]


def test_a_producer_that_never_waits_ends_with_its_client(server: Server, hot: tuple[socket.socket, Path]) -> None:
    """Invariant 67: it holds up nobody, and it is closed (invariant 66)."""
    connection, closed = hot
    connection.close()
    assert [ask_soon(server) for _ in range(3)] == [b"[1,2,3]"] * 3
    poll(lambda: closed.exists() or None, limit=10, what="the producer to be closed", on=server)


def test_a_producer_that_never_waits_holds_up_nobody_while_its_client_reads(
    server: Server, hot: tuple[socket.socket, Path]
) -> None:
    """Invariant 67, where the server never has to wait for the client."""
    connection, closed = hot
    connection.settimeout(None)
    read = subprocess.Popen(
        [sys.executable, "-c", "stream = open(0, 'rb', 0)\nwhile stream.read(1 << 20): pass"],
        stdin=connection.fileno(),
    )
    try:
        assert [ask_soon(server) for _ in range(3)] == [b"[1,2,3]"] * 3
        assert (read.poll(), closed.exists()) == (None, False)
    finally:
        read.kill()
        read.wait()
