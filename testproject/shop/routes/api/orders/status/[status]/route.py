"""The orders that have come as far as the URL says: /api/orders/status/shipped."""

from dataclasses import dataclass

from shop.models import Order

# Of people: nothing that a cache between here and them should keep.
dynamic = "force-dynamic"


@dataclass
class Progress:
    """How far orders have come, and their numbers."""

    status: Order.Status
    orders: list[int]


# A status that there is not is 404 before this runs.
async def GET(status: Order.Status) -> Progress:
    """Return the numbers of the orders in one state."""
    return Progress(status, [order.pk async for order in Order.objects.filter(status=status)])
