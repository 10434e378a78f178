"""
Turn what the route cache did with a request, and the rules of its route, into a panel of django-debug-toolbar.

Only plain values are recorded: the toolbar shows them later, in another request or from JSON.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any, cast

from debug_toolbar.panels import Panel
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.caching.current import current_cache, is_enabled
from django_routehandlers.caching.entries import Entry
from django_routehandlers.conf import SETTING
from django_routehandlers.handlers.cached_get import CachedGet
from django_routehandlers.handlers.left_entry import entry_of
from django_routehandlers.handlers.view_facts import cached_get_of, config_of, middleware_of, policy_of
from django_routehandlers.listing.config_text import config_rows
from django_routehandlers.policies.outcome import CacheOutcome, is_routed

# What the cache says in a word that is about more than one request.
_WHY = {
    "uri-miss": "there was no entry",
    "stale": "the entry was beyond its lifetime",
    "invalidated": "the entry was invalidated",
}


class RouteCachePanel(Panel):
    """Shows how the route cache answered a request; for ``DEBUG_TOOLBAR_PANELS``."""

    title: Any = "Route cache"
    template: Any = "django_routehandlers/route_cache_panel.html"
    # Nothing here waits: what the request has left behind is read.
    is_async = True

    @property
    def nav_subtitle(self) -> Any:
        """What came of it, in a few words."""
        recorded: Mapping[str, object] = cast("Any", self).get_stats()
        return str(recorded.get("outcome", ""))

    def generate_stats(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Record what the request has left behind."""
        outcome: CacheOutcome | None = getattr(request, "route_cache", None)
        stats: dict[str, Any] = {
            "outcome": _outcome(request, outcome),
            "note": _note(),
            "facts": [],
            "config": [],
            "key": [],
            "counters": list(current_cache().counters.read().items()),
        }
        match = request.resolver_match
        if outcome is not None and match is not None:
            stats["facts"] = [*_facts(match.func, outcome, entry_of(request))]
            stats["config"] = [*_config(match.func)]
            if (cached := cached_get_of(match.func)) is not None:
                stats["key"] = [*_key(cached, request, match.kwargs)]
        cast("Any", self).record_stats(stats)


def _outcome(request: HttpRequest, outcome: CacheOutcome | None) -> str:
    if outcome is None or not is_routed(request):
        return "no route"
    status = outcome.status
    if status.hit:
        entry = entry_of(request)
        return "hit" if entry is None or entry.is_fresh(current_cache().clock.now()) else "hit, stale"
    if status.fwd == "bypass":
        return "dynamic" if status.detail == "dynamic" else f"bypass: {status.detail}"
    if status.fwd == "method":
        return f"not for {request.method}"
    what = "collapsed" if status.collapsed else "miss"
    return f"{what}: {status.detail or status.fwd}"


def _note() -> str:
    if is_enabled():
        return ""
    if settings.DEBUG:
        return f"The cache is off, as it is under DEBUG. {SETTING}['CACHE_ENABLED'] = True switches it on."
    return "The cache is off with these settings."


def _facts(view: Any, outcome: CacheOutcome, entry: Entry | None) -> Iterator[tuple[str, str]]:
    yield "Cache-Status", str(outcome.status)
    policy = policy_of(view)
    if policy is not None and policy.why_dynamic is not None:
        yield "Dynamic", policy.why_dynamic
    if names := ", ".join(layer.name for layer in middleware_of(view)):
        yield "Middleware", names
    if (why := _WHY.get(outcome.status.detail or "") or _WHY.get(outcome.status.fwd or "")) is not None:
        yield "Handler ran", why
    if entry is None:
        return
    yield "Age", f"{entry.age_now(current_cache().clock.now()):.1f} s"
    yield "Lifetime", "until invalidated" if entry.lifetime is None else f"{entry.lifetime:.0f} s"
    yield "Served stale", f"for {entry.window:.0f} s more" if entry.window else "never"
    yield "Tags", ", ".join(entry.names) or "none"
    yield "Tables", ", ".join(sorted(entry.tables)) or "none"
    yield "Size", f"{len(entry.value)} bytes"


def _config(view: Any) -> Iterator[tuple[str, str, str]]:
    """Yield what holds for a route of what folders hand down, and who said it."""
    return config_rows(config_of(view), os.path.join(os.getcwd(), ""))


def _key(cached: CachedGet, request: HttpRequest, segments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the parts of the key that differ from URL to URL and from client to client."""
    yield "URL", f"{request.scheme}://{request.get_host()}{request.path}"
    yield from ((f"segment {name}", str(value)) for name, value in segments.items())
    names = [*(name for name, _ in cached.inputs.names)]
    for group in cached.inputs.groups.values():
        names.extend(request.GET if group is None else sorted(group))
    for name in dict.fromkeys(names):
        yield f"query parameter {name}", ", ".join(request.GET.getlist(name)) if name in request.GET else "absent"
    for name in cached.inputs.field_names:
        yield f"field {name}", request.headers.get(name, "absent")
