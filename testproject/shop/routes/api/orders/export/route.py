"""All orders, to keep or to load elsewhere."""

from collections.abc import AsyncIterator

from shop.schemas import OrderOut

from ..._lib.queries import whole_orders

PAGE = 10  # orders


# A handler that yields is a stream: one value, one line.
async def GET() -> AsyncIterator[OrderOut]:
    """Stream all orders, the first one first."""
    # A page from the database at a time: no cursor stays open while a slow client reads.
    last = 0
    while page := [order async for order in whole_orders().filter(pk__gt=last)[:PAGE]]:
        for order in page:
            yield OrderOut.of(order)
        last = page[-1].pk
