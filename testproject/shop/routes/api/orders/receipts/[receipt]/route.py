"""An order by the number on its receipt, which nobody can guess."""

from uuid import UUID

from django.http import Http404

from shop.schemas import OrderOut

from ...._lib.queries import whole_orders

# Of people: nothing that a cache between here and them should keep.
dynamic = "force-dynamic"


# What is no UUID is 404 before this runs.
async def GET(receipt: UUID) -> OrderOut:
    """Return the order of a receipt."""
    order = await whole_orders().filter(receipt=receipt).afirst()
    if order is None:
        raise Http404("There is no such receipt.")
    return OrderOut.of(order)
