"""
Turn what a route says of preconditions into parameters and responses.

Sources: RFC 9110, section 13; RFC 6585, section 3. OpenAPI 3.1, sections 4.8.12 and 4.8.17.
"""

from collections.abc import Iterator

from django_routehandlers.handlers.preconditions import GUARDED_METHODS, Preconditions
from django_routehandlers.openapi.parameters import Object
from django_routehandlers.openapi.schemas import Schemas
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.responses.problems import ProblemDetails

_FAILED = "The resource is not in the state that the request is based on."
_REQUIRED = "The request does not say which state of the resource it is based on."


def precondition_parameters(preconditions: Preconditions | None, method: str) -> Iterator[Object]:
    """Yield the fields by which a request says on which state of the resource it is based."""
    if preconditions is None or method not in GUARDED_METHODS:
        return
    functions, is_safe = preconditions.functions, method in SAFE_METHODS
    # Where there are two, either will do.
    is_required = method in preconditions.required and len(functions.names) == 1
    if functions.etag is not None:
        name = "If-None-Match" if is_safe else "If-Match"
        yield _field(name, "The `ETag` of the representation that the client has.", is_required=is_required)
    if functions.last_modified is not None:
        name = "If-Modified-Since" if is_safe else "If-Unmodified-Since"
        what = "The `Last-Modified` of the representation that the client has."
        yield _field(name, what, is_required=is_required)


def add_preconditions(responses: Object, preconditions: Preconditions | None, method: str, schemas: Schemas) -> None:
    """Add to a Responses Object what preconditions are answered with, and the validators of the representation."""
    if preconditions is None or method not in GUARDED_METHODS:
        return
    fields = _validators(preconditions)
    if method in SAFE_METHODS:
        responses.setdefault("304", {"description": "Not Modified.", "headers": fields})
        if "200" in responses:
            responses["200"] = {**responses["200"], "headers": {**fields, **responses["200"].get("headers", {})}}
    _add_problem(responses, 412, _FAILED, schemas)
    responses["412"].setdefault("headers", fields)
    if method in preconditions.required:
        _add_problem(responses, 428, _REQUIRED, schemas)
    # Lowest status first, "default" last.
    ordered = {key: responses[key] for key in sorted(responses)}
    responses.clear()
    responses.update(ordered)


def _add_problem(responses: Object, status: int, why: str, schemas: Schemas) -> None:
    own: Object = responses.get(str(status), {"description": f"{ProblemDetails.from_status(status).title}. {why}"})
    content: Object = {"application/problem+json": {"schema": schemas.problem}}
    responses[str(status)] = {**own, "content": {**content, **own.get("content", {})}}


def _validators(preconditions: Preconditions) -> Object:
    functions = preconditions.functions
    known = {"ETag": functions.etag, "Last-Modified": functions.last_modified}
    return {name: {"schema": {"type": "string"}} for name, one in known.items() if one is not None}


def _field(name: str, description: str, *, is_required: bool) -> Object:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "required": is_required,
        "schema": {"type": "string"},
    }
