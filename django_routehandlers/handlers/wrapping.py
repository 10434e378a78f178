"""
Put layers around the view of a route, once, at start-up.

A layer that is async runs on the event loop, any other one in the request's thread. Two that are
of one kind call each other; a change of threads is made where two kinds meet, and nowhere else. So a
chain of one kind costs what its functions cost.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.after import Deferred
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.failures import answer_failure, answer_refusal
from django_routehandlers.handlers.layers import Layer
from django_routehandlers.handlers.passage import Passage
from django_routehandlers.handlers.streaming import start, start_on_loop
from django_routehandlers.responses.conversion import to_response

View = Callable[..., Any]
_Step = Callable[[Passage, HttpRequest], HttpResponseBase]
_AStep = Callable[[Passage, HttpRequest], Awaitable[HttpResponseBase]]


def wrap(view: View, layers: Sequence[Layer], handlers: Mapping[str, BoundHandler], *, is_async: bool) -> View:
    """
    Return the view that runs *layers* around *view*.

    Args:
        view: Answers the route, and raises what it cannot answer.
        layers: Outermost first; one at least.
        handlers: Method → handler, for what is logged of ``after()``.
        is_async: Whether *view* is. Where it is of the kind of the innermost layer, nothing comes between the two.
    """
    step: Any = _acore(view) if is_async else _core(view)
    for layer in reversed(layers):
        if layer.is_async:
            step = _alayer(layer, step if is_async else sync_to_async(step, thread_sensitive=True))
        else:
            step = _layer(layer, _bridged(step) if is_async else step)
        is_async = layer.is_async
    is_public = all(layer.is_public for layer in layers)
    kind = _aview if is_async else _view
    return kind(step, handlers, is_public=is_public)


def _acore(view: View) -> _AStep:
    async def step(passage: Passage, request: HttpRequest) -> HttpResponseBase:
        passage.enter(request)
        return passage.note(request, await view(request, **passage.segments))

    return step


def _core(view: View) -> _Step:
    def step(passage: Passage, request: HttpRequest) -> HttpResponseBase:
        passage.enter(request)
        return passage.note(request, view(request, **passage.segments))

    return step


def _alayer(layer: Layer, within: _AStep) -> _AStep:
    call: Any = layer.function if layer.is_plainly_async else _awaited(layer.function)

    async def step(passage: Passage, request: HttpRequest) -> HttpResponseBase:
        try:
            result = await call(request, partial(within, passage))
            if passage.is_known(result):
                return result
            response = to_response(result, handler=layer.label)
            if response.streaming:
                response = await start_on_loop(request, response)
                passage.note_stream(response)
        except Exception as error:
            response = answer_refusal(error, request)
        return response

    return step


def _layer(layer: Layer, within: _Step) -> _Step:
    call: Any = layer.function

    def step(passage: Passage, request: HttpRequest) -> HttpResponseBase:
        try:
            result = call(request, partial(within, passage))
            if passage.is_known(result):
                return result
            response = to_response(result, handler=layer.label)
            if response.streaming:
                response = start(request, response)
                passage.note_stream(response)
        except Exception as error:
            response = answer_refusal(error, request)
        return response

    return step


def _awaited(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    # A sync decorator around an async function returns what is still to be awaited.
    async def call(request: HttpRequest, call_next: Any) -> Any:
        result = function(request, call_next)
        return await result if inspect.isawaitable(result) else result

    return call


def _bridged(step: _AStep) -> _Step:
    def call(passage: Passage, request: HttpRequest) -> HttpResponseBase:
        return async_to_sync(step)(passage, request)

    return call


def _aview(step: _AStep, handlers: Mapping[str, BoundHandler], *, is_public: bool) -> View:
    async def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        passage, deferred = Passage(segments), Deferred(request, handlers)
        streams: bool | None = None
        try:
            response = await step(passage, request)
            streams = response.streaming
        except BaseException as error:
            await passage.aclose()
            if not isinstance(error, Exception):
                raise
            response = answer_failure(error, request)
        finally:
            deferred.leave(streams=streams)
        return passage.finish(request, response, is_public=is_public)

    return view


def _view(step: _Step, handlers: Mapping[str, BoundHandler], *, is_public: bool) -> View:
    def view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        passage, deferred = Passage(segments), Deferred(request, handlers)
        streams: bool | None = None
        try:
            response = step(passage, request)
            streams = response.streaming
        except BaseException as error:
            passage.close()
            if not isinstance(error, Exception):
                raise
            response = answer_failure(error, request)
        finally:
            deferred.leave(streams=streams)
        return passage.finish(request, response, is_public=is_public)

    return view
