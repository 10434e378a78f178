"""/api/health, for whoever watches the shop: a route group adds nothing to the URL."""

from dataclasses import dataclass

from shop.models import Product


@dataclass
class Health:
    """Whether the shop can sell."""

    database: bool
    products: int


async def GET() -> Health:
    """Return the state; a database that is down is a 500."""
    return Health(database=True, products=await Product.objects.acount())
