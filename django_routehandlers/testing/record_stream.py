"""Turn the parts of a response's body into records, each when it is asked for, in the time there is for it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterator, Mapping
from inspect import iscoroutine
from types import TracebackType
from typing import Any, Generic, NoReturn, Protocol, Self, TypeVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from django_routehandlers.documentation import Section, documented
from django_routehandlers.testing.failures import BrokenStream, StreamError, StreamTimeout, count
from django_routehandlers.testing.parts import Clock, TimeUp, aclose, aread_parts, close, read_parts
from django_routehandlers.testing.sent import where

_SECTION = Section("reference/testing", "Readers")

Item = TypeVar("Item")
_Decoded = TypeVar("_Decoded", covariant=True)
_Result = TypeVar("_Result")

Given = HttpResponseBase | Awaitable[HttpResponseBase]
"""A response; or, for the async readers, the request to an ``AsyncClient`` before it is awaited."""


class Decoder(Protocol[_Decoded]):
    """What turns bytes into records."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """What it decodes."""
        ...

    def feed(self, part: bytes) -> Iterator[_Decoded]:
        """Yield the records that end in *part*."""
        ...

    def end(self) -> Iterator[_Decoded]:
        """Yield the record that ends with the body."""
        ...

    def problem(self, record: Any) -> Mapping[str, Any] | None:
        """Return the problem, if this is the record that ends a broken stream."""
        ...


class RecordStream(Generic[Item]):
    """
    An open stream: a context manager and an iterator, sync and async, of its records.

    Leaving the context closes the stream, whatever is left of it.
    """

    def __init__(self, given: Given, decoder: Decoder[Item], clock: Clock, status: int) -> None:
        self._given = given
        self._decoder = decoder
        self._clock = clock
        self._status = status
        self._ready: deque[Item] = deque()
        self._taken: list[Item] = []
        self._has_ended = False
        self.is_timed_as_a_whole = False
        """Whether the time runs from the beginning, not anew for each record."""

    @property
    def response(self) -> HttpResponseBase:
        """The response that is read."""
        if isinstance(self._given, HttpResponseBase):
            return self._given
        raise documented(
            TypeError(
                f"A {type(self._given).__name__} was given where a response is due. A request that is not awaited is "
                "for `async with` and the `aread_...` functions."
            ),
            _SECTION,
        )

    def __enter__(self) -> Self:
        if iscoroutine(self._given):
            self._given.close()
        try:
            self._check(self.response)
            if _is_on_a_loop() and getattr(self.response, "is_async", False):
                raise StreamError(
                    f"{where(self.response)}: a sync reader cannot read an async stream on the event loop. "
                    "Use `async with` or an `aread_...` function."
                )
        except StreamError:
            close(self.response)
            raise
        self._parts = read_parts(self.response, self._clock)
        self._clock.restart()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._parts.close()
        close(self.response)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        if not self.is_timed_as_a_whole:
            self._clock.restart()
        try:
            while self._needs_more:
                self._feed(next(self._parts, None))
                # A sync producer cannot be interrupted, but be judged.
                self._clock.left()
        except Exception as error:
            self._break_off(error)
        return self._take(StopIteration)

    async def __aenter__(self) -> Self:
        self._clock.restart()
        if not isinstance(self._given, HttpResponseBase):
            try:
                self._given = await self._in_time(self._given)
            except TimeUp as error:
                self._break_off(error)
        try:
            self._check(self.response)
        except StreamError:
            await aclose(self.response)
            raise
        self._aparts = aread_parts(self.response)
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        scope = asyncio.timeout(self._clock.timeout)
        try:
            async with scope:
                await self._aparts.aclose()
                await aclose(self.response)
        except TimeoutError:
            if not scope.expired():
                raise
            message = (
                f"{where(self.response)}: the producer did not end within {self._clock.timeout:g} s of being closed. "
                "Its `finally` must not wait for ever. Look at what it awaits there."
            )
            if error is None:
                raise StreamTimeout(message) from None
            error.add_note(message)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if not self.is_timed_as_a_whole:
            self._clock.restart()
        try:
            await self._in_time(self._fill())
        except Exception as error:
            self._break_off(error)
        return self._take(StopAsyncIteration)

    async def _fill(self) -> None:
        while self._needs_more:
            self._feed(await anext(self._aparts, None))

    async def _in_time(self, awaitable: Awaitable[_Result]) -> _Result:
        left = self._clock.left()
        first = asyncio.timeout(left)
        # A `finally` that waits for ever takes no notice of having been cancelled once.
        last = asyncio.timeout(None if left is None or self._clock.timeout is None else left + self._clock.timeout)
        try:
            async with last, first:
                return await awaitable
        except TimeoutError:
            if first.expired() or last.expired():
                raise TimeUp from None
            raise

    @property
    def _needs_more(self) -> bool:
        if self._has_ended or len(self._ready) > 1:
            return False
        # Only the last record can be the one that says that the stream broke off.
        return not self._ready or self._decoder.problem(self._ready[0]) is not None

    def _feed(self, part: bytes | None) -> None:
        if part is None:
            self._has_ended = True
            self._ready.extend(self._decoder.end())
        else:
            self._ready.extend(self._decoder.feed(part))

    def _take(self, stop: type[StopIteration] | type[StopAsyncIteration]) -> Item:
        if not self._ready:
            raise stop
        record = self._ready.popleft()
        if not self._ready and (problem := self._decoder.problem(record)) is not None:
            raise BrokenStream(where(self.response), problem, self._taken)
        self._taken.append(record)
        return record

    def _break_off(self, error: Exception) -> NoReturn:
        self._has_ended = True
        match error:
            case TimeUp():
                raise StreamTimeout(
                    f"{where(self._given)}: {count(self._taken)} came within {self._clock.timeout:g} s, and no "
                    "more. A reader waits until the stream ends, or for as many records as `limit` says. Let the "
                    "producer yield, or give another `limit` or `timeout`."
                ) from None
            case StreamError():
                raise StreamError(f"{where(self._given)}: {error}") from error.__cause__
            case _:
                problem = self._decoder.problem(self._ready.popleft()) if self._ready else None
                raise BrokenStream(where(self._given), problem, self._taken) from error

    def _check(self, response: HttpResponseBase) -> None:
        """Raise a StreamError where *response* is not what was asked for."""
        accepted = self._decoder.media_types
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        coding = response.headers.get("Content-Encoding", "")
        if response.status_code != self._status:
            fault = f"the status is {response.status_code}, and {self._status} was expected."
        elif media_type not in accepted:
            fault = f"the media type is {media_type!r}. A stream that can be read here is {' or '.join(accepted)}."
        elif coding:
            fault = f"the content coding is {coding!r}. Send the request without Accept-Encoding."
        else:
            return
        content = f"{response.content[:1000]!r}" if isinstance(response, HttpResponse) else "a stream, not read"
        raise StreamError(f"{where(response)}: {fault} Its content is {content}")


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
