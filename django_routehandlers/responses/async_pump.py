"""
Run an async producer, and hand over what it yields in pieces that are ready.

The producer has a task of its own, which is driven by hand: as long as it runs, what it yields
is collected; when it hands out a future it has to wait, and what is there goes out first. No
timer decides, and no line waits for another.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Executor
from contextlib import AsyncExitStack, suppress
from contextvars import Context, copy_context
from time import sleep
from types import AsyncGeneratorType
from typing import Any, cast

from asgiref.sync import AsyncToSync, ThreadSensitiveContext

from django_routehandlers.clocks import monotonic
from django_routehandlers.documentation import Section, documented

_SECTION = Section("reference/responses", "Sync and async producers")

PIECE = 65536
"""Bytes that are joined at most; one line may be longer."""
_TURN = 0.002  # seconds that a producer which never waits keeps the loop to itself
_REIGN = 0.005  # seconds after which it lets other threads run
_PAUSE = 0.0001  # seconds
_CLEANING = 10  # seconds that a producer may take to clean up
_LULL = 0.001  # seconds that a producer may pass in giving way to other tasks, and no more


class AsyncPump:
    """
    One async producer and what it has yielded, at most one piece ahead of its reader.

    Args:
        records: What is read, once.
        frame: What turns a record into bytes.
        thread: What runs the sync code that the producer awaits; without it asgiref decides.
    """

    error: Exception | None = None
    """What the producer failed with; known when ``take()`` has returned ``b""``."""

    def __init__(
        self, records: AsyncIterable[object], frame: Callable[[object], bytes], thread: Executor | None = None
    ) -> None:
        self._records = records
        self._frame = frame
        self._thread = thread
        # Not a list of lines: thousands of small objects that go at once make glibc give memory back and forth.
        self._lines = bytearray()
        self._lull_ends = 0.0
        self._turn_ends = 0.0
        self._reign_ends = 0.0
        self._is_paused = False
        self._is_closing = False
        self._has_ended = False
        self._task: asyncio.Task[None] | None = None
        self._context: Context = copy_context()
        self._reader: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    @property
    def early_error(self) -> Exception | None:
        """What the producer failed with before its first record."""
        return None if self._lines else self.error

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be taken at this moment."""
        return not self._lines and not self._has_ended

    async def ready(self, within: float | None) -> None:
        """Run the producer until something can be taken, or *within* seconds; then it pauses."""
        self._start()
        await self._wait(within)
        self._is_paused = True

    def resume(self) -> None:
        """
        Let the producer go on, in the thread of those that read it now.

        Raises:
            RuntimeError: It was started on another event loop.
        """
        if self._start().get_loop() is not asyncio.get_running_loop():
            raise documented(RuntimeError("A stream is read on the event loop on which it was started."), _SECTION)
        self._is_paused = False
        self._change_thread()
        _release(self._room)

    async def take(self, within: float | None = None) -> bytes | None:
        """Return what is ready as soon as there is something, ``b""`` at the end, ``None`` after *within* seconds."""
        await self._wait(within)
        if not self._lines:
            return b"" if self._has_ended else None
        piece = bytes(self._lines)
        self._lines.clear()
        self._lull_ends = 0.0
        _release(self._room)
        return piece

    async def aclose(self) -> None:
        """Stop the producer where it is, and wait until it has cleaned up."""
        if self._task is None or self._task.done():
            return
        self._change_thread()
        self._cancel()
        _, pending = await asyncio.wait([self._task], timeout=_CLEANING)
        if pending:
            self.error = RuntimeError(f"The producer was cancelled {_CLEANING} s ago, and goes on. It is left alone.")

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Where the producer runs; ``None`` where it has not begun, or has ended."""
        return None if self._task is None or self._task.done() else self._task.get_loop()

    def abandon(self) -> None:
        """Stop the producer and wait for nothing. May be called in any thread."""
        if (loop := self.loop) is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._cancel)

    def _start(self) -> "asyncio.Task[None]":
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), context=self._context)
        return self._task

    def _change_thread(self) -> None:
        if self._thread is None:
            # That of the view may be gone: a sync middleware lends its own until it returns.
            bridge = getattr(AsyncToSync.executors, "current", None)
            self._context.run(setattr, AsyncToSync.executors, "current", bridge)

    def _cancel(self) -> None:
        # A second one would break off the cleaning up.
        if self._task is not None and not self._is_closing:
            self._is_closing = True
            self._task.cancel()

    async def _run(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                if self._thread is not None:
                    await stack.enter_async_context(ThreadSensitiveContext(executor=self._thread))
                iterator = aiter(self._records)
                if callable(close := getattr(iterator, "aclose", None)):
                    stack.push_async_callback(cast("Callable[[], Coroutine[Any, Any, None]]", close))
                await _Steps(self._drive(self._pull(iterator)))
        except Exception as error:
            self.error = error
        except BaseException as error:
            # Cancelled by somebody else, such as a loop that ends; or what no handler of exceptions should
            # see. What is there is not the whole.
            if not self._is_closing:
                self.error = RuntimeError(f"The producer was ended by {type(error).__name__}.")
                self.error.__cause__ = error
            if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
                raise
        finally:
            self._has_ended = True
            _release(self._reader)

    async def _pull(self, iterator: AsyncIterator[object]) -> None:
        """Take record after record, cancellations included that are the producer's own."""
        with suppress(StopAsyncIteration):
            while (interruption := await self._pull_until_interrupted(iterator)) is not None:
                # At its yield there is a timeout, or a group of tasks, that knows what to make of it.
                self._lines += self._frame(await interruption)

    async def _pull_until_interrupted(self, iterator: AsyncIterator[object]) -> Awaitable[object] | None:
        frame, lines = self._frame, self._lines
        async for record in iterator:
            lines += frame(record)
            if self._is_closing:
                return None
            if len(lines) >= PIECE or monotonic() > self._turn_ends:
                try:
                    await _Steps(self._until_taken())
                except asyncio.CancelledError as error:
                    if self._is_closing or not isinstance(iterator, AsyncGeneratorType):
                        raise
                    return cast("AsyncGeneratorType[object]", iterator).athrow(error)
        return None

    def _drive(self, pull: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Run *pull*, and hand over what is there whenever it has to wait."""
        self._turn_ends = monotonic() + _TURN
        with suppress(StopIteration):
            waited = pull.send(None)
            while True:
                self._hand_over(waited)
                try:
                    answer = yield waited
                    while self._is_paused and not self._is_closing:
                        yield from self._until_taken()
                except BaseException as error:
                    waited = pull.throw(error)
                else:
                    self._turn_ends = monotonic() + _TURN
                    waited = pull.send(answer)

    def _hand_over(self, waited: object) -> None:
        if not self._lines:
            return
        # None is sleep(0): the producer gives way, and is ready again when the others have had their turn.
        if waited is None:
            now = monotonic()
            self._lull_ends = self._lull_ends or now + _LULL
            if now < self._lull_ends:
                return
        _release(self._reader)

    def _until_taken(self) -> Generator[Any, Any, None]:
        _release(self._reader)
        self._room = room = asyncio.get_running_loop().create_future()
        yield from room.__await__()
        now = monotonic()
        if now > self._reign_ends:
            # A thread that waits for the interpreter asks for it after 5 ms in which nobody let go of it. A
            # loop that is busy lets go for less than it takes to wake up, again and again: for seconds.
            sleep(_PAUSE)
            self._reign_ends = now + _REIGN
        self._turn_ends = now + _TURN

    async def _wait(self, within: float | None) -> None:
        if not self.is_empty:
            return
        loop = asyncio.get_running_loop()
        self._reader = reader = loop.create_future()
        timer = None if within is None else loop.call_later(within, _release, reader)
        try:
            await reader
        finally:
            if timer is not None:
                timer.cancel()


class _Steps:
    """Awaits what a generator does by hand."""

    def __init__(self, steps: Generator[Any, Any, None]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, None]:
        return self._steps


def _release(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)


def parts_of(piece: bytes) -> Iterator[bytes]:
    """Yield a piece in parts that a slow reader takes in time, each of its own: a record may have any length."""
    if len(piece) <= 2 * PIECE:
        yield piece
        return
    for start in range(0, len(piece), PIECE):
        yield piece[start : start + PIECE]
