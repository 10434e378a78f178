"""A page that finds products through the API, with types that were made of its OpenAPI document."""

from django.http import HttpRequest, HttpResponse

from shop.pages import shop_page

openapi = False


def GET(request: HttpRequest) -> HttpResponse:
    """Return the page."""
    return shop_page(request, "catalogue", "The Wood Shop, products")
