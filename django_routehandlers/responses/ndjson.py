"""
Turn an iterable of values, sync or async, into a response of one JSON line for each.

Django reads a whole stream into memory where a sync iterable meets ASGI or an async one
meets WSGI. Here each line leaves when it is ready, in all four cases.
"""

import asyncio
import inspect
import logging
import os
import threading
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
from concurrent.futures import Future
from typing import Self, TypeVar, cast

from asgiref.sync import SyncToAsync, async_to_sync, sync_to_async
from django.http import StreamingHttpResponse

from django_routehandlers.responses.encoding import encode_line
from django_routehandlers.responses.problems import Problem

_Result = TypeVar("_Result")

_HEADERS = {
    "Content-Type": "application/x-ndjson",
    "Cache-Control": "no-store, no-transform",
    # nginx and its kin hold back what they proxy unless told not to.
    "X-Accel-Buffering": "no",
}

_logger = logging.getLogger("django.request")


class NDJSONResponse(StreamingHttpResponse):
    """
    A stream of *records* as ``application/x-ndjson``, one value a line.

    The generator behind *records* is closed when the stream ends, breaks off or the client
    leaves. When it raises, the last line is ``{"error": PROBLEM}`` with a 500 problem, the
    exception is logged to ``django.request``, and the body is broken off.

    Args:
        records: An iterable or async iterable of what
            :func:`~django_routehandlers.responses.encoding.encode_json` takes. One that is
            both, as a QuerySet is, is read as an iterable.
        status: The status code.
        headers: Header fields. They replace the ones that are set here.
        name: What the log calls this stream.

    Raises:
        TypeError: *records* cannot be iterated, or is a single value.
    """

    def __init__(
        self,
        records: Iterable[object] | AsyncIterable[object],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        name: str = "NDJSONResponse",
    ) -> None:
        self._lines = _encode_records(records, name)
        super().__init__(self._lines, status=status, headers={**_HEADERS, **(headers or {})})
        self._closers: list[Callable[[], object]] = []
        if isinstance(self._lines, Generator):
            # Django closes the lines too, and hides it where that fails.
            self._closers.append(self._lines.close)
            if callable(close := getattr(records, "close", None)):
                # Lines that were never read close nothing.
                vars(self)["_resource_closers"].append(close)

    def __iter__(self) -> Iterator[bytes]:
        content = self.streaming_content
        if isinstance(content, Iterator):
            return content
        parts = self._read_on_loop(content)
        # Django's test client closes the response from inside the stream, as it ends.
        self._closers.append(lambda: None if inspect.getgeneratorstate(parts) == inspect.GEN_RUNNING else parts.close())
        return parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self.streaming_content
        try:
            try:
                if isinstance(content, AsyncIterator):
                    async for part in content:
                        yield part
                else:
                    # In Django's thread for this request, where database connections live.
                    read = sync_to_async(next)
                    while (part := await read(content, None)) is not None:
                        yield part
            finally:
                await self._aclose(content)
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
            for close in self._closers:
                close()
        finally:
            super().close()

    def _read_on_loop(self, content: AsyncIterator[bytes]) -> Generator[bytes]:
        async def read() -> bytes | None:
            return await anext(content, None)

        with _LoopThread() as loop:
            try:
                while (part := loop.run(read)) is not None:
                    yield part
            finally:
                loop.run(lambda: self._aclose(content))

    async def _aclose(self, content: object) -> None:
        # Middleware may have wrapped the lines, and closing a wrapper does not close them.
        for source in (content, self._lines):
            await _aclose(source)


def _encode_records(records: object, name: str) -> Generator[bytes] | AsyncGenerator[bytes]:
    kind = type(records).__qualname__
    if isinstance(records, str | bytes | Mapping):
        raise TypeError(
            f"{name}: {kind} is a single value. A stream needs an iterable of values. "
            "Put it in a list, or return JSONResponse(value)."
        )
    if isinstance(records, Iterable):
        return _encode_sync(cast("Iterable[object]", records), name)
    if isinstance(records, AsyncIterable):
        return _encode_async(cast("AsyncIterable[object]", records), name)
    raise TypeError(
        f"{name}: {kind} cannot be streamed. A stream needs an iterable or an async iterable of values. "
        "Call the generator function, or await the coroutine."
    )


def _encode_sync(records: Iterable[object], name: str) -> Generator[bytes]:
    iterator = iter(records)
    try:
        for record in iterator:
            yield encode_line(record)
    except Exception:
        yield _error_line(name)
        raise
    finally:
        if callable(close := getattr(iterator, "close", None)):
            close()


async def _encode_async(records: AsyncIterable[object], name: str) -> AsyncGenerator[bytes]:
    iterator = aiter(records)
    try:
        async for record in iterator:
            yield encode_line(record)
            # Else a producer that never waits keeps the loop to itself, and outlives a client that left.
            await asyncio.sleep(0)
    except Exception:
        yield _error_line(name)
        raise
    finally:
        await _aclose(iterator)


def _error_line(name: str) -> bytes:
    _logger.exception("%s: the stream broke off.", name, extra={"status_code": 500})
    return encode_line({"error": Problem.from_status(500).as_dict()})


async def _aclose(source: object) -> None:
    if callable(aclose := getattr(source, "aclose", None)):
        await cast("Callable[[], Awaitable[object]]", aclose)()
    elif callable(close := getattr(source, "close", None)):
        await sync_to_async(close)()


class _LoopThread:
    """
    An event loop in a thread of its own, for a thread that has none.

    While a step runs, the calling thread does its ``sync_to_async`` work, as it does under
    ``async_to_sync``: the database connection is the caller's. Unlike there, the loop lives
    from step to step, so a generator may hold on to what belongs to it.
    """

    def __enter__(self) -> Self:
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="ndjson-loop", daemon=True)
        self._thread.start()
        self._loop, self._stop = self._started.result()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        stop = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    def run(self, step: Callable[[], Awaitable[_Result]]) -> _Result:
        """Run one *step* on the loop and wait for it here."""

        async def run_step() -> _Result:
            return await step()

        # Where asgiref looks for the loop to use, in a thread that sync_to_async started.
        outer = vars(SyncToAsync.threadlocal).copy()
        SyncToAsync.threadlocal.main_event_loop = self._loop
        SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()
        try:
            return async_to_sync(run_step)()
        finally:
            vars(SyncToAsync.threadlocal).clear()
            vars(SyncToAsync.threadlocal).update(outer)
