"""
Put the CORS policy of a route around all that answers it, outside its middleware and its cache.

What is kept in the cache has none of the fields, so that no origin is given those of another one. Who
answers in the place of the route finds its policy on the request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.log import log_response

from django_routehandlers.handlers.functions import is_coroutine_function
from django_routehandlers.policies.cors import CORS
from django_routehandlers.responses.conversion import no_content
from django_routehandlers.responses.problems import ProblemResponse

View = Callable[..., Any]

_ALLOW_ORIGIN, _ALLOW_CREDENTIALS = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"
_PREFLIGHT_VARY = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
_ASKED = {
    "origin": "HTTP_ORIGIN",
    "method": "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
    "headers": "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
    "private-network": "HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK",
}


@dataclass(frozen=True, slots=True)
class RouteCors:
    """The policy of one route."""

    policy: CORS
    methods: tuple[str, ...]
    """Those that the route answers, OPTIONS excepted."""
    answers_preflights: bool = True
    """Whether preflights are answered here: not where the route has a handler for OPTIONS."""

    def answer_preflight(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the answer to a preflight; ``None`` where *request* is none, or the route answers it itself."""
        if not self.answers_preflights or not is_preflight(request):
            return None
        asked = {name: request.META.get(key, "") for name, key in _ASKED.items()}
        answer = self.policy.preflight(asked, self.methods)
        response = no_content() if answer.refusal is None else ProblemResponse(403, detail=answer.refusal)
        if answer.refusal is not None:
            # CommonMiddleware, which says it of other responses, may be within.
            response.headers["Content-Length"] = str(len(response.content))
            # No page can read it.
            why = f"preflight of {asked['origin'][:100]!r}: {answer.refusal.rstrip('.')}"
            log_response("Forbidden (%s): %s", why, request.path, response=response, request=request)
        for name, value in answer.fields:
            response.headers[name] = value
        patch_vary_headers(response, _PREFLIGHT_VARY)
        return response

    def add_fields(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """
        Return *response* with the fields that let a page read it. A second time adds nothing.

        Where somebody else has allowed another origin, that stands alone: fields of two policies may
        allow what neither of them does.
        """
        fields = self.policy.fields(request.META.get("HTTP_ORIGIN"))
        # The first of ours names the origin.
        theirs = response.headers.get(_ALLOW_ORIGIN, fields[0][1] if fields else None)
        if fields and theirs == fields[0][1]:
            for name, value in fields:
                response.headers.setdefault(name, value)
        elif fields and theirs == "*":
            # Ours has been written over, and credentials go with no "*" (Fetch).
            response.headers.pop(_ALLOW_CREDENTIALS, None)
        # The same for everybody is the same for caches (Fetch, "CORS protocol and HTTP caches").
        if not self.policy.is_for_all:
            _vary_on_origin(response)
        return response

    def admits(self, request: HttpRequest) -> bool:
        """Return whether the policy lets an unsafe request of another origin pass."""
        origin = request.META.get("HTTP_ORIGIN")
        return origin is not None and self.policy.admits(
            origin,
            # A server that logs users in, by Kerberos or a certificate, may keep Authorization to itself.
            has_cookies=bool(request.META.get("HTTP_COOKIE") or request.META.get("REMOTE_USER")),
            authorization=request.META.get("HTTP_AUTHORIZATION", ""),
        )


def _vary_on_origin(response: HttpResponseBase) -> None:
    # Mostly there is nothing else, and Django would look for directives in it.
    vary = response.headers.get("Vary")
    if not vary:
        response.headers["Vary"] = "Origin"
    elif vary != "Origin":
        patch_vary_headers(response, ("Origin",))


def route_cors(policy: CORS | None, methods: Mapping[str, object]) -> RouteCors | None:
    """Return the policy of a route that answers *methods*, HEAD included; ``None`` where it has none."""
    if policy is None:
        return None
    return RouteCors(policy, tuple(sorted({*methods} - {"OPTIONS"})), "OPTIONS" not in methods)


def with_cors(view: View, cors: RouteCors | None) -> View:
    """Return *view* with *cors* around it, sync or async as *view* is."""
    if cors is None:
        return view

    async def aview(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        vars(request)["route_cors"] = cors
        return cors.answer_preflight(request) or cors.add_fields(request, await view(request, **segments))

    def sync_view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        vars(request)["route_cors"] = cors
        return cors.answer_preflight(request) or cors.add_fields(request, view(request, **segments))

    return aview if is_coroutine_function(view) else sync_view


def cors_of(view: View) -> RouteCors | None:
    """Return the policy of a view of a route; ``None`` where it has none, or is no such view."""
    return getattr(view, "route_cors", None)


def cors_of_request(request: HttpRequest) -> RouteCors | None:
    """Return the policy of the route that *request* has reached; ``None`` where that has none."""
    return vars(request).get("route_cors")


def add_cors(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return a response that stands in the place of a route's, with the fields of the route's policy."""
    cors = cors_of_request(request)
    match = request.resolver_match
    # Whoever answers in front of the view has kept the request from it, or even from being resolved: a file server,
    # mostly, whose every answer should not pay for what a browser of another origin alone may need.
    is_redirect = match is not None and hasattr(match.func, "leads_to")
    if cors is None and match is not None and not is_redirect:
        cors = cors_of(match.func)
    elif cors is None and (is_redirect or "HTTP_ORIGIN" in request.META):
        cors = find_cors(request, request.path_info)
    return response if cors is None else cors.add_fields(request, response)


def is_preflight(request: HttpRequest) -> bool:
    """Return whether a browser asks before it sends a request (Fetch, "CORS-preflight request")."""
    return (
        request.method == "OPTIONS"
        and "HTTP_ORIGIN" in request.META
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META
    )


def find_cors(request: HttpRequest, path: str) -> RouteCors | None:
    """
    Return the policy of the route that *path* leads to, before the middleware have seen *request*.

    A preflight has no cookies and no field of the request that it is about: whoever asks for a login, or
    for a key, would refuse it.
    """
    urlconf = cast("str | None", getattr(request, "urlconf", None))
    # LocaleMiddleware may come later, and a prefix of the path stands for a language.
    with translation.override(translation.get_language_from_request(request, check_path=True)):
        try:
            view = resolve(path, urlconf).func
            # Of the redirect of the last slash: the route that it leads to.
            other: Callable[[str], str] | None = getattr(view, "leads_to", None)
            return cors_of(view if other is None else resolve(other(path), urlconf).func)
        except Exception:
            # There is none; or the URLconf is broken, which Django reports where it resolves the path.
            return None
