"""
Read functions as their authors wrote them: parameters and annotations, each evaluated by itself.

An annotation that cannot be evaluated says nothing of the others.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from asgiref.sync import iscoroutinefunction

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one handler; the loader adds where."""

    id: str
    line: int
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An annotation that cannot be evaluated."""

    text: str
    """The annotation as the source writes it."""


def line_of(handler: Handler, file: str) -> int:
    """Return the first line of the handler in *file*; 0 where it is written elsewhere."""
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == file else 0


def parameters_of(handler: Handler) -> Iterator[inspect.Parameter]:
    """
    Yield the parameters below all decorators, with annotations that are values, or ``Unresolved``.

    Raises:
        TypeError: The signature cannot be read.
        ValueError: As ``TypeError``.
    """
    for parameter in _signature(handler).parameters.values():
        value = _evaluate(handler, parameter.annotation)
        yield parameter if value is parameter.annotation else parameter.replace(annotation=value)


def return_annotation(handler: Handler) -> Any:
    """
    Return the annotation of what the handler returns, ``Unresolved``, or ``Signature.empty`` for none.

    Raises:
        TypeError: The signature cannot be read.
        ValueError: As ``TypeError``.
    """
    return _evaluate(handler, _signature(handler).return_annotation)


def is_coroutine_function(function: Handler) -> bool:
    """Return whether *function*, decorators included, returns what has to be awaited."""
    # On Python 3.11 only asgiref's knows functions marked as coroutine functions, as Django's decorators are.
    is_marked = iscoroutinefunction
    return is_marked(function) or is_marked(type(function).__call__)


def is_async(handler: Handler) -> bool:
    """Return whether the handler is async below its decorators, or with them."""
    written = inspect.unwrap(handler)
    layers = (handler,) if written is handler else (handler, written)
    return any(inspect.isasyncgenfunction(one) or is_coroutine_function(one) for one in layers)


def annotation_text(handler: Handler, name: str) -> str:
    """Return the annotation of the parameter *name*, much as the source writes it."""
    annotation = _signature(handler).parameters[name].annotation
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation, handler.__module__)


def is_passed_the_request(handler: Handler) -> bool:
    """Return whether a decorator around the handler has a first parameter of its own, as view decorators have."""
    layer: Any = handler
    while hasattr(layer, "__wrapped__"):
        own = next(iter(inspect.signature(layer, follow_wrapped=False).parameters.values()), None)
        if own is not None and own.kind in (own.POSITIONAL_ONLY, own.POSITIONAL_OR_KEYWORD):
            return True
        layer = layer.__wrapped__
    return False


def _evaluate(handler: Handler, annotation: Any) -> Any:
    if isinstance(annotation, str):
        namespace: dict[str, Any] = getattr(inspect.unwrap(handler), "__globals__", {})
        try:
            return eval(annotation, namespace)
        except Exception:
            return Unresolved(annotation)
    if type(annotation).__name__ == "ForwardRef":
        return Unresolved(annotation.__forward_arg__)
    return annotation


def _signature(handler: Handler) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        # What cannot be evaluated yet comes as a ForwardRef, instead of failing the whole signature (PEP 749).
        return inspect.signature(handler, annotation_format=Format.FORWARDREF)
    return inspect.signature(handler)
