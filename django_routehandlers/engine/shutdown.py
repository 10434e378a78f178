"""
Turn the end of a server into a call, while its connections are still open.

Servers wait at SIGTERM until all responses have been sent, and an event stream has no end. The
shutdown event of ASGI's lifespan protocol is no help: it comes when nothing is left to wait for.
"""

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

from django_routehandlers.engine.connection import wait_for_end

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))


class Shutdown:
    """
    Notice that the server which runs this process stops, and say so on its event loop.

    Args:
        callback: What is called, in the loop, each time that the server is told to stop.
    """

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop on which requests are answered."""
        self._waiting: asyncio.Task[None] | None = None
        # Kept, so that the next event loop finds the one that is in force.
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self.has_begun = False
        """Whether the server has been told to stop."""

    def watch(self, send: object) -> None:
        """
        Start to watch the server behind the ASGI *send*; the first call on an event loop counts.

        Call it while a request is answered: by then the server has set its signal handlers. They
        stay in force, each behind one of ours.
        """
        loop = asyncio.get_running_loop()
        if loop is self.loop:
            return
        self.loop, self.has_begun = loop, False
        if (wait := wait_for_end(send)) is not None:
            self._waiting = loop.create_task(self._tell_after(wait))
        elif current_thread() is main_thread():
            for number in _SIGNALS:
                self._chain(number)

    def _chain(self, number: int) -> None:
        before = signal.getsignal(number)
        # Where nobody handles the signal it ends the process, or is ignored, as someone has decided. asyncio
        # cancels what it runs, and puts its handler away only where it finds it again.
        if not callable(before) or before is signal.default_int_handler or _is_asyncios(before):
            return
        if before is self._handlers.get(number):
            return

        def handle(number: int, frame: FrameType | None) -> Any:
            if self.loop is not None and not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self._tell)
            return before(number, frame)

        self._handlers[number] = handle
        signal.signal(number, handle)

    async def _tell_after(self, wait: Callable[[], Any]) -> None:
        await wait()
        self._tell()

    def _tell(self) -> None:
        self.has_begun = True
        self._callback()


def _is_asyncios(handler: object) -> bool:
    return isinstance(handler, partial) and isinstance(getattr(handler.func, "__self__", None), asyncio.Runner)
