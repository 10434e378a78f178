"""
Drive a stream from its first record to its end, however it ends.

What is read and how it is framed is the same everywhere; how the producer is run depends on
the server. So there is one body of logic, with two thin edges: ``read()`` for WSGI and
``aread()`` for ASGI.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from contextvars import copy_context
from typing import cast

from asgiref.sync import AsyncToSync, sync_to_async
from django.http import HttpRequest

from django_routehandlers.conf import get_config
from django_routehandlers.documentation import Section, documented
from django_routehandlers.responses.async_pump import AsyncPump, parts_of
from django_routehandlers.responses.broken_streams import report
from django_routehandlers.responses.direct_pump import DirectPump
from django_routehandlers.responses.framing import Framing
from django_routehandlers.responses.loop_pump import LoopPump
from django_routehandlers.responses.open_streams import open_streams
from django_routehandlers.responses.problems import Refusal
from django_routehandlers.responses.records import is_spent, readable
from django_routehandlers.responses.thread_pump import ThreadPump
from django_routehandlers.responses.time_limit import Overdue, TimeLimit

_SECTION = Section("reference/responses", "Sync and async producers")

_logger = logging.getLogger("django.request")


class Flow:
    """
    One stream: its records, how they are framed, and where it stands.

    Args:
        records: What is read, once.
        name: What errors and the log call it.
        heartbeat: Seconds of silence after which the framing's heartbeat is sent.
    """

    def __init__(self, records: object, framing: Framing, name: str, heartbeat: float | None = None) -> None:
        self.records = readable(records, name)
        self.framing = framing
        self.frame = framing.frame
        self.name = name
        self.heartbeat = heartbeat
        self.request: HttpRequest | None = None
        self.limit: TimeLimit | None = None
        """The time that the whole stream may take; ``None`` for any."""
        self.cut_reason: str | None = None
        """Why the stream was ended from outside; ``None`` where it was not."""
        self._pump: AsyncPump | ThreadPump | None = None
        self._sync_pump: DirectPump | LoopPump | None = None
        self._reader: asyncio.Task[object] | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._context = copy_context()
        self._closing: asyncio.Task[None] | None = None
        self._is_open = False

    @property
    def is_async(self) -> bool:
        """Whether the producer is async."""
        return not isinstance(self.records, Iterable)

    @property
    def is_started(self) -> bool:
        """Whether the producer has been run, if only to its first record."""
        return self._pump is not None or self._sync_pump is not None

    async def astart(self) -> None:
        """Run the producer to its first record on the event loop; raise what it raises before."""
        self._open()
        pump = self._pump = self._make_pump()
        try:
            await (pump.ready(self.framing.grace) if self.limit is None else self._ready_in_time(pump, self.limit))
            if self.cut_reason is not None:
                raise Refusal(503, headers={"Retry-After": "1"})
            if pump.early_error is not None:
                raise pump.early_error
        except BaseException as error:
            if isinstance(error, Overdue) and not self.is_async:
                # Its record may take for ever.
                self.abandon()
            else:
                await self.aclose()
            raise

    async def _ready_in_time(self, pump: AsyncPump | ThreadPump, limit: TimeLimit) -> None:
        await limit.hold(pump.ready(self.framing.grace))

    def step(self) -> None:
        """Run a sync producer to its first record in this thread, of which an event loop will read the rest."""
        self._open()
        pump = self._pump = ThreadPump(cast("Iterable[object]", self.records), self.frame)
        pump.step()
        if pump.early_error is not None:
            self.close()
            raise pump.early_error

    def start(self) -> None:
        """Run the producer to its first record in this thread; raise what it raises before."""
        self._open()
        pump = self._sync_pump = self._make_sync_pump()
        try:
            pump.ready(self.framing.grace)
            if pump.early_error is not None:
                raise pump.early_error
            if self.limit is not None and self.limit.is_over:
                raise self.limit.overdue()
        except BaseException:
            self.close()
            raise

    async def aread(self) -> AsyncGenerator[bytes]:
        """Yield what is ready, piece by piece, and the end as it comes."""
        try:
            if self._pump is None:
                self._open(is_refused=False)
                self._pump = self._make_pump()
            pump = self._pump
            self.check_cut()
            self._reader = cast("asyncio.Task[object] | None", asyncio.current_task())
            pump.resume()
            if self.framing.grace is not None and pump.is_empty:
                self.watch()
                yield self.framing.heartbeat
                self.unwatch()
            overdue = None
            while (piece := await pump.take(self._patience())) != b"":
                if self.limit is not None and self.limit.is_over:
                    overdue = self.limit.overdue()
                    break
                for part in parts_of(self.framing.heartbeat if piece is None else piece):
                    self.watch()
                    yield part
                    self.unwatch()
            self.check_cut()
            if (error := overdue or pump.error) is not None:
                # In a thread, as Django does it: receivers may ask the database. That of the request may be overdue.
                last = await sync_to_async(self._report, thread_sensitive=overdue is None)(error)
                self.watch()
                yield last
                raise error
        finally:
            self.unwatch()
            await self.aclose()

    def read(self) -> Generator[bytes]:
        """Yield what is ready, piece by piece, and the end as it comes."""
        try:
            if self._sync_pump is None:
                self._open(is_refused=False)
                self._sync_pump = self._make_sync_pump()
            pump = self._sync_pump
            self.check_cut()
            pump.resume()
            if self.framing.grace is not None and self.is_async and pump.is_empty:
                yield self.framing.heartbeat
            overdue = None
            while (piece := pump.take(self._patience())) != b"":
                if self.limit is not None and self.limit.is_over:
                    overdue = self.limit.overdue()
                    break
                yield self.framing.heartbeat if piece is None else piece
                self.check_cut()
            self.check_cut()
            if (error := overdue or pump.error) is not None:
                yield self._report(error)
                raise error
        finally:
            self.close()

    def cut(self, reason: str) -> None:
        """End the stream now, broken off. May be called in any thread."""
        if self.cut_reason is not None or not self._is_open:
            return
        self.cut_reason = reason
        _logger.warning("%s: the stream was cut off: %s.", self.name, reason, extra={"request": self.request})
        if self._reader is not None and not self._reader.done():
            loop = self._reader.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._reader.cancel)
        elif self._sync_pump is not None:
            # Its thread reads on, and closes it.
            self._sync_pump.abandon()
        else:
            self.abandon()

    def abandon(self) -> None:
        """Stop a producer that nobody will read, and wait for nothing. May be called in any thread."""
        if self._sync_pump is not None:
            self._sync_pump.drop()
        elif self._pump is not None and (loop := self._pump.loop) is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._aclose_soon)
        self._shut()

    def _aclose_soon(self) -> None:
        context = self._context.copy()
        # The thread that a sync middleware lent to the view has moved on.
        context.run(setattr, AsyncToSync.executors, "current", None)
        # The loop itself holds tasks weakly.
        self._closing = asyncio.get_running_loop().create_task(self.aclose(), context=context)

    async def aclose(self) -> None:
        """Stop the producer where it is, and wait until it has cleaned up."""
        try:
            if self._sync_pump is not None:
                await sync_to_async(self.close)()
            elif self._pump is not None:
                error = self._pump.error
                await self._pump.aclose()
                if self._pump.error is not error:
                    # Handlers of the log may send mail.
                    await sync_to_async(self._log_end)(error, self._pump.error)
        finally:
            self._shut()

    def close(self) -> None:
        """Stop the producer where it is, in this thread. What an event loop runs is told to stop."""
        try:
            if self._sync_pump is not None:
                error = self._sync_pump.error
                self._sync_pump.close()
                self._log_end(error, self._sync_pump.error)
            elif isinstance(self._pump, AsyncPump):
                self.abandon()
            elif self._pump is not None:
                self._pump.close()
            elif not self.is_async and callable(close := getattr(self.records, "close", None)):
                # Lines that were never read close nothing.
                close()
        except Exception as error:
            self._log_end(None, error)
        finally:
            self._shut()

    def _log_end(self, before: Exception | None, after: Exception | None) -> None:
        if after is not before:
            _logger.error("%s: the end of its producer failed.", self.name, exc_info=after)

    def check_cut(self) -> None:
        """Raise ConnectionAbortedError where the stream was ended from outside."""
        if self.cut_reason is not None:
            raise ConnectionAbortedError(self.cut_reason)

    def _open(self, *, is_refused: bool = True) -> None:
        streams = open_streams()
        if not streams.claim(self.records) or is_spent(self.records):
            raise documented(
                RuntimeError(
                    f"{self.name}: its generator is being read, or has been read, by another response. "
                    "A generator is read once. Call the generator function for each response."
                ),
                _SECTION,
            )
        if not streams.add(self, get_config().MAX_OPEN_STREAMS if is_refused else None):
            raise Refusal(503, detail="Too many streams are open.", headers={"Retry-After": "1"})
        self._is_open = True

    def _shut(self) -> None:
        if self._is_open:
            self._is_open = False
            open_streams().discard(self)

    def _make_pump(self) -> AsyncPump | ThreadPump:
        if self.is_async:
            return AsyncPump(cast("AsyncIterable[object]", self.records), self.frame)
        return ThreadPump(cast("Iterable[object]", self.records), self.frame)

    def _make_sync_pump(self) -> DirectPump | LoopPump:
        if self.is_async:
            return LoopPump(cast("AsyncIterable[object]", self.records), self.frame)
        return DirectPump(cast("Iterable[object]", self.records), self.frame)

    def _report(self, error: Exception) -> bytes:
        return self.framing.frame_error(report(error, self.name, self.request))

    def _patience(self) -> float | None:
        return self.heartbeat if self.limit is None else self.limit.patience(self.heartbeat)

    def watch(self) -> None:
        """End the stream if its reader does not come back in time."""
        self._reader = cast("asyncio.Task[object] | None", asyncio.current_task())
        if (timeout := get_config().STREAM_SEND_TIMEOUT) is not None:
            reason = f"its reader took nothing for {timeout:g} s"
            self._stall = asyncio.get_running_loop().call_later(timeout, self.cut, reason)

    def unwatch(self) -> None:
        """Note that it has come back."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
