"""
Turn ``settings.MIDDLEWARE`` into a chain in which what waits for nothing runs on the event loop.

Django loads the middleware, and our part is to adapt: where Django would wrap a hook of its own
into a thread, or a middleware of its own into one coroutine more, one loop calls the hooks of
several in a row. What the middleware of others sees is what Django shows it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers import exception
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from django_routehandlers.engine.hooks import HOOKS, Hook, hook_of, is_known, part_of
from django_routehandlers.engine.plain_run import Part, PlainRun, plain_run
from django_routehandlers.engine.threads import request_thread

GetResponse = Callable[[HttpRequest], Awaitable[Any]]


Layer = tuple[Hook | None, Hook | None]
"""Of a middleware its ``process_request`` and ``process_response``."""


@dataclass(frozen=True, slots=True)
class HookRun:
    """Several middleware of Django's own in a row, the outermost first, and what is within them."""

    layers: tuple[Layer, ...]
    requests: tuple[tuple[int, Hook], ...]
    """The first hook of each, with the middleware's place."""
    responses: tuple[tuple[int, Hook], ...]
    """The second one of each, in the order in which they are called."""
    get_response: GetResponse
    parts: tuple[Part, ...]
    """What each does for a plain request; none where one has something to do for each."""
    plain: PlainRun | None
    """All of these as one."""

    async def answer(self, request: HttpRequest) -> Any:
        """Return what the middleware make of a request, as each would in the place of the other."""
        response: Any = None
        reached = len(self.layers)
        plain = self.plain if self.plain is not None and self.plain.enter(request) else None
        for place, hook in self.requests if plain is None else ():
            try:
                if hook.is_free is None or hook.is_free(request):
                    response = hook.call(request)
                else:
                    response = await hook.in_thread(request)
            except Exception as error:
                response, reached = await response_for_error(request, error, place)
                break
            if response:
                reached = place + 1
                break
        else:
            try:
                response = await self.get_response(request)
            except Exception as error:
                response, reached = await response_for_error(request, error, reached - 1)
        if plain is not None and reached == len(self.layers):
            left = plain.leave(request, response)
            if left is not None:
                return left
        return await self.leave(request, response, reached)

    async def leave(self, request: HttpRequest, response: Any, reached: int) -> Any:
        """Return what the first *reached* of the middleware make of a response on its way out."""
        for place, hook in self.responses:
            if place < reached:
                try:
                    # Of what is no response, the hook itself complains.
                    is_response = isinstance(response, HttpResponseBase)
                    if is_response and (hook.is_free is None or hook.is_free(request, response)):
                        response = hook.call(request, response)
                    else:
                        response = await hook.in_thread(request, response)
                except Exception as error:
                    response, reached = await response_for_error(request, error, place)
        return response


def _hook_run(layers: tuple[Layer, ...], parts: tuple[Part, ...], get_response: GetResponse) -> HookRun:
    numbered = list(enumerate(layers))
    return HookRun(
        layers,
        tuple((place, first) for place, (first, _) in numbered if first is not None),
        tuple((place, second) for place, (_, second) in reversed(numbered) if second is not None),
        get_response,
        parts,
        plain_run(parts) if parts else None,
    )


async def response_for_error(request: HttpRequest, error: Exception, place: int) -> tuple[Any, int]:
    """
    Return what the middleware at *place* answers to *error*, which is being handled, and its place.

    Where that fails, it is for the next one around it to answer.
    """
    try:
        convert = sync_to_async(exception.response_for_exception, thread_sensitive=False)
        return await convert(request, error), place
    except Exception as another:
        if place == 0:
            raise
        return await response_for_error(request, another, place - 1)


class Chain(BaseHandler):
    """A handler whose middleware is Django's own where it says so, and needs no thread without need."""

    def adapt_method_mode(
        self,
        is_async: bool,
        method: Any,
        method_is_async: bool | None = None,
        debug: bool = False,
        name: str | None = None,
    ) -> Any:
        """Return *method* as a coroutine function or a sync one. What Django calls to build its chain."""
        if method_is_async and (run := _run_of(method)) is not None:
            method = run.answer
        if is_async and isinstance(method, MethodType) and method.__name__ in HOOKS and is_known(method.__self__):
            return hook_of(method.__self__, method.__name__)
        if not is_async and method_is_async:
            method = _waited_for(method)
        return super().adapt_method_mode(is_async, method, method_is_async, debug, name)


def _run_of(converted: Any) -> HookRun | None:
    """Return a middleware of Django's own, and those of Django's own right within it, as one; else ``None``."""
    if getattr(converted, "__code__", None) is not _CONVERTED:
        return None
    middleware = converted.__wrapped__
    if isinstance(middleware, MethodType) or not is_known(middleware):
        return None
    layer = hook_of(middleware, "process_request"), hook_of(middleware, "process_response")
    part = part_of(middleware, layer)
    parts = () if part is None else (part,)
    inner = middleware.get_response
    within = getattr(inner, "__self__", None)
    # What each request has to be shown to is not between what plain ones pass by.
    if isinstance(within, HookRun) and bool(within.parts) == bool(parts):
        return _hook_run((layer, *within.layers), (*parts, *within.parts), within.get_response)
    return _hook_run((layer,), parts, inner)


async def _nobody(request: HttpRequest) -> HttpResponse:
    """Stand for a middleware, to see how Django wraps one."""
    raise NotImplementedError


_CONVERTED = getattr(exception.convert_exception_to_response(_nobody), "__code__", None)


def _waited_for(method: GetResponse) -> GetResponse:
    """Return *method* for a sync middleware, which holds a thread while it waits for the answer."""

    async def get_response(request: HttpRequest, *args: Any) -> Any:
        thread = request_thread.get()
        if thread is None:
            return await method(request, *args)
        thread.let_others_work()
        try:
            return await method(request, *args)
        finally:
            thread.work_again()

    return get_response
