"""
Put a view behind Django's own handlers, and read it, stall or leave as clients do, all in this process.

Also the middleware that streams have to pass: Django imports it from here by name.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception, request_finished, request_started
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path
from pytest_django import Settings

Message = dict[str, Any]
GetResponse = Callable[[HttpRequest], Any]


def serve(settings: Settings, view: Callable[..., object], middleware: Iterable[str] = ()) -> None:
    """Make *view* the whole project, behind *middleware*: names of this module, or paths."""

    class URLConf:
        urlpatterns = [path("", view)]  # type: ignore[arg-type]

    settings.ROOT_URLCONF = URLConf
    settings.MIDDLEWARE = [name if "." in name else f"{__name__}.{name}" for name in middleware]


def _closing(kind: type[ASGIHandler]) -> Any:
    """Return *kind*, of which Django 5.2 and 6.0 leave the request's body file open when sending fails."""

    class Handler(kind):  # type: ignore[valid-type,misc]
        async def read_body(self, receive: Any) -> Any:
            self.body_file = await super().read_body(receive)
            return self.body_file

    return Handler


class Visitor:
    """
    A client of Django's ASGI handler.

    Args:
        takes: How many parts of a body it takes; the next one blocks for ever. ``None``: all.
        fails: Raised by the server when a part of a body is sent.
        handler: What Django answers it with.
    """

    def __init__(
        self,
        method: str = "GET",
        fields: Iterable[tuple[str, str]] = (),
        *,
        takes: int | None = None,
        fails: BaseException | None = None,
        handler: type[ASGIHandler] = ASGIHandler,
    ) -> None:
        self.method = method
        self.fields = [(name.lower().encode(), value.encode()) for name, value in fields]
        self.takes = takes
        self.fails = fails
        self.handler = _closing(handler)
        self.messages: list[Message] = []
        self.is_asked = False
        self.left = asyncio.Event()

    @property
    def parts(self) -> list[bytes]:
        """The pieces of the body, without an empty one at its end."""
        return [part for message in self.messages[1:] if (part := message.get("body", b""))]

    @property
    def body(self) -> bytes:
        """All of the body that has come."""
        return b"".join(self.parts)

    @property
    def is_whole(self) -> bool:
        """Whether the body was ended as a whole one, not broken off."""
        return bool(self.messages) and self.messages[-1] == {"type": "http.response.body"}

    @property
    def status(self) -> int:
        """The status code."""
        return self.messages[0]["status"]

    @property
    def response_fields(self) -> dict[str, str]:
        """The header."""
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    async def visit(self) -> None:
        """Be answered. Raises what a server would see."""
        fields = [(b"host", b"testserver"), *self.fields]
        scope = {"type": "http", "method": self.method, "path": "/", "headers": fields, "query_string": b""}
        handler = self.handler()
        try:
            await handler(scope, self._receive, self._send)  # type: ignore[arg-type]
        finally:
            handler.body_file.close()

    async def until(self, what: Callable[[], object], within: float = 1) -> float:
        """Wait until *what* is true; return the seconds that it took."""
        start = time.monotonic()
        while not what():
            if time.monotonic() - start > within:
                raise TimeoutError(f"waited {within} s, with {self.messages}")
            await asyncio.sleep(0.002)
        return time.monotonic() - start

    async def _receive(self) -> Message:
        if not self.is_asked:
            self.is_asked = True
            return {"type": "http.request", "body": b""}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body" and message.get("body"):
            if self.fails is not None:
                raise self.fails
            if self.takes is not None and len(self.parts) > self.takes:
                await asyncio.Future()


def visit(visitor: Visitor | None = None) -> Visitor:
    """Be answered over ASGI, on a loop of its own; return who was."""
    visitor = visitor or Visitor()
    asyncio.run(visitor.visit())
    return visitor


class WSGIBody:
    """A response of Django's WSGI handler; a server reads it part by part, and closes it."""

    def __init__(self, method: str = "GET", **environ: str) -> None:
        self.started: list[tuple[str, list[tuple[str, str]]]] = []
        request = RequestFactory().generic(method, "/", **environ)  # type: ignore[arg-type]
        answer = lambda *start: self.started.append(start)  # noqa: E731
        self.body: Any = WSGIHandler()(request.environ, answer)  # type: ignore[arg-type,no-untyped-call]
        self.parts: Iterator[bytes] = iter(self.body)

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.started[0][0].split()[0])

    @property
    def fields(self) -> dict[str, str]:
        """The header."""
        return dict(self.started[0][1])

    def close(self) -> None:
        """What a server does at the end, and where the client has left."""
        self.body.close()


class Signals(list[str]):
    """Names of what Django has signalled: ``started``, ``finished``, ``failed``."""

    errors: list[object]
    """What was being handled when a failure was signalled."""


@contextmanager
def signals() -> Generator[Signals]:
    """Note signals."""
    noted = Signals()
    noted.errors = []

    def started(**kwargs: object) -> None:
        noted.append("started")

    def finished(**kwargs: object) -> None:
        noted.append("finished")

    def failed(**kwargs: object) -> None:
        noted.append("failed")
        noted.errors.append(sys.exc_info()[1])

    pairs = [(request_started, started), (request_finished, finished), (got_request_exception, failed)]
    for signal, receiver in pairs:
        signal.connect(receiver)
    try:
        yield noted
    finally:
        for signal, receiver in pairs:
            signal.disconnect(receiver)


def sync_only(get_response: GetResponse) -> GetResponse:
    """Middleware of the old kind: under ASGI it holds a thread, and lends it to what is below."""

    def middleware(request: HttpRequest) -> Any:
        return get_response(request)

    return middleware


def wrapping(get_response: GetResponse) -> GetResponse:
    """Put a generator of its own around the stream, and leave closing it to others."""

    async def parts_async(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for part in content:
            yield part

    def parts(content: Iterable[bytes]) -> Iterator[bytes]:
        # Not "yield from", which would hand a close() on.
        for part in content:  # noqa: UP028
            yield part

    def wrap(response: Any) -> Any:
        if isinstance(response, StreamingHttpResponse):
            content: Any = response.streaming_content
            response.streaming_content = parts_async(content) if response.is_async else parts(content)
        return response

    return _both(get_response, wrap)


def wrapping_sync(get_response: GetResponse) -> GetResponse:
    """As ``wrapping``, in middleware of the old kind."""

    def middleware(request: HttpRequest) -> Any:
        return wrapping(lambda _: get_response(request))(request)

    return middleware


def dropping(get_response: GetResponse) -> GetResponse:
    """Answer with something else, and forget the response that there was."""

    def drop(response: Any) -> Any:
        return HttpResponse("other")

    return _both(get_response, drop)


dropping.sync_capable = dropping.async_capable = True  # type: ignore[attr-defined]
wrapping.sync_capable = wrapping.async_capable = True  # type: ignore[attr-defined]


def _both(get_response: GetResponse, change: Callable[[Any], Any]) -> GetResponse:
    if not iscoroutinefunction(get_response):
        return lambda request: change(get_response(request))

    async def middleware(request: HttpRequest) -> Any:
        return change(await get_response(request))

    return markcoroutinefunction(middleware)
