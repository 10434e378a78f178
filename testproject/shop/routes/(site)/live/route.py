"""A page on which streams are drawn while they arrive."""

from django.http import HttpRequest, HttpResponse

from shop.pages import shop_page

openapi = False


def GET(request: HttpRequest) -> HttpResponse:
    """Return the page."""
    return shop_page(request, "live", "The Wood Shop, live")
