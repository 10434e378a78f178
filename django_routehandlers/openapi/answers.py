"""
Turn what a handler declares to return, and what is answered in its place, into a Responses Object.

Source: OpenAPI 3.1, section 4.8.16. What an annotation leaves open is ``default`` here too: a
document promises no more than the code does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django_routehandlers.handlers.answers import Answer
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.content import Content, RawBody
from django_routehandlers.handlers.functions import Handler
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.returns import Returns
from django_routehandlers.openapi.parameters import Object
from django_routehandlers.openapi.schemas import LINES, Schemas, Wanted, series_of
from django_routehandlers.openapi.security import Asking
from django_routehandlers.openapi.templates import PathParameter
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.responses.problems import ProblemDetails

_PROBLEM_TYPE = "application/problem+json"
_SERIES = {"text/event-stream": "Events, the data of each a JSON value."}
_FORGED = {"origin": "The request comes from another site.", "token": "The request has no valid CSRF token."}
_TEXT: Object = {"type": "string"}
_THROTTLED: Object = {
    "description": f"{ProblemDetails.from_status(429).title}. The client has asked too often.",
    "headers": {
        "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
        "RateLimit-Policy": {"description": "Each limit: requests `q` in `w` seconds.", "schema": _TEXT},
        "RateLimit": {
            "description": "Of each: `r` requests left, more in `t` seconds.",
            "schema": _TEXT,
        },
    },
}
# Decorators that answer nothing themselves.
_TRANSPARENT = ("_py_warnings", "contextlib", "typing_extensions", "warnings")


@dataclass(frozen=True, slots=True)
class Around:
    """What may answer in the place of a handler."""

    asks: Asking
    """What asks who the client is."""
    csrf: str = "origin"
    """Name of the rule by which an unsafe request is judged."""
    has_middleware: bool = False
    """Whether the route has middleware around it."""
    is_throttled: bool = False
    """Whether a client that asks too often is refused."""


def wanted_by(returns: Returns) -> Iterator[Wanted]:
    """Yield the adapters of all that a handler declares to return."""
    for answer in returns.answers:
        if answer.adapter is not None:
            yield answer.adapter, "serialization"


def responses_of(
    handler: BoundHandler,
    method: str,
    parameters: tuple[PathParameter, ...],
    schemas: Schemas,
    around: Around,
) -> Object:
    """Return the Responses Object of one handler, lowest status first."""
    returns = handler.returns
    found: dict[str, Object] = {}
    # Without an annotation nothing is known of what the handler answers itself, whatever the status.
    anywhere: Object = {"*/*": {}} if returns.is_open else {}
    for answer in returns.answers:
        content: Object = {} if method == "HEAD" else _content(answer, schemas)
        if answer.status is None:
            anywhere = {**content, **anywhere}
        else:
            _add(found, str(answer.status), {"description": ProblemDetails.from_status(answer.status).title}, content)
    for status, problem, content in _problems(handler, method, parameters, schemas, around):
        _add(found, str(status), problem, {**content, **anywhere})
    if around.is_throttled:
        found["429"] = {**_THROTTLED, "content": {**_problem(schemas), **anywhere}}
    if returns.is_open or around.has_middleware or _is_wrapped(handler.function):
        # Without a member "content" the specification leaves open what it is.
        found["default"] = {"description": "Whatever else the handler answers, which it does not declare."}
    elif anywhere:
        found["default"] = {"description": "Any other status.", "content": {**_problem(schemas), **anywhere}}
    else:
        found["default"] = {"description": "Any other problem.", "content": _problem(schemas)}
    return {key: found[key] for key in sorted(found)}


def _add(found: dict[str, Object], key: str, response: Object, content: Object) -> None:
    known = found.setdefault(key, response)
    if not content:
        return
    contents: Object = known.setdefault("content", {})
    for media_type, media in content.items():
        other: Object | None = contents.get(media_type)
        if other is None:
            contents[media_type] = media
        elif other != media:
            contents[media_type] = _either(other, media)


def _either(one: Object, other: Object) -> Object:
    if "schema" not in one or "schema" not in other:
        return {}
    options = [option for media in (one, other) for option in media["schema"].get("anyOf", [media["schema"]])]
    return {**one, **other, "schema": {"anyOf": options}}


def _content(answer: Answer, schemas: Schemas) -> Object:
    if answer.adapter is None:
        return {media_type: {} for media_type in answer.media_types}
    schema = schemas.of(answer.adapter, "serialization")
    if not answer.is_stream:
        return {media_type: {"schema": schema} for media_type in answer.media_types}
    description = _SERIES.get(answer.media_types[0], LINES)
    return {media_type: series_of(schema, description) for media_type in answer.media_types}


def _problems(
    handler: BoundHandler,
    method: str,
    parameters: tuple[PathParameter, ...],
    schemas: Schemas,
    around: Around,
) -> Iterator[tuple[int, Object, Object]]:
    """Yield status, response and content of the problems that are answered in the place of the handler."""
    content = handler.plan.content
    statuses = list(_statuses(handler.plan, method, parameters, schemas, around.csrf))
    if handler.max_duration is not None:
        statuses.append((504, "The handler takes too long."))
    if around.asks.is_refused:
        why = "The client is not logged in." if around.asks.security is None else "The client has not proved who it is."
        statuses.append((401, why))
    for status, why in statuses:
        problem: Object = {"description": f"{ProblemDetails.from_status(status).title}. {why}"}
        if headers := _headers(status, content):
            problem["headers"] = headers
        problem_content = _problem(schemas)
        if status == 404 and any(map(_is_matched, parameters)):
            # Then no route has the path, and the project answers with its page.
            problem_content["text/html"] = {"schema": {"type": "string"}}
        yield status, problem, problem_content


def _problem(schemas: Schemas) -> Object:
    return {_PROBLEM_TYPE: {"schema": schemas.problem}}


def _statuses(
    plan: Plan, method: str, parameters: tuple[PathParameter, ...], schemas: Schemas, csrf: str
) -> Iterator[tuple[int, str]]:
    if parameters:
        yield 404, "A segment of the path names nothing."
    if method not in SAFE_METHODS and csrf in _FORGED:
        yield 403, _FORGED[csrf]
    if plan.content is not None:
        yield from _content_statuses(plan.content)
    if plan.values or (plan.content is not None and _is_validated(plan.content, schemas)):
        yield 422, "The input is invalid: `errors` tells all faults."


def _content_statuses(content: Content) -> Iterator[tuple[int, str]]:
    if not (isinstance(content, RawBody) and content.kind == "bytes"):
        yield 400, "The body cannot be read as what it should be."
    # Of a body without a length WSGI cannot tell the end, and a form has to state it everywhere.
    yield 411, "The body does not state its length."
    yield 413, "The body is too large."
    yield 415, "The body has a media type or a coding that is not read."


def _headers(status: int, content: Content | None) -> Object:
    text = {"type": "string"}
    if status == 401:
        return {"WWW-Authenticate": {"description": "How clients say who they are.", "schema": text}}
    if status == 415 and not isinstance(content, RawBody):
        return {"Accept": {"description": "The media types that are read.", "schema": text}}
    return {}


def _is_matched(parameter: PathParameter) -> bool:
    """Return whether the text of the parameter decides about which route, if any, has the path."""
    return parameter.converter is not None or (parameter.segment is not None and parameter.segment.takes_rest)


def _is_validated(content: Content, schemas: Schemas) -> bool:
    """Return whether content that can be read may be invalid: any bytes are bytes."""
    if not isinstance(content, RawBody):
        return True
    return bool(schemas.of(content.adapter, "validation").keys() - {"type", "format"})


def _is_wrapped(function: Handler) -> bool:
    """Return whether a decorator stands around the handler that may answer in its place."""
    layer: Any = function
    while hasattr(layer, "__wrapped__"):
        if getattr(layer, "__globals__", {}).get("__name__") not in _TRANSPARENT:
            return True
        layer = layer.__wrapped__
    return False
