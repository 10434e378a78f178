"""How full the shelves are."""

from pydantic import BaseModel

from shop.models import Product


class Shelf(BaseModel):
    """One kind of thing."""

    slug: str
    stock: int


async def GET() -> list[Shelf]:
    """Return what is on the shelves, the fullest first."""
    rows = Product.objects.values_list("slug", "stock").order_by("-stock", "slug")
    return [Shelf(slug=slug, stock=stock) async for slug, stock in rows]
