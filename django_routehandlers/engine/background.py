"""Run what is left to do behind responses, in tasks of its own, and wait for it when the server stops."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from django_routehandlers.engine.threads import is_on_loop

MANY = 1000
"""Tasks at a time of which the log says that more is begun than is done."""

_logger = logging.getLogger("django_routehandlers")


class Background:
    """
    The tasks that one ASGI application has begun behind responses, and that have not ended.

    Args:
        loop: Returns the event loop on which requests are answered.
    """

    def __init__(self, loop: Callable[[], asyncio.AbstractEventLoop | None]) -> None:
        self._loop = loop
        # The event loop holds tasks weakly.
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *work* in a task, whose context is empty. May be called in any thread."""
        if is_on_loop():
            self._begin(work)
        elif (loop := self._loop()) is not None:
            loop.call_soon_threadsafe(self._begin, work)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.get_running_loop().create_task(work(), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if len(self._tasks) == MANY:
            _logger.warning("What %d responses have left to after() is not done: it takes longer than it should.", MANY)

    async def drain(self, seconds: float) -> None:
        """Wait for the tasks of this event loop, *seconds* at most; then cancel those that are left."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        # What is done behind a response may begin more of its kind.
        while (own := self._of(loop)) and (left := ends - loop.time()) > 0:
            await asyncio.wait(own, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if own := self._of(loop):
            for task in own:
                task.cancel()
            await asyncio.wait(own, timeout=1)

    def _of(self, loop: asyncio.AbstractEventLoop) -> "list[asyncio.Task[None]]":
        return [task for task in self._tasks if task.get_loop() is loop]
