"""
Turn a URL into the reason why a route answers it, or why none does.

The answer is Django's own, asked of the project's whole URLconf; the routes are compared
only to say what else came close. No handler is run.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from django.http import Http404
from django.urls import Resolver404, ResolverMatch, URLResolver
from django.utils.encoding import repercent_broken_unicode

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.functions import annotation_text
from django_routehandlers.handlers.redirect import other_form
from django_routehandlers.handlers.view_facts import handlers_of
from django_routehandlers.listing.cache_answer import CacheAnswer, explain_cache
from django_routehandlers.listing.mounts import NOWHERE, Mount
from django_routehandlers.listing.near_misses import NearMiss, find_near_misses, unmatchable
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.routing.url_patterns import Served


@dataclass(frozen=True, slots=True)
class HandlerOutlook:
    """What one handler would be called with."""

    handler: BoundHandler
    values: Mapping[str, object]
    """The segments that it takes, as its annotations convert them."""
    refusal: str | None
    """Why it answers 404 before it is run; ``None`` where it is run."""


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """A route of ours that a URL leads to."""

    served: Served
    mount: Mount
    parameters: Mapping[str, object]
    """As the URLconf gives them, before annotations convert them."""
    handlers: Mapping[str, HandlerOutlook]
    location: str | None
    """Where a 308 leads first, because of the URL's last slash; ``None`` where the route answers at once."""
    cache: CacheAnswer | None
    """What the cache does with it; ``None`` where the route has no GET."""

    @property
    def refused(self) -> tuple[str, ...]:
        """The methods whose handler is not run: a segment does not fit what it takes, so that they answer 404."""
        return tuple(method for method, one in self.handlers.items() if one.refusal is not None)

    @property
    def is_refused(self) -> bool:
        """Whether no handler is run, whatever the method."""
        return len(self.refused) == len(self.handlers)

    def headline(self, path: str, route: str) -> str:
        """
        Return in one line what comes of a request.

        Args:
            path: Of the URL, as it was asked for.
            route: Path of the route, as listings write it.
        """
        reasons = dict.fromkeys(one.refusal for one in self.handlers.values() if one.refusal is not None)
        if self.is_refused:
            verb, end = "matches", f", and answers 404: {'; '.join(reasons)}"
        else:
            verb, end = "answers", f", but {', '.join(self.refused)} with 404" if self.refused else ""
        if self.location is None:
            return f"{route} {verb} {path}{end}"
        return f"{path} answers 308 to {self.location}, which {route} {verb}{end}"


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """A pattern of the project, none of ours, that answers a URL."""

    route: str
    view: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What answers a URL, and what nearly did."""

    path: str
    """Decoded, with its first slash."""
    answer: RouteAnswer | OtherAnswer | None
    mount: Mount
    """Where the near misses are."""
    near_misses: tuple[NearMiss, ...]
    note: str | None
    """Why no route can answer, whatever the routes are."""


def read_url(url: str) -> tuple[str, str]:
    """
    Return the decoded path of *url*, with its first slash, and its query string as sent.

    Args:
        url: A path or a whole URL, percent-encoded or not; what stands behind ``#`` is not sent, and dropped.
    """
    head, _, query = url.partition("#")[0].partition("?")
    if head.lower().startswith(("http://", "https://")):
        head = "/" + head.partition("://")[2].partition("/")[2]
    # As Django's WSGI and ASGI requests do it.
    path = repercent_broken_unicode(unquote_to_bytes(os.fsencode(head))).decode()
    return path if path.startswith("/") else "/" + path, query


def explain_url(
    url: str, table: RouteTable, resolver: URLResolver, mounts: Iterable[Mount], *, is_server: bool = False
) -> Explanation:
    """
    Return what answers *url*.

    Args:
        table: The project's routes, without errors.
        resolver: The project's whole URLconf.
        mounts: The places at which it includes the routes.
        is_server: Whether this process answers requests, so that what is in its memory is what a request meets.
    """
    path = read_url(url)[0]
    match = _resolve(resolver, path)
    mount, rest, note = _place(path, table, tuple(mounts))
    found = None if rest is None else table.match(rest)
    answer: RouteAnswer | OtherAnswer | None = None
    if match is not None and found is not None and _answers(match, found, table):
        answer = _route_answer(match, found, mount, url, is_server=is_server)
    elif match is not None:
        answer = _other_answer(match)
    near: tuple[NearMiss, ...] = ()
    if rest is not None and (note := unmatchable(rest)) is None:
        winner = answer.served if isinstance(answer, RouteAnswer) else None
        near = find_near_misses(rest, table.served, answer=winner)
    return Explanation(path, answer, mount, near, note)


def _resolve(resolver: URLResolver, path: str) -> ResolverMatch | None:
    try:
        return resolver.resolve(path)
    except Resolver404:
        return None


def _place(path: str, table: RouteTable, mounts: Sequence[Mount]) -> tuple[Mount, str | None, str | None]:
    """Return the mount that *path* leads to, what the routes see of it there, or why they see nothing."""
    if not mounts:
        return NOWHERE, None, "no URLconf includes the routes"
    places = [(mount, rest) for mount in mounts if (rest := mount.rest_of(path[1:])) is not None]
    if not places:
        prefixes = ", ".join(sorted({f"/{mount.prefix}" for mount in mounts}))
        return mounts[0], None, f"the routes are included below {prefixes}, and this path is not"
    mount, rest = next((place for place in places if table.match(place[1]) is not None), places[0])
    return mount, rest, None


def _answers(match: ResolverMatch, found: tuple[Served, dict[str, object], bool], table: RouteTable) -> bool:
    served, _, canonical = found
    return match.func in served.views if canonical else match.func is table.redirect


def _route_answer(
    match: ResolverMatch,
    found: tuple[Served, dict[str, object], bool],
    mount: Mount,
    url: str,
    *,
    is_server: bool,
) -> RouteAnswer:
    served, parameters, canonical = found
    path, query = read_url(url)
    location = None if canonical else other_form(path, query)
    # The form of the URL that the route itself answers.
    own = path if location is None else read_url(location)[0]
    # Only a match at once has the parameters of the URLconf that includes the routes, if it has any.
    values = match.kwargs if canonical else parameters
    outlooks = {method: _outlook(handler, values) for method, handler in handlers_of(served.view).items()}
    cache = explain_cache(served, url, own, query, is_server=is_server)
    return RouteAnswer(served, mount, values, outlooks, location, cache)


def _other_answer(match: ResolverMatch) -> OtherAnswer:
    view: object = getattr(match.func, "view_class", match.func)
    name: str = getattr(view, "__qualname__", type(view).__qualname__)
    return OtherAnswer(match.route or "", f"{view.__module__}.{name}")


def _outlook(handler: BoundHandler, parameters: Mapping[str, object]) -> HandlerOutlook:
    values: dict[str, object] = {}
    for one in handler.plan.segments:
        name = one.name
        if name not in parameters:
            continue
        try:
            values[name] = one.read(parameters)
        except Http404:
            annotation = annotation_text(handler.function, name)
            return HandlerOutlook(handler, values, f"{name} = {parameters[name]!r} does not fit {annotation}")
    return HandlerOutlook(handler, values, None)
