"""Products side by side: /api/compare/oak-chair/ash-chair/birch-chair."""

from shop.models import Product
from shop.schemas import ProductOut, product_out


async def GET(slugs: list[str]) -> list[ProductOut]:
    """Return the named products that there are, the cheapest first."""
    products = Product.objects.filter(slug__in=slugs[:20]).order_by("price", "id")
    return [product_out(product) async for product in products]
