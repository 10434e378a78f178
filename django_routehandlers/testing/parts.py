"""
Turn a response into the bytes of its body, part by part, and close what they come from.

A stream of ours is read as a server reads it. A ``StreamingHttpResponse`` of Django's is stepped
here: by itself it would be read to its end first, where a sync reader meets an async producer or
the other way round, and an async producer would be closed by the garbage collector.
"""

import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from inspect import isasyncgen
from types import AsyncGeneratorType
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from django_routehandlers.clocks import monotonic
from django_routehandlers.responses.loop_pump import LoopPump
from django_routehandlers.responses.stream import StreamResponse

_CUT = "the test waited no longer"


class Clock:
    """
    The time in which something has to come.

    Args:
        timeout: In seconds; ``None`` for as long as it takes.
    """

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._began = monotonic()

    def left(self) -> float | None:
        """
        Return the seconds that are left; ``None`` for as long as it takes.

        Raises:
            TimeUp: There are none.
        """
        if self.timeout is None:
            return None
        if (left := self._began + self.timeout - monotonic()) <= 0:
            raise TimeUp
        return left


class TimeUp(Exception):
    """A part did not come in time."""


def read_parts(response: HttpResponseBase, clock: Clock) -> Generator[bytes]:
    """
    Yield the parts of a body in this thread.

    Raises:
        TimeUp: A part did not come in time. A sync producer is not interrupted.
    """
    if isinstance(response, StreamResponse):
        yield from _read_ours(response, clock)
    elif not isinstance(response, StreamingHttpResponse):
        yield from cast("Iterator[bytes]", response)
    elif response.is_async:
        yield from _read_on_loop(response, clock)
    else:
        yield from cast("Iterator[bytes]", response.streaming_content)


async def aread_parts(response: HttpResponseBase) -> AsyncGenerator[bytes]:
    """Yield the parts of a body on the event loop."""
    if isinstance(response, StreamResponse):
        parts = cast("AsyncGenerator[bytes]", aiter(response))
        try:
            async for part in parts:
                yield part
        finally:
            await parts.aclose()
    elif not isinstance(response, StreamingHttpResponse):
        for part in cast("Iterator[bytes]", response):
            yield part
    elif response.is_async:
        content = cast("AsyncGenerator[bytes]", response.streaming_content)
        try:
            async for part in content:
                yield part
        finally:
            for source in list(_sources(content)):
                await source.aclose()
    else:
        # In the thread that has the test's database connection and its transaction.
        step = sync_to_async(cast("Callable[[object, None], bytes | None]", next))
        content = response.streaming_content
        while (part := await step(content, None)) is not None:
            yield part


def close(response: HttpResponseBase) -> None:
    """Close a response of which nothing is read any more. The first call counts."""
    if response.closed:
        return
    # The test client's own generator closes the response once; closing that first would do it twice.
    if callable(end := getattr(vars(response).get("_iterator"), "close", None)):
        end()
    if not response.closed:
        with _connections_kept():
            response.close()


async def aclose(response: HttpResponseBase) -> None:
    """As ``close()``, on the event loop."""
    if not response.closed:
        await sync_to_async(close)(response)


def _read_ours(response: StreamResponse, clock: Clock) -> Generator[bytes]:
    parts = iter(response)
    try:
        while (part := _next(parts, response, clock.left())) is not None:
            yield part
    finally:
        if isinstance(parts, Generator):
            parts.close()


def _next(parts: Iterator[bytes], response: StreamResponse, left: float | None) -> bytes | None:
    """Return the next part, ``None`` at the end. An async producer that takes longer than *left* is cut off."""
    if left is None or not response.is_async_source:
        return next(parts, None)
    timer = threading.Timer(left, response.cut, [_CUT])
    timer.daemon = True
    timer.start()
    try:
        part = next(parts, None)
    except ConnectionAbortedError:
        if response.cut_reason != _CUT:
            raise
        part = None
    finally:
        timer.cancel()
    if part is None and response.cut_reason == _CUT:
        raise TimeUp
    return part


def _read_on_loop(response: StreamingHttpResponse, clock: Clock) -> Generator[bytes]:
    pump = LoopPump(aread_parts(response), _as_it_is)
    try:
        pump.resume()
        while piece := pump.take(clock.left()):
            yield piece
        if piece is None:
            raise TimeUp
        if pump.error is not None:
            raise pump.error
    finally:
        pump.close()


def _sources(content: object) -> Generator[AsyncGeneratorType[Any, Any]]:
    """Yield the async generators that Django has put around a producer, outermost first, and the producer."""
    while isasyncgen(content):
        yield content
        frame = content.ag_frame
        # None: it has ended. What the producer itself reads from is its own to close.
        if frame is None or not str(frame.f_globals.get("__name__")).startswith("django."):
            return
        content = next(filter(isasyncgen, frame.f_locals.values()), None)


@contextmanager
def _connections_kept() -> Generator[None]:
    # As Django's test client does: the test goes on with its connections.
    is_connected = request_finished.disconnect(close_old_connections)
    try:
        yield
    finally:
        if is_connected:
            request_finished.connect(close_old_connections)


def _as_it_is(part: object) -> bytes:
    return cast("bytes", part)
