"""A page on which streams are drawn while they arrive."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from shop.pages import POLICY

openapi = False


def GET(request: HttpRequest) -> HttpResponse:
    """Return the page."""
    response = render(request, "shop/live.html")
    response["Content-Security-Policy"] = POLICY
    return response
