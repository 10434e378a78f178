"""
Turn the signature of a handler into a plan that fills its parameters.

The plan is made once, at start-up, from names and annotations; a request only runs it. A
parameter that nothing can fill is a mistake of the developer, never a surprise of a request.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from inspect import Parameter
from typing import Any, TypeVar, get_origin

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_routehandlers.handlers.content import Content, FormBody, JSONBody, RawBody
from django_routehandlers.handlers.declaration import Unfillable
from django_routehandlers.handlers.declared import Declared, declare
from django_routehandlers.handlers.functions import (
    Fault,
    Handler,
    Unresolved,
    is_async,
    is_passed_the_request,
    line_of,
    parameters_of,
)
from django_routehandlers.handlers.inputs import Group, Input, UserInput
from django_routehandlers.handlers.lines import LinesBody
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.segment_values import SegmentInput, Unconvertible, segment_input
from django_routehandlers.handlers.text_values import options_of, type_text, unaliased
from django_routehandlers.routing.segments import Segment, SegmentKind

_WITHOUT_CONTENT = ("GET", "HEAD", "OPTIONS")


def plan_handler(
    handler: Handler, segments: Sequence[Segment], file: str, *, method: str, given: Iterable[str] = ()
) -> tuple[Plan, tuple[Fault, ...]]:
    """
    Return the plan for a handler below *segments*, and what cannot be filled.

    Args:
        file: The route file: faults of functions written elsewhere have no line in it.
        method: The method that the handler answers.
        given: Names that the route fills from functions of its file.
    """
    line = line_of(handler, file)
    try:
        parameters = list(parameters_of(handler))
    except (TypeError, ValueError) as error:
        return Plan(), (Fault("E040", line, f"the signature cannot be read: {error}.", "Write a function."),)
    if unknown := _says_nothing(handler, parameters):
        return Plan(), (Fault("E041", line, *unknown),)
    by_name = {segment.text: segment for segment in segments if segment.is_parameter}
    draft = _Draft(by_name, method, frozenset(given) - by_name.keys())
    faults: list[Fault] = []
    for position, parameter in enumerate(parameters):
        try:
            draft.add(parameter, position)
        except Unfillable as error:
            faults.append(Fault(error.id, line, error.what, error.remedy))
    faults.extend(Fault(*wrong[:1], line, *wrong[1:]) for wrong in draft.wrong())
    if wrong := draft.wrongly_iterated(is_async(handler)):
        faults.append(Fault("E057", line, *wrong))
    if draft.request != "" and not faults and is_passed_the_request(handler):
        what = "its decorator passes the request as the first argument, which this handler does not take."
        faults.append(Fault("E045", line, what, "Make `request` the first parameter."))
    return draft.plan(), tuple(faults)


def _says_nothing(handler: Handler, parameters: Sequence[Parameter]) -> tuple[str, str] | None:
    stars = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
    found = [f"{stars[one.kind]}{one.name}" for one in parameters if one.kind in stars]
    if not found:
        return None
    what = f"{' and '.join(found)} say{'s' if len(found) == 1 else ''} nothing of what the handler reads."
    if hasattr(handler, "view_class"):
        return what, "Write a function here, or serve the class-based view from urls.py."
    return what, "Name the parameters, or take `params`. A decorator must use functools.wraps."


@dataclass(slots=True)
class _Draft:
    """A plan while the parameters are read one by one."""

    by_name: Mapping[str, Segment]
    method: str
    given: frozenset[str]
    taken: set[str] = field(default_factory=set[str])
    request: str | None = None
    segments: list[SegmentInput] = field(default_factory=list[SegmentInput])
    declared: list[Declared] = field(default_factory=list[Declared])

    def add(self, parameter: Parameter, position: int) -> None:
        name, annotation = parameter.name, parameter.annotation
        is_request = name == "request" or annotation is HttpRequest
        if parameter.kind is parameter.POSITIONAL_ONLY and not (is_request and position == 0):
            what = f"the parameter {name!r} is positional-only, but inputs are passed by keyword."
            raise Unfillable("E041", what, f"Move {name} behind the slash.")
        if is_request:
            self._take_request(parameter, position)
            return
        if name in self.given:
            self.taken.add(name)
            return
        if isinstance(annotation, Unresolved) and name != "params":
            what = f"the annotation {annotation.text!r} of {name!r} cannot be evaluated."
            raise Unfillable("E044", what, "Import the name at the top of the file, outside `if TYPE_CHECKING`.")
        if name in self.by_name:
            try:
                self.segments.append(segment_input(self.by_name[name], annotation))
            except Unconvertible as error:
                raise Unfillable("E042", error.what, error.remedy) from error
        elif name == "params":
            self.segments.append(_params(tuple(self.by_name.values())))
        else:
            self.declared.append(declare(parameter, self.by_name))

    def _take_request(self, parameter: Parameter, position: int) -> None:
        if self.request is not None:
            what = f"the parameter {parameter.name!r} is the request, too. A handler takes it once."
            raise Unfillable("E041", what, f"Remove {parameter.name}.")
        is_first = position == 0 and parameter.kind is not parameter.KEYWORD_ONLY
        self.request = "" if is_first else parameter.name
        if not _may_be_a_request(parameter.annotation):
            what = f"`request` is the request, which is no {type_text(unaliased(parameter.annotation))}."
            raise Unfillable("E042", what, "Annotate it as HttpRequest; or rename the parameter, if it is an input.")

    def wrong(self) -> list[tuple[str, str, str]]:
        """Return what is wrong with the parameters together: id, what, remedy."""
        found: list[tuple[str, str, str]] = []
        content = [one for one in self.declared if _is_content(one)]
        if content and self.method in _WITHOUT_CONTENT:
            what = f"{content[0].name!r} is content, which has no meaning in a {self.method} (RFC 9110, section 9.3)."
            found.append(("E046", what, "Take query parameters, or write a POST."))
        whole = [one for one in content if isinstance(one, JSONBody | RawBody | LinesBody)]
        if whole and len(content) > 1:
            names = " and ".join(repr(one.name) for one in content)
            what = f"{names} are both read from the content, of which one is the whole."
            found.append(("E047", what, f"Remove all but {whole[0].name}, or make them one model."))
        found.extend(self._twice())
        found.extend(self._misnamed())
        if any(isinstance(one, UserInput) for one in self.declared) and not has_authentication():
            what = "`user` is filled by AuthenticationMiddleware, which is not in MIDDLEWARE."
            found.append(("W048", what, "Add django.contrib.auth.middleware.AuthenticationMiddleware to MIDDLEWARE."))
        return found

    def wrongly_iterated(self, is_async: bool) -> tuple[str, str] | None:
        """Return what is wrong with an iterator of the content, and the remedy; ``None`` where nothing is."""
        lines = next((one for one in self.declared if isinstance(one, LinesBody)), None)
        if lines is None or lines.is_async == is_async:
            return None
        if is_async:
            what = "`body` is an iterator that waits for the client, and would keep every other request waiting."
            return what, "Annotate it as AsyncIterator, and read it with `async for`; or write a plain function."
        return (
            "`body` is an async iterator, which a plain function cannot await.",
            "Annotate it as Iterator, or write an async function.",
        )

    def _twice(self) -> Iterator[tuple[str, str, str]]:
        seen: dict[tuple[str, str], str] = {}
        for one in self.declared:
            if not isinstance(one, Input):
                continue
            other = seen.setdefault((one.place, one.key.lower() if one.place == "header" else one.key), one.name)
            if other != one.name:
                what = f"{other!r} and {one.name!r} both read {one.key!r}."
                yield "E049", what, "Give one of them another name, or remove it."

    def _misnamed(self) -> Iterator[tuple[str, str, str]]:
        """Yield required query parameters that look like a segment which the handler takes in no other way."""
        taken = {segment.name for segment in self.segments}
        if self.request is not None or "params" in taken:
            return
        for one in self.declared:
            if not (isinstance(one, Input) and one.place == "query" and one.is_required):
                continue
            for name in self.by_name.keys() - taken:
                if one.name.endswith(f"_{name}") or get_close_matches(one.name, [name], cutoff=0.6):
                    what = f"{one.name!r} is a required query parameter, and nothing takes the segment `{name}`."
                    yield "W054", what, f"Rename it to `{name}`, or take `{name}` as well."

    def plan(self) -> Plan:
        content: Content | None = None
        values: list[Input | Group] = []
        form: list[Input | Group] = []
        files: list[Input] = []
        user: UserInput | None = None
        for one in self.declared:
            match one:
                case UserInput():
                    user = one
                case Input(place="file"):
                    files.append(one)
                case Input(place="form") | Group(place="form"):
                    form.append(one)
                case Input() | Group():
                    values.append(one)
                case _:
                    content = one
        if form or files:
            content = FormBody(tuple(form), tuple(files))
        return Plan(self.request, tuple(self.segments), user, tuple(values), content, frozenset(self.taken))


def _may_be_a_request(annotation: Any) -> bool:
    """Return whether *annotation* names the request, or nothing that is known: a protocol, or what is not imported."""
    for option in map(unaliased, options_of(unaliased(annotation))):
        kind = get_origin(option) or option
        if kind is Any or isinstance(kind, Unresolved | TypeVar | str) or getattr(kind, "_is_protocol", False):
            return True
        if isinstance(kind, type) and (kind in (object, Parameter.empty) or issubclass(kind, HttpRequest)):
            return True
    return False


def _is_content(one: Declared) -> bool:
    return isinstance(one, JSONBody | RawBody | LinesBody) or (
        isinstance(one, Input | Group) and one.place in ("form", "file")
    )


def has_authentication() -> bool:
    """Return whether Django's ``AuthenticationMiddleware``, or a subclass of it, is in ``MIDDLEWARE``."""
    # By name: importing the class imports the user model, and this may run before the models are there.
    wanted = ("django.contrib.auth.middleware", "AuthenticationMiddleware")
    for path in settings.MIDDLEWARE:
        try:
            middleware = import_string(path)
        except ImportError:
            continue
        if any((base.__module__, base.__name__) == wanted for base in getattr(middleware, "__mro__", ())):
            return True
    return False


def _params(segments: Sequence[Segment]) -> SegmentInput:
    optional = {segment.text for segment in segments if segment.kind is SegmentKind.OPTIONAL_CATCH_ALL}

    def read(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != [] or name not in optional}

    return SegmentInput("params", None, read)
