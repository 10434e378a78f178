"""
Count what changes threads when a request passes: middleware and receivers that cannot run on the event loop.

Each change of threads takes as long as a simple request. This reads classes and calls nothing but the
constructors of Django's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import isclass, iscoroutinefunction
from typing import Any

from django.conf import settings
from django.core import signals
from django.core.exceptions import MiddlewareNotUsed
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from django_routehandlers.engine.hooks import HOOKS, dotted_path, hook_of, known_class
from django_routehandlers.engine.internals import is_tested
from django_routehandlers.engine.known_hooks import RULES, never
from django_routehandlers.engine.receivers import FINISHED, STARTED, Keys


@dataclass(frozen=True, slots=True)
class Hops:
    """What makes requests change threads."""

    where: str
    count: int
    """Changes of threads for each request."""
    why: str
    is_held: bool = False
    """Whether a thread is held until the view has answered."""


def hops_of_middleware() -> Iterator[Hops]:
    """Yield each middleware of the project that changes threads."""
    for path in settings.MIDDLEWARE:
        try:
            middleware: Any = import_string(path)
        except ImportError:
            # Django says so when it loads it.
            continue
        if not getattr(middleware, "async_capable", False):
            why = "is no async middleware (async_capable), and the middleware above it run in its thread"
            yield Hops(path, 2, why, is_held=True)
        elif (found := _hops_of(path, middleware)) is not None:
            yield found


def _hops_of(path: str, middleware: Any) -> Hops | None:
    kind = known_class(middleware) if isclass(middleware) else None
    if kind is not None:
        names = list(_hooks_in_thread(middleware))
        why = "may wait for a database or a cache, as the settings are"
    else:
        names = [name for name in (*HOOKS, "process_template_response") if _is_sync_hook(middleware, name)]
        why = "Django calls them in a thread, as they are no coroutine functions"
    return Hops(path, len(names), f"{', '.join(names)}: {why}") if names else None


def _hooks_in_thread(kind: type) -> Iterator[str]:
    try:
        middleware = kind(_nobody)
    except MiddlewareNotUsed:
        return
    for name in HOOKS:
        hook = hook_of(middleware, name)
        if hook is not None and hook.is_free is never:
            yield name


async def _nobody(request: object) -> Any:
    """Stand for what is below a middleware."""


def _is_sync_hook(middleware: Any, name: str) -> bool:
    hook = getattr(middleware, name, None)
    # Without MiddlewareMixin these two are names like any other.
    is_called = name in ("process_view", "process_template_response") or (
        isclass(middleware) and issubclass(middleware, MiddlewareMixin)
    )
    return is_called and hook is not None and not iscoroutinefunction(hook)


def hops_of_receivers() -> Iterator[Hops]:
    """Yield each signal of a request that has sync receivers of others than Django."""
    both: tuple[tuple[str, Any, Keys], ...] = (
        ("request_started", signals.request_started, STARTED),
        ("request_finished", signals.request_finished, FINISHED),
    )
    for name, signal, known in both:
        receivers: list[Callable[..., Any]] = [
            receiver for some in signal._live_receivers(None) for receiver in some if _key(receiver) not in known
        ]
        if receivers:
            names = ", ".join(sorted(map(_name, receivers)))
            yield Hops(f"django.core.signals.{name}", 1, f"is received by {names}")


def _key(receiver: Callable[..., Any]) -> tuple[int, int]:
    return id(receiver), id(None)


def _name(receiver: Callable[..., Any]) -> str:
    return f"{receiver.__module__}.{getattr(receiver, '__qualname__', type(receiver).__qualname__)}"


def untested_middleware() -> Iterator[str]:
    """Yield each middleware of Django's own that is not as in a release that the engine was tested with."""
    for path in settings.MIDDLEWARE:
        try:
            kind: Any = import_string(path)
        except ImportError:
            continue
        if not isclass(kind):
            continue
        known = next((base for base in kind.__mro__ if dotted_path(base) in RULES), None)
        if known is not None and not (is_tested(known) and is_tested(MiddlewareMixin)):
            yield path
