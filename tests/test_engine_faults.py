"""What broke the engine once: clients that leave as a view ends, drivers that fail, calls within calls, middleware."""

import asyncio
import logging
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.asgi import get_asgi_application as djangos_application
from django.core.cache import CacheHandler, caches
from django.core.signals import request_finished, request_started
from django.db import OperationalError, connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import async_only_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin
from pytest_django import Settings

from cache_servers import MemcachedServer
from django_routehandlers.engine.request import _known_name
from django_routehandlers.engine.shutdown import Shutdown
from django_routehandlers.engine.workers import worker_pool
from engine_client import SEVEN, Serve, ask, body, views_served, wait_until


@pytest.fixture
def serve(settings: Settings) -> Iterator[Serve]:
    """Return what makes an application of views."""
    with views_served(settings) as make:
        yield make


@pytest.fixture
def finished() -> Iterator[Counter[str]]:
    """Return how often each of the two signals of a request has come."""
    counted: Counter[str] = Counter()

    def count(signal: Any, **kwargs: object) -> None:
        counted["started" if signal is request_started else "finished"] += 1

    request_started.connect(count)
    request_finished.connect(count)
    yield counted
    request_started.disconnect(count)
    request_finished.disconnect(count)


# Clients and servers that end a request


class Closing(HttpResponse):
    """Counts how often it is closed."""

    closed_times = Counter[str]()

    def close(self) -> None:
        """Count."""
        self.closed_times["closed"] += 1
        super().close()


@pytest.mark.parametrize("needs_thread", [False, True])
def test_a_client_that_leaves_as_the_view_ends_cancels_nothing_behind_it(
    serve: Serve, finished: Counter[str], needs_thread: bool
) -> None:
    """Invariants 49 and 62."""
    Closing.closed_times.clear()

    async def run() -> None:
        begun, ready, leaves = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def view(request: HttpRequest) -> HttpResponse:
            if needs_thread:
                await sync_to_async(int)()
            begun.set()
            await ready.wait()
            return Closing()

        request = asyncio.create_task(ask(serve(view=view), "view", leaves=leaves))
        await begun.wait()
        # By now the client is listened for.
        await asyncio.sleep(0)
        leaves.set()
        ready.set()
        await request
        # Whatever runs the application goes on in the same task.
        await asyncio.sleep(0)

    for _ in range(20):
        asyncio.run(run())
    assert finished == {"started": 20, "finished": 20}
    assert Closing.closed_times == {"closed": 20}


def test_a_request_that_is_cancelled_while_its_start_is_told_is_finished(serve: Serve, finished: Counter[str]) -> None:
    """Invariant 49."""

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    async def slow(**kwargs: object) -> None:
        await asyncio.sleep(10)

    async def run() -> bool:
        request = asyncio.create_task(ask(serve(view=view), "view"))
        await asyncio.sleep(0.05)
        request.cancel()
        await asyncio.wait([request])
        return request.cancelled()

    request_started.connect(slow)
    try:
        assert asyncio.run(run())
    finally:
        request_started.disconnect(slow)
    assert finished["finished"] == 1


@pytest.mark.parametrize("kind", ["loop", "thread"])
@pytest.mark.parametrize("is_twice", [False, True], ids=["once", "twice"])
def test_a_request_that_is_cancelled_anywhere_begins_and_ends_or_does_neither(
    serve: Serve, finished: Counter[str], kind: str, is_twice: bool
) -> None:
    """Invariant 49: at each step of the event loop, and again while it ends."""
    Closing.closed_times.clear()
    answered: list[Any] = []

    async def on_loop(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0.01)
        return Closing()

    def in_thread(request: HttpRequest) -> HttpResponse:
        time.sleep(0.01)
        return Closing()

    async def run(application: Any, steps: int) -> None:
        request = asyncio.create_task(ask(application, "view"))
        for _ in range(steps):
            await asyncio.sleep(0)
        request.cancel()
        if is_twice:
            await asyncio.sleep(0.002)
            request.cancel()
        await asyncio.wait([request])
        answered.append(request)

    async def sweep() -> None:
        application = serve(view=on_loop if kind == "loop" else in_thread)
        for steps in range(40):
            await run(application, steps)

    asyncio.run(asyncio.wait_for(sweep(), 30))
    assert all(request.cancelled() for request in answered)
    assert finished["started"] == finished["finished"] >= 35
    assert wait_until(lambda: worker_pool().lent == 0)


# The application within itself


@pytest.mark.parametrize("middleware", [[], ["test_engine_faults.passes_on"]])
@pytest.mark.parametrize("place", ["loop", "thread"])
def test_a_view_may_ask_the_application_itself(
    serve: Serve, settings: Settings, middleware: list[str], place: str
) -> None:
    settings.MIDDLEWARE = middleware
    application: Any = None

    def inner(request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"inner")

    async def ask_inner() -> bytes:
        return body(await ask(application, "inner"))

    async def view(request: HttpRequest) -> HttpResponse:
        if place == "loop":
            return HttpResponse(await ask_inner())
        return HttpResponse(await sync_to_async(async_to_sync(ask_inner))())

    application = serve(view=view, inner=inner)
    answer = asyncio.run(asyncio.wait_for(ask(application, "view"), 10))
    assert body(answer) == b"inner"
    # The thread of the outer request is its own as before.
    assert body(asyncio.run(asyncio.wait_for(ask(application, "view"), 10))) == b"inner"


@sync_only_middleware
def passes_on(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    return lambda request: get_response(request)


def test_an_application_that_is_started_again_keeps_its_threads_again(serve: Serve) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(threading.get_ident()))

    application = serve(view=view)

    async def run() -> set[bytes]:
        messages, told = asyncio.Queue[Any](), asyncio.Queue[Any]()
        life = asyncio.create_task(application({"type": "lifespan"}, messages.get, told.put))
        await messages.put({"type": "lifespan.startup"})
        await told.get()
        threads = {body(await ask(application, "view")) for _ in range(20)}
        await messages.put({"type": "lifespan.shutdown"})
        await life
        return threads

    assert len(asyncio.run(run())) < 5
    assert len(asyncio.run(run())) < 5


# Database drivers that fail


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[tuple[str, str]]:
    """Return the aliases of two databases in files, whose connections last."""
    aliases = (f"first_{tmp_path.name}", f"second_{tmp_path.name}")
    with django_db_blocker.unblock():
        complete = connections.configure_settings(
            {
                "default": {},
                **{
                    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / alias), "CONN_MAX_AGE": None}
                    for alias in aliases
                },
            }
        )
        for alias in aliases:
            monkeypatch.setitem(connections.settings, alias, complete[alias])
        yield aliases
        worker_pool().close()
        worker_pool.cache_clear()


def cannot_be_closed(alias: str, *, after: float) -> None:
    """Have the connection of this thread be one whose time is over *after* seconds, and that its server has dropped."""
    connection = connections[alias]
    connection.ensure_connection()
    connection.close_at = time.monotonic() + after
    close = connection.connection.close

    def fail() -> None:
        close()
        raise OperationalError("the server has closed the connection")

    connection._close = fail


GIVEN_UP = "The database connection %r could not be closed, and is given up."


def test_a_connection_that_cannot_be_closed_fails_no_request_and_loses_no_thread(
    serve: Serve, settings: Settings, beside: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    settings.ROUTEHANDLERS = {"WORKER_THREADS": 1}
    alias, _ = beside

    def view(request: HttpRequest) -> HttpResponse:
        was_open = connections[alias].connection is not None
        cannot_be_closed(alias, after=0.05)
        return HttpResponse(str(was_open))

    application = serve(view=view)

    async def run() -> list[bytes]:
        answers: list[bytes] = []
        for _ in range(3):
            answers.append(body(await asyncio.wait_for(ask(application, "view"), 5)))
            await asyncio.sleep(0.1)
        return answers

    # To make the application has configured logging anew.
    logger = logging.getLogger("django_routehandlers")
    logger.addHandler(caplog.handler)
    try:
        assert asyncio.run(run()) == [b"False"] * 3
    finally:
        logger.removeHandler(caplog.handler)
    assert [(record.levelname, record.msg) for record in caplog.records] == [("WARNING", GIVEN_UP)] * 2
    assert wait_until(lambda: worker_pool().lent == 0)


def test_a_transaction_left_open_ends_though_another_connection_cannot_be_closed(
    serve: Serve, settings: Settings, beside: tuple[str, str]
) -> None:
    settings.ROUTEHANDLERS = {"WORKER_THREADS": 1}
    first, second = beside

    async def leaves_open(request: HttpRequest) -> HttpResponse:
        def leave() -> None:
            cannot_be_closed(first, after=0)
            block.__enter__()

        await sync_to_async(leave)()
        return HttpResponse()

    def see(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"{connections[second].in_atomic_block} {connections[first].connection}")

    block = transaction.atomic(using=second)
    application = serve(open=leaves_open, see=see)

    async def run() -> list[bytes]:
        await ask(application, "open")
        # The next request is to get the same thread.
        assert await asyncio.to_thread(wait_until, lambda: worker_pool().lent == 0)
        return [body(await asyncio.wait_for(ask(application, "see"), 5)) for _ in range(2)]

    assert asyncio.run(run()) == [b"False None"] * 2


# What middleware make of a request and of each other


def same_on_both(ours: Any, target: str, fields: tuple[tuple[bytes, bytes], ...] = ()) -> tuple[Any, ...]:
    """Return status, fields and content that the engine answers, which are those of Django's handler."""
    answers: list[tuple[Any, ...]] = []
    for application in (djangos_application(), ours):
        messages = asyncio.run(ask(application, target, fields=fields))
        answers.append((messages[0]["status"], sorted(messages[0]["headers"]), body(messages)))
    assert answers[0] == answers[1]
    return answers[1]


def changes_cookies(request: HttpRequest) -> None:
    kind = request.path.strip("/")
    if kind == "given":
        request.COOKIES["sessionid"] = "a" * 32
        request.COOKIES["csrftoken"] = "b" * 32
    elif kind == "field":
        request.META["HTTP_COOKIE"] = f"sessionid={'c' * 32}; csrftoken={'d' * 32}"
    elif kind == "cleared":
        request.COOKIES.clear()


@async_only_middleware
def cookies_changed(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    async def middleware(request: HttpRequest) -> Any:
        changes_cookies(request)
        return await get_response(request)

    return middleware


@pytest.mark.parametrize("place", [0, 2, 4, 7])
@pytest.mark.parametrize("kind", ["given", "field", "cleared"])
@pytest.mark.parametrize(
    "cookie", [b"", b"a=1", b"sessionid=" + b"e" * 32 + b"; csrftoken=" + b"f" * 32], ids=["none", "other", "all"]
)
def test_cookies_that_a_middleware_changes_are_read_when_django_reads_them(
    serve: Serve, settings: Settings, place: int, kind: str, cookie: bytes
) -> None:
    """Invariant 48."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.MIDDLEWARE = [*SEVEN[:place], f"{__name__}.cookies_changed", *SEVEN[place:]]

    async def view(request: HttpRequest) -> HttpResponse:
        secret = request.META.get("CSRF_COOKIE")
        return JsonResponse({"session": request.session.session_key, "cookies": request.COOKIES, "secret": secret})

    same_on_both(serve(**{kind: view}), kind, ((b"cookie", cookie),) if cookie else ())


def test_two_threads_that_ask_at_once_get_one_session(serve: Serve, settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

    async def view(request: HttpRequest) -> HttpResponse:
        both = threading.Barrier(2)

        def session() -> object:
            both.wait()
            return request.session

        ask_for = sync_to_async(session, thread_sensitive=False)
        return HttpResponse(str(len({id(one) for one in await asyncio.gather(ask_for(), ask_for())})))

    application = serve(view=view)

    async def run() -> Counter[bytes]:
        return Counter([body(await ask(application, "view")) for _ in range(300)])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        answers = asyncio.run(run())
    finally:
        sys.setswitchinterval(interval)
    assert answers == {b"1": 300}


def test_the_hooks_that_give_a_request_its_attributes_run_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[HttpRequest] = []
    djangos = FallbackStorage.__init__

    def count(self: FallbackStorage, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        stored.append(request)
        djangos(self, request, *args, **kwargs)

    monkeypatch.setattr(FallbackStorage, "__init__", count)

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"{len(stored)} {type(request.user).__name__} {len(list(request._messages))}")

    assert body(asyncio.run(ask(serve(view=view), "view"))) == b"0 SimpleLazyObject 0"
    assert len(stored) == 1


class Timing(MiddlewareMixin):
    """A mixin that wraps whatever middleware it is put behind."""

    async def __acall__(self, request: HttpRequest) -> Any:
        """Answer, and say that it was here."""
        response = await super().__acall__(request)
        response["X-Timing"] = "1"
        return response


class TimedSession(SessionMiddleware, Timing):
    """Django's, with a mixin behind it."""


def test_a_mixin_behind_a_middleware_of_djangos_is_called(serve: Serve, settings: Settings) -> None:
    settings.MIDDLEWARE = [SEVEN[0], f"{__name__}.TimedSession", *SEVEN[2:]]

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    answer = same_on_both(serve(view=view), "view")
    assert (b"X-Timing", b"1") in answer[1]


class Host(str):
    """An allowed host that is asked each time."""

    names: tuple[str, ...] = ("testserver",)
    __hash__ = None  # type: ignore[assignment]

    def lower(self) -> str:
        """Return the host that is allowed now."""
        return self.names[0]


def test_allowed_hosts_that_are_objects_are_asked_each_time(
    serve: Serve, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    application = serve(view=view)
    settings.ALLOWED_HOSTS = [Host("a")]
    assert asyncio.run(ask(application, "view"))[0]["status"] == 200
    monkeypatch.setattr(Host, "names", ("elsewhere",))
    assert asyncio.run(ask(application, "view"))[0]["status"] == 400


class WithOneField(HttpResponse):
    """A response that says itself which fields it has."""

    def items(self) -> Any:
        """Return one."""
        return [("X-Only", "1")]


def test_a_response_that_names_its_fields_itself_is_believed(serve: Serve) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return WithOneField()

    assert same_on_both(serve(view=view), "view")[1] == [(b"X-Only", b"1")]


@pytest.mark.parametrize("kind", ["iterator", "tuple", "none"])
def test_fields_come_in_any_iterable_or_not_at_all(serve: Serve, settings: Settings, kind: str) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    fields = [(b"host", b"testserver"), (b"x-name", b"value")]

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.headers.get("X-Name", "none"))

    application = serve(view=view)

    async def with_fields(scope: Any, receive: Any, send: Any) -> None:
        scope.pop("headers")
        if kind != "none":
            scope["headers"] = iter(fields) if kind == "iterator" else tuple(fields)
        await application(scope, receive, send)

    assert body(asyncio.run(ask(with_fields, "view"))) == (b"none" if kind == "none" else b"value")


def test_fields_are_in_djangos_order(serve: Serve) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"META": list(request.META), "headers": list(request.headers)})

    fields = ((b"accept", b"*/*"), (b"content-type", b"text/plain"), (b"cookie", b"a=1"), (b"x-last", b"1"))
    same_on_both(serve(view=view), "view", fields)


# Signals of the process


def test_handlers_of_signals_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append("server"))
    shutdown = Shutdown(lambda: told.append("told"))

    async def watch() -> tuple[object, object]:
        shutdown.watch(None)
        return signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    try:
        handlers = {asyncio.run(watch()) for _ in range(5)}
        assert len({ours for ours, _ in handlers}) == 1
        # asyncio puts its own handler away when it finds it.
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


# Content that does not come


@pytest.mark.parametrize(
    ("method", "fields", "parts", "expected"),
    [
        ("POST", ((b"content-length", b"9"),), (b"abc",), 408),
        ("POST", ((b"transfer-encoding", b"chunked"),), (b"abc", b"def"), 408),
        ("PUT", (), (), 408),
        ("GET", ((b"content-length", b"9"),), (), 408),
        ("GET", (), (b"",), 200),
    ],
)
def test_a_client_that_sends_nothing_more_is_answered_408(
    serve: Serve,
    settings: Settings,
    finished: Counter[str],
    method: str,
    fields: tuple[tuple[bytes, bytes], ...],
    parts: tuple[bytes, ...],
    expected: int,
) -> None:
    """Invariants 49 and 51: each part has its own time."""
    settings.ROUTEHANDLERS = {"CONTENT_RECEIVE_TIMEOUT": 0.1}
    called: list[HttpRequest] = []

    async def view(request: HttpRequest) -> HttpResponse:
        called.append(request)
        return HttpResponse()

    application = serve(view=view)

    async def never_ends(scope: Any, receive: Any, send: Any) -> None:
        left = list(parts)

        async def some() -> Any:
            await asyncio.sleep(0.05)
            if left:
                return {"type": "http.request", "body": left.pop(0), "more_body": expected != 200}
            return await asyncio.Event().wait()

        await application(scope, some, send)

    answer = asyncio.run(asyncio.wait_for(ask(never_ends, "view", method=method, fields=fields), 5))
    assert (answer[0]["status"], len(called)) == (expected, expected == 200)
    assert ((b"connection", b"close") in answer[0]["headers"]) == (expected == 408)
    assert finished == {"started": 1, "finished": 1}


# What a second attack found


@pytest.mark.parametrize(
    ("name", "value", "fields", "expected"),
    [
        ("X_FRAME_OPTIONS", "SAMEORIGIN", (), 200),
        ("DISALLOWED_USER_AGENTS", [re.compile("bot")], ((b"user-agent", b"bot"),), 403),
        ("PREPEND_WWW", True, (), 301),
        ("CSRF_USE_SESSIONS", True, ((b"cookie", b"sessionid=" + b"a" * 32),), 200),
    ],
)
def test_settings_that_are_overridden_count_at_once(
    serve: Serve, settings: Settings, name: str, value: object, fields: tuple[tuple[bytes, bytes], ...], expected: int
) -> None:
    """Invariant 48."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.ALLOWED_HOSTS = ["*"]

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    ours = serve(view=view)
    assert asyncio.run(ask(ours, "view", fields=fields))[0]["status"] == 200
    setattr(settings, name, value)
    assert same_on_both(ours, "view", fields)[0] == expected


def test_long_names_of_fields_are_not_remembered(serve: Serve) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(len(request.META)))

    application = serve(view=view)
    names = [b"x%d" % number + b"a" * 100 for number in range(50)]
    before = _known_name.cache_info().currsize
    answers = {body(asyncio.run(ask(application, "view", fields=((name, b"1"),)))) for name in names}
    assert len(answers) == 1
    assert _known_name.cache_info().currsize <= before + 1


def test_a_memcached_client_is_shared_by_no_threads(serve: Serve, settings: Settings, tmp_path: Path) -> None:
    with MemcachedServer(tmp_path) as server:
        backend = "django.core.cache.backends.memcached.PyMemcacheCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": server.address}}

        async def view(request: HttpRequest) -> HttpResponse:
            key = request.headers["X-Key"]
            await caches["default"].aset(key, key)
            return HttpResponse(str(await caches["default"].aget(key) == key))

        application = serve(view=view)

        async def run() -> Counter[bytes]:
            fields = [((b"x-key", b"%d" % number),) for number in range(100)]
            answers = await asyncio.gather(*(ask(application, "view", fields=one) for one in fields))
            return Counter(body(answer) for answer in answers)

        assert asyncio.run(run()) == {b"True": 100}


def test_who_watches_the_making_of_cache_backends_sees_each(
    serve: Serve, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As django-debug-toolbar does."""
    made: list[str] = []
    djangos = CacheHandler.create_connection

    def watched(self: CacheHandler, alias: str) -> Any:
        made.append(alias)
        return djangos(self, alias)

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(await caches["default"].aget("key", b"none"))

    application = serve(view=view)
    monkeypatch.setattr(CacheHandler, "create_connection", watched)
    for _ in range(3):
        assert body(asyncio.run(ask(application, "view"))) == b"none"
    assert made == ["default"] * 3


def test_who_waits_for_a_thread_and_needs_it_no_more_is_forgotten(serve: Serve, settings: Settings) -> None:
    settings.ROUTEHANDLERS = {"WORKER_THREADS": 1}
    goes_on = threading.Event()

    def holds(request: HttpRequest) -> HttpResponse:
        goes_on.wait(10)
        return HttpResponse(b"held")

    async def gives_up(request: HttpRequest) -> HttpResponse:
        with suppress(TimeoutError):
            await asyncio.wait_for(sync_to_async(int)(), 0.05)
        await asyncio.sleep(0.05)
        return HttpResponse(b"gave up")

    async def run() -> Counter[bytes]:
        application = serve(holds=holds, gives=gives_up)
        held = asyncio.create_task(ask(application, "holds"))
        await asyncio.sleep(0.05)
        others = await asyncio.gather(*(ask(application, "gives") for _ in range(300)))
        goes_on.set()
        last = await asyncio.wait_for(ask(application, "holds"), 5)
        return Counter(body(answer) for answer in (await held, last, *others))

    assert asyncio.run(run()) == {b"held": 2, b"gave up": 300}
    assert wait_until(lambda: worker_pool().lent == 0)


def test_fields_of_a_response_may_be_bytes(serve: Serve) -> None:
    class WithBytes(HttpResponse):
        def items(self) -> Any:
            return [(b"X-Bytes", b"1")]

    async def view(request: HttpRequest) -> HttpResponse:
        return WithBytes()

    assert same_on_both(serve(view=view), "view")[1] == [(b"X-Bytes", b"1")]
