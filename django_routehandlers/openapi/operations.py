"""
Turn one handler into an Operation Object.

Source: OpenAPI 3.1, section 4.8.10. Its words are the docstring's, its tag comes from the folders.
"""

import inspect
import re
from typing import Any, cast

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.functions import Handler
from django_routehandlers.handlers.preconditions import Preconditions
from django_routehandlers.openapi.answers import Around, responses_of
from django_routehandlers.openapi.parameters import Object, path_parameters, request_body, value_parameters
from django_routehandlers.openapi.preconditions import add_preconditions, precondition_parameters
from django_routehandlers.openapi.schemas import Schemas
from django_routehandlers.openapi.security import Schemes
from django_routehandlers.openapi.templates import Template
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import SegmentKind, parse_segment

# Segments that say where an API is, not what it is about.
_PLACES = re.compile(r"api|v[0-9]+")


def operation_of(
    handler: BoundHandler,
    method: str,
    route: Route,
    template: Template,
    schemas: Schemas,
    schemes: Schemes,
    *,
    operation_id: str,
    around: Around,
    is_deprecated: bool = False,
    preconditions: Preconditions | None = None,
) -> Object:
    """
    Return the Operation Object of one handler at one path.

    Args:
        around: What may answer in its place.
        is_deprecated: Whether its route is, whatever the handler says.
        preconditions: What judges those of its requests; ``None`` where nothing does.
    """
    plan = handler.plan
    operation: Object = {"tags": [tag_of(route)], "operationId": operation_id}
    operation.update(_words(handler.function))
    if is_deprecated:
        operation["deprecated"] = True
    if parameters := [
        *path_parameters(template.parameters, plan, schemas),
        *value_parameters(plan, schemas),
        *precondition_parameters(preconditions, method),
    ]:
        operation["parameters"] = parameters
    if plan.content is not None:
        operation["requestBody"] = request_body(plan.content, schemas)
    operation["responses"] = responses_of(handler, method, template.parameters, schemas, around)
    add_preconditions(operation["responses"], preconditions, method, schemas)
    if requirements := schemes.requirements(around.asks):
        operation["security"] = requirements
    return operation


def tag_of(route: Route) -> str:
    """
    Return the tag of a route's operations, which its own folders alone decide.

    It is the outermost route group, else the first static segment but for ``api`` and versions
    (``v1``), else the label of the app.
    """
    segments = [parse_segment(folder) for folder in route.folders]
    for kind in (SegmentKind.GROUP, SegmentKind.STATIC):
        for segment in segments:
            if segment.kind is kind and not (kind is SegmentKind.STATIC and _PLACES.fullmatch(segment.text)):
                return segment.text
    return route.app


def natural_id(method: str, path: str) -> str:
    """Return the operation id that a method and a path have by themselves: ``get_api_products_id``."""
    words = [method.lower()]
    for segment in path.strip("/").split("/"):
        word = re.sub(r"%[0-9A-F]{2}|[^A-Za-z0-9]", lambda found: _legal(found.group()), segment.strip("{}"))
        words.append(word)
    return re.sub("_+", "_", "_".join(words)).strip("_") if path.strip("/") else f"{words[0]}_root"


def _legal(text: str) -> str:
    # What is percent-encoded is a letter of another script more often than not.
    return f"x{text[1:].lower()}" if text.startswith("%") else "_"


def _words(function: Handler) -> Object:
    found: Object = {}
    summary, _, description = _docstring(inspect.unwrap(function)).partition("\n")
    description = description.strip()
    message = cast("object", getattr(function, "__deprecated__", None))
    if isinstance(message, str) and message:
        description = f"{description}\n\nDeprecated: {message}".strip()
    if summary:
        found["summary"] = summary
    if description:
        found["description"] = description
    if message is not None:
        found["deprecated"] = True
    return found


def _docstring(thing: Any) -> str:
    text: object = getattr(thing, "__doc__", None)
    return inspect.cleandoc(text) if isinstance(text, str) else ""
