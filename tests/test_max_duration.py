"""A handler that takes longer than ``max_duration`` is broken off, and its client answered 504."""

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application as get_stock_application
from django.db import connection

from asgi_requests import Request
from conftest import Site
from django_routehandlers.asgi import get_asgi_application
from django_routehandlers.engine.overdue import overdue_threads
from django_routehandlers.engine.workers import worker_pool
from django_routehandlers.responses.time_limit import Overdue

SEEN = "seen_in_time"
"""The module in which routes note what happened."""
SHORT = 0.25  # seconds
OVERDUE = {"type": "about:blank", "title": "Gateway Timeout", "status": 504, "detail": "The answer took too long."}
MAKERS = [
    pytest.param(get_asgi_application, id="ours"),
    pytest.param(get_stock_application, id="stock"),
]

Make = Callable[[], Any]


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What has happened, in order, and what sync handlers wait for."""
    module: Any = ModuleType(SEEN)
    module.events, module.goes_on = [], threading.Event()
    monkeypatch.setitem(sys.modules, SEEN, module)
    yield module
    module.goes_on.set()
    wait_for(lambda: len(overdue_threads()) == 0)


@pytest.fixture
def logged() -> Iterator[list[tuple[str, str]]]:
    """What is logged of requests, and under our name: level and text."""
    found: list[tuple[str, str]] = []

    def note(record: logging.LogRecord) -> bool:
        found.append((record.levelname, record.getMessage()))
        return True

    loggers = [logging.getLogger(name) for name in ("django.request", "django_routehandlers")]
    for logger in loggers:
        logger.addFilter(note)
    yield found
    for logger in loggers:
        logger.removeFilter(note)


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


def in_loop(test: Callable[[Any], Awaitable[Any]], make: Make = get_asgi_application) -> Any:
    """Run a test against a new application."""

    async def run() -> Any:
        return await asyncio.wait_for(test(make()), 10)

    return asyncio.run(run())


def get(target: str, make: Make = get_asgi_application) -> Request:
    """Return a GET that an application has answered."""
    return in_loop(lambda application: Request(target).run(application), make)


# Async handlers

WAITS = f"""
    import asyncio

    import seen_in_time as seen

    max_duration = {SHORT}

    async def GET(request):
        try:
            await asyncio.sleep(10)
        except Exception:
            seen.events.append("caught")
        finally:
            seen.events.append("ended")
    """


@pytest.mark.parametrize("make", MAKERS)
def test_an_async_handler_is_cancelled_and_answered_504(
    site: Site, seen: Any, logged: list[tuple[str, str]], make: Make
) -> None:
    """Invariants 62 and 63: ``except Exception`` does not stop it, and its ``finally`` runs."""
    site.serve({"x/route.py": WAITS})
    start = time.monotonic()
    reply = get("/x", make)
    assert time.monotonic() - start < 5
    assert (reply.status, json.loads(reply.body)) == (504, OVERDUE)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    assert seen.events == ["ended"]
    file = f"{site.root}/{site.label()}/routes/x/route.py"
    assert logged == [("WARNING", f"/x GET ({file}): it took longer than its max_duration of 0.25 s")]


def test_an_async_handler_is_cancelled_under_wsgi_too(site: Site, seen: Any) -> None:
    """It has an event loop of its own there."""
    site.serve({"x/route.py": WAITS})
    assert site.client.get("/x").json() == OVERDUE
    assert async_to_sync(site.async_client.get)("/x").json() == OVERDUE
    assert seen.events == ["ended"] * 2


def test_the_setting_holds_where_the_route_says_nothing(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"MAX_DURATION": SHORT}
    source = "import asyncio\n{}\nasync def GET(request):\n    await asyncio.sleep({})\n"
    files = {"x/route.py": source.format("", 10), "y/route.py": source.format("max_duration = None", 2 * SHORT)}
    site.serve(files)
    assert [get(target).status for target in ("/x", "/y")] == [504, 204]


def test_a_client_that_leaves_is_no_504(site: Site, seen: Any, logged: list[tuple[str, str]]) -> None:
    """Invariant 61."""
    site.serve({"x/route.py": WAITS.replace(f"max_duration = {SHORT}", "max_duration = 5")})

    async def test(application: Any) -> list[Any]:
        request = Request("/x")
        running = asyncio.create_task(request.run(application))
        await asyncio.sleep(SHORT)
        request.leaves.set()
        await running
        return request.messages

    assert in_loop(test) == []
    assert seen.events == ["ended"]
    assert logged == []


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("return 'what there is'", 200),
        ("raise ValueError", 504),
        ("raise TimeoutError", 504),
    ],
)
def test_what_a_cancelled_handler_returns_counts_and_what_it_raises_does_not(
    site: Site, ending: str, status: int
) -> None:
    source = f"""
        import asyncio

        max_duration = {SHORT}

        async def GET(request):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                {ending}
        """
    site.serve({"x/route.py": source})
    assert get("/x").status == status


def test_a_time_limit_of_the_handlers_own_is_its_own(site: Site) -> None:
    source = """
        import asyncio

        max_duration = 10

        async def GET(request):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        """
    site.serve({"x/route.py": source})
    assert get("/x").status == 500


def test_what_was_given_to_after_runs_behind_a_504(site: Site, seen: Any) -> None:
    source = WAITS.replace("        try:", '        after(seen.events.append, "after")\n        try:')
    source = source.replace("import asyncio\n", "import asyncio\n    from django_routehandlers import after\n")
    site.serve({"x/route.py": source})

    async def test(application: Any) -> None:
        await Request("/x").run(application)
        await application.background.drain(5)

    in_loop(test)
    assert seen.events == ["ended", "after"]


# Sync handlers

STUCK = f"""
    import threading

    import seen_in_time as seen
    from django.db import connection
    from django_routehandlers import after

    max_duration = {SHORT}

    def GET(request, kind):
        seen.threads = [*getattr(seen, "threads", ()), threading.get_ident()]
        seen.goes_on.wait(5 if kind == "stuck" else 0)
        seen.events.append(kind)
        if kind == "fails":
            raise ValueError
        return kind
    """
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_sync_handler_is_answered_504_while_its_thread_goes_on(
    site: Site, seen: Any, logged: list[tuple[str, str]], make: Make
) -> None:
    """Invariant 63."""
    site.settings.MIDDLEWARE = MIDDLEWARE
    site.serve({"x/[kind]/route.py": STUCK})

    async def test(application: Any) -> Request:
        reply = await Request("/x/stuck").run(application)
        assert len(overdue_threads()) == 1
        assert seen.events == []
        # Another thread serves the next request meanwhile.
        assert (await Request("/x/free").run(application)).body == b'"free"'
        seen.goes_on.set()
        return reply

    start = time.monotonic()
    reply = in_loop(test, make)
    assert time.monotonic() - start < 4
    assert (reply.status, json.loads(reply.body)) == (504, OVERDUE)
    wait_for(lambda: len(overdue_threads()) == 0)
    assert seen.events == ["free", "stuck"]
    assert len(set(seen.threads)) == 2
    assert [level for level, _ in logged] == ["WARNING"]
    wait_for(lambda: worker_pool().lent == 0)


@pytest.mark.parametrize("make", MAKERS)
def test_routes_answer_503_while_too_many_threads_are_overdue(site: Site, seen: Any, make: Make) -> None:
    """Invariant 63: at once, until one comes back; routes without a limit are answered all the same."""
    site.settings.ROUTEHANDLERS = {"MAX_OVERDUE_THREADS": 2}
    site.serve({"x/[kind]/route.py": STUCK, "y/route.py": "def GET(request):\n    return 'free'\n"})

    async def test(application: Any) -> list[int]:
        found = [(await Request("/x/stuck").run(application)).status for _ in range(2)]
        refused = await Request("/x/free").run(application)
        assert refused.headers["retry-after"] == "1"
        assert json.loads(refused.body)["status"] == 503
        found += [refused.status, (await Request("/y").run(application)).status]
        seen.goes_on.set()
        while len(overdue_threads()):  # noqa: ASYNC110 - threads tell no loop
            await asyncio.sleep(0.01)
        return [*found, (await Request("/x/free").run(application)).status]

    assert in_loop(test, make) == [504, 504, 503, 200, 200]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, on the event loop."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - threads tell no loop
            await asyncio.sleep(0.01)


# Of clients that leave Django's own handler forgets the content, and Python complains.
@pytest.mark.parametrize(
    ("make", "leaves"),
    [
        pytest.param(get_asgi_application, False, id="ours"),
        pytest.param(get_asgi_application, True, id="ours, left"),
        pytest.param(get_stock_application, False, id="stock"),
    ],
)
def test_many_at_once_that_never_end_stop_nobody(site: Site, seen: Any, make: Make, leaves: bool) -> None:
    """Invariant 63: nor do those whose clients leave before their time is over."""
    site.settings.ROUTEHANDLERS = {"WORKER_THREADS": 4, "MAX_OVERDUE_THREADS": 2}
    began = 'seen.events.append("began")\n        seen.goes_on.wait('
    source = STUCK.replace("seen.goes_on.wait(", began)
    site.serve({"x/[kind]/route.py": source, "y/route.py": "def GET(request):\n    return 'free'\n"})

    async def test(application: Any) -> tuple[int, int]:
        stuck = [asyncio.create_task(Request("/x/stuck").run(application)) for _ in range(4)]
        await until(lambda: seen.events.count("began") == 4)
        if leaves:
            for one in stuck:
                one.cancel()
        await until(lambda: len(overdue_threads()) == 4)
        free = await asyncio.wait_for(Request("/y").run(application), 3)
        refused = await asyncio.wait_for(Request("/x/free").run(application), 3)
        seen.goes_on.set()
        await asyncio.wait(stuck)
        return free.status, refused.status

    assert in_loop(test, make) == (200, 503)


def test_a_late_error_is_logged(site: Site, seen: Any, logged: list[tuple[str, str]]) -> None:
    site.serve({"x/[kind]/route.py": STUCK.replace('kind == "stuck"', "True")})
    assert get("/x/fails").status == 504
    seen.goes_on.set()
    wait_for(lambda: len(logged) >= 2)
    text = "it failed, behind its time: nobody waits for its answer any more."
    assert [(level, what.partition(": ")[2]) for level, what in logged][1:] == [("ERROR", text)]


def test_after_in_a_thread_behind_its_time_runs_at_once(site: Site, seen: Any) -> None:
    """Else the transaction of the handler would be rolled back, though it ends as it does."""
    source = STUCK.replace("        return kind", '        after(seen.events.append, "after")\n        return kind')
    site.serve({"x/[kind]/route.py": source})

    async def test(application: Any) -> None:
        assert (await Request("/x/stuck").run(application)).status == 504
        seen.goes_on.set()
        while "after" not in seen.events:  # noqa: ASYNC110 - threads tell no loop
            await asyncio.sleep(0.01)

    in_loop(test)
    assert seen.events == ["stuck", "after"]


def sync_middleware(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Hold the request's thread while the view runs."""
    return lambda request: get_response(request)


def test_behind_a_sync_middleware_the_504_waits_for_the_thread(site: Site, seen: Any) -> None:
    """It waits in that very thread for the answer."""
    site.settings.MIDDLEWARE = [f"{__name__}.sync_middleware"]
    site.serve({"x/[kind]/route.py": STUCK})
    threading.Timer(3 * SHORT, seen.goes_on.set).start()
    assert get("/x/stuck").status == 504
    assert seen.events == ["stuck"]
    assert len(overdue_threads()) == 0


@pytest.mark.django_db
def test_a_sync_handler_with_a_limit_sees_the_transaction_of_a_test(site: Site) -> None:
    source = """
        from django.contrib.auth.models import User

        max_duration = 5

        def POST():
            User.objects.create(username="ada")
            return User.objects.count()
        """
    site.serve({"x/route.py": source})
    before = site.client.post("/x").json()
    User.objects.all().delete()

    async def ask() -> int:
        return json.loads((await site.async_client.post("/x")).content)

    assert (before, async_to_sync(ask)()) == (1, 1)
    assert connection.in_atomic_block


def test_a_sync_handler_has_all_the_time_under_wsgi(site: Site, seen: Any) -> None:
    site.serve({"x/[kind]/route.py": STUCK})
    threading.Timer(2 * SHORT, seen.goes_on.set).start()
    assert site.client.get("/x/stuck").json() == "stuck"


# Streams

STREAM = f"""
    import asyncio
    import time

    import seen_in_time as seen
    from django_routehandlers import NDJSONResponse

    max_duration = {SHORT}

    async def numbers():
        try:
            yield 1
            await asyncio.sleep(10)
        finally:
            seen.events.append("ended")

    def lines():
        try:
            while True:
                yield 1
                time.sleep(0.03)
        finally:
            seen.events.append("ended")

    async def GET(request, kind):
        return NDJSONResponse(numbers() if kind == "async" else lines())
    """


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("make", MAKERS)
def test_a_stream_over_its_time_ends_with_an_error_record(
    site: Site, seen: Any, logged: list[tuple[str, str]], make: Make, kind: str
) -> None:
    site.serve({"x/[kind]/route.py": STREAM})
    reply = Request(f"/x/{kind}")

    async def test(application: Any) -> None:
        with pytest.raises(Overdue):
            await reply.run(application)

    in_loop(test, make)
    *records, last = reply.body.splitlines()
    assert (reply.status, set(records), json.loads(last)) == (200, {b"1"}, {"error": OVERDUE})
    assert not reply.is_complete
    assert seen.events == ["ended"]
    assert [(level, text.partition(": ")[2]) for level, text in logged] == [
        ("WARNING", "the stream broke off: it took longer than its max_duration of 0.25 s.")
    ]


def test_a_stream_over_its_time_ends_under_wsgi_too(site: Site, seen: Any) -> None:
    site.serve({"x/[kind]/route.py": STREAM})
    for kind in ("async", "sync"):
        parts: list[bytes] = []
        response: Any = site.client.get(f"/x/{kind}")
        with pytest.raises(Overdue):
            parts.extend(response)
        assert json.loads(b"".join(parts).splitlines()[-1]) == {"error": OVERDUE}
    assert seen.events == ["ended"] * 2


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("make", MAKERS)
def test_a_stream_without_a_record_in_time_is_a_504(site: Site, seen: Any, make: Make, kind: str) -> None:
    source = STREAM.replace(
        "yield 1\n            await asyncio.sleep(10)", "await asyncio.sleep(10)\n            yield 1"
    )
    source = source.replace("yield 1\n                time.sleep(0.03)", "time.sleep(0.3)\n                yield 1")
    site.serve({"x/[kind]/route.py": source})
    reply = get(f"/x/{kind}", make)
    assert (reply.status, json.loads(reply.body)) == (504, OVERDUE)
    wait_for(lambda: seen.events == ["ended"])


def test_a_stream_in_time_is_whole(site: Site) -> None:
    source = """
        max_duration = 5

        async def GET(request):
            for number in range(3):
                yield number
        """
    site.serve({"x/route.py": source})
    assert get("/x").body == b"0\n1\n2\n"
    response: Any = site.client.get("/x")
    assert response.getvalue() == b"0\n1\n2\n"


# The cache

CACHED = f"""
    import asyncio

    import seen_in_time as seen

    max_duration = {SHORT}
    revalidate = 1

    async def GET():
        seen.events.append("began")
        try:
            await asyncio.sleep(0 if seen.goes_on.is_set() else 10)
            return len(seen.events)
        finally:
            seen.events.append("ended")
    """


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
def test_all_who_wait_for_a_fill_are_answered_504_with_it(site: Site, seen: Any, is_async: bool) -> None:
    source = CACHED.replace("await asyncio.sleep(0 if seen.goes_on.is_set() else 10)", "seen.goes_on.wait(5)")
    site.serve({"x/route.py": CACHED if is_async else source.replace("async def", "def")})

    async def test(application: Any) -> list[Request]:
        replies = await asyncio.gather(*(Request("/x").run(application) for _ in range(3)))
        seen.goes_on.set()
        return replies

    start = time.monotonic()
    replies = in_loop(test)
    took = time.monotonic() - start
    assert [json.loads(reply.body) for reply in replies] == [OVERDUE] * 3
    assert took < 10 * SHORT
    wait_for(lambda: seen.events == ["began", "ended"])


@pytest.mark.usefixtures("own_cache")
def test_a_refresh_that_takes_too_long_keeps_the_last_answer(site: Site, seen: Any) -> None:
    site.serve({"x/route.py": CACHED})
    seen.goes_on.set()

    async def test(application: Any) -> list[bytes]:
        first = await Request("/x").run(application)
        seen.goes_on.clear()
        await asyncio.sleep(1.05)
        stale = await Request("/x").run(application)
        await asyncio.sleep(3 * SHORT)
        again = await Request("/x").run(application)
        return [first.body, stale.body, again.body]

    assert in_loop(test) == [b"1", b"1", b"1"]
    assert seen.events == ["began", "ended"] * 2


# Where the limit comes from


PASS = "{async_}def middleware(request, call_next):\n    return {await_}call_next(request)\n"


@pytest.mark.parametrize(
    ("folder", "own", "setting", "status"),
    [
        (f"max_duration = {SHORT}\n", "", None, 504),
        (f"max_duration = {SHORT}\n", "max_duration = 60\n", None, 200),
        ("max_duration = None\n", "", SHORT, 200),
        ("", "", SHORT, 504),
    ],
)
@pytest.mark.parametrize("kind", ["async", "sync", "config alone"])
def test_the_nearest_place_says_how_long(
    site: Site, folder: str, own: str, setting: float | None, status: int, kind: str
) -> None:
    words = ("async ", "await ") if kind == "async" else ("", "")
    around = "" if kind == "config alone" else PASS.format(async_=words[0], await_=words[1])
    files = {"middleware.py": folder + around} if folder + around else {}
    handler = f"import asyncio\n\n{own}\nasync def GET(request):\n    await asyncio.sleep({2 * SHORT})\n    return 1\n"
    site.settings.ROUTEHANDLERS = {} if setting is None else {"MAX_DURATION": setting}
    site.serve({**files, "x/route.py": handler})
    assert get("/x").status == status


def test_a_sync_handler_below_an_async_middleware_is_answered_in_time(site: Site, seen: Any) -> None:
    """Invariant 63."""
    handler = f"import seen_in_time as seen\n\nmax_duration = {SHORT}\n\ndef GET(request):\n    seen.goes_on.wait(10)\n"
    site.serve({"middleware.py": PASS.format(async_="async ", await_="await "), "x/route.py": handler})
    start = time.monotonic()
    assert get("/x").status == 504
    assert time.monotonic() - start < 5


# Mistakes, and what the document says


@pytest.mark.parametrize("value", ["0", "-1", "'10'", "True", "float('inf')", "[1]"])
def test_a_max_duration_that_is_no_number_of_seconds_is_a_mistake(site: Site, value: str) -> None:
    site.serve({"x/route.py": f"max_duration = {value}\n\n\ndef GET():\n    pass\n"})
    assert site.mistakes() == [("E035", f"{site.label()}/routes/x/route.py:1")]


@pytest.mark.parametrize("value", ["1", "0.5", "None"])
def test_a_number_of_seconds_or_none_is_no_mistake(site: Site, value: str) -> None:
    site.settings.MIDDLEWARE = ["django_routehandlers.middleware.CacheControlMiddleware"]
    site.serve({"x/route.py": f"max_duration = {value}\n\n\ndef GET():\n    pass\n"})
    assert site.mistakes() == []


@pytest.mark.parametrize("name", ["MAX_DURATION", "MAX_OVERDUE_THREADS"])
def test_a_setting_that_is_no_number_is_a_mistake(site: Site, name: str) -> None:
    site.settings.ROUTEHANDLERS = {name: 0}
    assert site.mistakes() == [("E001", f"ROUTEHANDLERS['{name}']")]


def test_the_document_lists_the_504(site: Site) -> None:
    site.serve({"x/route.py": WAITS, "y/route.py": "def GET(request):\n    return 1\n"})
    paths = json.loads(site.client.get("/openapi.json").content)["paths"]
    assert "504" not in paths["/y"]["get"]["responses"]
    found = paths["/x"]["get"]["responses"]["504"]
    assert found["description"] == "Gateway Timeout. The handler takes too long."
    assert "application/problem+json" in found["content"]
