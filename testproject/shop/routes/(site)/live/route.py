"""A page on which streams are drawn while they arrive."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

openapi = False

# The shop's own files and API, and nothing from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def GET(request: HttpRequest) -> HttpResponse:
    """Return the page."""
    response = render(request, "shop/live.html")
    response["Content-Security-Policy"] = POLICY
    return response
