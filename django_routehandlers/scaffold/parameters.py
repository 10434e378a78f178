"""Turn the segments of a route, and types asked for by name, into the parameters of its handlers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from django_routehandlers.routing.matching import Converter
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import Segment
from django_routehandlers.scaffold.errors import CannotStart

TYPES: Mapping[str, type] = {kind.__name__: kind for kind in (str, int, UUID, date, datetime, time, Decimal)}
"""Types that a segment can be given by name."""
_GIVEN_BY: Mapping[str, type] = {"int": int, "str": str, "slug": str, "uuid": UUID}
"""Django's path converters, and what they give."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a segment fills."""

    name: str
    type: type
    """One of ``TYPES``; ``object`` for what a converter of the project gives."""
    is_list: bool = False
    """Whether it is a list of *type*, as a catch-all gives."""


def choose_parameters(route: Route, asked: Iterable[str], converters: Mapping[str, Converter]) -> tuple[Parameter, ...]:
    """
    Return the parameters that the handlers of *route* take.

    Args:
        asked: Types as ``name=type``; of two for one segment the last one counts.
        converters: Every path converter that is registered.

    Raises:
        CannotStart: One asks for a segment or a type that there is not, or for one that the converter does not give.
    """
    names = [segment.text for segment in route.parameters]
    chosen: dict[str, type] = {}
    for text in asked:
        name, equals, kind = text.partition("=")
        by_name = {known.lower(): type for known, type in TYPES.items()}
        if not equals or kind.lower() not in by_name:
            what = f"{kind} is no type that is known here." if equals else "a type is given as NAME=TYPE."
            raise CannotStart(f"--type {text}: {what} Types: {', '.join(TYPES)}.")
        if name not in names:
            raise CannotStart(
                f"--type {text}: {route.id} has no segment {name!r}. Segments: {', '.join(names) or 'none'}."
            )
        chosen[name] = by_name[kind.lower()]
    return tuple(
        Parameter(segment.text, _type(route, segment, chosen.get(segment.text), converters), segment.takes_rest)
        for segment in route.parameters
    )


def _type(route: Route, segment: Segment, asked: type | None, converters: Mapping[str, Converter]) -> type:
    if segment.converter is None:
        return asked or (str if segment.takes_rest else _meant(segment.text))
    converter = converters.get(segment.converter)
    if converter is None or segment.converter == "path":
        known = ", ".join(sorted(set(converters) - {"path"}))
        reason = "spans segments" if converter else "is not registered"
        raise CannotStart(f"{route.id}: the path converter {segment.converter!r} {reason}. Use one of {known}.")
    gives = _GIVEN_BY.get(segment.converter)
    if gives and asked not in (gives, None):
        raise CannotStart(
            f"--type {segment.text}={asked.__name__}: the path converter of {segment.folder} gives {gives.__name__}. "
            "Leave the type out, or take the converter away."
        )
    return gives or asked or _annotated(converter)


def _meant(name: str) -> type:
    last = name.rpartition("_")[2]
    return int if last in ("id", "pk") else UUID if last == "uuid" else str


def _annotated(converter: Converter) -> type:
    """Return what a converter of the project says that it gives, where that is a type that we can import."""
    gives: Any = getattr(converter.to_python, "__annotations__", {}).get("return")
    return next((kind for kind in TYPES.values() if kind is gives), object)
