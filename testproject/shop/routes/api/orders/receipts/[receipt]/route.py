"""An order by the number on its receipt, which nobody can guess."""

from uuid import UUID

from django.shortcuts import aget_object_or_404

from shop.schemas import OrderOut

from ...._lib.queries import whole_orders


async def GET(receipt: UUID) -> OrderOut:
    """Return the order; what is no UUID is 404 before this runs."""
    return OrderOut.of(await aget_object_or_404(whole_orders(), receipt=receipt))
