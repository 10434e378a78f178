"""How many products there are. A static folder goes before [id]."""

from shop.models import Product


async def GET() -> int:
    """Return a bare number, which is JSON too."""
    return await Product.objects.acount()
