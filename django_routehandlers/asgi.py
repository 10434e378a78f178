"""
Serve the project over ASGI, with the limits of routes held while a request's content arrives.

Django's own handler writes all content to a temporary file before it looks at the URL, a
gigabyte as well as a kilobyte. This one stops where a route would refuse the content anyway.
Views that are no routes get what Django gives them.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NoReturn, cast

import django
from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, get_resolver
from django.utils import translation

from django_routehandlers.handlers.content import FormBody
from django_routehandlers.handlers.dispatch import handlers_of
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.table import current_table

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_Created = tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]


def get_asgi_application() -> ASGIHandler:
    """
    Return the project as an ASGI application, in place of Django's function of this name.

    Content of a route that is longer than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes is not read to
    its end: reading it is answered 413, and the connection is closed. Read whole are multipart
    forms of routes that take files, and the content of handlers that take ``request`` and
    nothing of the content, which may read it piece by piece; but never that of a GET, a HEAD
    or an OPTIONS, where content has no meaning (RFC 9110, section 9.3.1).
    """
    django.setup(set_prefix=False)
    return RouteASGIHandler()


class RouteASGIHandler(ASGIHandler):
    """Django's ASGI handler, which stops reading what a route refuses."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = _Exchange(scope, receive, send)
        await super().handle(scope, exchange, exchange.send)

    async def read_body(self, receive: Any) -> "SpooledTemporaryFile[bytes]":
        """Return the content of a request, or what refuses to be read in its place."""
        exchange = cast("_Exchange", receive)
        if not exchange.is_too_much(_stated_length(exchange.scope)):
            content = cast("SpooledTemporaryFile[bytes]", await super().read_body(exchange))
            if not exchange.is_cut:
                return content
            content.close()
        return cast("SpooledTemporaryFile[bytes]", _TooBig())

    def create_request(self, scope: Message, body_file: IO[bytes]) -> _Created:
        """Return the request, or the answer where there can be none."""
        try:
            return super().create_request(scope, body_file)
        except (BadRequest, SuspiciousOperation, ValueError):
            # Of a Content-Type that it refuses, or that makes it read the query string. Django catches it nowhere.
            return None, HttpResponseBadRequest()


class _Exchange:
    """One request and its response, as the server sees them; to call it is to receive a message."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._size = 0
        self._is_answered = asyncio.Event()
        self.is_cut = False
        """Whether the content is not read to its end."""

    def is_too_much(self, size: int) -> bool:
        """Cut the content if *size* bytes are more than its reader takes; return whether it is cut."""
        if self._limit is not None and size > self._limit:
            # The reader is looked for once.
            self._limit = None
            self.is_cut = _is_limited(self.scope)
        return self.is_cut

    async def __call__(self) -> Message:
        if self.is_cut:
            return await self._disconnect()
        message = await self._receive()
        self._size += len(message.get("body", b""))
        return {"type": "http.request"} if self.is_too_much(self._size) else message

    async def _disconnect(self) -> Message:
        # To ask a server for more is to ask the client to send more (RFC 9110, section 10.1.1).
        await self._is_answered.wait()
        while (message := await self._receive())["type"] == "http.request":
            pass
        return message

    async def send(self, message: Message) -> None:
        if self.is_cut and message["type"] == "http.response.start":
            self._is_answered.set()
            # The connection cannot be used again (RFC 9112, section 9.3). HTTP/2 has no such field.
            if self.scope["http_version"].startswith("1"):
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await self._send(message)


class _TooBig(io.RawIOBase):
    """Content that was not read to its end: whoever asks for it is told that it is too big."""

    def _refuse(self, *args: object) -> NoReturn:
        raise RequestDataTooBig("Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")

    read = readinto = readline = readlines = seek = seekable = __iter__ = __next__ = _refuse


def _stated_length(scope: Scope) -> int:
    """Return the ``Content-Length`` in bytes; 0 where there is none that is a number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            with suppress(ValueError):
                return int(value)
    return 0


def _is_limited(scope: Scope) -> bool:
    """Return whether the request goes to a route that takes no more content than the limit allows."""
    try:
        request = ASGIRequest(scope, io.BytesIO())
        table = current_table()
        # A URL may be a route in one language and a plain view in another.
        found = _matches(request)
    except Exception:
        # No URLconf, no query string that can be read: Django reports it when it comes to that.
        return False
    return bool(found) and all(_takes_no_more(match.func, request, table) for match in found)


def _matches(request: ASGIRequest) -> list[ResolverMatch]:
    """Return what the URL stands for in the project's language, and in the one that LocaleMiddleware would choose."""
    # Not in each of LANGUAGES: to load all translations would keep every other request waiting.
    chosen = translation.get_language_from_request(request, check_path=True)
    found: list[ResolverMatch] = []
    for language in {settings.LANGUAGE_CODE, chosen}:
        with translation.override(language), suppress(Resolver404):
            found.append(get_resolver().resolve(request.path_info))
    return found


def _takes_no_more(view: Callable[..., Any], request: ASGIRequest, table: RouteTable) -> bool:
    if view is table.redirect:
        return True
    if all(view is not one.view for one in table.served):
        return False
    handler = handlers_of(view).get(request.method or "")
    if handler is None or request.method in SAFE_METHODS:
        return True
    content = handler.plan.content
    if isinstance(content, FormBody) and content.files:
        # Any other content is refused before it is read.
        return request.content_type != "multipart/form-data" or "CONTENT_LENGTH" not in request.META
    return content is not None or handler.plan.request is None
