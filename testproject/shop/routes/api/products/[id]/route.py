"""One product, which two people may not change at the same time without one of them noticing."""

import hashlib
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.http import Http404

from django_routehandlers import JSONResponse
from shop.models import Product
from shop.schemas import Conflict, Key, ProductIn, ProductOut

revalidate = 300  # seconds


def tags(id: Key) -> list[str]:
    """Return the names by which what GET answers can be invalidated."""
    return ["products", f"product-{id}"]


async def etag(id: Key) -> str | None:
    """Return what the state of a product is known by: of two states, two tags."""
    product = await Product.objects.filter(pk=id).afirst()
    return None if product is None else tag_of(product)


def tag_of(product: Product) -> str:
    """Return the entity tag of a product as it was read: it has no column that counts its versions."""
    state = (product.name, str(product.price), product.stock)
    return hashlib.blake2b(repr(state).encode(), digest_size=16).hexdigest()


async def GET(id: Key) -> ProductOut:
    """Return a product."""
    product = await Product.objects.filter(pk=id).afirst()
    if product is None:
        raise Http404(f"There is no product {id}.")
    return ProductOut.model_validate(product)


def PUT(id: Key, body: ProductIn, etag: str | None) -> ProductOut | JSONResponse[Conflict, Literal[412]]:
    """
    Replace a product's name, price and stock.

    Its slug stays, so that links to it do. With `If-Match` it is replaced only if nobody has changed it since.
    """
    with transaction.atomic():
        # Locked: what If-Match was judged by may have changed since.
        product = Product.objects.select_for_update().filter(pk=id).first()
        if product is None:
            raise Http404(f"There is no product {id}.")
        if etag is not None and etag != tag_of(product):
            return JSONResponse(Conflict(error="Somebody has changed the product since."), status=412)
        Product.objects.filter(pk=id).update(**body.model_dump())
        product.refresh_from_db()
    return ProductOut.model_validate(product)


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
