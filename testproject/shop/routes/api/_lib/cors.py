"""The fields of the Fetch standard's CORS protocol, by hand."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers


def allow_partners(request: HttpRequest, response: HttpResponse) -> bool:
    """
    Let a partner's page read *response*, and return whether the request came from one.

    ``Vary`` is set for every origin, and for none: a cache must not give one origin's answer to another.
    """
    patch_vary_headers(response, ["Origin"])
    origin = request.headers.get("Origin")
    if origin is None or origin not in settings.PARTNER_ORIGINS:
        return False
    response.headers["Access-Control-Allow-Origin"] = origin
    return True
