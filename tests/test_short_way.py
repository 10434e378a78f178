"""A plain request, which has one coroutine around its view, ends as it does under stock Django."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application as djangos_application
from django.core.signals import request_finished
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from pytest_django import Settings

from django_routehandlers.engine.short_way import ShortWay
from engine_client import SEVEN, Serve, ask, body, views_served

FORM = (
    b'--x\r\nContent-Disposition: form-data; name="one"; filename="one.txt"\r\n\r\n'
    + b"a" * 3_000_000
    + b"\r\n--x--\r\n"
)
MULTIPART = ((b"content-type", b"multipart/form-data; boundary=x"), (b"content-length", b"%d" % len(FORM)))


@pytest.fixture(params=[SEVEN, [], SEVEN[:1]], ids=["seven", "none", "one"])
def serve(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Serve]:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    with views_served(settings) as make:
        settings.MIDDLEWARE = request.param
        yield make


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return, for each request of ours, whether it went the short way."""
    found: list[bool] = []
    answer = ShortWay._answer_short

    async def noted(handler: ShortWay, *args: Any) -> bool:
        found.append(await answer(handler, *args))
        return found[-1]

    monkeypatch.setattr(ShortWay, "_answer_short", noted)
    return found


@contextmanager
def logged() -> Iterator[list[str]]:
    """Yield what Django logs of requests. To make an application configures logging anew."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(f"{record.levelname} {record.getMessage()}")

    handler, logger = Handler(), logging.getLogger("django.request")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


Told = list[object]


class Closes(HttpResponse):
    def __init__(self, told: Told) -> None:
        super().__init__("closes")
        self.told = told

    def close(self) -> None:
        self.told.append("closed")
        super().close()


class Resource:
    def __init__(self, told: Told) -> None:
        self.told = told

    def close(self) -> None:
        self.told.append("resource closed")


def holds_resource(told: Told) -> HttpResponse:
    response = HttpResponse("holds")
    response._resource_closers.append(Resource(told).close)
    return response


def fails(told: Told) -> HttpResponse:
    raise ValueError("no")


def misses(told: Told) -> HttpResponse:
    return HttpResponse(status=404)


def listens(told: Told) -> HttpResponse:
    """Have somebody told of the end of this very request."""

    def tell(sender: object, **kwargs: object) -> None:
        told.append(("finished", sender))
        request_finished.disconnect(tell)

    request_finished.connect(tell, weak=False)
    return HttpResponse("listens")


ENDINGS: dict[str, Callable[[Told], Any]] = {
    "closes": Closes,
    "holds": holds_resource,
    "file": lambda told: FileResponse(BytesIO(b"content")),
    "fails": fails,
    "misses": misses,
    "listens": listens,
    "twice": lambda told: JsonResponse({"one": 1}),
}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize("name", ENDINGS)
def test_a_response_ends_as_it_would(name: str, is_async: bool, serve: Serve, short: list[bool]) -> None:
    told: Told = []

    async def aview(request: HttpRequest) -> HttpResponse:
        return await sync_to_async(ENDINGS[name])(told) if name == "twice" else ENDINGS[name](told)

    def view(request: HttpRequest) -> HttpResponse:
        return ENDINGS[name](told)

    ours = serve(x=aview if is_async else view)
    seen: list[tuple[object, ...]] = []
    for application in (djangos_application(), ours):
        told.clear()
        with logged() as records:
            messages = asyncio.run(asyncio.wait_for(ask(application, "x"), 10))
        seen.append((messages[0]["status"], sorted(messages[0]["headers"]), body(messages), [*told], records))
    assert seen[0] == seen[1]
    assert short == [True]
    assert bool(seen[0][-1]) == (name in ("fails", "misses"))


def test_a_file_that_was_sent_is_closed(serve: Serve, short: list[bool]) -> None:
    files: list[Any] = []

    async def view(request: HttpRequest) -> HttpResponse:
        files.append(request.FILES["one"])
        return HttpResponse(str(files[-1].size))

    view.csrf_exempt = True  # type: ignore[attr-defined]
    messages = asyncio.run(ask(serve(x=view), "x", method="POST", fields=MULTIPART, parts=(FORM,)))
    assert (body(messages), files[0].closed) == (b"3000000", True)
    assert len(short) <= 1


def test_a_query_that_is_no_text_is_refused_and_logged_once(serve: Serve) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    application = serve(x=view)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/x", "query_string": b"\xff",
        "headers": [(b"host", b"testserver")],
    }  # fmt: skip
    with logged() as records:
        asyncio.run(application(scope, receive, send))
    assert sent[0]["status"] == 400
    assert records == ["WARNING Bad Request (UnicodeDecodeError)"]


def test_a_client_that_leaves_ends_the_view(serve: Serve, short: list[bool]) -> None:
    ended: list[str] = []

    async def view(request: HttpRequest) -> HttpResponse:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return HttpResponse()

    async def leave() -> list[Any]:
        leaves = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, leaves.set)
        return await asyncio.wait_for(ask(serve(x=view), "x", leaves=leaves), 10)

    assert asyncio.run(leave()) == []
    assert (ended, short) == (["cancelled"], [True])


SCOPE = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/x", "query_string": b""}


async def answered(application: Any, messages: list[Any], *fields: tuple[bytes, bytes]) -> tuple[bytes, int]:
    """Return the content of the answer to a GET, and how many of the messages that come were asked for."""
    left, sent = list(messages), list[Any]()

    async def receive() -> Any:
        if left:
            return left.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {**SCOPE, "headers": [(b"host", b"testserver"), *fields]}
    await asyncio.wait_for(application(scope, receive, send), 10)
    return body(sent), len(messages) - len(left)


REQUEST = {"type": "http.request", "body": b"", "more_body": False}


def test_a_get_without_content_asks_the_server_for_nothing_until_its_view_waits(serve: Serve) -> None:
    async def ready(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.body + b"ready")

    async def waits(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0.01)
        return HttpResponse("waited")

    assert asyncio.run(answered(serve(x=ready), [REQUEST])) == (b"ready", 0)
    assert asyncio.run(answered(serve(x=waits), [REQUEST])) == (b"waited", 1)
    # A server may say that there is nothing more in a message of its own.
    assert asyncio.run(answered(serve(x=waits), [{**REQUEST, "more_body": True}, REQUEST])) == (b"waited", 2)


def test_a_get_that_tells_of_content_has_it(serve: Serve) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.body)

    for field in ((b"content-length", b"3"), (b"transfer-encoding", b"chunked")):
        assert asyncio.run(answered(serve(x=view), [{**REQUEST, "body": b"abc"}], field)) == (b"abc", 1)


@pytest.mark.parametrize("messages", [[REQUEST, {"type": "http.disconnect"}], [{"type": "http.disconnect"}]])
def test_a_client_that_leaves_a_get_without_content_ends_its_view(serve: Serve, messages: list[Any]) -> None:
    """Invariant 61, for one that has left before anybody listened too."""
    ended: list[str] = []

    async def view(request: HttpRequest) -> HttpResponse:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append("cleaned up")
        return HttpResponse()

    assert asyncio.run(answered(serve(x=view), messages)) == (b"", len(messages))
    assert ended == ["cleaned up"]
