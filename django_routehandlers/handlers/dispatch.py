"""
Turn the handlers of a route into the one Django view that answers it.

One body of logic, before and after the handler; two thin edges around it. A route whose
handlers are all plain functions is a sync view, which Django itself runs in a worker thread
under ASGI and directly under WSGI; any other route is an async view. A route that is cached has
both, so that what is kept is served on the event loop, or in the thread, that is there. With
middleware around it, a view is of the kind of the outermost one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.after import Deferred
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.handlers.cached_get import CachedGet, tell_cache
from django_routehandlers.handlers.cross_origin import with_cors
from django_routehandlers.handlers.csrf_rules import CSRF_RULES
from django_routehandlers.handlers.failures import answer_failure, answer_refusal
from django_routehandlers.handlers.judging import (
    MethodTable,
    ajudge,
    auser_of,
    is_as_sent,
    judge,
    method_table,
    user_of,
)
from django_routehandlers.handlers.layers import Layer
from django_routehandlers.handlers.lifecycle import with_fields
from django_routehandlers.handlers.streaming import start, start_on_loop
from django_routehandlers.handlers.wrapping import View, wrap
from django_routehandlers.policies.cors import CORS
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.policies.lifecycle import Fields

Fail = Callable[[Exception, HttpRequest], HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Views:
    """The views of a route, which answer alike."""

    view: View
    """The one that listings show: async where a handler, or the outermost middleware, is."""
    on_loop: View
    """The one that answers where an event loop runs."""
    in_thread: View
    """The one that answers where none does."""


def make_view(
    handlers: Mapping[str, BoundHandler],
    module: str,
    cached: CachedGet | None = None,
    policy: CachePolicy | None = None,
    *,
    layers: Sequence[Layer] = (),
    csrf: str = "origin",
    cors: CORS | None = None,
    fields: Fields = (),
) -> Views:
    """
    Return the views that answer a route.

    Args:
        handlers: Method → handler, as the route file defines them.
        module: Name of the route's module, under which listings, logs and profilers show the view.
        cached: What answers GET and automatic HEAD in the place of the handler.
        policy: What listings and checks say of the cache; ``None`` where there is no GET.
        layers: The middleware around the route, outermost first.
        csrf: Name of the rule by which unsafe requests are judged.
        cors: Which other origins the route answers; ``None`` for none.
        fields: Those of all of its responses.
    """
    whole = method_table(handlers, cached, CSRF_RULES[csrf], cors)
    around = {"middleware": tuple(layers), "csrf_rule": csrf, "route_cors": whole.cors, "route_fields": fields}
    about = {"handlers": dict(handlers), "cached_get": cached, "cache_policy": policy, **around}
    if layers:
        return _wrapped(whole, layers, module, about)
    is_async = any(handler.is_written_async for handler in handlers.values())
    kinds = (_async_view, _sync_view) if is_async else (_sync_view, _async_view)
    view = _finished(kinds[0](whole), module, about)
    is_limited = not is_async and any(handler.max_duration is not None for handler in handlers.values())
    if not whole.cached and not is_limited:
        return Views(view, view, view)
    # What is kept needs no other thread, and no event loop: each kind of server gets a view of its own kind. And
    # who waits for a thread, not to be too long, has to be on the loop.
    twin = _finished(kinds[1](whole), module, about)
    return Views(view, on_loop=view if is_async else twin, in_thread=twin if is_async else view)


def _wrapped(table: MethodTable, layers: Sequence[Layer], module: str, about: Mapping[str, Any]) -> Views:
    is_async = layers[-1].is_async
    if table.cached:
        about = {**about, "within": _sync_view(table)}
    kind = _async_view if is_async else _sync_view
    view = _finished(wrap(kind(table, answer_refusal), layers, table.handlers, is_async=is_async), module, about)
    if not table.cached or not is_async:
        return Views(view, view, view)
    # Where there is no event loop, the one of an async layer ends with the request, and refreshes go on.
    twin = wrap(_sync_view(table, answer_refusal), layers, table.handlers, is_async=False)
    return Views(view, on_loop=view, in_thread=_finished(twin, module, about))


def _finished(view: View, module: str, about: Mapping[str, Any]) -> View:
    view = with_cors(with_fields(view, about["route_fields"]), about["route_cors"])
    mark_view(view)
    view.__module__, _, view.__name__ = module.rpartition(".")
    view.__qualname__ = view.__name__
    handlers: Mapping[str, BoundHandler] = about["handlers"]
    if all(getattr(handler.function, "login_required", True) is False for handler in handlers.values()):
        vars(view)["login_required"] = False
    vars(view).update(about)
    return view


def mark_view(view: Any) -> None:
    """Tell Django that our own rules stand in for its check of CSRF, and our own transactions for the view's."""
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


def middleware_of(view: View) -> tuple[Layer, ...]:
    """Return the middleware around a view that ``make_view`` made, outermost first."""
    return vars(view)["middleware"]


def csrf_rule_of(view: View) -> str:
    """Return the name of the rule by which a view that ``make_view`` made judges unsafe requests."""
    return vars(view)["csrf_rule"]


def fields_of(view: View) -> Fields:
    """Return the fields that all responses of a view that ``make_view`` made have."""
    return vars(view)["route_fields"]


def is_deprecated(view: View) -> bool:
    """Return whether the responses of a view that ``make_view`` made say that it is deprecated."""
    return any(name == "Deprecation" for name, _ in fields_of(view))


def view_within(view: View) -> View:
    """Return what fills the cache of a route in a thread, without the middleware that decides who may have it."""
    return vars(view).get("within", view)


def _async_view(table: MethodTable, fail: Fail = answer_failure) -> View:
    calls = {method: handler.async_call() for method, handler in table.handlers.items()}
    cached, waits, is_within = table.cached, table.csrf.waits, fail is answer_refusal

    async def answer(request: HttpRequest, method: str, segments: Mapping[str, Any]) -> HttpResponseBase:
        if method in cached and is_as_sent(request, method):
            return await cached[method].aanswer(request, segments)
        asks = waits and method not in SAFE_METHODS
        ready = await ajudge(request, segments, table) if asks else judge(request, segments, table)
        if isinstance(ready, HttpResponseBase):
            return ready
        plan, values = ready
        if plan.user is not None:
            plan.take_user(await auser_of(request), values)
        if plan.waits(request):
            await sync_to_async(plan.read, thread_sensitive=True)(request, values)
        else:
            plan.read(request, values)
        args, kwargs = plan.arguments(request, values)
        return await calls[method](*args, **kwargs)

    async def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        method = request.method or ""
        deferred = None if is_within else _deferred(request, table)
        streams: bool | None = None
        try:
            response = await answer(request, method, segments)
            if streams := response.streaming:
                response = await start_on_loop(request, response)
        except Exception as error:
            streams = None
            response = fail(error, request)
        finally:
            if deferred is not None:
                deferred.leave(streams=streams)
        return tell_cache(request, response, is_cached=method in cached)

    return view


def _deferred(request: HttpRequest, table: MethodTable) -> Deferred | None:
    # What is cached forbids it: after() would run for each run of the handler, not for each request.
    return None if request.method in table.cached else Deferred(request, table.handlers)


def _sync_view(table: MethodTable, fail: Fail = answer_failure) -> View:
    calls = {method: handler.sync_call() for method, handler in table.handlers.items()}
    cached, is_within = table.cached, fail is answer_refusal

    def answer(request: HttpRequest, method: str, segments: Mapping[str, Any]) -> HttpResponseBase:
        if method in cached and is_as_sent(request, method):
            return cached[method].answer(request, segments)
        ready = judge(request, segments, table)
        if isinstance(ready, HttpResponseBase):
            return ready
        plan, values = ready
        if plan.user is not None:
            plan.take_user(user_of(request), values)
        plan.read(request, values)
        args, kwargs = plan.arguments(request, values)
        return calls[method](*args, **kwargs)

    def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        method = request.method or ""
        deferred = None if is_within else _deferred(request, table)
        streams: bool | None = None
        try:
            response = answer(request, method, segments)
            if streams := response.streaming:
                response = start(request, response)
        except Exception as error:
            streams = None
            response = fail(error, request)
        finally:
            if deferred is not None:
                deferred.leave(streams=streams)
        return tell_cache(request, response, is_cached=method in cached)

    return view
