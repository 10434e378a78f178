"""Run an async producer for a server that has no event loop: a loop in a thread of its own."""

import asyncio
import threading
from collections.abc import AsyncIterable, Awaitable, Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Self, TypeVar

from asgiref.sync import SyncToAsync

from django_routehandlers.responses.async_pump import AsyncPump

_Result = TypeVar("_Result")


class LoopPump:
    """
    One async producer on a loop of its own, and what it has yielded, at most one piece ahead.

    The sync code that it awaits runs in the thread that reads: it has the database connection,
    and under a test its transaction. It waits until that thread comes for the next piece.

    Args:
        records: What is read, once.
        frame: What turns a record into bytes.
    """

    def __init__(self, records: AsyncIterable[object], frame: Callable[[object], bytes]) -> None:
        self._thread = LoopThread()
        self._pump = AsyncPump(records, frame, self._thread.caller)
        self._is_running = False

    @property
    def error(self) -> Exception | None:
        """What the producer failed with; known when ``take()`` has returned ``b""``."""
        return self._pump.error

    @property
    def early_error(self) -> Exception | None:
        """What the producer failed with before its first record."""
        return self._pump.early_error

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be taken at this moment."""
        return self._pump.is_empty

    def ready(self, within: float | None) -> None:
        """Run the producer until something can be taken, or *within* seconds; then it pauses."""
        self._run(lambda: self._pump.ready(within))

    def resume(self) -> None:
        """Let the producer go on."""

        async def resume() -> None:
            self._pump.resume()

        self._run(resume)

    def take(self, within: float | None = None) -> bytes | None:
        """Return what is ready as soon as there is something, ``b""`` at the end, ``None`` after *within* seconds."""
        return self._run(lambda: self._pump.take(within))

    def close(self) -> None:
        """Stop the producer where it is, and wait until it has cleaned up."""
        if self._is_running:
            self._is_running = False
            with self._thread:
                self._thread.run(self._pump.aclose)

    def abandon(self) -> None:
        """Stop the producer, for its reader to close. May be called in any thread."""
        self._pump.abandon()

    def drop(self) -> None:
        """Stop a producer without a reader, and wait for nothing. May be called in any thread."""
        if self._is_running:
            # What it awaits while it cleans up needs a thread to run in.
            threading.Thread(target=self.close, name="stream-close", daemon=True).start()

    def _run(self, step: Callable[[], Awaitable[_Result]]) -> _Result:
        if not self._is_running:
            self._is_running = True
            self._thread.start()
        return self._thread.run(step)


class _Caller(Executor):
    """Runs what is submitted in the thread that reads, whenever that waits for the loop."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        self.work.put(work)
        return future


class LoopThread:
    """An event loop in a thread of its own, which lives from ``start()`` to the end of ``with``."""

    def __init__(self) -> None:
        self.caller = _Caller()
        """Runs sync code in the thread that calls ``run()``, while it does."""

    def start(self) -> None:
        """Start the thread."""
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="stream-loop", daemon=True)
        self._thread.start()
        self._loop, self._stop = self._started.result()

    def __enter__(self) -> Self:
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
        done: Future[_Result] = Future()

        async def run_step() -> None:
            try:
                done.set_result(await step())
            except BaseException as error:
                done.set_exception(error)

        context = copy_context()
        tasks: set[asyncio.Task[None]] = set()

        def begin() -> None:
            # The loop itself holds tasks weakly.
            tasks.add(self._loop.create_task(run_step(), context=context))

        self._loop.call_soon_threadsafe(begin)
        done.add_done_callback(lambda _: self.caller.work.put(None))
        # asgiref notes in a thread which loop its sync code belongs to; this one is there for a while only.
        noted = vars(SyncToAsync.threadlocal).copy()
        while (work := self.caller.work.get()) is not None:
            work()
        vars(SyncToAsync.threadlocal).clear()
        vars(SyncToAsync.threadlocal).update(noted)
        return done.result()
