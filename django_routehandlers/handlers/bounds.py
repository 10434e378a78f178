"""
Keep the judging of JSON within bounds, whatever a client sends.

pydantic collects every fault before anybody sees one, and tries every member of a union. A small
body can make millions of faults, which fill gigabytes.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

from django_routehandlers.responses.problems import Refusal

Schema = Mapping[str, Any]
"""One of pydantic's core schemas."""

# What faults may come to before lists stop at their first faulty item; they take some 400 bytes each.
_MANY = 20_000
_TOO_MANY = 250_000
_OBJECTS = frozenset({"model", "model-fields", "typed-dict", "dataclass", "dataclass-args", "dict"})
_ARRAYS = frozenset({"list", "tuple", "set", "frozenset"})
# Values of a core schema that are no schemas.
_OTHER = frozenset({"metadata", "serialization", "cls", "config", "function", "default", "default_factory", "ref"})


class BoundedValidator:
    """
    Validate JSON as an adapter does; of much JSON, each list only as far as its first faulty item.

    Args:
        adapter: What pydantic makes of the annotation.
    """

    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        schema = cast("Schema", adapter.core_schema)
        nodes = list(_nodes(schema))
        self._validate = adapter.validate_json
        self._widest = max([1, *(len(node["fields"]) for node in nodes if isinstance(node.get("fields"), dict | list))])
        self._has_maps = any(node.get("type") == "dict" for node in nodes)
        self._hasty = _build(_fail_fast(schema))

    def validate(self, content: bytes) -> Any:
        """
        Return the value that *content* is.

        Raises:
            ValidationError: It does not fit.
            Refusal: 413: it has so many objects that to judge them may take too much memory.
        """
        # An object takes two bytes and a comma.
        if len(content) // 3 * self._widest <= _MANY:
            return self._validate(content)
        if self._has_maps and content.count(b"{") * self._widest > max(_TOO_MANY, len(content) // 4):
            raise Refusal(413, detail="The body has too many objects.")
        return self._hasty.validate_json(content)


def _build(schema: Any) -> SchemaValidator:
    build: Any = SchemaValidator
    try:
        # Else pydantic takes the validators that its models have already, which know of no bounds.
        return build(schema, None, _use_prebuilt=False)
    except TypeError:
        # Versions that do not know the parameter are bound in the outermost list alone.
        return build(schema)


def is_explosive(adapter: TypeAdapter[Any]) -> bool:
    """
    Return whether the time to judge a value may double with each level of it.

    It does where a union holds itself in two or more of its members that the same kind of JSON
    fits, and no discriminator says which one is meant: all of them are tried, at each level.
    """
    schema = cast("Schema", adapter.core_schema)
    definitions = {node["ref"]: node for node in _nodes(schema) if "ref" in node}
    for union in _nodes(schema):
        if union.get("type") != "union":
            continue
        again = [choice for choice in _choices(union) if _reaches(choice, union, definitions, set())]
        for kinds in (_OBJECTS, _ARRAYS):
            if sum(_kind(choice, definitions) in kinds for choice in again) > 1:
                return True
    return False


def _choices(union: Schema) -> Iterator[Schema]:
    for choice in cast("list[Any]", union["choices"]):
        # A choice may be a pair of a schema and a label.
        yield cast("Schema", choice[0] if isinstance(choice, tuple) else choice)


def _reaches(schema: Schema, union: Schema, definitions: Mapping[str, Schema], seen: set[str]) -> bool:
    for node in _nodes(schema):
        if node is union:
            return True
        ref: str | None = node.get("schema_ref")
        if ref is not None and ref not in seen:
            seen.add(ref)
            if ref in definitions and _reaches(definitions[ref], union, definitions, seen):
                return True
    return False


def _kind(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Return the type of the first schema below wrappers and references."""
    for _ in range(100):
        if schema.get("type") == "definition-ref":
            schema = definitions.get(schema["schema_ref"], {})
        elif schema.get("type") in _OBJECTS | _ARRAYS or not isinstance(schema.get("schema"), dict):
            break
        else:
            schema = schema["schema"]
    return str(schema.get("type"))


def _nodes(value: Any) -> Iterator[Schema]:
    """Yield every schema in *value*, references not followed."""
    if isinstance(value, dict):
        node = cast("dict[str, Any]", value)
        if "type" in node:
            yield node
        for key, part in node.items():
            if key not in _OTHER:
                yield from _nodes(part)
    elif isinstance(value, list | tuple):
        for part in cast("list[Any]", value):
            yield from _nodes(part)


def _fail_fast(value: Any) -> Any:
    if isinstance(value, dict):
        node = cast("dict[str, Any]", value)
        copy = {key: part if key in _OTHER else _fail_fast(part) for key, part in node.items()}
        return {**copy, "fail_fast": True} if node.get("type") in _ARRAYS else copy
    if isinstance(value, list | tuple):
        parts = [_fail_fast(part) for part in cast("list[Any]", value)]
        return tuple(parts) if isinstance(value, tuple) else parts
    return value
