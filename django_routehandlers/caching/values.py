"""
Turn what a function returns into bytes and back, as its return annotation says, or refuse it.

Nothing is pickled. What does not come back as it was, in value and in type, is refused when it is
made: a hit returns what a run would.
"""

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, cast

import orjson
from django.db.models import Manager, Model, QuerySet
from django.http.response import HttpResponseBase
from pydantic import BaseModel, ConfigDict, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, SchemaError

from django_routehandlers.caching.results import Unreadable
from django_routehandlers.documentation import Section, documented

_SECTION = Section("how-to/cached-functions-and-fetch", "Annotate what it returns")

_SAYS_NOTHING = (Any, object)
# Without them orjson writes as text what would come back as text.
_PLAIN_ONLY = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")
_ANNOTATE = "Annotate what the function returns, as in `-> list[date]`, or return a dict, a list, text or numbers."
_ATOMS = frozenset({str, int, bool, type(None)})


class ReturnValues:
    """
    The values that one function returns, as bytes.

    Args:
        name: What errors call the function.
        annotation: Its return annotation as the source has it, text too; ``Signature.empty`` for none.
        namespace: Where the names in the annotation are looked up, once the first value is there.
    """

    def __init__(self, name: str, annotation: object, namespace: Mapping[str, Any]) -> None:
        self._name, self._annotation, self._namespace = name, annotation, namespace

    def encode(self, value: object) -> tuple[bytes, Any]:
        """
        Return *value* as bytes, and as it comes back from them.

        Raises:
            TypeError: It would not come back as it is. The message names the function and the remedy.
        """
        self._refuse(value)
        adapter = self._adapter
        try:
            data = orjson.dumps(value, None, _PLAIN_ONLY) if adapter is None else _dump(adapter, value)
            back = self.decode(data)
        except (PydanticSerializationError, orjson.JSONEncodeError, RecursionError, Unreadable) as error:
            raise documented(
                TypeError(f"{self._name}: {_what(value)} cannot be kept: {error}. {self._remedy}"), _SECTION
            ) from error
        if not is_same(value, back):
            raise documented(
                TypeError(f"{self._name}: {_what(value)} cannot be kept: {_difference(value, back)} {self._remedy}"),
                _SECTION,
            )
        return data, back

    def decode(self, data: bytes) -> Any:
        """
        Return a value of its own for one caller.

        Raises:
            Unreadable: The bytes are none that this annotation would have made.
        """
        adapter = self._adapter
        try:
            if adapter is None:
                return orjson.loads(data)
            return adapter.validate_json(data, by_alias=False, by_name=True)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, fault["loc"])) or "it"
            raise Unreadable(f"what was written of it does not read ({place}: {fault['msg']})") from error
        except orjson.JSONDecodeError as error:
            raise Unreadable(str(error)) from error

    @cached_property
    def _adapter(self) -> TypeAdapter[Any] | None:
        try:
            annotation = self._evaluated
            return None if annotation in _SAYS_NOTHING else _adapter_of(annotation)
        except (NameError, AttributeError, SyntaxError, TypeError, PydanticUserError, SchemaError) as error:
            what = str(error).splitlines()[0]
            is_missing = isinstance(error, NameError | PydanticUndefinedAnnotation)
            remedy = "Import it, or define it, where the function's module sees it." if is_missing else _FOR_DATABASE
            raise documented(
                TypeError(f"{self._name}: the return annotation has no JSON form: {what}. {remedy}"), _SECTION
            ) from error

    @property
    def _evaluated(self) -> Any:
        if self._annotation is inspect.Signature.empty:
            return Any

        # The one annotation by itself: what others of the function name may be there for type checkers alone.
        def holder() -> None: ...

        holder.__annotations__ = {"return": self._annotation}
        # Two dicts: else what typing remembers of List["Item"] would keep the first Item that it meant.
        names, others = dict(self._namespace), dict(self._namespace)
        return typing.get_type_hints(holder, names, others, include_extras=True)["return"]

    @property
    def _remedy(self) -> str:
        if self._adapter is None:
            return _ANNOTATE
        return "Return what the annotation names, or annotate what is returned."

    def _refuse(self, value: object) -> None:
        if inspect.iscoroutine(value):
            # Python would warn, at some later point, of what this error says now.
            value.close()
            raise documented(
                TypeError(
                    f"{self._name}: returned a coroutine, which has not run yet. Write `async def`, and await it."
                ),
                _SECTION,
            )
        first = next(iter(cast("Sequence[object]", value)), None) if isinstance(value, list | tuple) else value
        if isinstance(first, (QuerySet, Manager, Model)):
            raise documented(
                TypeError(f"{self._name}: {_what(cast('object', first))} cannot be kept. {_FOR_DATABASE}"), _SECTION
            )
        if isinstance(value, HttpResponseBase):
            raise documented(
                TypeError(
                    f"{self._name}: a response cannot be kept. Return what it is made of; routes are cached anyway."
                ),
                _SECTION,
            )


_FOR_DATABASE = "Return dicts, such as list(queryset.values()), or pydantic models of the fields that are needed."


def return_annotation(function: Callable[..., object]) -> tuple[inspect.Signature, object]:
    """
    Return the signature of *function*, and its return annotation unevaluated where it cannot be evaluated yet.

    Raises:
        TypeError: The signature cannot be read.
        ValueError: As ``TypeError``.
    """
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        # What cannot be evaluated yet comes as a ForwardRef, instead of failing the whole signature (PEP 749).
        signature = inspect.signature(function, annotation_format=Format.FORWARDREF)
    else:
        signature = inspect.signature(function)
    return signature, signature.return_annotation


def is_same(given: object, back: object) -> bool:
    """Return whether two values are equal and of the same types, in all that they hold."""
    kind = type(given)
    if kind is not type(back):
        return False
    if kind in _ATOMS:
        return given == back
    match given:
        case float():
            # NaN is never equal to itself.
            return repr(given) == repr(back)
        case dict():
            return _are_same_items(cast("dict[object, object]", given), cast("dict[object, object]", back))
        case list() | tuple():
            ones, others = cast("Sequence[object]", given), cast("Sequence[object]", back)
            return len(ones) == len(others) and all(map(is_same, ones, others))
        case datetime():
            return given == back and given.utcoffset() == cast("datetime", back).utcoffset()
        case BaseModel():
            return _are_same_models(given, cast("BaseModel", back))
        case _ if dataclasses.is_dataclass(given):
            names = [field.name for field in dataclasses.fields(given)]
            return all(is_same(getattr(given, name, None), getattr(back, name, None)) for name in names)
        case _:
            # Of what does not say when it is equal nothing can be told.
            return kind.__eq__ is object.__eq__ or bool(given == back)


def _are_same_items(given: Mapping[object, object], back: Mapping[object, object]) -> bool:
    keys = {(type(key), key) for key in back}
    return len(given) == len(back) and all((type(key), key) in keys and is_same(given[key], back[key]) for key in given)


def _are_same_models(given: BaseModel, back: BaseModel) -> bool:
    names = type(given).model_fields
    return (
        all(is_same(getattr(given, name, None), getattr(back, name, None)) for name in names)
        and is_same(given.model_extra, back.model_extra)
        and is_same(given.__pydantic_private__, back.__pydantic_private__)
    )


def _adapter_of(annotation: Any) -> TypeAdapter[Any]:
    try:
        adapter = TypeAdapter[Any](annotation, config=_CONFIG)
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
        # A model or a dataclass has a config of its own.
        adapter = TypeAdapter[Any](annotation)
    if not adapter.pydantic_complete:
        adapter.rebuild(raise_errors=True)
    return adapter


def _dump(adapter: TypeAdapter[Any], value: object) -> bytes:
    # By name: an alias for writing need not be one for reading.
    return adapter.dump_json(value, by_alias=False, round_trip=True, warnings="error")


def _what(value: object) -> str:
    name = type(value).__qualname__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def _difference(value: object, back: object) -> str:
    if type(value) is not type(back):
        return f"it would come back as {_what(back)}."
    return "something in it would come back as something else."
