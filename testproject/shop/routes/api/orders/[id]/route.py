"""One order."""

from django.http import Http404

from shop.models import Order
from shop.schemas import Key, OrderOut, StatusIn

from ..._lib.queries import whole_orders

# Of people: nothing that a cache between here and them should keep.
dynamic = "force-dynamic"


async def GET(id: Key) -> OrderOut:
    """Return an order."""
    order = await whole_orders().filter(pk=id).afirst()
    if order is None:
        raise Http404(f"There is no order {id}.")
    return OrderOut.of(order)


async def PATCH(id: Key, body: StatusIn) -> OrderOut:
    """Change how far an order has come."""
    await Order.objects.filter(pk=id).aupdate(status=body.status)
    return await GET(id)
