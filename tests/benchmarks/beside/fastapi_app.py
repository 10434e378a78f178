"""The work in FastAPI."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

from beside.orders_pydantic import Order, Placed, place
from beside.rows_psycopg import Rows
from beside.work import RECORDS


class SecurityFields:
    """Give each response the fields that Django's middleware give it."""

    FIELDS = (
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    )

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""

        async def send_more(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.FIELDS]
            await send(message)

        await self.app(scope, receive, send_more)


def middleware_of(number: int) -> list[Any]:
    """Return Starlette's own for hosts and sessions, and the one above, or none."""
    from starlette.middleware import Middleware  # pyright: ignore[reportMissingImports]
    from starlette.middleware.sessions import SessionMiddleware  # pyright: ignore[reportMissingImports]
    from starlette.middleware.trustedhost import TrustedHostMiddleware  # pyright: ignore[reportMissingImports]

    if not number:
        return []
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return [Middleware(SecurityFields), hosts, Middleware(SessionMiddleware, secret_key="of no use")]


def make(_key: str, middleware: int, routes: int) -> Any:
    """Return the application."""
    rows = Rows()

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with rows.pool:
            yield

    app = FastAPI(openapi_url=None, lifespan=lifespan, middleware=middleware_of(middleware))

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
