"""A stream sends what is ready, together and at once, and nothing late; see test_stream_ends.py for its end."""

import asyncio
import contextvars
import gc
import itertools
import json
import math
import os
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.http import Http404, HttpRequest
from django.test import AsyncClient, Client, RequestFactory, TestCase
from django.urls import path
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from conftest import Site
from django_routehandlers.responses.event_stream import EventStreamResponse
from django_routehandlers.responses.ndjson import NDJSONResponse
from django_routehandlers.responses.open_streams import open_streams
from django_routehandlers.responses.stream import StreamResponse
from stream_clients import Visitor, WSGIBody, serve, visit

PIECE = 65536
FULL = os.environ.get("RH_PROOF") == "full"
LINES = 1_000_000 if FULL else 100_000


@pytest.fixture(autouse=True)
def connections_stay_open() -> Iterator[None]:
    """Keep the end of a request from closing the test's own connection, as Django's test client does."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


def numbers(count: int) -> Iterator[int]:
    yield from range(count)


async def async_numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def counted(count: int) -> AsyncIterator[int]:
    """Give way to others between two records, and wait for nothing."""
    for number in range(count):
        yield number
        await asyncio.sleep(0)


class Cursor:
    """An async iterator that is no generator."""

    def __init__(self, count: int) -> None:
        self.count, self.next, self.closed = count, 0, False

    def __aiter__(self) -> "Cursor":
        return self

    async def __anext__(self) -> int:
        if self.next == self.count:
            raise StopAsyncIteration
        self.next += 1
        return self.next - 1

    async def aclose(self) -> None:
        self.closed = True


def lines(count: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(count))


async def pieces_of(response: StreamResponse) -> list[bytes]:
    """Read a response as Django's ASGI handler does."""
    async with aclosing(aiter(response)) as content:  # type: ignore[type-var]
        return [piece async for piece in content]


def read_async(response: StreamResponse) -> list[bytes]:
    return asyncio.run(pieces_of(response))


kinds = pytest.mark.parametrize("make", [numbers, async_numbers, Cursor], ids=["sync", "async", "async iterator"])
async_kinds = pytest.mark.parametrize("make", [async_numbers, counted, Cursor], ids=["never waits", "gives way", "own"])


@kinds
def test_lines_that_are_ready_leave_together(make: Callable[[int], Any]) -> None:
    """One piece under ASGI, or a few where a thread yields them or the machine is busy."""
    pieces = read_async(NDJSONResponse(make(500)))
    assert (b"".join(pieces), len(pieces) < 400) == (lines(500), True)


@async_kinds
def test_lines_of_an_async_producer_that_are_ready_leave_together_under_wsgi(make: Callable[[int], Any]) -> None:
    pieces = list(NDJSONResponse(make(500)))
    # One that gives way is read about every millisecond, of which a busy machine needs many.
    assert (b"".join(pieces), len(pieces) < 400) == (lines(500), True)


def test_a_sync_producer_is_read_line_by_line_under_wsgi() -> None:
    """Invariant 69: only waiting for the next one would tell whether it is ready."""
    assert list(NDJSONResponse(numbers(3))) == [b"0\n", b"1\n", b"2\n"]


@pytest.mark.parametrize("protocol", ["asgi", "wsgi"])
def test_pieces_are_64_kib_and_no_line_is_lost(protocol: str) -> None:
    """Invariant 68: a piece ends with the line that fills it."""
    count = 40_000

    async def rows() -> AsyncIterator[int]:
        for number in range(count):
            yield number

    response = NDJSONResponse(rows())
    pieces = read_async(response) if protocol == "asgi" else list(response)
    assert b"".join(pieces) == lines(count)
    assert max(map(len, pieces)) <= PIECE + 6
    assert len(pieces) >= len(lines(count)) // (PIECE + 6)


def test_pieces_of_a_sync_producer_are_bounded() -> None:
    pieces = read_async(NDJSONResponse(numbers(40_000)))
    assert (b"".join(pieces), max(map(len, pieces)) <= PIECE + 6) == (lines(40_000), True)


@pytest.mark.parametrize("protocol", ["asgi", "wsgi"])
def test_a_line_that_is_longer_than_a_piece_is_sent_whole(protocol: str) -> None:
    async def rows() -> AsyncIterator[str]:
        yield "x" * 300_000
        yield "y"

    response = NDJSONResponse(rows())
    pieces = read_async(response) if protocol == "asgi" else list(response)
    assert b"".join(pieces) == b'"%s"\n"y"\n' % (b"x" * 300_000)


@pytest.mark.parametrize("protocol", ["asgi", "wsgi"])
def test_what_is_ready_leaves_before_the_producer_waits(protocol: str) -> None:
    """Each batch is at the reader before the next one is begun: the reader lets it begin."""
    asked = threading.Event()

    async def rows() -> AsyncIterator[int]:
        yield 1
        yield 2
        await asyncio.to_thread(asked.wait, 5)
        yield 3
        yield 4

    pieces: list[bytes] = []

    async def read() -> None:
        async for piece in NDJSONResponse(rows()):
            pieces.append(piece)
            asked.set()

    if protocol == "asgi":
        asyncio.run(asyncio.wait_for(read(), 5))
    else:
        for piece in NDJSONResponse(rows()):
            pieces.append(piece)
            asked.set()
    assert pieces == [b"1\n2\n", b"3\n4\n"]


def test_what_a_sync_producer_has_yielded_leaves_while_it_blocks() -> None:
    """Invariant 69."""
    asked = threading.Event()

    def rows() -> Iterator[int]:
        yield 1
        yield 2
        assert asked.wait(5)
        yield 3

    async def read() -> bytes:
        body = b""
        async for piece in NDJSONResponse(rows()):
            body += piece
            if body == b"1\n2\n":
                asked.set()
        return body

    assert asyncio.run(asyncio.wait_for(read(), 10)) == b"1\n2\n3\n"


def test_a_line_is_never_late() -> None:
    """A line every 20 ms: each is at the reader in a small part of that."""
    delays: list[float] = []

    async def rows() -> AsyncIterator[float]:
        for _ in range(10):
            await asyncio.sleep(0.02)
            yield time.monotonic()

    async def read() -> None:
        async for piece in NDJSONResponse(rows()):
            delays.append(time.monotonic() - json.loads(piece))

    asyncio.run(read())
    assert len(delays) == 10
    assert sorted(delays)[5] < 0.005


@pytest.mark.parametrize("make", [numbers, async_numbers], ids=["sync", "async"])
def test_a_started_stream_has_its_first_record_and_runs_no_further(make: Callable[[int], Any]) -> None:
    made: list[int] = []

    def note(value: object) -> bytes:
        made.append(value)  # type: ignore[arg-type]
        return b"%d" % value

    async def rows() -> AsyncIterator[int]:
        for number in range(5):
            yield number
            await asyncio.sleep(0.001)

    async def check() -> bytes:
        response = NDJSONResponse(rows() if make is async_numbers else numbers(5))
        response.encode_with(note)
        await response.astart()
        await asyncio.sleep(0.02)
        assert made == [0]
        return b"".join(await pieces_of(response))

    assert asyncio.run(check()) == lines(5)


@pytest.mark.parametrize("protocol", ["asgi", "wsgi"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_error_before_the_first_record_is_raised_by_the_start(protocol: str, kind: str) -> None:
    """Invariant 74: and it leaves no stream open, nor a thread."""

    def rows() -> Iterator[int]:
        raise Http404("No such thing.")
        yield 1

    async def arows() -> AsyncIterator[int]:
        await asyncio.sleep(0)
        raise Http404("No such thing.")
        yield 1

    before = threading.active_count()
    response = NDJSONResponse(rows() if kind == "sync" else arows())
    with pytest.raises(Http404, match="No such thing"):
        asyncio.run(response.astart()) if protocol == "asgi" else response.start()
    assert len(open_streams()) == 0
    if protocol == "wsgi":
        assert threading.active_count() == before


ROUTES = {
    "empty/route.py": """
        async def GET():
            for number in ():
                yield number
        """,
    "empty_sync/route.py": """
        def GET():
            yield from ()
        """,
    "missing/route.py": """
        from django.http import Http404

        async def GET():
            raise Http404("No such thing.")
            yield 1
        """,
    "missing_sync/route.py": """
        from django.http import Http404

        def GET():
            raise Http404("No such thing.")
            yield 1
        """,
    "fails/route.py": """
        async def GET():
            raise ValueError("secret")
            yield 1
        """,
    "fails_sync/route.py": """
        def GET():
            raise ValueError("secret")
            yield 1
        """,
    "unframed/route.py": """
        async def GET():
            yield {1, 2}
        """,
    "numbers/route.py": """
        async def GET():
            yield 1
            yield 2
        """,
    "numbers_sync/route.py": """
        def GET():
            yield 1
            yield 2
        """,
    "mixed_sync/route.py": """
        from django_routehandlers import NDJSONResponse

        def rows():
            yield 1
            yield 2

        async def GET():
            return NDJSONResponse(rows())
        """,
    "mixed_async/route.py": """
        from django_routehandlers import NDJSONResponse

        async def rows():
            yield 1
            yield 2

        def GET():
            return NDJSONResponse(rows())
        """,
}


def send(client: Any, target: str, **fields: Any) -> tuple[int, str, bytes]:
    """Return status, media type and body, from either of Django's test clients."""
    if isinstance(client, AsyncClient):

        async def ask() -> tuple[int, str, bytes]:
            response: Any = await client.get(target, **fields)
            body = b"".join([part async for part in response]) if response.streaming else response.content
            return response.status_code, response["Content-Type"], body

        return asyncio.run(ask())
    response = client.get(target, **fields)
    return response.status_code, response["Content-Type"], response.getvalue()


clients = pytest.mark.parametrize("name", ["client", "async_client"], ids=["wsgi", "asgi"])
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"
FAILED = b'{"type":"about:blank","title":"Internal Server Error","status":500}'
MISSING = b'{"type":"about:blank","title":"Not Found","status":404,"detail":"No such thing."}'


@clients
@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/empty", (200, NDJSON, b"")),
        ("/empty_sync", (200, NDJSON, b"")),
        ("/missing", (404, PROBLEM, MISSING)),
        ("/missing_sync", (404, PROBLEM, MISSING)),
        ("/fails", (500, PROBLEM, FAILED)),
        ("/fails_sync", (500, PROBLEM, FAILED)),
        ("/unframed", (500, PROBLEM, FAILED)),
        ("/numbers", (200, NDJSON, b"1\n2\n")),
        ("/numbers_sync", (200, NDJSON, b"1\n2\n")),
        ("/mixed_sync", (200, NDJSON, b"1\n2\n")),
        ("/mixed_async", (200, NDJSON, b"1\n2\n")),
    ],
)
@pytest.mark.parametrize("middleware", [[], ["stream_clients.sync_only"]], ids=["bare", "sync middleware"])
def test_a_route_streams_or_answers_what_comes_before_the_first_record(
    site: Site,
    settings: Settings,
    name: str,
    target: str,
    answer: tuple[int, str, bytes],
    middleware: list[str],
) -> None:
    """Invariants 69 and 74."""
    settings.MIDDLEWARE = middleware
    site.serve(ROUTES)
    assert send(getattr(site, name), target) == answer
    assert len(open_streams()) == 0


@clients
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", NDJSON),
        ("application/x-ndjson", NDJSON),
        ("application/jsonl", "application/jsonl"),
        ("application/jsonl, application/x-ndjson;q=0.9", "application/jsonl"),
        ("application/jsonl;q=0.5, application/x-ndjson", NDJSON),
        ("application/*", NDJSON),
        ("text/html", NDJSON),
        ("", NDJSON),
    ],
)
def test_the_media_type_is_the_one_that_the_client_prefers(
    site: Site, settings: Settings, name: str, accept: str, media_type: str
) -> None:
    """RFC 9110, section 12.5.1; what fits none is sent all the same."""
    settings.MIDDLEWARE = []
    site.serve(ROUTES)
    assert send(getattr(site, name), "/numbers", headers={"accept": accept})[:2] == (200, media_type)


@pytest.mark.django_db
@clients
def test_over_the_cap_a_stream_is_503(site: Site, settings: Settings, name: str) -> None:
    """Invariant 78: with what a client needs to come again; and one that ends makes room."""
    settings.MIDDLEWARE = []
    site.serve(ROUTES)
    settings.ROUTEHANDLERS = {"MAX_OPEN_STREAMS": 1}
    held = NDJSONResponse(iter([1]))
    held.start()
    answer = send(getattr(site, name), "/numbers")
    assert answer == (
        503,
        PROBLEM,
        b'{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Too many streams are open."}',
    )
    if name == "client":
        assert site.client.get("/numbers")["Retry-After"] == "1"
    held.close()
    assert send(getattr(site, name), "/numbers") == (200, NDJSON, b"1\n2\n")


@pytest.mark.django_db
def test_no_cap_is_no_cap(site: Site, settings: Settings) -> None:
    settings.MIDDLEWARE = []
    site.serve(ROUTES)
    settings.ROUTEHANDLERS = {"MAX_OPEN_STREAMS": None}
    held = [NDJSONResponse(iter([1])) for _ in range(50)]
    for response in held:
        response.start()
    assert (len(open_streams()), send(site.client, "/numbers")[0]) == (50, 200)
    for response in held:
        response.close()


PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="none")


def view_of(make: Callable[[], StreamResponse], kind: str) -> Any:
    """Return a view that starts the stream as that of a route does."""

    async def view(request: HttpRequest) -> StreamResponse:
        response = make()
        await response.astart(request)
        return response

    def sync_view(request: HttpRequest) -> StreamResponse:
        response = make()
        response.start(request)
        return response

    return sync_view if kind == "def" else view


views = pytest.mark.parametrize("kind", ["def", "async def"])
chains = pytest.mark.parametrize("middleware", [[], ["sync_only"]], ids=["bare", "sync middleware"])


@views
@chains
def test_a_sync_producer_has_one_context_and_one_thread_to_its_end(
    kind: str, middleware: list[str], settings: Settings
) -> None:
    """What it sets before its first record holds in every batch, and the thread is that of the request."""
    settings.USE_I18N = True

    def rows() -> Iterator[list[object]]:
        PLACE.set("inside")
        with translation.override("de"):
            for _ in range(4):
                yield [PLACE.get(), translation.get_language(), threading.get_ident()]
                # Past the end of a batch.
                time.sleep(0.06)

    serve(settings, view_of(lambda: NDJSONResponse(rows()), kind), middleware)
    records = [json.loads(line) for line in visit().body.splitlines()]
    assert [record[:2] for record in records] == [["inside", "de"]] * 4
    assert len({record[2] for record in records}) == 1
    assert records[0][2] != threading.get_ident()


@views
@chains
def test_an_async_producer_has_one_context_and_one_task_to_its_end(
    kind: str, middleware: list[str], settings: Settings
) -> None:
    async def rows() -> AsyncIterator[list[object]]:
        PLACE.set("inside")
        for _ in range(3):
            yield [PLACE.get(), id(asyncio.current_task()), await sync_to_async(PLACE.get)()]
            await asyncio.sleep(0.01)

    serve(settings, view_of(lambda: NDJSONResponse(rows()), kind), middleware)
    records = [json.loads(line) for line in visit().body.splitlines()]
    assert records == [["inside", records[0][1], "inside"]] * 3
    assert PLACE.get() == "none"


@views
@chains
def test_sync_code_of_an_async_producer_runs_in_the_requests_thread(
    kind: str, middleware: list[str], settings: Settings
) -> None:
    """Before its first record and behind it, when the middleware that lent its thread has returned."""

    async def rows() -> AsyncIterator[int]:
        for _ in range(3):
            yield await sync_to_async(threading.get_ident)()
            await asyncio.sleep(0.01)

    seen: list[int] = []
    view = view_of(lambda: NDJSONResponse(rows()), kind)

    async def noting(request: HttpRequest) -> StreamResponse:
        seen.append(await sync_to_async(threading.get_ident)())
        return await (sync_to_async(view)(request) if kind == "def" else view(request))

    serve(settings, noting, middleware)
    assert [int(line) for line in visit().body.splitlines()] == seen * 3


@views
@chains
def test_a_sync_producer_may_call_async_code(kind: str, middleware: list[str], settings: Settings) -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * await sync_to_async(abs)(number)

    def rows() -> Iterator[int]:
        for number in range(3):
            yield async_to_sync(double)(number)
            time.sleep(0.06)

    serve(settings, view_of(lambda: NDJSONResponse(rows()), kind), middleware)
    assert visit().body == b"0\n2\n4\n"


def test_a_batch_that_no_thread_takes_is_an_error_and_no_endless_loop() -> None:
    async def check() -> None:
        executor = ThreadPoolExecutor(1)
        async with ThreadSensitiveContext(executor=executor):
            response = NDJSONResponse(itertools.count())
            await response.astart()
            content = aiter(response)
            assert (await anext(content)).startswith(b"0\n")
            executor.shutdown()
            async for _ in content:
                pass

    with pytest.raises(RuntimeError, match="shutdown"):
        asyncio.run(asyncio.wait_for(check(), 5))


async def models() -> AsyncIterator[str]:
    """Ask the database before the first record and behind it, in each of the ways there are."""
    first = await ContentType.objects.aget(app_label="a", model="m0")
    yield first.model
    await asyncio.sleep(0.001)
    async for row in ContentType.objects.filter(app_label="a").order_by("model").aiterator(chunk_size=2):
        yield row.model
    await asyncio.sleep(0.001)
    yield str(await ContentType.objects.filter(app_label="a").acount())


def sync_models() -> Iterator[str]:
    yield ContentType.objects.get(app_label="a", model="m0").model
    for row in ContentType.objects.filter(app_label="a").order_by("model").iterator(chunk_size=2):
        yield row.model
        time.sleep(0.02)
    yield str(ContentType.objects.filter(app_label="a").count())


MODELS = b'"m0"\n"m0"\n"m1"\n"m2"\n"m3"\n"m4"\n"5"\n'


class TestTransactions(TestCase):
    """Streams see what their test has not committed, through both of Django's test clients."""

    def setUp(self) -> None:
        for number in range(5):
            ContentType.objects.create(app_label="a", model=f"m{number}")

    def serve(self, middleware: list[str], kind: str, records: Callable[[], Any]) -> None:
        class URLConf:
            urlpatterns = [path("", view_of(lambda: NDJSONResponse(records()), kind))]

        override = self.settings(ROOT_URLCONF=URLConf, MIDDLEWARE=middleware)
        override.enable()
        self.addCleanup(override.disable)

    def cases(self) -> Iterator[None]:
        for middleware in ([], ["stream_clients.sync_only"]):
            for kind in ("def", "async def"):
                for records in (models, sync_models):
                    with self.subTest(middleware=middleware, kind=kind, records=records.__name__):
                        self.serve(middleware, kind, records)
                        yield

    def test_client(self) -> None:
        for _ in self.cases():
            response: Any = Client().get("/")
            assert (response.getvalue(), connection.in_atomic_block) == (MODELS, True)

    async def test_async_client(self) -> None:
        for _ in self.cases():
            response: Any = await AsyncClient().get("/")
            assert b"".join([part async for part in response]) == MODELS

    def test_async_client_in_a_sync_test(self) -> None:
        for _ in self.cases():

            async def ask() -> bytes:
                response: Any = await AsyncClient().get("/")
                return b"".join([part async for part in response])

            assert async_to_sync(ask)() == MODELS


@pytest.mark.django_db(transaction=True)
@views
@chains
@pytest.mark.parametrize("records", [models, sync_models], ids=["async", "sync"])
def test_the_database_can_be_asked_in_a_stream_under_asgi(
    kind: str, middleware: list[str], records: Callable[[], Any], settings: Settings
) -> None:
    for number in range(5):
        ContentType.objects.get_or_create(app_label="a", model=f"m{number}")
    serve(settings, view_of(lambda: NDJSONResponse(records()), kind), middleware)
    request_finished.connect(close_for_good)
    try:
        assert visit().body == MODELS
    finally:
        request_finished.disconnect(close_for_good)


def close_for_good(**kwargs: object) -> None:
    """Close the connection of a request's thread, which Django keeps where the database is in memory."""
    if threading.current_thread() is not threading.main_thread() and connection.connection is not None:
        connection.connection.close()
        connection.connection = None


@pytest.mark.django_db
def test_a_queryset_is_never_kept_whole() -> None:
    for number in range(5):
        ContentType.objects.create(app_label="a", model=f"m{number}")
    rows = ContentType.objects.filter(app_label="a").values("model").order_by("model")
    body = b"".join(NDJSONResponse(rows))
    assert body == b"".join(b'{"model":"m%d"}\n' % number for number in range(5))
    assert rows._result_cache is None  # type: ignore[attr-defined]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=8))
@settings(max_examples=400 if FULL else 60, deadline=None)
def test_what_is_yielded_is_what_is_read(values: list[object]) -> None:
    """Invariant 71: one line for each, by three ways to split lines, over both protocols and kinds of producer."""

    async def rows() -> AsyncIterator[object]:
        for value in values:
            yield value

    bodies = {
        b"".join(NDJSONResponse(values)),
        b"".join(NDJSONResponse(rows())),
        b"".join(read_async(NDJSONResponse(values))),
        b"".join(read_async(NDJSONResponse(rows()))),
    }
    [body] = bodies
    assert [json.loads(line) for line in body.split(b"\n")[:-1]] == values
    assert [json.loads(line) for line in body.decode().splitlines()] == values


@pytest.mark.parametrize("protocol", ["asgi", "wsgi"])
def test_a_number_that_json_has_not_is_null(protocol: str) -> None:
    """Invariant 72."""
    response = NDJSONResponse([math.nan, math.inf, 1.5])
    pieces = read_async(response) if protocol == "asgi" else list(response)
    assert b"".join(pieces) == b"null\nnull\n1.5\n"


@pytest.mark.parametrize("protocol", ["asgi", "wsgi"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_value_without_json_form_ends_the_stream_and_its_producer(protocol: str, kind: str) -> None:
    """Invariants 66 and 70."""
    closed: list[str] = []

    def rows() -> Iterator[object]:
        try:
            yield 1
            yield {2}
            yield 3
        finally:
            closed.append("closed")

    async def arows() -> AsyncIterator[object]:
        try:
            yield 1
            await asyncio.sleep(0)
            yield {2}
            yield 3
        finally:
            closed.append("closed")

    response = NDJSONResponse(rows() if kind == "sync" else arows())
    parts: list[bytes] = []

    async def read() -> None:
        async for part in response:
            parts.append(part)

    with pytest.raises(TypeError, match="A set has no order"):
        asyncio.run(read()) if protocol == "asgi" else parts.extend(response)
    if protocol == "asgi":
        assert [json.loads(line) for line in b"".join(parts).splitlines()] == [
            1,
            {"error": {"type": "about:blank", "title": "Internal Server Error", "status": 500}},
        ]
    assert closed == ["closed"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("protocol", ["asgi", "wsgi"])
def test_memory_is_flat_however_many_lines_there_are(kind: str, protocol: str) -> None:
    """A million lines in the full form: what is held at most is a few pieces."""

    def rows() -> Iterator[str]:
        for number in range(LINES):
            yield f"{number:060d}"

    async def arows() -> AsyncIterator[str]:
        for number in range(LINES):
            yield f"{number:060d}"

    async def read() -> int:
        size = 0
        async for piece in NDJSONResponse(rows() if kind == "sync" else arows()):
            size += len(piece)
        return size

    gc.collect()
    tracemalloc.start()
    try:
        if protocol == "asgi":
            size = asyncio.run(read())
        else:
            size = sum(len(piece) for piece in NDJSONResponse(rows() if kind == "sync" else arows()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == 63 * LINES
    assert peak < 2 * 1024 * 1024


def test_an_event_stream_that_is_silent_starts_with_a_comment(settings: Settings) -> None:
    """Within about a second, before there is an event; then a comment whenever it is silent."""
    settings.ROUTEHANDLERS = {"STREAM_HEARTBEAT": 0.05}

    async def events() -> AsyncIterator[int]:
        await asyncio.sleep(1.3)
        yield 1

    serve(settings, view_of(lambda: EventStreamResponse(events()), "async def"))
    visitor = visit()
    assert visitor.parts[0] == b":\n\n"
    assert visitor.parts[-1] == b"data: 1\n\n"
    assert 2 <= visitor.parts.count(b":\n\n") == len(visitor.parts) - 1


def test_a_slow_event_below_sync_middleware_may_ask_its_thread(settings: Settings) -> None:
    """The view returns before the first event: what it lent is gone, and what it asks next is asked elsewhere."""

    async def events() -> AsyncIterator[int]:
        await sync_to_async(time.sleep)(0.1)
        await asyncio.sleep(1.2)
        yield await sync_to_async(abs)(-1)
        yield await sync_to_async(abs)(-2)

    serve(settings, view_of(lambda: EventStreamResponse(events()), "async def"), ["sync_only"])
    assert visit().body == b":\n\ndata: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("is_async", [True, False], ids=["asgi", "wsgi"])
def test_a_stream_is_neither_measured_nor_marked_nor_compressed(is_async: bool, settings: Settings) -> None:
    """Invariants 75 and 77: by any middleware of Django's."""
    names = [
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    serve(settings, view_of(lambda: NDJSONResponse(async_numbers(500)), "async def" if is_async else "def"), names)
    fields = [("Accept-Encoding", "gzip"), ("If-None-Match", '"a"')]
    for _ in range(2):
        if is_async:
            visitor = visit(Visitor(fields=fields))
            body, header = visitor.body, visitor.response_fields
        else:
            answer = WSGIBody(HTTP_ACCEPT_ENCODING="gzip", HTTP_IF_NONE_MATCH='"a"')
            body, header = b"".join(answer.parts), answer.fields
            answer.close()
        assert body == lines(500)
        assert {name.lower() for name in header} & {"content-length", "content-encoding", "etag", "expires"} == set()
        assert header["Cache-Control"] == "no-store, no-transform"


def test_a_request_of_another_kind_may_start_a_stream() -> None:
    """A view that is called by hand, with a WSGI request, on a loop."""

    async def check() -> bytes:
        response = NDJSONResponse(async_numbers(2))
        await response.astart(RequestFactory().get("/"))
        return await sync_to_async(response.getvalue)()

    assert asyncio.run(check()) == b"0\n1\n"


class Custom(BaseException):
    """What no handler of exceptions sees."""


@pytest.mark.parametrize("error", [Custom, GeneratorExit])
def test_what_is_no_exception_breaks_a_stream_off_too(error: type[BaseException]) -> None:
    """Invariant 70."""

    async def rows() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.01)
        raise error

    response = NDJSONResponse(rows())
    parts: list[bytes] = []
    with pytest.raises(RuntimeError, match=f"The producer was ended by {error.__name__}"):
        parts.extend(response)
    assert json.loads(parts[-1].splitlines()[-1])["error"]["status"] == 500


def test_a_stream_says_that_it_is_encoded_already() -> None:
    response = NDJSONResponse([1])
    assert ("Content-Encoding" in response, response["Content-Encoding"], dict(response.items())) == (
        True,
        "identity",
        {"Content-Type": "application/x-ndjson", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"},
    )
