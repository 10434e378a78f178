"""
A handler, ready to be called: in a thread or on an event loop, to its response.

What an author wrote may be async or sync, decorated or not, a generator or not; whoever answers
a request calls it in one way.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.functions import Handler, is_async, is_coroutine_function
from django_routehandlers.handlers.limited import limited, limited_in_thread, limited_stream
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.returns import Returns
from django_routehandlers.responses.stream import StreamResponse


@dataclass(frozen=True, slots=True)
class BoundHandler:
    """A handler with the plan that fills its parameters."""

    function: Handler
    plan: Plan
    returns: Returns
    label: str
    """What errors call it: route id, method and file."""
    max_duration: float | None = None
    """Seconds that it may take, a stream that it returns included; ``None`` for any time."""

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
        wait = _wait if self.max_duration is None else limited(_wait, self.max_duration, self.label)

        def respond(*args: Any, **kwargs: Any) -> HttpResponseBase:
            result = call(*args, **kwargs)
            # An async function below a decorator without functools.wraps looks like a plain one.
            return self._respond(async_to_sync(wait)(result) if inspect.isawaitable(result) else result)

        return respond if self.max_duration is None else limited_stream(respond, self.max_duration, self.label)

    def async_call(self) -> Callable[..., Awaitable[HttpResponseBase]]:
        """Return what runs the handler to its response on the event loop, in a worker thread where it is sync."""
        function = self.function
        limit = self.max_duration
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            call = _returns(function)
        elif is_coroutine_function(function):
            call = function
        elif self.is_written_async:
            # A sync decorator around an async handler returns what is still to be awaited.
            call = _awaited(sync_to_async(_contained(function), thread_sensitive=True))
        else:
            # What it returns becomes bytes in the same thread, where the database may be asked.
            contained = _contained(self.sync_call())
            if limit is not None:
                return limited_in_thread(contained, limit, self.label)
            return sync_to_async(contained, thread_sensitive=True)

        async def respond(*args: Any, **kwargs: Any) -> HttpResponseBase:
            return self._respond(await call(*args, **kwargs))

        return respond if limit is None else limited(respond, limit, self.label)

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


async def _wait(result: Awaitable[Any]) -> Any:
    return await result
