"""What customers have ordered."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from django.urls import reverse
from pydantic import Field

from django_routehandlers import Header, JSONResponse, after
from shop.models import Order
from shop.orders import CannotPlaceOrder, confirm_order, place_order
from shop.schemas import Conflict, OrderIn, OrderOut

from .._lib.queries import whole_orders

# Of people: nothing that a cache between here and them should keep.
dynamic = "force-dynamic"


# Plain functions: placing an order is one transaction.
def GET(
    status: Order.Status | None = None,
    since: Annotated[date | None, Field(description="The first day, in UTC.")] = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 10,
) -> list[OrderOut]:
    """Return the newest orders."""
    orders = whole_orders().order_by("-placed", "-id")
    if status is not None:
        orders = orders.filter(status=status)
    if since is not None:
        orders = orders.filter(placed__date__gte=since)
    return [OrderOut.of(order) for order in orders[:limit]]


def POST(
    body: OrderIn,
    idempotency_key: Annotated[
        UUID | None, Header(), Field(description="Made anew for each order, and sent again with each retry of it.")
    ] = None,
) -> JSONResponse[OrderOut, Literal[201]] | JSONResponse[Conflict, Literal[409]]:
    """
    Place an order.

    A retry with the same Idempotency-Key gets the order that the first request has placed.
    """
    try:
        order, is_new = place_order(body, idempotency_key)
    except CannotPlaceOrder as error:
        return JSONResponse(Conflict(error=str(error)), status=409)
    if is_new:
        # The customer need not wait for the mail server.
        after(confirm_order, order)
    location = reverse("routes:api-orders-id", kwargs={"id": order.pk})
    return JSONResponse(OrderOut.of(order), status=201, headers={"Location": location})
