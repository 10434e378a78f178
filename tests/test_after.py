"""What ``after()`` was given runs behind the response: in this process, under each kind of application."""

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import ModuleType
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application as get_stock_application
from django.core.signals import got_request_exception
from django.db import connection
from django.db.backends.signals import connection_created
from django.test import AsyncClient, Client

from asgi_requests import Request
from conftest import Site
from django_routehandlers import after
from django_routehandlers.asgi import get_asgi_application
from django_routehandlers.engine.background import MANY, Background
from django_routehandlers.engine.workers import worker_pool

SEEN = "seen_after"
"""The module in which routes note what happened."""

ASYNC = """
    import asyncio
    import threading
    from contextvars import ContextVar

    import seen_after as seen
    from django_routehandlers import after

    VARIABLE = ContextVar("VARIABLE", default="nothing")

    async def slow(name):
        await asyncio.sleep(0.02)
        seen.events.append(name)

    def note(name, *, end=""):
        seen.events.append(name + end)

    async def GET(request):
        VARIABLE.set("of the request")
        after(slow, "first")
        after(note, "second", end="!")
        after(lambda: note(VARIABLE.get()))
        seen.events.append("answered")
        return "done"
    """
SYNC = ASYNC.replace("async def GET", "def GET")
ORDER = ["answered", "first", "second!", "of the request"]


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What has happened, in order."""
    module = ModuleType(SEEN)
    module.events = []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, SEEN, module)
    return module.events  # type: ignore[attr-defined]


@pytest.fixture
def logged() -> Iterator[list[tuple[str, str]]]:
    """What is logged under our name: level and text."""
    found: list[tuple[str, str]] = []

    def note(record: logging.LogRecord) -> bool:
        found.append((record.levelname, record.getMessage()))
        return True

    logger = logging.getLogger("django_routehandlers")
    logger.addFilter(note)
    yield found
    logger.removeFilter(note)


def in_loop(test: Callable[[Any], Awaitable[Any]], make: Callable[[], Any] = get_asgi_application) -> Any:
    """Run a test against a new application; return what it returned when all is done behind its responses."""

    async def run() -> Any:
        application = make()
        result = await asyncio.wait_for(test(application), 10)
        if hasattr(application, "background"):
            await application.background.drain(5)
            assert len(application.background) == 0
        return result

    return asyncio.run(run())


def get(target: str) -> Callable[[Any], Awaitable[Request]]:
    """Return what sends one GET to an application."""
    return lambda application: Request(target).run(application)


# In order, behind the response


@pytest.mark.parametrize("source", [ASYNC, SYNC], ids=["async", "sync"])
def test_functions_run_in_order_behind_the_response(site: Site, seen: list[Any], source: str) -> None:
    site.serve({"x/route.py": source})

    async def test(application: Any) -> list[Any]:
        await Request("/x").run(application)
        # The call has returned: the server is free to answer the next request.
        return list(seen)

    assert in_loop(test) == ["answered"]
    assert seen == ORDER


@pytest.mark.parametrize("source", [ASYNC, SYNC], ids=["async", "sync"])
def test_functions_run_under_djangos_own_asgi_handler(site: Site, seen: list[Any], source: str) -> None:
    site.serve({"x/route.py": source})
    assert in_loop(get("/x"), get_stock_application).body == b'"done"'
    assert seen == ORDER


@pytest.mark.parametrize("source", [ASYNC, SYNC], ids=["async", "sync"])
def test_functions_have_run_when_a_test_client_returns(site: Site, seen: list[Any], source: str) -> None:
    site.serve({"x/route.py": source})
    assert site.client.get("/x").content == b'"done"'
    assert seen == ORDER
    seen.clear()
    assert async_to_sync(site.async_client.get)("/x").content == b'"done"'
    assert seen == ORDER


MIDDLEWARE = """
    import seen_after as seen
    from django_routehandlers import after

    {async_}def middleware(request, call_next):
        after(seen.events.append, "of the folder")
        response = {await_}call_next(request)
        after(seen.events.append, "of the folder, on the way out")
        return response
    """
FOLDER = ["of the folder", "of the folder, on the way out"]


@pytest.mark.parametrize("make", [get_asgi_application, get_stock_application], ids=["ours", "stock"])
@pytest.mark.parametrize(("async_", "await_"), [("async ", "await "), ("", "")], ids=["async", "sync"])
@pytest.mark.parametrize("source", [ASYNC, SYNC], ids=["async handler", "sync handler"])
def test_middleware_of_a_folder_and_its_handler_share_one_order(
    site: Site, seen: list[Any], make: Callable[[], Any], async_: str, await_: str, source: str
) -> None:
    site.serve({"middleware.py": MIDDLEWARE.format(async_=async_, await_=await_), "x/route.py": source})
    expected = ["answered", FOLDER[0], *ORDER[1:], FOLDER[1]]
    assert in_loop(get("/x"), make).body == b'"done"'
    assert seen == expected
    seen.clear()
    assert site.client.get("/x").content == b'"done"'
    assert seen == expected


@pytest.mark.usefixtures("own_cache")
def test_middleware_around_what_is_cached_has_its_function_called_for_each_request(site: Site, seen: list[Any]) -> None:
    source = MIDDLEWARE.format(async_="async ", await_="await ")
    site.serve({"middleware.py": source, "x/route.py": "async def GET():\n    return 1\n"})
    for _ in range(2):
        assert in_loop(get("/x")).body == b"1"
    assert seen == FOLDER * 2


STREAM = """
    import seen_after as seen
    from django_routehandlers import NDJSONResponse, after

    {async_}def lines():
        after(seen.events.append, "from the stream")
        yield 1
        yield 2
        seen.events.append("read")

    async def GET(request):
        after(seen.events.append, "from the handler")
        return NDJSONResponse(lines())
    """


@pytest.mark.parametrize("async_", ["async ", ""], ids=["async", "sync"])
def test_functions_run_behind_the_last_byte_of_a_stream(site: Site, seen: list[Any], async_: str) -> None:
    site.serve({"x/route.py": STREAM.format(async_=async_)})
    expected = ["read", "from the handler", "from the stream"]
    assert in_loop(get("/x")).body == b"1\n2\n"
    assert seen == expected
    seen.clear()
    assert in_loop(get("/x"), get_stock_application).body == b"1\n2\n"
    assert seen == expected
    seen.clear()
    response: Any = site.client.get("/x")
    assert "from the handler" not in seen
    assert response.getvalue() == b"1\n2\n"
    assert seen == expected


def test_functions_run_behind_a_stream_that_the_async_client_reads(site: Site, seen: list[Any]) -> None:
    site.serve({"x/route.py": STREAM.format(async_="async ")})

    async def read() -> bytes:
        response: Any = await site.async_client.get("/x")
        body = b"".join([part async for part in response])
        await asyncio.sleep(0.1)
        return body

    assert asyncio.run(read()) == b"1\n2\n"
    assert seen == ["read", "from the handler", "from the stream"]


# Whatever the response is

FAILS = """
    import seen_after as seen
    from django.http import Http404
    from django_routehandlers import after

    {async_}def GET(request, kind):
        after(seen.events.append, kind)
        raise Http404 if kind == "404" else ValueError("failed")
    """


@pytest.mark.parametrize("async_", ["async ", ""], ids=["async", "sync"])
@pytest.mark.parametrize("kind", ["404", "500"])
def test_functions_run_where_the_handler_raises(site: Site, seen: list[Any], async_: str, kind: str) -> None:
    site.serve({"x/[kind]/route.py": FAILS.format(async_=async_)})
    assert in_loop(get(f"/x/{kind}")).status == int(kind)
    assert in_loop(get(f"/x/{kind}"), get_stock_application).status == int(kind)
    assert site.client.get(f"/x/{kind}").status_code == int(kind)
    assert async_to_sync(site.async_client.get)(f"/x/{kind}").status_code == int(kind)
    assert seen == [kind] * 4


def test_a_failing_function_is_logged_and_the_next_one_runs(
    site: Site, seen: list[Any], logged: list[tuple[str, str]]
) -> None:
    source = """
        import asyncio

        import seen_after as seen
        from django_routehandlers import after

        async def fails():
            raise ValueError

        def cancels():
            raise asyncio.CancelledError

        async def GET(request):
            after(fails)
            after(cancels)
            after(seen.events.append, "next")
        """
    told: list[object] = []

    def tell(**kwargs: object) -> None:
        told.append(kwargs)

    got_request_exception.connect(tell)
    try:
        routes = site.serve({"x/route.py": source}).root / site.label() / "routes"
        assert in_loop(get("/x")).status == 204
        assert site.client.get("/x").status_code == 204
    finally:
        got_request_exception.disconnect(tell)
    label, module = f"/x GET ({routes}/x/route.py)", f"{site.label()}.routes.x.route"
    assert seen == ["next"] * 2
    # The request has been answered: it is not what failed.
    assert told == []
    names = ["fails", "cancels"] * 2
    assert logged == [("ERROR", f"{label}: {module}.{name}, which was given to after(), failed.") for name in names]


WAITS = """
    import asyncio
    import threading

    import seen_after as seen
    from django_routehandlers import after

    {async_}def GET(request):
        after(seen.events.append, "before")
        seen.started.set()
        {wait}
        after(seen.events.append, "behind")
    """


def test_functions_run_where_the_client_leaves(site: Site, seen: list[Any]) -> None:
    site.serve({"x/route.py": WAITS.format(async_="async ", wait="await asyncio.sleep(10)")})
    sys.modules[SEEN].started = started = asyncio.Event()  # type: ignore[attr-defined]

    async def test(application: Any) -> list[Any]:
        request = Request("/x")
        running = asyncio.create_task(request.run(application))
        await started.wait()
        request.leaves.set()
        await running
        return request.messages

    assert in_loop(test) == []
    assert seen == ["before"]


def test_a_thread_whose_client_has_left_still_has_its_functions_run(site: Site, seen: list[Any]) -> None:
    """Else the transaction of a handler would be rolled back because its client has left."""
    site.serve({"x/route.py": WAITS.format(async_="", wait="seen.goes_on.wait(5)")})
    module: Any = sys.modules[SEEN]
    module.started, module.goes_on = threading.Event(), threading.Event()

    async def test(application: Any) -> None:
        request = Request("/x")
        running = asyncio.create_task(request.run(application))
        await asyncio.to_thread(module.started.wait, 5)
        request.leaves.set()
        await asyncio.sleep(0.05)
        assert seen == []
        module.goes_on.set()
        await running

    in_loop(test)
    assert seen == ["before", "behind"]


# Where it may be called


def test_after_called_in_a_function_that_runs_after_is_run_behind_it(site: Site, seen: list[Any]) -> None:
    source = """
        import seen_after as seen
        from django_routehandlers import after

        def first():
            after(seen.events.append, "third")
            seen.events.append("first")

        async def GET(request):
            after(first)
            after(seen.events.append, "second")
        """
    site.serve({"x/route.py": source})
    in_loop(get("/x"))
    site.client.get("/x")
    assert seen == ["first", "second", "third"] * 2


def test_after_outside_a_route_says_where_it_belongs() -> None:
    with pytest.raises(RuntimeError, match=r"^after\(\) was called where no request is being answered by a route\. "):
        after(print)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_after_in_a_cached_get_says_what_it_would_mean(
    site: Site, own_cache: None, client: type[Client | AsyncClient]
) -> None:
    """And where the cache is off, too: the mistake shows in development."""
    source = "from django_routehandlers import after\n\nasync def GET():\n    after(print)\n"
    site.serve({"x/route.py": source})
    for enabled in (True, False):
        site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": enabled}
        ask: Any = client().get
        with pytest.raises(RuntimeError, match=r"^after\(\) was called by a cached GET: "):
            ask("/x") if client is Client else async_to_sync(ask)("/x")


def test_after_in_a_task_that_outlives_its_request_raises(site: Site, seen: list[Any]) -> None:
    source = """
        import asyncio

        import seen_after as seen
        from django_routehandlers import after

        async def later():
            await asyncio.sleep(0.02)
            try:
                after(print)
            except RuntimeError as error:
                seen.events.append(str(error)[:7])

        async def GET(request):
            seen.task = asyncio.create_task(later())
        """
    site.serve({"x/route.py": source})

    async def test(application: Any) -> None:
        await Request("/x").run(application)
        await sys.modules[SEEN].task  # type: ignore[attr-defined]

    in_loop(test)
    in_loop(test, get_stock_application)
    assert seen == ["after()"] * 2


async def _coroutine() -> None: ...


def _generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("value", [_coroutine, _generator], ids=["what a function returned", "a generator function"])
def test_what_would_not_run_is_refused(value: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"^after\(\) "):
        after(value() if value is _coroutine else value)


# Threads, connections and transactions

DATABASE = """
    import threading

    from django.contrib.auth.models import User
    from django.db import connection, transaction

    import seen_after as seen
    from django_routehandlers import after

    def count(when):
        seen.events.append((when, User.objects.count()))
        seen.atomic = connection.in_atomic_block

    async def acount(when):
        seen.events.append((when, await User.objects.acount()))

    def POST():
        User.objects.create(username="ada")
        after(count, "sync")
        after(acount, "async")
    """


@pytest.mark.django_db
def test_functions_see_the_transaction_of_a_test(site: Site, seen: list[Any]) -> None:
    site.serve({"x/route.py": DATABASE})
    expected = [("sync", User.objects.count() + 1), ("async", User.objects.count() + 1)]
    assert site.client.post("/x").status_code == 204
    assert seen == expected
    seen.clear()
    User.objects.all().delete()

    async def ask() -> int:
        return (await site.async_client.post("/x")).status_code

    assert async_to_sync(ask)() == 204
    assert seen == [("sync", 1), ("async", 1)]


@pytest.fixture
def _closed() -> Iterator[None]:
    """Close what the test's threads have opened: Django keeps a connection to a database in memory open."""
    opened: list[Any] = []

    def note(connection: Any, **kwargs: object) -> None:
        opened.append(connection)

    connection_created.connect(note)
    yield
    connection_created.disconnect(note)
    for one in opened:
        if one.connection is not None:
            one.connection.close()
            one.connection = None


@pytest.mark.usefixtures("_closed")
@pytest.mark.django_db(transaction=True)
def test_a_function_runs_behind_the_transaction_of_its_request(
    site: Site, seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    site.serve({"x/route.py": DATABASE})

    async def test(application: Any) -> None:
        assert (await Request("/x", method="POST").run(application)).status == 204
        await application.background.drain(5)
        # Its thread, and what it has open to the database, is the pool's again.
        await asyncio.sleep(0.05)
        assert worker_pool().lent == 0

    in_loop(test)
    assert seen == [("sync", 1), ("async", 1)]
    assert sys.modules[SEEN].atomic is False  # type: ignore[attr-defined]


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has tasks since 6.0")
def test_a_task_can_be_enqueued(site: Site, seen: list[Any]) -> None:
    source = """
        import seen_after as seen
        from django.tasks import task
        from django_routehandlers import after

        @task
        def mail(to):
            seen.events.append(to)

        async def GET(request):
            after(mail.aenqueue, "ada")
            after(mail.enqueue, "grace")
        """
    site.settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}}
    site.serve({"x/route.py": source})
    in_loop(get("/x"))
    assert seen == ["ada", "grace"]


def sync_middleware(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Hold the request's thread while the view runs."""
    return lambda request: get_response(request)


def test_functions_run_behind_a_sync_middleware(site: Site, seen: list[Any]) -> None:
    site.settings.MIDDLEWARE = [f"{__name__}.sync_middleware"]
    site.serve({"x/route.py": ASYNC, "y/route.py": SYNC})
    for target in ("/x", "/y"):
        in_loop(get(target))
        in_loop(get(target), get_stock_application)
    assert seen == ORDER * 4


# The end of the server


def test_the_server_waits_for_functions_when_it_stops(site: Site, seen: list[Any]) -> None:
    """Source: ASGI, lifespan protocol."""
    site.serve({"x/route.py": ASYNC})

    async def test(application: Any) -> None:
        await Request("/x").run(application)
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive() -> dict[str, str]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            seen.append(message["type"])

        await application({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    in_loop(test)
    assert seen == ["answered", "lifespan.startup.complete", *ORDER[1:], "lifespan.shutdown.complete"]


def test_what_takes_longer_than_the_server_waits_is_named_in_the_log(
    site: Site, seen: list[Any], logged: list[tuple[str, str]]
) -> None:
    source = """
        import asyncio

        import seen_after as seen
        from django_routehandlers import after

        async def waits():
            try:
                await asyncio.sleep(60)
            finally:
                seen.events.append("cancelled")

        async def GET(request):
            after(waits)
            after(seen.events.append, "never")
        """
    site.serve({"x/route.py": source})

    async def test(application: Any) -> None:
        await Request("/x").run(application)
        await application.background.drain(0.05)

    in_loop(test)
    assert seen == ["cancelled"]
    [(level, text)] = logged
    assert level == "ERROR"
    assert ": the server has stopped, and after() did not come to the end of " in text
    assert text.endswith(f"['{site.label()}.routes.x.route.waits', 'list.append'].")


def test_the_log_says_so_where_many_wait(logged: list[tuple[str, str]]) -> None:
    async def fill() -> int:
        background = Background(asyncio.get_running_loop)
        for _ in range(MANY + 1):
            background.start(lambda: asyncio.sleep(10))
        count = len(background)
        await background.drain(0)
        assert len(background) == 0
        return count

    assert asyncio.run(fill()) == MANY + 1
    text = "What 1000 responses have left to after() is not done: it takes longer than it should."
    assert logged == [("WARNING", text)]
