"""
Serve the explorer, to whoever may see it: anybody under ``DEBUG``, staff users where ``EXPLORER`` is on.

Plain views, which the middleware of the project goes around as around any other. Everybody else is answered
404, as where there is nothing. Parameters of the URL that includes them make no difference.
"""

import os
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.middleware.csrf import get_token
from django.urls import URLResolver, get_resolver, get_script_prefix, get_urlconf
from django.utils.translation import get_language

from django_routehandlers.conf import get_config
from django_routehandlers.explorer.answer import read_answer
from django_routehandlers.explorer.form import make_form
from django_routehandlers.explorer.pages import assets, render
from django_routehandlers.explorer.rules import about_handler, rules_of
from django_routehandlers.explorer.tree import key_of, make_trees, page_query
from django_routehandlers.handlers.view_facts import csrf_rule_of, handlers_of
from django_routehandlers.listing.explain import Explanation, RouteAnswer, explain_url, read_url
from django_routehandlers.listing.mounts import NOWHERE, Mount, find_mounts
from django_routehandlers.listing.rows import Row, make_row
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.routing.url_patterns import Served
from django_routehandlers.table import current_table

_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
_FIELDS = {
    "Content-Security-Policy": _POLICY,
    # It is one user's, and of this moment.
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

_View = Callable[..., HttpResponse]


def _guarded(view: _View) -> _View:
    """Return the view for those who may see it: 404 for all others, and 405 for what is neither GET nor HEAD."""

    @wraps(view)
    def answer(request: HttpRequest, **values: Any) -> HttpResponse:
        if not _may_see(request):
            raise Http404
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return view(request, **values)

    return answer


def _may_see(request: HttpRequest) -> bool:
    if settings.DEBUG:
        return True
    user: Any = getattr(request, "user", None)
    if not get_config().EXPLORER or user is None:
        return False
    # A user model of the project's own need not have it.
    return bool(user.is_active and getattr(user, "is_staff", False))


@_guarded
def page(request: HttpRequest, **parameters: object) -> HttpResponse:
    """Answer the page, or with ``?only=panel`` the part of it that differs from question to question."""
    table = current_table()
    if table.errors:
        raise table.refusal()
    resolver = get_resolver(get_urlconf())
    mounts = find_mounts(resolver) or (NOWHERE,)
    panel = render("panel.html", _panel(request, table, resolver, mounts))
    if request.GET.get("only") == "panel":
        return HttpResponse(panel, headers=_FIELDS)
    asked = request.GET.get("match", "")
    values = {"panel": panel, "asked": asked, "tree": _tree(table, resolver, get_language()), "files": _files(request)}
    return HttpResponse(render("page.html", values), headers=_FIELDS)


# A redirect would tell everybody that something is there; whoever may see it has the view below.
page.should_append_slash = False  # type: ignore[attr-defined]


@_guarded
def add_slash(request: HttpRequest, **parameters: object) -> HttpResponse:
    """Lead to the page from its URL without the last slash, as ``APPEND_SLASH`` would."""
    return HttpResponseRedirect(request.get_full_path(force_append_slash=True), headers=_FIELDS)


@_guarded
def asset(request: HttpRequest, name: str, **parameters: object) -> HttpResponse:
    """Answer a file that the page loads."""
    found = assets()[name]
    return HttpResponse(found.content, content_type=found.media_type, headers=_FIELDS | {"Cache-Control": "no-cache"})


def _files(request: HttpRequest) -> str:
    # Relative to the page, wherever it is; a page at the very root has no last slash to lose.
    return request.path.rpartition("/")[0] + "/"


@lru_cache(maxsize=4)
def _tree(table: RouteTable, resolver: URLResolver, language: str | None) -> str:
    """Return the tree as HTML: made once for a table, a URLconf and the language of its prefixes."""
    mounts = find_mounts(resolver) or (NOWHERE,)
    trees = [*make_trees(table.served, mounts)]
    return render("tree.html", {"trees": trees, "count": len(table.served), "is_one": len(trees) == 1})


def _panel(
    request: HttpRequest, table: RouteTable, resolver: URLResolver, mounts: tuple[Mount, ...]
) -> Mapping[str, object]:
    asked = request.GET.get("match", "").strip()
    if asked:
        found = _explain(request, asked, table, resolver, mounts)
        place = mounts.index(found.mount) if found.mount in mounts else 0
        return {"answer": read_answer(found, asked, place)}
    key = request.GET.get("route", "")
    if not key:
        return {}
    place = _place(request.GET.get("at", ""), mounts)
    served = next((one for one in table.served if key_of(one.route) == key), None)
    method = request.GET.get("method", "")
    if served is None or method not in handlers_of(served.view):
        raise Http404
    url = request.GET.get("url", "")
    filled: Mapping[str, Any] = {}
    if url:
        filled = _filled(_explain(request, url, table, resolver, mounts), served, url)
    others = (one for one in handlers_of(served.view) if one != method)
    row = make_row(served, mounts[place], prefix=mounts[place].prefix, below=os.path.join(os.getcwd(), ""))
    return {
        "form": make_form(served, method, mounts[place], filled, request.COOKIES),
        "others": [(one, page_query(row, one, place, url)) for one in others],
        **_route(request, served, row, method),
    }


def _explain(
    request: HttpRequest, url: str, table: RouteTable, resolver: URLResolver, mounts: tuple[Mount, ...]
) -> Explanation:
    """Return what answers a URL, on the host that the page is on unless the URL names another."""
    if not url.lower().startswith(("http://", "https://")):
        prefix = get_script_prefix()
        path = url[len(prefix) - 1 :] if url.startswith(prefix) else f"/{url.removeprefix('/')}"
        url = f"{request.scheme}://{request.get_host()}{path}"
    return explain_url(url, table, resolver, mounts, is_server=True)


def _place(text: str, mounts: tuple[Mount, ...]) -> int:
    place = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    return place if place < len(mounts) else 0


def _filled(found: Explanation, served: Served, url: str) -> Mapping[str, Any]:
    """Return the segments and query parameters that a URL of the route gives."""
    query = QueryDict(read_url(url)[1])
    answer = found.answer
    filled: dict[str, Any] = {name: query.getlist(name) for name in query}
    if isinstance(answer, RouteAnswer) and answer.served is served:
        filled.update(answer.parameters)
    return filled


def _route(request: HttpRequest, served: Served, row: Row, method: str) -> Mapping[str, object]:
    handlers = handlers_of(served.view)
    handler, about = handlers[method], row.handlers[method]
    needs_token = csrf_rule_of(served.view) == "token" and method not in SAFE_METHODS
    return {
        "row": row,
        "place": row.file if about.line is None else f"{row.file}:{about.line}",
        "kind": about.kind,
        "summary": about_handler(handler),
        "inputs": about.inputs,
        "rules": [*rules_of(served, row, handlers.values())],
        "base": get_script_prefix().removesuffix("/"),
        "token": get_token(request) if needs_token else "",
        "token_field": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"),
    }
