"""
Turn a list of routes into the conflicts among them.

Pure. Two routes conflict where a URL could be answered by either and only chance, or the
order of a directory listing, would decide; every conflict names both files.
"""

import unicodedata
from collections.abc import Iterable, Iterator

from django_routehandlers.conf import SETTING
from django_routehandlers.exceptions import Mistake
from django_routehandlers.routing.route import Route, match_order
from django_routehandlers.routing.segments import Segment, SegmentKind

_Key = tuple[tuple[int, str], ...]
_Ordered = list[tuple[_Key, Route]]
"""Routes behind their place in the order of matching, in this order."""


def find_conflicts(routes: Iterable[Route]) -> tuple[Mistake, ...]:
    """Return all conflicts, in an order that does not depend on the order of *routes*."""
    ordered = sorted(((match_order(route), route) for route in routes), key=lambda one: (one[0], one[1].file))
    return tuple(sorted({*_same_shape(ordered), *_two_names(ordered), *_same_but_for_case(ordered)}))


def _same_shape(routes: _Ordered) -> Iterator[Mistake]:
    seen: dict[_Key, Route] = {}
    for _, route in routes:
        for shape in _shapes(route):
            other = seen.setdefault(shape, route)
            if other is not route and not _names_differ(route, other):
                url = "/" + "/".join(text for _, text in shape)
                yield _mistake("E020", route, *_served_twice(route, other, url))
                break


def _served_twice(route: Route, other: Route, url: str) -> tuple[str, str]:
    one, two, remedy = route.id, other.id, "Rename or remove one"
    if route.app != other.app:
        one, two = (f"{it.id} of the app {it.app}" for it in (route, other))
        prefix = f"{SETTING}['PREFIXES'] = {{{route.app!r}: '{route.app}/'}}"
        remedy = f"Serve one app below a path of its own, {prefix}; or rename or remove one"
    elif any(it.prefixed + len(it.folders) > len(it.segments) for it in (route, other)):
        # Folders that are no segments are groups.
        remedy += "; route groups do not change the URL"
    return f"{one} and {two} ({other.file}) both serve {url}. A URL has one route.", f"{remedy}."


def _names_differ(route: Route, other: Route) -> bool:
    """Return whether a level of the two has two dynamic names, which is reported as that."""
    pairs = zip(route.segments, other.segments, strict=False)
    here, there = next((pair for pair in pairs if pair[0] != pair[1]), (None, None))
    return here is not None and there is not None and here.kind is there.kind is SegmentKind.DYNAMIC


def _shapes(route: Route) -> Iterator[_Key]:
    """Yield each shape of URL that the route serves: names of parameters do not count."""
    shape = tuple(_shape(segment) for segment in route.segments)
    if route.segments and route.segments[-1].kind is SegmentKind.OPTIONAL_CATCH_ALL:
        yield shape[:-1]
    yield shape


def _shape(segment: Segment) -> tuple[int, str]:
    if segment.kind is SegmentKind.STATIC:
        return segment.kind.value, segment.text
    if segment.takes_rest:
        return SegmentKind.CATCH_ALL.value, "[...]"
    return segment.kind.value, f"[={segment.converter}]" if segment.converter else "[]"


def _levels(routes: _Ordered, kind: SegmentKind) -> Iterator[tuple[_Key, Segment, Route]]:
    for order, route in routes:
        for depth, segment in enumerate(route.segments):
            if segment.kind is kind:
                yield order[:depth], segment, route


def _two_names(routes: _Ordered) -> Iterator[Mistake]:
    seen: dict[_Key, tuple[Segment, Route]] = {}
    reported: set[tuple[_Key, str]] = set()
    for level, segment, route in _levels(routes, SegmentKind.DYNAMIC):
        first, other = seen.setdefault(level, (segment, route))
        if first.text != segment.text and (level, segment.text) not in reported:
            reported.add((level, segment.text))
            above = "/" + "/".join(text for _, text in level)
            what = (
                f"{segment.folder} stands beside {first.folder} ({other.file}) below {above}. "
                "The dynamic segment of one level has one name."
            )
            yield _mistake("E021", route, what, f"Rename {segment.folder} to {first.folder}, or pin a converter.")


def _same_but_for_case(routes: _Ordered) -> Iterator[Mistake]:
    seen: dict[tuple[_Key, str], tuple[Segment, Route]] = {}
    reported: set[tuple[_Key, str]] = set()
    for level, segment, route in _levels(routes, SegmentKind.STATIC):
        folded = _folded(segment.text)
        first, other = seen.setdefault((level, folded), (segment, route))
        if first.text != segment.text and (level, segment.text) not in reported:
            reported.add((level, segment.text))
            what = (
                f"{segment.text!r} and {first.text!r} ({other.file}) differ only by case or Unicode form. "
                "File systems that fold them would merge the two."
            )
            yield _mistake("E022", route, what, f"Rename the folder {segment.folder} or {first.folder}.")


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _mistake(id: str, route: Route, what: str, remedy: str) -> Mistake:
    return Mistake(file=route.file, line=0, id=id, where=route.id, what=what, remedy=remedy)
