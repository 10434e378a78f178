"""
Turn a handler into the form that sends it a request: a control for each input, and a template of the content.

Made of the same plan that requests run, by the same parameters and schemas as the OpenAPI document.
"""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from django_routehandlers.explorer.examples import example_of
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.content import Content, FormBody, JSONBody
from django_routehandlers.handlers.lines import LinesBody
from django_routehandlers.handlers.view_facts import handlers_of, security_of
from django_routehandlers.listing.mounts import Mount
from django_routehandlers.openapi.parameters import path_parameters, request_body, value_parameters, wanted_by
from django_routehandlers.openapi.schemas import Schema, Schemas
from django_routehandlers.openapi.templates import Template, templates_of
from django_routehandlers.policies.security import Scheme
from django_routehandlers.routing.segments import SegmentKind
from django_routehandlers.routing.url_patterns import Served

_FILE = "application/octet-stream"
_TITLES = {"path": "Path", "query": "Query", "header": "Fields", "cookie": "Cookies"}
"""Place of a request → its heading, in the order of the form."""


@dataclass(frozen=True, slots=True)
class Control:
    """One input of the form."""

    name: str
    """On the wire."""
    kind: str
    """``text`` or ``file``."""
    about: str
    """Type, bounds and description, for people."""
    is_required: bool
    value: str
    takes_rest: bool = False
    """Whether it is a segment that stands for several, joined by slashes."""
    is_list: bool = False
    """Whether it may be sent several times: each line is one value."""
    is_held: bool = False
    """Whether it is a cookie that the browser has already, and sends itself."""
    prefix: str = ""
    """What the page puts in front of what is typed, unless it is there."""


@dataclass(frozen=True, slots=True)
class ContentForm:
    """The content of the request."""

    media_types: tuple[str, ...]
    template: str | None
    """What the text begins with; ``None`` where it is a form, or a file."""
    controls: tuple[Control, ...] = ()
    """Those of a form; the one for the file of a raw body, which has no name."""


@dataclass(frozen=True, slots=True)
class RequestForm:
    """A request to one method of one route."""

    method: str
    path: str
    """Path template, percent-encoded, with its first slash."""
    groups: tuple[tuple[str, str, tuple[Control, ...]], ...]
    """Place, title and controls of each part of the request that has any."""
    content: ContentForm | None


def make_form(
    served: Served, method: str, mount: Mount, filled: Mapping[str, Any], held: Container[str]
) -> RequestForm:
    """
    Return the form of one handler.

    Args:
        filled: Name → text, or list of texts, of segments and query parameters that are known already.
        held: Names of the cookies that the browser has sent for the page.
    """
    handler = handlers_of(served.view)[method]
    plan = handler.plan
    schemas = Schemas(wanted_by(plan))
    template = [*templates_of(served, mount)][-1]
    controls: dict[str, list[Control]] = {place: [] for place in _TITLES}
    controls["path"] += _segments(template, handler, schemas, filled)
    for one in value_parameters(plan, schemas):
        place = one["in"]
        made = _cookie(one, schemas, held) if place == "cookie" else _control(one, schemas, filled, place)
        controls[place].append(made)
    for place, made in _credentials(security_of(served.view), held):
        if made.name.lower() not in [one.name.lower() for one in controls[place]]:
            controls[place].append(made)
    groups = tuple((place, title, tuple(controls[place])) for place, title in _TITLES.items() if controls[place])
    return RequestForm(method, template.path, groups, None if plan.content is None else _content(plan.content, schemas))


def _segments(
    template: Template, handler: BoundHandler, schemas: Schemas, filled: Mapping[str, Any]
) -> Iterator[Control]:
    found = path_parameters(template.parameters, handler.plan, schemas)
    for parameter, one in zip(template.parameters, found, strict=True):
        segment = parameter.segment
        takes_rest = segment is not None and segment.takes_rest
        is_optional = segment is not None and segment.kind is SegmentKind.OPTIONAL_CATCH_ALL
        given = filled.get(parameter.name, "")
        text = _text(given, "/")
        about = one["description"] if takes_rest else _about(one["schema"], one, schemas)
        yield Control(parameter.name, "text", about, not is_optional, text, takes_rest)


def _control(parameter: Mapping[str, Any], schemas: Schemas, filled: Mapping[str, Any], place: str) -> Control:
    schema = schemas.followed(parameter["schema"])
    given = filled.get(parameter["name"], "") if place == "query" else ""
    is_list = schema.get("type") == "array"
    text = _text(given, "\n")
    is_required = parameter.get("required", False)
    return Control(parameter["name"], "text", _about(schema, parameter, schemas), is_required, text, is_list=is_list)


def _cookie(parameter: Mapping[str, Any], schemas: Schemas, held: Container[str]) -> Control:
    # What the schema tells of a default stays out: of a cookie it may be a key.
    schema = {key: value for key, value in schemas.followed(parameter["schema"]).items() if key != "default"}
    control = _control({**parameter, "schema": schema}, schemas, {}, "cookie")
    # A script cannot take its place: of two cookies of one name, Django reads the one of the shorter path.
    return replace(control, is_held=control.name in held)


def _credentials(scheme: Scheme | None, held: Container[str]) -> Iterator[tuple[str, Control]]:
    """Yield the control for what a route asks for by its ``security``, with its place."""
    match {} if scheme is None else dict(scheme):
        case {"type": "apiKey", "in": place, "name": name}:
            yield place, Control(name, "text", "The key.", False, "", is_held=place == "cookie" and name in held)
        case {"type": "http" | "oauth2" | "openIdConnect"} as found:
            kind = str(found.get("scheme", "bearer")).capitalize()
            about = f"The credentials. {kind} is put in front where it is missing."
            yield "header", Control("Authorization", "text", about, False, "", prefix=f"{kind} ")
        case _:
            pass


def _content(content: Content, schemas: Schemas) -> ContentForm:
    about = request_body(content, schemas)
    media_types = tuple(content.media_types)
    schema: Schema = next(iter(about["content"].values())).get("schema", {})
    if isinstance(content, FormBody):
        required = schema.get("required", ())
        properties: Mapping[str, Schema] = schema["properties"]
        return ContentForm(media_types, None, tuple(_form_controls(properties, required, schemas)))
    if isinstance(content, JSONBody):
        return ContentForm(media_types, _json(example_of(schema, schemas), indent=2))
    if isinstance(content, LinesBody):
        item = example_of(next(iter(about["content"].values()))["x-item-schema"], schemas)
        return ContentForm(media_types, f"{_json(item)}\n{_json(item)}\n")
    if content.kind == "bytes":
        return ContentForm(media_types, None, (Control("", "file", "The bytes of the content.", False, ""),))
    return ContentForm(media_types, "")


def _form_controls(properties: Mapping[str, Schema], required: Iterable[str], schemas: Schemas) -> Iterator[Control]:
    for name, one in properties.items():
        schema = schemas.followed(one)
        is_list = schema.get("type") == "array"
        item: Schema = schemas.followed(schema.get("items", {})) if is_list else schema
        kind = "file" if item.get("contentMediaType") == _FILE else "text"
        given = "" if kind == "file" or name not in required or is_list else example_of(schema, schemas)
        text = given if isinstance(given, str) else json.dumps(given)
        yield Control(name, kind, _about(schema, {}, schemas), name in required, text, is_list=is_list)


def _text(given: object, glue: str) -> str:
    return glue.join(map(str, cast("list[object]", given))) if isinstance(given, list) else str(given)


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)


_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "minLength": "shortest",
    "maxLength": "longest",
    "pattern": "as",
    "default": "else",
}


def _about(schema: Schema, beside: Mapping[str, Any], schemas: Schemas) -> str:
    schema = schemas.followed(schema)
    options: list[Schema] = schema.get("anyOf") or [schema]
    words = [" or ".join(dict.fromkeys(_type(schemas.followed(one), schemas) for one in options))]
    words += [f"{said} {_json(schema[key])}" for key, said in _BOUNDS.items() if key in schema]
    description = beside.get("description", schema.get("description", ""))
    return ", ".join(word for word in words if word) + (f". {description}" if description else "")


def _type(schema: Schema, schemas: Schemas) -> str:
    if schema.get("enum"):
        return "one of " + ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schemas.followed(schema.get('items', {})), schemas) or 'values'}, one a line"
    return str(schema.get("format") or schema.get("contentMediaType") or schema.get("type", ""))
