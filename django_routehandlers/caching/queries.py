"""
Turn the queries of the project into what a fill has read, and into word of what was written.

Every query passes a wrapper of ours (Django's database instrumentation), whichever thread or
context runs it. Not seen: ``cursor.callproc()``, the driver's own cursors, what triggers,
functions and other programs write, the tables below a view, and a commit of which the database
could not say whether it happened.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias, cast

from django.db import DataError, IntegrityError, NotSupportedError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from django_routehandlers.caching.isolation import Isolation
from django_routehandlers.caching.schema import cache_tables, current_schema
from django_routehandlers.caching.session_changes import UNNAMED, Change, may_change, read_change
from django_routehandlers.caching.sessions import sessions
from django_routehandlers.caching.statements import ANY_TABLE, Statement, read_statement
from django_routehandlers.caching.transactions import Transaction, TransactionByHand, journal, shares

Execute: TypeAlias = Callable[[Any, Any, bool, dict[str, Any]], Any]


class Recording(Protocol):
    """What is told of the reads of a fill."""

    def read_tables(self, tables: frozenset[str], *, snapshot: object | None) -> None:
        """
        Note that *tables* are about to be read.

        Args:
            snapshot: Identifies the transaction they are read in, where it shows the database as it
                was at its first statement; else ``None``.
        """
        ...

    def spoil(self, reason: str) -> None:
        """Say that nothing may be kept of this fill."""
        ...


current_recording: ContextVar[Recording | None] = ContextVar("current_recording", default=None)
"""What records the queries of this context; ``None`` where nothing does."""

_NO_TABLES: frozenset[str] = frozenset()
_UNKNOWN = Statement("anything", _NO_TABLES, shows_rows=True)
_UNKNOWN_CHANGE = Change(frozenset({UNNAMED}), frozenset())
# The database has refused the statement: nothing was written. Of other errors nobody knows.
_REFUSALS = (IntegrityError, ProgrammingError, DataError, NotSupportedError)
_SAVEPOINTS = ("SAVEPOINT ", "RELEASE ", "ROLLBACK TO ")


class Wrapper:
    """The execute wrapper of one connection. Source: "Database instrumentation" in Django's documentation."""

    def __init__(self) -> None:
        self._transaction: Transaction | None = None
        self._by_hand = TransactionByHand()
        self._isolation = Isolation()

    def __call__(self, execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Execute a query, and tell of what it reads and writes."""
        recording = current_recording.get()
        connection: BaseDatabaseWrapper = context["connection"]
        if recording is None and _is_plain_read(sql):
            if connection.in_atomic_block and self._isolation.shows_snapshots(connection):
                # A fill that begins later in this transaction sees the database as it is now.
                self._current(connection, None)
            return execute(sql, params, many, context)
        text = _text(sql, context)

        def run() -> Any:
            return execute(sql, params, many, context)

        change = _UNKNOWN_CHANGE if text is None else read_change(text)
        if change is None:
            return self._watch(recording, connection, text, run, many=many)
        # Before: what fails may have set something all the same.
        self._set(recording, connection, change)
        result = self._watch(recording, connection, text, run, many=many)
        if connection.autocommit:
            self._settle(connection, change)
        return result

    def reconnected(self) -> None:
        """Forget what was true of the connection before: it is a new one to the database."""
        self._transaction = None
        self._by_hand.forget()
        self._isolation = Isolation()

    def _set(self, recording: Recording | None, connection: BaseDatabaseWrapper, change: Change) -> None:
        names, local = change.sets, change.sets_locally
        if recording is not None and (names or local):
            # It may read in the same breath.
            recording.spoil("session")
        if connection.vendor != "postgresql" or self._is_manual(connection):
            # LOCAL is another word for SESSION in MySQL; and of such a transaction nobody knows when it ends.
            names, local = names | local, _NO_TABLES
        is_within = bool(local) and connection.in_atomic_block
        if names or is_within:
            sessions().set(connection, names, self._current(connection, recording) if is_within else None)

    def _settle(self, connection: BaseDatabaseWrapper, change: Change) -> None:
        """Note what a statement outside of Django's transactions has left behind."""
        is_begun = self._by_hand.is_begun(connection)
        if is_begun and change.sets_locally:
            # Within a transaction that was begun by hand, of which nobody knows when it ends.
            sessions().set(connection, change.sets_locally, None)
        if not is_begun and change.resets:
            # In a transaction, rolling back would take it back.
            sessions().reset(connection, change.resets)

    def _watch(
        self,
        recording: Recording | None,
        connection: BaseDatabaseWrapper,
        text: str | None,
        execute: Callable[[], Any],
        *,
        many: bool,
    ) -> Any:
        # Their names differ each time: they are not worth remembering.
        if text is not None and text.startswith(_SAVEPOINTS) and ";" not in text and not connection.autocommit:
            result = execute()
            self._follow_savepoint(text)
            return result
        statement = _UNKNOWN if text is None else read_statement(text)
        try:
            if statement.kind == "none":
                self._isolation.follow(text or "")
                return execute()
            return self._run(recording, connection, statement, execute, many=many)
        finally:
            self._follow(connection, statement)

    def _run(
        self,
        recording: Recording | None,
        connection: BaseDatabaseWrapper,
        statement: Statement,
        execute: Callable[[], Any],
        *,
        many: bool,
    ) -> Any:
        tables = _tables(statement)
        # A write is the first statement of a transaction as much as a read.
        if connection.in_atomic_block and self._isolation.shows_snapshots(connection):
            self._current(connection, recording)
        if recording is not None and statement.shows_rows:
            self._read(recording, connection, statement, tables)
        if statement.kind == "read" or not tables:
            return execute()
        try:
            result = execute()
        except BaseException as error:
            if many or not isinstance(error, _REFUSALS):
                self._written(connection, statement, tables)
            raise
        self._written(connection, statement, tables)
        return result

    def _read(
        self, recording: Recording, connection: BaseDatabaseWrapper, statement: Statement, tables: frozenset[str]
    ) -> None:
        if statement.kind == "anything":
            recording.spoil("statement")
            return
        if not tables and statement.names:
            # Those of database caches are nobody's data.
            return
        if sessions().is_changed([connection]):
            recording.spoil("session")
        if not tables:
            # What is left to ask for is the session: the entry is not for one that is changed.
            recording.read_tables(frozenset({ANY_TABLE}), snapshot=None)
            return
        if self._is_manual(connection):
            # Begun and ended behind Django's back: nobody knows what is uncommitted, and since when it is read.
            recording.spoil("transaction")
        if not connection.in_atomic_block:
            recording.read_tables(tables, snapshot=None)
            return
        current = self._transaction
        is_open = current is not None and current.is_open_on(connection)
        if is_open and current is not None and shares(current.tables, tables):
            recording.spoil("uncommitted")
        if not self._isolation.is_snapshot(connection):
            recording.read_tables(tables, snapshot=None)
            return
        current = self._current(connection, recording)
        if current.first_seen_by is not recording and not current.is_of_tests:
            recording.spoil("snapshot")
        recording.read_tables(tables, snapshot=current)

    def _written(self, connection: BaseDatabaseWrapper, statement: Statement, tables: frozenset[str]) -> None:
        tables = current_schema().written_with(tables)
        if connection.autocommit:
            self._by_hand.add(connection, tables)
        elif self._is_manual(connection):
            # Without autocommit, Django calls nothing on commit.
            journal().tell(tables)
        else:
            self._current(connection, current_recording.get()).add(tables, connection.savepoint_ids)

    def _follow(self, connection: BaseDatabaseWrapper, statement: Statement) -> None:
        """Tell of what a statement has committed without Django's knowledge."""
        # A database that cannot take definitions back has committed all that was written before, and them as well.
        commits = statement.commits or (statement.defines and not connection.features.can_rollback_ddl)
        if connection.autocommit:
            self._by_hand.follow(connection, begins=statement.begins, commits=commits)
        elif commits and self._transaction is not None and self._transaction.is_open_on(connection):
            self._transaction.tell()

    def _current(self, connection: BaseDatabaseWrapper, recording: Recording | None) -> Transaction:
        current = self._transaction
        if current is None or not current.is_open_on(connection):
            current = self._transaction = Transaction(connection, recording)
        return current

    def _follow_savepoint(self, text: str) -> None:
        name = text.split()[-1].strip('"`[];')
        if self._transaction is None:
            return
        if text.startswith("ROLLBACK TO "):
            self._transaction.roll_back_to(name)
        elif text.startswith("SAVEPOINT "):
            self._transaction.set_savepoint(name)

    def _is_manual(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether transactions are begun and ended behind Django's back."""
        if connection.in_atomic_block:
            return not connection.commit_on_exit
        return not connection.autocommit or self._by_hand.is_begun(connection)


def install(written: Callable[[frozenset[str]], None]) -> None:
    """
    Watch the queries of every connection to a database from now on. May be called again.

    Args:
        written: Is called with the tables, casefolded and without schema, that a transaction has
            written, once it is committed; ``"*"`` stands for any table. Outside ``atomic()`` it
            is called right behind each statement: without autocommit, that is before the commit.
            An error that it raises is logged.
    """
    journal().written = written
    uid = "django_routehandlers.caching.queries"
    connection_created.disconnect(dispatch_uid=uid)
    connection_created.connect(_watch_connection, dispatch_uid=uid)
    # First: what other receivers set on a new connection is to be seen, whichever app is ready before.
    connection_created.receivers.insert(0, connection_created.receivers.pop())
    for connection in cast("list[BaseDatabaseWrapper]", connections.all(initialized_only=True)):
        _watch_connection(connection=connection)


def _watch_connection(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    for wrapper in connection.execute_wrappers:
        if isinstance(wrapper, Wrapper):
            wrapper.reconnected()
            return
    # First: whoever leaves execute_wrapper(), inside of which the connection may be made, takes the last one away.
    connection.execute_wrappers.insert(0, Wrapper())


def _is_plain_read(sql: Any) -> bool:
    if not isinstance(sql, str) or not sql.startswith(("SELECT ", "select ")) or ";" in sql:
        return False
    # Only SELECT INTO writes. A search in capitals takes a tenth of one that ignores case.
    upper = sql.upper()
    return "INTO" not in upper and not may_change(upper)


def _tables(statement: Statement) -> frozenset[str]:
    """Return the tables of a statement, as far as they hold the project's data."""
    if statement.kind == "anything":
        return frozenset({ANY_TABLE})
    return (statement.names | (statement.words & current_schema().tables)) - cache_tables()


def _text(sql: Any, context: dict[str, Any]) -> str | None:
    """Return the text of a statement, which drivers take in other forms as well; ``None`` if it cannot be told."""
    if isinstance(sql, str):
        return sql
    try:
        # psycopg's composed statements, which need a connection to be quoted.
        return bytes(sql).decode() if isinstance(sql, bytes | bytearray) else sql.as_string(context["cursor"].cursor)
    except Exception:
        return None
