"""
Turn annotations into pydantic's adapters, and say at start-up what cannot be one.

An adapter that is returned here is complete and has a JSON schema, so that neither a request
nor a document meets what could have been known before.
"""

import re
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast, get_args, get_origin

from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
from pydantic_core import SchemaError

from django_routehandlers.handlers.sharing import shared
from django_routehandlers.handlers.text_values import (
    bare_type,
    form_types,
    instance_adapter,
    options_of,
    text_adapter,
    unaliased,
)

Schema = Mapping[str, Any]
"""A JSON schema (draft 2020-12)."""

_ASYNC_ITERATORS: tuple[Any, ...] = (AsyncIterable, AsyncIterator)
_ITERATORS: tuple[Any, ...] = (Iterable, Iterator)
_UNKNOWN_TYPE = re.compile(r"Unable to generate pydantic-core schema for (<class '(?P<path>[^']+)'>|(?P<other>.+?))\. ")
# What pydantic raises where an annotation, or a constraint in it, is none that it knows.
_REFUSALS = (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError)


class Unusable(Exception):
    """An annotation that nothing can be validated as."""


def complete_adapter(annotation: Any) -> TypeAdapter[Any]:
    """
    Return what validates values as *annotation*.

    Raises:
        Unusable: pydantic knows no way, or *annotation* names what is not defined.
    """
    return shared("value", annotation, lambda: _complete(TypeAdapter[Any], annotation))


def complete_text_adapter(annotation: Any) -> TypeAdapter[Any]:
    """
    Return what validates text, or a list of texts, as *annotation*.

    Raises:
        Unusable: As ``complete_adapter()``.
    """
    return shared("text", annotation, lambda: _complete(text_adapter, annotation))


def complete_instance_adapter(annotation: Any) -> TypeAdapter[Any]:
    """
    Return what lets instances of *annotation* pass, through its validators. It has no JSON schema.

    Raises:
        Unusable: As ``complete_adapter()``.
    """
    return shared("instance", annotation, lambda: _complete_instance(annotation))


@dataclass(frozen=True, slots=True)
class Iterated:
    """An annotation of values that are read one by one."""

    item: Any
    """The annotation of one value; ``Any`` where there is none."""
    is_async: bool


def iterated(annotation: Any) -> Iterated | None:
    """Return what is iterated over where *annotation* is an iterator or an iterable, else ``None``."""
    bare = unaliased(bare_type(unaliased(annotation)))
    kind = get_origin(bare) or bare
    if kind not in (*_ASYNC_ITERATORS, *_ITERATORS):
        return None
    return Iterated(next(iter(get_args(bare)), Any), kind in _ASYNC_ITERATORS)


def json_schema(adapter: TypeAdapter[Any]) -> Schema:
    """Return the JSON schema of what *adapter* validates, names as on the wire, definitions included."""
    return shared("schema", adapter, lambda: adapter.json_schema(mode="validation", by_alias=True))


def is_object(schema: Schema) -> bool:
    """Return whether some value of *schema* is a JSON object."""
    return any(one.get("type") == "object" for one in options(schema, schema))


def is_array(schema: Schema, root: Schema) -> bool:
    """Return whether every value of *schema* but ``null`` is a JSON array."""
    found = [one for one in options(schema, root) if one.get("type") != "null"]
    return bool(found) and all(one.get("type") == "array" for one in found)


def text_form(schema: Schema, root: Schema) -> type | None:
    """
    Return the type whose written form a text has that is to fit *schema*; ``None`` where several may.

    Of a list it is the form of the items. The schema of ``Decimal`` is that of ``float | str``, so it has none.
    """
    found = [one for one in options(schema, root) if one.get("type") != "null"]
    if len(found) == 1 and found[0].get("type") == "array":
        return text_form(cast("Schema", found[0].get("items", {})), root)
    if len(found) != 1:
        return None
    return next((kind for kind, own in form_types().items() if _traits(own) == _traits(found[0])), None)


def _traits(schema: Schema) -> tuple[object, ...]:
    return schema.get("type"), schema.get("format"), "enum" in schema or "const" in schema


def holds_objects(schema: Schema) -> bool:
    """Return whether some value of *schema*, or an item of it, is a JSON object."""
    for one in options(schema, schema):
        items = one.get("items")
        if one.get("type") == "object" or (
            items is not None and any(item.get("type") == "object" for item in options(items, schema))
        ):
            return True
    return False


def options(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield the alternatives of *schema*, references into *root* followed."""
    if "$ref" in schema:
        name = cast("str", schema["$ref"]).rpartition("/")[2]
        schema = cast("Mapping[str, Schema]", root.get("$defs", {}))[name]
    parts: Iterable[Schema] = schema.get("anyOf") or schema.get("oneOf") or ()
    if not parts:
        yield schema
    for part in parts:
        yield from options(part, root)


@contextmanager
def _names_ignored() -> Generator[None]:
    with warnings.catch_warnings():
        # An alias has no effect for pydantic, which names values in models alone; it names the parameter here.
        warnings.filterwarnings("ignore", r"The '(alias|validation_alias)' attribute", UserWarning)
        yield


def _complete(make: Callable[[Any], TypeAdapter[Any]], annotation: Any) -> TypeAdapter[Any]:
    kinds = {get_origin(one) or one for one in map(unaliased, options_of(unaliased(annotation)))}
    if not kinds.isdisjoint((*_ASYNC_ITERATORS, *_ITERATORS, AsyncGenerator, Generator)):
        # pydantic would validate it item by item, and fail while the handler runs.
        raise Unusable("it is read later, item by item")
    try:
        with _names_ignored():
            adapter = make(annotation)
        if not adapter.pydantic_complete:
            adapter.rebuild(raise_errors=True)
        json_schema(adapter)
    except _REFUSALS as error:
        raise Unusable(refusal(error)) from error
    return adapter


def _complete_instance(annotation: Any) -> TypeAdapter[Any]:
    try:
        with _names_ignored():
            return instance_adapter(annotation)
    except _REFUSALS as error:
        raise Unusable(refusal(error)) from error


def first_line(error: Exception) -> str:
    """Return the first line of what *error* says, to stand within a sentence."""
    return str(error).strip().partition("\n")[0].rstrip(".")


def refusal(error: Exception) -> str:
    """Return why pydantic takes no such type, to stand within a sentence."""
    found = _UNKNOWN_TYPE.match(str(error)) if isinstance(error, PydanticSchemaGenerationError) else None
    if found is None:
        return first_line(error)
    # What pydantic advises is about the config of a model, which nobody here has.
    if path := found["path"]:
        return f"{path.rpartition('.')[2]} is a class that declares no fields"
    return f"{found['other']} is no type that pydantic knows"
