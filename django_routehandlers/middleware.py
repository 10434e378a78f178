"""
Turn the outcome that a route left into the fields that caches and clients act on.

Only here is ``public`` ever written, since only the outermost middleware sees the finished
response: who looked at the session, which cookies were set, what else it varies on. Responses of
views that are no routes pass as they are.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.functional import empty
from django.utils.http import parse_http_date_safe

from django_routehandlers.engine.request import is_due
from django_routehandlers.fields import field_of, give_field, set_field
from django_routehandlers.handlers.cross_origin import add_cors, cors_of_request, find_cors, is_preflight
from django_routehandlers.handlers.functions import is_coroutine_function
from django_routehandlers.policies.cache_control import (
    PRIVATE,
    vary_names,
)
from django_routehandlers.policies.cache_status import append_cache_status
from django_routehandlers.policies.outcome import (
    AWAITED,
    CacheOutcome,
    await_outcome,
    has_own_content,
    is_awaited,
    is_routed,
    outcome_of,
    own_outcome,
    request_etag,
    withdraw,
)
from django_routehandlers.policies.preconditions import left_to_judge

_SHARED_STATUSES = frozenset({200, 301, 304, 308})
# Fields that caches downstream key on, or that CORS has them key on.
_SHARED_NAMES = frozenset({"accept-encoding", "accept-language", "origin"})
_PRIVATE_FIELD = ("Cache-Control", PRIVATE)
_NAMES_OF_CLIENTS = frozenset({"authorization", "cookie"})
_CONDITIONS = frozenset({"HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"})
# A 304 has no content for these to speak of (RFC 9110, section 15.4.5).
_CONTENT_FIELDS = frozenset({"content-type", "content-length", "content-encoding", "content-language"})


class CacheControlMiddleware:
    """
    Say on the wire what the route cache means: ``Cache-Control``, ``Age``, ``Cache-Status``, and 304.

    Belongs first in ``MIDDLEWARE``, where it sees what all others have made of a response. A
    response is ``public`` only where nothing on its way out has to do with who asks.
    """

    sync_capable = True
    async_capable = True

    marks: Final[Mapping[str, object]] = {AWAITED: True}
    """The attributes that ``process_request()`` gives a request that is no preflight."""
    has_hooks = True
    """That our engine may call the hooks, which wait for nothing, in the place of the whole."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        self._is_async = is_coroutine_function(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request."""
        if self._is_async:
            return self.__acall__(request)
        answer = self.process_request(request)
        if answer is None:
            answer = cast("HttpResponseBase", self.get_response(request))
        return self.process_response(request, answer)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """As ``__call__()``, on the event loop."""
        answer = self.process_request(request)
        if answer is None:
            answer = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        return self.process_response(request, answer)

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the answer to a preflight; ``None`` for any other request, whose outcome is waited for."""
        if is_preflight(request) and (answer := _answer_preflight(request)) is not None:
            return answer
        await_outcome(request)
        return None

    def fields_depend_on(self, request: HttpRequest, response: HttpResponseBase) -> object:
        """Return what decides which fields a response of status 200, without any, is given; ``None`` if unknown."""
        outcome = own_outcome(request, response)
        return None if outcome is None or cors_of_request(request) is not None else outcome.constant

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response that says what the cache means."""
        # Whoever asks before a request has the whole answer.
        return _finish(request, response) if is_awaited(request) else response


def _answer_preflight(request: HttpRequest) -> HttpResponseBase | None:
    cors = find_cors(request, request.path_info)
    return None if cors is None else cors.answer_preflight(request)


def _finish(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    outcome = own_outcome(request, response)
    if outcome is None or cors_of_request(request) is not None:
        # Also of what another middleware has put in the place of the route's response.
        response = add_cors(request, response)
        if not is_routed(request):
            return response
        outcome = outcome_of(request, response)
    if outcome is None:
        # What stands in the place of the view's response may have its fields, and the handler's own words in them.
        response.headers.setdefault("Cache-Control", PRIVATE)
        if _sets_cookie(response) or _is_known(request):
            withdraw(response)
        return response
    _write_cache_control(request, response, outcome)
    response = _conditional_response(request, response)
    if response.status_code == 412:
        withdraw(response)
        return response
    if outcome.age is not None:
        # The clock of another machine may have made the entry, and clocks step back.
        set_field(response, "age", ("Age", str(max(outcome.age, 0))))
    if sent := field_of(response, "cache-status"):
        response.headers["Cache-Status"] = append_cache_status(sent, outcome.status)
    else:
        give_field(response, "cache-status", outcome.status_field)
    return response


def _write_cache_control(request: HttpRequest, response: HttpResponseBase, outcome: CacheOutcome) -> None:
    if not outcome.is_public:
        # A 304 that was made before the handler ran does not know what the handler says (RFC 9110, section 15.4.5).
        if response.status_code != 304 or not outcome.keeps_words:
            give_field(response, "cache-control", _PRIVATE_FIELD)
        # A handler that has read the request knew what it said; of a cookie it need not have known.
        if _sets_cookie(response) or not outcome.keeps_words:
            withdraw(response)
    elif not _is_for_everybody(request, response, outcome):
        withdraw(response)
    else:
        give_field(response, "cache-control", outcome.cache_control_field)
        names = outcome.varies_on
        if response.status_code == 304:
            # GZipMiddleware passes by the 304 of ConditionalGetMiddleware, and caches freshen their
            # entry with what it says: one that is compressed would seem to be for every client.
            names = names | {"accept-encoding"}
        if names:
            patch_vary_headers(response, sorted(names))


def _is_for_everybody(request: HttpRequest, response: HttpResponseBase, outcome: CacheOutcome) -> bool:
    """Return whether nothing shows that the response, or whether it was given at all, depends on who asks."""
    if response.status_code not in _SHARED_STATUSES or _sets_cookie(response) or _is_known(request):
        return False
    vary, varies_on = response.headers.get("Vary"), outcome.varies_on
    if not vary and not varies_on:
        return not outcome.is_translated
    names = vary_names(vary or "")
    return (
        names is not None
        and names <= _SHARED_NAMES | varies_on
        and not (names | varies_on) & _NAMES_OF_CLIENTS
        # Whoever has chosen another language, and by another field, has told no cache.
        and not (outcome.is_translated and "accept-language" not in names)
        # LocaleMiddleware asks this cookie before Accept-Language, and names only the latter.
        and not ("accept-language" in names and settings.LANGUAGE_COOKIE_NAME in request.COOKIES)
    )


def _sets_cookie(response: HttpResponseBase) -> bool:
    return bool(response.cookies) or field_of(response, "set-cookie") is not None


def _is_known(request: HttpRequest) -> bool:
    """Return whether the request says who asks, or a middleware has looked."""
    # A server that has checked who asks may take Authorization away, and say REMOTE_USER instead.
    if "HTTP_AUTHORIZATION" in request.META or request.META.get("REMOTE_USER"):
        return True
    session = None if is_due(request, "session") else getattr(request, "session", None)
    if session is not None and (session.accessed or session.modified):
        return True
    user = None if is_due(request, "user") else getattr(request, "user", None)
    # Nobody has looked at a lazy user that is still empty, and here is not the place to do so.
    return getattr(user, "_wrapped", user) is not empty and bool(getattr(user, "is_authenticated", False))


def _conditional_response(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the 304 or 412 that the fields of the request ask for (RFC 9110, section 13.2.2), or *response*."""
    etag = field_of(response, "etag")
    if etag and etag == request_etag(request) and not has_own_content(request, response):
        # Of the entry, whose content another middleware has changed.
        del response.headers["ETag"]
        return response
    if request.method not in ("GET", "HEAD") or response.status_code != 200 or response.streaming or not etag:
        return response
    # Nearly every request has none: Django would look for entity tags in four empty fields.
    if request.META.keys().isdisjoint(_CONDITIONS):
        return response
    modified = response.headers.get("Last-Modified")
    answer = get_conditional_response(
        left_to_judge(request, response),
        etag=etag,
        last_modified=parse_http_date_safe(modified) if modified else None,
        response=cast(HttpResponse, response),
    )
    if answer is None or answer is response:
        return response
    # Django keeps the fields of RFC 9110 alone, and would drop those of CORS and of the other middleware.
    for name, value in response.items():
        if name.lower() not in _CONTENT_FIELDS:
            answer.headers.setdefault(name, value)
    return answer
