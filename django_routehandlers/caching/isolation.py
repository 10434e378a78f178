"""
Turn what is known of a connection into whether its transactions see a snapshot.

In a snapshot (SQLite; REPEATABLE READ and above elsewhere) a later query still sees the database as
it was at the first one. With READ COMMITTED each query sees what was committed before it began.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

_READ_COMMITTED = frozenset({"read committed", "read uncommitted"})


class Isolation:
    """The isolation level of one connection to a database, as far as it is known."""

    def __init__(self) -> None:
        self._is_snapshot: bool | None = None

    def shows_snapshots(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether it is known, without asking the database, that transactions see snapshots."""
        if self._is_snapshot is None and connection.vendor != "postgresql":
            self._is_snapshot = _is_snapshot(connection)
        return self._is_snapshot is True

    def is_snapshot(self, connection: BaseDatabaseWrapper) -> bool:
        """
        Return whether transactions see snapshots.

        PostgreSQL is asked, once for each connection: the server, the database and the role may have
        a default of their own.
        """
        if self._is_snapshot is None:
            self._is_snapshot = _asked(connection) if connection.vendor == "postgresql" else _is_snapshot(connection)
        return self._is_snapshot

    def follow(self, sql: str) -> None:
        """Note a statement that is neither a read nor a write: it may change the level."""
        sql = sql.upper()
        if "ISOLATION" in sql and "READ COMMITTED" not in sql:
            self._is_snapshot = True


def _is_snapshot(connection: BaseDatabaseWrapper) -> bool:
    if connection.vendor == "mysql":
        # Django sets it at each connection, unless told to leave the server's.
        return str(getattr(connection, "isolation_level", None)).lower() not in _READ_COMMITTED
    return connection.vendor != "oracle"


def _asked(connection: BaseDatabaseWrapper) -> bool:
    # The driver's own cursor: the query is not one of the project, whose tests may count theirs.
    with connection.connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        row = cursor.fetchone()
    return row is None or row[0] not in _READ_COMMITTED
