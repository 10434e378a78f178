"""
Turn annotations into validators of text, which is all that URLs, fields, cookies and forms hold.

pydantic reads numbers and dates from more texts than they are written as (``1_0``, ``3.0``,
seconds since 1970). Here each has one written form, so that what a document says is what
is accepted. No text may hold NUL, which no database stores.
"""

import math
import re
import types
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, EnumType
from functools import lru_cache, partial
from typing import Annotated, Any, Literal, NewType, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Strict, TypeAdapter
from pydantic_core import PydanticCustomError, PydanticKnownError

_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_FORMS: Mapping[type, tuple[re.Pattern[str], PydanticKnownError | PydanticCustomError]] = {
    str: (re.compile(r"[^\0]*"), PydanticCustomError("string_nul", "Input should not hold NUL")),
    int: (_INTEGER, PydanticKnownError("int_parsing")),
    float: (_NUMBER, PydanticKnownError("float_parsing")),
    Decimal: (_NUMBER, PydanticKnownError("decimal_parsing")),
    UUID: (
        re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"),
        PydanticKnownError("uuid_parsing", {"error": "such as 123e4567-e89b-12d3-a456-426614174000"}),
    ),
    date: (
        re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        PydanticKnownError("date_parsing", {"error": "such as 2026-12-31"}),
    ),
    datetime: (
        re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.DOTALL),
        PydanticKnownError("datetime_parsing", {"error": "such as 2026-12-31T23:59:59Z"}),
    ),
    time: (
        re.compile(r"[0-9]{2}:[0-9]{2}.*", re.DOTALL),
        PydanticKnownError("time_parsing", {"error": "such as 23:59:59"}),
    ),
}
"""Type → the form that its text has, and what is raised where it has another."""


def text_adapter(annotation: Any) -> TypeAdapter[Any]:
    """
    Return what validates text as *annotation*, each type of which has one written form.

    Raises:
        PydanticUserError: pydantic knows no way from text to *annotation*.
    """
    return TypeAdapter(_in_one_form(annotation))


def instance_adapter(annotation: Any) -> TypeAdapter[Any]:
    """Return what lets instances of the annotated classes pass, which need not be types that pydantic knows."""
    if isinstance(annotation, type) and hasattr(annotation, "__pydantic_core_schema__"):
        # A model has a configuration of its own, and takes no other.
        return TypeAdapter(annotation)
    return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))


def parse_integer(text: str) -> int:
    """
    Return the integer that *text* is.

    Raises:
        ValueError: It is not one, or has more digits than Python converts (``sys.get_int_max_str_digits()``).
    """
    if _INTEGER.fullmatch(text) is None:
        raise ValueError("written in another form")
    return int(text)


def check_texts(kind: type, value: object) -> None:
    """
    Judge the form of one text, or of a list of texts.

    Args:
        kind: One of the types that have a form: see ``form_types()``.

    Raises:
        PydanticKnownError: A text is not written as *kind* is.
        PydanticCustomError: As ``PydanticKnownError``.
    """
    for one in cast("list[object]", value) if isinstance(value, list) else [value]:
        _check_form(kind, one)


@lru_cache(maxsize=1)
def form_types() -> Mapping[type, Mapping[str, Any]]:
    """Return the types whose texts have one written form, with the JSON schema that pydantic gives each."""
    return {kind: TypeAdapter(kind).json_schema() for kind in _FORMS}


def bare_type(annotation: Any) -> Any:
    """Return the annotation without ``Annotated`` around it."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def options_of(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone, each without ``Annotated``."""
    bare = bare_type(annotation)
    members = get_args(bare) if get_origin(bare) in (Union, types.UnionType) else (bare,)
    return tuple(bare_type(member) for member in members)


def type_text(annotation: Any) -> str:
    """Return the annotation much as the source writes it, without ``Annotated`` and the names of modules."""
    bare = bare_type(annotation)
    origin, arguments = get_origin(bare), get_args(bare)
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_text, arguments))
    if origin is None or origin is Literal:
        return "None" if bare is types.NoneType else getattr(bare, "__name__", None) or str(bare)
    return f"{origin.__name__}[{', '.join(map(type_text, arguments))}]"


def is_sequence(annotation: Any) -> bool:
    """Return whether the annotation, or each member of the union but ``None``, is a list, a tuple or a set."""
    options = [option for option in options_of(annotation) if option is not types.NoneType]
    return bool(options) and all((get_origin(one) or one) in (list, tuple, set, frozenset) for one in options)


def unaliased(annotation: Any) -> Any:
    """Return what ``type X = …`` and ``NewType`` stand for, or the annotation itself."""
    while True:
        if type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            return annotation


def _in_one_form(annotation: Any) -> Any:
    annotation = unaliased(annotation)
    if isinstance(annotation, EnumType) and not issubclass(annotation, str):
        by_text = {str(member.value): member for member in cast("Iterable[Enum]", annotation)}
        return Annotated[annotation, BeforeValidator(partial(_member, by_text))]
    if isinstance(annotation, type) and annotation in _FORMS:
        return Annotated[annotation, BeforeValidator(partial(_check_form, annotation))]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal and not all(isinstance(one, str) for one in arguments):
        by_text = {_literal_text(one): one for one in arguments}
        return Annotated[annotation, BeforeValidator(partial(_member, by_text))]
    if origin is Annotated:
        # A text is never what it stands for, which is all that a strict validator takes.
        inner, *rest = (one for one in arguments if not isinstance(one, Strict))
        formed = _in_one_form(inner)
        if get_origin(formed) is Annotated:
            # The last validator given runs first, so the text is looked at before any constraint.
            inner, *before = get_args(formed)
            return Annotated[(inner, *rest, *before)]
        return Annotated[(formed, *rest)] if rest else formed
    if origin in (list, tuple, set, frozenset):
        return types.GenericAlias(origin, tuple(_in_one_form(part) for part in arguments))
    if origin in (Union, types.UnionType):
        return Union[tuple(_in_one_form(part) for part in arguments)]  # noqa: UP007 - made from values
    return annotation


def _literal_text(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _member(by_text: Mapping[str, object], value: object) -> object:
    if isinstance(value, str) and value not in by_text:
        raise PydanticKnownError("enum", {"expected": ", ".join(by_text)})
    return by_text[value] if isinstance(value, str) else value


def _check_form(kind: type, value: object) -> object:
    if not isinstance(value, str):
        return value
    form, error = _FORMS[kind]
    if form.fullmatch(value) is None:
        raise error
    if kind is float and not math.isfinite(float(value)):
        raise PydanticKnownError("finite_number")
    return value
