"""NDJSON in requests: ``body`` as an iterator, by Django's clients, and by ASGI messages one by one."""

import asyncio
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.asgi import get_asgi_application as get_stock_application
from django.core.exceptions import SynchronousOnlyOperation
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from conftest import Site
from django_routehandlers.asgi import get_asgi_application
from django_routehandlers.engine.arriving import ArrivingContent

NDJSON = "application/x-ndjson"

ROUTES = {
    "items/route.py": """
        from collections.abc import AsyncIterator, Iterator

        from pydantic import BaseModel


        class Item(BaseModel):
            name: str
            price: float = 0


        async def POST(body: AsyncIterator[Item], page: int = 1):
            return [item async for item in body]


        def PUT(body: Iterator[Item]):
            return list(body)


        async def PATCH(body: AsyncIterator[Item]):
            async for item in body:
                yield item.name


        def DELETE(body: Iterator[Item]):
            for item in body:
                yield item.name
        """,
    "any/route.py": """
        from collections.abc import AsyncIterable, Iterable
        from typing import Any


        async def POST(body: AsyncIterable[Any]):
            return [item async for item in body]


        def PUT(body: Iterable):
            return [item for item in body]
        """,
    "first/route.py": """
        from collections.abc import AsyncIterator


        async def POST(body: AsyncIterator[int]):
            async for item in body:
                return item


        async def PUT(body: AsyncIterator[int]):
            return "unread"
        """,
    "twice/route.py": """
        from collections.abc import AsyncIterator


        async def POST(body: AsyncIterator[int]):
            found = []
            try:
                async for item in body:
                    found.append(item)
            except Exception as error:
                found.append(type(error).__name__)
            return [*found, *[item async for item in body]]
        """,
}

Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def _undisturbed() -> Iterator[None]:
    """Leave alone the database connection that an earlier test has opened, as Django's client does."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


def ask_wsgi(site: Site, method: str, target: str, content: bytes, kind: str = NDJSON, **more: Any) -> Any:
    response: Any = site.client.generic(method, target, content, kind, **more)
    if response.streaming:
        response.collected = b"".join(response)
    return response


def ask_asgi(site: Site, method: str, target: str, content: bytes, kind: str = NDJSON, **more: Any) -> Any:
    async def send() -> Any:
        response: Any = await site.async_client.generic(method, target, content, kind, **more)
        if response.streaming:
            response.collected = b"".join([part async for part in response])
        return response

    return async_to_sync(send)()


both = pytest.mark.parametrize("ask", [ask_wsgi, ask_asgi], ids=["wsgi", "asgi"])


@both
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("kind", [NDJSON, "application/jsonl", "application/x-ndjson; charset=UTF-8"])
def test_lines_are_items(site: Site, ask: Ask, method: str, kind: str) -> None:
    site.serve(ROUTES)

    response = ask(site, method, "/items", b'{"name":"a"}\n{"name":"b","price":2}\n', kind)

    assert response.json() == [{"name": "a", "price": 0}, {"name": "b", "price": 2}]


@both
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_stream_may_answer_a_stream(site: Site, ask: Ask, method: str) -> None:
    site.serve(ROUTES)

    response = ask(site, method, "/items", b'{"name":"a"}\n{"name":"b"}')

    assert response.collected == b'"a"\n"b"\n'


@both
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("content", "items"),
    [
        (b"", []),
        (b"\n", []),
        (b"1", [1]),
        (b"1\n2", [1, 2]),
        (b"1\r\n2\r\n", [1, 2]),
        (b"\n\n1\n \t\r\n\n2\n\n", [1, 2]),
        (b" 1 \n\t[2]", [1, [2]]),
        ('"a\u2028b\u0085"\nnull\n'.encode(), ["a\u2028b\u0085", None]),
    ],
)
def test_what_a_line_is(site: Site, ask: Ask, method: str, content: bytes, items: list[Any]) -> None:
    site.serve(ROUTES)

    assert ask(site, method, "/any", content).json() == items


@both
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"1\n\nx\n1", r"Line 3 is not JSON: .* at column 1\."),
        (b"1\n[1", r"Line 2 is not JSON: .* at column 3\."),
        (b"NaN\n", r"Line 1 is not JSON: .* at column 1\."),
        (b"1 2\n", r"Line 1 is not JSON: .* at column 3\."),
        (b'1\n"\xff"\n', r"Line 2 is not JSON: .*"),
        # A byte order mark: RFC 8259, section 8.1.
        (b"\xef\xbb\xbf1\n", r"Line 1 is not JSON: .*"),
        (b'1\n{"a":1,"a":2}', r"Line 2 is not JSON that can be relied on: an object has a name twice\."),
        (b"[" * 300 + b"]" * 300, r"Line 1 is not JSON: it nests too deeply\."),
    ],
    ids=["no value", "cut", "NaN", "two values", "no UTF-8", "byte order mark", "name twice", "deep"],
)
def test_a_line_that_is_no_json_is_400(site: Site, ask: Ask, method: str, content: bytes, detail: str) -> None:
    site.serve(ROUTES)

    problem = ask(site, method, "/any", content).json()

    assert re.fullmatch(detail, problem.pop("detail"))
    assert problem == {"type": "about:blank", "title": "Bad Request", "status": 400}


@both
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_line_that_does_not_fit_is_422_with_its_number(site: Site, ask: Ask, method: str) -> None:
    site.serve(ROUTES)

    response = ask(site, method, "/items", b'\n{"price":"x"}\n{"name":"b"}\n')

    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"line": 2, "pointer": "#/name", "detail": "Field required", "type": "missing"},
        {
            "line": 2,
            "pointer": "#/price",
            "detail": "Input should be a valid number, unable to parse string as a number",
            "type": "float_parsing",
        },
    ]


@both
def test_an_iterator_that_has_failed_is_at_its_end(site: Site, ask: Ask) -> None:
    site.serve(ROUTES)

    assert ask(site, "POST", "/twice", b'1\n"x"\n2\n').json() == [1, "Refusal"]


@both
def test_what_follows_is_not_judged_when_a_handler_stops(site: Site, ask: Ask) -> None:
    site.serve(ROUTES)

    assert [ask(site, method, "/first", b"7\nx").json() for method in ("POST", "PUT")] == [7, "unread"]


@both
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("kind", "more", "status", "fields"),
    [
        ("application/json", {}, 415, {"Accept": "application/x-ndjson, application/jsonl"}),
        ("", {}, 415, {"Accept": "application/x-ndjson, application/jsonl"}),
        (f"{NDJSON}; charset=utf-16", {}, 415, {"Accept": "application/x-ndjson, application/jsonl"}),
        (NDJSON, {"headers": {"Content-Encoding": "gzip"}}, 415, {"Accept-Encoding": "identity"}),
    ],
    ids=["json", "no type", "charset", "coding"],
)
def test_other_content_is_415(
    site: Site, ask: Ask, method: str, kind: str, more: dict[str, Any], status: int, fields: dict[str, str]
) -> None:
    site.serve(ROUTES)

    response = ask(site, method, "/any", b"1\n", kind, **more)

    assert (response.status_code, {name: response.headers[name] for name in fields}) == (status, fields)


@both
def test_without_content_there_is_no_media_type_to_be_wrong(site: Site, ask: Ask) -> None:
    site.serve(ROUTES)

    assert ask(site, "POST", "/any", b"", "").json() == []


@both
def test_other_faults_are_found_before_a_line_is_read(site: Site, ask: Ask) -> None:
    site.serve(ROUTES)

    response = ask(site, "POST", "/items?page=x", b"x")

    assert (response.status_code, [entry["parameter"] for entry in response.json()["errors"]]) == (422, ["page"])


def test_the_origin_is_judged_first(site: Site) -> None:
    site.serve(ROUTES)

    response = ask_wsgi(site, "POST", "/items", b"x", headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403


@both
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_each_line_has_a_limit_and_the_whole_has_none(site: Site, ask: Ask, method: str) -> None:
    """Invariant 50."""
    site.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    site.serve(ROUTES)
    fits, too_long = b'"%s"' % (b"a" * 98), b'"%s"' % (b"a" * 99)

    assert len(ask(site, method, "/any", (fits + b"\n") * 50 + fits).json()) == 51
    assert ask(site, method, "/any", fits + b"\n" + too_long).status_code == 413
    assert ask(site, method, "/any", fits + b"\n" + too_long + b"\n").status_code == 413


def test_what_was_read_before_is_read_again(site: Site) -> None:
    site.serve(ROUTES)
    site.settings.MIDDLEWARE = [f"{__name__}.reads_the_body"]

    assert ask_wsgi(site, "PUT", "/any", b"1\n2").json() == [1, 2]
    assert ask_asgi(site, "POST", "/any", b"1\n2").json() == [1, 2]


def reads_the_body(get_response: Any) -> Any:
    """Read the whole body before the view does, as a middleware that logs or signs requests."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.META["HTTP_X_LENGTH"] = str(len(request.body))
        return get_response(request)

    return middleware


def wsgi(content: bytes, **environ: Any) -> tuple[str, bytes]:
    """Call the project as a WSGI server does; return status and body."""
    request = RequestFactory().generic("POST", "/any", content, NDJSON)
    started: list[str] = []
    response: Any = WSGIHandler()(
        {**request.environ, "CONTENT_TYPE": NDJSON, "wsgi.input": io.BytesIO(content), **environ},
        lambda status, *rest: started.append(status) or (lambda part: None),
    )
    try:
        return started[0], b"".join(response)
    finally:
        response.close()


def test_content_of_unknown_length_is_411_under_wsgi(site: Site) -> None:
    site.serve(ROUTES)

    assert wsgi(b"1\n", CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")[0] == "411 Length Required"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_body_that_breaks_off_is_none_under_wsgi(site: Site, method: str) -> None:
    """Half of a number is a number: without its length nobody could tell."""
    site.serve(ROUTES)

    assert wsgi(b"1\n2", REQUEST_METHOD=method)[0] == "200 OK"
    assert wsgi(b"1\n2", REQUEST_METHOD=method, CONTENT_LENGTH="5")[0] == "500 Internal Server Error"


class Slow(io.BytesIO):
    """A WSGI input whose client sends a line when the one before has been read."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("waits for more than a line")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_wsgi_waits_for_a_line_and_no_more(site: Site, method: str) -> None:
    site.serve(ROUTES)
    environ = {"REQUEST_METHOD": method, "wsgi.input": Slow(b"1\n2\n3"), "CONTENT_LENGTH": "5"}

    assert wsgi(b"", **environ) == ("200 OK", b"[1,2,3]")


# Content as it arrives


class Client:
    """
    A client that sends the parts of a body one by one, and the server between.

    With *in_turn* it sends none before the one before it has been answered.
    """

    def __init__(
        self,
        target: str,
        parts: Sequence[bytes],
        *,
        method: str = "POST",
        leaves: bool = False,
        in_turn: bool = False,
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": target,
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"testserver"), (b"content-type", NDJSON.encode())],
            "client": ("127.0.0.1", 50000),
            "server": ("testserver", 80),
        }
        self.waiting = [
            {"type": "http.request", "body": part, "more_body": leaves or number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]
        if leaves:
            self.waiting.append({"type": "http.disconnect"})
        self.turns = asyncio.Semaphore(1 if in_turn else len(parts))
        self.is_asked = False
        self.log: list[str] = []
        self.status = 0
        self.fields: dict[str, str] = {}
        self.body = b""

    async def receive(self) -> dict[str, Any]:
        assert not self.is_asked, "two ask the server at once"
        self.is_asked = True
        try:
            await asyncio.sleep(0)
            if self.waiting:
                if "body" in self.waiting[0]:
                    await self.turns.acquire()
                message = self.waiting.pop(0)
                self.log.append(
                    f"sends {message.get('body', b'').decode(errors='replace')!r}" if "body" in message else "leaves"
                )
                return message
            return await asyncio.get_running_loop().create_future()
        finally:
            self.is_asked = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.fields = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            self.log.append(f"is answered {self.status}")
        elif message.get("body"):
            self.body += message["body"]
            self.turns.release()
            self.log.append(f"gets {message['body'].decode(errors='replace')!r}")

    def ask(self, application: Any) -> "Client":
        asyncio.run(asyncio.wait_for(application(self.scope, self.receive, self.send), 10))
        return self


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("application", [get_asgi_application, get_stock_application], ids=["ours", "stock"])
def test_lines_are_items_whoever_serves(site: Site, method: str, application: Any) -> None:
    site.serve(ROUTES)

    client = Client("/any", [b"[1", b"]\n2", b"0\n", b"", b'"a"'], method=method).ask(application())

    assert (client.status, json.loads(client.body), client.fields.get("connection")) == (200, [[1], 20, "a"], None)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_line_is_answered_before_the_next_is_asked_for(site: Site, method: str) -> None:
    site.serve(ROUTES)

    client = Client("/items", [b'{"name":"a"}\n', b'{"name":"b"}\n', b'{"name":"c"}\n'], method=method, in_turn=True)
    client.ask(get_asgi_application())

    assert client.body == b'"a"\n"b"\n"c"\n'
    # Nobody knows yet whether it is going to be read whole.
    assert client.fields["connection"] == "close"


@pytest.mark.parametrize(
    ("target", "method", "answer"),
    [
        ("/first", "POST", (200, b"1")),
        ("/first", "PUT", (200, b'"unread"')),
        ("/any/none", "POST", (404, None)),
        ("/first", "DELETE", (405, None)),
    ],
)
def test_what_nobody_reads_is_not_asked_for(
    site: Site, target: str, method: str, answer: tuple[int, bytes | None]
) -> None:
    routes = {**ROUTES, "any/[id]/route.py": ROUTES["any/route.py"].replace("body:", "id: int, body:")}
    site.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    site.serve(routes)

    client = Client(target, [b"1\n"] * 100, method=method).ask(get_asgi_application())

    assert client.status == answer[0]
    assert answer[1] in (None, client.body)
    assert client.fields["connection"] == "close"
    before = client.log[: client.log.index(f"is answered {client.status}")]
    assert len(before) <= (1 if target == "/first" else 0) + (5 if method == "DELETE" else 0)


def test_who_waits_to_be_asked_is_refused_unasked(site: Site) -> None:
    """RFC 9110, section 10.1.1."""
    site.serve(ROUTES)
    client = Client("/any", [b"[1]"])
    client.scope["headers"] = [
        (b"host", b"testserver"),
        (b"content-type", b"application/json"),
        (b"expect", b"100-continue"),
    ]

    client.ask(get_asgi_application())

    assert client.log[0] == "is answered 415"


LEAVING = """
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

LOG = []


async def POST(body: AsyncIterator[int]):
    try:
        async for item in body:
            LOG.append(item)
    except BaseException as error:
        LOG.append(type(error).__name__)
        raise
    finally:
        LOG.append("end")


def PUT(body: Iterator[int]):
    try:
        for item in body:
            LOG.append(item)
    except BaseException as error:
        LOG.append(type(error).__name__)
        raise
    finally:
        LOG.append("end")


async def PATCH(body: AsyncIterator[int]):
    try:
        yield 0
        async for item in body:
            yield item
    finally:
        LOG.append("end")
"""


@pytest.mark.parametrize(
    ("method", "log"),
    [("POST", [1, "CancelledError", "end"]), ("PUT", [1, "UnreadablePostError", "end"]), ("PATCH", ["end"])],
)
def test_a_client_that_leaves_ends_the_handler(site: Site, method: str, log: list[object]) -> None:
    """Invariant 66: and half a line is no line."""
    site.serve({"left/route.py": LEAVING})

    client = Client("/left", [b"1\n", b"23"], method=method, leaves=True).ask(get_asgi_application())

    module = next(
        module for name, module in sys.modules.items() if name.startswith(site.name) and hasattr(module, "LOG")
    )
    assert log == module.LOG
    # Whether a stream had begun by then is a matter of time.
    assert method == "PATCH" or client.log[-1] == "leaves"


def test_a_task_beside_the_handler_is_told_that_the_client_left(site: Site) -> None:
    async def read() -> list[str]:
        client = Client("/", [b"1"], leaves=True)
        content = ArrivingContent(client.receive)
        found = [(await content.aread_part()).decode()]
        try:
            await content.aread_part()
        except Exception as error:
            found.append(type(error).__name__)
        return found

    assert asyncio.run(read()) == ["1", "RequestAborted"]


def test_code_that_knows_nothing_of_lines_reads_the_body_in_a_thread(site: Site) -> None:
    site.serve(ROUTES)
    site.settings.MIDDLEWARE = [f"{__name__}.reads_the_body"]

    client = Client("/any", [b"1\n", b"2"]).ask(get_asgi_application())
    assert (client.status, client.body) == (200, b"[1,2]")

    site.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert Client("/any", [b"1\n"] * 6).ask(get_asgi_application()).status != 200


def read_in_a_thread(read: Callable[[ArrivingContent], object], parts: Sequence[bytes]) -> object:
    async def run() -> object:
        content = ArrivingContent(Client("/", parts).receive)
        return await asyncio.to_thread(read, content)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("read", "result"),
    [
        (lambda file: file.read(), b"ab\ncdef\n"),
        (lambda file: [file.read(3), file.read(2), file.read(9), file.read(9)], [b"ab\n", b"cd", b"ef\n", b""]),
        (lambda file: [file.read1(1), file.read1(), file.read()], [b"a", b"b\nc", b"def\n"]),
        (lambda file: list(file), [b"ab\n", b"cdef\n"]),
        (lambda file: [file.readline(1), file.readline(3), file.readline()], [b"a", b"b\n", b"cdef\n"]),
        (lambda file: [file.readinto(bytearray(4)), file.read(0), file.read(1)], [4, b"", b"d"]),
        (lambda file: (file.readable(), file.seekable()), (True, False)),
    ],
    ids=["all", "read", "read1", "lines", "readline", "readinto", "kind"],
)
def test_content_that_arrives_is_a_file(read: Any, result: object) -> None:
    assert read_in_a_thread(read, [b"ab\nc", b"d", b"ef\n"]) == result


def test_to_wait_on_the_event_loop_is_an_error_that_says_what_to_do() -> None:
    async def read() -> None:
        ArrivingContent(Client("/", [b"1"]).receive).read()

    with pytest.raises(SynchronousOnlyOperation, match="in a worker thread, with sync_to_async"):
        asyncio.run(read())


def test_another_loop_may_read() -> None:
    def read(content: ArrivingContent) -> list[bytes]:
        async def twice() -> list[bytes]:
            return [await content.aread_part(), await content.aread_part()]

        return asyncio.run(twice())

    assert read_in_a_thread(read, [b"1"]) == [b"1", b""]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_the_cuts_between_parts_do_not_matter(site: Site, method: str) -> None:
    site.serve(ROUTES)
    application = get_asgi_application()

    @given(
        items=st.lists(st.recursive(st.none() | st.integers(-9, 9) | st.text(max_size=5), st.lists, max_leaves=5)),
        end=st.sampled_from(["\n", "\r\n", "\n\n"]),
        cuts=st.lists(st.integers(0, 200)),
    )
    def check(items: list[Any], end: str, cuts: list[int]) -> None:
        content = "".join(json.dumps(item, ensure_ascii=False) + end for item in items).encode()
        places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
        parts = [content[start:stop] for start, stop in zip(places, places[1:], strict=False)]
        client = Client("/any", parts, method=method).ask(application)
        assert (client.status, json.loads(client.body)) == (200, items)

    check()
