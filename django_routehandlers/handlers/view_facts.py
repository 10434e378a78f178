"""
What listings, checks and the OpenAPI document read off a view that ``make_view()`` made.

Nothing of it is read while a request is answered.
"""

from collections.abc import Iterable, Mapping

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.handlers.cached_get import CachedGet
from django_routehandlers.handlers.layers import Layer, changes_of_threads
from django_routehandlers.handlers.preconditions import Preconditions
from django_routehandlers.handlers.provenance import Said
from django_routehandlers.handlers.throttling import Throttling
from django_routehandlers.handlers.wrapping import View
from django_routehandlers.policies.lifecycle import Fields
from django_routehandlers.policies.security import Scheme


def handlers_of(view: View) -> Mapping[str, BoundHandler]:
    """Return the handlers behind a view that ``make_view`` made: those that the file defines, none automatic."""
    return vars(view)["handlers"]


def is_route(view: View) -> bool:
    """Return whether ``make_view`` made *view*."""
    return hasattr(view, "cache_policy")


def policy_of(view: View) -> CachePolicy | None:
    """Return how the GET of a view that ``make_view`` made is cached; ``None`` where the file has no GET."""
    return vars(view)["cache_policy"]


def cached_get_of(view: View) -> CachedGet | None:
    """Return what answers a view's GET from the cache; ``None`` where nothing does, or it is no view of a route."""
    return getattr(view, "cached_get", None)


def middleware_of(view: View) -> tuple[Layer, ...]:
    """Return the middleware around a view that ``make_view`` made, outermost first."""
    return vars(view)["middleware"]


def middleware_hops_of(view: View) -> int:
    """Return how many more changes of threads a request to a view makes under ASGI for the middleware around it."""
    kinds = [layer.is_async for layer in middleware_of(view)]
    ends = [[handler.is_written_async] for handler in handlers_of(view).values()]
    # What is kept is served without the handler.
    if cached_get_of(view) is not None:
        ends.append([])
    return max(changes_of_threads([*kinds, *end]) - changes_of_threads(end) for end in ends)


def note_config(views: Iterable[View], said: Mapping[str, Said]) -> None:
    """Note who said what of the config of a route that folders hand down, for listings."""
    for view in views:
        vars(view)["route_config"] = said


def config_of(view: View) -> Mapping[str, Said]:
    """Return what ``note_config()`` has noted of a view."""
    return vars(view)["route_config"]


def csrf_rule_of(view: View) -> str:
    """Return the name of the rule by which a view that ``make_view`` made judges unsafe requests."""
    return vars(view)["csrf_rule"]


def throttling_of_view(view: View) -> Throttling | None:
    """Return how often clients may ask a view of a route; ``None`` where that is any number, or it is no such view."""
    return getattr(view, "throttling", None)


def security_of(view: View) -> Scheme | None:
    """Return the scheme that is said of the route of a view that ``make_view`` made; ``None`` where none is."""
    return vars(view)["route_security"]


def preconditions_of(view: View) -> Preconditions | None:
    """Return what judges the preconditions of requests to a view that ``make_view`` made; ``None`` for nothing."""
    return vars(view)["preconditions"]


def fields_of(view: View) -> Fields:
    """Return the fields that all responses of a view that ``make_view`` made have."""
    return vars(view)["route_fields"]


def is_deprecated(view: View) -> bool:
    """Return whether the responses of a view that ``make_view`` made say that it is deprecated."""
    return any(name == "Deprecation" for name, _ in fields_of(view))


def view_within(view: View) -> View:
    """Return what fills the cache of a route in a thread, without what decides who may have it, and how often."""
    return vars(view).get("within", view)
