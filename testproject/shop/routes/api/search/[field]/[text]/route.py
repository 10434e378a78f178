"""Products, found by a field that the URL names: /api/search/name/oak."""

from dataclasses import dataclass

from django.http import Http404

from shop.schemas import ProductOut

from ...._lib.queries import products_with


@dataclass
class Found:
    """What was asked, and the products found."""

    search: dict[str, str]
    found: list[ProductOut]


# ``params`` holds all segments as text.
async def GET(params: dict[str, str]) -> Found:
    """Return the products whose name, or slug, contains a text."""
    if params["field"] not in ("name", "slug"):
        raise Http404("Products are searched by name or by slug.")
    # SQLite refuses long patterns.
    if len(params["text"]) > 100:
        raise Http404("No name is as long as that.")
    found = products_with(params["field"], params["text"])
    return Found(params, [ProductOut.model_validate(product) async for product in found])
