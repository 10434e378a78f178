"""One product."""

from django.db import IntegrityError
from django.db.models import ProtectedError
from django.http import HttpRequest
from pydantic import ValidationError

from django_routehandlers import JSONResponse
from shop.models import Product
from shop.schemas import ProductIn, ProductOut, product_out

from ..._lib.bodies import invalid, read_body


async def GET(id: int) -> ProductOut | JSONResponse:
    """Return the product."""
    product = await Product.objects.filter(pk=id).afirst()
    return product_out(product) if product else not_found()


async def PUT(request: HttpRequest, id: int) -> ProductOut | JSONResponse:
    """Replace the product's name, price and stock; its slug stays, so that links to it do."""
    try:
        body = read_body(request, ProductIn)
    except ValidationError as error:
        return invalid(error)
    await Product.objects.filter(pk=id).aupdate(**body.model_dump())
    return await GET(id)


async def DELETE(id: int) -> JSONResponse | None:
    """Remove the product; 409 where it has been ordered."""
    try:
        deleted, _ = await Product.objects.filter(pk=id).adelete()
    except (ProtectedError, IntegrityError):
        # The second where somebody orders it just now: Django found no order, the database did.
        return JSONResponse({"error": "The product is part of an order."}, status=409)
    return None if deleted else not_found()


def not_found() -> JSONResponse:
    """Return the 404 of a product."""
    return JSONResponse({"error": "Not found"}, status=404)
