"""
Turn the signature of a handler into a plan that fills its parameters.

The plan is made once, at start-up, from names and annotations; a request only runs it. A
parameter that nothing can fill is a mistake of the developer, never a surprise of a request.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from django_routehandlers.handlers.segment_values import Unconvertible, converter_for
from django_routehandlers.routing.segments import Segment, SegmentKind

Handler = Callable[..., Any]
Segments = Mapping[str, Any]
Read = Callable[[HttpRequest, Segments], Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one handler; the loader adds where."""

    id: str
    line: int
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How the parameters of one handler are filled."""

    request: str | None
    """The keyword that takes the request; ``""`` where it is the first parameter; ``None`` where none does."""
    inputs: tuple[tuple[str, Read], ...]
    """Each other parameter with the function that reads its value."""

    def fill(self, request: HttpRequest, segments: Segments) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """
        Return the arguments of the handler, positional and by keyword.

        Raises:
            Http404: A segment does not fit its annotation.
        """
        values = {name: read(request, segments) for name, read in self.inputs}
        if self.request is None:
            return (), values
        if self.request:
            return (), {self.request: request, **values}
        return (request,), values


def line_of(handler: Handler, file: str) -> int:
    """Return the first line of the handler in *file*; 0 where it is written elsewhere."""
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == file else 0


def annotation_text(handler: Handler, name: str) -> str:
    """Return the annotation of the parameter *name*, much as the source writes it."""
    annotation = _signature(handler).parameters[name].annotation
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation, handler.__module__)


def plan_handler(handler: Handler, segments: Sequence[Segment], file: str) -> tuple[Plan, tuple[Fault, ...]]:
    """
    Return the plan for a handler below *segments*, and what cannot be filled.

    Args:
        file: The route file: faults of functions written elsewhere have no line in it.
    """
    line = line_of(handler, file)
    try:
        parameters = list(_parameters(handler))
    except (TypeError, ValueError) as error:
        return Plan(None, ()), (Fault("E040", line, f"the signature cannot be read: {error}.", "Write a function."),)
    request: str | None = None
    inputs: list[tuple[str, Read]] = []
    faults: list[Fault] = []
    by_name = {segment.text: segment for segment in segments if segment.is_parameter}
    if unknown := _says_nothing(handler, parameters):
        return Plan(None, ()), (Fault("E041", line, *unknown),)
    for position, parameter in enumerate(parameters):
        is_request = parameter.name == "request" or parameter.annotation is HttpRequest
        try:
            _check_kind(parameter, first_request=is_request and position == 0)
            if is_request and request is not None:
                what = f"the parameter {parameter.name!r} is the request, too. A handler takes it once."
                raise _Unfillable("E041", what, f"Remove {parameter.name}.")
            if is_request:
                request = "" if position == 0 and parameter.kind is not parameter.KEYWORD_ONLY else parameter.name
            else:
                inputs.append((parameter.name, _reader(parameter, by_name)))
        except _Unfillable as error:
            faults.append(Fault(error.id, line, error.what, error.remedy))
    if request != "" and not faults and _is_passed_the_request(handler):
        what = "its decorator passes the request as the first argument, which this handler does not take."
        faults.append(Fault("E045", line, what, "Make `request` the first parameter."))
    return Plan(request, tuple(inputs)), tuple(faults)


def _says_nothing(handler: Handler, parameters: Sequence[inspect.Parameter]) -> tuple[str, str] | None:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    found = [f"{stars[one.kind]}{one.name}" for one in parameters if one.kind in stars]
    if not found:
        return None
    what = f"{' and '.join(found)} say{'s' if len(found) == 1 else ''} nothing of what the handler reads."
    if hasattr(handler, "view_class"):
        return what, "Write a function here, or serve the class-based view from urls.py."
    return what, "Name the parameters, or take `params`. A decorator must use functools.wraps."


def _is_passed_the_request(handler: Handler) -> bool:
    """Return whether a decorator around the handler has a first parameter of its own, as view decorators have."""
    layer: Any = handler
    while hasattr(layer, "__wrapped__"):
        own = next(iter(inspect.signature(layer, follow_wrapped=False).parameters.values()), None)
        if own is not None and own.kind in (own.POSITIONAL_ONLY, own.POSITIONAL_OR_KEYWORD):
            return True
        layer = layer.__wrapped__
    return False


class _Unfillable(Exception):
    def __init__(self, id: str, what: str, remedy: str) -> None:
        super().__init__(what)
        self.id, self.what, self.remedy = id, what, remedy


def _parameters(handler: Handler) -> Iterator[inspect.Parameter]:
    """Yield the parameters, each annotation evaluated by itself: one that cannot be says nothing of the others."""
    namespace: dict[str, Any] = getattr(inspect.unwrap(handler), "__globals__", {})
    for parameter in _signature(handler).parameters.values():
        annotation = parameter.annotation
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, namespace)
            except Exception as error:
                annotation = _Unresolved(annotation, str(error))
        yield parameter.replace(annotation=annotation)


def _signature(handler: Handler) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        # What cannot be evaluated yet comes as a ForwardRef, instead of failing the whole signature (PEP 749).
        return inspect.signature(handler, annotation_format=Format.FORWARDREF)
    return inspect.signature(handler)


@dataclass(frozen=True, slots=True)
class _Unresolved:
    text: str
    reason: str


def _check_kind(parameter: inspect.Parameter, *, first_request: bool) -> None:
    if parameter.kind is parameter.POSITIONAL_ONLY and not first_request:
        what = f"the parameter {parameter.name!r} is positional-only, but inputs are passed by keyword."
        raise _Unfillable("E041", what, f"Move {parameter.name} behind the slash.")


def _reader(parameter: inspect.Parameter, segments: Mapping[str, Segment]) -> Read:
    name, annotation = parameter.name, parameter.annotation
    segment = segments.get(name)
    if segment is not None:
        if isinstance(annotation, _Unresolved) or type(annotation).__name__ == "ForwardRef":
            text = getattr(annotation, "text", None) or getattr(annotation, "__forward_arg__", "")
            what = f"the annotation {text!r} of {name!r} cannot be evaluated."
            raise _Unfillable("E044", what, "Import the name at the top of the file, outside `if TYPE_CHECKING`.")
        try:
            return converter_for(segment, annotation)
        except Unconvertible as error:
            raise _Unfillable("E042", error.what, error.remedy) from error
    if name == "params":
        return _params(tuple(segments.values()))
    known = ", ".join(sorted(f"`{known}`" for known in segments)) or "none"
    what = f"nothing fills the parameter {name!r}. A handler takes `request`, `params` and its segments ({known})."
    raise _Unfillable("E040", what, _remedy(name))


def _remedy(name: str) -> str:
    if name in ("req", "r", "http_request"):
        return "Rename it to `request`."
    if name in ("context", "ctx"):
        return "Rename it to `params`."
    if name in ("body", "data", "payload"):
        return "Take `request` and read request.body."
    return f"Take `request` and read request.GET[{name!r}], or name a folder [{name}]."


def _params(segments: Sequence[Segment]) -> Read:
    optional = {segment.text for segment in segments if segment.kind is SegmentKind.OPTIONAL_CATCH_ALL}

    def read(request: HttpRequest, values: Segments) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != [] or name not in optional}

    return read
