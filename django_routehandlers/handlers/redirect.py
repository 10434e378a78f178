"""Answer the form of a route's URL that has, or lacks, its last slash: 308 to the other one."""

from typing import Any

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.utils.encoding import escape_uri_path
from django.utils.http import escape_leading_slashes

from django_routehandlers.handlers.cross_origin import find_cors
from django_routehandlers.handlers.dispatch import View, mark_view


def make_slash_redirect() -> View:
    """Return the view that answers 308 with a path-only ``Location``, the query kept (RFC 9110, section 15.4.9)."""

    async def redirect_slash(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        location = other_form(request.path, request.META.get("QUERY_STRING", ""))
        redirect = HttpResponsePermanentRedirect(location, preserve_request=True)
        # A browser that may not read the redirect does not follow it.
        cors = vars(request)["route_cors"] = find_cors(request, request.path_info)
        return redirect if cors is None else cors.answer_preflight(request) or cors.add_fields(request, redirect)

    # For whoever answers in its place.
    vars(redirect_slash)["leads_to"] = _other_path
    mark_view(redirect_slash)
    return redirect_slash


def other_form(path: str, query: str) -> str:
    """
    Return the URL, without scheme and host, that has the last slash if *path* lacks it, and lacks it if not.

    Args:
        path: Decoded path of a URL that a route matches. What stands in front of the routes may begin
            with two slashes, which are escaped: no ``Location`` names another host.
        query: Query string as sent, without ``?``; ``""`` for none.
    """
    other = escape_leading_slashes(escape_uri_path(_other_path(path)))
    return f"{other}?{query}" if query else other


def _other_path(path: str) -> str:
    return path.removesuffix("/") if path.endswith("/") else path + "/"
