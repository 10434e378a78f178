"""Turn mistakes into messages of Django's system check framework."""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Info, Warning
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from django_routehandlers.caching.current import read_variables
from django_routehandlers.conf import SETTING, get_config
from django_routehandlers.engine.hops import Hops, hops_of_middleware, hops_of_receivers, untested_middleware
from django_routehandlers.engine.internals import unknown_internals
from django_routehandlers.exceptions import Mistake
from django_routehandlers.handlers.cross_origin import cors_of
from django_routehandlers.handlers.signature import has_authentication
from django_routehandlers.handlers.view_facts import (
    cached_get_of,
    csrf_rule_of,
    middleware_hops_of,
    middleware_of,
    throttling_of_view,
)
from django_routehandlers.policies.throttle import Throttle
from django_routehandlers.routing.patterns import RouteResolver, RouteTable
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.url_patterns import Served
from django_routehandlers.table import current_table

TAG = "routehandlers"
"""``manage.py check --tag routehandlers`` runs these checks alone."""

_UPGRADE = "Upgrade django-routehandlers, or install a release of Django and asgiref that it was tested with."

MIDDLEWARE = "django_routehandlers.middleware.CacheControlMiddleware"
"""Dotted path of the middleware that says on the wire what is cached."""

_CORSHEADERS = "corsheaders.middleware.CorsMiddleware"
_REDIS = "django.core.cache.backends.redis.RedisCache"
_LOGIN = "django.contrib.auth.middleware.AuthenticationMiddleware"
_CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def check_routes(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report every mistake in settings, folders and route files, and routes that no URLconf includes."""
    table = current_table()
    found = [*map(_message, table.mistakes), *(_not_included() if table.served else ())]
    return [*found, *_cache_settings(), *_middleware(table), *_csrf(table), *_cors(table), *_throttle(table)]


def check_deployment(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report what is right for one process, and wrong for a server: a check of ``check --deploy`` alone."""
    return [*_own_caches(), *_own_counts(current_table())]


def _own_caches() -> Iterator[CheckMessage]:
    alias = get_config().CACHE
    if not _caches(current_table()) or not names_a(settings.CACHES.get(alias, {}).get("BACKEND", ""), LocMemCache):
        return
    what = "each process of the server has a cache of its own, so an invalidation in one reaches no other."
    remedy = (
        f"Use a cache that processes share, such as Redis, and name it in {SETTING}['CACHE']. If the server is one "
        f"process, silence {TAG}.W063."
    )
    yield Warning(f"CACHES[{alias!r}]: {what}", hint=remedy, id=f"{TAG}.W063")


def _own_counts(table: RouteTable) -> Iterator[CheckMessage]:
    limits = _limits(table)
    alias = get_config().THROTTLE_CACHE or get_config().CACHE
    if limits and settings.CACHES.get(alias, {}).get("BACKEND", _REDIS) != _REDIS:
        what = f"{_first(limits)} has a `throttle`, and each process of the server counts for itself."
        remedy = (
            f"Use Redis, and name it in {SETTING}['THROTTLE_CACHE']. If the server is one process, silence {TAG}.W113."
        )
        yield Warning(f"CACHES[{alias!r}]: {what}", hint=remedy, id=f"{TAG}.W113")
    by_address = [(route, limit) for route, limit in limits if limit.key in (None, "ip")]
    if by_address and not get_config().PROXY_COUNT:
        for name in ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT"):
            if getattr(settings, name):
                what = f"a proxy stands before the server, and {_first(by_address)} counts all its clients as one."
                remedy = f"Say in {SETTING}['PROXY_COUNT'] how many proxies of your own add to X-Forwarded-For."
                yield Warning(f"{name}: {what}", hint=remedy, id=f"{TAG}.W115")
                return


def check_engine(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report what costs a change of threads under the engine, and what it does not know: with ``check --deploy``."""
    found = [
        *map(_hops_message, hops_of_middleware()),
        *_hops_in_folders(current_table()),
        *map(_receivers_message, hops_of_receivers()),
    ]
    if unknown := unknown_internals():
        what = f"Django's own ASGI handler serves the project: the engine was not tested with {', '.join(unknown)}."
        found.append(Warning(f"asgi.py: {what}", hint=_UPGRADE, id=f"{TAG}.W072"))
    for path in untested_middleware():
        what = "the engine was not tested with this release of it, and calls its hooks in a thread."
        found.append(Warning(f"MIDDLEWARE, {path}: {what}", hint=_UPGRADE, id=f"{TAG}.W073"))
    return found


def _hops_message(hops: Hops) -> CheckMessage:
    if hops.is_held:
        what = f"{hops.why}. Each request changes threads {hops.count} times, and holds one while its view runs."
    else:
        what = f"{hops.why}. Each request changes threads {hops.count} time{'s' if hops.count > 1 else ''} for it."
    hint = "Where it is yours, make it an async middleware; of a package, look for a later release. Or leave it out."
    return Info(f"MIDDLEWARE, {hops.where}: {what}", hint=hint, id=f"{TAG}.I070")


def _hops_in_folders(table: RouteTable) -> Iterator[CheckMessage]:
    """Yield one message for the route with the most changes: a middleware of a folder is around many routes."""
    counts = {one: count for one in table.served if (count := middleware_hops_of(one.view))}
    if not counts:
        return
    worst = max(counts, key=lambda one: counts[one])
    times = f"{counts[worst]} time{'s' if counts[worst] > 1 else ''}"
    names = ", ".join(layer.name for layer in middleware_of(worst.view) if not layer.is_async)
    what = f"{names}: is no async middleware. A request changes threads {times} for it, and holds one"
    more = len(counts) - 1
    also = f" {more} more route{'s have' if more > 1 else ' has'} such middleware." if more else ""
    yield Info(
        f"{worst.route.file}: {worst.route.id}: {what} while the handler runs.{also}",
        hint="Write it as `async def`. Or leave it as it is: nothing is wrong.",
        id=f"{TAG}.I070",
    )


def _receivers_message(hops: Hops) -> CheckMessage:
    what = f"{hops.why}. Each request changes threads once for all receivers of the signal."
    hint = "Do it in a middleware, or disconnect what nobody needs."
    return Info(f"{hops.where}: {what}", hint=hint, id=f"{TAG}.I071")


def _message(mistake: Mistake) -> CheckMessage:
    kind = Error if mistake.level == "error" else Warning
    where = f"{mistake.location}: {mistake.where}" if mistake.file else mistake.where
    return kind(f"{where}: {mistake.what}", hint=mistake.remedy, id=f"{TAG}.{mistake.id}")


def _not_included() -> Iterator[CheckMessage]:
    try:
        patterns = get_resolver().url_patterns
    except Exception:
        return
    if not any(isinstance(resolver, RouteResolver) for resolver in _resolvers(patterns)):
        yield Warning(
            f"{settings.ROOT_URLCONF}: the project has routes, but no URLconf includes them.",
            hint='Add `path("", include("django_routehandlers.urls"))` to urlpatterns, as the last entry.',
            id=f"{TAG}.W050",
        )


def _resolvers(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[URLResolver]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield pattern
            if not isinstance(pattern, RouteResolver):
                yield from _resolvers(pattern.url_patterns)


def _cache_settings() -> Iterator[CheckMessage]:
    config = get_config()
    if config.CACHE not in settings.CACHES:
        what = f"{SETTING}['CACHE']: {config.CACHE!r} is no alias of CACHES."
        known = ", ".join(map(repr, sorted(settings.CACHES)))
        yield Error(what, hint=f"Use one of {known}, or add it to CACHES.", id=f"{TAG}.E064")
    for wrong in read_variables(config)[1]:
        yield Error(
            f"{SETTING}['CACHE_CONTEXT']: {wrong}",
            hint="Write the dotted path of a contextvars.ContextVar at the top level of a module.",
            id=f"{TAG}.E065",
        )


def _middleware(table: RouteTable) -> Iterator[CheckMessage]:
    if not _caches(table):
        return
    places = [number for number, path in enumerate(settings.MIDDLEWARE) if _is_ours(path)]
    if not places:
        what = f"routes are cached, but {MIDDLEWARE} is missing, so no response says so: no other cache keeps any."
        yield Warning(f"MIDDLEWARE: {what}", hint=f'Add "{MIDDLEWARE}" as the first entry.', id=f"{TAG}.W062")
    elif len(places) > 1:
        what = f"{settings.MIDDLEWARE[places[1]]} is there {len(places)} times, and says everything as often."
        yield Warning(f"MIDDLEWARE: {what}", hint="Leave the first one alone.", id=f"{TAG}.W062")
    elif places[0] > 0:
        what = f"{settings.MIDDLEWARE[places[0]]} is not the first entry, so it does not see what those before it do."
        yield Warning(f"MIDDLEWARE: {what}", hint="Move it to the beginning.", id=f"{TAG}.W062")


def _csrf(table: RouteTable) -> Iterator[CheckMessage]:
    routes = [one.route.id for one in table.served if csrf_rule_of(one.view) == "token"]
    if routes and not any(names_a(path, CsrfViewMiddleware) for path in settings.MIDDLEWARE):
        more = f" and {len(routes) - 1} more" if len(routes) > 1 else ""
        what = f'is missing, so no response sends the cookie that the CSRF rule "token" of {routes[0]}{more} asks for.'
        hint = f'Add "{_CSRF}", or name another rule.'
        yield Warning(f"MIDDLEWARE: {_CSRF} {what}", hint=hint, id=f"{TAG}.W102")


def _cors(table: RouteTable) -> Iterator[CheckMessage]:
    policies = {one: cors.policy for one in table.served if (cors := cors_of(one.view)) is not None}
    if not policies:
        return
    yield from _beside_corsheaders(policies)
    if not any(map(_is_ours, settings.MIDDLEWARE[:1])):
        why, hint = "missing", f'Add "{MIDDLEWARE}" as the first entry.'
        if any(map(_is_ours, settings.MIDDLEWARE)):
            why, hint = "not the first entry", "Move it to the beginning."
        what = f"routes have a `cors`, but {MIDDLEWARE} is {why}, so other middleware may refuse their preflights."
        yield Warning(f"MIDDLEWARE: {what}", hint=hint, id=f"{TAG}.W111")
    loose = {pattern: one.route for one, policy in policies.items() for pattern in policy.loose_patterns}
    for pattern, route in loose.items():
        what = f"the pattern {pattern!r} of `cors` lets in origins of strangers."
        hint = r"Write the dots of a host as \., and let the pattern end with a host that is yours."
        yield Warning(f"{route.file}: {route.id}: {what}", hint=hint, id=f"{TAG}.W112")


def _beside_corsheaders(served: Iterable[Served]) -> Iterator[CheckMessage]:
    if not (found := [path for path in settings.MIDDLEWARE if path == _CORSHEADERS or _is_subclass(path)]):
        return
    spoken_for: Any = getattr(settings, "CORS_URLS_REGEX", r"^.*$")
    places = list(_places(get_resolver().url_patterns)) or ["/"]
    both = [path for one in served for place in places if re.match(spoken_for, path := f"{place}{one.path}")]
    if both:
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        what = f"{found[0]} answers for {both[0]}{more}, whose own `cors` it may contradict."
        hint = "Set CORS_URLS_REGEX to a pattern that leaves the route out, or set `cors = None` there."
        yield Warning(f"MIDDLEWARE: {what}", hint=hint, id=f"{TAG}.W110")


def _is_subclass(path: str) -> bool:
    return apps.is_installed("corsheaders") and names_a(path, import_string(_CORSHEADERS))


def _places(patterns: Iterable[URLPattern | URLResolver], path: str = "/") -> Iterator[str]:
    """Yield the paths below which a URLconf includes the routes."""
    for pattern in patterns:
        if isinstance(pattern, RouteResolver):
            yield path
        elif isinstance(pattern, URLResolver):
            yield from _places(pattern.url_patterns, f"{path}{pattern.pattern}".replace("/^", "/"))


def _throttle(table: RouteTable) -> Iterator[CheckMessage]:
    alias = get_config().THROTTLE_CACHE
    if alias is not None and alias not in settings.CACHES:
        what = f"{SETTING}['THROTTLE_CACHE']: {alias!r} is no alias of CACHES."
        known = ", ".join(map(repr, sorted(settings.CACHES)))
        yield Error(what, hint=f"Use one of {known}, or add it to CACHES.", id=f"{TAG}.E110")
    by_user = [(route, limit) for route, limit in _limits(table) if limit.key == "user"]
    if by_user and not has_authentication():
        what = f"{_first(by_user)} counts users alone, and without {_LOGIN} there are none, unless a guard sets them."
        hint = f'Add "{_LOGIN}", or leave out key="user". If a guard sets `request.user`, silence {TAG}.W114.'
        yield Warning(f"MIDDLEWARE: {what}", hint=hint, id=f"{TAG}.W114")


def _limits(table: RouteTable) -> list[tuple[Route, Throttle]]:
    found = ((one.route, throttling_of_view(one.view)) for one in table.served if get_config().THROTTLE_ENABLED)
    return [(route, limit) for route, limits in found if limits is not None for limit in limits.limits]


def _first(limits: Sequence[tuple[Route, Throttle]]) -> str:
    routes = list(dict.fromkeys(route.id for route, _ in limits))
    return routes[0] if len(routes) == 1 else f"{routes[0]} (and {len(routes) - 1} more)"


def _caches(table: RouteTable) -> bool:
    return get_config().CACHE_ENABLED is not False and any(cached_get_of(one.view) for one in table.served)


def _is_ours(path: str) -> bool:
    return path == MIDDLEWARE or names_a(path, import_string(MIDDLEWARE))


def names_a(path: str, kind: type) -> bool:
    """Return whether *path* is that of a class which is *kind* or below it. Django reports what cannot be imported."""
    try:
        found: object = import_string(path)
    except Exception:
        return False
    return inspect.isclass(found) and issubclass(found, kind)
