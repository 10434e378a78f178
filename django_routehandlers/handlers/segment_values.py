"""
Turn the text of a segment into the value that a handler's annotation asks for.

Conversion is pydantic's, with one rule more: an integer is written in ASCII digits with at
most one minus sign, a date or time as ISO 8601 writes it. ``+1``, ``1.0``, ``1_000`` and
digits of other scripts are no integers, and a number is no date.
"""

import re
import types
import uuid
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from enum import Enum, EnumType
from functools import partial
from inspect import Parameter
from typing import Annotated, Any, Protocol, Union, cast, get_args, get_origin

from django.http import Http404, HttpRequest
from pydantic import BeforeValidator, ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from django_routehandlers.routing.segments import Segment, SegmentKind

_INTEGER = re.compile(r"-?[0-9]+")
_FORMS: Mapping[type, re.Pattern[str]] = {
    int: _INTEGER,
    date: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    datetime: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.DOTALL),
    time: re.compile(r"[0-9]{2}:[0-9]{2}.*", re.DOTALL),
}
"""Types that pydantic reads from more texts than one URL should have."""
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
        options = get_args(bare) if get_origin(bare) in (Union, types.UnionType) else (bare,)
        if all((get_origin(option) or option) not in (list, tuple, set, frozenset) for option in options):
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
        return TypeAdapter(_in_one_form(annotation))
    except PydanticUserError as error:
        what = f"a segment is text, which cannot be converted to {_text(annotation)}."
        remedy = f"Annotate {segment.text} as str, int, UUID, date, an Enum or another type that pydantic reads."
        raise Unconvertible(what, remedy) from error


def _in_one_form(annotation: Any) -> Any:
    """Return the annotation with every type of ``_FORMS`` held to its form."""
    if isinstance(annotation, EnumType) and not issubclass(annotation, str):
        by_text = {str(member.value): member for member in cast("Iterable[Enum]", annotation)}
        return Annotated[annotation, BeforeValidator(partial(_member, by_text))]
    if annotation in _FORMS:
        return Annotated[annotation, BeforeValidator(partial(_check_form, _FORMS[annotation]))]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *rest = arguments
        # The last validator given runs first, so the text is looked at before any constraint.
        return Annotated[(inner, *rest, *get_args(_in_one_form(inner))[1:])] if inner in _FORMS else annotation
    if origin in (list, tuple, set, frozenset):
        return types.GenericAlias(origin, tuple(_in_one_form(part) for part in arguments))
    if origin in (Union, types.UnionType):
        return Union[tuple(_in_one_form(part) for part in arguments)]  # noqa: UP007 - made from values
    return annotation


def _member(by_text: Mapping[str, Enum], value: object) -> object:
    if isinstance(value, str) and value not in by_text:
        raise ValueError("no member has this value")
    return by_text[value] if isinstance(value, str) else value


def _check_form(form: re.Pattern[str], value: object) -> object:
    if isinstance(value, str) and form.fullmatch(value) is None:
        raise ValueError("written in another form")
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
