"""The work in django-modern-rest, with msgspec, which its documentation advises."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from beside.orders_msgspec import Order, Placed, place
from beside.project import POOL, columns, set_up
from beside.work import RECORDS, SECONDS


def patterns_of(routes: int) -> list[Any]:
    """Return the URLconf: of the work, or of so many routes."""
    from django.urls import include, path
    from django.views.decorators.cache import cache_page
    from dmr import Body, Controller, modify  # pyright: ignore[reportMissingImports]
    from dmr.plugins.msgspec import MsgspecSerializer  # pyright: ignore[reportMissingImports]
    from dmr.routing import Router  # pyright: ignore[reportMissingImports]
    from dmr.streaming.jsonl import JsonLinesController  # pyright: ignore[reportMissingImports]

    class Small(Controller[MsgspecSerializer]):
        async def get(self) -> dict[str, Any]:
            return {"id": 7, "name": "Oak Chair"}

    class Orders(Controller[MsgspecSerializer]):
        @modify(status_code=HTTPStatus.OK)
        async def post(self, parsed_body: Body[Order]) -> Placed:
            return place(parsed_body)

    class Row(Controller[MsgspecSerializer]):
        async def get(self) -> dict[str, Any]:
            return await columns().aget(pk=7)

    class Cached(Controller[MsgspecSerializer]):
        async def get(self) -> dict[str, Any]:
            return {"products": [row async for row in columns()]}

    class Lines(JsonLinesController[MsgspecSerializer]):
        async def get(self) -> AsyncIterator[dict[str, Any]]:
            async def records() -> AsyncIterator[dict[str, Any]]:
                for one in RECORDS:
                    yield one

            return records()

    views = {"json": Small, "orders": Orders, "row": Row, "lines": Lines}
    many = [path(f"many/{n}", Small.as_view()) for n in range(routes)]
    router = Router("", many or [path(name, view.as_view()) for name, view in views.items()])
    # Around the view: its own decorators do not see that an async one is.
    return [path("cached", cache_page(SECONDS)(Cached.as_view())), path("", include(router.urls))]


def make(_key: str, middleware: int, routes: int) -> Any:
    """Return the project under ASGI."""
    from django.core.asgi import get_asgi_application

    set_up(middleware, POOL, lambda: patterns_of(routes))
    return get_asgi_application()
