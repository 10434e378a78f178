"""
Turn what has no JSON form of its own into something that has, or say why that cannot be.

One step, not the whole way: a dataclass becomes a dict, whose members are as they were.
"""

import dataclasses
import inspect
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from uuid import UUID

import orjson
from django.db.models import Manager, Model, QuerySet
from django.utils.functional import Promise
from pydantic import BaseModel
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic_core import to_jsonable_python

from django_routehandlers.documentation import Documented, Section
from django_routehandlers.responses.server_sent_event import ServerSentEvent

if TYPE_CHECKING:
    from pydantic_core import SchemaSerializer


class JSONEncodeError(Documented, TypeError):
    """A value cannot be written as JSON. The message points to it and says what to use."""

    section = Section("reference/responses", "JSON")


def describe_refusal(value: object) -> str:
    """Say why *value* has no JSON form, and what to use in its place."""
    match value:
        case set() | frozenset():
            return "A set has no order. Use a list, such as sorted(values)."
        case bytes() | bytearray() | memoryview():
            return "Bytes are not text. Decode them, or encode them as base64."
        case QuerySet() | Manager():
            return (
                "A QuerySet is a question to the database, not its answer. Use a list of dicts, such as "
                "[row async for row in queryset.values()], or list(queryset.values()) in a def handler."
            )
        case Model():
            return (
                f"{type(value).__qualname__} is a Django model, which does not say what of it may be shown. "
                "Use a pydantic model, or a dict of the fields to show."
            )
        case ServerSentEvent():
            return (
                "A ServerSentEvent is an event of an event stream, not JSON. "
                "Return EventStreamResponse, or annotate AsyncIterator[ServerSentEvent]."
            )
        case _ if inspect.isawaitable(value):
            return "A coroutine has not run yet. Await it."
        case _ if inspect.isgenerator(value) or inspect.isasyncgen(value):
            return "A generator is not a value. Make it a list, or stream it with NDJSONResponse."
        case type():
            return f"{value.__qualname__} is a class. Use an instance of it."
        case _:
            return f"{type_name(value)} has no JSON form. Use a dict, a list, a str or a number in its place."


def simplify(value: object) -> object:
    """
    Return *value* in terms that orjson takes: its ``default`` hook.

    Raises:
        JSONEncodeError: There are none.
    """
    if is_pydantic(value):
        return _dump_pydantic(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass_members(value)
    match value:
        case Decimal() | Promise():
            return str(value)
        case timedelta():
            # In pydantic's form, so that a duration looks alike inside a model and outside.
            return to_jsonable_python(value)
        case tuple():
            return list(cast("tuple[object, ...]", value))
        case float():
            return float(value)
        case date() | time() | UUID():
            return _unsubclass(value)
        case _:
            raise JSONEncodeError(describe_refusal(value))


def _unsubclass(value: date | time | UUID) -> object:
    # orjson takes these, but none of their subclasses (time-freezing test tools have some), and no time with an offset.
    match value:
        case datetime():
            return datetime.combine(value.date(), value.timetz())
        case date():
            return date(value.year, value.month, value.day)
        case time():
            return to_jsonable_python(value)
        case UUID():
            return UUID(int=value.int)


def is_pydantic(value: object) -> bool:
    """Return whether *value* is a pydantic model or a pydantic dataclass."""
    return isinstance(value, BaseModel) or is_pydantic_dataclass(type(value))


def _dump_pydantic(value: object) -> object:
    serializer = _pydantic_serializer(value)
    try:
        encoded = serializer.to_json(value, by_alias=True, fallback=simplify)
    except ValueError:
        return dump_pydantic_members(value)
    # ser_json_inf_nan="constants" makes pydantic write what is no JSON (RFC 8259, section 6).
    if b"NaN" in encoded or b"Infinity" in encoded:
        return dump_pydantic_members(value)
    return orjson.Fragment(encoded)


def dump_pydantic_members(value: object) -> object:
    """
    Return a pydantic model as dicts, lists and scalars, as its own configuration says, names by alias.

    Raises:
        JSONEncodeError: It holds what pydantic cannot serialize.
    """
    try:
        serializer = _pydantic_serializer(value)
        return cast("object", serializer.to_python(value, mode="json", by_alias=True, fallback=simplify))
    except ValueError as error:
        raise JSONEncodeError(f"{type_name(value)} cannot be serialized by pydantic. {error}") from error


def _pydantic_serializer(value: object) -> "SchemaSerializer":
    return cast("SchemaSerializer", getattr(value, "__pydantic_serializer__"))  # noqa: B009 - no such name on object


def _dataclass_members(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in _public_fields(type(value)) if hasattr(value, name)}


@lru_cache(maxsize=1024)
def _public_fields(kind: type) -> tuple[str, ...]:
    fields = dataclasses.fields(kind)
    return tuple(field.name for field in fields if not field.name.startswith("_"))


def type_name(value: object) -> str:
    """Return the name of the type of *value*, with its module unless it is a builtin."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
