"""The list of orders. These handlers are plain functions: placing an order is one transaction."""

from django.http import HttpRequest
from django.urls import reverse
from pydantic import ValidationError

from django_routehandlers import JSONResponse
from shop.orders import CannotPlaceOrder, place_order
from shop.schemas import OrderIn, OrderOut

from .._lib.bodies import invalid, read_body
from .._lib.queries import whole_orders


def GET() -> list[OrderOut]:
    """Return the ten newest orders."""
    return [OrderOut.of(order) for order in whole_orders().order_by("-placed", "-id")[:10]]


def POST(request: HttpRequest) -> JSONResponse:
    """Place an order; 409 where that cannot be done."""
    try:
        order = place_order(read_body(request, OrderIn))
    except ValidationError as error:
        return invalid(error)
    except CannotPlaceOrder as error:
        return JSONResponse({"error": str(error)}, status=409)
    location = reverse("routes:api-orders-id", kwargs={"id": order.pk})
    return JSONResponse(OrderOut.of(order), status=201, headers={"Location": location})
