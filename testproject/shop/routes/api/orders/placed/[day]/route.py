"""The orders of one day: /api/orders/placed/2026-01-06."""

from datetime import date

from shop.models import Order


async def GET(day: date) -> dict[str, object]:
    """Return the numbers of the orders; what is no date is 404 before this runs."""
    return {"day": day, "orders": [order.pk async for order in Order.objects.filter(placed__date=day)]}
