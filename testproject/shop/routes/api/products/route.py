"""What the shop sells."""

from typing import Annotated, Literal

from django.db import IntegrityError, transaction
from django.urls import reverse
from pydantic import Field

from django_routehandlers import JSONResponse
from shop.models import Product
from shop.schemas import Conflict, ProductIn, ProductOut, Text

from .._lib.queries import products_with

revalidate = 300  # seconds
# A product that changes ends what is kept by itself; the tag is for what the database does not tell.
tags = ["products"]


async def GET(
    search: Annotated[Text, Field(description="Part of the name, whatever the case.")] = "",
    limit: Annotated[int, Field(ge=1, le=100)] = 100,
) -> list[ProductOut]:
    """Return the products, or those that a search finds."""
    return [ProductOut.model_validate(product) async for product in products_with("name", search)[:limit]]


# A plain function beside an async one: transactions are for plain functions.
def POST(body: ProductIn) -> JSONResponse[ProductOut, Literal[201]] | JSONResponse[Conflict, Literal[409]]:
    """
    Add a product.

    Its slug is made of its name, and has to be the only one.
    """
    try:
        with transaction.atomic():
            product = Product.objects.create(slug=body.slug, **body.model_dump())
    except IntegrityError:
        # Asking first would not do: another may come, or go, in between.
        return JSONResponse(Conflict(error=f"There is a product {body.slug} already."), status=409)
    location = reverse("routes:api-products-id", kwargs={"id": product.pk})
    return JSONResponse(ProductOut.model_validate(product), status=201, headers={"Location": location})
