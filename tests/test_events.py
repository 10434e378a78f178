"""Events are framed so that a browser reads what was put in, and nothing else."""

import copy
import json
import pickle
import re
from collections.abc import Callable, Iterator
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from hypothesis import assume, example, given
from hypothesis import strategies as st

from conftest import Site
from django_routehandlers.responses.encoding import encode_json, encode_line
from django_routehandlers.responses.events import HEARTBEAT, frame_error, frame_event
from django_routehandlers.responses.jsonable import JSONEncodeError
from django_routehandlers.responses.problems import ProblemDetails
from django_routehandlers.responses.server_sent_event import ServerSentEvent
from event_streams import EventStream, Message, is_event_stream, read_events
from servers import Server, make_project, serve

LONG = "x" * 2048

# The cases of the web-platform-tests, eventsource/format-*, and event-data.
FORMATS = {
    "bom": (b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n", ["1", "3"]),
    "bom-2": (b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\ndata:3\n\n", ["2", "3"]),
    "comments": (
        f"data:1\r:\0\n:\r\ndata:2\n:{LONG}\rdata:3\n:data:fail\r:{LONG}\ndata:4\n\n".encode(),
        ["1\n2\n3\n4"],
    ),
    "data-before-final-empty-line": (b"retry:1000\ndata:test1\n\nid:test\ndata:test2\n", ["test1"]),
    "field-data": (b"data:\n\ndata\ndata\n\ndata:test\n\n", ["", "\n", "test"]),
    "field-parsing": (
        b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n"
        b" data:32\ndata:4\n\n",
        ["\0\n 2\n1\n3\n\n4"],
    ),
    "field-retry-empty": (b"retry\ndata:test\n\n", ["test"]),
    "field-unknown": (
        b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
        ["test\n\ntest"],
    ),
    "leading-space": (b"data:\ttest\rdata: \ndata:test\n\n", ["\ttest\n\ntest"]),
    "newlines": (b"data:test\r\ndata\ndata:test\r\n\r\n", ["test\n\ntest"]),
    "null-character": (b"data:\0\n\n\n\n", ["\0"]),
    "utf-8": ("data:ok…\n\n".encode(), ["ok…"]),
    "malformed-utf-8": (b"data:a\xe2\x80b\xff\n\n", ["a\ufffdb\ufffd"]),
    "event-data": (
        b"data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n",
        ["msg\nmsg", "", "end"],
    ),
}


@pytest.mark.parametrize(("stream", "expected"), FORMATS.values(), ids=FORMATS)
def test_our_reader_takes_the_data_from_a_stream(stream: bytes, expected: list[str]) -> None:
    """Invariant 76: the reader that the framing is held against."""
    assert [(one.type, one.data) for one in read_events(stream).messages] == [("message", data) for data in expected]


# The cases of the web-platform-tests about names and ids.
NAMED = {
    "field-event": (b"event:test\ndata:x\n\ndata:x\n\n", [("test", "x", ""), ("message", "x", "")]),
    "field-event-empty": (b"event: \ndata:data\n\n", [("message", "data", "")]),
    "field-event-of-a-dropped-event": (b"event:test\n\ndata:x\n\n", [("message", "x", "")]),
    "field-id": ("id: …\nretry: 200\ndata: hello\n\n".encode(), [("message", "hello", "…")]),
    "field-id-2": ("id: …\ndata: a\n\ndata: b\n\n".encode(), [("message", "a", "…"), ("message", "b", "…")]),
    "field-id-3-persists": (
        b"id: 1\ndata: 1\n\ndata: 2\n\nid: 2\ndata:3\n\ndata:4\n\n",
        [("message", "1", "1"), ("message", "2", "1"), ("message", "3", "2"), ("message", "4", "2")],
    ),
    "field-id-3-resets": (
        b"id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n",
        [("message", "1", "1"), ("message", "2", ""), ("message", "3", "")],
    ),
    "field-id-3-resets-without-colon": (
        b"id: 1\ndata: 1\n\nid\ndata:2\n\ndata:3\n\n",
        [("message", "1", "1"), ("message", "2", ""), ("message", "3", "")],
    ),
}


@pytest.mark.parametrize(("stream", "expected"), NAMED.values(), ids=NAMED)
def test_our_reader_takes_names_and_ids_from_a_stream(stream: bytes, expected: list[tuple[str, str, str]]) -> None:
    """Invariant 76: the reader that the framing is held against."""
    assert read_events(stream).messages == expected


@pytest.mark.parametrize("value", ["\0\0", "x\0", "\0x", "x\0x", " \0"])
def test_our_reader_takes_no_id_with_nul(value: str) -> None:
    """Case format-field-id-null of the web-platform-tests."""
    stream = read_events(f"id: {value}\ndata: hello\n\n".encode())

    assert (stream.messages, stream.last_event_id) == ([Message("message", "hello", "")], "")


def test_our_reader_forgets_the_id_of_an_event_that_never_ends() -> None:
    """Case format-data-before-final-empty-line of the web-platform-tests: what the next request sends."""
    stream = read_events(FORMATS["data-before-final-empty-line"][0])

    assert (stream.last_event_id, stream.retry) == ("", 1000)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(b"retry:03000\ndata:x\n\n", 3000, id="field-retry"),
        pytest.param(b"retry:3000\nretry:1000x\ndata:x\n\n", 3000, id="field-retry-bogus"),
        pytest.param(b"retry\ndata:test\n\n", None, id="field-retry-empty"),
        pytest.param("retry:३\n\n".encode(), None, id="digits-of-another-script"),
    ],
)
def test_our_reader_takes_the_retry_time_from_a_stream(stream: bytes, expected: int | None) -> None:
    """Cases format-field-retry… of the web-platform-tests."""
    assert read_events(stream).retry == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param("x bogus", False, id="mime-bogus"),
        pytest.param("text/x-bogus", False, id="mime-valid-bogus"),
        pytest.param("text/event-stream;", True, id="mime-trailing-semicolon"),
        pytest.param("text/event-stream;charset=windows-1252", True, id="utf-8"),
    ],
)
def test_our_reader_takes_one_content_type(content_type: str, expected: bool) -> None:
    """Cases format-mime-… of the web-platform-tests."""
    assert is_event_stream(content_type) == expected


def kept(stream: EventStream) -> tuple[list[Message], str, int | None]:
    return stream.messages, stream.last_event_id, stream.retry


@pytest.mark.parametrize("stream", [one for one, _ in [*FORMATS.values(), *NAMED.values()] if len(one) < 500])
def test_our_reader_does_not_care_where_a_stream_is_cut(stream: bytes) -> None:
    whole = kept(read_events(stream))

    assert [kept(read_events(stream[:at], stream[at:])) for at in range(len(stream) + 1)] == [whole] * (len(stream) + 1)
    assert kept(read_events(*(bytes([byte]) for byte in stream))) == whole


def frame(*records: object) -> bytes:
    return b"".join(frame_event(record, encode_json) for record in records)


def read(*records: object) -> list[Message]:
    return read_events(frame(*records)).messages


class Color(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (ServerSentEvent("hi"), b"data: hi\n\n"),
        (ServerSentEvent(""), b"data: \n\n"),
        (ServerSentEvent(" hi"), b"data:  hi\n\n"),
        (ServerSentEvent("a\r\nb\rc\nd\n"), b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
        (ServerSentEvent("\n\r"), b"data: \ndata: \ndata: \n\n"),
        (ServerSentEvent("é\u2028\u2029\x85\x0b\x0c\0"), "data: é\u2028\u2029\x85\x0b\x0c\0\n\n".encode()),
        (ServerSentEvent({"a": "x\ny", "b": [1]}), b'data: {"a":"x\\ny","b":[1]}\n\n'),
        (ServerSentEvent(None), b"data: null\n\n"),
        (ServerSentEvent(Color.RED), b"data: red\n\n"),
        (
            ServerSentEvent(1, event="tick", id="é7", retry=3000, comment="one"),
            ": one\nevent: tick\nid: é7\nretry: 3000\ndata: 1\n\n".encode(),
        ),
        (ServerSentEvent(id=""), b"id: \n\n"),
        (ServerSentEvent(retry=0), b"retry: 0\n\n"),
        (ServerSentEvent(comment="a\r\nb\r\n\nc"), b": a\n: b\n: \n: c\n\n"),
        (ServerSentEvent(comment=""), b": \n\n"),
        (ServerSentEvent("x", event=""), b"event: \ndata: x\n\n"),
        ("hi\nthere", b"data: hi\ndata: there\n\n"),
        ({"a": 1}, b'data: {"a":1}\n\n'),
        (None, b"data: null\n\n"),
    ],
)
def test_an_event_is_framed(record: object, expected: bytes) -> None:
    """Invariant 76."""
    assert frame(record) == expected


def test_values_are_encoded_by_what_encodes_the_stream() -> None:
    """Text is not; JSON of several lines is still one event."""

    def encode(value: object) -> bytes:
        return json.dumps(value, indent=1).encode()

    assert frame_event(ServerSentEvent([1], id="1"), encode) == b"id: 1\ndata: [\ndata:  1\ndata: ]\n\n"
    assert frame_event("x", encode) == b"data: x\n\n"


def test_an_error_is_an_event_of_that_name() -> None:
    """Invariant 70."""
    problem = ProblemDetails.from_status(500, detail="a\nb")

    assert frame_error(problem) == (
        b'event: error\ndata: {"type":"about:blank","title":"Internal Server Error","status":500,"detail":"a\\nb"}\n\n'
    )


def test_a_heartbeat_is_no_event() -> None:
    stream = read_events(frame(ServerSentEvent("a", id="1")) + HEARTBEAT * 3 + frame("b"))

    assert kept(stream) == ([Message("message", "a", "1"), Message("message", "b", "1")], "1", None)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_data_cannot_become_an_event(end: str) -> None:
    """Invariant 76: the injection test."""
    text = f"x{end}{end}event: admin{end}data: 1"

    assert read(text, ServerSentEvent(text, event="chat", comment=f"{text}{end}{end}")) == [
        Message("message", "x\n\nevent: admin\ndata: 1", ""),
        Message("chat", "x\n\nevent: admin\ndata: 1", ""),
    ]


TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n :\0\ufeff\u2028\x85"))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"))
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("\t\x85")).map(
    lambda text: text.strip(" \t")
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={"event": NAMES, "id": IDS, "retry": st.integers(0, 2**70), "comment": TEXT, "data": TEXT | st.integers()},
)


@st.composite
def events(draw: st.DrawFn) -> ServerSentEvent:
    fields: dict[str, Any] = draw(FIELDS)
    assume(fields and ("data" in fields or "event" not in fields))
    return ServerSentEvent(**fields)


def seen(sent: list[ServerSentEvent]) -> tuple[list[Message], str, int | None]:
    """Return what a browser has to make of the events."""
    messages: list[Message] = []
    last, retry = "", None
    for one in sent:
        last = last if one.id is None else one.id
        retry = retry if one.retry is None else one.retry
        if hasattr(one, "data"):
            data = str(one.data).replace("\r\n", "\n").replace("\r", "\n")
            messages.append(Message(one.event or "message", data, last))
    return messages, last, retry


@given(st.lists(events(), max_size=5))
@example([ServerSentEvent("\ufeff"), ServerSentEvent(id="\x85"), ServerSentEvent("\r\n\r", event=": ")])
def test_what_goes_in_is_what_a_browser_sees(sent: list[ServerSentEvent]) -> None:
    """Invariant 76: any events, alone or one behind another."""
    assert kept(read_events(frame(*sent))) == seen(sent)


@given(st.lists(events(), min_size=1, max_size=3))
def test_it_makes_no_difference_where_the_network_cuts(sent: list[ServerSentEvent]) -> None:
    stream = frame(*sent)
    cuts = range(0, len(stream) + 1, max(1, len(stream) // 50))

    assert [kept(read_events(stream[:at], stream[at:])) for at in cuts] == [seen(sent)] * len(cuts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda one: st.lists(one) | st.dictionaries(TEXT, one)
)


@given(JSON.filter(lambda value: not isinstance(value, str)))
def test_json_in_an_event_is_one_line_of_json(value: object) -> None:
    """Also with U+2028, U+2029 and U+0085, which end no line of an event stream."""
    (message,) = read(value)

    assert json.loads(message.data) == value
    assert frame(value).count(b"\n") == 2


REST = "Take it out, or send it in data."
ID_RULE = "It is one line, with no control characters but tabs, and no space at its ends."


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: ServerSentEvent(1, event="a\ndata: 2"),
            rf"ServerSentEvent: event has '\n' at 1. It is one line, with no line end and no NUL. {REST}",
        ),
        (
            lambda: ServerSentEvent(1, event="a\rb"),
            rf"ServerSentEvent: event has '\r' at 1. It is one line, with no line end and no NUL. {REST}",
        ),
        (
            lambda: ServerSentEvent(1, event="\0"),
            rf"ServerSentEvent: event has '\x00' at 0. It is one line, with no line end and no NUL. {REST}",
        ),
        *(
            (
                lambda character=character: ServerSentEvent(id=f"7{character}"),
                f"ServerSentEvent: id has {character!r} at 1. {ID_RULE} {REST}",
            )
            for character in "\0\n\r\x0b\x1f\x7f\t "
        ),
        (
            lambda: ServerSentEvent(retry=-1),
            "ServerSentEvent: retry is -1. It is 0 milliseconds or more. Write retry=3000 for three seconds.",
        ),
        (
            lambda: ServerSentEvent(event="ping"),  # type: ignore[call-overload]
            "ServerSentEvent: event='ping' has no data. Clients drop an event without data. "
            'Give it some; data="" is enough.',
        ),
        (
            lambda: ServerSentEvent(),
            "ServerSentEvent: there is nothing in it. An event has data, an id, a retry or a comment. "
            'Give it one; data="" is an event that says nothing else.',
        ),
        *(
            (
                make,
                rf"ServerSentEvent: {name} has the lone surrogate '\ud800' at 1. An event stream is UTF-8, which has "
                'none. Clean the text, such as with text.encode(errors="replace").decode().',
            )
            for name, make in [
                ("data", lambda: ServerSentEvent("a\ud800")),
                ("event", lambda: ServerSentEvent("", event="a\ud800")),
                ("id", lambda: ServerSentEvent(id="a\ud800")),
                ("comment", lambda: ServerSentEvent(comment="a\ud800")),
                ("data", lambda: frame("a\ud800")),
            ]
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_when_the_event_is_made(make: Callable[[], object], expected: str) -> None:
    """Invariant 76."""
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}\nSee ServerSentEvent in docs/reference/responses"):
        make()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event": b"a"}, "event is of type bytes. It is text. Write event=str(…)."),
        ({"id": 7}, "id is of type int. It is text. Write id=str(…)."),
        ({"comment": 7}, "comment is of type int. It is text. Write comment=str(…)."),
        (
            {"retry": True},
            "retry is of type bool. It is a whole number of milliseconds. Write retry=3000 for three seconds.",
        ),
        (
            {"retry": 0.5},
            "retry is of type float. It is a whole number of milliseconds. Write retry=3000 for three seconds.",
        ),
    ],
)
def test_a_field_of_another_type_is_refused(fields: dict[str, object], expected: str) -> None:
    with pytest.raises(TypeError) as caught:
        ServerSentEvent("", **fields)  # type: ignore[call-overload]

    assert str(caught.value) == f"ServerSentEvent: {expected}"


FULL = ServerSentEvent({"a": 1}, event="tick", id="7", retry=3000, comment="one")


def test_an_event_has_what_was_given() -> None:
    assert (FULL.data, FULL.event, FULL.id, FULL.retry, FULL.comment) == ({"a": 1}, "tick", "7", 3000, "one")
    assert (hasattr(ServerSentEvent(None), "data"), hasattr(ServerSentEvent(id="7"), "data")) == (True, False)


def test_an_event_without_data_says_so() -> None:
    with pytest.raises(AttributeError) as caught:
        ServerSentEvent(id="7").data  # noqa: B018 - reading is what fails

    assert str(caught.value) == "ServerSentEvent(id='7') has no data."


@pytest.mark.parametrize("name", ["data", "event", "id", "retry", "comment", "other"])
def test_an_event_does_not_change(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(FULL, name, "x")


@pytest.mark.parametrize("event", [FULL, ServerSentEvent(id=""), ServerSentEvent(None)])
def test_a_copy_is_equal_and_shown_as_it_is_made(event: ServerSentEvent) -> None:
    copies = [copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event)), eval(repr(event))]

    assert copies == [event] * 4
    assert [hasattr(one, "data") for one in copies] == [hasattr(event, "data")] * 4


def test_events_are_equal_where_all_of_them_is() -> None:
    others = [
        ServerSentEvent({"a": 1}),
        ServerSentEvent({"a": 1}, event="tick"),
        ServerSentEvent(id="1"),
        ServerSentEvent(retry=1),
        ServerSentEvent(comment="1"),
        ServerSentEvent(None),
        {"a": 1},
    ]

    assert [(a, b) for a in others for b in others if a == b] == [(one, one) for one in others]
    assert len({ServerSentEvent("a", id="1"), ServerSentEvent("a", id="1"), ServerSentEvent("a")}) == 2


def test_an_event_is_shown_as_it_is_made() -> None:
    assert repr(FULL) == "ServerSentEvent({'a': 1}, event='tick', id='7', retry=3000, comment='one')"
    assert repr(ServerSentEvent[int](1)) == "ServerSentEvent(1)"


@pytest.mark.parametrize(("value", "place"), [(FULL, ""), ([FULL], "/0"), ({"event": ServerSentEvent("a")}, "/event")])
@pytest.mark.parametrize("encode", [encode_json, encode_line])
def test_an_event_is_not_json(encode: Callable[[object], bytes], value: object, place: str) -> None:
    with pytest.raises(JSONEncodeError) as caught:
        encode(value)

    assert str(caught.value) == (
        f"At #{place}: A ServerSentEvent is an event of an event stream, not JSON. "
        "Return EventStreamResponse, or annotate AsyncIterator[ServerSentEvent]."
    )


LAST_EVENT_ID = {
    "ids/route.py": """
        from typing import Annotated

        from django_routehandlers import Header

        async def GET(last_event_id: Annotated[str | None, Header()] = None, x_id: Annotated[str, Header()] = ""):
            return [last_event_id, x_id]

        def POST(last_event_id: Annotated[list[str], Header()] = []):
            return last_event_id
        """,
}

RECEIVED = [
    pytest.param("é€".encode(), "é€", id="utf-8"),
    # Its last byte is a space of Latin-1.
    pytest.param("à".encode(), "à", id="no-break space"),
    pytest.param(b"a7", "a7", id="ascii"),
    pytest.param(b"a\xe9", "aé", id="no utf-8"),
]


@pytest.mark.parametrize(("sent", "expected"), RECEIVED)
def test_last_event_id_is_read_as_utf_8(site: Site, sent: bytes, expected: str) -> None:
    """WHATWG HTML, section 9.2.4. Other fields stay as Django reads them."""
    site.serve(LAST_EVENT_ID)
    text = sent.decode("latin-1")
    headers = {"Last-Event-ID": text, "X-ID": text}

    assert site.client.get("/ids", headers=headers).json() == [expected, text]
    assert async_to_sync(site.async_client.get)("/ids", headers=headers).json() == [expected, text]
    assert site.client.post("/ids", headers={"Last-Event-ID": f"{text}, b"}).json() == [expected, "b"]


def test_last_event_id_may_be_given_as_text_to_the_test_client(site: Site) -> None:
    site.serve(LAST_EVENT_ID)

    assert site.client.get("/ids", headers={"Last-Event-ID": "é€"}).json() == ["é€", ""]
    assert site.client.get("/ids").json() == [None, ""]


@pytest.fixture(scope="module", params=["uvicorn-httptools", "uvicorn-h11", "gunicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home: Path = make_project(tmp_path_factory.mktemp("events"), LAST_EVENT_ID)
    with serve(request.param, home) as running:
        yield running


@pytest.mark.parametrize(("sent", "expected"), RECEIVED)
def test_last_event_id_is_read_as_utf_8_on_a_real_server(server: Server, sent: bytes, expected: str) -> None:
    reply = server.send("GET", "/ids", f"Last-Event-ID: {sent.decode('latin-1')}")

    assert (reply.status, json.loads(reply.body)) == (200, [expected, ""])


def test_members_of_an_enum_are_sent_as_their_text() -> None:
    class Kind(str, Enum):  # noqa: UP042 - a StrEnum formats itself as its text
        SALE = "sale"

    class Loud(str):
        def __format__(self, spec: str) -> str:
            return "x\n\nevent: admin"

    event = ServerSentEvent(Kind.SALE, event=Kind.SALE, id=Loud("7"), comment=Kind.SALE)
    assert frame(event) == b": sale\nevent: sale\nid: 7\ndata: sale\n\n"
