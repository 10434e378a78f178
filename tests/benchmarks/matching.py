"""
Measure one match among 10,000 routes against one among 10, with Django's own list beside it.

    python tests/benchmarks/matching.py [--routes N]

Goals: a match among 10,000 routes costs at most 1.2 times one among 10; a miss no more than a
hit. The routes are values made here, no files. Each figure is the least of several rounds,
and rounds of all cases alternate, so that a busy moment of the machine meets them all alike.

Two mixes at each size: all static (``/a17/list``), and mixed (static, dynamic, with a
converter, catch-all, in turn). ``resolver`` is ``RouteResolver.resolve()`` alone; ``URLconf``
is ``resolve()`` of a project that includes the routes, as a request does it; ``Django`` is
the same for a project that lists each route with ``path()``. One route in the middle of the
list is asked for again and again, but for ``each in turn``, which asks for all of them at random.
"""

import argparse
import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, ResolverMatch, URLResolver, include, path
from django.urls.converters import get_converters
from django.urls.resolvers import RegexPattern

from django_routehandlers.routing.matching import Converter
from django_routehandlers.routing.patterns import RouteResolver, RouteTable
from django_routehandlers.routing.route import Route, match_order
from django_routehandlers.routing.segments import parse_segment
from django_routehandlers.routing.url_patterns import SegmentConverter, serve

ROUNDS = 9
SECONDS = 0.02  # of one case in one round
SMALL = 10
Folders = tuple[str, ...]
Case = tuple[str, Callable[[], object]]


def view(request: HttpRequest, **segments: Any) -> HttpResponse:
    """Stand for the view of every route."""
    return HttpResponse()


def static(number: int) -> Iterator[Folders]:
    """Yield *number* routes without parameters."""
    for n in range(number):
        yield (f"a{n}", "list")


def mixed(number: int) -> Iterator[Folders]:
    """Yield *number* routes of all kinds in turn."""
    for n in range(number):
        tail = [("list",), ("[id]",), ("[id=int]", "parts"), ("[...rest]",), ("[id]", "parts", "[part=int]")][n % 5]
        yield (f"a{n}", *tail)


MIXES: dict[str, Callable[[int], Iterator[Folders]]] = {"static": static, "mixed": mixed}
KINDS = ["static", "dynamic", "converter", "catch-all", "two levels"]
TAILS = ["list", "abc", "12/parts", "x/y/z", "abc/parts/7"]


def table_of(routes: Iterable[Folders]) -> RouteTable:
    """Return the table that start-up makes of folders of these names."""
    converters: dict[str, Converter] = {name: SegmentConverter(one) for name, one in get_converters().items()}
    made = [Route("app", "app.routes", "", folders, tuple(map(parse_segment, folders)), "") for folders in routes]
    served = (
        serve(route, view, route.default_name, converters, slash=False) for route in sorted(made, key=match_order)
    )
    return RouteTable(served, converters, redirect=view, slash=False)


def project_of(patterns: list[Any]) -> URLResolver:
    """Return the resolver of a project whose ``urlpatterns`` are these."""
    return URLResolver(RegexPattern(r"^/"), patterns)


def ours(routes: Iterable[Folders]) -> tuple[RouteResolver, URLResolver]:
    """Return the resolver of the routes, and that of a project that includes it."""
    table = table_of(routes)
    resolver = RouteResolver(lambda: table)
    return resolver, project_of([path("", include(([resolver], "routes")))])


def djangos(routes: Iterable[Folders]) -> URLResolver:
    """Return the resolver of a project that lists the same routes with ``path()``."""
    names = {"[id]": "<id>", "[id=int]": "<int:id>", "[part=int]": "<int:part>", "[...rest]": "<path:rest>"}
    lines = ("/".join(names.get(folder, folder) for folder in folders) for folders in routes)
    return project_of([path(line, view) for line in lines])


def hit(resolver: URLResolver, path: str) -> ResolverMatch:
    """Return the match of a path that has one."""
    return resolver.resolve(path)


def miss(resolver: URLResolver, path: str) -> None:
    """Look for a path that has no match."""
    try:
        resolver.resolve(path)
    except Resolver404:
        return
    raise AssertionError(f"{path} matched")


def turn(resolver: URLResolver, paths: Iterator[str]) -> ResolverMatch:
    """Return the match of the next path."""
    return resolver.resolve(next(paths))


def measure(cases: list[Case]) -> dict[str, float]:
    """Return the seconds that one call of each case takes."""
    repeats: dict[str, int] = {}
    for name, call in cases:
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(SECONDS / max(time.perf_counter() - start, 1e-7)))
    best: dict[str, float] = {}
    gc.disable()
    for _ in range(ROUNDS):
        for name, call in cases:
            count = repeats[name]
            start = time.perf_counter()
            for _ in range(count):
                call()
            best[name] = min(best.get(name, 1e9), (time.perf_counter() - start) / count)
    gc.enable()
    return best


def cases_of(size: int, mix: str) -> Iterator[Case]:
    """Yield the cases of one size and mix, named ``what kind size``."""
    routes = list(MIXES[mix](size))
    # A project with the routes and nothing else, so that the list of patterns is as long as they are many.
    resolver, project = ours(routes)
    django_project = djangos(routes)
    middle = size // 2
    for kind, tail in zip(KINDS, TAILS, strict=True) if mix == "mixed" else [("all static", "list")]:
        number = middle if mix == "static" else middle - middle % 5 + KINDS.index(kind)
        target = f"a{number}/{tail}"
        yield f"resolver|{kind}|{size}", partial(hit, resolver, target)
        yield f"URLconf|{kind}|{size}", partial(hit, project, f"/{target}")
        yield f"Django|{kind}|{size}", partial(hit, django_project, f"/{target}")
    each = [f"a{n}/{TAILS[n % 5] if mix == 'mixed' else 'list'}" for n in range(size)]
    # Seeded, so that every run asks in the same order, which is not that of Django's list.
    random.Random(1).shuffle(each)
    yield f"resolver|each in turn, {mix}|{size}", partial(turn, resolver, cycle(each))
    yield f"URLconf|each in turn, {mix}|{size}", partial(turn, project, cycle([f"/{one}" for one in each]))
    yield f"Django|each in turn, {mix}|{size}", partial(turn, django_project, cycle([f"/{one}" for one in each]))
    kind = f"miss, {mix}"
    target = f"a{middle}/none/of/them" if mix == "static" else f"a{middle - middle % 5 + 4}/abc/none/7"
    yield f"resolver|{kind}|{size}", partial(miss, resolver, target)
    yield f"URLconf|{kind}|{size}", partial(miss, project, f"/{target}")
    yield f"Django|{kind}|{size}", partial(miss, django_project, f"/{target}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure a match among many routes against one among 10.")
    parser.add_argument("--routes", type=int, default=10_000)
    large: int = parser.parse_args().routes
    settings.configure(DEBUG=False)
    django.setup()
    cases = [case for mix in MIXES for size in (SMALL, large) for case in cases_of(size, mix)]
    best = measure(cases)
    print(f"Microseconds for one match among {SMALL} and among {large} routes, least of {ROUNDS} rounds\n")
    print(f"{'':22}{'':10}{SMALL:>10}{large:>10}{'ratio':>10}")
    for what in ("resolver", "URLconf", "Django"):
        for kind in dict.fromkeys(name.split("|")[1] for name in best):
            few, many = best[f"{what}|{kind}|{SMALL}"], best[f"{what}|{kind}|{large}"]
            print(f"{what:10}{kind:22}{few * 1e6:>10.2f}{many * 1e6:>10.2f}{many / few:>10.2f}")


if __name__ == "__main__":
    main()
