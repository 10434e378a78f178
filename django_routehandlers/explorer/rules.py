"""
Turn a route into what is said of it: the names of what it takes, and what folders and file lay down for it.

Pure: a route in, text out. Nothing here is a value of a request, a cookie or a setting.
"""

import inspect
from collections.abc import Iterable, Iterator

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.handlers.cross_origin import cors_of
from django_routehandlers.handlers.view_facts import csrf_rule_of, fields_of
from django_routehandlers.listing.config_text import config_rows
from django_routehandlers.listing.input_text import inputs_of
from django_routehandlers.listing.rows import Row
from django_routehandlers.policies.cors import CORS
from django_routehandlers.routing.url_patterns import Served

_TOLD_ABOVE = {"csrf", "cors", "max_duration", "deprecation", "sunset"}


def takes(handlers: Iterable[BoundHandler]) -> str:
    """Return the names of all inputs of some handlers, each once."""
    names = (written.partition(":")[0].removesuffix(" = …") for one in handlers for written, _ in inputs_of(one))
    return ", ".join(dict.fromkeys(names))


def about_handler(handler: BoundHandler) -> str:
    """Return the first line of a handler's docstring; ``""`` without one."""
    return (inspect.getdoc(inspect.unwrap(handler.function)) or "").partition("\n")[0]


def limit_text(handlers: Iterable[BoundHandler]) -> str:
    """Return the time that the handlers of a route may take, each limit once; ``""`` where none has one."""
    limits = {one.max_duration for one in handlers if one.max_duration is not None}
    return ", ".join(f"{limit:g} s" for limit in sorted(limits))


def rules_of(served: Served, row: Row, handlers: Iterable[BoundHandler]) -> Iterator[tuple[str, str]]:
    """Yield the rules of a route by name, as they came out of its file, its folders and the settings."""
    if row.cache is not None:
        yield "Cache", cache_text(row.cache)
    for one in row.middleware:
        where = one.file if one.line is None else f"{one.file}:{one.line}"
        yield "Middleware", f"{one.name}, {one.kind}{', public' if one.is_public else ''}, {where}"
    cors = cors_of(served.view)
    yield "CORS", "answers no other origin" if cors is None else cors_text(cors.policy)
    yield "CSRF", csrf_rule_of(served.view)
    if limit := limit_text(handlers):
        yield "Time limit", limit
    yield from fields_of(served.view)
    for name, value, source in config_rows(row.config, row.below):
        if name not in _TOLD_ABOVE:
            yield name, f"{value}, {source}"


def cache_text(policy: CachePolicy) -> str:
    """Return how the GET of a route is kept, and until when."""
    if not policy.is_cached:
        return f"dynamic: {policy.why_dynamic}"
    kept = "until invalidated" if policy.lifetime is None else f"for {policy.lifetime:.0f} s"
    tags = "tags by a function" if callable(policy.tags) else ", ".join(policy.tags)
    tables = "the tables that it reads" if policy.follows_tables else ", ".join(policy.tables or ())
    return f"kept {kept}" + (f", until a change of {tables}" if tables else "") + (f", tags: {tags}" if tags else "")


def cors_text(policy: CORS) -> str:
    """Return which other origins a route answers."""
    if policy.is_for_all:
        return "answers every origin"
    patterns = [one if isinstance(one, str) else one.pattern for one in policy.origin_regexes]
    credentials = ", with cookies" if policy.credentials else ""
    return f"answers {', '.join([*policy.origins, *patterns])}{credentials}"
