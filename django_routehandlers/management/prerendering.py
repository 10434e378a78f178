"""
Turn the routes that are cached into the URLs known ahead, and each of those into an entry of the cache.

A URL is visited as a client does that sends nothing but the URL: its entry is then the one of
every visitor of that host, scheme and language. No middleware runs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, URLResolver, get_resolver

from django_routehandlers.caching.cache import Cache
from django_routehandlers.caching.inspection import forget_entry, inspect_entry
from django_routehandlers.caching.stores import StoreError
from django_routehandlers.handlers.cached_get import CachedGet
from django_routehandlers.handlers.inputs import Input
from django_routehandlers.handlers.left_entry import entry_of
from django_routehandlers.handlers.static_params import Params, StaticParams
from django_routehandlers.handlers.view_facts import cached_get_of, view_within
from django_routehandlers.listing.mounts import Mount
from django_routehandlers.listing.plain_request import make_request
from django_routehandlers.listing.rows import Filters, make_rows
from django_routehandlers.policies.outcome import CacheOutcome
from django_routehandlers.responses.problems import Problem
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import SegmentKind
from django_routehandlers.routing.url_patterns import Served

Kind = Literal["stored", "already fresh", "not stored", "failed"]
KINDS: tuple[Kind, ...] = ("stored", "already fresh", "not stored", "failed")

# What the cache says in a word, said to the author of the route.
_REASONS = {
    "stream": "it streams",
    "unrendered": "its response is not rendered yet",
    "cookie": "it sets a cookie",
    "cache-control": "its Cache-Control forbids it",
    "vary": "its Vary names a field that is no part of the key",
    "size": "its body is larger than MAX_CACHED_BODY",
    "revalidate": "something that it uses is never cached",
    "invalidated": "what it depends on has changed meanwhile",
    "snapshot": "it reads in a transaction that may be older than what was written since",
    "statement": "it runs SQL of which the tables cannot be told",
    "transaction": "it reads in a transaction that Django knows nothing of",
    "uncommitted": "it reads what is not committed yet",
    "session": "it reads on a connection whose session was changed",
}
_UNANSWERED = ("store", "pass")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that is known ahead."""

    path: str
    """Percent-encoded, with its first slash and without the script prefix."""
    cached: CachedGet


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one URL, or of a route that has none."""

    url: str
    kind: Kind
    why: str = ""
    error: Exception | None = None


def find_targets(
    served: Iterable[Served], resolver: URLResolver, mounts: Sequence[Mount], filters: Filters, *, slash: bool
) -> Iterator[Target | Result]:
    """
    Yield the URLs of the routes that are cached, and a result for what has none.

    To be called as in a request: URLs may depend on the language.

    Args:
        filters: Those of ``show_routes``; the start of a path may go on into a URL's own segments.
        slash: Whether URLs end in a slash.
    """
    routes = tuple(served)
    for mount in mounts:
        for one, row in zip(routes, make_rows(routes, [mount]), strict=True):
            cached = cached_get_of(one.view)
            if cached is None or not (filters.let_through(row) or _leads_to(row.path, filters)):
                continue
            found = _targets(one, cached, mount, resolver, slash=slash)
            if filters.let_through(row):
                yield from found
            else:
                yield from (each for each in found if isinstance(each, Target) and each.path.startswith(filters.path))


def _leads_to(path: str, filters: Filters) -> bool:
    """Return whether a URL of the route may begin with what is filtered for."""
    start = path.partition("<")[0].partition("[")[0]
    return bool(filters.path) and filters.path.startswith(start) and start != path


def _targets(
    served: Served, cached: CachedGet, mount: Mount, resolver: URLResolver, *, slash: bool
) -> Iterator[Target | Result]:
    shown = "/" + mount.prefix + served.path
    known: list[Params] = [{}]
    if needed := _needed(cached):
        yield Result(shown, "not stored", f"it needs {needed}")
        return
    if served.route.parameters:
        if cached.policy.static_params is None:
            yield Result(shown, "not stored", "it has no generate_static_params()")
            return
        try:
            known = StaticParams(cached.name, cached.policy).read()
        except Exception as error:
            yield Result(shown, "failed", f"generate_static_params(): {_told(error)}", error)
            return
    paths = {_path(served.route, params, mount, slash=slash): params for params in known}
    for path, params in paths.items():
        match = None if path is None else _resolve(resolver, path)
        if path is not None and match is not None and match.func in served.views:
            yield Target(path, cached)
        elif any("<" in str(pattern) for pattern in mount.patterns):
            yield Result(shown, "not stored", "the URLconf in front of it takes parameters")
        else:
            yield Result(shown, "failed", f"generate_static_params() lists {params!r}, which is no URL of the route")


def _needed(cached: CachedGet) -> str:
    for one in cached.inputs.plan.values:
        if one.is_required:
            if not isinstance(one, Input):
                return "a query string"
            return f"the {'query parameter' if one.place == 'query' else 'field'} {one.key}"
    return ""


def _path(route: Route, params: Params, mount: Mount, *, slash: bool) -> str | None:
    """Return the URL path of *params*; ``None`` where they are not those of the route."""
    names = {segment.text for segment in route.parameters}
    parts: list[str] = []
    for segment in route.segments:
        if not segment.is_parameter:
            parts.append(segment.text)
            continue
        value = params.get(segment.text, [] if segment.kind is SegmentKind.OPTIONAL_CATCH_ALL else None)
        if value is None or (isinstance(value, list) is not segment.takes_rest):
            return None
        parts.extend([value] if isinstance(value, str) else value)
    if not params.keys() <= names or not all(parts):
        return None
    ending = "/" if slash and parts else ""
    return "/" + mount.prefix + "/".join(quote(part, safe="") for part in parts) + ending


def _resolve(resolver: URLResolver, path: str) -> ResolverMatch | None:
    # As a server would: what is encoded here is decoded there.
    request = make_request(path, host="localhost", scheme="http")
    try:
        return resolver.resolve(request.path_info)
    except Resolver404:
        return None


def visit(target: Target, cache: Cache, *, host: str, scheme: str) -> Result:
    """
    Have the entry of a URL made unless there is a fresh one. To be called as in a request.

    Raises:
        StoreError: The store cannot be reached.
    """
    url = f"{scheme}://{host}{target.path}"
    request = make_request(target.path, host=host, scheme=scheme)
    # Each visit has a match of its own: a handler may change the lists that it is given.
    request.resolver_match = match = get_resolver().resolve(request.path_info)
    segments: Mapping[str, Any] = match.kwargs
    try:
        wanted = target.cached.wanted(request, segments)
        if wanted is None:
            return Result(url, "not stored", "a variable of CACHE_CONTEXT cannot be part of a key")
        found = inspect_entry(cache, wanted)
        if found.state == "fresh":
            return Result(url, "already fresh")
        # What is stale would be served once more, and what this process alone has would never reach the store.
        forget_entry(cache, wanted, found)
        response: HttpResponseBase = view_within(match.func)(request, **segments)
    except Http404:
        return Result(url, "failed", "404: its segments do not fit the annotations of GET")
    except Problem as problem:
        return Result(url, "failed", f"it answers {problem.details.status}")
    except StoreError:
        raise
    except Exception as error:
        return Result(url, "failed", _told(error), error)
    if response.streaming:
        response.close()
    return _result(url, request, response)


def _result(url: str, request: HttpRequest, response: HttpResponseBase) -> Result:
    outcome: CacheOutcome | None = getattr(request, "route_cache", None)
    detail = None if outcome is None else outcome.status.detail
    if detail in _UNANSWERED:
        raise StoreError("It did not take what was made.")
    if entry_of(request) is not None:
        return Result(url, "stored")
    if detail == "status":
        return Result(url, "not stored", f"it answers {response.status_code}")
    return Result(url, "not stored", _REASONS.get(detail or "", detail or "the cache was passed by"))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
