"""Turn a stream that a handler returned into the response that Django sends: started, or for a HEAD without it."""

from collections.abc import AsyncGenerator

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from django_routehandlers.engine.threads import RequestThread, request_thread
from django_routehandlers.policies.outcome import take_over
from django_routehandlers.responses.ndjson import NDJSONResponse
from django_routehandlers.responses.stream import StreamResponse


async def start_on_loop(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """
    Return what answers *request*, a stream of ours run to its first record.

    Raises:
        Refusal: 503, too many streams are open.
        Exception: What the producer raised before its first record.
    """
    prepared = _prepared(request, response)
    if isinstance(prepared, StreamResponse) and prepared is response:
        if (thread := _idle_thread(prepared)) is not None:
            await thread.rest()
        await prepared.astart(request)
    return prepared


def start(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """As ``start_on_loop()``, in a thread that has no event loop."""
    prepared = _prepared(request, response)
    if isinstance(prepared, StreamResponse) and prepared is response:
        # Not for a sync producer: each change of threads is a chance to be cancelled halfway.
        if (thread := _idle_thread(prepared)) is not None:
            async_to_sync(thread.rest)()
        prepared.start(request)
    return prepared


def _idle_thread(response: StreamResponse) -> RequestThread | None:
    """Return the request's thread where the stream needs none: some wait for hours."""
    return request_thread.get() if response.is_async_source else None


def _prepared(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the stream that the request asks for, or, for a HEAD, its header alone."""
    if isinstance(response, StreamResponse):
        response.suit(request)
    return _without_stream(request, response) if request.method == "HEAD" else response


def _without_stream(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the header of a stream that is never run; Django closes what the stream holds when it closes this."""
    # An empty stream, not an empty body: of that, middleware would send the length, and store it in the cache.
    content = nothing() if isinstance(request, ASGIRequest) else iter(())
    kind = NDJSONResponse if isinstance(response, StreamResponse) else StreamingHttpResponse
    bare = kind(content, status=response.status_code)
    bare.reason_phrase, bare.headers, bare.cookies = response.reason_phrase, response.headers, response.cookies
    # Not response.close(): the request has not finished, and middleware may still use the database.
    vars(bare)["_resource_closers"].extend(vars(response)["_resource_closers"])
    take_over(response, bare)
    return bare


async def nothing() -> AsyncGenerator[bytes]:
    """Yield nothing: a stream without content."""
    for part in ():
        yield part
