"""
Call one handler as its route does, without URL, middleware or cache: for tests of the handler itself.

Its inputs go the way that those of a request go: they are written into one, and read off it, validated and
converted. What it returns becomes the response that a client gets. What it raises is raised in the test.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.documentation import Section, documented
from django_routehandlers.handlers.after import Deferred, Forbidden
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.failures import answer_refusal
from django_routehandlers.handlers.streaming import start, start_on_loop
from django_routehandlers.handlers.view_facts import cached_get_of, handlers_of
from django_routehandlers.routing.url_patterns import Served
from django_routehandlers.table import current_table
from django_routehandlers.testing.parts import aclose, close
from django_routehandlers.testing.replies import AsyncRouteResponse, RouteResponse, extended
from django_routehandlers.testing.written import written_request, written_segments

_SECTION = Section("reference/testing", "Calls")

_Handler = Callable[..., Any]


def route_handler(name: str, method: str = "GET") -> _Handler:
    """
    Return the function that a route file defines for a method, whatever its folders are called.

    Args:
        name: URL name of the route, ``"routes:api-products-id"``.

    Raises:
        LookupError: No route has that name, several have, or its file has no such function.
    """
    found = [one for one in _served() if f"routes:{one.name}" == name]
    if len(found) != 1:
        names = ", ".join(sorted(f"routes:{one.name}" for one in _served()))
        raise documented(
            LookupError(f"{name!r} is the URL name of {len(found)} routes, and has to be of one. There are {names}."),
            _SECTION,
        )
    handlers = handlers_of(found[0].view)
    if method not in handlers:
        raise documented(
            LookupError(f"{found[0].route.file} defines no {method}. It defines {', '.join(handlers)}."), _SECTION
        )
    return handlers[method].function


def call(handler: _Handler, /, *, request: HttpRequest | None = None, user: Any = None, **inputs: Any) -> RouteResponse:
    """
    Call a handler of a route, and return its response.

    Args:
        handler: The function of a route file: imported, or from ``route_handler()``.
        request: What ``request`` is, and what other inputs are read off; ``None``: one made of *inputs*.
        user: Who is logged in; ``None`` for nobody.
        inputs: By the names of the handler's parameters: segments, query parameters, fields, cookies, form, body.

    Returns:
        The response. An input that does not fit is answered as a client would be, with its problem: 404, 422, 401.

    Raises:
        LookupError: No route of the project has this handler.
        TypeError: The handler has no such input, or a segment is missing.
        Exception: What the handler raises.
    """
    made = _Call.of(handler, request, user, inputs)
    try:
        args, kwargs = made.arguments()
    except Exception as error:
        return made.finished(answer_refusal(error, made.request), RouteResponse)
    deferred, streams = made.deferred(), None
    try:
        response = made.bound.sync_call()(*args, **kwargs)
        if streams := response.streaming:
            response = start(made.request, response)
    except Exception:
        made.request.close()
        raise
    finally:
        deferred.leave(streams=streams)
    found = made.finished(response, RouteResponse)
    if not streams:
        close(found)
    return found


async def acall(
    handler: _Handler, /, *, request: HttpRequest | None = None, user: Any = None, **inputs: Any
) -> AsyncRouteResponse:
    """As ``call()``, on the event loop; a ``def`` handler runs in a thread."""
    made = await sync_to_async(_Call.of)(handler, request, user, inputs)
    try:
        args, kwargs = await sync_to_async(made.arguments)()
    except Exception as error:
        return made.finished(answer_refusal(error, made.request), AsyncRouteResponse)
    deferred, streams = made.deferred(), None
    try:
        response = await made.bound.async_call()(*args, **kwargs)
        if streams := response.streaming:
            response = await start_on_loop(made.request, response)
    except Exception:
        await sync_to_async(made.request.close)()
        raise
    finally:
        deferred.leave(streams=streams)
    found = made.finished(response, AsyncRouteResponse)
    if not streams:
        await aclose(found)
    return found


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: the handler, and a request that has its inputs."""

    served: Served
    method: str
    bound: BoundHandler
    segments: Mapping[str, Any]
    request: HttpRequest
    user: Any
    given: Mapping[str, Any]
    """What its preconditions would have been judged by."""

    @classmethod
    def of(cls, handler: _Handler, request: HttpRequest | None, user: Any, inputs: dict[str, Any]) -> "_Call":
        served, method, bound = _found(handler)
        segments = written_segments(served.route, inputs)
        given = {name: inputs.get(name) for name in bound.plan.given}
        rest = {name: value for name, value in inputs.items() if name not in {**segments, **given}}
        made = written_request(bound, method, rest) if request is None else request
        if request is not None and rest:
            raise documented(
                TypeError(
                    f"{bound.label}: {', '.join(rest)} and request= are both given. Write them into the request."
                ),
                _SECTION,
            )
        _log_in(made, user)
        return cls(served, method, bound, segments, made, user, given)

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        plan = self.bound.plan
        values = plan.read_segments(self.segments)
        if plan.user is not None:
            plan.take_user(self.request.user, values)
        plan.read(self.request, values)
        args, kwargs = plan.arguments(self.request, values)
        return args, {**kwargs, **self.given}

    def deferred(self) -> Deferred | Forbidden:
        # A cached GET may not use after(), here as anywhere.
        cached = cached_get_of(self.served.view)
        if cached is not None and cached.handler is self.bound:
            return Forbidden()
        return Deferred(self.request, {self.method: self.bound})

    def finished(self, response: HttpResponseBase, kind: Any) -> Any:
        left = vars(response)
        left["wsgi_request"] = self.request
        # As Django does: what after() was given runs when the request is closed.
        left["_resource_closers"].append(lambda: self.request.close())
        return extended(response, kind)


def _log_in(request: HttpRequest, user: Any) -> None:
    if user is None:
        if hasattr(request, "user") or not apps.is_installed("django.contrib.auth"):
            return
        from django.contrib.auth.models import AnonymousUser

        user = AnonymousUser()

    async def auser() -> Any:
        return user

    request.user = user
    vars(request)["auser"] = auser


def _found(handler: _Handler) -> tuple[Served, str, BoundHandler]:
    for served in _served():
        for method, bound in handlers_of(served.view).items():
            if bound.function is handler:
                return served, method, bound
    raise documented(
        LookupError(
            f"{getattr(handler, '__module__', '')}.{getattr(handler, '__qualname__', handler)} is no handler of a "
            'route of this project. Take it from its route file, or by route_handler("routes:api-products-id", "GET").'
        ),
        _SECTION,
    )


def _served() -> Iterable[Served]:
    table = current_table()
    if table.errors:
        raise table.refusal()
    return table.served
