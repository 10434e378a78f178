"""Turn an iterable of values, sync or async, into a response of one JSON line for each."""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import ClassVar, Generic

from typing_extensions import TypeVar

from django_routehandlers.responses.encoding import as_line, encode_line
from django_routehandlers.responses.framing import Encode, Framing
from django_routehandlers.responses.problems import ProblemDetails
from django_routehandlers.responses.stream import StreamResponse

Item = TypeVar("Item", covariant=True, default=object)


def _lines(encode: Encode) -> Callable[[object], bytes]:
    def frame(record: object) -> bytes:
        return as_line(encode(record))

    return frame


def _error_line(problem: ProblemDetails) -> bytes:
    return encode_line({"error": problem.as_dict()})


class NDJSONResponse(StreamResponse, Generic[Item]):
    """
    A stream of *records*, one JSON value a line.

    Sent as ``application/x-ndjson``, or ``application/jsonl`` to a client that prefers it.
    Lines that are ready together leave together, in pieces of 64 KiB; none is held back while
    the producer waits. A queryset is read with ``iterator()``. A sync producer runs in the
    request's thread under ASGI, an async one on a loop of its own under WSGI.

    The producer is closed when the stream ends, breaks off or the client leaves. When it
    raises, the last line is ``{"error": PROBLEM}``, the exception is logged to
    ``django.request``, and the body is broken off. What it raises before its first record is
    an answer of its own where a route returns the response; see ``start()``.

    Args:
        records: An iterable or async iterable of what
            :func:`~django_routehandlers.responses.encoding.encode_json` takes. One that is
            both is read as an iterable.
        status: The status code.
        headers: Header fields. They replace the ones that are set here.
        name: What errors and the log call this stream.

    Raises:
        TypeError: *records* cannot be iterated, or is a single value.
    """

    framing: ClassVar[Framing] = Framing(
        media_types=("application/x-ndjson", "application/jsonl"),
        frame=encode_line,
        frame_with=_lines,
        frame_error=_error_line,
    )

    def __init__(
        self,
        records: Iterable[Item] | AsyncIterable[Item],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        name: str = "",
    ) -> None:
        super().__init__(records, status=status, headers=headers, name=name)
