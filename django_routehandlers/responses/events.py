r"""
Turn what a producer yields into the bytes of an event stream (``text/event-stream``).

Source: WHATWG HTML, section 9.2.5. Lines end in ``\n`` alone; the stream is UTF-8 without a byte order mark.
"""

from collections.abc import Callable

from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.responses.problems import ProblemDetails
from django_routehandlers.responses.server_sent_event import ServerSentEvent, frame_data

HEARTBEAT = b":\n\n"
"""A comment that says nothing, and keeps the connection from looking idle."""


def frame_event(record: object, encode: Callable[[object], bytes]) -> bytes:
    """
    Return *record* as one event.

    Args:
        record: A ``ServerSentEvent``; anything else is the data of an event without a name,
            a ``str`` as it is, the rest as JSON.
        encode: What turns data into JSON.

    Raises:
        ValueError: The data is text with lone surrogates.
    """
    return record.frame(encode) if isinstance(record, ServerSentEvent) else frame_data(record, encode)


def frame_error(problem: ProblemDetails) -> bytes:
    """Return the event ``error`` that tells a client why the stream breaks off."""
    return ServerSentEvent(problem.as_dict(), event="error").frame(encode_json)
