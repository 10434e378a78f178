"""
Keep what a handler wants done once its response has been sent, and do it then.

Under our own ASGI application that is behind the request, in a task of its own. Everywhere else it
is when the response is closed, which servers do behind the last byte.
"""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from contextvars import Context, ContextVar, Token, copy_context
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, ParamSpec, cast

from asgiref.sync import AsyncToSync, SyncToAsync, async_to_sync, sync_to_async
from django.http import HttpRequest

from django_routehandlers.documentation import Section, documented
from django_routehandlers.engine.own_thread import own_thread
from django_routehandlers.engine.threads import is_on_loop
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.functions import is_coroutine_function

_SECTION = Section("reference/after", "Where it may be called")

_P = ParamSpec("_P")
Start = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]
"""Runs a coroutine in a task of its own. May be called in any thread."""

SCOPE_KEY = "django_routehandlers.after"
"""Where the ASGI scope of a request that our application answers holds what is to be done behind it."""

_logger = logging.getLogger("django_routehandlers")
# Held for no longer than it takes to look and to set: one for all is enough.
_LOCK = Lock()
_NOWHERE = (
    "after() was called where no request is being answered by a route. It belongs to a request: call it in a handler, "
    "in what it calls, or in the generator of a stream, while that is sent; not in a function that is @cached. What "
    "belongs to no request is a task of a queue, or of the event loop."
)
_CACHED = (
    "after() was called by a cached GET: the function would run each time that the answer is made, not each time that "
    'it is sent. Add `dynamic = "force-dynamic"` to the route file where it is meant for each request.'
)


@dataclass(frozen=True, slots=True)
class Call:
    """One function, with its arguments and the context in which it was given to ``after()``."""

    function: Callable[..., object]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    context: Context

    @property
    def name(self) -> str:
        """What the log calls the function."""
        function: Any = getattr(self.function, "func", self.function)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        # A method of a built-in type says None.
        return f"{module}.{name}" if (module := getattr(function, "__module__", None)) else name

    def run(self) -> None:
        """Call the function in this thread, to its end."""
        result = self.context.run(self.function, *self.args, **self.kwargs)
        if inspect.isawaitable(result):
            self.context.run(async_to_sync(_wait), result)

    async def arun(self) -> None:
        """Call the function on the event loop, in the request's thread where it is sync, to its end."""
        if is_coroutine_function(self.function):
            await cast("Coroutine[Any, Any, object]", self.function(*self.args, **self.kwargs))
            return
        result = await sync_to_async(self.function, thread_sensitive=True)(*self.args, **self.kwargs)
        if inspect.isawaitable(result):
            await result

    async def arun_alone(self) -> None:
        """As ``arun()``, with a thread of its own."""
        # The thread that a sync middleware lent to the view has moved on.
        AsyncToSync.executors.current = None
        async with own_thread():
            await self.arun()


class Deferred:
    """
    What is to be done behind one request.

    Args:
        table: Method → handler, for the log.
    """

    __slots__ = ("_calls", "_is_attached", "_is_over", "_request", "_start", "_table", "_task", "_token")

    def __init__(self, request: HttpRequest, table: Mapping[str, BoundHandler]) -> None:
        self._request: HttpRequest = request
        self._table = table
        self._calls: deque[Call] | None = None
        self._is_attached = self._is_over = False
        self._start: Start | None = None
        self._token: Token[Deferred | str] = _current.set(self)

    def leave(self, *, streams: bool | None) -> None:
        """
        Say that the view has ended.

        Args:
            streams: Whether its response is still to be read; ``None`` where it raised, and what it
                began in a thread may go on.
        """
        if streams:
            self._attach()
            return
        _current.reset(self._token)
        if streams is not None and not self._is_attached:
            self._is_over = True

    def add(self, call: Call) -> None:
        """Have *call* done behind the response, or now where that has been sent."""
        with _LOCK:
            if self._is_over and self._start is None:
                raise documented(RuntimeError(_NOWHERE), _SECTION)
            if self._calls is None:
                self._calls = deque()
            self._calls.append(call)
            start = self._start if self._is_over else None
            self._is_over = False
        if start is not None:
            start(self.arun_alone)
        else:
            self._attach()

    def begin(self, start: Start) -> None:
        """Do what is to be done, now that the response has been sent, and what is added from here on."""
        with _LOCK:
            self._start = start
            self._is_over = not self._calls
        if not self._is_over:
            start(self.arun_alone)

    async def arun_alone(self) -> None:
        """Do what is to be done, each on a thread of its own."""
        await self._arun(Call.arun_alone)

    def _attach(self) -> None:
        with _LOCK:
            if self._is_attached:
                return
            self._is_attached = True
        request: Any = self._request
        scope: MutableMapping[str, Any] = getattr(request, "scope", {})
        if SCOPE_KEY not in scope:
            # Whatever response the middleware makes of ours, or Django of an error, closes its request.
            request.close = partial(self._close, request.close)
            return
        with _LOCK:
            start: Start | None = scope[SCOPE_KEY]
            if start is None:
                scope[SCOPE_KEY] = self
        if start is not None:
            self.begin(start)

    def _close(self, close: Callable[[], object]) -> None:
        """Close the request, then do what is to be done."""
        close()
        loop: asyncio.AbstractEventLoop | None = getattr(SyncToAsync.threadlocal, "main_event_loop", None)
        if is_on_loop():
            # Django's async test client, at the end of a stream.
            self._task = asyncio.get_running_loop().create_task(self._arun(Call.arun))
        elif hasattr(self._request, "scope") and not _has_context() and loop is not None and loop.is_running():
            # Django's async test client, in a thread that does not see the transaction of the test.
            asyncio.run_coroutine_threadsafe(self._arun(Call.arun), loop).result()
        else:
            while (call := self._next()) is not None:
                try:
                    call.run()
                except (Exception, asyncio.CancelledError):
                    self._log(call)
            if _current.get() is self:
                # Under WSGI the next request of the thread has the same context, and should not keep this one.
                _current.set(_NOWHERE)

    async def _arun(self, run: Callable[[Call], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.get_running_loop()
        while (call := self._next()) is not None:
            try:
                await loop.create_task(run(call), context=call.context)
            except asyncio.CancelledError:
                if cast("asyncio.Task[None]", asyncio.current_task()).cancelling():
                    self._log_loss(call)
                    raise
                self._log(call)
            except Exception:
                self._log(call)

    def _next(self) -> Call | None:
        with _LOCK:
            if self._calls:
                return self._calls.popleft()
            self._is_over = True
            return None

    @property
    def _label(self) -> str:
        handler = self._table.get(self._request.method or "")
        return self._request.path if handler is None else handler.label

    def _log(self, call: Call) -> None:
        _logger.exception("%s: %s, which was given to after(), failed.", self._label, call.name)

    def _log_loss(self, call: Call) -> None:
        lost = [call.name, *(other.name for other in self._calls or ())]
        _logger.error("%s: the server has stopped, and after() did not come to the end of %s.", self._label, lost)


_current: ContextVar[Deferred | str] = ContextVar("deferred", default=_NOWHERE)
"""Of the request that is being answered; where none is, or may be, what is said of ``after()``."""


def after(function: Callable[_P, object], /, *args: _P.args, **kwargs: _P.kwargs) -> None:
    """
    Call *function*, which may be async, once the response has been sent.

    Functions are called one after the other, in the order of the calls of ``after()``, whatever the
    response is. What one raises is logged, and the next one is called all the same.

    Raises:
        RuntimeError: No request is being answered by a route, or a cached GET is being made.
        TypeError: *function* is no function, or a generator function, of which nothing would run.
    """
    if not callable(function):
        if inspect.iscoroutine(function):
            # Else Python would complain that nobody awaited it, beside what is said here.
            function.close()
        raise documented(
            TypeError(f"after() takes a function and its arguments, not {function!r}. Write `after(notify, order)`."),
            _SECTION,
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise documented(
            TypeError(f"after() calls {function!r}, and would run nothing of it: it is a generator function."), _SECTION
        )
    deferred = _current.get()
    if isinstance(deferred, str):
        raise documented(RuntimeError(deferred), _SECTION)
    deferred.add(Call(function, args, kwargs, copy_context()))


class Forbidden:
    """What a cached GET that is called by itself has in the place of ``Deferred``: ``after()`` raises."""

    def __init__(self) -> None:
        self._token = _current.set(_CACHED)

    def leave(self, *, streams: bool | None) -> None:
        """Allow it again."""
        _current.reset(self._token)


def forbid_after() -> None:
    """Have ``after()`` raise in this context, which is that of a cached GET."""
    _current.set(_CACHED)


def end_request(scope: MutableMapping[str, Any], start: Start) -> None:
    """Begin with what is to be done behind the request of *scope*, now that it has ended."""
    with _LOCK:
        deferred: Deferred | None = scope[SCOPE_KEY]
        scope[SCOPE_KEY] = start
    if deferred is not None:
        deferred.begin(start)


def _has_context() -> bool:
    return SyncToAsync.thread_sensitive_context.get(None) is not None


async def _wait(result: Awaitable[object]) -> object:
    return await result
