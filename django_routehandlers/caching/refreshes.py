"""
Run refreshes behind the back of requests: few at a time, each in a context and a thread of its own.

Nothing of the request that noticed the stale entry is used: not its context, not its thread, not
its database connection.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import Context
from threading import Lock
from typing import cast

from django.core.cache import caches
from django.db import connections

from django_routehandlers.caching.flights import DEADLINE
from django_routehandlers.caching.keys import Key
from django_routehandlers.engine.own_thread import own_thread

AT_ONCE = 16
"""Refreshes that a process runs at a time. Further entries stay stale until the next request for them."""
_THREADS = 2


class Refreshes:
    """The refreshes of this process."""

    def __init__(self) -> None:
        # The event loop holds tasks weakly.
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._in_threads: dict[Key, Future[object]] = {}

    def __len__(self) -> int:
        return len(self._tasks) + len(self._in_threads)

    @property
    def has_room(self) -> bool:
        """Whether another one may start."""
        return len(self) < AT_ONCE

    def start(self, key: Key, work: Callable[[], object]) -> None:
        """Run *work* in a thread, unless one for *key* is to. The process waits for what has begun when it ends."""
        with self._lock:
            if key in self._in_threads or not self.has_room:
                return
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="route-refresh")
            # At the end of the process no thread can be started any more, nor need one be.
            with suppress(RuntimeError):
                self._in_threads[key] = self._threads.submit(Context().run, self._run, key, work)

    def astart(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run *work* in a task."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._arun(work), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def wait(self, seconds: float) -> bool:
        """Wait for the refreshes that threads run, *seconds* at most; return whether they have ended."""
        with self._lock:
            under_way = list(self._in_threads.values())
        return not wait(under_way, seconds).not_done

    async def drain(self, seconds: float) -> None:
        """Wait for the refreshes that tasks of this event loop run, *seconds* at most."""
        loop = asyncio.get_running_loop()
        if own := [task for task in self._tasks if task.get_loop() is loop]:
            await asyncio.wait(own, timeout=seconds)

    def close(self) -> None:
        """Take no more of them."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)

    def _is_ending(self) -> bool:
        """Return whether the process ends: no thread can be started any more, as async handlers do."""
        try:
            # There is no other way to ask.
            cast("ThreadPoolExecutor", self._threads).submit(int)
        except RuntimeError:
            return True
        return False

    def _run(self, key: Key, work: Callable[[], object]) -> None:
        try:
            if not self._is_ending():
                work()
        except Exception:
            _log()
        finally:
            connections.close_all()
            caches.close_all()
            with self._lock:
                self._in_threads.pop(key, None)

    async def _arun(self, work: Callable[[], Awaitable[object]]) -> None:
        async with own_thread() as thread:
            try:
                # One that hangs would take the place of others for ever.
                async with asyncio.timeout(DEADLINE):
                    await work()
            except Exception:
                _log()
            finally:
                await thread.rest()


def _log() -> None:
    logging.getLogger("django_routehandlers.cache").exception(
        "A refresh has failed. The last entry is kept, and the refresh is tried again later."
    )
