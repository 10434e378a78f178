"""
Turn the text of a segment into the value that a handler's annotation asks for.

Conversion is pydantic's, with one rule more: an integer is written in ASCII digits with at
most one minus sign, a date or time as ISO 8601 writes it. ``+1``, ``1.0``, ``1_000`` and
digits of other scripts are no integers, and a number is no date.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from operator import itemgetter
from typing import Any

from django.http import Http404
from pydantic import TypeAdapter, ValidationError

from django_routehandlers.handlers.adapters import (
    Unusable,
    complete_instance_adapter,
    complete_text_adapter,
    holds_objects,
    json_schema,
)
from django_routehandlers.handlers.sharing import shared
from django_routehandlers.handlers.text_values import bare_type, is_sequence, options_of, parse_integer, type_text
from django_routehandlers.routing.segments import Segment, SegmentKind

_BUILT_IN_CONVERTERS: Mapping[str, type] = {"int": int, "str": str, "slug": str, "uuid": uuid.UUID}


class Unconvertible(Exception):
    """An annotation that no segment can be converted to."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass(frozen=True, slots=True)
class SegmentInput:
    """A parameter that one segment of the URL fills."""

    name: str
    """Name of the segment, and of the parameter."""
    adapter: TypeAdapter[Any] | None
    """What validates the segment; ``None`` where the handler takes what the URLconf gives."""
    read: Callable[[Mapping[str, Any]], Any]
    """Returns the value among the segments of a request; raises ``Http404`` where the segment does not fit."""


def segment_input(segment: Segment, annotation: Any) -> SegmentInput:
    """
    Return how *segment* is read as *annotation*.

    Args:
        annotation: A type, or ``Parameter.empty``: then the segment is what the URLconf
            gives, str, the converter's value, or a list of str for a catch-all.

    Raises:
        Unconvertible: No value of the segment can be that type.
    """
    name = segment.text
    if annotation in (Parameter.empty, Any):
        return SegmentInput(name, None, itemgetter(name))
    _check_shape(segment, annotation)
    adapter = _adapter(segment, annotation)
    if segment.kind is SegmentKind.DYNAMIC and annotation is str:
        return SegmentInput(name, adapter, itemgetter(name))
    if segment.kind is SegmentKind.DYNAMIC and annotation is int:
        return SegmentInput(name, adapter, lambda segments: _integer(segments[name]))
    validate = adapter.validate_python

    def read(segments: Mapping[str, Any]) -> Any:
        try:
            return validate(segments[name])
        except ValidationError:
            raise Http404 from None

    return SegmentInput(name, adapter, read)


def _check_shape(segment: Segment, annotation: Any) -> None:
    """Refuse annotations that are sure to match nothing."""
    bare = bare_type(annotation)
    if segment.takes_rest:
        if not any(is_sequence(option) for option in options_of(annotation)):
            what = f"the catch-all segment {segment.folder} gives a list, which is no {type_text(annotation)}."
            raise Unconvertible(what, f"Annotate it as `{segment.text}: list[str]`.")
        return
    gives = _BUILT_IN_CONVERTERS.get(segment.converter or "")
    if gives is not None and isinstance(bare, type) and not (issubclass(bare, gives) or issubclass(gives, bare)):
        what = f"the path converter of {segment.folder} gives {gives.__name__}, which is no {type_text(annotation)}."
        raise Unconvertible(what, f"Annotate it as `{segment.text}: {gives.__name__}`, or take the converter away.")


def _adapter(segment: Segment, annotation: Any) -> TypeAdapter[Any]:
    try:
        if segment.converter is not None:
            # A project's converter may give any object; an instance of the annotated class is right.
            return complete_instance_adapter(annotation)
        return shared("segment", annotation, lambda: _text_adapter(annotation))
    except Unusable as error:
        what = f"a segment is text, which cannot be converted to {type_text(annotation)}."
        remedy = f"Annotate {segment.text} as str, int, UUID, date, an Enum or another type that pydantic reads."
        raise Unconvertible(what, remedy) from error


def _text_adapter(annotation: Any) -> TypeAdapter[Any]:
    adapter = complete_text_adapter(annotation)
    if holds_objects(json_schema(adapter)):
        raise Unusable("it is an object")
    return adapter


def _integer(text: str) -> int:
    try:
        return parse_integer(text)
    except ValueError:
        raise Http404 from None
