"""
Stand between an ASGI server and Django for one request, and decide what content is asked for.

Content that its reader would refuse is not read to its end; content that is read piece by piece
is asked for when it is. A connection with content unread is closed behind the response.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NoReturn, cast
from weakref import WeakSet

from django.conf import settings
from django.core.exceptions import RequestDataTooBig

from django_routehandlers.engine.arriving import ArrivingContent, Message, Receive
from django_routehandlers.engine.connection import abort
from django_routehandlers.engine.shutdown import Shutdown
from django_routehandlers.engine.stepping import within

Scope = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Exchange:
    """
    One request and its response, as the server sees them; to call it is to receive a message.

    Args:
        is_limited: Tells whether the request's reader takes no more content than
            ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes.
        shutdown: Tells whether the server stops: content that arrives then is stopped.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        is_limited: Callable[[Scope], bool],
        shutdown: Shutdown | None = None,
    ) -> None:
        self.scope, self._is_limited = scope, is_limited
        self.server_receive, self.server_send = receive, send
        """What the server has given."""
        self._is_judged = False
        self._size = 0
        self._timeout: float | None = None
        self._is_answered: asyncio.Event | None = None
        self._arriving: ArrivingContent | None = None
        self._shutdown = shutdown
        self.is_cut = False
        """Whether the content is not read to its end."""
        self.is_late = False
        """Whether that is because its client sent nothing for too long."""

    def limit(self, seconds: float | None) -> None:
        """Cut the content where its client sends nothing of it for so long."""
        self._timeout = seconds

    def arrive(self) -> ArrivingContent:
        """Return the content as a file that asks for it when it is read."""
        content = self._arriving = ArrivingContent(self.server_receive)
        arriving_contents().add(content)
        if self._shutdown is not None and self._shutdown.has_begun:
            content.stop()
        return content

    def is_too_much(self, size: int) -> bool:
        """Cut the content if *size* bytes are more than its reader takes; return whether it is cut."""
        if not size or self._is_judged:
            return self.is_cut
        limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if limit is not None and size > limit:
            # The reader is looked for once.
            self._is_judged = True
            self._cut(self._is_limited(self.scope))
        return self.is_cut

    def _cut(self, is_cut: bool = True) -> None:
        self.is_cut, self._is_answered = is_cut, asyncio.Event()

    async def __call__(self) -> Message:
        """Return the next message that Django is to see."""
        if self._arriving is not None:
            message = await self._arriving.listen()
            if self._shutdown is not None and self._shutdown.has_begun:
                # The client may be there still, and has no answer to wait for.
                self.abort()
            return message
        if self.is_cut:
            return await self._disconnect()
        if self._timeout is None:
            message = await self.server_receive()
        else:
            try:
                message = await within(self._timeout, self._receive_one())
            except TimeoutError:
                self.is_late = True
                self._cut()
                return {"type": "http.request"}
        self._size += len(message.get("body", b""))
        return {"type": "http.request"} if self.is_too_much(self._size) else message

    async def _receive_one(self) -> Message:
        # What a server has for receive() need not be a coroutine function.
        return await self.server_receive()

    async def _disconnect(self) -> Message:
        # To ask a server for more is to ask the client to send more (RFC 9110, section 10.1.1).
        await cast("asyncio.Event", self._is_answered).wait()
        while (message := await self.server_receive())["type"] == "http.request":
            pass
        return message

    async def send(self, message: Message) -> None:
        """Hand a message of the response on to the server."""
        if message["type"] == "http.response.start":
            if self._is_answered is not None:
                self._is_answered.set()
            is_unread = self.is_cut
            if self._arriving is not None:
                is_unread = not self._arriving.is_complete
                self._arriving.answer()
            # The connection cannot be used again (RFC 9112, section 9.3). HTTP/2 has no such field.
            if is_unread and self.scope["http_version"].startswith("1"):
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await self.server_send(message)

    def abort(self) -> None:
        """Drop the connection, and what the client has not taken. Other requests may share one of HTTP/2."""
        if self.scope["http_version"].startswith("1"):
            abort(self.server_send)


@lru_cache(maxsize=1)
def arriving_contents() -> "WeakSet[ArrivingContent]":
    """Return the contents of this process that may be arriving, held weakly."""
    return WeakSet()


def stop_arriving() -> None:
    """End all content that is still arriving, as if its clients had left."""
    for content in list(arriving_contents()):
        content.stop()


class TooBig(io.RawIOBase):
    """Content that was not read to its end: whoever asks for it is told that it is too big."""

    def _refuse(self, *args: object) -> NoReturn:
        raise RequestDataTooBig("Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")

    read = readinto = readline = readlines = seek = seekable = __iter__ = __next__ = _refuse


class TooLate:
    """Content whose client has sent nothing of it for too long: nobody is to read it."""

    def close(self) -> None:
        """Do nothing."""


def stated_length(scope: Scope) -> int:
    """Return the ``Content-Length`` in bytes; -1 where content comes in chunks, 0 where nothing is said of it."""
    length = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            try:
                return int(value)
            except ValueError:
                continue
        elif name == b"transfer-encoding":
            length = -1
    return length
