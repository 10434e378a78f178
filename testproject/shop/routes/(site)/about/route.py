"""One URL, two representations: a page for a browser, JSON for a program."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.vary import vary_on_headers

from django_routehandlers import JSONResponse

NAME = "The Wood Shop"
SINCE = 2026


@vary_on_headers("Accept")
async def GET(request: HttpRequest) -> HttpResponse:
    """Return who we are, in the form the client prefers."""
    try:
        preferred = request.get_preferred_type(["application/json", "text/html"])
    except (LookupError, ValueError):
        # Django parses parameters of Accept strictly, and a client may send anything.
        preferred = None
    if preferred == "text/html":
        return HttpResponse(f"<!doctype html><title>{NAME}</title><h1>{NAME}</h1><p>Since {SINCE}.</p>")
    return JSONResponse({"name": NAME, "since": SINCE})
