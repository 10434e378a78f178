"""All products, read from the database as they are sent."""

from django_routehandlers import NDJSONResponse
from shop.models import Product


async def GET() -> NDJSONResponse:
    """Return a file to save, one product a line."""
    products = Product.objects.values("id", "slug", "stock").aiterator()
    return NDJSONResponse(products, headers={"Content-Disposition": 'attachment; filename="products.ndjson"'})
