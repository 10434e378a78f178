"""How many there are."""

from shop.models import Product

tags = ["products"]


# A static folder goes before [id]. A bare number is JSON, too.
async def GET() -> int:
    """Return how many products there are."""
    return await Product.objects.acount()
