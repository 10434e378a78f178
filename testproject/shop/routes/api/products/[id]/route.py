"""One product."""

from typing import Literal

from django.db import IntegrityError
from django.db.models import ProtectedError
from django.http import Http404

from django_routehandlers import JSONResponse
from shop.models import Product
from shop.schemas import Conflict, Key, ProductIn, ProductOut

revalidate = 300  # seconds


def tags(id: Key) -> list[str]:
    """Return the names by which what GET answers can be invalidated."""
    return ["products", f"product-{id}"]


async def GET(id: Key) -> ProductOut:
    """Return a product."""
    product = await Product.objects.filter(pk=id).afirst()
    if product is None:
        raise Http404(f"There is no product {id}.")
    return ProductOut.model_validate(product)


async def PUT(id: Key, body: ProductIn) -> ProductOut:
    """
    Replace a product's name, price and stock.

    Its slug stays, so that links to it do.
    """
    await Product.objects.filter(pk=id).aupdate(**body.model_dump())
    return await GET(id)


async def DELETE(id: Key) -> JSONResponse[Conflict, Literal[409]] | None:
    """Remove a product that nobody has ordered."""
    try:
        deleted, _ = await Product.objects.filter(pk=id).adelete()
    except (ProtectedError, IntegrityError):
        # The second where somebody orders it just now: Django found no order, the database did.
        return JSONResponse(Conflict(error="The product is part of an order."), status=409)
    if not deleted:
        raise Http404(f"There is no product {id}.")
    return None
