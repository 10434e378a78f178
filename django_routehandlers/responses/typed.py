"""
Turn a value into JSON bytes as its annotation says, and say where it does not fit.

A value is encoded once. Instances of the annotated model or dataclass are written as they are;
anything else becomes one first, which is how rows of a database are written by a model.
Knows nothing of requests, responses or routes.
"""

import dataclasses
import inspect
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from django.db.models import Model
from django.utils.functional import Promise
from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, SchemaSerializer, SchemaValidator

from django_routehandlers.documentation import Section
from django_routehandlers.responses.core_schemas import (
    SEVERAL_MODELS,
    as_is,
    as_read,
    has_private,
    hide_private,
    is_read_otherwise,
    may_write_constants,
    reads_many,
)
from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.responses.jsonable import JSONEncodeError, simplify, type_name
from django_routehandlers.responses.native import flat_writer, is_native
from django_routehandlers.responses.rows import readable

_SHOWN_FAULTS = 5
_OF_ANOTHER_KIND = ("model_type", "model_attributes_type", "dataclass_type", "list_type", "dict_type")
_NOWHERE = object()


class Misfit(JSONEncodeError):
    """A value does not fit its annotation. The message points to each place and names the rule."""

    section = Section("reference/responses", "Return annotations")


class TypedEncoder:
    """
    Encode values as one annotation says.

    Args:
        adapter: What pydantic makes of the annotation.
    """

    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        self.adapter = adapter
        schema = cast("Mapping[str, Any]", adapter.core_schema)
        self.is_native = is_native(schema)
        """Whether values are encoded without pydantic."""
        self._reader = SchemaValidator(cast("Any", as_read(schema))) if is_read_otherwise(schema) else adapter.validator
        self._reads_many = reads_many(schema)
        self._may_write_constants = may_write_constants(schema)
        if has_private(schema):
            # The adapter makes the JSON schema of the same bytes, so it has to know.
            hidden = cast("Any", hide_private(schema))
            adapter.core_schema, adapter.serializer = hidden, SchemaSerializer(hidden)
        self._write_flat = flat_writer(schema)

    def encode(self, value: object, *, is_checked: bool) -> bytes:
        """
        Return *value* as compact UTF-8 JSON.

        Args:
            is_checked: Whether every constraint of the annotation is judged, and also what is
                inside instances, which are trusted otherwise.

        Raises:
            Misfit: *value* does not fit, and nothing that does can be made of it.
            JSONEncodeError: Something in *value* has no JSON form.
        """
        if self.is_native:
            if is_checked:
                self.check(value)
            return encode_json(value)
        if self._write_flat is not None and not is_checked and (content := self._write_flat(value)) is not None:
            return content
        instance = self._instance_of(value)
        if is_checked:
            self.check(instance)
        return self._dump(instance)

    def check(self, value: object) -> None:
        """
        Judge *value* as it is, strictly.

        Raises:
            Misfit: It does not fit.
        """
        try:
            self._judge.validate_python(value, strict=True)
        except ValidationError as error:
            raise Misfit(_describe(error, value)) from None

    def fits(self, value: object) -> bool:
        """Return whether *value* fits as it is, strictly."""
        try:
            self.check(value)
        except Misfit:
            return False
        return True

    def accepts(self, value: object) -> bool:
        """Return whether *value* is what the annotation names, not just what such a thing can be made of."""
        return self.fits(value) if self.is_native else self._reader.isinstance_python(value, strict=True)

    def check_sent(self, data: object) -> None:
        """
        Judge *data* that has been encoded without this annotation.

        Raises:
            Misfit: It does not fit, or has been written differently.
        """
        expected = self.encode(data, is_checked=True)
        if self.is_native:
            return
        place = _difference(json.loads(expected), json.loads(encode_json(data)), "#")
        if place is not None:
            raise Misfit(f"At {place}: the body has not what the annotation says. Build it of the annotated types.")

    @cached_property
    def _judge(self) -> SchemaValidator:
        return SchemaValidator(cast("Any", as_is(cast("Mapping[str, Any]", self.adapter.core_schema))))

    def _instance_of(self, value: object) -> object:
        given = readable(value) if self._reads_many else value
        try:
            # An instance comes back as it is, untouched: it was validated when it was made.
            return self._reader.validate_python(given, by_alias=True, by_name=True)
        except ValidationError as error:
            raise Misfit(_describe(error, value)) from None

    def _dump(self, instance: object) -> bytes:
        serializer = self.adapter.serializer
        try:
            content = serializer.to_json(instance, by_alias=True, warnings="error", fallback=simplify)
        except ValueError:
            return self._dump_members(instance)
        # ser_json_inf_nan="constants" makes pydantic write what is no JSON (RFC 8259, section 6).
        if self._may_write_constants and (b"NaN" in content or b"Infinity" in content):
            return self._dump_members(instance)
        return content

    def _dump_members(self, instance: object) -> bytes:
        """Encode what pydantic does not write itself: lone surrogates, and attributes that were set to what misfits."""
        serializer = self.adapter.serializer
        try:
            members = serializer.to_python(instance, mode="json", by_alias=True, warnings="error", fallback=simplify)
        except ValueError:
            instance = self._instance_of(_taken_apart(instance))
            try:
                members = serializer.to_python(instance, mode="json", by_alias=True, warnings=False, fallback=simplify)
            except ValueError as error:
                raise JSONEncodeError(f"{type_name(instance)} cannot be serialized by pydantic. {error}") from error
        return encode_json(members)


def _taken_apart(value: object) -> object:
    """Return *value* with the fields of each instance as a dict, so that pydantic looks at every one."""
    match value:
        case RootModel():
            return _taken_apart(cast("RootModel[Any]", value).root)
        case BaseModel():
            names = [*type(value).model_fields, *(value.model_extra or ())]
        case Promise():
            return str(value)
        case dict():
            return {key: _taken_apart(one) for key, one in cast("dict[object, object]", value).items()}
        case list() | tuple():
            return [_taken_apart(one) for one in cast("Sequence[object]", value)]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value) if field.init]
        case _:
            return value
    return {name: _taken_apart(getattr(value, name)) for name in names if hasattr(value, name)}


def _describe(error: ValidationError, value: object) -> str:
    faults = error.errors(include_url=False)
    # Each member of the union says so, and what the others say would only lead astray.
    faults = [fault for fault in faults if fault["type"] == SEVERAL_MODELS] or faults
    rules = list(dict.fromkeys(f"At {_place(fault, value)}: {_rule(fault)}" for fault in faults))
    told = rules[:_SHOWN_FAULTS]
    more = len(rules) - _SHOWN_FAULTS
    return " ".join([*told, *([f"And {more} more."] if more > 0 else [])])


def _rule(fault: ErrorDetails) -> str:
    if "SynchronousOnlyOperation" in fault["msg"]:
        return (
            "it is not loaded yet, and async code must not ask the database. Load it in the query, with "
            "select_related() or prefetch_related() and without defer(), or make the handler a def."
        )
    return f"{fault['msg']}.{_hint(fault['input']) if fault['type'] in _OF_ANOTHER_KIND else ''}"


def _hint(value: object) -> str:
    """Return what to do where *value* is nothing that the annotated type can be made of."""
    name = type_name(value)
    match value:
        case Model():
            remedy = "give the annotated model model_config = ConfigDict(from_attributes=True)"
        case tuple():
            remedy = "for a status of its own return JSONResponse(data, status=...)"
        case BaseException():
            remedy = "raise it"
        case _ if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                # Python would warn, at some later point, of what this error says now.
                value.close()
            remedy = "await it"
        case _:
            return f" It is of type {name}."
    return f" It is of type {name}: {remedy}."


def _place(fault: ErrorDetails, value: Any) -> str:
    """Return an RFC 6901 pointer as a URI fragment, without the steps that name members of a union."""
    location = fault["loc"]
    tokens: list[str] = []
    # The last step may be what is missing, but not where the fault is in what is there.
    last = len(location) if fault["type"] in (SEVERAL_MODELS, *_OF_ANOTHER_KIND) else len(location) - 1
    for position, step in enumerate(location):
        below = _below(value, step)
        if below is _NOWHERE and value is not None and position < last:
            continue
        value = None if below is _NOWHERE else below
        tokens.append(_escaped(step))
    return "".join(["#", *(f"/{token}" for token in tokens)])


def _below(value: Any, step: int | str) -> Any:
    """Return what *step* leads to in *value*, ``None`` where only asking the database would tell."""
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).get(step, _NOWHERE)
    if isinstance(value, Sequence):
        items = cast("Sequence[object]", value)
        return items[step] if isinstance(step, int) and step < len(items) else _NOWHERE
    if isinstance(step, str):
        # Not getattr(): a property or a deferred field may ask the database.
        absent = None if hasattr(cast("object", type(value)), step) else _NOWHERE
        return getattr(value, "__dict__", {}).get(step, absent)
    return _NOWHERE


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1").encode("ascii", "backslashreplace").decode()


def _difference(expected: object, sent: object, place: str) -> str | None:
    """Return where two JSON values differ first."""
    match expected, sent:
        case dict(), dict():
            pairs = cast("tuple[dict[str, object], dict[str, object]]", (expected, sent))
            for name in {**pairs[0], **pairs[1]}:
                below = f"{place}/{_escaped(name)}"
                if name not in pairs[0] or name not in pairs[1]:
                    return below
                if found := _difference(pairs[0][name], pairs[1][name], below):
                    return found
            return None
        case list(), list() if len(cast("list[object]", expected)) == len(cast("list[object]", sent)):
            items = zip(cast("list[object]", expected), cast("list[object]", sent), strict=True)
            found = (_difference(one, other, f"{place}/{index}") for index, (one, other) in enumerate(items))
            return next((one for one in found if one), None)
        case _:
            same = expected == sent and isinstance(expected, bool) == isinstance(sent, bool)
            return None if same else place
