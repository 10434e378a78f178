"""Keep count of the streams that this process has open, and end them all where the process ends."""

import threading
from collections.abc import AsyncGenerator, Generator
from contextvars import ContextVar
from functools import lru_cache
from typing import Protocol, cast
from weakref import WeakSet


class Stream(Protocol):
    """What is counted. Streams are told apart by identity."""

    def cut(self, reason: str) -> None:
        """End now, whatever is left."""
        ...

    async def aclose(self) -> None:
        """End now, as nobody reads it, and wait until the producer has cleaned up."""
        ...


_of_request: ContextVar[list[Stream] | None] = ContextVar("streams_of_request", default=None)


class OpenStreams:
    """
    The streams that have started and not ended.

    They are held weakly: one that was dropped unread by some middleware counts no longer.
    """

    def __init__(self) -> None:
        self._streams: WeakSet[Stream] = WeakSet()
        self._generators: WeakSet[object] = WeakSet()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, stream: Stream) -> bool:
        return stream in self._streams

    def add(self, stream: Stream, limit: int | None) -> bool:
        """Count *stream*; return False, and do not, where *limit* streams are open."""
        with self._lock:
            if limit is not None and len(self._streams) >= limit:
                return False
            self._streams.add(stream)
        if (streams := _of_request.get()) is not None:
            streams.append(stream)
        return True

    def claim(self, records: object) -> bool:
        """Return whether *records* are free to be read: a generator is no more once a stream reads it."""
        if not isinstance(records, Generator | AsyncGenerator):
            return True
        with self._lock:
            if records in self._generators:
                return False
            self._generators.add(cast("object", records))
            return True

    def discard(self, stream: Stream) -> None:
        """Count *stream* no longer."""
        with self._lock:
            self._streams.discard(stream)

    def cut_all(self, reason: str) -> None:
        """End every stream now; *reason* is what the log says."""
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.cut(reason)


@lru_cache(maxsize=1)
def open_streams() -> OpenStreams:
    """Return the streams of this process."""
    return OpenStreams()


class request_streams:
    """End the streams that a request has started with the request: some middleware may have lost one unread."""

    __slots__ = ("_before", "_streams")

    async def __aenter__(self) -> None:
        """Note the streams that start from here on."""
        self._streams: list[Stream] = []
        self._before = _of_request.set(self._streams)

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """End those that are open."""
        _of_request.reset(self._before)
        if not self._streams:
            return
        if kind is not None:
            # Where Django sends the response in a task of its own, nobody tells that task.
            for stream in self._streams:
                stream.cut("its request was given up")
        try:
            for stream in self._streams:
                if stream in open_streams():
                    await stream.aclose()
        finally:
            # Each stream knows the context that knows the list.
            self._streams.clear()
