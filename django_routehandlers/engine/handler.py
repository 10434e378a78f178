"""
Answer requests as Django's ASGI handler does, in the same order and with the same signals, by a shorter way.

No thread is taken that has nothing to do, the content is kept in memory while it fits there, and the
client is listened for only while a view waits. Which requests need a thread shows on their way.
"""

import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO, Any, cast

from asgiref.sync import AsyncToSync, sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase, ResponseHeaders
from django.urls import set_script_prefix

from django_routehandlers.engine.answering import Answering
from django_routehandlers.engine.arriving import ArrivingContent, Message, Receive
from django_routehandlers.engine.exchange import Scope, Send
from django_routehandlers.engine.internals import as_released
from django_routehandlers.engine.leaving import run_unless_left
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.engine.own_thread import no_own_thread, own_thread
from django_routehandlers.engine.receivers import FINISHED, STARTED, are_djangos
from django_routehandlers.engine.request import ASGIRequest
from django_routehandlers.engine.shared_caches import are_kept_open, share_caches
from django_routehandlers.engine.stepping import unbroken
from django_routehandlers.engine.threads import has_thread, request_thread
from django_routehandlers.fields import ConstantField

# A tracer may have put its own in their place by now, or may do so later.
_DJANGOS_CALL = as_released(ASGIHandler, "__call__")
_ITEMS = HttpResponseBase.items
_DJANGOS_CLOSE = as_released(HttpResponseBase, "close")


class EngineHandler(Answering, ASGIHandler):
    """Django's ASGI handler without the threads that it does not need."""

    request_class = ASGIRequest

    def __init__(self) -> None:
        share_caches()
        super().__init__()
        self.has_set_prefix = False
        """Whether a request has come with one that is not ``/``."""
        # Whoever receives the signals of Django's handler receives ours; a handler of others has its own.
        is_ours = type(self).__module__.startswith("django_routehandlers.")
        self.sender: type[ASGIHandler] = ASGIHandler if is_ours else type(self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, its sync calls on one thread, if there are any."""
        if scope["type"] != "http":
            await self.answer_other(scope, receive, send)
            return
        if has_thread():
            # Django's uses the thread that is there.
            with no_own_thread():
                await super().__call__(scope, receive, send)
            return
        own = own_thread()
        own.enter()
        try:
            if ASGIHandler.__call__ is _DJANGOS_CALL:
                await self.handle(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            own.leave()

    async def answer_other(self, scope: Any, receive: Any, send: Any) -> None:
        """Refuse what is not HTTP, as Django does."""
        await super().__call__(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            content: Any = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            prefix = setting("FORCE_SCRIPT_NAME") or scope.get("root_path")
            # To set it takes as long as three middleware, and "/" is what holds where nothing was set.
            if prefix or self.has_set_prefix:
                self.has_set_prefix = True
                set_script_prefix(get_script_prefix(scope))
            await self.answer(scope, content, receive, send)
        finally:
            content.close()

    async def answer(self, scope: Scope, content: Any, receive: Receive, send: Send) -> None:
        """Answer a request whose content has been received."""
        request: HttpRequest | None = None
        response: HttpResponseBase | None = None

        async def respond() -> None:
            nonlocal response
            if request is not None:
                response = await self.run_get_response(request)
            if response is not None:
                await self.send_response(response, send)

        try:
            if not are_djangos(signals.request_started, STARTED):
                # Whoever has been told of the start is told of the end, and the other way round.
                await unbroken(signals.request_started.asend(sender=self.sender, scope=scope))
            request, response = self.create_request(scope, content)
            await run_unless_left(respond(), lambda: self.listen_for_disconnect(receive))
        except RequestAborted:
            # As Django has it, whoever raises it.
            pass
        finally:
            if not self.finish_at_once(response, request):
                await unbroken(self.finish(response))

    def finish_at_once(self, response: HttpResponseBase | None, request: HttpRequest | None) -> bool:
        """End a request behind whose end nobody waits; return whether that was possible."""
        if not nobody_waits() or not (response is None or closes_at_once(response, request)):
            return False
        if response is not None:
            _close(response)
        self.urlconf.unset()
        return True

    async def finish(self, response: HttpResponseBase | None) -> None:
        """End a request, with all that happens then."""
        if response is None:
            await signals.request_finished.asend(sender=self.sender)
        else:
            await sync_to_async(response.close)()

    async def run_get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response to *request*."""
        thread = request_thread.get()
        # In a thread of somebody else's there may be one around this request as well.
        bridge = getattr(AsyncToSync.executors, "current", None) if thread is None else None
        try:
            response: Any = await self.get_response_async(request)
        finally:
            # asgiref leaves that of a sync middleware behind where the request is cancelled, and all that
            # is still to be done in a thread would fail.
            if thread is None or thread.is_used:
                AsyncToSync.executors.current = bridge
        content = vars(request)["_stream"]
        # A stream may read on while it is sent.
        if isinstance(content, ArrivingContent) and not response.streaming:
            content.abandon()
        self.adopt(response)
        return response

    def adopt(self, response: Any) -> None:
        """Say whose a response is."""
        response._handler_class = self.sender
        if isinstance(response, FileResponse):
            # So that data can be sent without having to block the event loop, as Django does.
            response.block_size = self.chunk_size

    async def read_body(self, receive: Receive) -> IO[bytes]:
        """
        Return the content of a request: in memory up to ``FILE_UPLOAD_MAX_MEMORY_SIZE`` bytes, else in a file.

        Raises:
            RequestAborted: The client left before the end.
        """
        message = await receive()
        parts: list[bytes] = []
        size = 0
        while message["type"] != "http.disconnect":
            part: bytes = message.get("body", b"")
            if not message.get("more_body", False):
                return io.BytesIO(b"".join([*parts, part]) if parts else part)
            parts.append(part)
            size += len(part)
            if size > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
                return await self._read_to_file(parts, receive)
            message = await receive()
        raise RequestAborted

    async def _read_to_file(self, parts: list[bytes], receive: Receive) -> IO[bytes]:
        # Not on the request's thread, which it may never need otherwise.
        file = await sync_to_async(TemporaryFile, thread_sensitive=False)("w+b")
        write = sync_to_async(file.writelines, thread_sensitive=False)
        try:
            await write(parts)
            is_whole = False
            while not is_whole:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestAborted
                await write([message.get("body", b"")])
                is_whole = not message.get("more_body", False)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    async def send_response(self, response: Any, send: Send) -> None:
        """Send a response; one that is no stream in one piece, as it is."""
        if response.streaming:
            await self.send_stream(response, send)
            return
        await send(start_of(response))
        await send({"type": "http.response.body", "body": response.content})

    async def send_stream(self, response: Any, send: Send) -> None:
        """Send a response whose content comes piece by piece."""
        if (thread := request_thread.get()) is not None:
            # A stream of sync parts holds its thread at the pace of its client.
            thread.let_others_work()
        await super().send_response(response, send)


def nobody_waits() -> bool:
    """Return whether a request may end with nobody told, and nothing waited for."""
    # What Django's receivers do in a thread is done where a borrowed one is given back. A call that still
    # runs there may read the request, which ends behind it.
    thread = request_thread.get()
    return (
        thread is not None
        and not thread.is_busy
        and are_djangos(signals.request_finished, FINISHED)
        and are_kept_open()
    )


def closes_at_once(response: HttpResponseBase, request: HttpRequest | None) -> bool:
    """Return whether the end of a response waits for nothing: no file, no stream, no override."""
    closers: list[object] = vars(response)["_resource_closers"]
    return (
        type(response).close is _DJANGOS_CLOSE
        and "close" not in vars(response)
        and not response.streaming
        and closers == ([] if request is None else [request.close])
        and not (request is not None and vars(request).get("_files"))
    )


def _close(response: HttpResponseBase) -> None:
    """Do what ``response.close()`` does, and Django's receivers of the signal that it sends."""
    closers: list[Callable[[], object]] = vars(response)["_resource_closers"]
    for close in closers:
        with suppress(Exception):
            close()
    closers.clear()
    response.closed = True


def start_of(response: Any) -> Message:
    """Return the message with which a response begins."""
    fields = _encoded(response)
    if response.cookies:
        fields += [(b"Set-Cookie", cookie.OutputString().encode("ascii")) for cookie in response.cookies.values()]
    return {"type": "http.response.start", "status": response.status_code, "headers": fields}


def _encoded(response: Any) -> list[tuple[bytes, bytes]]:
    headers, kind = response.headers, cast("type[HttpResponseBase]", type(response))
    # Its items() makes an iterator for each of three abstract classes.
    if type(headers) is ResponseHeaders and kind.items is _ITEMS:
        return [
            pair.encoded if pair.__class__ is ConstantField else (_encoded_name(pair[0]), pair[1].encode("latin1"))
            for pair in vars(headers)["_store"].values()
        ]
    pairs: Iterable[tuple[str | bytes, str | bytes]] = response.items()
    return [
        (
            name.encode("ascii") if isinstance(name, str) else bytes(name),
            value.encode("latin1") if isinstance(value, str) else bytes(value),
        )
        for name, value in pairs
    ]


@lru_cache(maxsize=256)
def _encoded_name(name: str) -> bytes:
    # Not the value, which may be a secret, or long.
    return name.encode("ascii")
