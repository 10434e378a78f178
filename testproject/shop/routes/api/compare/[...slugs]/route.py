"""Products side by side: /api/compare/oak-chair/ash-chair."""

from shop.models import Product
from shop.schemas import ProductOut


async def GET(slugs: list[str]) -> list[ProductOut]:
    """
    Return the named products that there are, the cheapest first.

    At most twenty are looked at.
    """
    products = Product.objects.filter(slug__in=slugs[:20]).order_by("price", "id")
    return [ProductOut.model_validate(product) async for product in products]
