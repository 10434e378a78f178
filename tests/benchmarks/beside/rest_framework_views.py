"""The work in Django REST framework, with its defaults. It has no async views, nor typed streams."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

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


def order_serializers() -> tuple[Any, Any]:
    """Return the serializers of what is sent, and of what is answered."""
    from rest_framework import serializers  # pyright: ignore[reportMissingImports]

    class Customer(serializers.Serializer):
        name = serializers.CharField(min_length=1, max_length=100)
        email = serializers.CharField()
        phone = serializers.CharField(allow_null=True, default=None)

    class Address(serializers.Serializer):
        street = serializers.CharField()
        city = serializers.CharField()
        postcode = serializers.CharField()
        country = serializers.CharField(min_length=2, max_length=2)

    class Item(serializers.Serializer):
        product = serializers.IntegerField()
        quantity = serializers.IntegerField(min_value=1)
        price = serializers.FloatField()

    class Order(serializers.Serializer):
        customer = Customer()
        address = Address()
        items = Item(many=True)
        currency = serializers.ChoiceField(["EUR", "GBP", "USD"])
        note = serializers.CharField(default="", allow_blank=True)
        express = serializers.BooleanField(default=False)
        tags = serializers.ListField(child=serializers.CharField(), default=list)

    class Placed(Order):
        id = serializers.IntegerField()
        total = serializers.FloatField()

    return Order, Placed


def views(*, is_async: bool) -> dict[str, Any]:
    """Return the views by path."""
    from django.http import StreamingHttpResponse
    from django.views.decorators.cache import cache_page
    from rest_framework.decorators import api_view  # pyright: ignore[reportMissingImports]
    from rest_framework.response import Response  # pyright: ignore[reportMissingImports]

    Order, Placed = order_serializers()

    @api_view(["GET"])
    def small(request: Any) -> Any:
        return Response({"id": 7, "name": "Oak Chair"})

    @api_view(["POST"])
    def orders(request: Any) -> Any:
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        valid = order.validated_data
        total = sum(item["price"] * item["quantity"] for item in valid["items"])
        return Response(Placed({"id": 7, "total": total, **valid}).data)

    @api_view(["GET"])
    def row(request: Any) -> Any:
        return Response(columns().get(pk=7))

    @cache_page(SECONDS)
    @api_view(["GET"])
    def cached(request: Any) -> Any:
        return Response({"products": list(columns())})

    @api_view(["GET"])
    def stream(request: Any) -> Any:
        return StreamingHttpResponse(lines() if is_async else lines_sync(), content_type=NDJSON)

    return {"json": small, "orders": orders, "row": row, "cached": cached, "lines": stream}


def make(key: str, middleware: int, routes: int) -> Any:
    """Return the project under ASGI or WSGI."""
    is_async = key == "drf"

    def patterns() -> list[Any]:
        from django.urls import path

        found = views(is_async=is_async)
        many = [path(f"many/{n}", found["json"]) for n in range(routes)]
        return many or [path(name, view) for name, view in found.items()]

    set_up(middleware, POOL if is_async else KEPT, patterns, ["rest_framework"])
    if is_async:
        from django.core.asgi import get_asgi_application

        return get_asgi_application()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()
