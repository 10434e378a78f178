"""
One request on its way through the layers around a route: what came from within, and what is left to be closed.

What the cache said of a response holds for that response alone, and only as far as no layer may
have asked who the client is. The last word on both is said here, once for each request.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from django_routehandlers.policies.cache_status import CacheStatus
from django_routehandlers.policies.outcome import CacheOutcome, leave_content, leave_outcome, withdraw
from django_routehandlers.policies.rate_fields import take_over_rate_fields

_STATUS = CacheStatus(fwd="bypass", detail="middleware")
_OWN = {is_public: CacheOutcome(is_public=False, status=_STATUS, keeps_words=is_public) for is_public in (True, False)}


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response that the route itself has given."""

    response: HttpResponseBase
    outcome: CacheOutcome
    etag: str | None
    content: bytes | None
    """What *etag* stands for."""


class Passage:
    """One request on its way through the layers."""

    __slots__ = ("_answers", "_passed_on", "_streams", "segments")

    def __init__(self, segments: Mapping[str, Any]) -> None:
        self.segments = segments
        self._answers: list[_Answer] = []
        self._streams: list[HttpResponseBase] = []
        self._passed_on: HttpRequest | None = None

    def enter(self, request: HttpRequest) -> None:
        """Note the request that the route itself is to answer: a layer may have passed on another one."""
        self._passed_on = request

    def note(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return *response*, which the route itself has given to *request*."""
        outcome: CacheOutcome = vars(request)["route_cache"]
        etag = response.headers.get("ETag")
        self._answers.append(_Answer(response, outcome, etag, None if etag is None else _content(response)))
        if response.streaming:
            self._streams.append(response)
        return response

    def note_stream(self, response: HttpResponseBase) -> None:
        """Note a stream that a layer has begun."""
        self._streams.append(response)

    def is_known(self, response: object) -> bool:
        """Return whether *response* has come this way before, so that nothing is left to be made of it."""
        return any(one.response is response for one in self._answers) or any(one is response for one in self._streams)

    def finish(self, request: HttpRequest, response: HttpResponseBase, *, is_public: bool) -> HttpResponseBase:
        """
        Return *response* as the outermost layer has returned it, with what is said of it.

        Args:
            is_public: Whether all layers say that nothing that they do depends on who asks.
        """
        if abandoned := [stream for stream in self._streams if stream is not response]:
            # What stands in the place of a stream may be reading it. Else what is left of it ends with the request.
            vars(response)["_resource_closers"].append(partial(_close, abandoned))
        if self._passed_on is not None:
            take_over_rate_fields(request, self._passed_on)
        outcome = self._outcome(response)
        self._drop_stale_tag(response)
        if outcome is None:
            outcome = _OWN[is_public]
        leave_outcome(request, response, outcome if is_public else outcome.for_one_client)
        leave_content(request, _content(response) if response.has_header("ETag") else None)
        if not is_public:
            withdraw(response)
        return response

    def close(self) -> None:
        """Close the streams of a request that failed. In a thread: what a producer does last may wait."""
        _close(self._streams)

    async def aclose(self) -> None:
        """As ``close()``, on the event loop."""
        if self._streams:
            # The thread that a sync middleware lent may have moved on. Then they are closed as what is dropped unread.
            with suppress(RuntimeError):
                await sync_to_async(self.close, thread_sensitive=True)()

    def _outcome(self, response: HttpResponseBase) -> CacheOutcome | None:
        return next((one.outcome for one in self._answers if one.response is response), None)

    def _drop_stale_tag(self, response: HttpResponseBase) -> None:
        """Take an entity tag away that stands for the content of before a layer has changed it."""
        etag = response.headers.get("ETag")
        if etag is None:
            return
        for one in self._answers:
            if one.etag == etag and one.content is not None and one.content != _content(response):
                del response.headers["ETag"]
                return


def _close(streams: Iterable[HttpResponseBase]) -> None:
    for stream in streams:
        # Not response.close(): the request has not finished, and middleware may still use the database.
        closers: list[Callable[[], object]] = vars(stream)["_resource_closers"]
        for closer in closers:
            # As Django does it. What went wrong before is what is told.
            with suppress(Exception):
                closer()


def _content(response: HttpResponseBase) -> bytes | None:
    if not isinstance(response, HttpResponse) or not getattr(response, "is_rendered", True):
        return None
    return response.content
