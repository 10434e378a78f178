"""
Run a sync producer in the thread of its request, and hand over to the event loop what it yields.

The thread works in batches. What it yields can be taken at once, while the batch goes on: the
first line of a piece wakes the reader, and those that are ready when it comes leave together.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context

from asgiref.sync import AsyncToSync, SyncToAsync, sync_to_async

from django_routehandlers.clocks import monotonic
from django_routehandlers.responses.async_pump import PIECE

_BATCH = 0.05  # seconds after which other work of the request gets the thread


class ThreadPump:
    """
    One sync producer and what it has yielded, at most one piece ahead of its reader.

    Args:
        records: What is read, once; all of it in one context.
        frame: What turns a record into bytes.
    """

    error: Exception | None = None
    """What the producer failed with; known when ``take()`` has returned ``b""``."""

    def __init__(self, records: Iterable[object], frame: Callable[[object], bytes]) -> None:
        self._records = records
        self._frame = frame
        self._iterator: Iterator[object] | None = None
        self._context = copy_context()
        self._lock = threading.Lock()
        self._lines = bytearray()
        self._has_begun = False
        self._is_closing = False
        self._has_ended = False
        self._has_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._batch: asyncio.Task[None] | None = None
        self._reader: asyncio.Future[None] | None = None

    @property
    def early_error(self) -> Exception | None:
        """What the producer failed with before its first record."""
        return None if self._lines else self.error

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be taken at this moment."""
        return not self._lines and not self._has_ended

    def step(self) -> None:
        """Take the first record, in this thread."""
        # asgiref notes in a thread which loop waits for it.
        self._loop = getattr(SyncToAsync.threadlocal, "main_event_loop", None)
        self._has_begun = True
        self._context.run(self._work, is_batch=False)

    async def ready(self, within: float | None) -> None:
        """Take the first record, in the request's thread, however long it takes."""
        self._loop = asyncio.get_running_loop()
        self._has_begun = True
        await self._in_thread(self._work, is_batch=False)

    def resume(self) -> None:
        """Nothing: the producer runs while it is read."""

    async def take(self, within: float | None = None) -> bytes | None:
        """Return what is ready as soon as there is something, ``b""`` at the end, ``None`` after *within* seconds."""
        loop = self._loop = asyncio.get_running_loop()
        self._has_begun = True
        ends = None if within is None else loop.time() + within
        while True:
            piece, has_ended = self._ready()
            if self._batch is not None and self._batch.done():
                # What cannot run in the thread at all is no error of the producer.
                self._batch.result()
                self._batch = None
            if not has_ended and self._batch is None:
                self._batch = loop.create_task(self._in_thread(self._work, is_batch=True))
                self._batch.add_done_callback(self._wake)
            if piece or has_ended:
                return piece
            if ends is not None and loop.time() >= ends:
                return None
            await self._wait(ends)

    async def aclose(self) -> None:
        """Stop the producer behind its present record, and wait until it has cleaned up."""
        self._is_closing = True
        if self._batch is not None and not self._batch.done():
            await asyncio.wait([self._batch])
        if self._has_begun and not self._has_ended:
            self._has_ended = True
            try:
                # Behind what the thread does now: it may be about to take the first record.
                await self._close_in_thread()
            except Exception as error:
                self.error = error

    async def _close_in_thread(self) -> None:
        try:
            await self._in_thread(self._close)
        except RuntimeError:
            if self._has_closed:
                raise
            # The thread that a sync middleware lent has moved on, as the request was cancelled.
            bridge = getattr(AsyncToSync.executors, "current", None)
            AsyncToSync.executors.current = None
            try:
                await self._in_thread(self._close)
            finally:
                AsyncToSync.executors.current = bridge

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """That of the reader; ``None`` where the producer has not begun, or has ended."""
        return None if self._has_ended else self._loop

    def close(self) -> None:
        """Clean up in this thread. Not while a batch runs."""
        if not self._has_ended:
            self._has_ended = True
            self._context.run(self._close)

    async def _in_thread(self, call: Callable[..., None], **arguments: bool) -> None:
        await sync_to_async(call, context=self._context)(**arguments)

    def _ready(self) -> tuple[bytes, bool]:
        with self._lock:
            # First whether it has ended: a line that comes in between is not lost.
            has_ended = self._has_ended and not self._lines
            piece = bytes(self._lines)
            self._lines.clear()
        return piece, has_ended

    async def _wait(self, ends: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._reader = reader = loop.create_future()
        timer = None if ends is None else loop.call_at(ends, self._wake)
        try:
            # The thread may have handed something over before there was a reader to wake.
            if self.is_empty and self._batch is not None and not self._batch.done():
                await reader
        finally:
            self._reader = None
            if timer is not None:
                timer.cancel()

    def _wake(self, batch: "asyncio.Task[None] | None" = None) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _work(self, *, is_batch: bool) -> None:
        """Take records, in the thread, until there is a piece; or a single one."""
        if self._is_closing:
            return
        ends = monotonic() + _BATCH
        try:
            if self._iterator is None:
                self._iterator = iter(self._records)
            for record in self._iterator:
                is_full = self._add(self._frame(record))
                if is_full or not is_batch or self._is_closing or monotonic() > ends:
                    return
            self._has_ended = True
        except Exception as error:
            self.error = error
            # The error that ends the stream says more than what comes of it.
            with suppress(Exception):
                self._close()
            self._has_ended = True

    def _add(self, line: bytes) -> bool:
        if not line:
            return False
        with self._lock:
            is_first = not self._lines
            self._lines += line
            is_full = len(self._lines) >= PIECE
        if is_first and self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)
        return is_full

    def _close(self) -> None:
        self._has_closed = True
        if callable(close := getattr(self._iterator, "close", None)):
            close()
