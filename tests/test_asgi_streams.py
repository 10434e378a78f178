"""Streams under our ASGI application: cut, lost on their way out, and what their requests hold meanwhile."""

import asyncio
import gc
import json
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.asgi import get_asgi_application as get_stock_application
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.decorators import async_only_middleware

from asgi_requests import Request
from conftest import Site
from django_routehandlers.asgi import get_asgi_application
from django_routehandlers.responses.ndjson import NDJSONResponse
from django_routehandlers.responses.open_streams import open_streams
from servers import Server, make_project, poll, serve, use_engine

FULL = os.environ.get("RH_PROOF") == "full"
STREAMS = 5_000 if FULL else 300
SEEN = "seen"
"""The module in which routes note what happened."""

EVENTS = """
    import asyncio
    import seen
    from django_routehandlers import EventStreamResponse

    async def feed():
        seen.events.append("started")
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.events.append("ended")

    async def GET():
        return EventStreamResponse(feed())
    """
SILENT = EVENTS.replace('yield "first"', "if not seen.events: yield")
LINES = """
    import seen
    from django_routehandlers import NDJSONResponse

    def lines():
        seen.events.append("started")
        try:
            while True:
                yield "line"
        finally:
            seen.events.append("ended")

    def GET():
        return NDJSONResponse(lines())
    """


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has happened, in order: starts and ends of producers, and of requests."""
    module = ModuleType(SEEN)
    module.events = []
    monkeypatch.setitem(sys.modules, SEEN, module)
    return module.events


@pytest.fixture(autouse=True)
def _ends(seen: list[str]) -> Iterator[None]:
    """Note the ends of requests, and leave alone the connection that an earlier test has opened."""

    def finish(**kwargs: object) -> None:
        seen.append("finished")

    request_finished.disconnect(close_old_connections)
    request_finished.connect(finish)
    yield
    request_finished.disconnect(finish)
    request_finished.connect(close_old_connections)


@pytest.fixture
def logged() -> Iterator[list[tuple[str, str, object]]]:
    """What is logged of requests: level, text, exception."""
    found: list[tuple[str, str, object]] = []

    def note(record: logging.LogRecord) -> bool:
        found.append((record.levelname, record.getMessage(), record.exc_info))
        return True

    # To make an application sets logging up anew, without the handlers that were there.
    logger = logging.getLogger("django.request")
    logger.addFilter(note)
    yield found
    logger.removeFilter(note)


def in_loop(test: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run a test against a new application, without the garbage collector."""

    async def run() -> Any:
        return await asyncio.wait_for(test(get_asgi_application()), 10)

    gc.disable()
    try:
        return asyncio.run(run())
    finally:
        gc.enable()


# Cut


@pytest.fixture
def server_stops() -> Iterator[list[int]]:
    """The signals that a server's own handler has got."""
    found: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, lambda number, frame: found.append(number))
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("source", [EVENTS, SILENT, LINES], ids=["events", "nothing yet", "lines"])
def test_a_stream_that_is_cut_is_broken_off_and_its_request_ends(
    site: Site, seen: list[str], logged: list[tuple[str, str, object]], source: str
) -> None:
    """Invariants 49 and 66: whether its producer waits, or its reader does."""
    site.serve({"feed/route.py": source})

    async def test(application: Any) -> bool:
        exchange = Request("/feed", takes=2)
        request = exchange.start(application)
        await exchange.has_started.wait()
        open_streams().cut_all("the test is over")
        await request
        return exchange.is_complete

    assert in_loop(test) is False
    assert seen == ["started", "ended", "finished"]
    assert [(level, text.rpartition(": the stream")[2], error) for level, text, error in logged] == [
        ("WARNING", " was cut off: the test is over.", None)
    ]
    assert len(open_streams()) == 0


def test_a_stream_that_begins_while_the_server_stops_is_cut_at_once(
    site: Site, seen: list[str], server_stops: list[int]
) -> None:
    site.serve({"feed/route.py": EVENTS})

    async def test(application: Any) -> bool:
        first, second = Request("/feed"), Request("/feed")
        task = first.start(application)
        await first.has_started.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        await second.run(application)
        return second.is_complete

    assert in_loop(test) is False
    assert seen == ["started", "ended", "finished"] * 2
    assert server_stops == [signal.SIGTERM]


def test_a_client_that_leaves_while_its_stream_is_cut_ends_the_request_once(site: Site, seen: list[str]) -> None:
    site.serve({"feed/route.py": EVENTS})

    async def test(application: Any) -> None:
        exchange = Request("/feed", takes=2)
        request = exchange.start(application)
        await exchange.has_started.wait()
        exchange.leaves.set()
        open_streams().cut_all("the test is over")
        await request

    in_loop(test)
    assert seen == ["started", "ended", "finished"]


def test_a_server_that_gives_a_stream_up_is_obeyed(site: Site, seen: list[str]) -> None:
    site.serve({"feed/route.py": EVENTS})

    async def test(application: Any) -> bool:
        exchange = Request("/feed")
        request = exchange.start(application)
        await exchange.has_started.wait()
        request.cancel()
        await asyncio.wait([request])
        # Django 5.2 and 6.0 send in a task of their own, which ends a little later.
        await asyncio.to_thread(poll, lambda: "finished" in seen or None, limit=5, what="the end of the request")
        return exchange.is_complete

    assert in_loop(test) is False
    assert seen == ["started", "ended", "finished"]


# Lost


@async_only_middleware
def dawdling(get_response: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> Any:
    """Hold each response for a minute."""

    async def middleware(request: HttpRequest) -> HttpResponse:
        response = await get_response(request)
        # A cycle, which counting references does not see.
        vars(request)["held"], vars(response)["held"] = response, request
        sys.modules[SEEN].reached.set()
        await asyncio.sleep(60)
        return response

    return middleware


@pytest.mark.parametrize("source", [EVENTS, LINES], ids=["async", "sync"])
def test_a_stream_that_is_never_sent_ends_with_its_request(site: Site, seen: list[str], source: str) -> None:
    """Invariant 66: the client left while a middleware had the response."""
    site.settings.MIDDLEWARE = [f"{__name__}.dawdling"]
    site.serve({"feed/route.py": source})

    async def test(application: Any) -> None:
        sys.modules[SEEN].reached = asyncio.Event()
        exchange = Request("/feed")
        request = exchange.start(application)
        await sys.modules[SEEN].reached.wait()
        assert seen == ["started"]
        exchange.leaves.set()
        await request

    in_loop(test)
    assert sorted(seen) == ["ended", "finished", "started"]
    assert len(open_streams()) == 0


# Threads

STATE = """
    import asyncio
    import threading

    async def GET():
        return [threading.active_count(), len(asyncio.all_tasks())]
    """


@pytest.mark.django_db
def test_a_call_from_sync_code_uses_its_thread_as_under_django(site: Site) -> None:
    """A test in a transaction sees what its views write."""
    site.serve({"none/route.py": STATE})

    def where(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(threading.get_ident() == main))

    sys.modules[site.settings.ROOT_URLCONF].urlpatterns = [path("where", where)]
    main = threading.get_ident()

    async def ask(application: Any) -> bytes:
        exchange = Request("/where")
        await exchange.run(application)
        return b"".join(message.get("body", b"") for message in exchange.messages)

    ours, stock = (async_to_sync(ask)(one()) for one in (get_asgi_application, get_stock_application))
    assert ours == stock == b"True"


IDLE_SETTINGS = """
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    LOGGING = {"version": 1, "disable_existing_loggers": True}
"""
IDLE = {
    "feed/route.py": """
        import asyncio
        from django_routehandlers import EventStreamResponse

        async def feed():
            yield "first"
            await asyncio.Event().wait()

        async def GET():
            return EventStreamResponse(feed())
        """,
    "plain/route.py": """
        import asyncio
        from django_routehandlers import EventStreamResponse

        async def feed():
            yield "first"
            await asyncio.Event().wait()

        def GET():
            return EventStreamResponse(feed())
        """,
    "state/route.py": STATE,
}


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and the servers that it starts, open as many files as they may."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def read_streams(server: Server, target: str, count: int) -> ExitStack:
    """Open streams, each of which has sent its first event; to close what is returned closes them."""
    stack = ExitStack()
    for _ in range(count):
        connection = stack.enter_context(server.connect())
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        received = b""
        while b"data: " not in received:
            part = connection.recv(65536)
            assert part, received
            received += part
    return stack


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("target", ["/feed", "/plain"])
@pytest.mark.usefixtures("many_files")
def test_idle_streams_hold_no_threads_and_little_memory_and_leave_nothing(tmp_path: Path, target: str) -> None:
    """Invariant 78, with the middleware of a new project. ``RH_PROOF=full`` opens 5,000, else 300."""
    home = make_project(tmp_path, IDLE, settings=IDLE_SETTINGS)
    use_engine(home)
    with serve("uvicorn-httptools", home) as server:

        def figure(name: str) -> int:
            lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith(name))

        def is_as_before() -> bool | None:
            return json.loads(server.get("/state")[1]) == before or None

        before = json.loads(server.get("/state")[1])
        read_streams(server, target, 50).close()
        poll(is_as_before, limit=5, what="the first streams to end", on=server)
        memory = figure("VmRSS")
        with read_streams(server, target, STREAMS):
            poll(lambda: figure("Threads") < 50 or None, limit=5, what="threads to end", on=server)
            # KB. Of few streams each, what the process comes to hold anyway is a larger part.
            assert (figure("VmRSS") - memory) / STREAMS < (60 if FULL else 120)
        poll(is_as_before, limit=20, what="all streams to end", on=server)


def test_head_of_a_plain_view_runs_no_producer(site: Site) -> None:
    """Invariant 66. A server throws away what is sent in answer to a HEAD, for ever if need be."""
    site.serve({"none/route.py": STATE})
    begun: list[int] = []

    async def endless() -> AsyncIterator[int]:
        begun.append(1)
        while True:
            yield 1

    async def view(request: HttpRequest) -> NDJSONResponse:
        return NDJSONResponse(endless())

    sys.modules[site.settings.ROOT_URLCONF].urlpatterns = [path("numbers", view)]

    async def ask(application: Any) -> Request:
        exchange = Request("/numbers")
        exchange.scope["method"] = "HEAD"
        await exchange.run(application)
        return exchange

    exchange = asyncio.run(ask(get_asgi_application()))
    body = b"".join(message.get("body", b"") for message in exchange.messages)
    assert (exchange.messages[0]["status"], body, exchange.is_complete, begun) == (200, b"", True, [])


def test_a_long_record_leaves_in_parts(site: Site) -> None:
    """Invariant 68: each part has the time of its own in which a slow reader takes it."""
    site.serve({"long/route.py": 'def GET():\n    yield "x" * 1_000_000'})

    async def ask(application: Any) -> list[int]:
        exchange = Request("/long")
        await exchange.run(application)
        return [len(message["body"]) for message in exchange.messages if message.get("body")]

    sizes = asyncio.run(ask(get_asgi_application()))
    assert (sum(sizes), max(sizes)) == (1_000_003, 65536)
