"""
Turn pydantic's adapters into JSON schemas that share their components.

All adapters of a document are asked at once, so that pydantic finds names which never collide:
two models of one name are told apart, and so are the two directions of one model.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import to_jsonable_python

Mode = Literal["validation", "serialization"]
"""Whether a schema tells what is taken in, or what is given out."""
Schema = dict[str, Any]
"""A JSON schema (draft 2020-12), as OpenAPI 3.1 has them."""
Wanted = tuple[TypeAdapter[Any], Mode]

_PREFIX = "#/components/schemas/"
# In the name of a module: the parameters of a generic follow its name, not a dot.
_FOLDER = re.compile(r"(?<=\.)\[{1,2}(?P<name>[^\[\],]*)\]{1,2}(?=\.)")


class Schemas:
    """The schemas of a document: those that were asked for, and the components that they refer to."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        """
        Args:
            wanted: Every adapter of the document, with the mode in which it is needed.
        """
        pairs = list(dict.fromkeys(wanted))
        inputs: list[tuple[int, Mode, TypeAdapter[Any]]] = [
            (key, mode, adapter) for key, (adapter, mode) in enumerate(pairs)
        ]
        found, definitions = TypeAdapter.json_schemas(
            inputs, ref_template=f"{_PREFIX}{{model}}", schema_generator=_Generator
        )
        self._schemas: dict[Wanted, Schema] = {pair: found[key, pair[1]] for key, pair in enumerate(pairs)}
        components = cast("dict[str, Schema]", definitions.get("$defs", {}))
        name = "Problem"
        while name in components:
            # A project's own model keeps its name.
            name = f"HTTP{name}"
        self.problem: Schema = {"$ref": f"{_PREFIX}{name}"}
        """The schema of problem details, which every operation shares."""
        self.components: dict[str, Schema] = {**components, name: _PROBLEM}
        """Name → schema, for ``components``."""

    def of(self, adapter: TypeAdapter[Any], mode: Mode) -> Schema:
        """Return the schema of an adapter that was wanted."""
        return self._schemas[adapter, mode]

    def followed(self, schema: Schema) -> Schema:
        """Return *schema* itself, or the component that it refers to with what stands beside the reference."""
        name = cast("str", schema.get("$ref", ""))
        if not name:
            return schema
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**self.followed(self.components[name.removeprefix(_PREFIX)]), **beside}

    def used_by(self, *values: object) -> dict[str, Schema]:
        """Return the components that *values* refer to, and those that these refer to, sorted by name."""
        names: set[str] = set()
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            if isinstance(value, Mapping):
                members = cast("Mapping[str, object]", value)
                reference = members.get("$ref")
                name = reference.removeprefix(_PREFIX) if isinstance(reference, str) else ""
                if name in self.components and name not in names:
                    names.add(name)
                    waiting.append(self.components[name])
                waiting.extend(members.values())
            elif isinstance(value, list | tuple):
                waiting.extend(cast("Iterable[object]", value))
        return {name: self.components[name] for name in sorted(names)}


LINES = "One JSON value a line."
"""What documents say of NDJSON."""


def series_of(item: Schema, description: str) -> dict[str, Schema]:
    """Return the Media Type Object of a series of values that come one by one, each as *item*."""
    # OpenAPI 3.2 calls it itemSchema; 3.1 has no schema of a part of a stream.
    return {"schema": {"type": "string", "description": description}, "x-item-schema": item}


def as_text(schema: Schema) -> Schema:
    """
    Return the schema of a value that is written as text: it has no ``null``, and a number no quotes.

    Source: a query string, a field or a cookie holds text alone, which has one form for each type.
    """
    if schema.get("default", ...) is None:
        schema = {key: value for key, value in schema.items() if key != "default"}
    options: list[Schema] = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if not options:
        return schema
    numbers = [one for one in options if one.get("type") == "number"]
    if numbers:
        # A Decimal is a number or a string in JSON; as text both look alike.
        options = [one for one in options if one in numbers or not _is_number_in_quotes(one)]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if len(options) > 1:
        return {**rest, "anyOf": options}
    if numbers:
        # Defaults and examples of a Decimal are in quotes.
        for key in {"default", "examples"} & rest.keys():
            rest[key] = _unquoted(rest[key])
    return {**as_text(options[0]), **rest}


def _unquoted(value: object) -> object:
    if isinstance(value, list):
        return [_unquoted(one) for one in cast("list[object]", value)]
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def json_of(value: object) -> object:
    """
    Return *value* in terms of JSON; the members of a set in order, so that it is the same each time.

    Raises:
        PydanticSerializationError: It has no JSON form.
    """
    encoded: object = to_jsonable_python(value)
    if isinstance(value, set | frozenset):
        return sorted(cast("list[object]", encoded), key=repr)
    return encoded


def _is_number_in_quotes(schema: Schema) -> bool:
    return schema.get("format") == "decimal"


class _Generator(GenerateJsonSchema):
    # A default without JSON form is left out, and so is such a member of a union.
    ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """Return the schema of anything, where pydantic has none to give."""
        return {}

    def get_defs_ref(self, core_mode_ref: Any) -> Any:
        """Return the name of a component, the folders of route files without their brackets, which mean generics."""
        reference, mode = core_mode_ref
        named: Any = (_FOLDER.sub(_without_brackets, reference), mode)
        return super().get_defs_ref(named)

    def decimal_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a decimal, as a string in the format that OpenAPI's registry names."""
        found = super().decimal_schema(schema)
        for option in found.get("anyOf", [found]):
            if option.get("type") == "string":
                option["format"] = "decimal"
        return found

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave away the titles that repeat the names of fields."""
        return False

    def encode_default(self, dft: Any) -> Any:
        """Return a default in terms of JSON, the same each time: sets have no order."""
        ordered: object = sorted(cast("Iterable[Any]", dft), key=repr) if isinstance(dft, set | frozenset) else dft
        return super().encode_default(ordered)


def _without_brackets(folder: re.Match[str]) -> str:
    return folder["name"].replace("%2E", "")


_FAULT: Schema = {
    "type": "object",
    "description": "One thing that is wrong with the request.",
    "properties": {
        "detail": {"type": "string", "description": "What is wrong, for people."},
        "type": {"type": "string", "description": "The kind of fault, for programs."},
        "pointer": {
            "type": "string",
            "description": "Where in the body: a JSON pointer as a URI fragment (RFC 6901, section 6).",
        },
        "line": {"type": "integer", "minimum": 1, "description": "Which line, where the body is lines of JSON."},
        "in": {"type": "string", "enum": ["query", "header", "cookie", "form", "file"]},
        "parameter": {"type": "string", "description": "Name of the parameter, where the fault is not in the body."},
    },
    "required": ["detail", "type"],
}
_PROBLEM: Schema = {
    "type": "object",
    "title": "Problem",
    "description": "What is wrong with a request, as RFC 9457 writes it.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "URI that names the kind of problem."},
        "title": {"type": "string", "description": "Short name of the kind."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status code."},
        "detail": {"type": "string", "description": "What happened this time."},
        "errors": {"type": "array", "items": _FAULT, "description": "All faults of an invalid request."},
    },
    "required": ["type", "title", "status"],
}
