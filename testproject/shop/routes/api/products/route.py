"""The list of products."""

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.urls import reverse
from pydantic import ValidationError

from django_routehandlers import JSONResponse
from shop.models import Product
from shop.schemas import ProductIn, ProductOut, product_out

from .._lib.bodies import invalid, read_body
from .._lib.queries import products_with


async def GET(request: HttpRequest) -> list[ProductOut]:
    """Return the products whose name contains ``?search=``, at most ``?limit=`` of them (1 to 100)."""
    limit = request.GET.get("limit", "100")
    if limit not in map(str, range(1, 101)):
        raise BadRequest("limit is a whole number from 1 to 100.")
    products = products_with("name", request.GET.get("search", ""))
    return [product_out(product) async for product in products[: int(limit)]]


async def POST(request: HttpRequest) -> JSONResponse:
    """Add a product; 409 where its name is taken."""
    try:
        body = read_body(request, ProductIn)
    except ValidationError as error:
        return invalid(error)
    product, created = await Product.objects.aget_or_create(slug=body.slug, defaults=body.model_dump())
    if not created:
        return JSONResponse({"error": f"There is a product {product.slug} already."}, status=409)
    location = reverse("routes:api-products-id", kwargs={"id": product.pk})
    return JSONResponse(product_out(product), status=201, headers={"Location": location})
