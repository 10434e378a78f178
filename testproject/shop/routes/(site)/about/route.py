"""A page for a browser, JSON for a program: it is the Accept field that decides."""

from dataclasses import dataclass
from typing import Literal

from django.http import HttpRequest, HttpResponse
from django.views.decorators.vary import vary_on_headers

from django_routehandlers import JSONResponse


@dataclass
class About:
    """Who we are."""

    name: str
    since: int


SHOP = About("The Wood Shop", 2026)


@vary_on_headers("Accept")
async def GET(request: HttpRequest) -> JSONResponse[About, Literal[200]] | HttpResponse:
    """Return who we are, in the form that the client prefers."""
    try:
        preferred = request.get_preferred_type(["application/json", "text/html"])
    except (LookupError, ValueError):
        # Django parses parameters of Accept strictly, and a client may send anything.
        preferred = None
    if preferred == "text/html":
        page = f"<!doctype html><title>{SHOP.name}</title><h1>{SHOP.name}</h1><p>Since {SHOP.since}.</p>"
        return HttpResponse(page)
    return JSONResponse(SHOP)
