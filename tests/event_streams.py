"""
Read an event stream as browsers do: WHATWG HTML, section 9.2.6, step by step.

Written apart from the package, so that the two can be held against each other.
"""

import codecs
from dataclasses import dataclass, field
from typing import NamedTuple


class Message(NamedTuple):
    """An event as a page's listener has it."""

    type: str
    data: str
    last_event_id: str


@dataclass
class EventStream:
    """What a browser keeps of one connection."""

    messages: list[Message] = field(default_factory=list)
    """The events that were dispatched."""
    last_event_id: str = ""
    """What it sends as ``Last-Event-ID`` when it connects again."""
    retry: int | None = None
    """Milliseconds until it connects again; ``None`` where the stream has not said."""
    is_first: bool = True
    is_behind_cr: bool = False
    line: str = ""
    data: str = ""
    type: str = ""
    id: str = ""
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def feed(self, part: bytes) -> None:
        """Read on. What the last part leaves unfinished is never dispatched."""
        for character in self.decoder.decode(part):
            # The UTF-8 decode algorithm takes off one byte order mark.
            if self.is_first and character == "\ufeff":
                self.is_first = False
                continue
            self.is_first = False
            if character == "\n" and self.is_behind_cr:
                self.is_behind_cr = False
                continue
            self.is_behind_cr = character == "\r"
            if character in "\r\n":
                line, self.line = self.line, ""
                self._read_line(line)
            else:
                self.line += character

    def _read_line(self, line: str) -> None:
        if not line:
            self._dispatch()
        elif line[0] == ":":
            pass
        elif ":" in line:
            name, _, value = line.partition(":")
            self._read_field(name, value[1:] if value[:1] == " " else value)
        else:
            self._read_field(line, "")

    def _read_field(self, name: str, value: str) -> None:
        if name == "event":
            self.type = value
        elif name == "data":
            self.data += value + "\n"
        elif name == "id":
            if "\0" not in value:
                self.id = value
        elif name == "retry" and value and set(value) <= set("0123456789"):
            self.retry = int(value)

    def _dispatch(self) -> None:
        self.last_event_id = self.id
        data, type_ = self.data, self.type
        self.data = self.type = ""
        if data:
            self.messages.append(Message(type_ or "message", data.removesuffix("\n"), self.last_event_id))


def read_events(*parts: bytes) -> EventStream:
    """Return what a browser has once it has read *parts*."""
    stream = EventStream()
    for part in parts:
        stream.feed(part)
    return stream


def is_event_stream(content_type: str) -> bool:
    """Return whether a browser reads a response of that type as an event stream, or closes it for good."""
    return content_type.partition(";")[0].strip(" \t").lower() == "text/event-stream"
