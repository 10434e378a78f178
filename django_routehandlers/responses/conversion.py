"""Turn what a handler returns into the response that is sent, or say what it should have returned."""

import dataclasses
import inspect
from collections.abc import AsyncGenerator, Generator
from decimal import Decimal
from typing import cast

from django.db.models import Manager, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from pydantic import BaseModel

from django_routehandlers.documentation import Section, documented
from django_routehandlers.responses.json import JSONResponse
from django_routehandlers.responses.jsonable import JSONEncodeError, describe_refusal
from django_routehandlers.responses.ndjson import NDJSONResponse

_SECTION = Section("reference/handlers", "Return values")

_RULE = (
    "A handler returns a response, a dict, a list, a str, a number, a pydantic model, a dataclass or None, or yields."
)


def to_response(value: object, *, handler: str) -> HttpResponseBase:
    """
    Return the response for what a handler returned.

    A response is passed on as it is and ``None`` answers 204. A dict, list, str, number,
    pydantic model or dataclass is sent as JSON with status 200, a generator as NDJSON.

    Args:
        value: What the handler returned.
        handler: Route, method and file of the handler, for the error message.

    Raises:
        TypeError: *value* is something else, or holds what has no JSON form. The message
            names the handler.
    """
    if isinstance(value, JSONResponse):
        return _encoded(cast("JSONResponse", value), handler)
    if isinstance(value, HttpResponseBase):
        return value
    if value is None:
        return no_content()
    if is_json(value):
        return _encoded(JSONResponse(value), handler)
    if isinstance(value, Generator | AsyncGenerator):
        records = cast("Generator[object] | AsyncGenerator[object]", value)
        return NDJSONResponse(records, name=handler)
    if inspect.iscoroutine(value):
        # Python would warn, at some later point, of what this error says now.
        value.close()
    raise documented(TypeError(f"{handler}: returned {_article(value)}. {_RULE} {_remedy(value)}"), _SECTION)


def _encoded(response: JSONResponse, handler: str) -> JSONResponse:
    try:
        response.content  # noqa: B018 - reading is what encodes
    except JSONEncodeError as error:
        raise JSONEncodeError(f"{handler}: the returned value has no JSON form. {error}") from error
    return response


def no_content() -> HttpResponse:
    """Return a 204, which has no content and so no ``Content-Type``."""
    response = HttpResponse(status=204)
    del response.headers["Content-Type"]
    return response


def is_json(value: object) -> bool:
    """Return whether a handler may return *value* as data, whatever its annotation."""
    if isinstance(value, dict | list | str | int | float | Decimal | BaseModel):
        return True
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _remedy(value: object) -> str:
    match value:
        case tuple():
            return "For a status of its own use JSONResponse(data, status=...), for an array a list."
        case bytes() | bytearray() | memoryview():
            return "Use HttpResponse(content, content_type=...)."
        case QuerySet() | Manager():
            return (
                "Use a list of dicts, such as [row async for row in queryset.values()], "
                "or list(queryset.values()) in a def handler."
            )
        case _ if inspect.isawaitable(value):
            return "Await it."
        case _:
            return describe_refusal(value)


def _article(value: object) -> str:
    name = type(value).__qualname__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"
