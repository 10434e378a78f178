"""
Turn a URL and the route that answers it into what the cache does with it: the key, and the entry that is there now.

No handler is run, and nothing is filled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from django.core.cache import InvalidCacheBackendError
from django.core.exceptions import DisallowedHost
from django.http import Http404
from django.urls import get_resolver

from django_routehandlers.caching.current import current_cache, is_enabled
from django_routehandlers.caching.inspection import inspect_entry
from django_routehandlers.caching.stores import StoreError
from django_routehandlers.conf import get_config
from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.handlers.cached_get import CachedGet
from django_routehandlers.handlers.view_facts import cached_get_of, policy_of
from django_routehandlers.listing.plain_request import default_hosts, default_language, make_request, run_as_request
from django_routehandlers.responses.problems import Problem
from django_routehandlers.routing.url_patterns import Served


@dataclass(frozen=True, slots=True)
class EntryAnswer:
    """What the store has for one URL."""

    state: Literal["fresh", "stale", "invalidated", "none", "unknown"]
    url: str = ""
    """Whose entry it is, with scheme and host; ``""`` where none was looked for."""
    why: str = ""
    """Why it is unknown."""
    age: float | None = None
    """Seconds since it was made."""
    lifetime: float | None = None
    """Seconds; ``None`` until it is invalidated."""
    tags: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    """Those that its maker has read, and those that the file names."""


@dataclass(frozen=True, slots=True)
class CacheAnswer:
    """How the GET of a URL is cached."""

    policy: CachePolicy
    query: tuple[str, ...] | None = ()
    """Names of the query parameters that are part of the key; ``None`` for all that there are."""
    fields: tuple[str, ...] = ()
    """Header fields that are part of the key."""
    context: tuple[str, ...] = ()
    """Context variables that are part of the key, as ``CACHE_CONTEXT`` names them."""
    entry: EntryAnswer | None = None
    """``None`` where nothing is ever kept."""


def explain_cache(served: Served, url: str, path: str, query: str, *, is_server: bool = False) -> CacheAnswer | None:
    """
    Return how the GET of a route is cached; ``None`` where it has none.

    Args:
        url: As it was asked for: its scheme and host count, if it has any.
        path: Decoded, with its first slash, and its last one as the route has it.
        query: Behind the ``?``, percent-encoded.
        is_server: Whether this process answers requests, so that its memory is asked too.
    """
    policy, cached = policy_of(served.view), cached_get_of(served.view)
    if policy is None:
        return None
    if cached is None:
        return CacheAnswer(policy)
    fields = cached.inputs.field_names
    context = tuple(get_config().CACHE_CONTEXT)
    entry = _entry(cached, url, quote(path), query, is_server=is_server)
    return CacheAnswer(policy, _query_names(cached), fields, context, entry)


def _query_names(cached: CachedGet) -> tuple[str, ...] | None:
    names = {name for name, _ in cached.inputs.names}
    for group in cached.inputs.groups.values():
        if group is None:
            return None
        names |= group
    return tuple(sorted(names))


def _entry(cached: CachedGet, url: str, path: str, query: str, *, is_server: bool) -> EntryAnswer:
    try:
        if not is_enabled():
            return EntryAnswer("unknown", why="the cache is off with these settings")
        if not is_server and not current_cache().store.is_shared:
            return EntryAnswer("unknown", why=f"CACHES[{get_config().CACHE!r}] is in the memory of each process")
    except InvalidCacheBackendError as error:
        return EntryAnswer("unknown", why=str(error))
    try:
        return _entry_at(cached, url, path, query)
    except ValueError:
        return EntryAnswer("unknown", why="the URL has no host that can be read")


def _entry_at(cached: CachedGet, url: str, path: str, query: str) -> EntryAnswer:
    parts = urlsplit(url if url.lower().startswith(("http://", "https://")) else "")
    host = parts.netloc.rpartition("@")[2] or next(iter(default_hosts()), "")
    if not host:
        return EntryAnswer("unknown", why="ALLOWED_HOSTS names no host in full; write one in the URL")
    scheme = parts.scheme or "https"
    whole = f"{scheme}://{host}{path}{'?' if query else ''}{query}"

    def look() -> EntryAnswer:
        request = make_request(path, host=host, scheme=scheme, query=query)
        request.resolver_match = match = get_resolver().resolve(request.path_info)
        return _look(cached, request, match.kwargs, whole)

    return run_as_request(look, language=default_language())


def _look(cached: CachedGet, request: Any, segments: Mapping[str, Any], url: str) -> EntryAnswer:
    try:
        wanted = cached.wanted(request, segments)
        if wanted is None:
            return EntryAnswer("unknown", url, "a variable of CACHE_CONTEXT cannot be part of a key")
        found = inspect_entry(current_cache(), wanted)
    except (Http404, Problem):
        return EntryAnswer("none", url)
    except DisallowedHost:
        return EntryAnswer("unknown", url, "the host is none of ALLOWED_HOSTS")
    except StoreError:
        return EntryAnswer("unknown", url, f"CACHES[{get_config().CACHE!r}] does not answer")
    except Exception as error:
        # The route's own function of tags, which may do anything.
        return EntryAnswer("unknown", url, f"{type(error).__name__}: {error}")
    if found.entry is None:
        return EntryAnswer(found.state, url)
    entry = found.entry
    age = entry.age_now(entry.age_at)
    tables = tuple(sorted(entry.tables))
    return EntryAnswer(found.state, url, "", age, entry.lifetime, entry.names, tables)
