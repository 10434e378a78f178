"""The work in Litestar, with msgspec, which is its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, get, post  # pyright: ignore[reportMissingImports]
from litestar.response import Stream  # pyright: ignore[reportMissingImports]
from msgspec import json  # pyright: ignore[reportMissingImports]

from beside.orders_msgspec import Order, Placed, place
from beside.rows_psycopg import Rows
from beside.work import NDJSON, RECORDS, SECONDS


async def small() -> dict[str, Any]:
    """Answer the small object."""
    return {"id": 7, "name": "Oak Chair"}


async def records() -> AsyncIterator[bytes]:
    """Write the lines."""
    encode = json.Encoder().encode
    for one in RECORDS:
        yield encode(one) + b"\n"


def handlers(rows: Rows) -> list[Any]:
    """Return the handlers."""

    @post("/orders", status_code=200)
    async def orders(data: Order) -> Placed:
        return place(data)

    @get("/row")
    async def row() -> dict[str, Any]:
        return await rows.one(7)

    @get("/cached", cache=SECONDS)
    async def cached() -> dict[str, Any]:
        return {"products": await rows.all()}

    @get("/lines")
    async def lines() -> Stream:
        return Stream(records(), media_type=NDJSON)

    return [orders, row, cached, lines]


def make(_key: str, _middleware: int, routes: int) -> Any:
    """Return the application."""
    rows = Rows()

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with rows.pool:
            yield

    many = [get(f"/many/{n}")(small) for n in range(routes)]
    found = many or [get("/json")(small), *handlers(rows)]
    return Litestar(found, openapi_config=None, lifespan=[lifespan])
