"""The work in django-ninja."""

from collections.abc import AsyncIterator
from typing import Any

from beside.orders_pydantic import Order, Placed, place
from beside.project import POOL, columns, set_up
from beside.work import RECORDS, SECONDS


def patterns_of(routes: int) -> list[Any]:
    """Return the URLconf: of the work, or of so many routes."""
    from django.http import HttpRequest
    from django.urls import path
    from django.views.decorators.cache import cache_page
    from ninja import JSONL, NinjaAPI  # pyright: ignore[reportMissingImports]
    from ninja.decorators import decorate_view  # pyright: ignore[reportMissingImports]

    api = NinjaAPI(openapi_url=None)

    async def small(request: HttpRequest) -> dict[str, Any]:
        return {"id": 7, "name": "Oak Chair"}

    for target in [f"/many/{n}" for n in range(routes)] or ["/json"]:
        api.get(target)(small)

    @api.post("/orders", response=Placed)
    async def orders(request: HttpRequest, body: Order) -> Placed:
        return place(body)

    @api.get("/row")
    async def row(request: HttpRequest) -> Any:
        return await columns().aget(pk=7)

    @api.get("/cached")
    @decorate_view(cache_page(SECONDS))
    async def cached(request: HttpRequest) -> dict[str, Any]:
        return {"products": [row async for row in columns()]}

    @api.get("/lines", response=JSONL[dict[str, Any]])
    async def lines(request: HttpRequest) -> AsyncIterator[dict[str, Any]]:
        for one in RECORDS:
            yield one

    return [path("", api.urls)]


def make(_key: str, middleware: int, routes: int) -> Any:
    """Return the project under ASGI."""
    from django.core.asgi import get_asgi_application

    set_up(middleware, POOL, lambda: patterns_of(routes))
    return get_asgi_application()
