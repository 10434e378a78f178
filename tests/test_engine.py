"""
The engine from outside: threads, connections, caches, content, clients that leave, and what a request leaves behind.

``tests/test_engine_equality.py`` holds it against Django's own handler.
"""

import asyncio
import copy
import gc
import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.handlers import asgi
from django.core.signals import request_finished, request_started
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from pytest_django import Settings

from django_routehandlers.engine.request import ASGIRequest
from django_routehandlers.engine.shared_caches import shared_caches
from django_routehandlers.engine.workers import WorkerPool, worker_pool
from engine_client import SEVEN, Serve, ask, body, views_served, wait_until


@pytest.fixture
def serve(settings: Settings) -> Iterator[Serve]:
    """Return what makes an application of views."""
    with views_served(settings) as make:
        yield make


# Threads


def test_a_request_through_the_seven_needs_no_thread(serve: Serve) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(threading.current_thread().name)

    application = serve(view=view)
    names: set[bytes] = set()

    async def run() -> int:
        before = threading.active_count()
        for _ in range(5):
            names.add(body(await ask(application, "view")))
        return threading.active_count() - before

    assert asyncio.run(run()) == 0
    assert names == {threading.current_thread().name.encode()}


def test_sync_calls_of_a_request_run_on_one_thread_that_later_requests_use(serve: Serve) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(threading.get_ident()))

    application = serve(view=view)

    async def run() -> set[bytes]:
        return {body(await ask(application, "view")) for _ in range(50)}

    # A thread is tidied up behind the response, while the next request comes.
    assert len(asyncio.run(run())) < 5
    assert wait_until(lambda: worker_pool().lent == 0)


def test_twenty_sync_views_at_once_take_as_long_as_one(serve: Serve) -> None:
    """Invariant 54."""

    def view(request: HttpRequest) -> HttpResponse:
        time.sleep(0.1)
        return HttpResponse()

    application = serve(view=view)

    async def run() -> float:
        start = time.monotonic()
        await asyncio.gather(*(ask(application, "view") for _ in range(20)))
        return time.monotonic() - start

    assert asyncio.run(run()) < 1.0


def test_no_more_threads_than_allowed_are_lent_and_who_comes_first_is_served_first(
    serve: Serve, settings: Settings
) -> None:
    settings.ROUTEHANDLERS = {"WORKER_THREADS": 2}
    running, most, order = 0, 0, list[str]()

    def view(request: HttpRequest) -> HttpResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(request.headers["X-Number"])
        time.sleep(0.01)
        running -= 1
        return HttpResponse()

    application = serve(view=view)

    async def run() -> None:
        numbers = [str(number).encode() for number in range(12)]
        await asyncio.gather(*(ask(application, "view", fields=((b"x-number", one),)) for one in numbers))

    asyncio.run(run())
    assert most == 2
    # Two run at a time, and may change places.
    assert all(abs(int(number) - place) <= 2 for place, number in enumerate(order))


def test_threads_that_only_wait_for_a_view_stop_nobody(serve: Serve, settings: Settings) -> None:
    """A sync middleware holds a thread while the view runs: under Django's handler any number may."""
    settings.ROUTEHANDLERS = {"WORKER_THREADS": 2}
    settings.MIDDLEWARE = [f"{__name__}.SyncMiddleware", *SEVEN]

    async def run() -> int:
        everybody = asyncio.Barrier(10)

        async def view(request: HttpRequest) -> HttpResponse:
            await everybody.wait()
            return HttpResponse()

        application = serve(view=view)
        answers = await asyncio.wait_for(asyncio.gather(*(ask(application, "view") for _ in range(10))), 10)
        return len(answers)

    assert asyncio.run(run()) == 10
    assert wait_until(lambda: worker_pool().lent == 0)


@pytest.mark.parametrize("calls", [1, 2])
def test_views_that_have_used_a_thread_and_wait_stop_nobody(serve: Serve, settings: Settings, calls: int) -> None:
    """After a query a view may wait for another service: that is no work of its thread."""
    settings.ROUTEHANDLERS = {"WORKER_THREADS": 2}

    def thread(request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"at once")

    async def run() -> tuple[bytes, int]:
        everybody, first, last = asyncio.Barrier(11), asyncio.Event(), asyncio.Event()

        async def view(request: HttpRequest) -> HttpResponse:
            idents = {await sync_to_async(threading.get_ident)() for _ in range(calls)}
            await everybody.wait()
            first.set()
            await last.wait()
            assert {await sync_to_async(threading.get_ident)()} == idents
            return HttpResponse()

        application = serve(view=view, thread=thread)
        requests = [asyncio.create_task(ask(application, "view")) for _ in range(10)]
        await everybody.wait()
        await first.wait()
        answer = body(await ask(application, "thread"))
        last.set()
        return answer, len(await asyncio.gather(*requests))

    assert asyncio.run(asyncio.wait_for(run(), 20)) == (b"at once", 10)
    assert wait_until(lambda: worker_pool().lent == 0)


class SyncMiddleware:
    """A middleware as many packages have it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)


def test_who_waits_for_a_thread_and_is_cancelled_takes_none() -> None:
    pool = WorkerPool(1)
    taken: list[Any] = []
    other: list[Any] = []
    pool.take(taken.append)
    pool.take(other.append)
    pool.forget(other.append)
    pool.give(taken[0])
    assert (other, pool.lent) == ([], 0)
    pool.close()


@pytest.mark.parametrize("is_first", [True, False])
def test_the_place_of_a_thread_without_work_goes_to_who_asks(is_first: bool) -> None:
    pool = WorkerPool(1)
    taken: list[Any] = []
    pool.take(taken.append)
    if is_first:
        pool.rest(taken[0])
    pool.take(taken.append)
    assert len(taken) == 1 + is_first
    pool.rest(taken[0])
    assert len(taken) == 2
    for worker in taken:
        pool.work(worker)
        pool.give(worker)
    assert pool.lent == 0
    pool.close()


# Database connections


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[str]:
    """Return the alias of a database in a file, whose connections last."""
    alias = f"beside_{tmp_path.name}"
    with django_db_blocker.unblock():
        complete = connections.configure_settings(
            {
                "default": {},
                alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db"), "CONN_MAX_AGE": None},
            }
        )
        monkeypatch.setitem(connections.settings, alias, complete[alias])
        yield alias
        worker_pool().close()
        worker_pool.cache_clear()


def test_a_connection_lasts_from_request_to_request(serve: Serve, beside: str) -> None:
    """Invariant 56: ``CONN_MAX_AGE`` works."""
    seen: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        with connections[beside].cursor() as cursor:
            cursor.execute("SELECT 1")
        seen.append(connections[beside].connection)
        return HttpResponse()

    application = serve(view=view)

    async def run() -> None:
        for _ in range(50):
            await ask(application, "view")

    asyncio.run(run())
    assert len({id(one) for one in seen}) < 5


def test_a_transaction_that_a_cancelled_request_left_open_does_not_go_on_in_the_next(serve: Serve, beside: str) -> None:
    block = transaction.atomic(using=beside)

    async def leaves_open(request: HttpRequest) -> HttpResponse:
        await sync_to_async(block.__enter__)()
        return HttpResponse()

    def is_in_block(request: HttpRequest) -> HttpResponse:
        with connections[beside].cursor() as cursor:
            cursor.execute("SELECT 1")
        return HttpResponse(str(connections[beside].in_atomic_block))

    application = serve(open=leaves_open, next=is_in_block)

    async def run() -> bytes:
        await ask(application, "open")
        return body(await ask(application, "next"))

    assert asyncio.run(run()) == b"False"


# What a request leaves behind


def test_languages_do_not_meet_on_the_same_worker(serve: Serve, settings: Settings) -> None:
    """Invariant 58: 2,000 requests in two languages, twenty at a time, on the loop and in threads."""
    settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", *SEVEN]
    settings.USE_I18N = True

    async def on_loop(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return HttpResponse(translation.get_language())

    def in_thread(request: HttpRequest) -> HttpResponse:
        return HttpResponse(translation.get_language())

    application = serve(loop=on_loop, thread=in_thread)
    mixed: list[tuple[str, bytes]] = []

    async def client(number: int) -> None:
        for turn in range(100):
            language = "de" if (number + turn) % 2 else "fr"
            target = "loop" if turn % 3 else "thread"
            answer = body(await ask(application, target, fields=((b"accept-language", language.encode()),)))
            if answer != language.encode():
                mixed.append((language, answer))

    async def run() -> None:
        await asyncio.gather(*(client(number) for number in range(20)))

    asyncio.run(run())
    assert mixed == []


@pytest.mark.parametrize("kind", ["ready", "waits", "raises", "missing", "leaves", "thread", "stream"])
def test_signals_come_once_each_however_a_request_ends(serve: Serve, settings: Settings, kind: str) -> None:
    """Invariant 49."""
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    counted: list[str] = []

    def started(**kwargs: object) -> None:
        counted.append("started")

    def finished(**kwargs: object) -> None:
        counted.append("finished")

    leaves = asyncio.Event()

    async def view(request: HttpRequest) -> Any:
        if kind == "raises":
            raise LookupError
        if kind == "leaves":
            leaves.set()
            await asyncio.sleep(10)
        if kind == "waits":
            await asyncio.sleep(0)
        return HttpResponse()

    application = serve(view=view, thread=lambda request: HttpResponse())
    request_started.connect(started)
    request_finished.connect(finished)
    try:
        target = {"missing": "nowhere", "thread": "thread"}.get(kind, "view")
        asyncio.run(ask(application, target, leaves=leaves if kind == "leaves" else None))
    finally:
        request_started.disconnect(started)
        request_finished.disconnect(finished)
    assert counted == ["started", "finished"]


def test_a_view_whose_client_leaves_is_cancelled_at_once(serve: Serve) -> None:
    """Invariant 61, without the garbage collector."""
    leaves = asyncio.Event()
    ended: list[float] = []

    async def view(request: HttpRequest) -> HttpResponse:
        leaves.set()
        start = time.monotonic()
        try:
            await asyncio.sleep(10)
        finally:
            ended.append(time.monotonic() - start)
        return HttpResponse()

    application = serve(view=view)
    gc.disable()
    try:
        sent = asyncio.run(ask(application, "view", leaves=leaves))
    finally:
        gc.enable()
    assert sent == []
    assert ended[0] < 0.1


def test_what_runs_in_a_thread_when_its_client_leaves_may_read_the_request_to_its_end(
    serve: Serve, settings: Settings
) -> None:
    settings.MIDDLEWARE = []
    read: list[bytes] = []
    leaves = asyncio.Event()

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def view(request: HttpRequest) -> HttpResponse:
            loop.call_soon_threadsafe(leaves.set)
            time.sleep(0.1)
            read.append(request.body)
            return HttpResponse()

        await ask(serve(view=view), "view", method="POST", parts=(b"content",), leaves=leaves)

    asyncio.run(run())
    assert read == [b"content"]


def test_a_server_that_cancels_a_request_is_not_told_that_its_client_left(serve: Serve) -> None:
    """Invariant 62."""

    async def view(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(10)
        return HttpResponse()

    application = serve(view=view)

    async def run() -> bool:
        request = asyncio.create_task(ask(application, "view"))
        await asyncio.sleep(0.05)
        request.cancel()
        await asyncio.wait([request])
        return request.cancelled()

    assert asyncio.run(run())


# Caches


def test_twenty_requests_build_one_cache_backend(serve: Serve, settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    seen: set[int] = set()

    async def view(request: HttpRequest) -> HttpResponse:
        seen.add(id(caches["default"]))
        await caches["default"].aset("a", 1)
        return HttpResponse()

    application = serve(view=view)

    async def run() -> None:
        await asyncio.gather(*(ask(application, "view") for _ in range(20)))

    asyncio.run(run())
    assert len(seen) == 1


class OwnCache(LocMemCache):
    """A backend of the project's own, which may be for one thread alone."""

    closed = 0

    def close(self, **kwargs: object) -> None:
        type(self).closed += 1


def test_a_backend_of_others_is_made_for_each_request_and_closed(serve: Serve, settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.OwnCache"}}
    seen: list[Any] = []

    async def view(request: HttpRequest) -> HttpResponse:
        seen.append(caches["default"])
        return HttpResponse()

    application = serve(view=view)
    OwnCache.closed = 0

    async def run() -> None:
        # As a server does: each in a context of its own.
        await asyncio.gather(*(ask(application, "view") for _ in range(3)))

    asyncio.run(run())
    assert len({id(one) for one in seen}) == 3
    assert OwnCache.closed == 3


def test_shared_caches_are_closed_with_the_process_and_not_with_a_request(serve: Serve, settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    serve()
    shared = shared_caches()
    backend = shared.create("default")
    backend.close()
    assert shared.create("default") is backend
    shared.close()
    assert shared.create("default") is not backend


# Requests and content


def test_content_that_fits_is_kept_in_memory_and_more_in_a_file(serve: Serve, settings: Settings) -> None:
    """Invariant 50."""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    seen: list[tuple[bool, int]] = []

    async def view(request: HttpRequest) -> HttpResponse:
        stream: Any = vars(request)["_stream"]
        seen.append((isinstance(stream, io.BytesIO), len(request.body)))
        return HttpResponse()

    application = serve(view=view)

    async def run() -> None:
        for parts in [(b"",), (b"x" * 50, b"x" * 50), (b"x" * 80, b"x" * 80, b"x")]:
            length = str(sum(map(len, parts))).encode()
            await ask(application, "view", method="POST", parts=parts, fields=((b"content-length", length),))

    # Without the check of a token.
    settings.MIDDLEWARE = []
    application = serve(view=view)
    asyncio.run(run())
    assert seen == [(True, 0), (True, 100), (False, 161)]


def test_a_request_is_as_django_makes_it() -> None:
    fields = [
        [(b"host", b"a.example"), (b"content-type", b"text/plain; charset=latin-1"), (b"content-length", b"0")],
        [(b"x_spoof", b"1"), (b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"a=1"), (b"cookie", b"b=2")],
        [(b"cookie", b"a=1; "), (b"accept", b"\xe9")],
        [],
    ]
    for one in fields:
        for root in ("", "/below"):
            scope = {
                "method": "get",
                "path": f"{root}/ä b",
                "root_path": root,
                "query_string": b"a=%20",
                "headers": one,
                "client": ("10.0.0.1", 5),
                "server": None if root else ("a.example", 80),
                "scheme": "https",
            }
            ours, djangos = ASGIRequest(scope, io.BytesIO()), asgi.ASGIRequest(scope, io.BytesIO())
            names = vars(djangos).keys() - {"_stream"}
            assert {name: vars(ours)[name] for name in names} == {name: vars(djangos)[name] for name in names}
            assert vars(ours).keys() - vars(djangos).keys() == {"_engine_gifts"}
            assert repr(ours) == repr(djangos)


def test_what_middleware_give_a_request_is_there_when_it_is_asked_for(serve: Serve) -> None:
    found: list[Any] = []

    async def view(request: HttpRequest) -> HttpResponse:
        other = copy.copy(request)
        request.user = "somebody"
        found.extend([(await request.auser()).is_anonymous, request.user, hasattr(request, "_messages")])
        found.extend([type(other.session).__name__, other.user.is_anonymous, hasattr(request, "nothing")])
        return HttpResponse()

    asyncio.run(ask(serve(view=view), "view"))
    assert found == [True, "somebody", True, "SessionStore", True, False]


def test_what_code_writes_past_the_attribute_stands_when_the_rest_is_given(serve: Serve) -> None:
    """Invariant 48: under Django's own handler the middleware have written theirs before."""
    found: list[Any] = []

    async def view(request: HttpRequest) -> HttpResponse:
        vars(request)["user"] = "somebody"
        found.extend([type(request.session).__name__, request.user, (await request.auser()).is_anonymous])
        return HttpResponse()

    asyncio.run(ask(serve(view=view), "view"))
    assert found == ["SessionStore", "somebody", True]


def test_without_the_middleware_there_is_nothing_to_ask_for(serve: Serve, settings: Settings) -> None:
    settings.MIDDLEWARE = []

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(",".join(str(hasattr(request, name)) for name in ("session", "user", "auser", "_messages")))

    assert body(asyncio.run(ask(serve(view=view), "view"))) == b"False,False,False,False"
