"""
Call the middleware and the view of a request as Django's handler does, with what can be known beforehand left out.

Each method here is in the place of one of Django's, and gives way to it where a tracer has put its own there.
"""

import asyncio
from inspect import CO_COROUTINE
from types import FunctionType
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, URLResolver, base, get_resolver
from django.utils.log import log_response

from django_routehandlers.engine.chain import Chain, GetResponse
from django_routehandlers.engine.hooks import Hook
from django_routehandlers.engine.internals import as_released
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.engine.locals import LocalValue
from django_routehandlers.engine.static_matches import StaticMatches

GET_RESPONSE = as_released(BaseHandler, "get_response_async")
"""Django's method, if it is still its own."""
_CALL_VIEW = as_released(BaseHandler, "_get_response_async")
_RESOLVE = as_released(URLResolver, "resolve")
_RESOLVE_REQUEST = as_released(BaseHandler, "resolve_request")


class Answering(Chain):
    """A handler that answers requests with fewer calls than Django's."""

    def __init__(self) -> None:
        super().__init__()
        self._static: StaticMatches | None = None
        self.urlconf = LocalValue(vars(base)["_urlconfs"], "value")
        """That of the request, where Django looks for it."""

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Return the match of a request's URL, and set it on the request."""
        if (
            hasattr(request, "urlconf")
            or URLResolver.resolve is not _RESOLVE
            or BaseHandler.resolve_request is not _RESOLVE_REQUEST
        ):
            return super().resolve_request(request)
        resolver = get_resolver(setting("ROOT_URLCONF"))
        static = self._static
        if static is None or static.resolver is not resolver:
            static = self._static = StaticMatches(resolver)
        match = request.resolver_match = static.resolve(request.path_info)
        return match

    async def get_response_async(self, request: HttpRequest) -> Any:
        """Return the response to *request*, as the middleware and the view make it."""
        if BaseHandler.get_response_async is not GET_RESPONSE:
            return await super().get_response_async(request)
        if urlconf := setting("ROOT_URLCONF"):
            self.urlconf.set(urlconf)
        response = await cast("GetResponse", vars(self)["_middleware_chain"])(request)
        await self.note(request, response)
        return response

    async def note(self, request: HttpRequest, response: Any) -> None:
        """Have the request closed with its response, and log a failure."""
        response._resource_closers.append(request.close)
        if response.status_code >= 400 and not getattr(response, "_has_been_logged", False):
            log = sync_to_async(log_response, thread_sensitive=False)
            await log("%s: %s", response.reason_phrase, request.path, response=response, request=request)

    async def _get_response_async(self, request: HttpRequest) -> Any:
        if BaseHandler._get_response_async is not _CALL_VIEW:  # type: ignore[attr-defined]
            return await cast("Any", super())._get_response_async(request)
        match: Any = self.resolve_request(request)
        # Its __getitem__ would be called four times.
        is_djangos = match.__class__ is ResolverMatch
        view, args, kwargs = (match.func, match.args, match.kwargs) if is_djangos else match
        response: Any = None
        for hook in vars(self)["_view_middleware"]:
            if hook.__class__ is Hook and (hook.is_free is None or hook.is_free(request, view)):
                response = hook.call(request, view, args, kwargs)
            else:
                response = await hook(request, view, args, kwargs)
            if response:
                break
        if response is None:
            call: Any = self.make_view_atomic(view)
            if not _is_async(call):
                call = sync_to_async(call, thread_sensitive=True)
            try:
                response = await call(request, *args, **kwargs)
            except Exception as error:
                response = await self._answer_error(error, request)
                if response is None:
                    raise
        if isinstance(response, HttpResponseBase) and not hasattr(response, "render"):
            return response
        self.check_response(cast("Any", response), view)
        return await self._rendered(request, response)

    async def _answer_error(self, error: Exception, request: HttpRequest) -> Any:
        """Return what the middleware make of an error of the view; ``None`` where none of them answers it."""
        ask = sync_to_async(self.process_exception_by_middleware, thread_sensitive=True)
        return await ask(error, request)

    async def _rendered(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """Return a response whose content the middleware may still have a say in."""
        if hasattr(response, "render") and callable(response.render):
            for hook in vars(self)["_template_response_middleware"]:
                response = await hook(request, response)
                name = f"{hook.__self__.__class__.__name__}.process_template_response"
                self.check_response(response, hook, name=name)
            try:
                render: Any = response.render
                if _is_async(render):
                    response = await render()
                else:
                    response = await sync_to_async(render, thread_sensitive=True)()
            except Exception as error:
                response = await self._answer_error(error, request)
                if response is None:
                    raise
        if asyncio.iscoroutine(response):
            raise RuntimeError("Response is still a coroutine.")
        return response


def _is_async(call: Any) -> bool:
    # Nearly every view is a function, of which this is known at once.
    if call.__class__ is FunctionType and call.__code__.co_flags & CO_COROUTINE:
        return True
    return iscoroutinefunction(call)  # pyright: ignore[reportDeprecated]
