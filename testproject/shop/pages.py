"""What the shop's pages have in common."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

# The shop's own files and API, and nothing from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def shop_page(request: HttpRequest, name: str, title: str) -> HttpResponse:
    """Return the page of a template and of a script, both called *name*."""
    response = render(request, f"shop/{name}.html", {"title": title, "script": f"shop/{name}.js"})
    response["Content-Security-Policy"] = POLICY
    return response
