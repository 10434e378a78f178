"""Tables of routes made in memory: what folders on disk would give, for tests that need thousands of them."""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from django.urls import URLPattern, URLResolver, include, path
from django.urls.converters import get_converters

from django_routehandlers.routing.conflicts import find_conflicts
from django_routehandlers.routing.matching import Converter
from django_routehandlers.routing.patterns import RouteResolver, RouteTable
from django_routehandlers.routing.route import Route, match_order
from django_routehandlers.routing.segments import SegmentKind, parse_segment
from django_routehandlers.routing.url_patterns import SegmentConverter, serve


def make_route(folders: str) -> Route:
    """Return the route of ``folders``, which ``/`` separates; ``""`` is the root."""
    names = tuple(folders.split("/")) if folders else ()
    segments = tuple(segment for segment in map(parse_segment, names) if segment.kind is not SegmentKind.GROUP)
    return Route("shop", "shop.routes", "/shop/routes", names, segments, f"/shop/routes/{folders}/route.py")


def without_conflicts(folders: Iterable[str]) -> list[str]:
    """Return those of the folders that stand in no conflict with one before."""
    kept: list[str] = []
    for one in folders:
        if not find_conflicts(map(make_route, [*kept, one])):
            kept.append(one)
    return kept


def make_table(folders: Iterable[str], *, slash: bool = False) -> RouteTable:
    """Return the table of routes, each with a view of its own that is named like its folders."""
    converters: dict[str, Converter] = {name: SegmentConverter(one) for name, one in get_converters().items()}
    routes = sorted(map(make_route, folders), key=match_order)
    served = [serve(one, make_view(one.id), one.default_name, converters, slash=slash) for one in routes]
    return RouteTable(served, converters, redirect=make_view("redirect"), slash=slash)


def make_view(name: str) -> Any:
    """Return a view that is known by its name."""

    def view(**segments: Any) -> str:
        raise NotImplementedError

    view.__name__ = name
    return view


def make_urlconf(table: RouteTable, prefix: str = "") -> Any:
    """Return a URLconf that includes the table, for ``resolve()`` and ``reverse()``."""
    urlconf = ModuleType("urlconf")
    routes: Sequence[URLPattern | URLResolver] = [RouteResolver(lambda: table)]
    urlconf.urlpatterns = [path(prefix, include((routes, "routes")))]  # type: ignore[attr-defined]
    return urlconf
