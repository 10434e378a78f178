"""
Turn a handler into what it takes, each input as its source writes it beside the part of a request that fills it.

Pure: a handler in, text out. Nothing here is a value of a request, a cookie or a setting.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, get_args, get_origin

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.content import FormBody
from django_routehandlers.handlers.functions import Unresolved, parameters_of
from django_routehandlers.handlers.inputs import Group, Input

_MODULES = re.compile(r"\b(?:[^\W\d]\w*\.)+(?=[^\W\d])")
_PLACES = {"query": "query", "header": "field", "cookie": "cookie", "form": "form", "file": "file"}


def inputs_of(handler: BoundHandler) -> Iterator[tuple[str, str]]:
    """Yield each input of a handler as its source writes it, and the part of a request that fills it."""
    plan = handler.plan
    if plan.request is not None:
        yield plan.request or "request", "the request itself"
    for segment in plan.segments:
        yield _written(handler, segment.name), "path"
    if plan.user is not None:
        yield _written(handler, plan.user.name), "who is logged in"
    yield from _values(handler, plan.values)
    if isinstance(plan.content, FormBody):
        yield from _values(handler, plan.content.values)
        yield from _values(handler, plan.content.files)
    elif plan.content is not None:
        yield _written(handler, plan.content.name), f"content, {' or '.join(plan.content.media_types)}"


def _values(handler: BoundHandler, values: Iterable[Input | Group]) -> Iterator[tuple[str, str]]:
    for one in values:
        place = _PLACES[one.place]
        if isinstance(one, Group):
            yield _written(handler, one.name), f"whole {place}: {', '.join(one.names)}"
        else:
            yield _written(handler, one.name), place if one.key == one.name else f"{place} {one.key}"


def _written(handler: BoundHandler, name: str) -> str:
    parameter = next((one for one in parameters_of(handler.function) if one.name == name), None)
    if parameter is None:
        return name
    # A default may be anything, a key too, and so may what stands beside a type: neither is told.
    default = "" if parameter.default is parameter.empty else " = …"
    return name + _type_text(parameter.annotation) + default


def _type_text(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty or isinstance(annotation, Unresolved):
        return ""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return ": " + _MODULES.sub("", inspect.formatannotation(annotation))
