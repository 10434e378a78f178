"""
Serve the project over ASGI, with the limits of routes held while content arrives and streams leave.

Django's own handler writes all content to a temporary file before it looks at the URL, a
gigabyte as well as a kilobyte. This one stops where a route would refuse the content anyway,
and hands the content on while it arrives where a handler reads it line by line. It keeps no
thread for a stream that needs none, and ends streams when the server stops. Views that are no
routes get what Django gives them.
"""

import asyncio
import io
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, cast

import django
from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, get_resolver
from django.utils import translation

from django_routehandlers.caching.current import drain_refreshes
from django_routehandlers.conf import get_config
from django_routehandlers.engine.arriving import Message, Receive
from django_routehandlers.engine.background import Background
from django_routehandlers.engine.exchange import (
    Exchange,
    Scope,
    Send,
    TooBig,
    TooLate,
    stated_length,
    stop_arriving,
)
from django_routehandlers.engine.internals import unknown_internals
from django_routehandlers.engine.lifespan import answer_lifespan
from django_routehandlers.engine.shared_caches import shared_caches
from django_routehandlers.engine.short_way import TOLD_BY_FIELDS, ShortWay
from django_routehandlers.engine.shutdown import Shutdown
from django_routehandlers.engine.workers import worker_pool
from django_routehandlers.handlers.after import SCOPE_KEY, end_request
from django_routehandlers.handlers.content import FormBody
from django_routehandlers.handlers.lines import LinesBody
from django_routehandlers.handlers.streaming import nothing
from django_routehandlers.handlers.view_facts import handlers_of
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.responses.open_streams import open_streams, request_streams
from django_routehandlers.responses.stream import StreamResponse
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.table import current_table

AFTER_GRACE = 10.0
"""Seconds for which a server that stops waits for what was given to ``after()``; the rest is cancelled, and logged."""

_logger = logging.getLogger("django_routehandlers")
_Created = tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]
_STOPS = "the server stops"
_LINES = frozenset(media_type.encode() for media_type in LinesBody.media_types)


def get_asgi_application() -> ASGIHandler:
    """
    Return the project as an ASGI application, in place of Django's function of this name.

    Content of a route that is longer than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes is not read to
    its end: reading it is answered 413, and the connection is closed. Read whole are multipart
    forms of routes that take files, and the content of handlers that take ``request`` and
    nothing of the content, which may read it piece by piece; but never that of a GET, a HEAD
    or an OPTIONS, where content has no meaning (RFC 9110, section 9.3.1). Content that a handler
    reads line by line is handed to it while it arrives, whatever its length, and never stored.
    A client that sends nothing of its content for ``CONTENT_RECEIVE_TIMEOUT`` seconds is answered 408.

    A stream of a route whose producer is async holds no thread while it waits. When the server
    stops, streams are broken off: an event stream would keep it from ending. Refreshes of the route
    cache are waited for, for five seconds at most, by servers that have a lifespan protocol, and what
    was given to ``after()`` for ten.
    """
    django.setup(set_prefix=False)
    if unknown := unknown_internals():
        _logger.warning(
            "The engine was not tested with this release of Django or asgiref, which differ in %s. Django's own ASGI "
            "handler serves the project instead: slower, and without the limits of routes. "
            "Upgrade django-routehandlers, or install a release that it was tested with.",
            ", ".join(unknown),
        )
        return ASGIHandler()
    return RouteASGIHandler()


class RouteASGIHandler(ShortWay):
    """The engine, which reads what a route takes, when it takes it, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self._shutdown = Shutdown(_stop)
        self.background = Background(lambda: self._shutdown.loop)
        """What routes have given to ``after()`` and is not done."""

    async def answer_other(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer what a server says of its own start and end; refuse the rest, as Django does."""
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send, self._end)
        else:
            await super().answer_other(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not isinstance(scope.get("headers"), list | tuple):
            # They are looked at several times. Of a server that gives an iterator, or none.
            scope["headers"] = list(scope.get("headers", ()))
        self._shutdown.watch(send)
        scope[SCOPE_KEY] = None
        try:
            async with request_streams():
                work = self.at_once(scope, receive, send)
                if work is None or not await work:
                    exchange = self._exchange(scope, receive, send)
                    await super().handle(scope, exchange, exchange.send)
        finally:
            # In a task: the server answers the next request of the connection when this call has returned.
            end_request(scope, self.background.start)

    def _exchange(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        return Exchange(scope, receive, send, _is_limited, self._shutdown)

    def whole_send(self, scope: Scope, receive: Receive, send: Send) -> Send:
        """Return what sends a response that is out of the ordinary, such as a stream."""
        return self._exchange(scope, receive, send).send

    def send_behind_content(self, send: Send) -> Send:
        """Return what sends the response to a request whose content has been read to its end."""
        exchange: Exchange = cast("Any", send).__self__
        return exchange.server_send

    async def send_stream(self, response: HttpResponseBase, send: Any) -> None:
        """Send a stream; one that is cut is broken off, and its connection dropped."""
        if not isinstance(response, StreamResponse):
            await super().send_stream(response, send)
            return
        exchange: Exchange = send.__self__
        if exchange.scope["method"] == "HEAD":
            # Of a plain view: a route has no producer in it. The server would throw away what is sent.
            response.streaming_content = nothing()
        if self._shutdown.has_begun:
            response.cut(_STOPS)
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        cancelled = task.cancelling()
        try:
            try:
                await super().send_stream(response, send)
            except ConnectionAbortedError:
                if response.cut_reason is None:
                    raise
                # Its cancellation may still be on the way.
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            # What is cut is cancelled once. A client that leaves, or a server that gives up, does so too.
            if response.cut_reason is None or task.uncancel() > cancelled:
                raise
        finally:
            if response.cut_reason is not None:
                exchange.abort()

    async def read_body(self, receive: Any) -> IO[bytes]:
        """Return the content of a request, what reads it later, or what refuses to be read in its place."""
        exchange: Exchange = receive
        scope = exchange.scope
        length, is_safe = stated_length(scope), scope["method"] in SAFE_METHODS
        # HTTP/2 has content of which no field tells.
        if is_safe and not length and scope.get("http_version", "1.1") in TOLD_BY_FIELDS:
            return await super().read_body(exchange.server_receive)
        if not is_safe and _arrives(scope):
            return cast("IO[bytes]", exchange.arrive())
        if not exchange.is_too_much(length):
            exchange.limit(get_config().CONTENT_RECEIVE_TIMEOUT)
            content = await super().read_body(exchange)
            if not exchange.is_cut:
                return content
            content.close()
        return cast("IO[bytes]", TooLate() if exchange.is_late else TooBig())

    def create_request(self, scope: Message, body_file: IO[bytes]) -> _Created:
        """Return the request, or the answer where there can be none."""
        if isinstance(body_file, TooLate):
            return None, HttpResponse(status=408)
        try:
            return super().create_request(scope, body_file)
        except (BadRequest, SuspiciousOperation, ValueError):
            # Of a Content-Type that it refuses, or that makes it read the query string. Django catches it nowhere.
            return None, HttpResponseBadRequest()

    async def _end(self) -> None:
        try:
            await asyncio.gather(drain_refreshes(), self.background.drain(AFTER_GRACE))
        finally:
            worker_pool().close()
            # Whoever starts the application again gets new ones.
            worker_pool.cache_clear()
            shared_caches().close()


def _stop() -> None:
    open_streams().cut_all(_STOPS)
    stop_arriving()


def _is_limited(scope: Scope) -> bool:
    """Return whether the request goes to a route that takes no more content than the limit allows."""
    return _goes_to(scope, _takes_no_more)


def _arrives(scope: Scope) -> bool:
    """Return whether the request, which may have content, goes to a handler that reads it while it arrives."""
    for name, value in scope["headers"]:
        # Who waits to be asked for content of another type should be refused without having been asked.
        if name == b"expect" or (name == b"content-type" and value.partition(b";")[0].strip().lower() in _LINES):
            return _goes_to(scope, _takes_lines)
    return False


def _goes_to(scope: Scope, is_meant: Callable[[Callable[..., Any], ASGIRequest, RouteTable], bool]) -> bool:
    try:
        request = ASGIRequest(scope, io.BytesIO())
        table = current_table()
        # A URL may be a route in one language and a plain view in another.
        found = _matches(request)
    except Exception:
        # No URLconf, no query string that can be read: Django reports it when it comes to that.
        return False
    return bool(found) and all(is_meant(match.func, request, table) for match in found)


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
    if view not in table.views:
        return False
    handler = handlers_of(view).get(request.method or "")
    if handler is None or request.method in SAFE_METHODS:
        return True
    content = handler.plan.content
    if isinstance(content, LinesBody):
        # Any other content is refused before it is read.
        return request.content_type not in content.media_types
    if isinstance(content, FormBody) and content.files:
        # Any other content is refused before it is read.
        return request.content_type != "multipart/form-data" or "CONTENT_LENGTH" not in request.META
    return content is not None or handler.plan.request is None


def _takes_lines(view: Callable[..., Any], request: ASGIRequest, table: RouteTable) -> bool:
    handler = handlers_of(view).get(request.method or "") if view in table.views else None
    return handler is not None and isinstance(handler.plan.content, LinesBody)
