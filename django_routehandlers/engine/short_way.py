"""
Answer plain requests with one coroutine around the view, in place of one for each layer.

A plain request brings no cookie, and little content, and meets no middleware but such as Django's own, which
are done at once (``plain_run``). Nearly all the calls of an API are of this kind. Whatever is out of
the ordinary on its way in goes the whole way, as if nothing had been; on its way out, to the hooks one by one.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from asgiref.sync import AsyncToSync
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers import asgi
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest

from django_routehandlers.engine.answering import GET_RESPONSE
from django_routehandlers.engine.arriving import Receive
from django_routehandlers.engine.chain import HookRun, response_for_error
from django_routehandlers.engine.exchange import Scope, Send
from django_routehandlers.engine.handler import EngineHandler, closes_at_once, nobody_waits, start_of
from django_routehandlers.engine.internals import as_released
from django_routehandlers.engine.leaving import run_unless_left
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.engine.receivers import STARTED, are_djangos
from django_routehandlers.engine.stepping import Work, unbroken
from django_routehandlers.engine.threads import RequestThread, request_thread

_CREATE_REQUEST = as_released(ASGIHandler, "create_request")
_CLOSE, _CLOSE_STREAM = as_released(HttpRequest, "close"), as_released(asgi.ASGIRequest, "close")
_CALLED = frozenset({"get_response_async", "run_get_response", "create_request", "send_response", "resolve_request"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
TOLD_BY_FIELDS = ("1.0", "1.1")
"""Versions of HTTP in which a field tells of content without a length."""
_FIELDS_OF_OTHERS = frozenset({b"cookie", b"content-length", b"transfer-encoding"})


class ShortWay(EngineHandler):
    """The engine, with a shorter way for plain requests."""

    def __init__(self) -> None:
        super().__init__()
        self._chain: Any = vars(self)["_middleware_chain"]
        self._run, self._is_open = self._whole_chain()
        self._plain = None if self._run is None else self._run.plain
        # A handler of others may have methods of its own.
        self._is_open = self._is_open and self.sender is ASGIHandler

    def _whole_chain(self) -> tuple[HookRun | None, bool]:
        """Return the middleware, where they are one run, and whether there are no others."""
        chain = self._chain
        run: object = getattr(chain, "__self__", None)
        if isinstance(run, HookRun):
            innermost = getattr(run.get_response, "__wrapped__", None)
            return run, run.plain is not None and innermost == self._get_response_async
        return None, getattr(chain, "__wrapped__", None) == self._get_response_async

    def send_behind_content(self, send: Send) -> Send:
        """Return what sends the response to a request whose content has been read to its end."""
        return send

    def whole_send(self, scope: Scope, receive: Receive, send: Send) -> Send:
        """Return what sends a response that is out of the ordinary, such as a stream."""
        return send

    def at_once(self, scope: Scope, receive: Receive, send: Send) -> Work | None:
        """
        Return what answers a request that is surely without content, and seems plain; ``None`` for any other.

        It returns whether the request is plain; nothing has been done for one that is not. *receive* is called only
        while the view waits, as all that can come is that the client has left.
        """
        if scope["method"] not in ("GET", "HEAD") or scope.get("http_version", "1.1") not in TOLD_BY_FIELDS:
            return None
        for name, _ in scope["headers"]:
            if name in _FIELDS_OF_OTHERS:
                return None
        if setting("FORCE_SCRIPT_NAME") or scope.get("root_path") or not self._may_be_short():
            return None
        whole_send = partial(self.whole_send, scope, receive, send)
        return self._answer_short(scope, io.BytesIO(), partial(self._listen, receive), send, whole_send)

    async def _listen(self, receive: Receive) -> None:
        """Wait for the client to leave; its request may still be there, without content."""
        while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
            pass
        if message["type"] == "http.disconnect":
            raise RequestAborted
        await self.listen_for_disconnect(receive)

    async def answer(self, scope: Scope, content: Any, receive: Receive, send: Send) -> None:
        """Answer a request whose content has been received."""
        if _is_plain(scope, content) and self._may_be_short():
            listen = partial(self.listen_for_disconnect, receive)
            if await self._answer_short(scope, content, listen, self.send_behind_content(send), lambda: send):
                return
        await super().answer(scope, content, receive, send)

    def _may_be_short(self) -> bool:
        # Within a sync caller there is somebody else's thread, which it waits in.
        if not self._is_open or self.has_set_prefix or request_thread.get() is None:
            return False
        own = vars(self)
        return (
            # What was put into this handler later counts.
            own["_middleware_chain"] is self._chain
            and own.keys().isdisjoint(_CALLED)
            and BaseHandler.get_response_async is GET_RESPONSE
            and ASGIHandler.create_request is _CREATE_REQUEST
            and are_djangos(signals.request_started, STARTED)
        )

    async def _answer_short(
        self, scope: Scope, content: Any, listen: Callable[[], Work], send: Send, whole_send: Callable[[], Send]
    ) -> bool:
        """Answer a request that is plain; return whether it is one."""
        try:
            request = self.request_class(scope, content)
        except Exception:
            # It is answered, and logged, on the whole way.
            return False
        if self._plain is not None and not self._plain.enter(request):
            return False
        if urlconf := setting("ROOT_URLCONF"):
            self.urlconf.set(urlconf)
        ending = _Ending()
        try:
            await run_unless_left(self._respond(request, ending, send, whole_send), listen)
        except RequestAborted:
            # As Django has it, whoever raises it.
            pass
        finally:
            if not self._end_at_once(request, ending) and not self.finish_at_once(ending.response, request):
                await unbroken(self.finish(ending.response))
        return True

    async def _respond(
        self, request: HttpRequest, ending: "_Ending", send: Send, whole_send: Callable[[], Send]
    ) -> None:
        run = self._run
        reached = within = 0 if run is None else len(run.layers)
        try:
            response: Any = await self._get_response_async(request)
        except Exception as error:
            response, reached = await response_for_error(request, error, within)
        if run is not None:
            left = run.plain.leave(request, response) if run.plain is not None and reached == within else None
            response = await run.leave(request, response, reached) if left is None else left
        ending.response = response
        self.adopt(response)
        if response.status_code < 400 and closes_at_once(response, None) and _has_nothing_to_close(request):
            ending.is_short = True
            await send(start_of(response))
            await send({"type": "http.response.body", "body": response.content})
        else:
            await self.note(request, response)
            await self.send_response(response, whole_send())

    def _end_at_once(self, request: HttpRequest, ending: "_Ending") -> bool:
        """End a request with nothing to be closed; return whether it is one."""
        thread = cast("RequestThread", request_thread.get())
        if thread.is_used:
            # As behind the whole way.
            AsyncToSync.executors.current = None
        if not ending.is_short:
            return False
        if not nobody_waits():
            # Somebody is told, and the request is closed behind that.
            ending.response._resource_closers.append(request.close)
            return False
        ending.response.closed = True
        self.urlconf.unset()
        return True


def _is_plain(scope: Scope, content: Any) -> bool:
    if content.__class__ is not io.BytesIO or scope["method"] not in _METHODS:
        return False
    for name, _ in scope["headers"]:  # noqa: SIM110 - for each request: a generator takes several times as long
        if name == b"cookie":
            return False
    return True


def _has_nothing_to_close(request: HttpRequest) -> bool:
    own = vars(request)
    return (
        "_files" not in own
        and "close" not in own
        and HttpRequest.close is _CLOSE
        and asgi.ASGIRequest.close is _CLOSE_STREAM
    )


class _Ending:
    """What is known of a request when it ends, however it does."""

    __slots__ = ("is_short", "response")

    def __init__(self) -> None:
        self.response: Any = None
        self.is_short = False
