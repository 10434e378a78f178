"""
Turn a path and the routes into those that came close to answering it, and why they did not.

Every route is compared with the path, segment by segment, by the rules of the matcher. How
far a route is from the path is the number of segments that stand in the way. Another word
counts twice; a slip of the keyboard and a value that a converter refuses count for less.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import cast

from django_routehandlers.routing.matching import Converter
from django_routehandlers.routing.route import Route, match_order
from django_routehandlers.routing.segments import Segment, SegmentKind
from django_routehandlers.routing.url_patterns import SegmentsPattern, Served

MOST = 5
"""How many near misses an explanation names."""

_ALIKE = 0.75
"""From here on two words may be one with a slip: "card" and "cart", but not "orders" and "users"."""
_KINDS = {
    SegmentKind.STATIC: "static",
    SegmentKind.CONVERTER: "dynamic with a converter",
    SegmentKind.DYNAMIC: "dynamic",
    SegmentKind.CATCH_ALL: "a catch-all",
    SegmentKind.OPTIONAL_CATCH_ALL: "an optional catch-all",
}
_Likeness = Callable[[str, str], float]


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A route that nearly answered."""

    served: Served
    reason: str


@dataclass(frozen=True, slots=True)
class _Comparison:
    distance: float
    """0 where the route matches the whole path."""
    fitting: int
    """How many segments fit before the first that does not."""
    recognized: int
    """How many static segments are there, give or take a letter: those that take any text say nothing."""
    reason: str


def split_path(path: str) -> list[str]:
    """Return the segments of a path without its first slash; its last slash makes no segment."""
    return path.removesuffix("/").split("/") if path else []


def unmatchable(path: str) -> str | None:
    """Return why no route at all can match *path*, if that is so."""
    if "\0" in path:
        return "the path holds NUL, which no route matches"
    for number, segment in enumerate(split_path(path), 1):
        if segment == "":
            return f"segment {number} is empty, which no route matches"
        if segment in (".", ".."):
            return f"segment {number} is {segment!r}, which no route matches"
    return None


def find_near_misses(path: str, served: Iterable[Served], *, answer: Served | None) -> tuple[NearMiss, ...]:
    """
    Return the routes that came close, the closest first, at most ``MOST``.

    Args:
        path: Decoded path without its first slash.
        served: The routes in match order.
        answer: The route that answers, which is no near miss.
    """
    segments = split_path(path)
    likeness = lru_cache(maxsize=None)(_likeness)
    found: list[tuple[float, int, int, NearMiss]] = []
    for position, one in enumerate(served):
        if one is answer:
            continue
        # The patterns carry the converters as the matcher has them, held to one segment.
        converters = cast("SegmentsPattern", one.patterns[-1].pattern).converters
        compared = _compare(one.route, segments, converters, likeness)
        if _is_near(compared):
            reason = compared.reason or _precedence(one.route, answer)
            found.append((compared.distance, -compared.fitting, position, NearMiss(one, reason)))
    return tuple(miss for *_, miss in sorted(found, key=lambda item: item[:3])[:MOST])


def _is_near(compared: _Comparison) -> bool:
    """Return whether at most one thing stands in the way, of a route that the path speaks for at all."""
    return compared.distance <= 0.5 or (compared.distance <= 1.5 and compared.recognized > 0)


def _compare(route: Route, path: list[str], converters: Mapping[str, Converter], likeness: _Likeness) -> _Comparison:
    distance, fitting, recognized, reason = 0.0, 0, 0, ""
    for position, segment in enumerate(route.segments):
        if segment.takes_rest:
            wrong = _empty_rest(segment) if position >= len(path) else None
        elif position >= len(path):
            wrong = (1.0, f"the path ends before {segment.folder}")
        else:
            wrong = _refusal(segment, path[position], position + 1, converters, likeness)
        if wrong is not None:
            distance += wrong[0]
            reason = reason or wrong[1]
        elif not reason:
            fitting += 1
        recognized += segment.kind is SegmentKind.STATIC and (wrong is None or wrong[0] < 1)
    more = path[len(route.segments) :]
    if more and not (route.segments and route.segments[-1].takes_rest):
        distance += min(1 + 0.1 * (len(more) - 1), 1.5)
        reason = reason or f'the path goes on: "{"/".join(more)}"'
    return _Comparison(distance, fitting, recognized, reason)


def _empty_rest(segment: Segment) -> tuple[float, str] | None:
    if segment.kind is SegmentKind.OPTIONAL_CATCH_ALL:
        return None
    return 0.5, f"the path ends before {segment.folder}, which takes at least one segment"


def _refusal(
    segment: Segment, text: str, number: int, converters: Mapping[str, Converter], likeness: _Likeness
) -> tuple[float, str] | None:
    """Return how far *text* is from fitting the segment, and why; ``None`` where it fits."""
    if segment.kind is SegmentKind.STATIC:
        if segment.text == text:
            return None
        return 2 - 2 * likeness(segment.text, text), f'segment {number} is "{text}", not "{segment.text}"'
    if segment.converter is not None and not _converts(converters[segment.text], text):
        return 0.5, f'segment {number}, "{text}", is refused by the path converter {segment.converter}'
    return None


def _converts(converter: Converter, text: str) -> bool:
    if re.fullmatch(converter.regex, text) is None:
        return False
    try:
        converter.to_python(text)
    except ValueError:
        return False
    return True


def _likeness(one: str, other: str) -> float:
    """Return how alike two segments are, from 0 to 1; 0 where nobody would take one for the other."""
    matcher = SequenceMatcher(None, one.casefold(), other.casefold())
    # The two quick ones are upper bounds, and spare most pairs the quadratic third.
    if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= _ALIKE else 0.0


def _precedence(route: Route, answer: Served | None) -> str:
    if answer is None:
        return "it matches, but the URLconf has another pattern before it"
    winner = answer.route
    pairs = zip(match_order(winner), match_order(route), strict=False)
    depth = next(number for number, (won, lost) in enumerate(pairs) if won != lost)
    won, lost = winner.segments[depth], route.segments[depth]
    if won.kind is lost.kind:
        return f"it matches too, but later: {won.folder} is tried before {lost.folder}, in the order of their names"
    return (
        f"it matches too, but later: {won.folder} is {_KINDS[won.kind]}, "
        f"which is tried before {lost.folder}, {_KINDS[lost.kind]}"
    )
