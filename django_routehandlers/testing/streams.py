"""Turn a response of a test client into the records of its stream, one by one or as a list."""

from itertools import islice
from typing import Any, TypeVar

from django.http.response import HttpResponseBase

from django_routehandlers.testing.events import EventDecoder, ReceivedEvent
from django_routehandlers.testing.parts import Clock
from django_routehandlers.testing.record_stream import Given, RecordStream
from django_routehandlers.testing.records import RecordDecoder

_Item = TypeVar("_Item")


def open_records(response: Given, *, timeout: float | None = 5.0, status: int = 200) -> RecordStream[Any]:
    """
    Open an NDJSON stream, to take one record after the other with ``next()`` or ``anext()``.

    For ``with`` and ``async with``. See ``read_records()``, but *timeout* is for each record.
    """
    return RecordStream(response, RecordDecoder(), Clock(timeout), status)


def open_events(response: Given, *, timeout: float | None = 5.0, status: int = 200) -> RecordStream[ReceivedEvent]:
    """
    Open a stream of server-sent events, to take one event after the other with ``next()`` or ``anext()``.

    For ``with`` and ``async with``. See ``read_records()``, but *timeout* is for each event.
    """
    return RecordStream(response, EventDecoder(), Clock(timeout), status)


def read_records(
    response: HttpResponseBase, limit: int | None = None, *, timeout: float | None = 5.0, status: int = 200
) -> list[Any]:
    """
    Return the records of an NDJSON stream, and close it.

    The producer has cleaned up when this returns.

    Args:
        response: What a test client returned, or a response made by hand.
        limit: How many records are read; nothing is waited for after them. ``None``: to the end.
        timeout: Seconds that the reading may take; ``None`` for as long as it takes. A sync
            producer is not interrupted: its time is judged after each record.
        status: The status code that the response has to have.

    Raises:
        BrokenStream: An error record ended the stream, or the producer raised an exception.
        StreamTimeout: It took too long.
        StreamError: Another status or media type, or a line that is not JSON.
    """
    return _read(open_records(response, timeout=timeout, status=status), limit)


async def aread_records(
    response: Given,
    limit: int | None = None,
    *,
    timeout: float | None = 5.0,  # noqa: ASYNC109 - the sync twins have it too
    status: int = 200,
) -> list[Any]:
    """
    As ``read_records()``, on the event loop.

    *response* may be the request to an ``AsyncClient`` that is not awaited yet. Then *timeout*
    holds for that, too: a route answers when its producer has yielded its first record.
    """
    return await _aread(open_records(response, timeout=timeout, status=status), limit)


def read_events(
    response: HttpResponseBase, limit: int | None = None, *, timeout: float | None = 5.0, status: int = 200
) -> list[ReceivedEvent]:
    """Return the events of a stream of server-sent events, and close it. See ``read_records()``."""
    return _read(open_events(response, timeout=timeout, status=status), limit)


async def aread_events(
    response: Given,
    limit: int | None = None,
    *,
    timeout: float | None = 5.0,  # noqa: ASYNC109
    status: int = 200,
) -> list[ReceivedEvent]:
    """As ``read_events()``, on the event loop. See ``aread_records()``."""
    return await _aread(open_events(response, timeout=timeout, status=status), limit)


def _read(stream: RecordStream[_Item], limit: int | None) -> list[_Item]:
    stream.is_timed_as_a_whole = True
    with stream:
        return list(islice(stream, limit))


async def _aread(stream: RecordStream[_Item], limit: int | None) -> list[_Item]:
    stream.is_timed_as_a_whole = True
    records: list[_Item] = []
    async with stream:
        while limit is None or len(records) < limit:
            try:
                records.append(await anext(stream))
            except StopAsyncIteration:
                break
    return records
