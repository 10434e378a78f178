"""
Turn what a file names `middleware` into layers: functions that go around a route, each known to be async or not.

A mistake in one hides none of the others.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.functions import Fault, Handler, is_async, is_coroutine_function, line_of

CallNext: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
"""Type of what an ``async def`` middleware is given: it runs what is within, and returns its response."""
SyncCallNext: TypeAlias = Callable[[HttpRequest], HttpResponseBase]
"""As ``CallNext``, of a ``def`` middleware."""
_FORM = "Write `async def middleware(request, call_next): …`."


@dataclass(frozen=True, slots=True)
class Layer:
    """One middleware of a folder, or of a route file."""

    function: Handler
    name: str
    """What listings call it: ``/api:timing``, the folder and the function; of a route file the function alone."""
    file: str
    line: int
    """Line of *file* on which the function begins; 0 where it is written elsewhere."""
    is_async: bool
    """Whether it runs on the event loop, decorators included."""
    is_public: bool = False
    """Whether nothing that it does depends on who asks."""

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"middleware {self.name} ({self.file})"

    @property
    def is_plainly_async(self) -> bool:
        """Whether what it returns is to be awaited, whatever it is; else that shows when it has returned."""
        return is_coroutine_function(_whole(self.function))


def read_layers(
    value: object, file: str, line: int, *, folder: str | None = None, is_public: bool = False
) -> tuple[tuple[Layer, ...], list[Fault]]:
    """
    Return the layers that *value* stands for, outermost first, and what is wrong with it.

    Args:
        value: A function, or a list or tuple of functions.
        file: Path of the file that says so.
        line: Line on which it does; 0 where that is unknown.
        folder: The folder as written, of which the layers become part of the name; ``None`` of a route file.
        is_public: What the file says of all of them.
    """
    many = isinstance(value, list | tuple)
    layers: list[Layer] = []
    faults: list[Fault] = []
    for number, one in enumerate(cast("Sequence[object]", value) if many else (value,)):
        what = f"middleware[{number}]" if many else "middleware"
        own = line_of(cast("Handler", one), file) if callable(one) else 0
        if (fault := _fault(one, what, own or line)) is not None:
            faults.append(fault)
            continue
        function = cast("Handler", one)
        name = _name(function)
        shown = name if folder is None else f"{folder}:{name}"
        layers.append(Layer(function, shown, file, own, is_async(_whole(function)), is_public))
    if many and not value:
        what = "middleware is empty, so it goes around nothing."
        faults.append(Fault("E101", line, what, "Name a function, or remove it."))
    return tuple(layers), faults


def changes_of_threads(kinds: Iterable[bool]) -> int:
    """
    Return how often a request that an event loop receives changes threads on its way in.

    Args:
        kinds: Whether each function that it passes is async, in turn.
    """
    return sum(one is not other for one, other in pairwise((True, *kinds)))


def _fault(one: object, what: str, line: int) -> Fault | None:
    if inspect.isclass(one) or not callable(one):
        kind = "a class" if inspect.isclass(one) else f"of type {type(one).__name__}"
        said = f"{what} is {kind}. A middleware is a function, or an object that can be called."
        return Fault("E101", line, said, _FORM)
    whole: Any = inspect.unwrap(_whole(one))
    if inspect.isgeneratorfunction(whole) or inspect.isasyncgenfunction(whole):
        return Fault("E102", line, f"{what} yields. A middleware returns what call_next(request) has returned.", _FORM)
    try:
        inspect.signature(one).bind(None, None)
    except TypeError:
        said = f"{what} cannot be called with two arguments, the request and what is within."
        return Fault("E102", line, said, _FORM)
    except ValueError:
        # Written in C, without a signature: the first call will tell.
        return None
    return None


def _whole(function: Any) -> Any:
    """Return what a partial object calls in the end."""
    while isinstance(function, partial):
        function = cast("partial[Any]", function).func
    return function


def _name(function: Handler) -> str:
    whole = _whole(function)
    return getattr(whole, "__name__", None) or type(whole).__name__
