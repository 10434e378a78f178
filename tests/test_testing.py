"""The readers of streams for tests of routes: whole, one by one, in time, and how they end."""

import asyncio
import inspect
import json
import pickle
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

import django_routehandlers.testing as testing
from conftest import Site
from django_routehandlers.responses.ndjson import NDJSONResponse
from django_routehandlers.testing import (
    BrokenStream,
    ReceivedEvent,
    StreamError,
    StreamTimeout,
    aread_events,
    aread_records,
    open_events,
    open_records,
    read_events,
    read_records,
)
from docs_project import ROOT
from event_streams import EventStream, Message

pytest_plugins = ["pytester"]

PROBLEM = {"type": "about:blank", "title": "Internal Server Error", "status": 500}

Serve = Callable[[Callable[[], HttpResponseBase]], None]


@pytest.fixture
def serve(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Have ``/stream`` answer with what a function returns, in a plain Django view."""

    def serve(respond: Callable[[], HttpResponseBase]) -> None:
        def view(request: HttpRequest) -> HttpResponseBase:
            return respond()

        urlconf = ModuleType("stream_urls")
        urlconf.urlpatterns = [path("stream", view)]
        monkeypatch.setitem(sys.modules, urlconf.__name__, urlconf)
        settings.ROOT_URLCONF = urlconf.__name__

    return serve


class Producer:
    """Yields 1, 2 and 3; then it goes on for ever. Notes when it has cleaned up."""

    def __init__(self, frame: Callable[[int], Any] = int) -> None:
        self.frame = frame
        self.has_ended = False

    def sync(self) -> Iterator[Any]:
        try:
            number = 0
            while True:
                number += 1
                yield self.frame(number)
        finally:
            self.has_ended = True

    async def waiting(self) -> AsyncIterator[Any]:
        try:
            for number in (1, 2, 3):
                yield self.frame(number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.has_ended = True


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def handmade(parts: Any, content_type: str = "application/x-ndjson") -> StreamingHttpResponse:
    return StreamingHttpResponse(parts, content_type=content_type)


def events(*parts: bytes) -> StreamingHttpResponse:
    return handmade(parts, "text/event-stream")


def read(response: Any, reads: str) -> list[Any]:
    return read_records(response) if reads == "sync" else asyncio.run(aread_records(response))


KINDS: dict[str, tuple[Producer, Callable[[Producer], HttpResponseBase]]] = {
    "ours-sync": (Producer(), lambda producer: NDJSONResponse(producer.sync())),
    "ours-async": (Producer(), lambda producer: NDJSONResponse(producer.waiting())),
    "django-sync": (Producer(line), lambda producer: handmade(producer.sync())),
    "django-async": (Producer(line), lambda producer: handmade(producer.waiting())),
}


@pytest.fixture(params=KINDS)
def produced(request: pytest.FixtureRequest) -> tuple[Producer, Callable[[], HttpResponseBase]]:
    """Return a producer, and what makes a response of it: ours and Django's, sync and async."""
    pattern, respond = KINDS[request.param]
    producer = Producer(pattern.frame)
    return producer, lambda: respond(producer)


Produced = tuple[Producer, Callable[[], HttpResponseBase]]


@pytest.mark.parametrize("by_client", [True, False], ids=["client", "by-hand"])
def test_sync_reader_stops_at_the_limit_and_closes(produced: Produced, serve: Serve, by_client: bool) -> None:
    producer, respond = produced
    serve(respond)
    response = Client().get("/stream") if by_client else respond()
    assert read_records(response, 3) == [1, 2, 3]
    assert (producer.has_ended, response.closed) == (True, True)


@pytest.mark.parametrize("by_client", [True, False], ids=["client", "by-hand"])
def test_async_reader_stops_at_the_limit_and_closes(produced: Produced, serve: Serve, by_client: bool) -> None:
    producer, respond = produced
    serve(respond)

    async def read() -> bool:
        response = await AsyncClient().get("/stream") if by_client else respond()
        assert await aread_records(response, 3) == [1, 2, 3]
        # Before the loop ends, which would close what is open.
        assert response.closed
        return producer.has_ended

    assert asyncio.run(read())


def test_sync_stream_gives_a_record_at_a_time(produced: Produced, serve: Serve) -> None:
    producer, respond = produced
    serve(respond)
    with open_records(Client().get("/stream")) as records:
        assert (next(records), next(records)) == (1, 2)
        assert not producer.has_ended
    assert producer.has_ended


def test_async_stream_gives_a_record_at_a_time(produced: Produced, serve: Serve) -> None:
    producer, respond = produced
    serve(respond)

    async def read() -> tuple[bool, bool]:
        async with open_records(AsyncClient().get("/stream")) as records:
            assert [await anext(records), await anext(records)] == [1, 2]
            before = producer.has_ended
        return before, producer.has_ended

    assert asyncio.run(read()) == (False, True)


def test_sync_producer_is_not_ahead_of_a_sync_reader() -> None:
    steps: list[str] = []

    def numbers() -> Iterator[int]:
        for number in (1, 2):
            steps.append(f"yields {number}")
            yield number

    with open_records(NDJSONResponse(numbers())) as records:
        for number in records:
            steps.append(f"read {number}")
    assert steps == ["yields 1", "read 1", "yields 2", "read 2"]


def test_async_producer_goes_on_when_the_test_lets_it() -> None:
    async def read() -> list[object]:
        go_on = asyncio.Event()

        async def numbers() -> AsyncIterator[int]:
            yield 1
            await go_on.wait()
            yield 2

        async with open_records(NDJSONResponse(numbers())) as records:
            first = await anext(records)
            go_on.set()
            return [first, *[number async for number in records]]

    assert asyncio.run(read()) == [1, 2]


def test_stream_that_is_left_unread_is_closed(produced: Produced) -> None:
    _, respond = produced
    response = respond()
    with open_records(response):
        pass
    assert response.closed


def test_stream_of_a_route_that_is_left_unread_is_cleaned_up(site: Site) -> None:
    text = """
        from pathlib import Path

        async def GET(file: str):
            try:
                while True:
                    yield 1
            finally:
                Path(file).touch()
    """
    site.serve({"numbers/route.py": text})

    async def read() -> bool:
        async with open_records(site.async_client.get("/numbers", {"file": str(site.root / "async")})):
            pass
        return (site.root / "async").exists()

    with open_records(site.client.get("/numbers", {"file": str(site.root / "sync")})):
        pass
    assert (site.root / "sync").exists()
    assert asyncio.run(read())


def test_stream_of_a_route_is_read(site: Site) -> None:
    site.serve({"numbers/route.py": "async def GET():\n    yield 1\n    yield {'b': 2}"})
    assert read_records(site.client.get("/numbers")) == [1, {"b": 2}]
    assert asyncio.run(aread_records(site.async_client.get("/numbers"))) == [1, {"b": 2}]


async def names() -> AsyncIterator[bytes]:
    async for name in User.objects.values_list("username", flat=True).aiterator():
        yield line(name)


@pytest.mark.django_db
def test_producer_reads_the_database_in_the_transaction_of_the_test(serve: Serve) -> None:
    User.objects.create(username="ada")
    serve(lambda: handmade(names()))
    assert read_records(Client().get("/stream")) == ["ada"]
    assert async_to_sync(aread_records)(AsyncClient().get("/stream")) == ["ada"]


@pytest.mark.parametrize("content_type", ["application/x-ndjson; charset=utf-8", "application/jsonl"])
def test_media_types_of_ndjson_are_read(content_type: str) -> None:
    response = HttpResponse(b'1\n\n"\xe2\x80\xa8"\r\n{"last": true}', content_type=content_type)
    assert read_records(response) == [1, "\u2028", {"last": True}]


# Time


def test_async_reader_gives_up_after_the_timeout() -> None:
    producer = Producer()
    with pytest.raises(StreamTimeout, match=r"^NDJSONResponse: 3 records came within 1 s, and no more\. "):
        asyncio.run(aread_records(NDJSONResponse(producer.waiting()), timeout=1))
    assert producer.has_ended


@pytest.mark.parametrize("kind", ["ours-async", "django-async"])
def test_sync_reader_interrupts_an_async_producer(kind: str, serve: Serve) -> None:
    pattern, respond = KINDS[kind]
    producer = Producer(pattern.frame)
    serve(lambda: respond(producer))
    with pytest.raises(StreamTimeout, match=r"^GET /stream: 3 records came within 1 s, and no more\. "):
        read_records(Client().get("/stream"), timeout=1)
    assert producer.has_ended


def test_endless_stream_without_a_limit_runs_out_of_time(produced: Produced) -> None:
    producer, respond = produced
    with pytest.raises(StreamTimeout):
        read_records(respond(), timeout=0.1)
    assert producer.has_ended


def test_time_is_for_each_record_of_an_open_stream() -> None:
    async def read() -> list[Any]:
        async def numbers() -> AsyncIterator[int]:
            for number in range(4):
                await asyncio.sleep(0.4)
                yield number

        async with open_records(NDJSONResponse(numbers()), timeout=1) as records:
            return [number async for number in records]

    assert asyncio.run(read()) == [0, 1, 2, 3]


def test_route_that_never_yields_runs_out_of_time(site: Site) -> None:
    site.serve({"never/route.py": "import asyncio\n\nasync def GET():\n    await asyncio.sleep(60)\n    yield 1"})
    with pytest.raises(StreamTimeout, match=": 0 records came within 0.1 s, and no more"):
        asyncio.run(aread_records(site.async_client.get("/never"), timeout=0.1))


def test_producer_that_does_not_end_is_reported() -> None:
    async def numbers() -> AsyncIterator[bytes]:
        try:
            yield b"1\n"
        finally:
            await asyncio.sleep(60)

    with pytest.raises(StreamTimeout, match=r"the producer did not end within 0\.1 s of being closed"):
        asyncio.run(aread_records(handmade(numbers()), 1, timeout=0.1))


def test_producer_that_does_not_end_when_time_is_up_is_reported() -> None:
    async def numbers() -> AsyncIterator[bytes]:
        try:
            await asyncio.sleep(60)
            yield b""
        finally:
            await asyncio.sleep(60)

    with pytest.raises(StreamTimeout, match="0 records came within"):
        asyncio.run(aread_records(handmade(numbers()), 1, timeout=0.1))


def test_time_out_of_the_producer_itself_is_an_error_of_its_own() -> None:
    async def numbers() -> AsyncIterator[bytes]:
        yield b"1\n"
        raise TimeoutError("of a socket")

    with pytest.raises(BrokenStream) as caught:
        asyncio.run(aread_records(handmade(numbers())))
    assert repr(caught.value.__cause__) == "TimeoutError('of a socket')"


# Streams that broke off


async def afailing() -> AsyncIterator[int]:
    yield 1
    raise ValueError("secret")


def failing() -> Iterator[int]:
    yield 1
    raise ValueError("secret")


@pytest.mark.parametrize("producer", [failing, afailing])
@pytest.mark.parametrize("reads", ["sync", "async"])
def test_broken_stream_is_raised_with_what_was_read(producer: Callable[[], Any], reads: str, serve: Serve) -> None:
    serve(lambda: NDJSONResponse(producer()))
    with pytest.raises(BrokenStream, match="^GET /stream: the stream broke off after 1 record, ") as caught:
        read((Client() if reads == "sync" else AsyncClient()).get("/stream"), reads)
    error = caught.value
    assert (error.problem, error.records, repr(error.__cause__)) == (PROBLEM, [1], "ValueError('secret')")


def test_records_before_the_break_can_be_read_alone() -> None:
    assert read_records(NDJSONResponse(failing()), 1) == [1]


def test_error_record_at_a_quiet_end_is_a_broken_stream() -> None:
    # As a proxy passes it on: no exception tells.
    with pytest.raises(BrokenStream) as caught:
        read_records(handmade([line(1), line({"error": PROBLEM})]))
    assert (caught.value.problem, caught.value.records, caught.value.__cause__) == (PROBLEM, [1], None)


def test_error_record_among_others_is_a_record() -> None:
    records = [{"error": PROBLEM}, {"error": PROBLEM}, {"error": "none of ours"}]
    assert read_records(handmade(map(line, records))) == records


def test_exception_without_an_error_record_is_a_broken_stream() -> None:
    with pytest.raises(BrokenStream) as caught:
        read_records(handmade(line(number) for number in failing()))
    assert (caught.value.problem, caught.value.records) == (None, [1])
    assert isinstance(caught.value.__cause__, ValueError)


def test_error_event_is_a_broken_stream() -> None:
    end = b"event: error\ndata: " + line(PROBLEM) + b"\n"
    with pytest.raises(BrokenStream) as caught:
        read_events(events(b"data: 1\n\n", end))
    assert (caught.value.problem, caught.value.records) == (PROBLEM, [ReceivedEvent("message", "1")])
    assert len(read_events(events(b"event: error\ndata: of our own\n\n"))) == 1


def test_broken_stream_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(BrokenStream("GET /", PROBLEM, [1])))
    assert (str(error), error.problem, error.records) == (str(BrokenStream("GET /", PROBLEM, [1])), PROBLEM, [1])


# What is no stream


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (
            HttpResponse(b'{"detail": "No."}', content_type="application/problem+json", status=404),
            r"HttpResponse: the status is 404, and 200 was expected. Its content is b'{\"detail\": \"No.\"}'",
        ),
        (
            HttpResponse(b"<p>", content_type="text/html; charset=utf-8"),
            "HttpResponse: the media type is 'text/html'. A stream that can be read here is application/x-ndjson or "
            "application/jsonl. Its content is b'<p>'",
        ),
        (
            StreamingHttpResponse([b""], content_type="application/jsonl", headers={"Content-Encoding": "gzip"}),
            "StreamingHttpResponse: the content coding is 'gzip'. Send the request without Accept-Encoding. "
            "Its content is a stream, not read",
        ),
    ],
    ids=["status", "media type", "coding"],
)
@pytest.mark.parametrize("reads", ["sync", "async"])
def test_other_response_is_an_error_that_shows_it(response: HttpResponseBase, message: str, reads: str) -> None:
    with pytest.raises(StreamError) as caught:
        read(response, reads)
    assert (str(caught.value), response.closed) == (message.replace('\\"', '"'), True)


def test_other_status_can_be_expected() -> None:
    assert read_records(NDJSONResponse([1], status=202), status=202) == [1]


@pytest.mark.parametrize("body", [b"1\n{]\n", b"1\nNaN\n", b"1\n\xff\n"])
def test_line_that_is_not_json_is_named(body: bytes) -> None:
    with pytest.raises(StreamError, match=r"^StreamingHttpResponse: Line 2 is not JSON \("):
        read_records(handmade([body]))


def test_request_that_is_not_awaited_is_refused_by_a_sync_reader(serve: Serve) -> None:
    serve(HttpResponse)
    with pytest.raises(TypeError, match="^A coroutine was given where a response is due"):
        read_records(AsyncClient().get("/stream"))  # pyright: ignore[reportArgumentType]


def test_sync_reader_on_the_loop_names_the_async_one() -> None:
    async def read() -> None:
        read_records(NDJSONResponse(Producer().waiting()))

    with pytest.raises(StreamError, match="Use `async with` or an `aread_...` function"):
        asyncio.run(read())


def test_exception_of_the_view_is_raised_as_it_is(serve: Serve) -> None:
    def fail() -> HttpResponseBase:
        raise ValueError("in the view")

    serve(fail)
    with pytest.raises(ValueError, match="in the view"):
        asyncio.run(aread_records(AsyncClient().get("/stream")))


# Events, as WHATWG HTML, section 9.2.6 has them


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [ReceivedEvent("message", "YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [ReceivedEvent("message", "first event", "1"), *(ReceivedEvent("message", "second event"),)]
            + [ReceivedEvent("message", " third event")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [ReceivedEvent("message", ""), ReceivedEvent("message", "\n")]),
        (b"data:test\n\ndata: test\n\n", [ReceivedEvent("message", "test")] * 2),
        (b"\xef\xbb\xbfevent: a\rdata: 1\r\rdata: 2\r\n\r\n", [ReceivedEvent("a", "1"), ReceivedEvent("message", "2")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", [ReceivedEvent("message", "2")]),
        (b"event: a\n\ndata: 1\n\n", [ReceivedEvent("message", "1")]),
        (b"id: 7\n\ndata: 1\n\n", [ReceivedEvent("message", "1", "7")]),
        (b"id: 7\nid: a\0b\ndata: 1\n\n", [ReceivedEvent("message", "1", "7")]),
        (
            b"retry: 1000\ndata: 1\n\ndata: 2\n\n",
            [ReceivedEvent("message", "1", "", 1000), ReceivedEvent("message", "2")],
        ),
        ("retry: 1x\nretry: \u0663\nfoo: bar\ndata: 1\n\n".encode(), [ReceivedEvent("message", "1")]),
        (b"data: \xff\n\n", [ReceivedEvent("message", "\ufffd")]),
        (b"data: a\x0bb\x0c\xc2\x85c\n\n", [ReceivedEvent("message", "a\x0bb\x0c\x85c")]),
    ],
)
def test_events_are_read_as_a_browser_reads_them(body: bytes, expected: list[ReceivedEvent]) -> None:
    assert read_events(events(body)) == expected
    assert read_events(events(*(body[index : index + 1] for index in range(len(body))))) == expected


def test_comments_come_with_the_next_event() -> None:
    (event,) = read_events(events(b":\n\n: two\n\n", b"data: [1]\n\n"))
    assert (event.comments, event.json()) == (("", "two"), [1])


def test_data_that_is_not_json_is_an_error() -> None:
    with pytest.raises(StreamError, match="^The data of an event 'message' is not JSON"):
        ReceivedEvent("message", "{").json()


def test_event_is_given_before_the_stream_waits() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"data: 1\r\r"
        await asyncio.sleep(60)

    response = handmade(parts(), "text/event-stream")
    assert asyncio.run(aread_events(response, 1)) == [ReceivedEvent("message", "1")]


@pytest.mark.parametrize("reads", ["sync", "async"])
def test_events_of_a_route_are_read(site: Site, reads: str) -> None:
    text = """
        import asyncio
        from collections.abc import AsyncIterator

        from django_routehandlers import ServerSentEvent

        async def GET() -> AsyncIterator[ServerSentEvent]:
            yield ServerSentEvent({"a": 1}, event="tick", id="7", retry=100)
            yield ServerSentEvent("two\\nlines")
            await asyncio.sleep(60)
    """
    site.serve({"events/route.py": text})
    expected = [ReceivedEvent("tick", '{"a":1}', "7", 100), ReceivedEvent("message", "two\nlines", "7")]
    if reads == "sync":
        assert read_events(site.client.get("/events"), 2) == expected
    else:
        assert asyncio.run(aread_events(site.async_client.get("/events"), 2)) == expected


def test_events_are_given_one_at_a_time() -> None:
    with open_events(events(b"data: 1\n\ndata: 2\n\n")) as opened:
        assert [event.data for event in opened] == ["1", "2"]


# Cuts


def cut(body: bytes, points: list[int]) -> list[bytes]:
    """Return *body* in parts that end at the points, some of them empty."""
    edges = [0, *sorted(point % (len(body) + 1) for point in points), len(body)]
    return [body[start:end] for start, end in zip(edges, edges[1:], strict=False)]


POINTS = st.lists(st.integers(min_value=0, max_value=1000))


@given(st.lists(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4), max_size=8), POINTS)
def test_records_are_the_same_wherever_the_parts_are_cut(records: list[Any], points: list[int]) -> None:
    body = b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)
    assert read_records(handmade(cut(body, points))) == records


PIECES = st.sampled_from([b"data", b"id", b":", b" ", b"\r", b"\n", b"\r\n", b"retry: 1", b"\xc3\xa9", b"\xef\xbb\xbf"])


@given(st.lists(PIECES), POINTS)
def test_events_are_the_same_wherever_the_parts_are_cut(pieces: list[bytes], points: list[int]) -> None:
    body = b"".join(pieces)
    assert read_events(events(*cut(body, points))) == read_events(events(body))


@given(st.lists(PIECES | st.binary(max_size=3)))
def test_events_are_those_that_an_independent_parser_reads(pieces: list[bytes]) -> None:
    other = EventStream()
    other.feed(b"".join(pieces))
    assert [Message(event.type, event.data, event.id) for event in read_events(events(*pieces))] == other.messages


# The plugin of pytest


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a folder of tests outside this checkout, in which nothing is configured."""
    pytester.makeini("[pytest]\naddopts = -p no:xdist -p no:django -p no:schemathesis\n")
    return pytester


FIXTURES = [
    "abrowser_client",
    "aread_events",
    "aread_records",
    "aroute_client",
    "assert_num_hops",
    "browser_client",
    "read_events",
    "read_records",
    "route_cache",
    "route_client",
]


@pytest.mark.servers
def test_fixtures_are_there_by_installation_alone(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--fixtures", "-q")
    names = [name.split(" ")[0] for name in result.outlines if "django_routehandlers/testing/plugin.py:" in name]
    assert sorted(names) == FIXTURES
    result.stdout.fnmatch_lines(["read_records *", "    The function that reads an NDJSON stream and closes it:"])


@pytest.mark.servers
def test_fixtures_read_streams(project: pytest.Pytester) -> None:
    project.makepyfile(
        dedent(
            """
            import asyncio

            from django.conf import settings

            settings.configure()

            from django.http import StreamingHttpResponse


            def lines():
                return StreamingHttpResponse([b"1\\n2\\n"], content_type="application/x-ndjson")


            def events():
                return StreamingHttpResponse([b"data: 1\\n\\n"], content_type="text/event-stream")


            def test_records(read_records, aread_records):
                assert read_records(lines(), 1) == [1]
                assert asyncio.run(aread_records(lines())) == [1, 2]


            def test_events(read_events, aread_events):
                assert [event.data for event in read_events(events())] == ["1"]
                assert [event.data for event in asyncio.run(aread_events(events()))] == ["1"]
            """
        )
    )
    project.runpytest_subprocess("-q").assert_outcomes(passed=2)


@pytest.mark.servers
def test_plugin_imports_nothing_of_django(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import sys


        def test_modules():
            assert "django_routehandlers.testing.plugin" in sys.modules
            assert [name for name in sys.modules if name.split(".")[0] == "django"] == []
        """
    )
    project.runpytest_subprocess("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize(("package", "modules"), [("pytest", ["plugin.py"]), ("schemathesis", [])])
def test_only_the_plugin_imports_pytest_and_nothing_schemathesis(package: str, modules: list[str]) -> None:
    """Not at once, that is: what is asked for may need it."""
    room = ROOT / "django_routehandlers/testing"
    found = {
        path.name: re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE) for path in room.glob("*.py")
    }
    assert [name for name, imported in found.items() if package in imported] == modules


def names_in(section: str) -> list[str]:
    """Return what the first cells of a table of the reference name, as it is written there."""
    page = (ROOT / "docs/reference/testing.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {section}\n(.+?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, section
    cells = re.findall(r"^\| ([^|]+) \|", found[1], re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_fixtures_are_in_the_reference() -> None:
    assert sorted(names_in("Fixtures")) == FIXTURES


def test_names_are_in_the_reference_with_their_signatures() -> None:
    written = {name.partition("(")[0]: name for name in names_in("Names")}
    assert sorted(written) == sorted(testing.__all__)
    for name, shown in written.items():
        if "(" in shown and "..." not in shown:
            assert shown == f"{name}{unannotated(getattr(testing, name))}"


@pytest.mark.parametrize(
    ("section", "kinds"),
    [
        ("The route cache", [testing.RouteCache]),
        ("Test cases", [testing.RouteTestMixin]),
        ("Responses", [testing.RouteResponse, testing.AsyncRouteResponse]),
    ],
)
def test_attributes_are_in_the_reference_with_their_signatures(section: str, kinds: list[type]) -> None:
    written = {name.partition("(")[0]: name for name in (one.removeprefix("self.") for one in names_in(section))}
    for kind in kinds:
        members = {**kind.__annotations__, **vars(kind)}
        assert sorted(written) == sorted(name for name in members if not name.startswith("_"))
        for name, shown in written.items():
            if "(" in shown and name != "json":
                assert shown == f"{name}{unannotated(members[name]).replace('(self, ', '(').replace('(self)', '()')}"


def unannotated(function: Callable[..., Any]) -> str:
    """Return the parameters of a function, without their types."""
    found = inspect.signature(function)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()]
    return str(found.replace(parameters=plain, return_annotation=inspect.Signature.empty))


def test_names_are_those_that_are_listed() -> None:
    assert {name: getattr(testing, name).__name__ for name in testing.__all__} == {
        name: name for name in testing.__all__
    }
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        _ = testing.missing
