"""
Turn the text of a segment into the value that a handler's annotation asks for.

Conversion is pydantic's, with one rule more: an integer is written in ASCII digits with at
most one minus sign: ``+1``, ``1.0``, ``1_000`` and digits of other scripts are no integers.
"""

import re
import uuid
from collections.abc import Mapping
from inspect import Parameter
from types import GenericAlias
from typing import Annotated, Any, Protocol, get_args, get_origin

from django.http import Http404, HttpRequest
from pydantic import BeforeValidator, ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from django_routehandlers.routing.segments import Segment, SegmentKind

_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_BUILT_IN_CONVERTERS: Mapping[str, type] = {"int": int, "str": str, "slug": str, "uuid": uuid.UUID}


class Unconvertible(Exception):
    """An annotation that no segment can be converted to."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


class ReadSegment(Protocol):
    """Reads the value of one segment."""

    def __call__(self, request: HttpRequest, segments: Mapping[str, Any], /) -> Any:
        """Return the value; ``Http404`` where the segment does not fit."""
        ...


def converter_for(segment: Segment, annotation: Any) -> ReadSegment:
    """
    Return the function that reads *segment* as *annotation*.

    Args:
        annotation: A type, or ``Parameter.empty``: then the segment is what the URLconf
            gives, str, the converter's value, or a list of str for a catch-all.

    Raises:
        Unconvertible: No value of the segment can be that type.
    """
    name = segment.text
    if annotation in (Parameter.empty, Any) or (annotation is str and segment.kind is SegmentKind.DYNAMIC):
        return lambda request, segments: segments[name]
    if annotation is int and segment.kind is SegmentKind.DYNAMIC:
        return lambda request, segments: _integer(segments[name])
    _check_shape(segment, annotation)
    validate = _adapter(segment, annotation).validate_python

    def read(request: HttpRequest, segments: Mapping[str, Any]) -> Any:
        try:
            return validate(segments[name])
        except ValidationError:
            raise Http404 from None

    return read


def _check_shape(segment: Segment, annotation: Any) -> None:
    """Refuse annotations that are sure to match nothing."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if segment.takes_rest:
        if (get_origin(bare) or bare) not in (list, tuple, set, frozenset):
            what = f"the catch-all segment {segment.folder} gives a list, which is no {_text(annotation)}."
            raise Unconvertible(what, f"Annotate it as `{segment.text}: list[str]`.")
        return
    gives = _BUILT_IN_CONVERTERS.get(segment.converter or "")
    if gives is not None and isinstance(bare, type) and not (issubclass(bare, gives) or issubclass(gives, bare)):
        what = f"the path converter of {segment.folder} gives {gives.__name__}, which is no {_text(annotation)}."
        raise Unconvertible(what, f"Annotate it as `{segment.text}: {gives.__name__}`, or take the converter away.")


def _adapter(segment: Segment, annotation: Any) -> TypeAdapter[Any]:
    try:
        if segment.converter is not None and not hasattr(annotation, "__pydantic_core_schema__"):
            # A project's converter may give any object; an instance of the annotated class is right.
            return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
        return TypeAdapter(_with_plain_integers(annotation))
    except PydanticUserError as error:
        what = f"a segment is text, which cannot be converted to {_text(annotation)}."
        remedy = f"Annotate {segment.text} as str, int, UUID, date, an Enum or another type that pydantic reads."
        raise Unconvertible(what, remedy) from error


def _with_plain_integers(annotation: Any) -> Any:
    if annotation is int:
        return Annotated[int, BeforeValidator(_plain_integer)]
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *rest = get_args(annotation)
        # The last validator given runs first, so the text is looked at before any constraint.
        return Annotated[(inner, *rest, BeforeValidator(_plain_integer))] if inner is int else annotation
    if origin in (list, tuple, set, frozenset):
        return GenericAlias(origin, tuple(_with_plain_integers(part) for part in get_args(annotation)))
    return annotation


def _plain_integer(value: object) -> object:
    if isinstance(value, str) and _INTEGER.fullmatch(value) is None:
        raise ValueError("an integer is written in ASCII digits")
    return value


def _integer(text: str) -> int:
    try:
        if _INTEGER.fullmatch(text) is not None:
            return int(text)
    except ValueError:
        # Past sys.get_int_max_str_digits() Python refuses to convert: no resource has that number.
        pass
    raise Http404


def _text(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)
