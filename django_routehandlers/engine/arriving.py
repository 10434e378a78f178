"""
Turn the messages of an ASGI server into a file that holds content as it arrives.

Nothing is kept but one message: the server is asked for more when somebody reads, so that it
makes the client wait, and asks none to continue whose request is refused unread.
"""

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestAborted, RequestDataTooBig, SynchronousOnlyOperation
from django.http import UnreadablePostError
from typing_extensions import Buffer

from django_routehandlers.documentation import Section, documented

_SECTION = Section("reference/engine", "Requests and responses")

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

# Seconds in which whoever listens for the client's leaving cancels the request, as Django does.
_CANCELLED = 1


class ArrivingContent(io.BufferedIOBase):
    """
    The content of a request that is still on its way. Made on the event loop that serves it.

    As a file it is read in worker threads, which wait. ``read()`` without a size returns all there
    is, or raises ``RequestDataTooBig`` beyond ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        # A server is asked by one task at a time.
        self._asking = asyncio.Lock()
        self._asker: asyncio.Task[Any] | None = None
        self._may_listen, self._taken = asyncio.Event(), asyncio.Event()
        self._ahead = self._rest = b""
        self._is_abandoned = False
        self.is_complete = False
        """Whether the client has sent all of it."""
        self.has_left = False
        """Whether the client went before that, or is treated so."""

    # What happens to the request

    def abandon(self) -> None:
        """Say that nobody is going to read the rest: once the response begins, it is thrown away."""
        self._is_abandoned = not self.is_complete
        self._taken.set()

    def answer(self) -> None:
        """Say that the response begins: from here on a client that waits to be asked is asked."""
        self._may_listen.set()

    def stop(self) -> None:
        """End what still arrives and is still wanted, as if the client had left. Any thread may call it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if not (self.is_complete or self._is_abandoned or self.has_left):
            self.has_left = True
            self._may_listen.set()
            self._taken.set()
            if self._asker is not None:
                self._asker.cancel()

    async def listen(self) -> Message:
        """Return the message that the client has left; content that comes before it is left to the reader."""
        await self._may_listen.wait()
        while not self.has_left:
            if self._ahead and not (self.is_complete or self._is_abandoned):
                self._taken.clear()
                await self._taken.wait()
            else:
                await self._ask(lambda: not self._ahead or self.is_complete or self._is_abandoned)
        return {"type": "http.disconnect"}

    async def _ask(self, is_due: Callable[[], bool]) -> None:
        async with self._asking:
            # Another may have asked meanwhile.
            if is_due() and not self.has_left:
                message = await self._receive_or_stop()
                if message["type"] == "http.disconnect":
                    self.has_left = True
                elif not self.is_complete:
                    self._ahead = message.get("body", b"")
                    self.is_complete = not message.get("more_body", False)
                if self.has_left or self.is_complete:
                    self._may_listen.set()

    async def _receive_or_stop(self) -> Message:
        task = self._asker = cast("asyncio.Task[Any]", asyncio.current_task())
        cancelled = task.cancelling()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            # stop() cancels once, to end the wait and not the task. Whoever else cancels means the task.
            if not self.has_left or task.uncancel() > cancelled:
                raise
            return {"type": "http.disconnect"}
        finally:
            self._asker = None

    # Readers

    async def aread_part(self) -> bytes:
        """
        Return what has arrived next, at least a byte of it; ``b""`` at the end.

        Raises:
            RequestAborted: The client left before the end, or the server stops. Mostly the task is
                cancelled before that.
        """
        if asyncio.get_running_loop() is not self._loop:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._next(), self._loop))
        try:
            return await self._next()
        except RequestAborted:
            # Of a request that nobody waits for, an error would be logged that is none.
            await asyncio.sleep(_CANCELLED)
            raise

    def read_part(self) -> bytes:
        """
        Return what ``aread_part()`` does, in a worker thread.

        Raises:
            UnreadablePostError: The client left before the end, or the server stops.
            SynchronousOnlyOperation: It is called on the event loop, which must not wait.
        """
        if threading.get_ident() == self._thread:
            raise documented(
                SynchronousOnlyOperation(
                    "The content of this request is still arriving, and cannot be waited for on the event loop. "
                    "Iterate over `body`, or read the request in a worker thread, with sync_to_async()."
                ),
                _SECTION,
            )
        try:
            return asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
        except (RequestAborted, CancelledError) as error:
            raise UnreadablePostError("The client left before its content was complete.") from error

    async def _next(self) -> bytes:
        if self._rest:
            part, self._rest = self._rest, b""
            return part
        if self._is_abandoned:
            raise RequestAborted
        while not self._ahead and not (self.is_complete or self.has_left):
            await self._ask(lambda: not self._ahead and not self.is_complete)
        part, self._ahead = self._ahead, b""
        self._taken.set()
        if not (part or self.is_complete):
            raise RequestAborted
        return part

    # The file

    def close(self) -> None:
        """Close the file; what has not been read is lost."""
        self._is_abandoned = not self.is_complete
        super().close()

    def readable(self) -> bool:
        """Return ``True``."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return *size* bytes, fewer at the end alone; without a size all there is."""
        limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        is_all = size is None or size < 0
        parts: list[bytes] = []
        room = limit if is_all else size
        while room is None or room > 0 or (is_all and room == 0):
            part = self.read_part()
            if not part:
                break
            parts.append(part)
            room = None if room is None else room - len(part)
        if room is not None and room < 0:
            if is_all:
                raise RequestDataTooBig("Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")
            parts[-1], self._rest = parts[-1][:room], parts[-1][room:]
        return b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Return what has arrived next, at most *size* bytes."""
        part = self.read_part()
        if 0 <= size < len(part):
            part, self._rest = part[:size], part[size:]
        return part

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill *buffer* and return how many bytes that took: fewer than it holds at the end alone."""
        view = memoryview(buffer).cast("B")
        part = self.read(len(view))
        view[: len(part)] = part
        return len(part)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line with its end, at most *size* bytes of it."""
        room = -1 if size is None or size < 0 else size
        parts: list[bytes] = []
        while room:
            part = self.read_part()
            end = part.find(b"\n") + 1 or len(part)
            if room > 0:
                end = min(end, room)
                room -= end
            line, self._rest = part[:end], part[end:]
            parts.append(line)
            if not line or line.endswith(b"\n"):
                break
        return b"".join(parts)
