"""
Judge a request to a route before any handler is called: its method, its segments, and who forged it.

What the sync and the async edge of a route share is here, worked out when the route is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.log import log_response

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cached_get import CachedGet
from django_routehandlers.handlers.cross_origin import RouteCors, route_cors
from django_routehandlers.handlers.csrf_rules import CsrfRule
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.preconditions import Preconditions
from django_routehandlers.policies.cors import CORS
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.responses.conversion import no_content
from django_routehandlers.responses.problems import ProblemResponse

Judged = HttpResponseBase | tuple[Plan, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MethodTable:
    """What the two edges of a route share."""

    handlers: Mapping[str, BoundHandler]
    """Method → handler, the automatic HEAD included."""
    cached: Mapping[str, CachedGet]
    """Method → what answers in the place of its handler."""
    allow: str
    csrf: CsrfRule
    cors: RouteCors | None
    guard: Preconditions | None


def method_table(
    handlers: Mapping[str, BoundHandler],
    cached: CachedGet | None,
    csrf: CsrfRule,
    cors: CORS | None,
    guard: Preconditions | None = None,
) -> MethodTable:
    """Return the table of a route: its *handlers*, HEAD where it follows from GET, and what answers from the cache."""
    table = dict(handlers)
    answers: dict[str, CachedGet] = {}
    if "GET" in table:
        table.setdefault("HEAD", table["GET"])
        if cached is not None:
            answers = {method: cached for method in ("GET", "HEAD") if table[method] is cached.handler}
    allow = ", ".join(sorted({*table, "OPTIONS"}))
    return MethodTable(table, answers, allow, csrf, route_cors(cors, table), guard)


async def ajudge(request: HttpRequest, segments: Mapping[str, Any], table: MethodTable) -> Judged:
    """As ``judge()``, in the thread of the request: where the rule for unsafe requests may wait."""
    return await sync_to_async(judge, thread_sensitive=True)(request, segments, table)


def judge(request: HttpRequest, segments: Mapping[str, Any], table: MethodTable) -> Judged:
    """
    Return the answer that *request* gets without a handler, or what its handler is called with so far.

    Raises:
        Http404: A segment does not fit.
    """
    method = request.method or ""
    handler = table.handlers.get(method)
    is_known = is_as_sent(request, method)
    if handler is None or not is_known:
        if method == "OPTIONS" and is_known:
            response = no_content()
            response.headers["Allow"] = table.allow
            return response
        return ProblemResponse(405, headers={"Allow": table.allow})
    # A segment that does not fit means that there is no such resource: that is said before all else.
    values = handler.plan.read_segments(segments)
    if method not in SAFE_METHODS and (reason := table.csrf.refusal(request)):
        return _forbidden(request, reason, is_logged=table.csrf.is_logged)
    return handler.plan, values


def _forbidden(request: HttpRequest, reason: str, *, is_logged: bool) -> HttpResponseBase:
    response = ProblemResponse(403, detail=reason)
    if is_logged:
        # Django would say once more that it is forbidden, and not why.
        vars(response)["_has_been_logged"] = True
    else:
        log_response("Forbidden (%s): %s", reason.rstrip("."), request.path, response=response, request=request)
    return response


def is_as_sent(request: HttpRequest, method: str) -> bool:
    """Return whether the method came in upper case: names of methods are case-sensitive (RFC 9110, section 9.1)."""
    scope: Mapping[str, Any] | None = getattr(request, "scope", None)
    sent = scope["method"] if scope is not None else request.META.get("REQUEST_METHOD", method)
    # A middleware that overrides the method has changed more than its case, on purpose.
    return sent == method or sent.upper() != method
