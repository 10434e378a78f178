"""
Turn the handlers of a route into the one Django view that answers it.

One body of logic, before and after the handler; two thin edges around it. A route whose
handlers are all plain functions is a sync view, which Django itself runs in a worker thread
under ASGI and directly under WSGI; any other route is an async view.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db import connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.failures import answer_failure
from django_routehandlers.handlers.functions import Handler, is_async, is_coroutine_function
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.returns import Returns
from django_routehandlers.handlers.streaming import start, start_on_loop
from django_routehandlers.policies.csrf import SAFE_METHODS, refused_origin
from django_routehandlers.responses.conversion import no_content
from django_routehandlers.responses.problems import ProblemResponse
from django_routehandlers.responses.stream import StreamResponse

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Names that make a function of a route file a handler."""

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class BoundHandler:
    """A handler with the plan that fills its parameters."""

    function: Handler
    plan: Plan
    returns: Returns
    label: str
    """What errors call it: route id, method and file."""

    @property
    def is_async(self) -> bool:
        """Whether it runs on the event loop, decorators included."""
        return is_coroutine_function(self.function) or inspect.isasyncgenfunction(self.function)

    @property
    def is_written_async(self) -> bool:
        """Whether it is async below its decorators, or with them."""
        return is_async(self.function)

    def sync_call(self) -> Handler:
        """Return what runs the handler in this thread, under ``ATOMIC_REQUESTS`` in a transaction, to its response."""
        call = self._atomic() if not self.is_written_async else self.function

        def respond(*args: Any, **kwargs: Any) -> HttpResponseBase:
            result = call(*args, **kwargs)
            # An async function below a decorator without functools.wraps looks like a plain one.
            return self._respond(async_to_sync(_wait)(result) if inspect.isawaitable(result) else result)

        return respond

    def async_call(self) -> Callable[..., Awaitable[HttpResponseBase]]:
        """Return what runs the handler to its response on the event loop, in a worker thread where it is sync."""
        function = self.function
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            call = _returns(function)
        elif is_coroutine_function(function):
            call = function
        elif self.is_written_async:
            # A sync decorator around an async handler returns what is still to be awaited.
            call = _awaited(sync_to_async(_contained(function), thread_sensitive=True))
        else:
            # What it returns becomes bytes in the same thread, where the database may be asked.
            return sync_to_async(_contained(self.sync_call()), thread_sensitive=True)

        async def respond(*args: Any, **kwargs: Any) -> HttpResponseBase:
            return self._respond(await call(*args, **kwargs))

        return respond

    def _respond(self, result: Any) -> HttpResponseBase:
        response = self.returns.to_response(result, handler=self.label)
        if isinstance(response, StreamResponse):
            response.name_it(self.label)
        return response

    def _atomic(self) -> Handler:
        call = self.function
        # Django looks at the view for non_atomic_requests(); ours answers several handlers, so each is asked.
        exempt: set[str] = getattr(call, "_non_atomic_requests", set())
        for alias in connections:
            if connections.settings[alias]["ATOMIC_REQUESTS"] and alias not in exempt:
                call = transaction.atomic(using=alias)(call)
        return call


def _returns(function: Handler) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def _contained(function: Handler) -> Handler:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except StopIteration as error:
            # No future takes a StopIteration: it would never leave the worker thread.
            raise RuntimeError("The handler raised StopIteration.") from error

    return call


def _awaited(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = await function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return call


def make_view(handlers: Mapping[str, BoundHandler], module: str) -> View:
    """
    Return the view that answers a route.

    Args:
        handlers: Method → handler, as the route file defines them.
        module: Name of the route's module, under which listings, logs and profilers show the view.
    """
    table = dict(handlers)
    if "GET" in table:
        table.setdefault("HEAD", table["GET"])
    allow = ", ".join(sorted({*table, "OPTIONS"}))
    is_async = any(handler.is_written_async for handler in handlers.values())
    view = _async_view(table, allow) if is_async else _sync_view(table, allow)
    mark_view(view)
    view.__module__, _, view.__name__ = module.rpartition(".")
    view.__qualname__ = view.__name__
    if all(getattr(handler.function, "login_required", True) is False for handler in handlers.values()):
        view.login_required = False
    view.handlers = dict(handlers)
    return view


def mark_view(view: Any) -> None:
    """Tell Django that our own rule stands in for its CSRF token, and our own transactions for the view's."""
    view.csrf_exempt = True
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)


def handlers_of(view: View) -> Mapping[str, BoundHandler]:
    """Return the handlers behind a view that ``make_view`` made: those that the file defines, none automatic."""
    return vars(view)["handlers"]


def _async_view(table: Mapping[str, BoundHandler], allow: str) -> Any:
    calls = {method: handler.async_call() for method, handler in table.items()}

    async def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        try:
            ready = _before(request, segments, table, allow)
            if isinstance(ready, HttpResponseBase):
                return ready
            plan, values = ready
            if plan.user is not None:
                plan.take_user(await _auser(request), values)
            if plan.waits(request):
                await sync_to_async(plan.read, thread_sensitive=True)(request, values)
            else:
                plan.read(request, values)
            args, kwargs = plan.arguments(request, values)
            response = await calls[request.method or ""](*args, **kwargs)
            return await start_on_loop(request, response) if response.streaming else response
        except Exception as error:
            return answer_failure(error, request)

    return view


def _sync_view(table: Mapping[str, BoundHandler], allow: str) -> Any:
    calls = {method: handler.sync_call() for method, handler in table.items()}

    def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        try:
            ready = _before(request, segments, table, allow)
            if isinstance(ready, HttpResponseBase):
                return ready
            plan, values = ready
            if plan.user is not None:
                plan.take_user(_user(request), values)
            plan.read(request, values)
            args, kwargs = plan.arguments(request, values)
            response = calls[request.method or ""](*args, **kwargs)
            return start(request, response) if response.streaming else response
        except Exception as error:
            return answer_failure(error, request)

    return view


async def _wait(result: Awaitable[Any]) -> Any:
    return await result


def _user(request: HttpRequest) -> Any:
    user = request.user
    # Reading an attribute is what makes Django fetch the user; from here on it is there.
    user.is_authenticated  # noqa: B018
    return user


async def _auser(request: HttpRequest) -> Any:
    auser = getattr(request, "auser", None)
    # A middleware of the project's own may set only request.user, and may fetch it from a database.
    return await (sync_to_async(_user)(request) if auser is None else auser())


def _before(
    request: HttpRequest, segments: Mapping[str, Any], table: Mapping[str, BoundHandler], allow: str
) -> HttpResponseBase | tuple[Plan, dict[str, Any]]:
    method = request.method or ""
    handler = table.get(method)
    is_as_sent = _is_as_sent(request, method)
    if handler is None or not is_as_sent:
        if method == "OPTIONS" and is_as_sent:
            response = no_content()
            response.headers["Allow"] = allow
            return response
        return ProblemResponse(405, headers={"Allow": allow})
    # A segment that does not fit means that there is no such resource: that is said before all else.
    values = handler.plan.read_segments(segments)
    if method not in SAFE_METHODS and (reason := _refused(request)):
        return ProblemResponse(403, detail=reason)
    return handler.plan, values


def _is_as_sent(request: HttpRequest, method: str) -> bool:
    """Return whether the method came in upper case: names of methods are case-sensitive (RFC 9110, section 9.1)."""
    scope: Mapping[str, Any] | None = getattr(request, "scope", None)
    sent = scope["method"] if scope is not None else request.META.get("REQUEST_METHOD", method)
    # A middleware that overrides the method has changed more than its case, on purpose.
    return sent == method or sent.upper() != method


def _refused(request: HttpRequest) -> str | None:
    fetch_site, origin = request.META.get("HTTP_SEC_FETCH_SITE"), request.META.get("HTTP_ORIGIN")
    if fetch_site is None and origin is None:
        return None
    own = f"{request.scheme}://{request.get_host()}"
    return refused_origin(fetch_site, origin, own, settings.CSRF_TRUSTED_ORIGINS)
