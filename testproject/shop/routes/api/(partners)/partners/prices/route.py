"""What partners pay. One run is for all of them: the guard of the folder is asked before the cache is."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from shop.models import Product


class PartnerPrice(BaseModel):
    """What one thing costs a partner."""

    slug: str
    price: Annotated[Decimal, Field(description="In euros: a tenth below the price of the shop.")]


async def GET() -> list[PartnerPrice]:
    """Return the prices of all products."""
    rows = Product.objects.values_list("slug", "price").order_by("slug")
    return [PartnerPrice(slug=slug, price=round(price * 9 / 10, 2)) async for slug, price in rows]
