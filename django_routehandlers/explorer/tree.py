"""
Turn rows into the folders that lead to them, as they are served, for the eye.

Pure: rows in, values out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django_routehandlers.explorer.rules import limit_text, takes
from django_routehandlers.handlers.cross_origin import cors_of
from django_routehandlers.handlers.view_facts import csrf_rule_of, handlers_of, is_deprecated, security_of
from django_routehandlers.listing.mounts import Mount
from django_routehandlers.listing.policy_text import policy_cell
from django_routehandlers.listing.rows import Row, make_rows
from django_routehandlers.routing.discovery import ROUTE_FILE
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.url_patterns import Served


@dataclass(frozen=True, slots=True)
class Leaf:
    """A route in the tree."""

    path: str
    methods: tuple[tuple[str, str], ...]
    """Each method that the file defines, with the query of the page that sends it."""
    notes: tuple[tuple[str, str], ...]
    """What stands beside it: a kind, for its colour, and a few words."""
    takes: str
    """Names of its inputs."""
    place: str
    """Name of the file, and the line of its first handler where it is known."""


@dataclass(slots=True)
class Folder:
    """A folder of the tree, by its name as written."""

    name: str
    leaf: Leaf | None = None
    path: str = ""
    """Path of the directory, where the folder is the one of an app."""
    inner: "dict[str, Folder]" = field(default_factory=lambda: {})

    @property
    def folders(self) -> "Iterable[Folder]":
        """Those in it, in match order."""
        return self.inner.values()


def key_of(route: Route) -> str:
    """Return what names a route in URLs of the page: the label of its app and its folders."""
    return f"{route.app}:{route.id}"


def page_query(row: Row, method: str, place: int, url: str = "") -> str:
    """
    Return the query of the page on which a method of a route can be sent.

    Args:
        place: Which of the places that include the routes; 0 is the first.
        url: What fills the form, as it was asked for.
    """
    parts = {"route": key_of(row.route), "method": method, "at": str(place or ""), "url": url}
    return f"?{urlencode({name: value for name, value in parts.items() if value})}#panel"


def make_trees(served: Iterable[Served], mounts: Iterable[Mount]) -> Iterator[tuple[str, list[Folder]]]:
    """Yield each place that includes the routes, by its prefix, with a folder for each app."""
    routes = tuple(served)
    for place, mount in enumerate(mounts):
        apps: dict[str, Folder] = {}
        for one, row in zip(routes, make_rows(routes, [mount]), strict=True):
            path = row.file.removesuffix("/".join(["", *row.route.folders, ROUTE_FILE]))
            folder = apps.setdefault(row.app, Folder(row.app, path=path))
            for name in row.route.folders:
                folder = folder.inner.setdefault(name, Folder(name))
            folder.leaf = _leaf(one, row, place)
        yield f"/{mount.prefix}", [*apps.values()]


def _leaf(served: Served, row: Row, place: int) -> Leaf:
    handlers = handlers_of(served.view)
    lines = [handler.line for handler in row.handlers.values() if handler.line is not None]
    return Leaf(
        path=row.path,
        methods=tuple((method, page_query(row, method, place)) for method in handlers),
        notes=tuple(_notes(served, row)),
        takes=takes(handlers.values()),
        place=f"{ROUTE_FILE}:{min(lines)}" if lines else ROUTE_FILE,
    )


def _notes(served: Served, row: Row) -> Iterator[tuple[str, str]]:
    if row.cache is not None:
        cell = policy_cell(row.cache)
        yield ("cached", f"cached {cell}") if row.cache.is_cached else ("dynamic", cell)
    yield from (("middleware", one.name) for one in row.middleware)
    if cors_of(served.view) is not None:
        yield "rule", "CORS"
    if (rule := csrf_rule_of(served.view)) != "origin":
        yield "rule", f"CSRF {rule}"
    if row.throttle is not None:
        yield "rule", f"throttle {', '.join(one.rate for one in row.throttle.limits)}"
    if row.config["require_precondition"].value:
        yield "rule", "precondition required"
    if limit := limit_text(handlers_of(served.view).values()):
        yield "rule", f"limit {limit}"
    if security_of(served.view) is not None:
        yield "rule", "security"
    if is_deprecated(served.view):
        yield "warning", "deprecated"
