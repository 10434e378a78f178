"""The orders that have come as far as the URL says."""

from shop.models import Order

from ...._lib.queries import whole_orders


async def GET(status: Order.Status) -> dict[str, object]:
    """Return the numbers of the orders; a status that there is not is 404 before this runs."""
    return {"status": status, "orders": [order.pk async for order in whole_orders().filter(status=status)]}
