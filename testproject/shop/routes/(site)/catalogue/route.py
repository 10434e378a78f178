"""A page that finds products through the API, with types that were made of its OpenAPI document."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from shop.pages import POLICY

openapi = False


def GET(request: HttpRequest) -> HttpResponse:
    """Return the page."""
    response = render(request, "shop/catalogue.html")
    response["Content-Security-Policy"] = POLICY
    return response
