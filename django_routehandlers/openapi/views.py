"""
Serve the OpenAPI document, and the page to read and try it.

Plain views: a project may put them into its URLconf itself, behind a decorator of its own. Parameters
of the URL that includes them make no difference.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache, wraps
from html import escape
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLResolver, get_resolver, get_script_prefix, get_urlconf
from django.utils.cache import get_conditional_response

from django_routehandlers.conf import get_config
from django_routehandlers.handlers.dispatch import mark_view
from django_routehandlers.listing.mounts import NOWHERE, find_mounts
from django_routehandlers.openapi.document import build_document
from django_routehandlers.openapi.paths import Asset, document_from_page, page_assets, page_html
from django_routehandlers.responses.conversion import no_content
from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.responses.problems import ProblemResponse
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.table import current_table

_ALLOW = "GET, HEAD, OPTIONS"
# The package's own files and the site's own API, and nothing from elsewhere.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_View = Callable[..., HttpResponseBase]


def _reads_only(view: _View) -> _View:
    """Return the view with the methods of a GET route: OPTIONS is answered, all others are 405."""

    @wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if request.method in ("GET", "HEAD"):
            return view(request, **kwargs)
        response = no_content() if request.method == "OPTIONS" else ProblemResponse(405)
        response["Allow"] = _ALLOW
        return response

    mark_view(answer)
    return answer


@_reads_only
def document(request: HttpRequest, **parameters: object) -> HttpResponseBase:
    """Answer the OpenAPI document of the project as JSON."""
    table = current_table()
    if table.errors:
        raise table.refusal()
    content = _encoded(table, get_resolver(get_urlconf()), get_script_prefix())
    return _unless_known(request, Asset(content, "application/json"))


@_reads_only
def page(request: HttpRequest, **parameters: object) -> HttpResponseBase:
    """Answer the page that shows the document, whatever ``OPENAPI_UI`` says."""
    html = page_html().replace("__DOCUMENT_URL__", escape(document_from_page(get_config())))
    response = _unless_known(request, Asset(html.encode(), "text/html; charset=utf-8"))
    response["Content-Security-Policy"] = _POLICY
    return response


@_reads_only
def asset(request: HttpRequest, name: str, **parameters: object) -> HttpResponseBase:
    """
    Answer a file that the page loads.

    Raises:
        Http404: The page has no such file.
    """
    found = page_assets().get(name)
    if found is None:
        raise Http404
    return _unless_known(request, found)


@lru_cache(maxsize=8)
def _encoded(table: RouteTable, resolver: URLResolver, script_prefix: str) -> bytes:
    """Return the document as it is sent: made once for a table, a URLconf and the path of the application."""
    found = build_document(table, find_mounts(resolver) or (NOWHERE,), get_config())
    if script_prefix != "/":
        found["servers"] = [{"url": script_prefix.removesuffix("/")}]
    return encode_json(found)


@lru_cache(maxsize=64)
def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _unless_known(request: HttpRequest, found: Asset) -> HttpResponseBase:
    """Return the content, or a 304 where the client has it already (RFC 9110, section 13)."""
    headers = {
        "Content-Type": found.media_type,
        "ETag": _etag(found.content),
        # It may be kept, but is asked for again each time: a deploy changes it.
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    response = HttpResponse(found.content, headers=headers)
    answer = get_conditional_response(request, etag=headers["ETag"], response=response)
    return response if answer is None else answer
