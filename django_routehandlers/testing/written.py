"""Turn the inputs of a handler, Python values by the names of its parameters, into a request that carries them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

from django.core.files.base import File
from django.http import HttpRequest
from django.test import RequestFactory
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from django_routehandlers.documentation import Section, documented
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.content import FormBody, JSONBody, RawBody
from django_routehandlers.handlers.inputs import Group, Input
from django_routehandlers.responses.encoding import encode_json, encode_line
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import SegmentKind

_SECTION = Section("reference/testing", "Calls")

_Pairs = list[tuple[str, Any]]


def written_segments(route: Route, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the segments of *route* among *inputs*, as its URL gives them: text, but for what a path converter makes.

    Raises:
        TypeError: One is missing.
    """
    found: dict[str, Any] = {}
    for segment in route.parameters:
        name = segment.text
        if name not in inputs and segment.kind is SegmentKind.OPTIONAL_CATCH_ALL:
            found[name] = []
        elif name not in inputs:
            raise documented(
                TypeError(f"{route.id}: the segment {segment.folder} has no value. Give {name}=."), _SECTION
            )
        elif segment.takes_rest:
            found[name] = [_text(one) for one in inputs[name]]
        else:
            found[name] = inputs[name] if segment.converter is not None else _text(inputs[name])
    return found


def written_request(bound: BoundHandler, method: str, inputs: Mapping[str, Any]) -> HttpRequest:
    """
    Return a request of *method* that carries *inputs*, all but segments.

    Raises:
        TypeError: The handler has no input of such a name.
    """
    left = dict(inputs)
    places: dict[str, _Pairs] = {"query": [], "header": [], "cookie": [], "form": [], "file": []}
    for one in bound.plan.values:
        if one.name in left:
            places[one.place] += _pairs(one, left.pop(one.name))
    content, content_type = _content(bound, left, places)
    if left:
        raise documented(TypeError(f"{bound.label}: it has no input {', '.join(map(repr, left))}."), _SECTION)
    fields = {name: ", ".join(map(_text, values)) for name, values in _grouped(places["header"]).items()}
    if places["cookie"]:
        fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in places["cookie"])
    path = f"/?{urlencode(places['query'])}"
    return RequestFactory().generic(method, path, content, content_type, headers=fields)


def _content(bound: BoundHandler, left: dict[str, Any], places: dict[str, _Pairs]) -> tuple[bytes, str]:
    content = bound.plan.content
    if isinstance(content, FormBody):
        for one in (*content.values, *content.files):
            if one.name in left:
                places[one.place] += _pairs(one, left.pop(one.name))
        pairs = [*places["form"], *places["file"]]
        if places["file"]:
            return encode_multipart(BOUNDARY, _grouped(pairs)), MULTIPART_CONTENT
        return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    if content is None or content.name not in left:
        return b"", "application/octet-stream"
    body = left.pop(content.name)
    if isinstance(content, JSONBody):
        return encode_json(body), "application/json"
    if isinstance(content, RawBody):
        return (body, "application/octet-stream") if isinstance(body, bytes) else (body.encode(), "text/plain")
    return b"".join(map(encode_line, body)), "application/x-ndjson"


def _pairs(one: Input | Group, value: Any) -> _Pairs:
    """Return what is written for one parameter: a name with each of its values."""
    if isinstance(one, Input):
        values: Iterable[Any] = value if one.is_list else [value]
        return [(one.key, part if isinstance(part, File) else _text(part)) for part in values if part is not None]
    members = cast("dict[str, Any]", json.loads(encode_json(value)))
    return [
        (name, _text(part))
        for name, found in members.items()
        for part in (cast("list[Any]", found) if isinstance(found, list) else [found])
        if part is not None
    ]


def _grouped(pairs: _Pairs) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _text(value: Any) -> str:
    """Return how a client writes *value* where there is text: as in JSON, without its quotes."""
    if isinstance(value, str) and type(value) is str:
        return value
    written = encode_json(value).decode()
    return json.loads(written) if written.startswith('"') else written
