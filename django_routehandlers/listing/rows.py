"""
Turn a route table into rows, one for each route, in match order.

Rows are values: nothing here knows whether they become a table, a tree or JSON.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.handlers.functions import line_of
from django_routehandlers.handlers.layers import Layer
from django_routehandlers.handlers.provenance import Said
from django_routehandlers.handlers.throttling import Throttling
from django_routehandlers.handlers.view_facts import (
    config_of,
    handlers_of,
    middleware_of,
    policy_of,
    throttling_of_view,
)
from django_routehandlers.listing.config_text import config_as_json
from django_routehandlers.listing.input_text import inputs_of
from django_routehandlers.listing.mounts import Mount
from django_routehandlers.listing.policy_text import policy_as_json
from django_routehandlers.listing.throttle_text import throttle_as_json
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.url_patterns import Served


@dataclass(frozen=True, slots=True)
class HandlerRow:
    """One function of a route file."""

    kind: str
    """``async`` or ``sync``, below its decorators."""
    line: int | None
    """Line of the route's own file; ``None`` where the function comes from another one."""
    inputs: tuple[tuple[str, str], ...]
    """Each input as written, with the part of a request that fills it."""

    @property
    def more_inputs(self) -> tuple[tuple[str, str], ...]:
        """Those that are no segments."""
        return tuple((written, place) for written, place in self.inputs if place != "path")

    def as_json(self) -> dict[str, object]:
        """Return the object that ``--format json`` prints."""
        inputs = [{"written": written, "from": place} for written, place in self.inputs]
        return {"kind": self.kind, "line": self.line, "inputs": inputs}


@dataclass(frozen=True, slots=True)
class MiddlewareRow:
    """One middleware around a route."""

    name: str
    """The folder and the function, ``/api:timing``; of a route file the function alone."""
    kind: str
    """``async`` or ``sync``, below its decorators."""
    file: str
    """Path of the file that names it, as that of the row."""
    line: int | None
    """Line of *file*; ``None`` where the function comes from another one."""
    is_public: bool
    """Whether it says that nothing that it does depends on who asks."""

    def as_json(self) -> dict[str, object]:
        """Return the object that ``--format json`` prints."""
        return {
            "name": self.name,
            "kind": self.kind,
            "file": self.file,
            "line": self.line,
            "public": self.is_public,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """What a listing says of one route."""

    methods: tuple[str, ...]
    """Every method that the route answers, as ``Allow`` lists them."""
    path: str
    """Django's notation; an optional catch-all is in square brackets: ``/docs[/<path:slug>]``."""
    name: str
    """What ``reverse()`` takes."""
    app: str
    file: str
    """Path of the file, relative to the current directory where it is below that."""
    handlers: dict[str, HandlerRow]
    """Method → function, for the methods that the file itself defines."""
    cache: CachePolicy | None
    """How GET is cached; ``None`` where there is none."""
    middleware: tuple[MiddlewareRow, ...]
    """Outermost first."""
    config: Mapping[str, Said]
    """What folders may hand down, and who said it."""
    below: str
    """Directory, with its last slash, to which paths of files are relative."""
    throttle: Throttling | None
    """How often one client may ask; ``None`` for any number."""
    route: Route

    @property
    def kind(self) -> str:
        """``async``, ``sync``, or ``mixed`` where the handlers differ."""
        kinds = {handler.kind for handler in self.handlers.values()}
        return kinds.pop() if len(kinds) == 1 else "mixed"

    def as_json(self) -> dict[str, object]:
        """Return the object that ``--format json`` prints."""
        return {
            "methods": list(self.methods),
            "path": self.path,
            "name": self.name,
            "app": self.app,
            "file": self.file,
            "handlers": {method: one.as_json() for method, one in self.handlers.items()},
            "cache": policy_as_json(self.cache),
            "middleware": [one.as_json() for one in self.middleware],
            "config": config_as_json(self.config, self.below),
            "throttle": throttle_as_json(self.throttle),
        }


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows to list; an empty filter lets every row through."""

    apps: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    """In capitals; a row that answers one of them passes."""
    path: str = ""
    """Beginning of a path as listed, or of the folders as written; the first slash may be left out."""

    def let_through(self, row: Row) -> bool:
        """Return whether *row* passes every filter."""
        start = "/" + self.path.removeprefix("/")
        return (
            (not self.apps or row.app in self.apps)
            and (not self.methods or not self.methods.isdisjoint(row.methods))
            and any(text.startswith(start) for text in (row.path, row.path.replace("[", ""), row.route.id))
        )


def make_rows(served: Iterable[Served], mounts: Iterable[Mount]) -> Iterator[Row]:
    """Yield a row for each route at each place that includes it."""
    routes = tuple(served)
    below = os.path.join(os.getcwd(), "")
    for mount in mounts:
        prefix = mount.prefix
        for one in routes:
            yield make_row(one, mount, prefix=prefix, below=below)


def make_row(served: Served, mount: Mount, *, prefix: str, below: str) -> Row:
    """
    Return the row of one route.

    Args:
        prefix: ``mount.prefix``.
        below: Directory, with its last slash, to which paths of files are relative.
    """
    route = served.route
    handlers = handlers_of(served.view)
    automatic = {"HEAD", "OPTIONS"} if "GET" in handlers else {"OPTIONS"}
    return Row(
        methods=tuple(sorted({*handlers, *automatic})),
        path="/" + prefix + _path(served),
        name=mount.url_name(served.name),
        app=route.app,
        file=route.file.removeprefix(below),
        handlers={method: _handler_row(route, one) for method, one in handlers.items()},
        cache=policy_of(served.view),
        middleware=tuple(_middleware_row(layer, below) for layer in middleware_of(served.view)),
        config=config_of(served.view),
        below=below,
        throttle=throttling_of_view(served.view),
        route=route,
    )


def _handler_row(route: Route, handler: BoundHandler) -> HandlerRow:
    return HandlerRow(kind_of(handler), line_in(route, handler), tuple(inputs_of(handler)))


def _middleware_row(layer: Layer, below: str) -> MiddlewareRow:
    kind = "async" if layer.is_async else "sync"
    return MiddlewareRow(layer.name, kind, layer.file.removeprefix(below), layer.line or None, layer.is_public)


def kind_of(handler: BoundHandler) -> str:
    """Return ``async`` or ``sync``, below the handler's decorators."""
    return "async" if handler.is_written_async else "sync"


def line_in(route: Route, handler: BoundHandler) -> int | None:
    """Return the handler's line in the route's file; ``None`` where the file only imports it."""
    return line_of(handler.function, route.file) or None


def _path(served: Served) -> str:
    whole = str(served.patterns[-1].pattern)
    if len(served.patterns) == 1:
        return whole
    bare = str(served.patterns[0].pattern)
    return f"{bare}[{whole.removeprefix(bare)}]"
