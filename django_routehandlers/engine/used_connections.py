"""Tell in which state the database connections of this thread are."""

import time
from collections.abc import Sequence

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


def used_connections() -> Sequence[BaseDatabaseWrapper]:
    """Return the connections that this thread has used."""
    return connections.all(initialized_only=True)


def is_open(connection: BaseDatabaseWrapper) -> bool:
    """Return whether there is a connection to the database."""
    return connection.connection is not None


def is_due(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a connection is to be closed, or looked after, when its thread is given back."""
    close_at: float | None = connection.close_at
    return is_open(connection) and (
        is_in_transaction(connection)
        or connection.errors_occurred
        or (close_at is not None and time.monotonic() >= close_at)
    )


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Return whether there is an open transaction, or one may be."""
    # Without autocommit there is a transaction that no block of Django's knows of.
    return is_open(connection) and (connection.in_atomic_block or not connection.autocommit)
