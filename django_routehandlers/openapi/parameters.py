"""
Turn what fills a handler's parameters into Parameter Objects and a Request Body Object.

Source: OpenAPI 3.1, sections 4.8.12 and 4.8.13. Each value of a group is a parameter of its own.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from django_routehandlers.handlers.content import Content, FormBody, JSONBody, RawBody
from django_routehandlers.handlers.inputs import Group, Input
from django_routehandlers.handlers.lines import LinesBody
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.openapi.schemas import LINES, Schema, Schemas, Wanted, as_text, json_of, series_of
from django_routehandlers.openapi.templates import PathParameter

Object = dict[str, Any]
"""An object of the document."""

_FILE: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}


def wanted_by(plan: Plan) -> Iterator[Wanted]:
    """Yield the adapters of all that a plan reads; files have none that a document needs."""
    for segment in plan.segments:
        if segment.adapter is not None:
            yield segment.adapter, "validation"
    content = plan.content
    named = content.values if isinstance(content, FormBody) else ()
    for one in (*plan.values, *named):
        yield one.adapter, "validation"
    if isinstance(content, JSONBody | RawBody | LinesBody):
        yield content.adapter, "validation"


def path_parameters(parameters: tuple[PathParameter, ...], plan: Plan, schemas: Schemas) -> Iterator[Object]:
    """Yield the Parameter Objects of a path template."""
    read = {one.name: one.adapter for one in plan.segments if one.adapter is not None}
    for parameter in parameters:
        segment = parameter.segment
        adapter = None if segment is None else read.get(segment.text)
        schema: Schema = {} if adapter is None else as_text(schemas.of(adapter, "validation"))
        if segment is not None and segment.takes_rest:
            yield _catch_all(parameter.name, schema)
            continue
        on_wire = parameter.wire_schema
        if on_wire is not None:
            # The converter makes of the text what the annotation names: a document tells of the text.
            kept = schema if on_wire.get("type") == schema.get("type") else _prose(schema)
            schema = {**on_wire, **kept}
        found = _parameter(parameter.name, "path", schema or {"type": "string"}, schemas)
        yield {**found, "required": True}


def value_parameters(plan: Plan, schemas: Schemas) -> Iterator[Object]:
    """Yield the Parameter Objects of query string, header fields and cookies; one for each name and place."""
    seen: set[tuple[str, str]] = set()
    for one in plan.values:
        found = _group(one, schemas) if isinstance(one, Group) else (_input(one, schemas),)
        for parameter in found:
            # Names of fields are the same in any case of letters (RFC 9110, section 5.1).
            name: str = parameter["name"]
            key = (parameter["in"], name.lower() if one.place == "header" else name)
            if key not in seen:
                seen.add(key)
                yield parameter


def request_body(content: Content, schemas: Schemas) -> Object:
    """Return the Request Body Object of what a handler reads of the content."""
    match content:
        case FormBody():
            media = _form(content, schemas)
        case JSONBody():
            media = {"schema": _with_default(schemas.of(content.adapter, "validation"), content.default)}
        case LinesBody():
            media = series_of(schemas.of(content.adapter, "validation"), LINES)
        case RawBody(kind="bytes"):
            media = {"schema": _FILE}
        case RawBody():
            media = {"schema": as_text(schemas.of(content.adapter, "validation"))}
    return {"required": content.is_required, "content": dict.fromkeys(content.media_types, media)}


def _catch_all(name: str, schema: Schema) -> Object:
    said = schema.get("description")
    description = "One or more segments of the path, joined by slashes."
    return {
        "name": name,
        "in": "path",
        "description": f"{said} {description}" if said else description,
        "required": True,
        "schema": {"type": "string", "pattern": "^[^/]+(/[^/]+)*$"},
    }


def _input(one: Input, schemas: Schemas) -> Object:
    schema = _with_default(as_text(schemas.of(one.adapter, "validation")), one.default)
    found = _parameter(one.key, one.place, schema, schemas, is_list=one.is_list)
    return {**found, "required": True} if one.is_required else found


def _group(group: Group, schemas: Schemas) -> Iterator[Object]:
    for name, schema, is_required in _members(group, schemas):
        found = _parameter(name, group.place, schema, schemas, is_list=name in group.lists)
        yield {**found, "required": True} if is_required else found
    rest = _rest(group, schemas)
    if rest is not None:
        yield {"name": group.name, "in": group.place, "style": "form", "explode": True, "schema": rest}


def _members(group: Group, schemas: Schemas) -> Iterator[tuple[str, Schema, bool]]:
    """Yield the values of a group: name, schema, and whether a request has to have it."""
    models = _models(schemas.of(group.adapter, "validation"), schemas)
    names = dict.fromkeys(name for model in models for name in model.get("properties", {}))
    for name in names:
        found = [model["properties"][name] for model in models if name in model.get("properties", {})]
        schema: Schema = found[0] if all(one == found[0] for one in found) else {"anyOf": found}
        is_required = group.is_required and all(name in model.get("required", ()) for model in models)
        yield name, as_text(schema), is_required


def _rest(group: Group, schemas: Schemas) -> Schema | None:
    """Return the schema of all values that a group takes besides those it names."""
    for model in _models(schemas.of(group.adapter, "validation"), schemas):
        more = model.get("additionalProperties", False)
        if more is not False:
            return {"type": "object", "additionalProperties": more}
    return None


def _models(schema: Schema, schemas: Schemas) -> list[Schema]:
    schema = schemas.followed(schema)
    parts: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or []
    if parts:
        return [model for part in parts for model in _models(part, schemas)]
    return [schema] if schema.get("type") == "object" else []


def _parameter(name: str, place: str, schema: Schema, schemas: Schemas, *, is_list: bool = False) -> Object:
    found: Object = {"name": name, "in": place}
    # What a document tells of the parameter stands beside its schema, where clients look for it.
    for key in ("description", "deprecated"):
        if key in schema:
            found[key] = schema[key]
    if is_list:
        found.update({"style": "simple", "explode": False} if place == "header" else {"style": "form", "explode": True})
    found["schema"] = {key: value for key, value in schema.items() if key not in found}
    return found


def _form(form: FormBody, schemas: Schemas) -> Object:
    properties: Object = {}
    required: list[str] = []
    encoding: Object = {}
    more: Schema | None = None
    for one in form.values:
        if isinstance(one, Group):
            members = list(_members(one, schemas))
            more = more or _rest(one, schemas)
        else:
            schema = _with_default(as_text(schemas.of(one.adapter, "validation")), one.default)
            members = [(one.key, schema, one.is_required)]
        for name, schema, is_required in members:
            properties.setdefault(name, schema)
            required.extend([name] if is_required else [])
            if name in one.lists if isinstance(one, Group) else one.is_list:
                encoding[name] = {"style": "form", "explode": True}
    for file in form.files:
        properties[file.key] = {"type": "array", "items": _FILE} if file.is_list else _FILE
        required.extend([file.key] if file.is_required else [])
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if more is not None:
        schema["additionalProperties"] = more["additionalProperties"]
    return {"schema": schema, "encoding": encoding} if encoding else {"schema": schema}


def _with_default(schema: Schema, default: object) -> Schema:
    # An absent value has no written form.
    if default is None or default is ... or isinstance(default, type):
        return schema
    if isinstance(default, Decimal) and schema.get("type") == "number":
        default = float(default)
    try:
        return {**schema, "default": json_of(default)}
    except (ValueError, ValidationError):
        return schema


def _prose(schema: Schema) -> Schema:
    return {key: schema[key] for key in ("description", "deprecated", "examples") if key in schema}
