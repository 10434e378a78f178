"""
Turn one declared parameter into what fills it, or say why nothing can.

Rows of the table of inputs other than segments, in their order: markers and files, ``user``,
``body``, ``query``, and any other name, which is one query parameter.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from inspect import Parameter
from types import NoneType
from typing import Any, Literal, cast, get_args

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Model
from pydantic import TypeAdapter

from django_routehandlers.handlers.adapters import (
    Iterated,
    Schema,
    Unusable,
    complete_adapter,
    complete_instance_adapter,
    complete_text_adapter,
    holds_objects,
    is_array,
    is_object,
    iterated,
    json_schema,
    options,
    text_form,
)
from django_routehandlers.handlers.bounds import BoundedValidator, is_explosive
from django_routehandlers.handlers.content import JSONBody, RawBody
from django_routehandlers.handlers.declaration import (
    Declaration,
    Marker,
    Unfillable,
    alias_of,
    check_default,
    check_depth,
    marker_of,
    shown,
)
from django_routehandlers.handlers.inputs import Group, Input, Place, UserInput
from django_routehandlers.handlers.lines import LinesBody
from django_routehandlers.handlers.markers import Cookie, Form, Header
from django_routehandlers.handlers.sharing import shared
from django_routehandlers.handlers.text_values import is_sequence, options_of, type_text, unaliased

Declared = Input | Group | UserInput | JSONBody | RawBody | LinesBody

RESERVED = ("request", "params", "body", "query", "user")
"""Names of parameters that say what fills them."""

# A field name is a token (RFC 9110, section 5.6.2); Django drops those with underscores, which proxies confuse.
# Names that do not begin each of their words with one capital.
_SPELLED = {"Last-Event-Id": "Last-Event-ID", "Dnt": "DNT", "Te": "TE"}
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]+")


def declare(parameter: Parameter, segments: Iterable[str]) -> Declared:
    """
    Return what fills *parameter*, which is neither the request nor a segment.

    Args:
        segments: Names of the route's segments: a slip in one of them is a mistake, no query parameter.

    Raises:
        Unfillable: Nothing can.
    """
    name = parameter.name
    annotation = parameter.annotation if name == "body" else unaliased(parameter.annotation)
    one = Declaration(name, annotation, parameter.default)
    check_default(one)
    check_depth(one)
    marker = marker_of(one)
    is_file = any(isinstance(option, type) and issubclass(option, UploadedFile) for option in _leaves(annotation))
    if is_file and isinstance(marker, Form | None):
        return _file(one, alias_of(one) if marker is None else marker.name or alias_of(one))
    if name == "user" and marker is None:
        return _user(one)
    _refuse_rows(one)
    if marker is not None:
        return _marked(one, marker)
    if name == "body":
        return _body(one)
    if annotation is Parameter.empty and parameter.default is Parameter.empty:
        _check_slip(name, segments)
    return _query(one)


def _field_name(name: str) -> str:
    key = "-".join(map(str.capitalize, name.split("_")))
    return _SPELLED.get(key, key)


def _marked(one: Declaration, marker: Marker) -> Input | Group:
    if isinstance(marker, Header):
        alias = alias_of(one)
        key = marker.name or (_field_name(alias) if alias == one.name else alias)
        if _FIELD_NAME.fullmatch(key) is None:
            what = f"{key!r} is no name of a header field that reaches Django: letters, digits and hyphens do."
            raise Unfillable("E049", what, f'Write `Header("{re.sub("[^A-Za-z0-9]+", "-", key).strip("-")}")`.')
        return _text(one, "header", key)
    if isinstance(marker, Cookie):
        if is_sequence(one.annotation):
            what = f"the cookie {one.name!r} has one value, which is no {type_text(one.annotation)}."
            raise Unfillable("E042", what, "Annotate it as str, and split it.")
        return _text(one, "cookie", marker.name or alias_of(one))
    adapter = _adapter(one)
    if is_object(json_schema(adapter)):
        return _group(one, "form", adapter)
    return _text(one, "form", marker.name or alias_of(one))


def _file(one: Declaration, key: str) -> Input:
    try:
        adapter = complete_instance_adapter(one.annotation)
    except Unusable as error:
        what = f"the file {one.name!r} cannot be {shown(one.annotation)}: {error}."
        raise Unfillable("E042", what, "Annotate it as UploadedFile or list[UploadedFile].") from error
    return Input(one.name, "file", key, adapter, is_sequence(one.annotation), one.default)


def _user(one: Declaration) -> UserInput:
    if one.annotation in (Parameter.empty, Any):
        return UserInput("user", is_required=False, is_nullable=False)
    try:
        model = get_user_model()
    except ImproperlyConfigured as error:
        what = f"{error}. `user` is the project's user."
        raise Unfillable("E042", what, "Add django.contrib.auth to INSTALLED_APPS.") from error
    from django.contrib.auth.models import AnonymousUser

    members = options_of(one.annotation)
    users = [option for option in members if isinstance(option, type) and issubclass(model, option)]
    if not users or any(option not in (*users, NoneType, AnonymousUser) for option in members):
        what = f"`user` is the request's user, which is no {shown(one.annotation)}."
        remedy = f"Annotate it as {model.__name__}, or as {model.__name__} | None; or rename the parameter."
        raise Unfillable("E042", what, remedy)
    is_nullable = NoneType in members or one.default is None
    is_required = not is_nullable and AnonymousUser not in members
    return UserInput("user", is_required=is_required, is_nullable=is_nullable)


def _body(one: Declaration) -> JSONBody | RawBody | LinesBody:
    if one.annotation is Parameter.empty:
        what = "`body` has no annotation, which would say what the content is."
        raise Unfillable("E042", what, "Annotate it with a pydantic model, a dataclass, dict, list, bytes or str.")
    if (lines := iterated(one.annotation)) is not None:
        return _lines(one, lines)
    adapter = _adapter(one)
    kinds = {option for option in options_of(one.annotation) if option is not NoneType}
    for kind, text in cast("dict[type, Literal['bytes', 'str']]", {bytes: "bytes", str: "str"}).items():
        if kinds == {kind}:
            return RawBody("body", text, adapter, one.default)
    return JSONBody("body", adapter, one.default, _validator(adapter))


def _lines(one: Declaration, lines: Iterated) -> LinesBody:
    if one.default is not Parameter.empty:
        what = "`body` has a default, but without content it is an iterator of nothing."
        raise Unfillable("E049", what, "Remove the default.")
    item = Declaration("body", lines.item, Parameter.empty)
    if bytes in options_of(unaliased(item.annotation)):
        what = f"`body` cannot be {shown(one.annotation)}: it is read as lines of JSON, which has no bytes."
        raise Unfillable("E042", what, "Annotate it with what a line holds, or take the `request` and read from it.")
    _refuse_rows(item)
    adapter = _adapter(item)
    return LinesBody("body", adapter, _validator(adapter), lines.is_async)


def _validator(adapter: TypeAdapter[Any]) -> BoundedValidator:
    return shared("validator", adapter, lambda: _bounded(adapter))


def _bounded(adapter: TypeAdapter[Any]) -> BoundedValidator:
    if is_explosive(adapter):
        what = "`body` holds a union of objects that hold the union again, so a few bytes can take minutes to judge."
        raise Unfillable("E055", what, "Tell its members apart: Annotated[A | B, Field(discriminator=…)].")
    return BoundedValidator(adapter)


def _refuse_rows(one: Declaration) -> None:
    if any(isinstance(option, type) and issubclass(option, Model) for option in _leaves(one.annotation)):
        what = f"{one.name!r} is annotated as {shown(one.annotation)}, a Django model, which no request holds."
        remedy = "The user is the parameter named `user`. Of anything else take the key, and get the row yourself."
        raise Unfillable("E042", what, remedy)


def _query(one: Declaration) -> Input | Group:
    if one.annotation is Parameter.empty:
        return _text(Declaration(one.name, str, one.default), "query", one.name)
    adapter = _adapter(one)
    if one.name == "query" and is_object(json_schema(adapter)):
        return _group(one, "query", adapter)
    return _text(one, "query", alias_of(one))


def _text(one: Declaration, place: Place, key: str) -> Input:
    try:
        adapter = complete_text_adapter(one.annotation)
    except Unusable as error:
        raise _no_text(one, place, f": {error}") from error
    schema = json_schema(adapter)
    if holds_objects(schema):
        raise _no_text(one, place, "")
    return Input(one.name, place, key, adapter, is_array(schema, schema), one.default)


def _no_text(one: Declaration, place: Place, why: str) -> Unfillable:
    kind = {"query": "query parameter", "header": "header field", "cookie": "cookie"}.get(place, "form value")
    what = f"the {kind} {one.name!r} is text, which cannot be converted to {shown(one.annotation)}{why}."
    remedy = f"Annotate {one.name} as str, int, UUID, date, an Enum, a list of these, or another type that pydantic"
    if place == "query":
        return Unfillable("E042", what, f"{remedy} reads from text. A model is named `body` or `query`.")
    return Unfillable("E042", what, f"{remedy} reads from text.")


def _group(one: Declaration, place: Place, adapter: TypeAdapter[Any]) -> Group:
    schema = json_schema(adapter)
    models = [part for part in options(schema, schema) if part.get("type") == "object"]
    properties: dict[str, Schema] = {}
    for model in models:
        properties.update(cast("Mapping[str, Schema]", model.get("properties", {})))
    lists = frozenset(name for name, part in properties.items() if is_array(part, schema))
    for name, part in properties.items():
        if holds_objects({**part, "$defs": schema.get("$defs", {})}):
            what = f"{name!r} of {shown(one.annotation)} is an object, which no text can be."
            raise Unfillable("E042", what, f"Take {name} away, or make it a str, a number or a list of these.")
    others = models[0].get("additionalProperties")
    return Group(
        one.name,
        place,
        adapter,
        schema,
        tuple(properties),
        lists,
        forms={name: kind for name, part in properties.items() if (kind := text_form(part, schema)) is not None},
        takes_lists=isinstance(others, Mapping) and is_array(cast("Schema", others), schema),
        default=one.default,
    )


def _adapter(one: Declaration) -> TypeAdapter[Any]:
    try:
        return complete_adapter(one.annotation)
    except Unusable as error:
        what = f"{one.name!r} cannot be {shown(one.annotation)}: {error}."
        remedy = f"Annotate {one.name} with a type that pydantic validates: a model, a dataclass, a builtin type."
        raise Unfillable("E042", what, remedy) from error


def _leaves(annotation: Any) -> Iterable[Any]:
    for option in options_of(annotation):
        for part in get_args(option) if is_sequence(option) else (option,):
            yield from options_of(part)


def _check_slip(name: str, segments: Iterable[str]) -> None:
    meant = {"req": "request", "context": "params", "ctx": "params"}.get(name)
    if meant is None and name not in RESERVED:
        meant = next(iter(get_close_matches(name, [*RESERVED, *segments], n=1, cutoff=0.8)), None)
    if meant is not None:
        what = f"nothing fills the parameter {name!r}, which looks like `{meant}`."
        raise Unfillable("E040", what, f"Rename it to `{meant}`, or annotate it: then it is a query parameter.")
