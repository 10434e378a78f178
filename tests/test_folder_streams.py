"""Streams below a `middleware.py`: begun before it sees them, and closed whatever it puts in their place."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.signals import request_finished
from django.test import AsyncRequestFactory
from django.urls import resolve

from conftest import Site

Send = Callable[..., Any]


@pytest.fixture(params=["WSGI", "ASGI"])
def send(request: pytest.FixtureRequest, site: Site) -> Send:
    """Send one request and read all of the answer; return the status and the content."""
    if request.param == "WSGI":
        return lambda path: _read(site.client.get(path))
    return lambda path: asyncio.run(_aread(site, path))


def _read(response: Any) -> tuple[int, bytes]:
    return response.status_code, b"".join(response)


async def _aread(site: Site, path: str) -> tuple[int, bytes]:
    response: Any = await site.async_client.get(path)
    content = b"".join([part async for part in response]) if response.streaming else response.content
    # A producer on the loop is told to stop, and does so in a task of its own.
    await asyncio.sleep(0.05)
    return response.status_code, content


ASYNC_STREAM = """
events = []


async def GET(request):
    try:
        events.append("begun")
        for number in range(1000):
            yield number
    finally:
        events.append("closed")
"""
STREAMS = {"async": ASYNC_STREAM, "sync": ASYNC_STREAM.replace("async ", "")}
KINDS = pytest.mark.parametrize("kind", ["async def", "def"])
PRODUCERS = pytest.mark.parametrize("producer", ["async", "sync"])


def events_of(site: Site) -> list[str]:
    """Return what the producer has noted."""
    return sys.modules[f"{site.name}.routes.x.route"].events


def middleware(kind: str, body: str) -> str:
    """Return a middleware with *body*, in which `next` stands for the response from within."""
    wait = "await " if kind == "async def" else ""
    return (
        "from django.http import HttpResponse, StreamingHttpResponse\n\n\n"
        f"{kind} middleware(request, call_next):\n    response = {wait}call_next(request)\n    {body}\n"
    )


@KINDS
@PRODUCERS
def test_middleware_may_change_the_fields_of_a_stream(site: Site, send: Send, kind: str, producer: str) -> None:
    text = middleware(kind, "response.headers['X-Stream'] = str(response.streaming)\n    return response")
    site.serve({"middleware.py": text, "x/route.py": STREAMS[producer]})

    status, content = send("/x")

    assert (status, content.split(b"\n")[:2], content.count(b"\n")) == (200, [b"0", b"1"], 1000)
    assert events_of(site) == ["begun", "closed"]


@KINDS
@PRODUCERS
def test_stream_that_a_middleware_replaces_is_closed(site: Site, send: Send, kind: str, producer: str) -> None:
    """Invariant 66."""
    site.serve({"middleware.py": middleware(kind, "return HttpResponse('instead')"), "x/route.py": STREAMS[producer]})

    assert send("/x") == (200, b"instead")
    assert events_of(site) == ["begun", "closed"]


@KINDS
@PRODUCERS
@pytest.mark.parametrize("error", ["LookupError", "PermissionError", "__import__('django.http').http.Http404"])
def test_stream_is_closed_where_a_middleware_raises(
    site: Site, send: Send, kind: str, producer: str, error: str
) -> None:
    """Invariant 66."""
    site.serve({"middleware.py": middleware(kind, f"raise {error}"), "x/route.py": STREAMS[producer]})

    assert send("/x")[0] == (404 if "Http404" in error else 500)
    assert events_of(site) == ["begun", "closed"]


def test_stream_that_is_abandoned_does_not_finish_the_request(site: Site) -> None:
    """Invariant 49: the signal comes once, at the end."""
    signals: list[str] = []
    text = middleware("def", "return HttpResponse('instead')")
    site.serve({"middleware.py": text, "x/route.py": STREAMS["sync"]})
    request_finished.connect(lambda **kwargs: signals.append("finished"), weak=False, dispatch_uid="test")
    try:
        response = site.client.get("/x")
        assert response.content == b"instead"
    finally:
        request_finished.disconnect(dispatch_uid="test")
    assert signals == ["finished"]


def test_every_stream_of_a_retry_but_the_last_is_closed(site: Site, send: Send) -> None:
    """Invariant 66."""
    text = middleware("async def", "return await call_next(request)")
    site.serve({"middleware.py": text, "x/route.py": STREAMS["async"]})

    status, content = send("/x")

    assert (status, content.count(b"\n")) == (200, 1000)
    assert events_of(site).count("closed") == 2


@PRODUCERS
def test_another_response_may_read_the_stream_that_it_replaces(site: Site, send: Send, producer: str) -> None:
    wrapped = """
    async def louder():
        async for part in response:
            yield part.upper()

    is_asgi = hasattr(request, "scope")
    return StreamingHttpResponse(louder() if is_asgi else (part.upper() for part in response))"""
    stream = STREAMS[producer].replace("yield number", "yield 'a'").replace("range(1000)", "range(3)")
    site.serve({"middleware.py": middleware("async def", wrapped.strip()), "x/route.py": stream})

    assert send("/x") == (200, b'"A"\n"A"\n"A"\n')
    assert events_of(site) == ["begun", "closed"]


@KINDS
@PRODUCERS
@pytest.mark.parametrize(
    ("raised", "status"), [("PermissionDenied", 403), ("LookupError", 500)], ids=["refusal", "unexpected"]
)
def test_error_before_the_first_record_is_seen_by_the_middleware(
    site: Site, send: Send, kind: str, producer: str, raised: str, status: int
) -> None:
    """Invariant 74."""
    head = "from django.core.exceptions import PermissionDenied\n\n\n"
    stream = f"{head}async def GET(request):\n    raise {raised}\n    yield 1\n"
    wait = "await " if kind == "async def" else ""
    text = f"""
seen = []


{kind} middleware(request, call_next):
    try:
        response = {wait}call_next(request)
    except LookupError:
        seen.append(500)
        raise
    seen.append(response.status_code)
    return response
"""
    site.serve({"middleware.py": text, "x/route.py": stream if producer == "async" else stream.replace("async ", "")})

    assert send("/x")[0] == status
    assert sys.modules[f"{site.name}.routes.middleware"].seen == [status]


@KINDS
@PRODUCERS
@pytest.mark.parametrize(("raised", "status"), [("PermissionDenied", 403), ("LookupError", 500)])
def test_stream_of_a_middleware_itself_is_begun_before_it_is_sent(
    site: Site, send: Send, kind: str, producer: str, raised: str, status: int
) -> None:
    """Invariant 74."""
    text = f"""
from django.core.exceptions import PermissionDenied
from django_routehandlers import NDJSONResponse


async def lines():
    raise {raised}
    yield 1


{kind} middleware(request, call_next):
    return NDJSONResponse(lines())
"""
    if producer == "sync":
        text = text.replace("async def lines", "def lines")
    site.serve({"middleware.py": text, "x/route.py": "def GET():\n    return 1\n"})

    assert send("/x")[0] == status


def test_stream_is_closed_when_its_client_leaves_while_the_middleware_waits(site: Site) -> None:
    """Invariants 61 and 66."""
    body = "await __import__('asyncio').sleep(60)\n    return response"
    site.serve({"middleware.py": middleware("async def", body), "x/route.py": STREAMS["async"]})

    async def leave() -> None:
        task = asyncio.create_task(resolve("/x").func(AsyncRequestFactory().get("/x")))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)

    asyncio.run(leave())

    assert events_of(site) == ["begun", "closed"]


@KINDS
def test_head_runs_no_stream_of_a_middleware(site: Site, kind: str) -> None:
    """Invariant 66: HEAD does not iterate."""
    text = f"""
from django_routehandlers import NDJSONResponse


def lines():
    raise LookupError
    yield 1


{kind} middleware(request, call_next):
    return NDJSONResponse(lines())
"""
    site.serve({"middleware.py": text, "x/route.py": "def GET():\n    return 1\n"})

    response = site.client.head("/x")

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/x-ndjson")
