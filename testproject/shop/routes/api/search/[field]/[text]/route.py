"""Search by a field that the URL names; ``params`` holds all segments as text."""

from django.http import Http404

from shop.schemas import product_out

from ...._lib.queries import products_with


async def GET(params: dict[str, str]) -> dict[str, object]:
    """Return what was asked, and the products found."""
    if params["field"] not in ("name", "slug"):
        raise Http404("Products are searched by name or by slug.")
    found = products_with(params["field"], params["text"])
    return {"search": params, "found": [product_out(product) async for product in found]}
