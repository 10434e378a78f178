"""The work in FastAPI."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

from beside.orders_pydantic import Order, Placed, place
from beside.rows_psycopg import Rows
from beside.work import RECORDS


def make(_key: str, _middleware: int, routes: int) -> Any:
    """Return the application."""
    rows = Rows()

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with rows.pool:
            yield

    app = FastAPI(openapi_url=None, lifespan=lifespan)

    # It is faster with this annotation than without.
    async def small() -> dict:
        return {"id": 7, "name": "Oak Chair"}

    for target in [f"/many/{n}" for n in range(routes)] or ["/json"]:
        app.get(target)(small)

    @app.post("/orders")
    async def orders(body: Order) -> Placed:
        return place(body)

    @app.get("/row")
    async def row() -> dict:
        return await rows.one(7)

    @app.get("/cached")
    async def cached() -> dict:
        return {"products": await rows.all()}

    @app.get("/lines")
    async def lines() -> AsyncIterable[dict[str, Any]]:
        for one in RECORDS:
            yield one

    return app
