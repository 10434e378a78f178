"""What is in stock, for our own pages and those of our partners (CORS)."""

from typing import Literal

from django.conf import settings

from django_routehandlers import CORS, JSONResponse
from shop.models import Product

cors = CORS(settings.PARTNER_ORIGINS)


async def GET() -> JSONResponse[dict[str, int], Literal[200]]:
    """Return how many there are of each product, by slug."""
    return JSONResponse({slug: stock async for slug, stock in Product.objects.values_list("slug", "stock")})
