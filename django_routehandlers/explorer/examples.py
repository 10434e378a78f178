"""
Turn a JSON schema into a value that has its form: a template for whoever writes a request by hand.

It need not be valid: what a schema says of a value beyond its type, somebody has to fill in.
"""

from collections.abc import Mapping
from typing import Any, cast

from django_routehandlers.openapi.schemas import Schema, Schemas

_TEXTS: Mapping[str, str] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "name@example.com",
    "uri": "https://example.com/",
    "decimal": "1.00",
}
_DEEPEST = 8


def example_of(schema: Schema, schemas: Schemas, depth: int = 0) -> Any:
    """
    Return a value: the schema's own example or default where it has one, required members alone where some are.

    Args:
        schemas: Those that it refers to.
        depth: How many schemas it lies within; beyond some, ``None`` ends what may go on for ever.
    """
    schema = schemas.followed(schema)
    for given in (schema.get("examples", ())[:1], [schema["default"]] if "default" in schema else []):
        if given:
            return given[0]
    if "const" in schema or schema.get("enum"):
        return schema.get("const", (schema.get("enum") or [None])[0])
    if depth > _DEEPEST:
        return None
    options: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
    if options:
        wanted = next((one for one in options if one.get("type") != "null"), options[0])
        return example_of(wanted, schemas, depth + 1)
    return _of_type(schema, schemas, depth)


def _of_type(schema: Schema, schemas: Schemas, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            return _members(schema, schemas, depth)
        case "array":
            items: Any = schema.get("prefixItems") or [schema.get("items", {})]
            return [example_of(one, schemas, depth + 1) for one in items]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "string":
            text = _TEXTS.get(schema.get("format", ""), "text")
            return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
        case _:
            return None


def _members(schema: Schema, schemas: Schemas, depth: int) -> dict[str, Any]:
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    names = schema.get("required") or [*properties]
    return {name: example_of(properties[name], schemas, depth + 1) for name in names if name in properties}


def _number(schema: Schema) -> Any:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else None)
    most = schema.get("maximum", schema.get("exclusiveMaximum", 1) - 1 if "exclusiveMaximum" in schema else None)
    found = 1 if least is None else max(1, least)
    return found if most is None else min(found, most)
