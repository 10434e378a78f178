"""Turn what a stream is given into something that can be read, once."""

import inspect
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, cast

from django.db.models import QuerySet

from django_routehandlers.documentation import Section, documented

_SECTION = Section("reference/responses", "Streams")

_CHUNK_SIZE = 2000  # rows that a queryset fetches at a time


def readable(records: object, name: str) -> Iterable[object] | AsyncIterable[object]:
    """
    Return what yields *records*.

    Args:
        name: What an error calls the stream.

    Raises:
        TypeError: They cannot be iterated, or are a single value.
    """
    kind = type(records).__qualname__
    if isinstance(records, str | bytes | Mapping):
        raise documented(
            TypeError(
                f"{name}: {kind} is a single value. A stream needs an iterable of values. "
                "Put it in a list, or return JSONResponse(value)."
            ),
            _SECTION,
        )
    if isinstance(records, QuerySet):
        # Else all rows would be kept in memory.
        return cast("QuerySet[Any]", records).iterator(chunk_size=_CHUNK_SIZE)
    if isinstance(records, Iterable | AsyncIterable):
        return cast("Iterable[object] | AsyncIterable[object]", records)
    raise documented(
        TypeError(
            f"{name}: {kind} cannot be streamed. A stream needs an iterable or an async iterable of values. "
            "Call the generator function, or await the coroutine."
        ),
        _SECTION,
    )


def is_spent(records: object) -> bool:
    """Return whether *records* are a generator that runs, or has ended."""
    if inspect.isgenerator(records):
        return inspect.getgeneratorstate(records) in (inspect.GEN_CLOSED, inspect.GEN_RUNNING)
    return inspect.isasyncgen(records) and (records.ag_frame is None or records.ag_running)
