"""
Turn one event of an event stream, checked when it is made, into its lines.

Source: WHATWG HTML, section 9.2 (server-sent events). Knows nothing of JSON, nor of responses.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import Generic, Never, cast, overload

from typing_extensions import TypeVar

from django_routehandlers.documentation import Section, documented

_SECTION = Section("reference/responses", "ServerSentEvent")

# With a default (PEP 696), so that a bare ServerSentEvent means any data.
Data = TypeVar("Data", covariant=True, default=object)

_Given = TypeVar("_Given")

# No other character ends a line, U+2028 and U+0085 no more than a vertical tab.
_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_END_BYTES = re.compile(rb"\r\n|\r|\n")
# As numbers: bytes look for one of these eight times as fast as for b"\n".
_LF, _CR = b"\n\r"

_NOT_IN_EVENT = re.compile(r"[\0\r\n]")
# An id comes back as a header field: servers answer 400 to control characters in one, and take spaces
# at its ends away (RFC 9110, section 5.5).
_NOT_IN_ID = re.compile(r"[\0-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$")


class _Absent(Enum):
    # A member of an enum stays itself when it is copied or pickled.
    DATA = "no data"


class ServerSentEvent(Generic[Data]):
    r"""
    One event of an event stream. It does not change once it is made.

    Args:
        data: A ``str`` is sent as it is; its lines may end in ``\n``, ``\r\n`` or ``\r``, and
            reach the client with ``\n``. Any other value is sent as JSON, ``None`` too.
            Without *data* the client sees no event, but takes over *id* and *retry*.
        event: Name of the event, ``message`` where there is none. No line ends, no NUL.
        id: What the client sends as ``Last-Event-ID`` when it connects again. ``""`` makes it
            forget the last one. No control characters but tabs, no space at its ends.
        retry: Milliseconds that the client waits before it connects again, 0 or more.
        comment: Text that clients skip.

    Raises:
        ValueError: One of them cannot be sent, there is none at all, or *event* has no *data*.
        TypeError: One of them, other than *data*, has another type.
    """

    __slots__ = ("_comment", "_data", "_event", "_id", "_retry")

    @overload
    def __init__(
        self: "ServerSentEvent[_Given]",
        data: _Given,
        *,
        event: str | None = None,
        id: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> None: ...

    # Without data it goes into a stream of any data.
    @overload
    def __init__(
        self: "ServerSentEvent[Never]", *, id: str | None = None, retry: int | None = None, comment: str | None = None
    ) -> None: ...

    def __init__(
        self,
        data: object = _Absent.DATA,
        *,
        event: str | None = None,
        id: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> None:
        if isinstance(data, str):
            _check_text("data", data)
        elif data is _Absent.DATA:
            _check_dataless(event, any(field is not None for field in (id, retry, comment)))
        if event is not None:
            _check_field("event", event, _NOT_IN_EVENT, "no line end and no NUL")
        if id is not None:
            _check_field("id", id, _NOT_IN_ID, "no control characters but tabs, and no space at its ends")
        if retry is not None:
            _check_retry(retry)
        if comment is not None:
            _check_text("comment", comment)
        self._data = data
        # Members of an enum, and other subclasses, would format themselves in ways of their own.
        self._event = None if event is None else str.__str__(event)
        self._id = None if id is None else str.__str__(id)
        self._retry = None if retry is None else int(retry)
        self._comment = None if comment is None else str.__str__(comment)

    @property
    def data(self) -> Data:
        """
        What was given as data.

        Raises:
            AttributeError: There is none: ``hasattr(event, "data")`` is false.
        """
        if self._data is _Absent.DATA:
            raise AttributeError(f"{self!r} has no data.", name="data", obj=self)
        return cast("Data", self._data)

    @property
    def event(self) -> str | None:
        """Name of the event; ``None`` where the client calls it ``message``."""
        return self._event

    @property
    def id(self) -> str | None:
        """What the client sends as ``Last-Event-ID``; ``None`` where the last one stays."""
        return self._id

    @property
    def retry(self) -> int | None:
        """Milliseconds until the client connects again; ``None`` where that stays as it is."""
        return self._retry

    @property
    def comment(self) -> str | None:
        """Text that clients skip."""
        return self._comment

    def frame(self, encode: Callable[[object], bytes]) -> bytes:
        """
        Return the event as UTF-8 lines and the empty line that ends it.

        Args:
            encode: What turns *data*, unless it is a ``str``, into JSON.
        """
        head = ""
        if self._comment is not None:
            head = "".join(f": {line}\n" for line in _LINE_END.split(self._comment))
        if self._event is not None:
            head += f"event: {self._event}\n"
        if self._id is not None:
            head += f"id: {self._id}\n"
        if self._retry is not None:
            head += f"retry: {self._retry:d}\n"
        if self._data is _Absent.DATA:
            return head.encode() + b"\n"
        return head.encode() + frame_data(self._data, encode)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, ServerSentEvent) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        names = ("event", "id", "retry", "comment")
        shown = [] if self._data is _Absent.DATA else [repr(self._data)]
        fields = zip(names, self._values()[1:], strict=True)
        shown.extend(f"{name}={value!r}" for name, value in fields if value is not None)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _values(self) -> tuple[object, ...]:
        return (self._data, self._event, self._id, self._retry, self._comment)


def frame_data(data: object, encode: Callable[[object], bytes]) -> bytes:
    """
    Return *data* as ``data:`` lines and the empty line that ends an event.

    Args:
        encode: What turns *data*, unless it is a ``str``, into JSON.

    Raises:
        ValueError: *data* is text that UTF-8 does not hold.
    """
    if isinstance(data, str):
        try:
            content = data.encode()
        except UnicodeEncodeError as error:
            raise _no_utf8("data", error) from None
    else:
        content = encode(data)
    # The space is always there: a client takes one away.
    if _LF in content or _CR in content:
        content = b"\ndata: ".join(_LINE_END_BYTES.split(content))
    return b"data: %b\n\n" % content


def _check_dataless(event: str | None, has_others: bool) -> None:
    if event is not None:
        raise documented(
            ValueError(
                f"ServerSentEvent: event={event!r} has no data. Clients drop an event without data. "
                'Give it some; data="" is enough.'
            ),
            _SECTION,
        )
    if not has_others:
        raise documented(
            ValueError(
                "ServerSentEvent: there is nothing in it. An event has data, an id, a retry or a comment. "
                'Give it one; data="" is an event that says nothing else.'
            ),
            _SECTION,
        )


def _check_field(name: str, value: str, forbidden: re.Pattern[str], rule: str) -> None:
    _check_text(name, value)
    if found := forbidden.search(value):
        raise documented(
            ValueError(
                f"ServerSentEvent: {name} has {found[0]!r} at {found.start()}. It is one line, with {rule}. "
                "Take it out, or send it in data."
            ),
            _SECTION,
        )


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _wrong_type(name, value, "It is text.", f"Write {name}=str(…).")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _no_utf8(name, error) from None


def _check_retry(value: object) -> None:
    remedy = "Write retry=3000 for three seconds."
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type("retry", value, "It is a whole number of milliseconds.", remedy)
    if value < 0:
        raise documented(
            ValueError(f"ServerSentEvent: retry is {value}. It is 0 milliseconds or more. {remedy}"), _SECTION
        )


def _wrong_type(name: str, value: object, rule: str, remedy: str) -> TypeError:
    what = f"ServerSentEvent: {name} is of type {type(value).__qualname__}."
    return documented(TypeError(f"{what} {rule} {remedy}"), _SECTION)


def _no_utf8(name: str, error: UnicodeEncodeError) -> ValueError:
    found = error.object[error.start]
    what = f"ServerSentEvent: {name} has the lone surrogate {found!r} at {error.start}."
    rule = "An event stream is UTF-8, which has none."
    remedy = 'Clean the text, such as with text.encode(errors="replace").decode().'
    return documented(ValueError(f"{what} {rule} {remedy}"), _SECTION)
