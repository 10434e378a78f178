"""The work in Starlette. It has no validation, so that pydantic is called by hand."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette  # pyright: ignore[reportMissingImports]
from starlette.requests import Request  # pyright: ignore[reportMissingImports]
from starlette.responses import JSONResponse, Response, StreamingResponse  # pyright: ignore[reportMissingImports]
from starlette.routing import Route  # pyright: ignore[reportMissingImports]

from beside.orders_pydantic import Order, place
from beside.rows_psycopg import Rows
from beside.work import NDJSON, RECORDS


async def small(request: Request) -> Response:
    """Answer the small object."""
    return JSONResponse({"id": 7, "name": "Oak Chair"})


async def orders(request: Request) -> Response:
    """Answer an order."""
    try:
        order = Order.model_validate_json(await request.body())
    except ValidationError as error:
        return JSONResponse({"errors": json.loads(error.json(include_url=False))}, status_code=422)
    return Response(place(order).model_dump_json(), media_type="application/json")


async def records() -> AsyncIterator[bytes]:
    """Write the lines."""
    for one in RECORDS:
        yield orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE)


async def lines(request: Request) -> Response:
    """Answer the lines."""
    return StreamingResponse(records(), media_type=NDJSON)


def make(_key: str, _middleware: int, routes: int) -> Any:
    """Return the application."""
    rows = Rows()

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with rows.pool:
            yield

    async def row(request: Request) -> Response:
        return JSONResponse(await rows.one(7))

    async def cached(request: Request) -> Response:
        return JSONResponse({"products": await rows.all()})

    work = [
        Route("/json", small),
        Route("/orders", orders, methods=["POST"]),
        Route("/row", row),
        Route("/cached", cached),
        Route("/lines", lines),
    ]
    return Starlette(routes=[Route(f"/many/{n}", small) for n in range(routes)] or work, lifespan=lifespan)
