"""
Turn a URLconf into the places at which it includes the routes.

A project may include the routes below a path, below a namespace of its own, twice, or not
at all; what a listing prints is what a browser asks for and ``reverse()`` takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLResolver

from django_routehandlers.routing.patterns import RouteResolver

NAMESPACE = "routes"
"""The namespace of routes that a URLconf includes plainly."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A place at which a URLconf includes the routes."""

    patterns: tuple[Any, ...]
    """Django's patterns in front of the routes, outermost first."""
    namespaces: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """The path in front of the routes, without its first slash, such as ``v1/``."""
        return "".join(str(pattern).removeprefix("^") for pattern in self.patterns)

    def url_name(self, name: str) -> str:
        """Return what ``reverse()`` takes for a route of this name."""
        return ":".join([*self.namespaces, name])

    def rest_of(self, path: str) -> str | None:
        """Return what the routes see of *path*, both without their first slash; ``None`` where it leads elsewhere."""
        for pattern in self.patterns:
            found = pattern.match(path)
            if found is None:
                return None
            path = found[0]
        return path


NOWHERE = Mount((), (NAMESPACE,))
"""Stands for the place that a project has not given its routes yet."""


def find_mounts(resolver: URLResolver) -> tuple[Mount, ...]:
    """Return the places below the root *resolver* in the order in which they are tried."""
    return tuple(_below(resolver, (), ()))


def _below(resolver: URLResolver, patterns: tuple[Any, ...], namespaces: tuple[str, ...]) -> Iterator[Mount]:
    for entry in resolver.url_patterns:
        if isinstance(entry, RouteResolver):
            yield Mount(patterns, namespaces)
        elif isinstance(entry, URLResolver):
            own = (entry.namespace,) if entry.namespace else ()
            yield from _below(entry, (*patterns, entry.pattern), (*namespaces, *own))
