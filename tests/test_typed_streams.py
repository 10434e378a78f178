"""The return annotation says how lines and events are written, and what a generator is sent as."""

from collections.abc import Mapping
from textwrap import dedent

import pytest
from asgiref.sync import async_to_sync
from pytest_django import Settings

from conftest import Site

MODELS = """
    from collections.abc import AsyncIterator, Iterator
    from typing import Any
    from django_routehandlers import EventStreamResponse, NDJSONResponse, ServerSentEvent
    from pydantic import BaseModel, ConfigDict, Field

    class Item(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        number: int = Field(serialization_alias="no")

    class Row:
        number = 7
        secret = "secret"

    class Numbers(NDJSONResponse[Item]):
        pass
"""


def get(site: Site, source: str, *, production: bool = True) -> tuple[int, str, bytes]:
    """Serve MODELS and *source* as one route; return status, media type and content of a GET under WSGI."""
    if production:
        site.settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": False}
    site.write({"items/route.py": ""})
    file = site.root / site.name / "routes" / "items" / "route.py"

    file.write_text(dedent(MODELS) + dedent(source))
    site.install()
    response = site.client.get("/items")
    content = b"".join(response)  # type: ignore[arg-type]
    return response.status_code, response.headers["Content-Type"], content


LINE = b'{"no":7}\n'
EVENT = b'data: {"no":7}\n\n'


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            "async def GET() -> NDJSONResponse[Item]: return NDJSONResponse([Row()])",
            (200, "application/x-ndjson", LINE),
            id="NDJSONResponse",
        ),
        pytest.param(
            "async def GET() -> Numbers: return Numbers([Row()])",
            (200, "application/x-ndjson", LINE),
            id="subclass",
        ),
        pytest.param(
            "def GET() -> Iterator[Item]: return NDJSONResponse([Row()])",
            (200, "application/x-ndjson", LINE),
            id="response where an iterator is named",
        ),
        pytest.param(
            "async def GET() -> AsyncIterator[Item]:\n    yield Row()",
            (200, "application/x-ndjson", LINE),
            id="async generator",
        ),
        pytest.param(
            "async def GET() -> EventStreamResponse[Item]: return EventStreamResponse([Row()])",
            (200, "text/event-stream", EVENT),
            id="EventStreamResponse",
        ),
        pytest.param(
            "async def GET() -> AsyncIterator[ServerSentEvent[Item]]:\n    yield ServerSentEvent(Row())",
            (200, "text/event-stream", EVENT),
            id="events",
        ),
        pytest.param(
            "def GET() -> Iterator[ServerSentEvent[Item]]:\n    yield ServerSentEvent(Row(), event='item', id='1')",
            (200, "text/event-stream", b'event: item\nid: 1\ndata: {"no":7}\n\n'),
            id="sync events",
        ),
        pytest.param(
            "async def GET() -> AsyncIterator[ServerSentEvent]:\n    yield ServerSentEvent({'a': 1})",
            (200, "text/event-stream", b'data: {"a":1}\n\n'),
            id="events of anything",
        ),
        pytest.param(
            "async def GET() -> AsyncIterator[str | ServerSentEvent[Item]]:\n    yield 'tick'\n    yield Row()",
            (200, "text/event-stream", b"data: tick\n\n" + EVENT),
            id="events and data",
        ),
    ],
)
def test_values_are_written_as_the_annotation_says(site: Site, source: str, expected: tuple[int, str, bytes]) -> None:
    assert get(site, source) == expected


@pytest.mark.parametrize("production", [True, False], ids=["production", "checked"])
@pytest.mark.parametrize(
    "source",
    [
        "async def GET() -> NDJSONResponse[Item]: return NDJSONResponse([{'name': 'secret'}])",
        "async def GET() -> AsyncIterator[ServerSentEvent[Item]]:\n    yield ServerSentEvent({'name': 'secret'})",
    ],
)
def test_a_first_value_that_does_not_fit_is_a_server_error(site: Site, source: str, production: bool) -> None:
    assert get(site, source, production=production) == (
        500,
        "application/problem+json",
        b'{"type":"about:blank","title":"Internal Server Error","status":500}',
    )


def test_an_event_in_a_stream_of_lines_says_what_to_return(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    source = "async def GET():\n    yield ServerSentEvent('tick')"
    assert get(site, source)[0] == 500
    assert "Return EventStreamResponse, or annotate AsyncIterator[ServerSentEvent]." in caplog.text


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ({}, "application/x-ndjson"),
        ({"Accept": "*/*"}, "application/x-ndjson"),
        ({"Accept": "application/jsonl"}, "application/jsonl"),
        ({"Accept": "application/x-ndjson;q=0.5, application/jsonl"}, "application/jsonl"),
        ({"Accept": "application/json"}, "application/x-ndjson"),
    ],
)
def test_lines_are_sent_as_the_media_type_that_the_client_prefers(
    site: Site, accept: Mapping[str, str], expected: str
) -> None:
    site.serve({"items/route.py": "def GET():\n    yield 1"})
    for method in ("get", "head"):
        response = getattr(site.client, method)("/items", headers=accept)
        assert (response.headers["Content-Type"], response.headers["Vary"]) == (expected, "Accept")


def test_a_media_type_that_was_given_is_not_changed(site: Site, settings: Settings) -> None:
    source = """
        from django_routehandlers import NDJSONResponse
        def GET(): return NDJSONResponse([1], headers={"content-type": "application/x-mine"})
        """
    site.serve({"items/route.py": source})
    response = site.client.get("/items", headers={"Accept": "application/jsonl"})
    assert (response.headers["Content-Type"], response.has_header("Vary")) == ("application/x-mine", False)


@pytest.mark.parametrize("client", ["client", "async_client"])
def test_a_handler_may_start_its_stream_to_catch_what_its_producer_raises(site: Site, client: str) -> None:
    source = """
        from django_routehandlers import JSONResponse, NDJSONResponse

        async def tokens(upstream):
            if upstream == "down":
                raise OSError
            yield upstream

        async def GET(request, upstream: str):
            response = NDJSONResponse(tokens(upstream))
            try:
                await response.astart(request)
            except OSError:
                return JSONResponse({"error": "upstream"}, status=502)
            return response
        """
    site.serve({"items/route.py": source})

    def content(upstream: str) -> tuple[int, bytes]:
        if client == "client":
            response = site.client.get("/items", {"upstream": upstream})
            return response.status_code, b"".join(response)  # type: ignore[arg-type]
        return async_to_sync(acontent)(upstream)

    async def acontent(upstream: str) -> tuple[int, bytes]:
        response = await site.async_client.get("/items", {"upstream": upstream})
        parts = [part async for part in response] if response.streaming else list(response)  # type: ignore[attr-defined]
        return response.status_code, b"".join(parts)

    assert (content("up"), content("down")) == ((200, b'"up"\n'), (502, b'{"error":"upstream"}'))
