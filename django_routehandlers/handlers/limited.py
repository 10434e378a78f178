"""
Give a handler no more than its time (``max_duration``), wherever it runs.

What runs on an event loop is cancelled. A thread cannot be ended: under ASGI its client is answered,
and the thread, of which there may be only so many, is left alone until it comes back by itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Lock
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.http.response import HttpResponseBase

from django_routehandlers.conf import get_config
from django_routehandlers.engine.overdue import let_go_of_thread, overdue_threads
from django_routehandlers.responses.problems import Refusal
from django_routehandlers.responses.stream import StreamResponse
from django_routehandlers.responses.time_limit import Overdue, TimeLimit

ACall = Callable[..., Awaitable[Any]]

_logger = logging.getLogger("django_routehandlers")


def limited(call: ACall, seconds: float, label: str) -> ACall:
    """Return *call*, cancelled when its time is over; a stream that it returns has what is left."""

    async def respond(*args: Any, **kwargs: Any) -> Any:
        limit = TimeLimit(label, seconds)
        return _held_to(limit, await limit.hold(call(*args, **kwargs)))

    return respond


def limited_in_thread(call: Callable[..., HttpResponseBase], seconds: float, label: str) -> ACall:
    """Return what runs the sync *call* in a thread, and leaves it there when its time is over."""

    async def respond(*args: Any, **kwargs: Any) -> HttpResponseBase:
        if len(overdue_threads()) >= get_config().MAX_OVERDUE_THREADS:
            detail = "Too many handlers are still at work behind their time."
            raise Refusal(503, detail=detail, headers={"Retry-After": "1"})
        limit = TimeLimit(label, seconds)
        run = _Run(call, label)
        try:
            response = await limit.hold(sync_to_async(run, thread_sensitive=True)(*args, **kwargs))
        except Overdue:
            run.abandon()
            raise
        except asyncio.CancelledError:
            # The client has left, which ends no thread either. It has what is left of its time.
            asyncio.get_running_loop().call_later(max(limit.left, 0), run.abandon)
            raise
        return _held_to(limit, response)

    return respond


def limited_stream(call: Callable[..., HttpResponseBase], seconds: float, label: str) -> Callable[..., Any]:
    """Return *call*, which nothing can break off; a stream that it returns has what is left of its time."""

    def respond(*args: Any, **kwargs: Any) -> HttpResponseBase:
        limit = TimeLimit(label, seconds)
        return _held_to(limit, call(*args, **kwargs))

    return respond


def _held_to(limit: TimeLimit, result: Any) -> Any:
    if isinstance(result, StreamResponse):
        result.hold_to(limit)
    return result


class _Run:
    """One run of a sync handler, which may go on without anybody who waits for it."""

    def __init__(self, call: Callable[..., HttpResponseBase], label: str) -> None:
        self._call, self._label = call, label
        self._lock = Lock()
        self._is_running = self._is_overdue = self._is_let_go = False

    def __call__(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Call the handler. In the thread."""
        self._is_running = True
        try:
            response = self._call(*args, **kwargs)
        except Exception:
            if self._end():
                _logger.exception("%s: it failed, behind its time: nobody waits for its answer any more.", self._label)
            raise
        except BaseException:
            self._end()
            raise
        if self._end():
            _discard(response)
        return response

    def abandon(self) -> None:
        """Count the thread, if the handler runs there, and let the request go on with another one."""
        with self._lock:
            if self._is_running:
                self._is_overdue = True
                overdue_threads().enter()
                self._is_let_go = let_go_of_thread()

    def _end(self) -> bool:
        """Note that the handler has ended; return whether nobody waits for it."""
        with self._lock:
            self._is_running = False
        if self._is_let_go:
            # Whatever state they are in: the thread is another request's next.
            connections.close_all()
        if self._is_overdue:
            overdue_threads().leave()
        return self._is_overdue


def _discard(response: HttpResponseBase) -> None:
    """Close what a response holds, but not its request, which has ended."""
    closers: list[Callable[[], object]] = vars(response)["_resource_closers"]
    for close in closers:
        with suppress(Exception):
            close()
