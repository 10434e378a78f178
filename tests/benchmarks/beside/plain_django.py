"""The work as plain views of Django. It has no validation of JSON, so that pydantic is called by hand."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
from pydantic import ValidationError

from beside.orders_pydantic import Order, place
from beside.project import KEPT, POOL, columns, set_up
from beside.work import NDJSON, RECORDS, SECONDS


async def lines() -> AsyncIterator[bytes]:
    """Write the lines."""
    for one in RECORDS:
        yield orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE)


def lines_sync() -> Iterator[bytes]:
    """Write the lines, under WSGI."""
    for one in RECORDS:
        yield orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE)


def answer_order(body: bytes) -> Any:
    """Return the response to an order."""
    from django.http import HttpResponse, JsonResponse

    try:
        order = Order.model_validate_json(body)
    except ValidationError as error:
        return JsonResponse({"errors": json.loads(error.json(include_url=False))}, status=422)
    return HttpResponse(place(order).model_dump_json(), content_type="application/json")


def async_patterns() -> list[Any]:
    """Return the URLconf for ASGI."""
    from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path
    from django.views.decorators.cache import cache_page
    from django.views.decorators.csrf import csrf_exempt

    async def small(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"id": 7, "name": "Oak Chair"})

    @csrf_exempt
    async def orders(request: HttpRequest) -> HttpResponse:
        return answer_order(request.body)

    async def row(request: HttpRequest) -> JsonResponse:
        return JsonResponse(await columns().aget(pk=7))

    @cache_page(SECONDS)
    async def cached(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"products": [row async for row in columns()]})

    async def stream(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(lines(), content_type=NDJSON)

    views = {"json": small, "orders": orders, "row": row, "cached": cached, "lines": stream}
    return [path(name, view) for name, view in views.items()]


def sync_patterns() -> list[Any]:
    """Return the URLconf for WSGI."""
    from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path
    from django.views.decorators.cache import cache_page
    from django.views.decorators.csrf import csrf_exempt

    def small(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"id": 7, "name": "Oak Chair"})

    @csrf_exempt
    def orders(request: HttpRequest) -> HttpResponse:
        return answer_order(request.body)

    def row(request: HttpRequest) -> JsonResponse:
        return JsonResponse(columns().get(pk=7))

    @cache_page(SECONDS)
    def cached(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"products": list(columns())})

    def stream(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(lines_sync(), content_type=NDJSON)

    views = {"json": small, "orders": orders, "row": row, "cached": cached, "lines": stream}
    return [path(name, view) for name, view in views.items()]


def make(key: str, middleware: int, routes: int) -> Any:
    """Return the project under ASGI or WSGI."""

    def patterns() -> list[Any]:
        from django.urls import path

        found = async_patterns() if key == "django" else sync_patterns()
        # The first view is the small one.
        return [path(f"many/{n}", found[0].callback) for n in range(routes)] or found

    set_up(middleware, POOL if key == "django" else KEPT, patterns)
    if key == "django":
        from django.core.asgi import get_asgi_application

        return get_asgi_application()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()
