"""One order."""

from django.http import HttpRequest
from django.shortcuts import aget_object_or_404
from pydantic import ValidationError

from django_routehandlers import JSONResponse
from shop.models import Order
from shop.schemas import OrderOut, StatusIn

from ..._lib.bodies import invalid, read_body
from ..._lib.queries import whole_orders


async def GET(id: int) -> OrderOut:
    """Return the order."""
    return OrderOut.of(await aget_object_or_404(whole_orders(), pk=id))


async def PATCH(request: HttpRequest, id: int) -> OrderOut | JSONResponse:
    """Change how far the order has come."""
    try:
        body = read_body(request, StatusIn)
    except ValidationError as error:
        return invalid(error)
    await Order.objects.filter(pk=id).aupdate(status=body.status)
    return await GET(id)
