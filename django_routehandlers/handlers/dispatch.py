"""
Turn the handlers of a route into the one Django view that answers it.

One body of logic, before and after the handler; two thin edges around it. A route whose
handlers are all plain functions is a sync view, which Django itself runs in a worker thread
under ASGI and directly under WSGI; any other route is an async view. A route that is cached has
both, so that what is kept is served on the event loop, or in the thread, that is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.after import Deferred
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.handlers.cached_get import CachedGet, tell_cache
from django_routehandlers.handlers.failures import answer_failure
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.streaming import start, start_on_loop
from django_routehandlers.policies.csrf import SAFE_METHODS, refused_origin
from django_routehandlers.responses.conversion import no_content
from django_routehandlers.responses.problems import ProblemResponse

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Names that make a function of a route file a handler."""

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Views:
    """The views of a route, which answer alike."""

    view: View
    """The one that listings show: async where a handler is."""
    on_loop: View
    """The one that answers where an event loop runs."""
    in_thread: View
    """The one that answers where none does."""


def make_view(
    handlers: Mapping[str, BoundHandler],
    module: str,
    cached: CachedGet | None = None,
    policy: CachePolicy | None = None,
) -> Views:
    """
    Return the views that answer a route.

    Args:
        handlers: Method → handler, as the route file defines them.
        module: Name of the route's module, under which listings, logs and profilers show the view.
        cached: What answers GET and automatic HEAD in the place of the handler.
        policy: What listings and checks say of the cache; ``None`` where there is no GET.
    """
    table = dict(handlers)
    answers: dict[str, CachedGet] = {}
    if "GET" in table:
        table.setdefault("HEAD", table["GET"])
        if cached is not None:
            answers = {method: cached for method in ("GET", "HEAD") if table[method] is cached.handler}
    allow = ", ".join(sorted({*table, "OPTIONS"}))
    is_async = any(handler.is_written_async for handler in handlers.values())
    kinds = (_async_view, _sync_view) if is_async else (_sync_view, _async_view)
    view: Any = _finished(kinds[0](table, answers, allow), handlers, module, cached, policy)
    is_limited = not is_async and any(handler.max_duration is not None for handler in handlers.values())
    if not answers and not is_limited:
        return Views(view, view, view)
    # What is kept needs no other thread, and no event loop: each kind of server gets a view of its own kind. And
    # who waits for a thread, not to be too long, has to be on the loop.
    twin: Any = _finished(kinds[1](table, answers, allow), handlers, module, cached, policy)
    return Views(view, on_loop=view if is_async else twin, in_thread=twin if is_async else view)


def _finished(
    view: Any,
    handlers: Mapping[str, BoundHandler],
    module: str,
    cached: CachedGet | None,
    policy: CachePolicy | None,
) -> View:
    mark_view(view)
    view.__module__, _, view.__name__ = module.rpartition(".")
    view.__qualname__ = view.__name__
    if all(getattr(handler.function, "login_required", True) is False for handler in handlers.values()):
        view.login_required = False
    view.handlers = dict(handlers)
    view.cached_get, view.cache_policy = cached, policy
    return view


def mark_view(view: Any) -> None:
    """Tell Django that our own rule stands in for its CSRF token, and our own transactions for the view's."""
    view.csrf_exempt = True
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)


def handlers_of(view: View) -> Mapping[str, BoundHandler]:
    """Return the handlers behind a view that ``make_view`` made: those that the file defines, none automatic."""
    return vars(view)["handlers"]


def policy_of(view: View) -> CachePolicy | None:
    """Return how the GET of a view that ``make_view`` made is cached; ``None`` where the file has no GET."""
    return vars(view)["cache_policy"]


def cached_get_of(view: View) -> CachedGet | None:
    """Return what answers a view's GET from the cache; ``None`` where nothing does, or it is no view of a route."""
    return getattr(view, "cached_get", None)


def _async_view(table: Mapping[str, BoundHandler], cached: Mapping[str, CachedGet], allow: str) -> Any:
    calls = {method: handler.async_call() for method, handler in table.items()}

    async def answer(request: HttpRequest, method: str, segments: Mapping[str, Any]) -> HttpResponseBase:
        if method in cached and _is_as_sent(request, method):
            return await cached[method].aanswer(request, segments)
        ready = _before(request, segments, table, allow)
        if isinstance(ready, HttpResponseBase):
            return ready
        plan, values = ready
        if plan.user is not None:
            plan.take_user(await _auser(request), values)
        if plan.waits(request):
            await sync_to_async(plan.read, thread_sensitive=True)(request, values)
        else:
            plan.read(request, values)
        args, kwargs = plan.arguments(request, values)
        return await calls[method](*args, **kwargs)

    async def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        method = request.method or ""
        deferred = None if method in cached else Deferred(request, table)
        streams: bool | None = None
        try:
            response = await answer(request, method, segments)
            if streams := response.streaming:
                response = await start_on_loop(request, response)
        except Exception as error:
            streams = None
            response = answer_failure(error, request)
        finally:
            if deferred is not None:
                deferred.leave(streams=streams)
        return tell_cache(request, response, is_cached=method in cached)

    return view


def _sync_view(table: Mapping[str, BoundHandler], cached: Mapping[str, CachedGet], allow: str) -> Any:
    calls = {method: handler.sync_call() for method, handler in table.items()}

    def answer(request: HttpRequest, method: str, segments: Mapping[str, Any]) -> HttpResponseBase:
        if method in cached and _is_as_sent(request, method):
            return cached[method].answer(request, segments)
        ready = _before(request, segments, table, allow)
        if isinstance(ready, HttpResponseBase):
            return ready
        plan, values = ready
        if plan.user is not None:
            plan.take_user(_user(request), values)
        plan.read(request, values)
        args, kwargs = plan.arguments(request, values)
        return calls[method](*args, **kwargs)

    def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        method = request.method or ""
        deferred = None if method in cached else Deferred(request, table)
        streams: bool | None = None
        try:
            response = answer(request, method, segments)
            if streams := response.streaming:
                response = start(request, response)
        except Exception as error:
            streams = None
            response = answer_failure(error, request)
        finally:
            if deferred is not None:
                deferred.leave(streams=streams)
        return tell_cache(request, response, is_cached=method in cached)

    return view


def _user(request: HttpRequest) -> Any:
    user = request.user
    # Reading an attribute is what makes Django fetch the user; from here on it is there.
    user.is_authenticated  # noqa: B018
    return user


async def _auser(request: HttpRequest) -> Any:
    auser = getattr(request, "auser", None)
    # A middleware of the project's own may set only request.user, and may fetch it from a database.
    return await (sync_to_async(_user)(request) if auser is None else auser())


def _before(
    request: HttpRequest, segments: Mapping[str, Any], table: Mapping[str, BoundHandler], allow: str
) -> HttpResponseBase | tuple[Plan, dict[str, Any]]:
    method = request.method or ""
    handler = table.get(method)
    is_as_sent = _is_as_sent(request, method)
    if handler is None or not is_as_sent:
        if method == "OPTIONS" and is_as_sent:
            response = no_content()
            response.headers["Allow"] = allow
            return response
        return ProblemResponse(405, headers={"Allow": allow})
    # A segment that does not fit means that there is no such resource: that is said before all else.
    values = handler.plan.read_segments(segments)
    if method not in SAFE_METHODS and (reason := _refused(request)):
        return ProblemResponse(403, detail=reason)
    return handler.plan, values


def _is_as_sent(request: HttpRequest, method: str) -> bool:
    """Return whether the method came in upper case: names of methods are case-sensitive (RFC 9110, section 9.1)."""
    scope: Mapping[str, Any] | None = getattr(request, "scope", None)
    sent = scope["method"] if scope is not None else request.META.get("REQUEST_METHOD", method)
    # A middleware that overrides the method has changed more than its case, on purpose.
    return sent == method or sent.upper() != method


def _refused(request: HttpRequest) -> str | None:
    fetch_site, origin = request.META.get("HTTP_SEC_FETCH_SITE"), request.META.get("HTTP_ORIGIN")
    if fetch_site is None and origin is None:
        return None
    own = f"{request.scheme}://{request.get_host()}"
    return refused_origin(fetch_site, origin, own, settings.CSRF_TRUSTED_ORIGINS)
