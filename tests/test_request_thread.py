"""
The thread of a request: as Django's, and given back while a stream rests.

The tests of database connections run on SQLite, and on PostgreSQL where ``DATABASE_URL`` names one.
"""

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import dj_database_url
import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.db import connections, transaction

from conftest import Site
from django_routehandlers.asgi import get_asgi_application
from django_routehandlers.engine.own_thread import own_thread
from django_routehandlers.engine.threads import RequestThread, request_thread
from django_routehandlers.engine.workers import worker_pool

CURRENT: ContextVar[str] = ContextVar("current", default="unset")


def ident() -> int:
    return threading.get_ident()


def alive() -> int:
    """Return how many threads requests hold."""
    return worker_pool().lent


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Wait up to two seconds for what another thread does."""
    deadline = time.monotonic() + 2
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)
    return is_so()


@pytest.fixture(autouse=True)
def _no_thread_of_an_earlier_test() -> None:
    """Start when what ended in an earlier test has ended."""
    assert wait_until(lambda: alive() == 0)


# As under Django


def test_all_calls_of_a_request_run_on_one_thread_that_is_not_the_loops() -> None:
    async def request() -> set[int]:
        async with own_thread():
            found = {await sync_to_async(ident)() for _ in range(3)}
            found |= set(await asyncio.gather(*(sync_to_async(ident)() for _ in range(3))))
            return found

    found = asyncio.run(request())
    assert len(found) == 1
    assert found != {ident()}


def test_calls_of_a_request_run_one_at_a_time() -> None:
    running, most = 0, 0

    def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.005)
        running -= 1

    async def request() -> None:
        async with own_thread() as thread:
            await asyncio.gather(*(sync_to_async(call)() for _ in range(5)))
            await thread.rest()
            await asyncio.gather(*(sync_to_async(call)() for _ in range(5)))

    asyncio.run(request())
    assert most == 1


def test_requests_do_not_wait_for_each_other() -> None:
    """Invariant 54."""

    async def request() -> None:
        async with own_thread():
            await sync_to_async(time.sleep)(0.1)

    async def all_at_once() -> None:
        await asyncio.gather(*(request() for _ in range(20)))

    start = time.monotonic()
    asyncio.run(all_at_once())
    assert time.monotonic() - start < 1


def test_a_request_without_sync_calls_starts_no_thread() -> None:
    async def request() -> int:
        async with own_thread() as thread:
            await thread.rest()
            return alive()

    assert asyncio.run(request()) == 0


def test_the_thread_ends_with_the_request() -> None:
    async def request() -> int:
        async with own_thread():
            await sync_to_async(ident)()
            return alive()

    assert asyncio.run(request()) == 1
    assert wait_until(lambda: alive() == 0)


def test_an_exception_comes_back_as_it_was_raised() -> None:
    error = LookupError("no such row")

    def call() -> None:
        raise error

    async def request() -> None:
        async with own_thread() as thread:
            await thread.rest()
            await sync_to_async(call)()

    with pytest.raises(LookupError) as caught:
        asyncio.run(request())
    assert caught.value is error
    assert wait_until(lambda: alive() == 0)


def test_context_variables_go_there_and_come_back() -> None:
    """Invariant 58."""

    def call() -> str:
        before = CURRENT.get()
        CURRENT.set("thread")
        return before

    async def request() -> list[str]:
        async with own_thread() as thread:
            CURRENT.set("loop")
            first = [await sync_to_async(call)(), CURRENT.get()]
            await thread.rest()
            return [*first, await sync_to_async(call)(), CURRENT.get()]

    assert asyncio.run(request()) == ["loop", "thread", "thread", "thread"]


def test_the_thread_is_known_within_the_request_alone() -> None:
    async def request() -> list[RequestThread | None]:
        before = request_thread.get()
        async with own_thread() as thread:
            within = request_thread.get() is thread
        return [before, thread if within else None, request_thread.get()]

    before, within, after = asyncio.run(request())
    assert (before, type(within), after) == (None, RequestThread, None)


def test_a_task_that_outlives_its_request_calls_on_as_under_django() -> None:
    """asgiref itself refuses such a call under an executor of one's own."""

    async def outlive(context: Any) -> list[bool]:
        ended = asyncio.Event()

        async def task() -> list[bool]:
            found = {await sync_to_async(ident)()}
            await ended.wait()
            return [await sync_to_async(ident)() != ident(), len(found) == 1]

        async with context:
            running = asyncio.create_task(task())
            await asyncio.sleep(0.01)
        ended.set()
        return await running

    ours, stock = (asyncio.run(outlive(context)) for context in (own_thread(), ThreadSensitiveContext()))
    assert ours == stock == [True, True]
    assert wait_until(lambda: alive() == 0)


def test_a_call_that_is_cancelled_before_it_runs_is_not_waited_for() -> None:
    async def request() -> int:
        async with own_thread() as thread:
            busy = asyncio.create_task(sync_to_async(time.sleep)(0.05))
            await asyncio.sleep(0.01)
            queued = asyncio.create_task(sync_to_async(ident)())
            await asyncio.sleep(0)
            queued.cancel()
            await asyncio.wait([busy, queued])
            await thread.rest()
            wait_until(lambda: alive() == 0)
            return alive()

    assert asyncio.run(request()) == 0


# At rest


def test_a_thread_at_rest_is_given_back_and_started_again_for_each_call() -> None:
    async def request() -> list[int]:
        async with own_thread() as thread:
            await sync_to_async(ident)()
            found = [alive()]
            await thread.rest()
            for _ in range(2):
                found.append(alive() if not wait_until(lambda: alive() == 0) else 0)
                found.append(await sync_to_async(alive)())
            found.append(0 if wait_until(lambda: alive() == 0) else alive())
            return found

    assert asyncio.run(request()) == [1, 0, 1, 0, 1, 0]


def test_a_rest_does_not_wait_for_a_call_of_another_task() -> None:
    release = threading.Event()

    async def request() -> tuple[float, int]:
        async with own_thread() as thread:
            busy = asyncio.create_task(sync_to_async(release.wait)(5))
            await asyncio.sleep(0.01)
            start = time.monotonic()
            await asyncio.wait_for(thread.rest(), 1)
            waited, during = time.monotonic() - start, alive()
            release.set()
            await busy
            assert wait_until(lambda: alive() == 0)
            return waited, during

    waited, during = asyncio.run(request())
    assert waited < 0.5
    assert during == 1


def test_a_rest_below_a_sync_middleware_ends_when_it_has_returned() -> None:
    async def view() -> int:
        thread = request_thread.get()
        assert thread is not None
        await asyncio.wait_for(thread.rest(), 1)
        await sync_to_async(ident)()
        return alive()

    async def request() -> tuple[int, bool]:
        async with own_thread():
            during = await sync_to_async(async_to_sync(view))()
            return during, wait_until(lambda: alive() == 0)

    assert asyncio.run(request()) == (1, True)


def test_three_hundred_requests_at_rest_hold_no_thread() -> None:
    """Invariant 78."""

    async def request(end: asyncio.Event) -> None:
        async with own_thread() as thread:
            await sync_to_async(ident)()
            await thread.rest()
            await end.wait()
            await sync_to_async(ident)()

    async def all_at_once() -> bool:
        end = asyncio.Event()
        tasks = [asyncio.create_task(request(end)) for _ in range(300)]
        rest = await asyncio.to_thread(wait_until, lambda: alive() == 0)
        end.set()
        await asyncio.gather(*tasks)
        return rest

    assert asyncio.run(all_at_once())
    assert wait_until(lambda: alive() == 0)


# Database connections


class Database:
    """A database beside the project's, whose connections can be counted from outside."""

    def __init__(self, alias: str, count: Callable[[], int]) -> None:
        self.alias = alias
        self.count = count

    def ask(self) -> None:
        """Use the connection of this thread, as a query does."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)

    def close(self) -> None:
        """Close the connection of this thread."""
        connections[self.alias].close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> Iterator[Database]:
    """A database of one's own, in a file or on the server of ``DATABASE_URL``."""
    alias = f"beside_{uuid4().hex}"
    with _open(request.param, alias, tmp_path / "db.sqlite3") as (settings, count), django_db_blocker.unblock():
        complete = connections.configure_settings({"default": {}, alias: settings})
        monkeypatch.setitem(connections.settings, alias, complete[alias])
        yield Database(alias, count)


@contextmanager
def _open(kind: str, alias: str, file: Path) -> Iterator[tuple[dict[str, Any], Callable[[], int]]]:
    if kind == "sqlite":
        if not sys.platform.startswith("linux"):
            pytest.skip("needs /proc")
        yield {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}, lambda: _open_files(file)
        return
    settings: dict[str, Any] = dict(dj_database_url.config())
    if settings.get("ENGINE") != "django.db.backends.postgresql":
        pytest.skip("needs PostgreSQL: DATABASE_URL names none")
    import psycopg

    settings["OPTIONS"] = {"application_name": alias}
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as watch:

        def count() -> int:
            found = watch.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [alias])
            return (found.fetchone() or (0,))[0]

        yield settings, count


def _open_files(file: Path) -> int:
    links = (os.readlink(fd.path) for fd in os.scandir("/proc/self/fd") if os.path.exists(fd.path))
    return sum(link == str(file) for link in links)


def test_a_rest_closes_the_connections_that_are_idle(database: Database) -> None:
    async def request() -> list[object]:
        async with own_thread() as thread:
            await sync_to_async(database.ask)()
            found: list[object] = [database.count()]
            await thread.rest()
            return [*found, wait_until(lambda: database.count() == 0), wait_until(lambda: alive() == 0)]

    assert asyncio.run(request()) == [1, True, True]


def test_a_rest_below_a_sync_middleware_closes_the_connections_that_are_idle(database: Database) -> None:
    """What has been asked there before the view: sessions, users."""

    async def view() -> None:
        thread = request_thread.get()
        assert thread is not None
        await thread.rest()

    def middleware() -> None:
        database.ask()
        async_to_sync(view)()

    async def request() -> bool:
        async with own_thread():
            await sync_to_async(middleware)()
            return wait_until(lambda: database.count() == 0 and alive() == 0)

    assert asyncio.run(request())


def test_a_thread_in_a_transaction_stays(database: Database) -> None:
    block = transaction.atomic(using=database.alias)

    def begin() -> int:
        block.__enter__()
        return ident()

    def end() -> int:
        block.__exit__(None, None, None)
        return ident()

    async def request() -> list[object]:
        async with own_thread() as thread:
            first = await sync_to_async(begin)()
            await thread.rest()
            found: list[object] = [database.count(), await sync_to_async(end)() == first]
            await thread.rest()
            return [*found, wait_until(lambda: alive() == 0), database.count()]

    assert asyncio.run(request()) == [1, True, True, 0]


def test_a_thread_without_autocommit_stays(database: Database) -> None:
    def begin() -> None:
        connections[database.alias].set_autocommit(False)
        database.ask()

    async def request() -> tuple[int, int]:
        async with own_thread() as thread:
            await sync_to_async(begin)()
            await thread.rest()
            found = database.count(), alive()
            await sync_to_async(database.close)()
            return found

    assert asyncio.run(request()) == (1, 1)


def test_a_later_call_keeps_the_thread_while_it_leaves_a_connection_open(database: Database) -> None:
    """As a cursor on the server does between the pieces of an ``aiterator()``."""

    def close() -> int:
        database.close()
        return ident()

    def ask() -> int:
        database.ask()
        return ident()

    async def rows() -> AsyncIterator[int]:
        for _ in range(3):
            yield await sync_to_async(ask)()

    async def request() -> tuple[set[int], int, bool]:
        async with own_thread() as thread:
            await thread.rest()
            threads = {ident async for ident in rows()}
            open_ones = database.count()
            threads.add(await sync_to_async(close)())
            return threads, open_ones, wait_until(lambda: alive() == 0)

    threads, open_ones, is_given_back = asyncio.run(request())
    assert (len(threads), open_ones, is_given_back) == (1, 1, True)


def test_a_call_of_another_task_that_leaves_a_connection_open_keeps_the_thread(database: Database) -> None:
    release = threading.Event()

    def call() -> None:
        release.wait(5)
        database.ask()

    async def request() -> tuple[int, int]:
        async with own_thread() as thread:
            busy = asyncio.create_task(sync_to_async(call)())
            await asyncio.sleep(0.01)
            await thread.rest()
            release.set()
            await busy
            found = alive(), database.count()
            await sync_to_async(database.close)()
            return found

    assert asyncio.run(request()) == (1, 1)
    assert wait_until(lambda: alive() == 0)


ASKS = """
    import asyncio
    from asgiref.sync import sync_to_async
    from beside import database
    from django_routehandlers import NDJSONResponse

    async def rows(count):
        for number in range(count):
            await sync_to_async(database.ask)()
            yield number

    async def GET():
        await sync_to_async(database.ask)()
        return "asked"

    async def POST():
        await sync_to_async(database.ask)()
        return NDJSONResponse(rows(3))

    async def PUT():
        await sync_to_async(database.ask)()
        return NDJSONResponse(rows(10_000))

    def DELETE():
        database.ask()
        return NDJSONResponse(database.ask() or number for number in range(3))

    async def PATCH():
        await sync_to_async(database.ask)()
        raise LookupError
    """


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_no_connection_is_left_when_a_request_has_ended(
    database: Database, site: Site, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Invariant 56, without the garbage collector: answers, streams, one whose client leaves, and an error."""
    monkeypatch.setitem(sys.modules, "beside", module := ModuleType("beside"))
    vars(module)["database"] = database
    site.serve({"asks/route.py": ASKS})
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": "/asks",
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
    }

    async def request(application: Any) -> None:
        messages = [{"type": "http.request", "body": b"", "more_body": False}]
        leaves = asyncio.Event()

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if method == "PUT" and message.get("body"):
                leaves.set()

        await asyncio.wait_for(application(scope, receive, send), 10)

    gc.disable()
    try:
        asyncio.run(request(get_asgi_application()))
        assert wait_until(lambda: database.count() == 0 and alive() == 0)
    finally:
        gc.enable()


# Let go


def test_a_thread_that_is_let_go_is_given_back_behind_its_call_and_another_serves_the_request() -> None:
    """Invariant 63."""
    goes_on = threading.Event()

    async def request() -> tuple[int, int, int]:
        async with own_thread() as thread:
            first = await sync_to_async(ident)()
            stuck = asyncio.create_task(sync_to_async(goes_on.wait)(5))
            await asyncio.sleep(0.02)
            assert thread.let_go()
            second = await asyncio.wait_for(sync_to_async(ident)(), 2)
            lent = alive()
            stuck.cancel()
        return first, second, lent

    first, second, lent = asyncio.run(request())
    assert first != second
    assert lent == 2
    assert wait_until(lambda: alive() == 1)
    goes_on.set()
    assert wait_until(lambda: alive() == 0)


def test_a_request_whose_thread_runs_nothing_keeps_it() -> None:
    async def request() -> tuple[bool, bool]:
        async with own_thread() as thread:
            before = thread.let_go()
            await sync_to_async(ident)()
            return before, thread.let_go()

    assert asyncio.run(request()) == (False, False)
