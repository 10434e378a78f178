"""
Answer plain requests with one coroutine around the view, in place of one for each layer.

A plain request asks for something, brings no content and no cookie, and meets no middleware but such as Django's
own, which are done at once (``plain_run``). Nearly all the calls of an API are of this kind. Whatever is out of
the ordinary on its way in goes the whole way, as if nothing had been; on its way out, to the hooks one by one.
"""

import io
from typing import Any

from asgiref.sync import AsyncToSync
from django.core import signals
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest

from django_routehandlers.engine.answering import GET_RESPONSE
from django_routehandlers.engine.arriving import Message, Receive
from django_routehandlers.engine.chain import HookRun, response_for_error
from django_routehandlers.engine.exchange import Scope, Send
from django_routehandlers.engine.handler import EngineHandler, closes_at_once, start_of
from django_routehandlers.engine.leaving import run_unless_left
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.engine.receivers import FINISHED, STARTED, are_djangos
from django_routehandlers.engine.shared_caches import are_kept_open
from django_routehandlers.engine.stepping import unbroken
from django_routehandlers.engine.threads import request_thread

# Fields of a request that has content, or that somebody on its way may know.
_TELLING = frozenset({b"cookie", b"content-length", b"content-type", b"transfer-encoding", b"expect"})


class ShortWay(EngineHandler):
    """The engine, with a shorter way for plain requests."""

    def __init__(self) -> None:
        super().__init__()
        self._run, self._is_open = self._whole_chain()
        self._plain = None if self._run is None else self._run.plain

    def _whole_chain(self) -> tuple[HookRun | None, bool]:
        """Return the middleware, where they are one run, and whether there are no others."""
        chain: Any = vars(self)["_middleware_chain"]
        run: object = getattr(chain, "__self__", None)
        if isinstance(run, HookRun):
            innermost = getattr(run.get_response, "__wrapped__", None)
            return run, run.plain is not None and innermost == self._get_response_async
        return None, getattr(chain, "__wrapped__", None) == self._get_response_async

    def may_be_short(self, scope: Scope) -> bool:
        """Return whether a request seems to be a plain one."""
        if not self._is_open or scope["method"] != "GET" or not scope.get("http_version", "").startswith("1"):
            return False
        if scope.get("root_path") or self.has_set_prefix or setting("FORCE_SCRIPT_NAME"):
            return False
        for name, _ in scope["headers"]:
            if name in _TELLING:
                return False
        return BaseHandler.get_response_async is GET_RESPONSE and are_djangos(signals.request_started, STARTED)

    def send_at_length(self, scope: Scope, receive: Receive, send: Send) -> Send:
        """Return what sends a response that is more than a start and a piece."""
        return send

    async def answer_short(self, scope: Scope, receive: Receive, send: Send) -> Message | None:
        """
        Answer a request that is plain.

        Returns:
            ``None``; or what has been received of a request that is not plain, and that is still to be answered.
        """
        message = await receive()
        if message["type"] != "http.request" or message.get("body") or message.get("more_body"):
            return message
        content = io.BytesIO()
        request: HttpRequest | None = self.create_request(scope, content)[0]
        if request is None or not (self._plain is None or self._plain.enter(request)):
            return message
        if urlconf := setting("ROOT_URLCONF"):
            self.urlconf.set(urlconf)
        ending = _Ending()
        try:
            work = self._respond(request, ending, scope, receive, send)
            await run_unless_left(work, lambda: self.listen_for_disconnect(receive))
        finally:
            try:
                await self._end_plainly(request, ending)
            finally:
                content.close()
        return None

    async def _respond(
        self, request: HttpRequest, ending: "_Ending", scope: Scope, receive: Receive, send: Send
    ) -> None:
        response = ending.response = await self._answer_plainly(request)
        response._handler_class = self.sender
        if response.status_code < 400 and closes_at_once(response, None) and "_files" not in vars(request):
            ending.is_short = True
            await send(start_of(response))
            await send({"type": "http.response.body", "body": response.content})
        else:
            await self.note(request, response)
            await self.send_response(response, self.send_at_length(scope, receive, send))

    async def _answer_plainly(self, request: HttpRequest) -> Any:
        """Return the response to a request that the middleware have let in."""
        run, response = self._run, None
        reached = within = 0 if run is None else len(run.layers)
        try:
            response = await self._get_response_async(request)
        except Exception as error:
            response, reached = await response_for_error(request, error, within)
        if run is None:
            return response
        left = run.plain.leave(request, response) if run.plain is not None and reached == within else None
        return await run.leave(request, response, reached) if left is None else left

    async def _end_plainly(self, request: HttpRequest, ending: "_Ending") -> None:
        thread = request_thread.get()
        if thread is not None and thread.is_used:
            # As behind the whole way.
            AsyncToSync.executors.current = None
        if (
            ending.is_short
            and thread is not None
            and not thread.is_busy
            and are_djangos(signals.request_finished, FINISHED)
            and are_kept_open()
        ):
            ending.response.closed = True
            self.urlconf.unset()
        elif not self.finish_at_once(ending.response, request):
            await unbroken(self.finish(ending.response))


class _Ending:
    """What is known of a request when it ends, however it does."""

    __slots__ = ("is_short", "response")

    def __init__(self) -> None:
        self.response: Any = None
        self.is_short = False
