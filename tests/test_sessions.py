"""Connections whose sessions were changed: what is read there is nobody else's, and nobody else's answer is theirs."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import Error, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse

from conftest import Site
from django_routehandlers.caching.current import forget_cache
from django_routehandlers.caching.queries import Wrapper, install
from django_routehandlers.caching.sessions import may_see_otherwise, sessions, why_seen_otherwise
from django_routehandlers.caching.transactions import journal
from test_queries import recorded

IS_SQLITE = connection.vendor == "sqlite"
pytestmark: Any = [] if IS_SQLITE else pytest.mark.django_db(transaction=True)
GROUPS = frozenset({"auth_group"})
SET = "PRAGMA user_version = {}" if IS_SQLITE else "SET app.number = {}"
ASK = "PRAGMA user_version" if IS_SQLITE else "SELECT current_setting('app.number', true)"
# What row-level security makes of "SELECT name FROM auth_group".
ROWS = (
    "SELECT name FROM auth_group, pragma_user_version WHERE name = CAST(user_version AS TEXT)"
    if IS_SQLITE
    else "SELECT name FROM auth_group WHERE name = current_setting('app.number', true)"
)
ROUTE = """
from django.db import connections

revalidate = False


def GET():
    with connections["{alias}"].cursor() as cursor:
        cursor.execute(\"\"\"{sql}\"\"\")
        return [str(value or 0) for row in cursor.fetchall() for value in row]
"""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[str]:
    """A database in a file: one in memory ends with its connection, which is never closed for that reason."""
    alias = f"beside_{uuid4().hex}"
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / alias)}
    complete = connections.configure_settings({"default": {}, alias: settings})
    monkeypatch.setitem(connections.settings, alias, complete[alias])
    with django_db_blocker.unblock():
        yield alias
        connections[alias].close()


@pytest.fixture
def alias(empty: str) -> Iterator[str]:
    """A database with groups."""
    alias = empty if IS_SQLITE else "default"
    if IS_SQLITE:
        with connections[alias].schema_editor() as editor:
            for model in (ContentType, Permission, Group):
                editor.create_model(model)
    Group.objects.using(alias).bulk_create([Group(name="1"), Group(name="2")])
    yield alias
    connections[alias].close()


def execute(alias: str, *statements: str) -> None:
    with connections[alias].cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


def is_changed(alias: str) -> bool:
    return sessions().is_changed([connections[alias]])


# In routes


class SetNumber:
    """Middleware as projects write it for row-level security."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set what the request says, if it says anything."""
        if number := request.headers.get("X-Number"):
            execute(django_settings.ALIAS, SET.format(int(number)))
        return self.get_response(request)


class Users:
    """Clients of a site that say who they are, on WSGI or ASGI."""

    def __init__(self, site: Site, alias: str, *, is_async: bool) -> None:
        self._site, self._alias, self._is_async = site, alias, is_async

    def get(self, number: int | None = None, path: str = "/rows") -> tuple[object, str]:
        """Return the answer, and what the cache did."""
        headers = {} if number is None else {"X-Number": str(number)}
        if self._is_async:
            response: Any = asyncio.run(self._site.async_client.get(path, headers=headers))
        else:
            response = self._site.client.get(path, headers=headers)
        return response.json(), response.headers["Cache-Status"].removeprefix("django-routehandlers; ")

    def close(self) -> None:
        """Close the connection of the requests."""

        def close() -> None:
            connections[self._alias].close()

        if self._is_async:
            asyncio.run(sync_to_async(close)())
        close()


@pytest.fixture(params=["WSGI", "ASGI"])
def users(site: Site, alias: str, settings: Any, request: pytest.FixtureRequest) -> Iterator[Users]:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": request.node.nodeid}
    }
    settings.MIDDLEWARE = ["django_routehandlers.middleware.CacheControlMiddleware", "test_sessions.SetNumber"]
    settings.ALIAS = alias
    site.serve(
        {
            "rows/route.py": ROUTE.format(alias=alias, sql=ROWS),
            "number/route.py": ROUTE.format(alias=alias, sql=ASK),
        }
    )
    users = Users(site, alias, is_async=request.param == "ASGI")
    yield users
    users.close()
    forget_cache()


BYPASSED = "fwd=bypass; detail=session"


def test_each_user_gets_the_rows_of_its_own_session(users: Users) -> None:
    assert [users.get(1), users.get(2), users.get(1)] == [([name], BYPASSED) for name in "121"]


def test_what_was_made_for_everybody_is_not_for_a_user(users: Users) -> None:
    everybody = [users.get(), users.get()]
    user = users.get(2)

    assert everybody == [([], "fwd=uri-miss; stored"), ([], "hit")]
    assert user == (["2"], BYPASSED)


def test_what_asks_for_nothing_but_the_session_is_no_different(users: Users) -> None:
    everybody = [users.get(path="/number"), users.get(path="/number")]
    user = users.get(2, path="/number")

    assert everybody == [(["0"], "fwd=uri-miss; stored"), (["0"], "hit")]
    assert user == (["2"], BYPASSED)


def test_connection_is_everybodys_again_when_it_is_closed(users: Users) -> None:
    users.get()
    users.get(1)
    left_over = users.get()
    users.close()

    assert left_over == (["1"], BYPASSED)
    assert users.get() == ([], "hit")


def test_first_to_come_after_a_user_fills(users: Users) -> None:
    """What a user's run could not leave is no reason to let others run side by side."""
    users.get(1)
    users.close()
    after = [users.get()[1], users.get()[1]]

    assert after == ["fwd=uri-miss; stored", "hit"]


def test_others_are_served_meanwhile(users: Users) -> None:
    found: list[object] = [users.get()]

    def be_somebody() -> None:
        execute(django_settings.ALIAS, SET.format(1))
        open_threads.wait(20)
        connections[django_settings.ALIAS].close()

    open_threads = Event()
    thread = Thread(target=be_somebody)
    thread.start()
    try:
        wait_until(lambda: may_see_otherwise(GROUPS))
        found.append(users.get())
    finally:
        open_threads.set()
        thread.join()
    found.append(may_see_otherwise(GROUPS))

    assert found == [([], "fwd=uri-miss; stored"), ([], "hit"), False]


def wait_until(is_so: Callable[[], bool]) -> None:
    limit = monotonic() + 20
    while not is_so():
        assert monotonic() < limit
        sleep(0.01)


# On one connection


def test_read_in_a_changed_session_spoils_the_fill(alias: str) -> None:
    with recorded() as before:
        Group.objects.using(alias).count()
    execute(alias, SET.format(1))
    with recorded() as reads:
        Group.objects.using(alias).count()

    assert (before.spoilt, reads.spoilt) == ([], ["session"])
    assert (may_see_otherwise(GROUPS), why_seen_otherwise(GROUPS)) == (True, "session")
    # An entry that has asked no database is anybody's.
    assert (may_see_otherwise(frozenset()), why_seen_otherwise(frozenset())) == (False, None)


def test_fill_that_changes_the_session_is_spoilt(alias: str) -> None:
    with recorded() as reads:
        execute(alias, SET.format(1))
    assert set(reads.spoilt) == {"session"}


def test_statement_that_fails_or_cannot_be_read_is_a_change(alias: str) -> None:
    found: list[bool] = []
    for sql in (b"\xff", "SET no such thing"):
        with pytest.raises((Error, TypeError)):
            execute(alias, sql)  # type: ignore[arg-type]
        found.append(is_changed(alias))
        connections[alias].close()
        connections[alias].ensure_connection()
        found.append(is_changed(alias))
    assert found == [True, False] * 2


def test_connection_of_a_pool_is_as_it_was_left(alias: str) -> None:
    execute(alias, SET.format(1))
    given_back, taken = connections[alias], connections[alias].copy()
    given_back.connection, taken.connection = None, given_back.connection
    found = [sessions().is_changed([taken]), sessions().is_changed([given_back])]
    taken.close()

    assert (found, sessions().is_changed([taken]), may_see_otherwise(GROUPS)) == ([True, False], False, False)


def test_thread_that_has_ended_leaves_nothing(alias: str) -> None:
    found: list[bool] = []

    def be_somebody() -> None:
        execute(alias, SET.format(1))
        found.append(may_see_otherwise(GROUPS))
        connections[alias].close()

    thread = Thread(target=be_somebody)
    thread.start()
    thread.join()
    gc.collect()
    assert (found, may_see_otherwise(GROUPS)) == ([True], False)


@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_receiver_of_connection_created_sets_counts(alias: str, is_first: bool) -> None:
    """It may ask who is there, as middleware does. Whichever of two apps is ready first."""

    def become_somebody(*, connection: Any, **kwargs: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(SET.format(1))

    database = connections[alias].copy()
    connection_created.connect(become_somebody)
    try:
        if is_first:
            install(journal().written)
        database.ensure_connection()
    finally:
        connection_created.disconnect(become_somebody)
    found = sessions().is_changed([database])
    database.close()
    assert found is True


def test_what_django_says_itself_changes_nothing(alias: str) -> None:
    database = connections[alias]
    row = serializers.serialize("json", Group.objects.using(alias).all())
    with database.constraint_checks_disabled():
        for item in serializers.deserialize("json", row, using=alias):
            item.save(using=alias)
    database.check_constraints(table_names=["auth_group"])
    execute(alias, *database.ops.sequence_reset_sql(no_style(), [Group]))
    with transaction.atomic(using=alias), transaction.atomic(using=alias):
        Group.objects.using(alias).create(name="3")
    database.introspection.get_constraints(database.cursor(), "auth_group")
    call_command("flush", database=alias, interactive=False, verbosity=0)
    database.close()
    Group.objects.using(alias).count()

    assert is_changed(alias) is False


@pytest.mark.skipif(not IS_SQLITE, reason="makes a database of its own, in a file")
def test_migrations_of_django_change_nothing(empty: str) -> None:
    call_command("migrate", database=empty, verbosity=0)
    assert (is_changed(empty), Group.objects.using(empty).count()) == (False, 0)


class Pooled:
    """A connection as Oracle's driver makes it, of which there is none here."""

    vendor, in_atomic_block, autocommit, pool = "oracle", False, True, Event()

    def __init__(self) -> None:
        self.connection = Event()


def test_connections_of_an_oracle_pool_are_changed_together() -> None:
    one, other = Pooled(), Pooled()
    sessions().set(one, frozenset({"a"}), None)  # type: ignore[arg-type]
    found = sessions().is_changed([other])  # type: ignore[list-item]
    Pooled.pool = Event()
    assert (found, sessions().is_changed([other])) == (True, False)  # type: ignore[list-item]


class MySQL:
    """A connection as far as the wrapper asks one that has no server."""

    vendor, in_atomic_block, autocommit = "mysql", False, True

    def __init__(self) -> None:
        self.connection = Event()


def test_local_is_the_session_in_mysql() -> None:
    database: Any = MySQL()
    Wrapper()(lambda *args: None, "SET LOCAL sql_mode = ''", None, False, {"connection": database})
    assert sessions().is_changed([database])


# Resets and transactions


postgresql = pytest.mark.skipif(IS_SQLITE, reason="needs PostgreSQL: DATABASE_URL names none")


@postgresql
@pytest.mark.parametrize(
    ("changes", "left"),
    [
        (["SET app.who = 5", "RESET app.who"], False),
        (["SET app.who = 5", "SET app.who TO DEFAULT"], False),
        (["SET app.who = 5", "SET app.tenant = 5", "RESET app.who"], True),
        (["SET app.who = 5", "SET app.tenant = 5", "RESET ALL"], False),
        (["SELECT set_config('app.who', '5', false)", "RESET app.who"], False),
        (["SET ROLE pg_monitor", "RESET ALL"], True),
        (["SET ROLE pg_monitor", "RESET ROLE"], False),
        (["SET ROLE NONE"], False),
        (["SET TIME ZONE 'Europe/Berlin'", "RESET timezone"], False),
        (["CREATE TEMP TABLE who (id int)", "RESET ALL"], True),
        (["CREATE TEMP TABLE who (id int)", "DISCARD ALL"], False),
        (["SET app.who = 5", "DISCARD ALL"], False),
        (["SET app.who = 5", "BEGIN", "ROLLBACK"], True),
        (["RESET app.who"], False),
        (["SET statement_timeout = 5000"], False),
    ],
)
def test_reset_of_all_that_was_set_ends_it(alias: str, changes: list[str], left: bool) -> None:
    execute(alias, *changes)
    assert is_changed(alias) is left


@postgresql
def test_reset_may_be_rolled_back(alias: str) -> None:
    execute(alias, "SET app.who = 5")
    with transaction.atomic(using=alias):
        execute(alias, "RESET app.who")
        transaction.set_rollback(True, using=alias)
    assert is_changed(alias)


@postgresql
@pytest.mark.parametrize("change", ["SET LOCAL app.who = 5", "SELECT set_config('app.who', '5', true)"])
def test_what_is_local_ends_with_the_outermost_transaction(alias: str, change: str) -> None:
    found = []
    with transaction.atomic(using=alias):
        with transaction.atomic(using=alias):
            execute(alias, change)
        found.append((is_changed(alias), may_see_otherwise(GROUPS)))
    found.append((is_changed(alias), may_see_otherwise(GROUPS)))
    with transaction.atomic(using=alias):
        found.append((is_changed(alias), may_see_otherwise(GROUPS)))
    # It is in force for its own text alone.
    execute(alias, change)
    found.append((is_changed(alias), may_see_otherwise(GROUPS)))
    assert found == [(True, True), (False, False), (False, False), (False, False)]


@postgresql
@pytest.mark.parametrize(
    "changes",
    [
        ["BEGIN", "SET LOCAL app.who = 5"],
        ["BEGIN; SET LOCAL app.who = 5"],
        ["SET app.who = 5", "BEGIN", "RESET app.who"],
    ],
)
def test_transaction_that_is_begun_by_hand_may_end_at_any_time(alias: str, changes: list[str]) -> None:
    execute(alias, *changes)
    found = is_changed(alias)
    execute(alias, "ROLLBACK")
    assert (found, is_changed(alias)) == (True, True)


@postgresql
def test_what_is_local_stays_where_nobody_knows_when_the_transaction_ends(alias: str) -> None:
    transaction.set_autocommit(False, using=alias)
    execute(alias, "SET LOCAL app.who = 5")
    found = is_changed(alias)
    transaction.rollback(using=alias)
    transaction.set_autocommit(True, using=alias)
    assert found is True
