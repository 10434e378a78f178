"""
Turn the handlers of a route into the one Django view that answers it.

Its two thin edges are made in ``edges.py``; what goes around them is put on here. A route whose
handlers are all plain functions is a sync view, which Django itself runs in a worker thread
under ASGI and directly under WSGI; any other route is an async view. A route that is cached has
both, so that what is kept is served on the event loop, or in the thread, that is there. With
middleware around it, a view is of the kind of the outermost one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.handlers.cached_get import CachedGet
from django_routehandlers.handlers.cross_origin import with_cors
from django_routehandlers.handlers.csrf_rules import CSRF_RULES
from django_routehandlers.handlers.edges import async_view, sync_view
from django_routehandlers.handlers.failures import answer_failure, answer_refusal
from django_routehandlers.handlers.judging import MethodTable, method_table
from django_routehandlers.handlers.layers import Layer
from django_routehandlers.handlers.lifecycle import with_fields
from django_routehandlers.handlers.preconditions import Preconditions
from django_routehandlers.handlers.security import with_challenge
from django_routehandlers.handlers.throttling import Throttling, with_rate_fields, with_throttle
from django_routehandlers.handlers.wrapping import View, wrap
from django_routehandlers.policies.cors import CORS
from django_routehandlers.policies.lifecycle import Fields
from django_routehandlers.policies.security import Scheme


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
    throttling: Throttling | None = None,
    is_throttled: bool = True,
    security: Scheme | None = None,
    challenge: str | None = None,
    guard: Preconditions | None = None,
) -> Views:
    """
    Return the views that answer a route.

    Args:
        handlers, module: Method → handler, as the route file defines them, and the name of its module.
        cached: What answers GET and automatic HEAD in the place of the handler.
        policy: What listings say of the cache; ``None`` where there is no GET.
        layers: The middleware around the route, outermost first.
        csrf, cors: Name of the rule for unsafe requests; which other origins are answered, ``None`` for none.
        fields: Those of all of its responses.
        throttling, is_throttled: How often a client may ask, ``None`` for any number; whether that is counted.
        security, challenge: How its clients prove who they are, and what a 401 asks for.
        guard: What judges preconditions; ``None``: nothing does before the handler runs.
    """
    whole = method_table(handlers, cached, CSRF_RULES[csrf], cors, guard)
    around = {"middleware": tuple(layers), "csrf_rule": csrf, "route_cors": whole.cors, "route_fields": fields}
    about: dict[str, Any] = {"handlers": dict(handlers), "cached_get": cached, "cache_policy": policy, **around}
    about.update(route_security=security, route_challenge=challenge, throttling=throttling, preconditions=guard)
    about["counted"] = throttling if is_throttled else None
    if whole.cached and (layers or about["counted"] is not None):
        about["within"] = sync_view(whole)
    return _wrapped(whole, layers, module, about) if layers else _bare(whole, module, about)


def _bare(table: MethodTable, module: str, about: Mapping[str, Any]) -> Views:
    handlers: Mapping[str, BoundHandler] = about["handlers"]

    def made(kind: Callable[[MethodTable], View]) -> View:
        return _finished(with_throttle(kind(table), about["counted"], answer_failure), module, about)

    is_async = any(handler.is_written_async for handler in handlers.values())
    kinds = (async_view, sync_view) if is_async else (sync_view, async_view)
    view = made(kinds[0])
    is_limited = not is_async and any(handler.max_duration is not None for handler in handlers.values())
    if not table.cached and not is_limited:
        return Views(view, view, view)
    # What is kept needs no other thread, and no event loop: each kind of server gets a view of its own kind. And
    # who waits for a thread, not to be too long, has to be on the loop.
    twin = made(kinds[1])
    return Views(view, on_loop=view if is_async else twin, in_thread=twin if is_async else view)


def _wrapped(table: MethodTable, layers: Sequence[Layer], module: str, about: Mapping[str, Any]) -> Views:
    is_async = layers[-1].is_async
    kinds = {True: async_view, False: sync_view}

    def wrapped(*, is_async: bool) -> View:
        within = with_throttle(kinds[is_async](table, answer_refusal), about["counted"], answer_refusal)
        return _finished(wrap(within, layers, table.handlers, is_async=is_async), module, about)

    view = wrapped(is_async=is_async)
    if not table.cached or not is_async:
        return Views(view, view, view)
    # Where there is no event loop, the one of an async layer ends with the request, and refreshes go on.
    return Views(view, on_loop=view, in_thread=wrapped(is_async=False))


def _finished(view: View, module: str, about: Mapping[str, Any]) -> View:
    view = with_fields(with_rate_fields(view, about["counted"]), about["route_fields"])
    view = with_challenge(view, about["route_challenge"])
    view = with_cors(view, about["route_cors"])
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
