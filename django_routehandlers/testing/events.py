"""
Turn bytes, cut anywhere, into server-sent events, as a browser does.

Source: WHATWG HTML, sections 9.2.5 and 9.2.6.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django_routehandlers.testing.failures import StreamError
from django_routehandlers.testing.records import parse_json, problem_in

_LINE_END = re.compile(r"\r\n|\r|\n")
# Python reads no longer number, and no browser waits for a second of it.
_RETRY = re.compile(r"[0-9]{1,4000}")


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event, as an ``EventSource`` in a browser dispatches it, and what came with it."""

    type: str
    """The name of the event: ``message`` where the stream names none."""
    data: str
    """The lines of data, joined with LF."""
    id: str = ""
    """The last event id: of this event, or of the one before that had one."""
    retry: int | None = None
    """Reconnection time in milliseconds that was sent since the event before; ``None`` where none was."""
    comments: tuple[str, ...] = field(default=(), compare=False)
    """Comments since the event before. Heartbeats are among them, so events that differ in these alone are equal."""

    def json(self) -> Any:
        """
        Return the value of the data.

        Raises:
            StreamError: The data is not JSON.
        """
        return parse_json(self.data, f"The data of an event {self.type!r}")


class EventDecoder:
    """Decoder of ``text/event-stream``. An event that no blank line ends is dropped, as browsers do."""

    media_types = ("text/event-stream",)

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._begun = False
        self._after_cr = False
        self._rest = ""
        self._type = ""
        self._data: list[str] = []
        self._id = ""
        self._retry: int | None = None
        self._comments: list[str] = []

    def feed(self, part: bytes) -> Iterator[ReceivedEvent]:
        """Yield the events that end in *part*."""
        text = self._utf8.decode(part)
        if not text:
            return
        if not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        if self._after_cr:
            # The CR has ended its line already: to wait for its LF would hold an event back.
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        *lines, self._rest = _LINE_END.split(self._rest + text)
        for line in lines:
            if line:
                self._read(line)
            else:
                yield from self._dispatch()

    def end(self) -> Iterator[ReceivedEvent]:
        """Yield nothing: what is not complete when the stream ends is no event."""
        return iter(())

    def problem(self, record: ReceivedEvent) -> Mapping[str, Any] | None:
        """Return the problem, if this is the event that ends a broken stream."""
        if record.type != "error":
            return None
        try:
            return problem_in(record.json())
        except StreamError:
            return None

    def _read(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                self._comments.append(value)
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if _RETRY.fullmatch(value):
                self._retry = int(value)
            case _:
                pass

    def _dispatch(self) -> Iterator[ReceivedEvent]:
        if self._data:
            data = "\n".join(self._data)
            yield ReceivedEvent(self._type or "message", data, self._id, self._retry, tuple(self._comments))
            self._retry = None
            self._comments.clear()
        self._type = ""
        self._data.clear()
