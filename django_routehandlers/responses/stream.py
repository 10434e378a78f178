"""
A response that is sent piece by piece, through whatever server and middleware.

Django reads a whole stream into memory where a sync iterable meets ASGI or an async one meets
WSGI, and forgets to close what middleware has wrapped. Here each record leaves when it is
ready, and the producer is closed, in all cases.
"""

import asyncio
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import ClassVar, cast
from weakref import finalize

from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from django_routehandlers.responses.flow import Flow
from django_routehandlers.responses.framing import Encode, Framing
from django_routehandlers.responses.loop_pump import LoopPump
from django_routehandlers.responses.thread_pump import ThreadPump
from django_routehandlers.responses.time_limit import TimeLimit

_FIELDS = {
    "Cache-Control": "no-store, no-transform",
    # nginx and its kin hold back what they proxy unless told not to.
    "X-Accel-Buffering": "no",
}


class StreamResponse(StreamingHttpResponse):
    """What all streams have in common; see its subclasses."""

    framing: ClassVar[Framing]

    def __init__(
        self,
        records: object,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        name: str = "",
        heartbeat: float | None = None,
    ) -> None:
        self._flow = Flow(records, self.framing, name or type(self).__name__, heartbeat)
        fields = {"Content-Type": self.framing.media_types[0], **_FIELDS}
        self._wrapped: Generator[bytes] | None = None
        content = self._flow.aread() if self._flow.is_async else self._flow.read()
        super().__init__(content, status=status, headers={**fields, **(headers or {})})
        self._names_type = any(field.lower() == "content-type" for field in headers or ())
        self._own = self._source
        # Where it is dropped unread and unclosed, the producer must not go on for ever.
        finalize(self, self._flow.abandon).atexit = False
        vars(self)["_resource_closers"].append(self._flow.close)

    @property
    def is_async_source(self) -> bool:
        """Whether the producer is async, so that no thread need wait for it."""
        return self._flow.is_async

    @property
    def cut_reason(self) -> str | None:
        """Why the stream was ended from outside; ``None`` where it was not."""
        return self._flow.cut_reason

    def encode_with(self, encode: Encode) -> None:
        """Have *encode* turn values into JSON. Before the stream starts."""
        self._flow.frame = self.framing.frame_with(encode)

    def name_it(self, name: str) -> None:
        """Have errors and the log call the stream *name*, unless it was given one."""
        if self._flow.name == type(self).__name__:
            self._flow.name = name

    def hold_to(self, limit: TimeLimit) -> None:
        """Break the stream off when the time is over. Before the stream starts."""
        self._flow.limit = limit

    def suit(self, request: HttpRequest) -> None:
        """Send the one of the stream's media types that *request* prefers (RFC 9110, section 12.5.1)."""
        if len(self.framing.media_types) > 1 and not self._names_type:
            patch_vary_headers(self, ["Accept"])
            if preferred := request.get_preferred_type(list(self.framing.media_types)):
                self.headers["Content-Type"] = preferred

    def start(self, request: HttpRequest | None = None) -> None:
        """
        Run the producer to its first record, so that what it raises before becomes an answer.

        The view of a route does so. Call it in a view of your own before you return the
        response; else the status has been sent when the producer begins. A second call does
        nothing, so that a handler may do it, too, to catch what is raised.

        Args:
            request: What the stream answers. It tells whether the server is WSGI's, as it is without.

        Raises:
            Refusal: 503, ``MAX_OPEN_STREAMS`` are open.
            Exception: What the producer raised.
        """
        if self._flow.is_started:
            return
        self._take(request)
        if not isinstance(request, ASGIRequest):
            self._flow.start()
            self._use(self._flow.read())
        elif self._flow.is_async:
            async_to_sync(self.astart)(request)
        else:
            self._flow.step()
            self._use(self._flow.aread())

    async def astart(self, request: HttpRequest | None = None) -> None:
        """As ``start()``, on the event loop; without a request that of an ASGI server."""
        if self._flow.is_started:
            return
        self._take(request)
        if request is not None and not isinstance(request, ASGIRequest):
            await sync_to_async(self.start)(request)
            return
        await self._flow.astart()
        self._use(self._flow.aread())

    def cut(self, reason: str) -> None:
        """End the stream now, broken off; *reason* is what the log says. May be called in any thread."""
        self._flow.cut(reason)

    def has_header(self, header: str) -> bool:
        """Return whether there is such a field; always, of ``Content-Encoding``."""
        # Middleware that compresses passes such responses by. On some versions of Django it would
        # hold lines back, and transform what is marked as not to be transformed on all of them.
        return header.lower() == "content-encoding" or super().has_header(header)

    __contains__ = has_header

    def __getitem__(self, header: str) -> str:
        """Return a field; ``identity`` for ``Content-Encoding`` where there is none."""
        if header.lower() == "content-encoding" and header not in self.headers:
            return "identity"
        return super().__getitem__(header)

    def __iter__(self) -> Iterator[bytes]:
        content = self._flow.read() if self._is_bare and self.is_async else self._content
        if isinstance(content, Iterator):
            return content
        self._wrapped = _read_on_loop(content, self._flow)
        return self._wrapped

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._flow.aread() if self._is_bare and not self.is_async else self._content
        if not isinstance(content, AsyncIterator):
            content = _read_in_thread(content, self._flow)
        try:
            try:
                async for part in content:
                    yield part
            finally:
                # Middleware may have wrapped the pieces, and closing a wrapper does not close them.
                await _aclose(content)
                await _aclose(self._own)
                await self._flow.aclose()
        except BaseException:
            # Under ASGI Django does not close a response that breaks off, and its request would never finish.
            await sync_to_async(self.close)()
            raise

    def getvalue(self) -> bytes:
        """Return the whole body. For tests: it reads the stream to its end."""
        return b"".join(self)

    def close(self) -> None:
        """Close the stream and what it reads from, then the response as Django does. The first call counts."""
        if self.closed:
            return
        try:
            wrapped = self._wrapped
            # Django's test client closes the response from inside the stream, as it ends.
            if wrapped is not None and not _is_inside(wrapped):
                wrapped.close()
            self._flow.close()
        finally:
            super().close()

    @property
    def _is_bare(self) -> bool:
        """Whether no middleware has put something else in the place of the stream."""
        return self._source is self._own

    @property
    def _source(self) -> object:
        """What Django reads."""
        return vars(self)["_iterator"]

    @property
    def _content(self) -> AsyncIterator[bytes] | Iterator[bytes]:
        return cast("AsyncIterator[bytes] | Iterator[bytes]", self.streaming_content)

    def _take(self, request: HttpRequest | None) -> None:
        self._flow.request = request
        if request is not None:
            self.suit(request)

    def _use(self, content: object) -> None:
        self.streaming_content = content
        self._own = self._source


def _read_on_loop(content: AsyncIterable[bytes], flow: Flow) -> Generator[bytes]:
    """Read what middleware has made of an async stream, for WSGI."""
    pump = LoopPump(content, _as_it_is)
    try:
        pump.resume()
        while piece := pump.take():
            yield piece
        flow.check_cut()
        if pump.error is not None:
            raise pump.error
    finally:
        pump.close()


async def _read_in_thread(content: Iterable[bytes], flow: Flow) -> AsyncGenerator[bytes]:
    """Read what middleware has made of a sync stream, for ASGI, in the thread that has the database connections."""
    pump = ThreadPump(content, _as_it_is)
    try:
        while piece := await pump.take():
            flow.watch()
            yield piece
            flow.unwatch()
        if pump.error is not None:
            raise pump.error
    finally:
        flow.unwatch()
        await pump.aclose()


def _is_inside(parts: Generator[bytes]) -> bool:
    """Return whether this is called from what *parts* reads: in its own thread, or on the loop that it runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return inspect.getgeneratorstate(parts) == inspect.GEN_RUNNING
    return True


def _as_it_is(part: object) -> bytes:
    return cast("bytes", part)


async def _aclose(source: object) -> None:
    if callable(aclose := getattr(source, "aclose", None)):
        await cast("Callable[[], Awaitable[object]]", aclose)()
    elif callable(close := getattr(source, "close", None)):
        await sync_to_async(close)()
