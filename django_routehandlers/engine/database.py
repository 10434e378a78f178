"""
Tidy up the database connections of a thread that several requests use, one after the other.

Django does so for each request in a thread of its own, all connections at once: an error of one ends
it for the others, and the next request would find them as they are.
"""

import logging
import time
from collections.abc import Sequence

from django.db import connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper

_logger = logging.getLogger("django_routehandlers")


def used_connections() -> Sequence[BaseDatabaseWrapper]:
    """Return the connections that this thread has used, open or not."""
    return connections.all(initialized_only=True)


def is_open(connection: BaseDatabaseWrapper) -> bool:
    """Return whether *connection* is open."""
    return connection.connection is not None


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Return whether *connection* is open and within a transaction, one of Django's blocks or another."""
    # Without autocommit there is a transaction that no block of Django's knows of.
    return is_open(connection) and (connection.in_atomic_block or not connection.autocommit)


def is_due(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a connection is to be closed, or looked after, when its thread is given back."""
    close_at: float | None = connection.close_at
    return is_open(connection) and (
        is_in_transaction(connection)
        or connection.errors_occurred
        or (close_at is not None and time.monotonic() >= close_at)
    )


def begin() -> None:
    """Do for a request what Django's receivers of ``request_started`` do."""
    reset_queries()
    _tidy_up(used_connections())


def rest() -> None:
    """Tidy up the connections that are not in a transaction, while the request goes on."""
    _tidy_up([connection for connection in used_connections() if not is_in_transaction(connection)])


def end() -> None:
    """Leave no transaction to whoever uses the thread next, and no connection that has had its time."""
    # Whoever opened a block was cancelled. The next request must not continue it.
    _drop([connection for connection in used_connections() if connection.in_atomic_block])
    _tidy_up(used_connections())


def close() -> None:
    """Close all connections of the thread."""
    _drop(used_connections())


def _tidy_up(used: Sequence[BaseDatabaseWrapper]) -> None:
    for connection in used:
        try:
            connection.close_if_unusable_or_obsolete()
        except Exception:
            _report(connection)
            del connections[connection.alias]


def _drop(used: Sequence[BaseDatabaseWrapper]) -> None:
    for connection in used:
        try:
            connection.close()
        except Exception:
            _report(connection)
        # One that is closed within a block remembers that it was.
        del connections[connection.alias]


def _report(connection: BaseDatabaseWrapper) -> None:
    # The server has dropped it, mostly: nothing is lost, and no request is to fail for it.
    _logger.warning("The database connection %r could not be closed, and is given up.", connection.alias, exc_info=True)
