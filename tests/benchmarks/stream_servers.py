"""
Make the ASGI applications that ``streams.py`` compares: ours, Django, Starlette, FastAPI and django-ninja.

Each writes the same records: dicts that are one line of JSON of 60 bytes, or models of the same
fields where a peer has typed streams. They are made beforehand, for to make 10,000 models takes
longer than to send them, except where it says ``made``. What has no encoder of its own gets orjson.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel
from typed_post import django_app

LINES = 10_000
SLOW_LINES = 40
PAUSE = 0.05  # seconds between two lines of a slow producer
NDJSON = "application/x-ndjson"
ROUTES = {
    "lines": """
from stream_servers import RECORDS

async def GET():
    for one in RECORDS:
        yield one
""",
    "lines-sync": """
from stream_servers import RECORDS

def GET():
    for one in RECORDS:
        yield one
""",
    "typed": """
from collections.abc import AsyncIterator
from stream_servers import ITEMS, Item

async def GET() -> AsyncIterator[Item]:
    for one in ITEMS:
        yield one
""",
    "typed-made": """
from collections.abc import AsyncIterator
from stream_servers import LINES, Item, item

async def GET() -> AsyncIterator[Item]:
    for number in range(LINES):
        yield item(number)
""",
    "many": """
from stream_servers import record

async def GET(count: int):
    for number in range(count):
        yield record(number)
""",
    "many-sync": """
from stream_servers import record

def GET(count: int):
    for number in range(count):
        yield record(number)
""",
    "slow": """
import asyncio
from stream_servers import PAUSE, SLOW_LINES, stamped

async def GET():
    for number in range(SLOW_LINES):
        await asyncio.sleep(PAUSE)
        yield stamped(number)
""",
    "slow-sync": """
import time
from stream_servers import PAUSE, SLOW_LINES, stamped

def GET():
    for number in range(SLOW_LINES):
        time.sleep(PAUSE)
        yield stamped(number)
""",
    "small": """
async def GET():
    return {"id": 7}
""",
}


class Item(BaseModel):
    """A record, where streams are typed."""

    id: int
    name: str
    price: float
    stock: int


def record(number: int) -> dict[str, object]:
    """Return a record whose line has 60 bytes, the newline included."""
    return {"id": 10_000 + number, "name": "Oak Chair 7", "price": 449.5, "stock": 120}


def item(number: int) -> Item:
    """Return the same record as a model."""
    return Item(id=10_000 + number, name="Oak Chair 7", price=449.5, stock=120)


RECORDS = [record(number) for number in range(LINES)]
ITEMS = [item(number) for number in range(LINES)]


def stamped(number: int) -> dict[str, object]:
    """Return a record of the moment, on a clock that all processes share."""
    return {"id": number, "sent": time.monotonic_ns()}


def dumps(value: object) -> bytes:
    """Return a line."""
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


async def lines() -> AsyncIterator[bytes]:
    """Write lines without waiting."""
    for one in RECORDS:
        yield dumps(one)


async def many(count: int) -> AsyncIterator[bytes]:
    """Write *count* lines without waiting."""
    for number in range(count):
        yield dumps(record(number))


async def joined() -> bytes:
    """Return all lines at once."""
    return b"".join([line async for line in lines()])


async def slow() -> AsyncIterator[bytes]:
    """Write a line now and then."""
    for number in range(SLOW_LINES):
        await asyncio.sleep(PAUSE)
        yield dumps(stamped(number))


def slow_sync() -> Iterator[bytes]:
    """Write a line now and then, in a thread."""
    for number in range(SLOW_LINES):
        time.sleep(PAUSE)
        yield dumps(stamped(number))


def ours(middleware: list[str]) -> Any:
    """Return a project with one app of routes, and a plain view that joins all lines."""

    def patterns() -> list[Any]:
        from django.http import HttpRequest, HttpResponse
        from django.urls import include, path

        async def joined_view(request: HttpRequest) -> HttpResponse:
            return HttpResponse(await joined(), content_type=NDJSON)

        return [path("joined", joined_view), path("", include("django_routehandlers.urls"))]

    root = Path.cwd()
    for name, source in ROUTES.items():
        file = root / "app" / "routes" / name / "route.py"
        file.parent.mkdir(parents=True)
        file.write_text(source)
    (root / "app" / "__init__.py").touch()
    sys.path.insert(0, str(root))
    django_app(patterns, ["django_routehandlers", "app"], middleware)

    from django_routehandlers.asgi import get_asgi_application

    return get_asgi_application()


def stock(middleware: list[str]) -> Any:
    """Return the same in plain Django."""

    def patterns() -> list[Any]:
        from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
        from django.urls import path

        async def lines_view(request: HttpRequest) -> StreamingHttpResponse:
            return StreamingHttpResponse(lines(), content_type=NDJSON)

        async def many_view(request: HttpRequest) -> StreamingHttpResponse:
            return StreamingHttpResponse(many(int(request.GET["count"])), content_type=NDJSON)

        async def small(request: HttpRequest) -> JsonResponse:
            return JsonResponse({"id": 7})

        return [path("lines", lines_view), path("many", many_view), path("small", small)]

    return django_app(patterns, [], middleware)


def starlette(_middleware: list[str]) -> Any:
    """Return the same in Starlette."""
    from starlette.applications import Starlette  # pyright: ignore[reportMissingImports]
    from starlette.requests import Request  # pyright: ignore[reportMissingImports]
    from starlette.responses import JSONResponse, Response, StreamingResponse  # pyright: ignore[reportMissingImports]
    from starlette.routing import Route  # pyright: ignore[reportMissingImports]

    async def lines_view(request: Request) -> Response:
        return StreamingResponse(lines(), media_type=NDJSON)

    async def many_view(request: Request) -> Response:
        return StreamingResponse(many(int(request.query_params["count"])), media_type=NDJSON)

    async def joined_view(request: Request) -> Response:
        return Response(await joined(), media_type=NDJSON)

    async def slow_view(request: Request) -> Response:
        return StreamingResponse(slow(), media_type=NDJSON)

    async def slow_sync_view(request: Request) -> Response:
        return StreamingResponse(slow_sync(), media_type=NDJSON)

    async def small(request: Request) -> Response:
        return JSONResponse({"id": 7})

    views = {"lines": lines_view, "many": many_view, "joined": joined_view, "small": small}
    views |= {"slow": slow_view, "slow-sync": slow_sync_view}
    return Starlette(routes=[Route(f"/{name}", view) for name, view in views.items()])


def fastapi(_middleware: list[str]) -> Any:
    """Return FastAPI's typed stream."""
    from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

    app = FastAPI(openapi_url=None)

    @app.get("/typed")
    async def typed() -> AsyncIterable[Item]:
        for one in ITEMS:
            yield one

    @app.get("/typed-made")
    async def made() -> AsyncIterable[Item]:
        for number in range(LINES):
            yield item(number)

    return app


def ninja(middleware: list[str]) -> Any:
    """Return django-ninja's typed stream."""

    def patterns() -> list[Any]:
        from django.http import HttpRequest
        from django.urls import path
        from ninja import JSONL, NinjaAPI  # pyright: ignore[reportMissingImports]

        api = NinjaAPI(openapi_url=None)

        @api.get("/typed", response=JSONL[Item])
        async def typed(request: HttpRequest) -> AsyncIterator[Item]:
            for one in ITEMS:
                yield one

        @api.get("/typed-made", response=JSONL[Item])
        async def made(request: HttpRequest) -> AsyncIterator[Item]:
            for number in range(LINES):
                yield item(number)

        return [path("", api.urls)]

    return django_app(patterns, [], middleware)


MAKERS: dict[str, Callable[[list[str]], Any]] = {
    "ours": ours,
    "stock": stock,
    "starlette": starlette,
    "fastapi": fastapi,
    "ninja": ninja,
}
