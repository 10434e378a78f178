"""
Turn the methods of a route into a view for the event loop, and into one for a thread.

One body of logic, before and after the handler; two thin edges around it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.after import Deferred
from django_routehandlers.handlers.cached_get import tell_cache
from django_routehandlers.handlers.current_user import auser_of, user_of
from django_routehandlers.handlers.failures import Fail, answer_failure, answer_refusal
from django_routehandlers.handlers.judging import (
    MethodTable,
    ajudge,
    is_as_sent,
    judge,
)
from django_routehandlers.handlers.kept_conditions import held_to_conditions
from django_routehandlers.handlers.streaming import start, start_on_loop
from django_routehandlers.handlers.wrapping import View
from django_routehandlers.policies.csrf import SAFE_METHODS


def async_view(table: MethodTable, fail: Fail = answer_failure) -> View:
    """Return the view that answers on the event loop; *fail* answers what its handlers raise."""
    answer = _async_answer(table)
    cached, is_within = table.cached, fail is answer_refusal

    async def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        method = request.method or ""
        deferred = None if is_within else _deferred(request, table)
        streams: bool | None = None
        try:
            response = await answer(request, method, segments)
            if streams := response.streaming:
                response = await start_on_loop(request, response)
        except Exception as error:
            streams = None
            response = fail(error, request)
        finally:
            if deferred is not None:
                deferred.leave(streams=streams)
        return tell_cache(request, response, is_cached=method in cached)

    return view


def _async_answer(table: MethodTable) -> Callable[[HttpRequest, str, Mapping[str, Any]], Awaitable[HttpResponseBase]]:
    calls = {method: handler.async_call() for method, handler in table.handlers.items()}
    guarded = {} if table.guard is None else table.guard.async_calls(table.handlers)
    cached, waits = table.cached, table.csrf.waits

    async def answer(request: HttpRequest, method: str, segments: Mapping[str, Any]) -> HttpResponseBase:
        if method in cached and is_as_sent(request, method):
            return held_to_conditions(request, await cached[method].aanswer(request, segments))
        asks = waits and method not in SAFE_METHODS
        ready = await ajudge(request, segments, table) if asks else judge(request, segments, table)
        if isinstance(ready, HttpResponseBase):
            return ready
        plan, values = ready
        if plan.user is not None:
            plan.take_user(await auser_of(request), values)
        if plan.content is not None and plan.waits(request):
            await sync_to_async(plan.read, thread_sensitive=True)(request, values)
        elif plan.reads:
            plan.read(request, values)
        args, kwargs = plan.arguments(request, values)
        if method in guarded:
            return await guarded[method](request, segments, (args, kwargs))
        return await calls[method](*args, **kwargs)

    return answer


def sync_view(table: MethodTable, fail: Fail = answer_failure) -> View:
    """Return the view that answers in a thread; *fail* answers what its handlers raise."""
    answer = _sync_answer(table)
    cached, is_within = table.cached, fail is answer_refusal

    def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        method = request.method or ""
        deferred = None if is_within else _deferred(request, table)
        streams: bool | None = None
        try:
            response = answer(request, method, segments)
            if streams := response.streaming:
                response = start(request, response)
        except Exception as error:
            streams = None
            response = fail(error, request)
        finally:
            if deferred is not None:
                deferred.leave(streams=streams)
        return tell_cache(request, response, is_cached=method in cached)

    return view


def _sync_answer(table: MethodTable) -> Callable[[HttpRequest, str, Mapping[str, Any]], HttpResponseBase]:
    calls = {method: handler.sync_call() for method, handler in table.handlers.items()}
    guarded = {} if table.guard is None else table.guard.sync_calls(table.handlers)
    cached = table.cached

    def answer(request: HttpRequest, method: str, segments: Mapping[str, Any]) -> HttpResponseBase:
        if method in cached and is_as_sent(request, method):
            return held_to_conditions(request, cached[method].answer(request, segments))
        ready = judge(request, segments, table)
        if isinstance(ready, HttpResponseBase):
            return ready
        plan, values = ready
        if plan.user is not None:
            plan.take_user(user_of(request), values)
        plan.read(request, values)
        args, kwargs = plan.arguments(request, values)
        if method in guarded:
            return guarded[method](request, segments, (args, kwargs))
        return calls[method](*args, **kwargs)

    return answer


def _deferred(request: HttpRequest, table: MethodTable) -> Deferred | None:
    # What is cached forbids it: after() would run for each run of the handler, not for each request.
    return None if request.method in table.cached else Deferred(request, table.handlers)
