"""
Have event loops wait for calls that are made on a few threads, none for longer than a time limit.

Threads make no server faster. What more than a few of them would ask of one that is slow waits in a queue, and a
queue without an end makes everybody wait for all who came before. So the time of a call begins in the queue. Who
comes is not turned away by how long the last calls took: a busy process would let pass what it should stop.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar, cast

from django_routehandlers.caching.breaker import StoreError
from django_routehandlers.clocks import monotonic

_THREADS = 4
_CLOSED = "The settings have changed, or the process ends."

_P = ParamSpec("_P")
_R = TypeVar("_R")


class AwaitedCalls:
    """
    Make calls on at most four threads. Usable from any number of event loops.

    Args:
        timeout: Seconds that a caller waits, for a free thread and for its call together.
        name: What the threads are called.
        on_late: Is told why, from any thread, whenever a call is not made, or its result comes too late.
    """

    def __init__(self, timeout: float, name: str, on_late: Callable[[str], object]) -> None:
        self._timeout = timeout
        self._on_late = on_late
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)

    async def run(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """
        Return what *function* returns, called on one of the threads.

        Raises:
            StoreError: The call has not ended in time, or not begun before ``close()``. Where it has begun, it goes
                on, and nobody waits for it.
        """
        ends = monotonic() + self._timeout
        try:
            call = self._threads.submit(self._make, ends, lambda: function(*args, **kwargs))
        except RuntimeError as error:
            raise StoreError(_CLOSED) from error
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(call)
        except asyncio.CancelledError:
            # By close(), which tells whoever waits in the same way as whoever cancels its task.
            if call.cancelled() and not cast("asyncio.Task[object]", asyncio.current_task()).cancelling():
                raise StoreError(_CLOSED) from None
            raise
        except TimeoutError:
            if call.done() and not call.cancelled():
                # It has ended in time: the event loop is behind. It may be a flood that a limit is to stop.
                return call.result()
            # One that has begun may still fail, which is another reason.
            if call.cancel():
                self._on_late(f"No call has begun within {self._timeout} s.")
            raise StoreError(f"No answer within {self._timeout} s.") from None
        finally:
            # The caller may have left.
            call.cancel()

    def close(self) -> None:
        """End the threads once their calls have ended. Those that wait are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _make(self, ends: float, function: Callable[[], _R]) -> _R:
        began = monotonic()
        if began >= ends:
            # The event loop is behind, and has not yet cancelled it.
            self._on_late("Its turn came too late.")
            raise StoreError("Its turn came too late.")
        result = function()
        if (ended := monotonic()) > ends:
            self._on_late(f"A call took {ended - began:.3f} s.")
        return result
