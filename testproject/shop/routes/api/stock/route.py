"""What is in stock, for our own pages and those of our partners (CORS)."""

from typing import Literal

from django.http import HttpRequest, HttpResponse

from django_routehandlers import JSONResponse
from shop.models import Product

from .._lib.cors import allow_partners

DAY = 86400  # seconds


async def GET(request: HttpRequest) -> JSONResponse[dict[str, int], Literal[200]]:
    """Return how many there are of each product, by slug."""
    response = JSONResponse({slug: stock async for slug, stock in Product.objects.values_list("slug", "stock")})
    allow_partners(request, response)
    return response


async def OPTIONS(request: HttpRequest) -> HttpResponse:
    """Answer a browser that asks, before it reads from another origin, whether it may."""
    response = HttpResponse(status=204, headers={"Allow": "GET, HEAD, OPTIONS"})
    if allow_partners(request, response) and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"
        response.headers["Access-Control-Max-Age"] = str(DAY)
    return response
