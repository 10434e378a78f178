"""Which connections see a snapshot in their transactions, as far as it can be told without their servers."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction

from django_routehandlers.caching.isolation import Isolation


@pytest.mark.parametrize(
    ("vendor", "level", "shows"),
    [
        ("sqlite", None, True),
        ("mysql", "read committed", False),
        ("mysql", "repeatable read", True),
        # The server's own, which is REPEATABLE READ unless somebody has changed it.
        ("mysql", None, True),
        ("oracle", None, False),
        ("other", None, True),
    ],
)
def test_isolation_of_a_database_is_known(vendor: str, level: str | None, shows: bool) -> None:
    database: Any = SimpleNamespace(vendor=vendor, isolation_level=level)
    assert (Isolation().shows_snapshots(database), Isolation().is_snapshot(database)) == (shows, shows)


@pytest.mark.parametrize(
    ("sql", "shows"),
    [
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", False),
        ("set transaction isolation level serializable", True),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", True),
        ("SET default_transaction_isolation = 'serializable'", True),
        ("SET search_path = a", False),
    ],
)
def test_statement_may_change_the_level(sql: str, shows: bool) -> None:
    database: Any = SimpleNamespace(vendor="mysql", isolation_level="read committed")
    isolation = Isolation()
    isolation.follow(sql)
    assert isolation.shows_snapshots(database) is shows


def test_postgresql_is_asked(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: DATABASE_URL names none")
    found: list[bool] = []
    for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            found.append(Isolation().is_snapshot(connection))
    assert found == [False, True, True]
