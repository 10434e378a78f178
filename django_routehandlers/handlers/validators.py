"""
Turn the functions ``etag()`` and ``last_modified()`` of a route file into what reads its validators.

Their parameters are filled as those of a handler are, from less: what a representation is known by
depends on its URL, or on who asks, and on nothing else.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest

from django_routehandlers.handlers.current_user import auser_of, user_of
from django_routehandlers.handlers.functions import Fault, Handler, is_coroutine_function, line_of, parameters_of
from django_routehandlers.handlers.names import VALIDATOR_NAMES, BindingLines
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.signature import plan_handler
from django_routehandlers.policies.preconditions import Validators, checked_etag, checked_moment
from django_routehandlers.routing.segments import Segment


@dataclass(frozen=True, slots=True)
class ValidatorFunction:
    """One of the two functions, with the plan that fills its parameters."""

    function: Handler
    plan: Plan
    label: str
    """What errors call it: route id, name and file."""

    def read(self, request: HttpRequest | None, segments: Mapping[str, Any]) -> Any:
        """Return what the function returns, in a thread."""
        values = self.plan.read_segments(segments)
        if self.plan.user is not None:
            self.plan.take_user(user_of(cast("HttpRequest", request)), values)
        result = self._call(request, values)
        return async_to_sync(_wait)(result) if inspect.isawaitable(result) else result

    async def aread(self, request: HttpRequest | None, segments: Mapping[str, Any]) -> Any:
        """As ``read()``, on the event loop; a plain function runs in the thread of the request."""
        values = self.plan.read_segments(segments)
        if self.plan.user is not None:
            self.plan.take_user(await auser_of(cast("HttpRequest", request)), values)
        if is_coroutine_function(self.function):
            result = self._call(request, values)
        else:
            result = await sync_to_async(self._call, thread_sensitive=True)(request, values)
        return await result if inspect.isawaitable(result) else result

    def _call(self, request: HttpRequest | None, values: dict[str, Any]) -> Any:
        args, kwargs = self.plan.arguments(cast("HttpRequest", request), values)
        return self.function(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class ValidatorFunctions:
    """Those that a route file has."""

    etag: ValidatorFunction | None
    last_modified: ValidatorFunction | None

    @property
    def names(self) -> frozenset[str]:
        """Names of the functions, which parameters of handlers may have."""
        return frozenset(name for name in VALIDATOR_NAMES if getattr(self, name) is not None)

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plans of the functions."""
        return tuple(one.plan for one in (self.etag, self.last_modified) if one is not None)

    @property
    def why_dynamic(self) -> str | None:
        """Why nothing that they are validators of may be kept, in a few words; ``None`` where it may."""
        for name in VALIDATOR_NAMES:
            one: ValidatorFunction | None = getattr(self, name)
            if one is not None and (one.plan.request is not None or one.plan.user is not None):
                return f"its {name}() takes the {'user' if one.plan.request is None else 'request'}"
        return None

    def read(self, request: HttpRequest | None, segments: Mapping[str, Any]) -> Validators:
        """
        Return the validators of this moment, in a thread.

        Args:
            request: ``None`` where none of the functions sees who asks.

        Raises:
            Http404: A segment does not fit.
            Refusal: 401, one of them needs a user.
            TypeError: One of them has returned what is no validator; or ``ValueError``.
        """
        etag = None if self.etag is None else self.etag.read(request, segments)
        modified = None if self.last_modified is None else self.last_modified.read(request, segments)
        return self._checked(etag, modified)

    async def aread(self, request: HttpRequest | None, segments: Mapping[str, Any]) -> Validators:
        """As ``read()``, on the event loop."""
        etag = None if self.etag is None else await self.etag.aread(request, segments)
        modified = None if self.last_modified is None else await self.last_modified.aread(request, segments)
        return self._checked(etag, modified)

    def _checked(self, etag: object, modified: object) -> Validators:
        return Validators(
            None if self.etag is None else checked_etag(etag, self.etag.label),
            None if self.last_modified is None else checked_moment(modified, self.last_modified.label),
        )


def functions_in(file: BindingLines) -> tuple[dict[str, Handler], list[Fault]]:
    """Return the validator functions of a route file by name, and what is wrong with what has their names."""
    found: dict[str, Handler] = {}
    faults: list[Fault] = []
    for name in VALIDATOR_NAMES:
        value: Any = vars(file.module).get(name)
        line = file.line_of(name, with_imports=True)
        # Django has decorators of these names, and a module of such a name is a helper that was imported.
        is_other = isinstance(value, ModuleType) or getattr(value, "__module__", "") == "django.views.decorators.http"
        if value is None or not line or is_other:
            continue
        if callable(value) and not inspect.isclass(value) and not _yields(value):
            found[name] = value
        else:
            what = f"{name} is {'a generator' if _yields(value) else repr(value)}. It is a function of the segments."
            remedy = f"Write `async def {name}(id: int): …`, or name it `_{name}` if it is yours."
            faults.append(Fault("E115", line, what, remedy))
    return found, faults


def plan_validators(
    functions: Mapping[str, Handler], segments: Sequence[Segment], file: str, label: str
) -> tuple[ValidatorFunctions | None, list[Fault]]:
    """
    Return what reads the validators of a route, ``None`` where the file has no such functions, and what is wrong.

    Args:
        functions: Those of ``functions_in()``.
        label: The route's id.
    """
    faults: list[Fault] = []
    planned: dict[str, ValidatorFunction] = {}
    for name, function in functions.items():
        wrong = list(_unfillable(name, function, segments, file))
        if not wrong:
            plan, found = plan_handler(function, segments, file, method="GET")
            wrong = [Fault(one.id, one.line, f"{name}(): {one.what}", one.remedy) for one in found]
            planned[name] = ValidatorFunction(function, plan, f"{label} {name}() ({file})")
        faults.extend(wrong)
    if not planned:
        return None, faults
    return ValidatorFunctions(*(planned.get(name) for name in VALIDATOR_NAMES)), faults


def _unfillable(name: str, function: Handler, segments: Sequence[Segment], file: str) -> Iterator[Fault]:
    try:
        parameters = list(parameters_of(function))
    except (TypeError, ValueError):
        # It is told of any function.
        return
    known = {segment.text for segment in segments if segment.is_parameter}
    others = [
        one.name
        for one in parameters
        if one.name not in {*known, "params", "request", "user"} and one.annotation is not HttpRequest
    ]
    if others:
        what = f"{name}() takes {', '.join(map(repr, others))}, which nothing fills: it takes segments of the URL,"
        remedy = f"Take {', '.join(map(repr, sorted(known)))}." if known else "Take nothing, or the `request`."
        yield Fault("E116", line_of(function, file), f"{what} `params`, `request` and `user`.", remedy)


def _yields(function: object) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


async def _wait(result: Any) -> Any:
    return await result
