"""Turn an iterable of events, sync or async, into a response of server-sent events."""

import math
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from typing import ClassVar, Generic

from typing_extensions import TypeVar

from django_routehandlers.conf import get_config
from django_routehandlers.documentation import Section, documented
from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.responses.events import HEARTBEAT, frame_error, frame_event
from django_routehandlers.responses.framing import Encode, Framing
from django_routehandlers.responses.server_sent_event import ServerSentEvent
from django_routehandlers.responses.stream import StreamResponse

_SECTION = Section("reference/responses", "EventStreamResponse")

Data = TypeVar("Data", covariant=True, default=object)

_GRACE = 1.0  # seconds


def _frame_with(encode: Encode) -> Callable[[object], bytes]:
    return partial(frame_event, encode=encode)


class EventStreamResponse(StreamResponse, Generic[Data]):
    """
    A stream of server-sent *events* as ``text/event-stream`` (WHATWG HTML, section 9.2).

    An event is a :class:`ServerSentEvent`; anything else is the data of an event without a
    name. While the producer is silent, a comment is sent every *heartbeat* seconds, so that
    proxies keep the connection and a client that is gone is noticed. Where there is no event
    within a second, the response starts with a comment.

    Everything else is as in :class:`NDJSONResponse`. When the producer raises, the last event
    is named ``error`` and its data is the problem. A browser connects again when a stream
    ends, with the field ``Last-Event-ID``, until it is answered 204 or closes its
    ``EventSource``.

    Args:
        events: An iterable or async iterable of events, or of data.
        status: The status code. Browsers read no event stream of any other than 200.
        headers: Header fields. They replace the ones that are set here.
        heartbeat: Seconds of silence before a comment, 0 for none at all; the default is the
            setting ``STREAM_HEARTBEAT``. A sync producer under WSGI sends none.
        name: What errors and the log call this stream.

    Raises:
        TypeError: *events* cannot be iterated, or is a single value.
        ValueError: *heartbeat* is below 0, or no number.
    """

    framing: ClassVar[Framing] = Framing(
        media_types=("text/event-stream",),
        frame=_frame_with(encode_json),
        frame_with=_frame_with,
        frame_error=frame_error,
        heartbeat=HEARTBEAT,
        grace=_GRACE,
    )

    def __init__(
        self,
        events: Iterable[Data | ServerSentEvent[Data]] | AsyncIterable[Data | ServerSentEvent[Data]],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        heartbeat: float | None = None,
        name: str = "",
    ) -> None:
        if heartbeat is not None and not 0 <= heartbeat < math.inf:
            raise documented(
                ValueError(f"{name or type(self).__name__}: heartbeat is {heartbeat}. Give seconds, or 0 for none."),
                _SECTION,
            )
        silence = get_config().STREAM_HEARTBEAT if heartbeat is None else heartbeat or None
        super().__init__(events, status=status, headers=headers, name=name, heartbeat=silence)
