"""The orders of one day: /api/orders/placed/2026-01-06."""

from dataclasses import dataclass
from datetime import date

from shop.models import Order

# Of people: nothing that a cache between here and them should keep.
dynamic = "force-dynamic"


@dataclass
class Day:
    """A day, and the numbers of its orders."""

    day: date
    orders: list[int]


# What is no date is 404 before this runs.
async def GET(day: date) -> Day:
    """Return the numbers of the orders of one day, in UTC."""
    return Day(day, [order.pk async for order in Order.objects.filter(placed__date=day)])
