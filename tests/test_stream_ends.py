"""However a stream ends, its producer is closed at once, its request finishes once, and a part is no whole."""

import asyncio
import gc
import itertools
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import django
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import Http404, HttpRequest
from pytest_django import Settings

from django_routehandlers.asgi import RouteASGIHandler
from django_routehandlers.responses.event_stream import EventStreamResponse
from django_routehandlers.responses.ndjson import NDJSONResponse
from django_routehandlers.responses.open_streams import open_streams
from django_routehandlers.responses.problems import Refusal
from django_routehandlers.responses.stream import StreamResponse
from stream_clients import Visitor, WSGIBody, serve, signals, visit

# Django before 6.1 runs a response in a task of its own, which it forgets when its own is cancelled. Ours does not.
HANDLER = ASGIHandler if django.VERSION >= (6, 1) else RouteASGIHandler
ERROR_LINE = b'{"error":{"type":"about:blank","title":"Internal Server Error","status":500}}\n'


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> Iterator[None]:
    """Leave what other files have made out of each collection, which takes a quarter of a second otherwise."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """Nothing may depend on when garbage is collected."""
    gc.collect()
    gc.disable()
    # As Django's test client does: the end of a request leaves the test's own connection open.
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)
    gc.enable()


class Source:
    """Producers that yield 0, 1 and so on for ever, and write down how they end."""

    def __init__(self, bad: int | None = None) -> None:
        self.bad = bad
        self.ends: list[object] = []
        self.count = 0

    def sync(self) -> Iterator[int]:
        try:
            for number in self._numbers():
                yield number
                time.sleep(0.02)
        finally:
            self.ends.append("closed")

    async def waiting(self) -> AsyncIterator[int]:
        """Wait for ever behind the first record."""
        try:
            for number in self._numbers():
                yield number
                await (asyncio.sleep(0) if self.bad else asyncio.Future())
        finally:
            # Cleaning up may wait, too.
            await asyncio.sleep(0)
            self.ends.append("closed")

    async def hot(self) -> AsyncIterator[int]:
        """Never wait."""
        try:
            for number in self._numbers():
                yield number
        finally:
            await asyncio.sleep(0)
            self.ends.append("closed")

    def hot_sync(self) -> Iterator[int]:
        """Never wait, in a thread."""
        try:
            yield from self._numbers()
        finally:
            self.ends.append("closed")

    def _numbers(self) -> Iterator[int]:
        for number in itertools.count():
            if number == self.bad:
                raise ValueError("secret")
            self.count += 1
            yield number


Produce = Callable[[Source], Any]
PRODUCERS = [Source.sync, Source.waiting, Source.hot, Source.hot_sync]
all_sources = pytest.mark.parametrize("produce", PRODUCERS, ids=["sync", "waiting", "hot", "hot-sync"])
both_kinds = pytest.mark.parametrize("produce", [Source.sync, Source.waiting], ids=["sync", "async"])
primed = pytest.mark.parametrize("is_primed", [False, True], ids=["plain view", "as a route"])
through = pytest.mark.parametrize(
    "middleware",
    [[], ["django.middleware.gzip.GZipMiddleware"], ["wrapping"], ["wrapping_sync"], ["sync_only", "wrapping"]],
    ids=["bare", "gzip", "wrapped", "wrapped by sync middleware", "wrapped below sync middleware"],
)


def streaming(make: Callable[[], StreamResponse], is_primed: bool, kept: list[StreamResponse] | None = None) -> Any:
    """Return a view; primed, it does what the view of a route does."""

    async def view(request: HttpRequest) -> StreamResponse:
        response = make()
        if kept is not None:
            kept.append(response)
        if is_primed:
            await response.astart(request)
        return response

    return view


async def leave_while_it_runs(visitor: Visitor, task: asyncio.Task[None]) -> None:
    await visitor.until(lambda: visitor.body)
    visitor.left.set()
    await visitor.until(task.done)


async def leave_while_send_is_blocked(visitor: Visitor, task: asyncio.Task[None]) -> None:
    visitor.takes = 0
    await leave_while_it_runs(visitor, task)


async def cancel_while_it_runs(visitor: Visitor, task: asyncio.Task[None]) -> None:
    await visitor.until(lambda: visitor.body)
    task.cancel()
    await visitor.until(task.done)


async def cancel_while_send_is_blocked(visitor: Visitor, task: asyncio.Task[None]) -> None:
    visitor.takes = 0
    await cancel_while_it_runs(visitor, task)


async def fail_to_send(visitor: Visitor, task: asyncio.Task[None]) -> None:
    visitor.fails = OSError("gone")
    await visitor.until(task.done)


def nothing_is_left() -> bool:
    """Return whether the loop has no other task; but one that Django before 6.1 forgets when it is cancelled."""
    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks() - {asyncio.current_task()}}  # type: ignore[union-attr]
    return names <= {"ASGIHandler.listen_for_disconnect"}


WAYS = [
    leave_while_it_runs,
    leave_while_send_is_blocked,
    cancel_while_it_runs,
    cancel_while_send_is_blocked,
    fail_to_send,
]


@all_sources
@primed
@through
@pytest.mark.parametrize("way", WAYS)
def test_the_producer_is_closed_within_a_second(
    produce: Produce, is_primed: bool, middleware: list[str], way: Any, settings: Settings
) -> None:
    """Invariant 66, and 67 of those that never wait."""
    source, kept, errors = Source(), list[StreamResponse](), list[str]()
    serve(settings, streaming(lambda: NDJSONResponse(produce(source)), is_primed, kept), middleware)

    async def check() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(str(context)))
        visitor = Visitor(handler=HANDLER)
        task = asyncio.create_task(visitor.visit())
        await way(visitor, task)
        await visitor.until(lambda: source.ends)
        assert not visitor.is_whole
        with suppress(OSError, asyncio.CancelledError):
            await task
        await visitor.until(nothing_is_left)

    with signals() as noted:
        asyncio.run(check())
    assert (source.ends, noted, kept[0].closed, errors) == (["closed"], ["started", "finished"], True, [])
    assert len(open_streams()) == 0


@both_kinds
@primed
@through
def test_a_producer_that_fails_is_closed_and_reported_once(
    produce: Produce, is_primed: bool, middleware: list[str], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Invariant 70: one record, a broken-off body, the log and the signal, whose receivers see the exception."""
    source, kept = Source(bad=2), list[StreamResponse]()
    serve(settings, streaming(lambda: NDJSONResponse(produce(source), name="/a GET"), is_primed, kept), middleware)
    visitor = Visitor()
    with signals() as noted, pytest.raises(ValueError, match="^secret$") as caught:
        asyncio.run(visitor.visit())
    assert (visitor.body, visitor.is_whole, source.ends) == (b"0\n1\n" + ERROR_LINE, False, ["closed"])
    assert (noted, noted.errors, kept[0].closed) == (["started", "failed", "finished"], [caught.value], True)
    assert [
        (entry.levelno, entry.getMessage(), entry.exc_info and entry.exc_info[1])
        for entry in caplog.records
        if entry.name == "django.request"
    ] == [(logging.ERROR, "/a GET: the stream broke off.", caught.value)]


@both_kinds
@pytest.mark.parametrize("middleware", [[], ["wrapping"], ["wrapping_sync"]], ids=["bare", "wrapped", "wrapped sync"])
def test_a_producer_that_fails_is_closed_and_reported_once_under_wsgi(
    produce: Produce, middleware: list[str], settings: Settings
) -> None:
    """Invariant 70."""
    source = Source(bad=2)

    def view(request: HttpRequest) -> StreamResponse:
        response = NDJSONResponse(produce(source))
        response.start(request)
        return response

    serve(settings, view, middleware)
    with signals() as noted:
        body = WSGIBody()
        parts = [next(body.parts)]
        with pytest.raises(ValueError, match="^secret$") as caught:
            parts.extend(body.parts)
        body.close()
    assert (b"".join(parts), source.ends) == (b"0\n1\n" + ERROR_LINE, ["closed"])
    assert (noted, noted.errors) == (["started", "failed", "finished"], [caught.value])


@all_sources
@pytest.mark.parametrize("middleware", [[], ["wrapping"], ["wrapping_sync"]], ids=["bare", "wrapped", "wrapped sync"])
@primed
def test_the_producer_is_closed_when_a_client_leaves_wsgi(
    produce: Produce, middleware: list[str], is_primed: bool, settings: Settings
) -> None:
    """Invariants 66 and 69: a producer without an end streams, and ends when the server closes the response."""
    source = Source()
    before = threading.active_count()

    def view(request: HttpRequest) -> StreamResponse:
        response = NDJSONResponse(produce(source))
        if is_primed:
            response.start(request)
        return response

    serve(settings, view, middleware)
    with signals() as noted:
        body = WSGIBody()
        assert next(body.parts).startswith(b"0\n")
        start = time.monotonic()
        body.close()
        assert time.monotonic() - start < 1
    assert (source.ends, noted) == (["closed"], ["started", "finished"])
    assert (len(open_streams()), threading.active_count()) == (0, before)


@all_sources
@pytest.mark.parametrize("middleware", [["dropping"], ["sync_only", "dropping"], ["dropping", "sync_only"]])
def test_a_response_that_middleware_drops_is_closed(
    produce: Produce, middleware: list[str], settings: Settings
) -> None:
    """Invariant 66: the view has started it, and nobody will read or close it."""
    source = Source()
    serve(settings, streaming(lambda: NDJSONResponse(produce(source)), is_primed=True), middleware)

    async def check() -> None:
        visitor = Visitor()
        await visitor.visit()
        assert visitor.body == b"other"
        await visitor.until(lambda: source.ends)

    asyncio.run(check())
    assert (source.ends, len(open_streams())) == (["closed"], 0)


@all_sources
def test_a_response_of_a_sync_view_that_middleware_drops_is_closed(produce: Produce, settings: Settings) -> None:
    """Invariant 66."""
    source = Source()

    def view(request: HttpRequest) -> StreamResponse:
        response = NDJSONResponse(produce(source))
        response.start(request)
        return response

    serve(settings, view, ["dropping"])

    async def check() -> None:
        visitor = Visitor()
        await visitor.visit()
        assert visitor.body == b"other"
        await visitor.until(lambda: source.ends)

    asyncio.run(check())
    assert (source.ends, len(open_streams())) == (["closed"], 0)


@all_sources
def test_a_response_that_middleware_drops_is_closed_under_wsgi(produce: Produce, settings: Settings) -> None:
    """Invariant 66. The loop of an async producer goes with it."""
    source = Source()
    before = threading.active_count()

    def view(request: HttpRequest) -> StreamResponse:
        response = NDJSONResponse(produce(source))
        response.start(request)
        return response

    serve(settings, view, ["dropping"])
    body = WSGIBody()
    assert b"".join(body.parts) == b"other"
    body.close()
    deadline = time.monotonic() + 1
    while (not source.ends or threading.active_count() > before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (source.ends, len(open_streams()), threading.active_count()) == (["closed"], 0, before)


@all_sources
@pytest.mark.parametrize("how", ["fails", "cancelled", "leaves"])
def test_a_response_that_is_never_sent_is_closed(produce: Produce, how: str, settings: Settings) -> None:
    """Invariant 66: between the view and the sending, where Django forgets it."""
    source = Source()
    serve(settings, streaming(lambda: NDJSONResponse(produce(source)), is_primed=True))

    async def check() -> None:
        visitor = Visitor(handler=RouteASGIHandler)

        async def send(message: dict[str, Any]) -> None:
            if how == "fails":
                raise OSError("gone")
            if how == "leaves":
                visitor.left.set()
            await asyncio.Future()

        visitor._send = send  # type: ignore[method-assign]
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: source.count or task.done())
        if how == "cancelled":
            await asyncio.sleep(0.05)
            task.cancel()
        with suppress(OSError, asyncio.CancelledError):
            await task
        await visitor.until(lambda: source.ends)

    asyncio.run(check())
    assert (source.ends, len(open_streams())) == (["closed"], 0)


@pytest.mark.parametrize("way", ["leaves", "cancelled"])
@pytest.mark.parametrize("middleware", [[], ["sync_only"]], ids=["bare", "sync middleware"])
def test_a_client_that_leaves_before_the_first_record_closes_the_producer(
    way: str, middleware: list[str], settings: Settings
) -> None:
    """Invariant 66."""
    events: list[str] = []

    async def rows() -> AsyncIterator[int]:
        try:
            events.append("begun")
            await asyncio.Future()
            yield 1
        finally:
            events.append("closed")

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed=True), middleware)

    async def check() -> None:
        visitor = Visitor(handler=HANDLER)
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: events)
        if way == "leaves":
            visitor.left.set()
        else:
            task.cancel()
        await visitor.until(lambda: len(events) == 2)
        with suppress(asyncio.CancelledError):
            await task

    with signals() as noted:
        asyncio.run(check())
    assert (events, len(open_streams())) == (["begun", "closed"], 0)
    assert noted.count("finished") <= 1


def test_a_client_that_leaves_before_the_first_record_of_a_sync_producer_closes_it(settings: Settings) -> None:
    """Invariant 66: behind the record that it is at."""
    events: list[str] = []

    def rows() -> Iterator[int]:
        try:
            events.append("begun")
            time.sleep(0.1)
            yield 1
        finally:
            events.append("closed")

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed=True))

    async def check() -> None:
        visitor = Visitor()
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: events)
        visitor.left.set()
        await task
        assert events == ["begun", "closed"]

    asyncio.run(check())
    assert len(open_streams()) == 0


@pytest.mark.parametrize("produce", [Source.hot, Source.hot_sync], ids=["async", "sync"])
def test_a_producer_that_never_waits_stops_at_one_piece(produce: Produce, settings: Settings) -> None:
    """Invariants 67 and 68: nothing is made that nobody takes."""
    source = Source()
    serve(settings, streaming(lambda: NDJSONResponse(produce(source)), is_primed=True))

    async def check() -> None:
        visitor = Visitor(takes=0)
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: visitor.body)
        await asyncio.sleep(0.2)
        held = source.count
        await asyncio.sleep(0.2)
        assert source.count == held
        # What is being sent, and one piece ahead of it, each at most 64 KiB and one line.
        size = sum(len(b"%d\n" % number) for number in range(held))
        assert size <= 2 * (65536 + 8)
        visitor.left.set()
        await task
        assert source.count <= held + 1

    asyncio.run(check())
    assert source.ends == ["closed"]


def test_others_have_their_turn_while_a_producer_never_waits(settings: Settings) -> None:
    """Invariant 67: on one loop, with a client that takes all there is."""
    source = Source()
    serve(settings, streaming(lambda: NDJSONResponse(source.hot()), is_primed=True))

    async def check() -> list[float]:
        visitor = Visitor()
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: visitor.body)
        pauses = []
        for _ in range(100):
            start = time.monotonic()
            await asyncio.sleep(0)
            pauses.append(time.monotonic() - start)
        visitor.left.set()
        await task
        return pauses

    # The median: a busy machine makes single ones longer.
    assert sorted(asyncio.run(check()))[50] < 0.1


@pytest.mark.parametrize("is_primed", [True, False], ids=["as a route", "plain view"])
def test_time_runs_out_inside_a_producer_while_its_reader_is_stalled(is_primed: bool, settings: Settings) -> None:
    """A cancellation of the producer's own, by ``asyncio.timeout()``, reaches it at its ``yield``."""
    events: list[str] = []

    async def rows() -> AsyncIterator[str]:
        try:
            async with asyncio.timeout(0.05):
                while True:
                    yield "x" * 40_000
        except TimeoutError:
            events.append("timeout")
        yield "end"

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed))

    async def check() -> Visitor:
        visitor = Visitor(takes=1)
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: events)
        visitor.left.set()
        await task
        return visitor

    asyncio.run(check())
    assert events == ["timeout"]


def test_time_runs_out_inside_a_producer_and_the_rest_is_sent(settings: Settings) -> None:
    async def rows() -> AsyncIterator[int]:
        try:
            async with asyncio.timeout(0.05):
                yield 1
                await asyncio.Future()
        except TimeoutError:
            yield 2

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed=True))
    visitor = visit()
    assert (visitor.body, visitor.is_whole) == (b"1\n2\n", True)


def test_a_task_group_inside_a_producer_fails_while_its_reader_is_stalled(settings: Settings) -> None:
    """The group cancels the task that it was entered in: the producer's, not the request's."""
    events: list[str] = []
    big = "x" * 70_000

    async def rows() -> AsyncIterator[str]:
        async def fail() -> None:
            await asyncio.sleep(0.03)
            raise LookupError

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                for _ in range(10):
                    yield big
        except* LookupError:
            events.append("failed")
        yield "end"

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed=True))

    async def check() -> bytes:
        response = NDJSONResponse(rows())
        await response.astart()
        parts = []
        async for part in response:
            parts.append(part)
            await asyncio.sleep(0.05)
        return b"".join(parts)

    body = asyncio.run(check())
    assert (events, body.endswith(b'"end"\n'), body.count(b"\n") < 8) == (["failed"], True, True)


def test_a_task_group_inside_a_producer_ends_when_the_client_leaves(settings: Settings) -> None:
    events: list[str] = []

    async def rows() -> AsyncIterator[int]:
        async def child() -> None:
            try:
                await asyncio.Future()
            finally:
                events.append("child ended")

        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            yield 1
            await asyncio.Future()

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed=True))

    async def check() -> None:
        visitor = Visitor()
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: visitor.body)
        visitor.left.set()
        await visitor.until(task.done)
        await task

    asyncio.run(check())
    assert events == ["child ended"]


@pytest.mark.parametrize("how", ["asgi", "wsgi"])
def test_a_producer_that_is_cancelled_by_others_is_no_whole_stream(how: str, settings: Settings) -> None:
    """Invariant 70: to await a task that was cancelled raises CancelledError, which is no end."""

    async def rows() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.01)
        task = asyncio.create_task(asyncio.sleep(1))
        task.cancel()
        await task
        yield 2

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed=True))
    if how == "wsgi":
        body = WSGIBody()
        parts: list[bytes] = []
        with pytest.raises(RuntimeError, match="CancelledError"):
            parts.extend(body.parts)
        body.close()
        assert b"".join(parts) in (b"1\n" + ERROR_LINE, b"")
        return
    visitor = Visitor()
    with pytest.raises(RuntimeError, match="CancelledError"):
        asyncio.run(visitor.visit())
    assert (visitor.body, visitor.is_whole) == (b"1\n" + ERROR_LINE, False)


@pytest.mark.parametrize("how", ["asgi", "wsgi"])
def test_a_producer_that_swallows_its_cancellation_is_closed_all_the_same(how: str, settings: Settings) -> None:
    """At the next ``yield``."""
    events: list[str] = []

    async def rows() -> AsyncIterator[int]:
        try:
            for number in itertools.count():
                yield number
                with suppress(asyncio.CancelledError):
                    await asyncio.Future()
                # Longer than it may keep the loop.
                time.sleep(0.02)  # noqa: ASYNC251
        finally:
            events.append("closed")

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed=True))
    if how == "wsgi":
        body = WSGIBody()
        assert next(body.parts) == b"0\n"
        body.close()
    else:

        async def check() -> None:
            visitor = Visitor()
            task = asyncio.create_task(visitor.visit())
            await visitor.until(lambda: visitor.body)
            visitor.left.set()
            await visitor.until(task.done)
            await task

        asyncio.run(check())
    assert (events, len(open_streams())) == (["closed"], 0)


def failures(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return what was logged as an error: the message, and the exception."""
    return [
        (entry.getMessage(), str(entry.exc_info and entry.exc_info[1]))
        for entry in caplog.records
        if entry.name == "django.request" and entry.levelno == logging.ERROR
    ]


def ends_badly(how: str) -> Iterator[int]:
    """Fail, or yield, while being closed."""
    try:
        for number in itertools.count():
            yield number
            time.sleep(0.01)
    finally:
        if how == "raises":
            raise LookupError("in finally")
        yield -1


async def ends_badly_async(how: str) -> AsyncIterator[object]:
    """As ``ends_badly()``, and closed at its ``yield``."""
    try:
        while True:
            yield "x" * 70_000
    finally:
        if how == "raises":
            raise LookupError("in finally")
        yield -1


@pytest.mark.parametrize(
    ("make", "how", "error"),
    [
        (ends_badly, "yields", "generator ignored GeneratorExit"),
        (ends_badly, "raises", "in finally"),
        (ends_badly_async, "yields", "async generator ignored GeneratorExit"),
        (ends_badly_async, "raises", "in finally"),
    ],
)
def test_an_end_that_fails_is_logged(
    make: Callable[[str], Any], how: str, error: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Invariant 79. The client has left: it is no failure of its request."""
    kept: list[StreamResponse] = []
    serve(settings, streaming(lambda: NDJSONResponse(make(how), name="/a GET"), True, kept))

    async def check() -> None:
        visitor = Visitor(takes=0)
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: visitor.body)
        visitor.left.set()
        await visitor.until(task.done)
        await task

    with signals() as noted:
        asyncio.run(check())
    assert failures(caplog) == [("/a GET: the end of its producer failed.", error)]
    assert (noted, kept[0].closed, len(open_streams())) == (["started", "finished"], True, 0)


@pytest.mark.parametrize("make", [ends_badly, ends_badly_async], ids=["sync", "async"])
def test_an_end_that_fails_is_logged_under_wsgi(
    make: Callable[[str], Any], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Invariant 79."""
    serve(settings, lambda request: NDJSONResponse(make("raises"), name="/a GET"))
    with signals() as noted:
        body = WSGIBody()
        next(body.parts)
        body.close()
    assert failures(caplog) == [("/a GET: the end of its producer failed.", "in finally")]
    assert noted == ["started", "finished"]


@both_kinds
@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Http404("No such item."), {"title": "Not Found", "status": 404, "detail": "No such item."}),
        (Refusal(409, detail="Taken."), {"title": "Conflict", "status": 409, "detail": "Taken."}),
    ],
    ids=["Http404", "Refusal"],
)
@pytest.mark.parametrize("how", ["asgi", "wsgi"])
def test_a_problem_that_is_raised_amid_a_stream_is_its_last_record(
    produce: Produce,
    error: Exception,
    problem: dict[str, object],
    how: str,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Invariant 70: it is no failure of the server, and the body is broken off nevertheless."""

    def rows() -> Iterator[int]:
        yield 1
        time.sleep(0.01)
        raise error

    async def arows() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.01)
        raise error

    make: Any = rows if produce is Source.sync else arows
    serve(settings, streaming(lambda: NDJSONResponse(make(), name="/a GET"), is_primed=True))
    parts: list[bytes] = []
    with signals() as noted:
        if how == "asgi":
            visitor = Visitor()
            with pytest.raises(type(error)):
                asyncio.run(visitor.visit())
            assert not visitor.is_whole
            parts = visitor.parts
        else:
            body = WSGIBody()
            with pytest.raises(type(error)):
                parts.extend(body.parts)
            body.close()
    lines = [json.loads(line) for line in b"".join(parts).splitlines()]
    # Taken apart under WSGI: what next() has returned before the exception is in the list.
    assert lines == [1, {"error": {"type": "about:blank", **problem}}]
    assert (noted, failures(caplog)) == (["started", "finished"], [])


def test_an_error_of_an_event_stream_is_an_event(settings: Settings) -> None:
    """Invariant 70."""

    async def events() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.01)
        raise ValueError("secret")

    serve(settings, streaming(lambda: EventStreamResponse(events()), is_primed=True))
    visitor = Visitor()
    with pytest.raises(ValueError, match="^secret$"):
        asyncio.run(visitor.visit())
    assert visitor.body == (
        b'data: 1\n\nevent: error\ndata: {"type":"about:blank","title":"Internal Server Error","status":500}\n\n'
    )
    assert not visitor.is_whole


@all_sources
@primed
@pytest.mark.parametrize("middleware", [[], ["wrapping"]], ids=["bare", "wrapped"])
def test_a_reader_that_takes_nothing_is_cut_off(
    produce: Produce, is_primed: bool, middleware: list[str], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Invariant 68: after a time that can be set, and with nothing left behind."""
    settings.ROUTEHANDLERS = {"STREAM_SEND_TIMEOUT": 0.1}
    source, kept = Source(), list[StreamResponse]()
    serve(settings, streaming(lambda: NDJSONResponse(produce(source), name="/a GET"), is_primed, kept), middleware)

    async def check() -> float:
        visitor = Visitor(takes=0)
        task = asyncio.create_task(visitor.visit())
        await visitor.until(lambda: visitor.body)
        took = await visitor.until(task.done)
        assert not visitor.is_whole
        # Which versions of Django raise, and which return from a body that has not ended.
        with suppress(asyncio.CancelledError):
            await task
        return took

    with signals() as noted:
        assert asyncio.run(check()) < 0.5
    reason = "its reader took nothing for 0.1 s"
    assert (source.ends, kept[0].cut_reason, kept[0].closed) == (["closed"], reason, True)
    assert [entry.getMessage() for entry in caplog.records if entry.name == "django.request"] == [
        f"/a GET: the stream was cut off: {reason}."
    ]
    assert noted == ["started", "finished"]


def test_a_reader_that_is_slow_but_reads_is_not_cut_off(settings: Settings) -> None:
    """Invariant 68."""
    settings.ROUTEHANDLERS = {"STREAM_SEND_TIMEOUT": 0.1}

    async def rows() -> AsyncIterator[int]:
        for number in range(5):
            yield number
            await asyncio.sleep(0.06)

    serve(settings, streaming(lambda: NDJSONResponse(rows()), is_primed=True))
    visitor = visit()
    assert (visitor.body, visitor.is_whole) == (b"0\n1\n2\n3\n4\n", True)


@all_sources
@pytest.mark.parametrize("when", ["unread", "while it is awaited", "while it is sent"])
def test_all_streams_can_be_cut_off_at_once(produce: Produce, when: str, settings: Settings) -> None:
    """Invariant 66, of a server that stops: no stream is whole, none goes on."""
    source = Source()
    response = NDJSONResponse(produce(source))

    async def check() -> bool:
        visitor = Visitor()
        await response.astart()
        if when == "unread":
            open_streams().cut_all("the server stops")
        parts: list[bytes] = []

        async def read() -> bool:
            async for part in response:
                parts.append(part)
                if when == "while it is sent":
                    await asyncio.Future()
            return True

        task = asyncio.create_task(read())
        if when != "unread":
            await visitor.until(lambda: parts)
            open_streams().cut_all("the server stops")
        await visitor.until(task.done)
        with suppress(asyncio.CancelledError, ConnectionAbortedError):
            return await task
        await visitor.until(lambda: source.ends)
        return False

    assert (asyncio.run(check()), source.ends, len(open_streams())) == (False, ["closed"], 0)


@all_sources
def test_a_stream_under_wsgi_can_be_cut_off(produce: Produce) -> None:
    """Invariant 66."""
    source = Source()
    response = NDJSONResponse(produce(source))
    response.start()
    parts = iter(response)
    next(parts)
    threading.Timer(0.05, open_streams().cut_all, ["the server stops"]).start()
    with pytest.raises(ConnectionAbortedError, match="^the server stops$"):
        for _ in parts:
            pass
    response.close()
    assert (source.ends, len(open_streams())) == (["closed"], 0)


def test_an_async_stream_that_is_read_without_a_loop_can_be_cut_off() -> None:
    """As Django's test client does, with a wrapper around the stream."""
    source = Source()
    response = NDJSONResponse(source.waiting())

    async def wrapped(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for part in content:
            yield part

    response.streaming_content = wrapped(response.streaming_content)  # type: ignore[arg-type]
    parts = iter(response)
    assert next(parts) == b"0\n"
    threading.Timer(0.05, response.cut, ["time is up"]).start()
    with pytest.raises(ConnectionAbortedError, match="^time is up$"):
        next(parts)
    response.close()
    assert (source.ends, len(open_streams())) == (["closed"], 0)


@both_kinds
def test_one_generator_for_two_responses_is_refused(produce: Produce) -> None:
    """Invariant 79."""
    records = produce(Source())
    first, second = NDJSONResponse(records), NDJSONResponse(records, name="/b GET")
    first.start()
    with pytest.raises(RuntimeError) as caught:
        second.start()
    assert str(caught.value) == (
        "/b GET: its generator is being read, or has been read, by another response. "
        "A generator is read once. Call the generator function for each response."
    )
    assert next(iter(first)) == b"0\n"
    first.close()
    second.close()
    with pytest.raises(RuntimeError, match="^NDJSONResponse: its generator"):
        NDJSONResponse(records).start()
