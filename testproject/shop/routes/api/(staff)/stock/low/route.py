"""What to order soon. The guard of the folder (staff) is in its middleware.py."""

from shop.models import Product

FEW = 5


# Kept until a product changes, for all who have a key: the handler need not know who asks.
async def GET() -> dict[str, int]:
    """Return how many there are left of each product that runs out, by slug."""
    few = Product.objects.filter(stock__lt=FEW).order_by("stock", "slug")
    return {slug: stock async for slug, stock in few.values_list("slug", "stock")}
