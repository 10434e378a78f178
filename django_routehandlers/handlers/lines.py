"""
Read JSON lines (NDJSON) of a request one by one, while they arrive.

What is held is one line and what came with it, never the whole. Each line is judged as a JSON
body is, when the handler asks for it: an error comes out of the handler's own loop.
"""

from asyncio import sleep
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from pydantic import TypeAdapter, ValidationError

from django_routehandlers.engine.arriving import ArrivingContent
from django_routehandlers.handlers.bounds import BoundedValidator
from django_routehandlers.handlers.invalid import MAX_ENTRIES, Entry, body_entries, check_names, invalid
from django_routehandlers.handlers.raw_content import check_header, check_length, has_content, is_utf8
from django_routehandlers.handlers.strict_json import decode_json, not_json
from django_routehandlers.responses.problems import Refusal

# Bytes that are read at once where all of the content is there already.
_PART = 65_536


@dataclass(frozen=True, slots=True)
class LinesBody:
    """The parameter ``body`` as an iterator of JSON values, one a line, each validated."""

    media_types: ClassVar = ("application/x-ndjson", "application/jsonl")
    is_required: ClassVar = False
    """No content is no lines."""

    name: str
    adapter: TypeAdapter[Any]
    """What pydantic makes of the annotation of one value."""
    validator: BoundedValidator
    """What validates one line, within bounds."""
    is_async: bool
    """Whether the handler gets an async iterator; else it gets one that waits for the client."""

    def read(self, request: HttpRequest, values: dict[str, Any], entries: list[Entry]) -> None:
        """
        Put the iterator among *values*; nothing is read before it is asked.

        Raises:
            Refusal: 415 for another media type, another charset or a content coding, 411 for
                content of unknown length that WSGI cannot read.
        """
        check_header(request)
        accept = {"Accept": ", ".join(self.media_types)}
        if request.content_type not in self.media_types:
            if _may_have_content(request):
                raise Refusal(415, detail="The body has to be JSON lines.", headers=accept)
        elif not is_utf8(request):
            raise Refusal(415, detail="JSON has to be UTF-8.", headers=accept)
        if not request.META.get("CONTENT_LENGTH"):
            check_length(request)
        lines = _Lines(self.validator)
        values[self.name] = _AsyncItems(request, lines) if self.is_async else _items(request, lines)


class _Lines:
    """The lines of one body, cut out of its parts and validated."""

    def __init__(self, validator: BoundedValidator) -> None:
        self._validator = validator
        self._limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._number = 0
        # Parts may be single bytes: to join them anew for each would take quadratic time.
        self._begun = bytearray()

    def values(self, part: bytes) -> Iterator[Any]:
        """
        Yield the values of the lines that *part* completes; ``b""`` is the end, and completes the last.

        Raises:
            Refusal: 400 for a line that is no JSON, 422 for one that does not fit.
            RequestDataTooBig: A line is longer than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes.
        """
        *lines, rest = part.split(b"\n") if part else (b"", b"")
        for line in lines:
            self._number += 1
            self._check_length(len(self._begun) + len(line))
            if self._begun:
                line = bytes(self._begun + line)
                self._begun.clear()
            # A blank line is no value, but it is a line; what else is white space in JSON may stand around a value.
            if line.strip(b" \t\r"):
                yield self._value(line)
        if rest:
            self._check_length(len(self._begun) + len(rest))
            self._begun += rest

    def _check_length(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise RequestDataTooBig("A line of the request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")

    def _value(self, line: bytes) -> Any:
        what = f"Line {self._number}"
        data = decode_json(line, what)
        check_names(data, len(line))
        try:
            return self._validator.validate(line)
        except ValidationError as error:
            found = list(islice(body_entries(error, data), MAX_ENTRIES + 1))
            # pydantic's own reader has limits, too: 200 levels.
            if (found[0]["type"], found[0]["pointer"]) == ("json_invalid", "#"):
                raise not_json("it nests too deeply", what) from None
            raise invalid([{"line": self._number, **entry} for entry in found]) from None


def _items(request: HttpRequest, lines: _Lines) -> Iterator[Any]:
    stream = vars(request)["_stream"]
    if isinstance(stream, ArrivingContent):
        _begin(request)
        while part := stream.read_part():
            yield from lines.values(part)
    else:
        left = _Length(request)
        # Line by line: to ask for more is to wait for more.
        while part := request.readline(_PART):
            left.take(part)
            yield from lines.values(part)
        left.check_end()
    yield from lines.values(b"")


class _AsyncItems(AsyncIterator[Any]):
    """As ``_items()``. No async generator: nothing is left to be closed when a handler stops before the end."""

    def __init__(self, request: HttpRequest, lines: _Lines) -> None:
        self._request, self._lines = request, lines
        self._left = _Length(request)
        self._ready: Iterator[Any] = iter(())
        self._is_over = False

    async def __anext__(self) -> Any:
        while True:
            try:
                for value in self._ready:
                    return value
                if self._is_over:
                    raise StopAsyncIteration
                part = await _read_part(self._request)
                self._left.take(part)
                if not part:
                    self._is_over = True
                    self._left.check_end()
                self._ready = self._lines.values(part)
            except Exception:
                self._is_over, self._ready = True, iter(())
                raise


async def _read_part(request: HttpRequest) -> bytes:
    stream = vars(request)["_stream"]
    if isinstance(stream, ArrivingContent):
        _begin(request)
        return await stream.aread_part()
    if isinstance(stream, BytesIO) or getattr(stream, "_rolled", True) is False:
        # Others have their turn, as they have while content arrives.
        await sleep(0)
        return request.read(_PART)
    read = request.readline if hasattr(request, "environ") else request.read
    return await sync_to_async(read)(_PART)


def _begin(request: HttpRequest) -> None:
    # As HttpRequest.read() does, so that request.body tells what has become of it.
    vars(request)["_read_started"] = True


class _Length:
    """How much content is still to come, where only its stated length tells that the client left before the end."""

    def __init__(self, request: HttpRequest) -> None:
        self._left = 0
        is_whole = not (hasattr(request, "_body") or vars(request)["_read_started"])
        if is_whole and hasattr(request, "environ"):
            with suppress(ValueError):
                self._left = int(request.META.get("CONTENT_LENGTH") or 0)

    def take(self, part: bytes) -> None:
        self._left -= len(part)

    def check_end(self) -> None:
        """
        Raise ``UnreadablePostError`` where there should be more.

        Without that, the number 12345 that breaks off would be the number 123.
        """
        if self._left > 0:
            raise UnreadablePostError("The client left before its content was complete.")


def _may_have_content(request: HttpRequest) -> bool:
    if isinstance(vars(request)["_stream"], ArrivingContent) or "HTTP_TRANSFER_ENCODING" in request.META:
        return True
    return has_content(request)
