"""
Turn the writes of a transaction into one message when it is committed, and none when it is not.

Until then they are known as uncommitted: what the same connection reads from these tables is
nothing that anybody else may see.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_routehandlers.caching.statements import ANY_TABLE

_NO_TABLES: frozenset[str] = frozenset()


class Transaction:
    """
    An outermost atomic block of a connection, and what was written in it.

    It is its own callback for the commit. There is none in the transactions around the tests of
    a ``TestCase``: they are never committed, and their tests count callbacks.

    Args:
        first_seen_by: Whatever was recorded when the first statement was seen.
    """

    def __init__(self, connection: BaseDatabaseWrapper, first_seen_by: object) -> None:
        self._connection = weakref.ref(connection)
        self._thread = threading.current_thread()
        self._block: object = next(iter(connection.atomic_blocks), None)
        self.first_seen_by = first_seen_by
        self.is_of_tests: bool = getattr(self._block, "_from_testcase", False)
        """Whether it is the transaction around the tests of a ``TestCase``."""
        # The open savepoints, outermost first, and what was written since each. Replaced, never
        # changed: other threads may look.
        self._levels: tuple[tuple[str, frozenset[str]], ...] = (("", _NO_TABLES),)
        if not self.is_of_tests:
            connection.on_commit(self)
            hooks = connection.run_on_commit
            # First: behind a callback that fails no other one is called, and the data has changed all
            # the same. Without savepoints: what is rolled back to one is followed here.
            hooks.insert(0, (set(), *hooks[-1][1:]))
            hooks.pop()

    def __call__(self) -> None:
        """Tell of what was written: the transaction is committed."""
        self.tell()

    @property
    def tables(self) -> frozenset[str]:
        """What was written and is not rolled back; of another thread's transaction, what it was a moment ago."""
        return _NO_TABLES.union(*(tables for _, tables in self._levels))

    def is_open_on(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether it is the transaction that *connection* is in."""
        blocks = connection.atomic_blocks
        if self._connection() is not connection or not blocks or blocks[0] is not self._block:
            return False
        if self.is_of_tests:
            return not connection.closed_in_transaction
        # A block may be entered again, as that of a decorator is. The callbacks are those of one transaction.
        hooks = connection.run_on_commit
        return (bool(hooks) and hooks[0][1] is self) or any(hook[1] is self for hook in hooks)

    def is_open(self) -> bool:
        """Return whether it has neither been committed nor rolled back, nor lost its connection or thread."""
        connection = self._connection()
        return connection is not None and _is_in_use(connection, self._thread) and self.is_open_on(connection)

    def add(self, tables: frozenset[str], savepoints: Sequence[str | None]) -> None:
        """Note that *tables* were written while *savepoints* were open, outermost first."""
        self._follow([savepoint for savepoint in savepoints if savepoint is not None])
        new = tables.difference(*(known for _, known in self._levels))
        if new:
            *outer, (savepoint, known) = self._levels
            is_first = not any(known for _, known in self._levels)
            self._levels = (*outer, (savepoint, known | new))
            if is_first:
                journal().open(self)

    def roll_back_to(self, savepoint: str) -> None:
        """Forget what was written since *savepoint*."""
        for index, (name, _) in enumerate(self._levels):
            if name == savepoint:
                self._levels = self._levels[:index]
                return

    def set_savepoint(self, savepoint: str) -> None:
        """Note that *savepoint* is set, perhaps again: nobody rolls back to an earlier one of its name any more."""
        for index, (name, _) in enumerate(self._levels):
            if name == savepoint:
                *outer, (below, tables) = self._levels[:index]
                released = (tables for _, tables in self._levels[index:])
                self._levels = (*outer, (below, tables.union(*released)))
                return

    def tell(self) -> None:
        """Tell of what was written so far."""
        if tables := self.tables:
            journal().tell(tables)

    def _follow(self, savepoints: Sequence[str]) -> None:
        levels = self._levels
        # One that is open no more was released, or rolling back to it would have been seen.
        is_known = [name for name, _ in levels[1:]] == savepoints[: len(levels) - 1]
        while not is_known:
            *outer, (below, tables), (_, released) = levels
            levels = (*outer, (below, tables | released))
            is_known = [name for name, _ in levels[1:]] == savepoints[: len(levels) - 1]
        self._levels = (*levels, *((name, _NO_TABLES) for name in savepoints[len(levels) - 1 :]))


class TransactionByHand:
    """
    What statements such as BEGIN and COMMIT make of a connection outside of atomic blocks.

    There is one for each connection, begun or not.
    """

    def __init__(self) -> None:
        self._writer: Callable[[], BaseDatabaseWrapper | None] = _nobody
        self._thread = threading.current_thread()
        self._has_begun = False
        self.tables = _NO_TABLES
        """What was written in it, some of which may have been rolled back."""

    def is_begun(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether *connection*, outside of atomic blocks, is in a transaction all the same."""
        driver: Any = connection.connection
        # The driver knows best, where it knows: sqlite3's, and those of PostgreSQL, whose 0 stands for no transaction.
        known: object = getattr(driver, "in_transaction", None)
        if known is None:
            known = getattr(getattr(driver, "info", None), "transaction_status", None)
        return self._has_begun if known is None else bool(known)

    def is_open_on(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether *connection* has written something in it, and is not known to have ended it."""
        return bool(self.tables) and self._writer() is connection and connection.connection is not None

    def is_open(self) -> bool:
        """Return whether it has written something, and has lost neither its connection nor its thread."""
        connection = self._writer()
        return connection is not None and _is_in_use(connection, self._thread) and self.is_open_on(connection)

    def add(self, connection: BaseDatabaseWrapper, tables: frozenset[str]) -> None:
        """Note that *connection* has written *tables*, and tell of it at once: not every commit is seen."""
        journal().tell(tables)
        if self.is_begun(connection) and not tables <= self.tables:
            self._writer, self._thread = weakref.ref(connection), threading.current_thread()
            self.tables |= tables
            journal().open(self)

    def follow(self, connection: BaseDatabaseWrapper, *, begins: bool | None, commits: bool) -> None:
        """
        Note that *connection* has executed a statement, be it with an error, and tell of what that has committed.

        Args:
            begins: Whether a transaction is open behind it; ``None`` where it neither begins nor ends one.
            commits: Whether it may have committed one.
        """
        if begins is not None:
            self._has_begun = begins
        if not self.tables:
            return
        tables, is_over = self.tables, not self.is_begun(connection)
        if is_over:
            self.tables = _NO_TABLES
        # One whose end was not seen, by ``connection.commit()`` perhaps, may have been committed.
        if commits or (is_over and begins is None):
            journal().tell(tables)

    def forget(self) -> None:
        """Forget it: its connection is lost."""
        self._has_begun, self.tables = False, _NO_TABLES


Writer: TypeAlias = Transaction | TransactionByHand


def _nobody() -> None:
    return None


def _is_in_use(connection: BaseDatabaseWrapper, thread: threading.Thread) -> bool:
    return thread.is_alive() or connection.allow_thread_sharing


def _ignore(tables: frozenset[str]) -> None:
    pass


class Journal:
    """The transactions of this process that have written something, and who is told when they are committed."""

    def __init__(self) -> None:
        self.written: Callable[[frozenset[str]], None] = _ignore
        """Is called with the tables that were written, once that is committed."""
        self._lock = threading.Lock()
        self._open: tuple[Writer, ...] = ()

    def open(self, transaction: Writer) -> None:
        """Add a transaction that has written something."""
        with self._lock:
            self._open = (*(other for other in self._open if other is not transaction and other.is_open()), transaction)

    def writers(self, tables: frozenset[str]) -> Sequence[Writer]:
        """Return the open transactions that have written one of *tables*, or may have."""
        # Without a lock where nothing is open, which is where most who ask find themselves.
        if not self._open:
            return ()
        return [writer for writer in self.still_open() if shares(writer.tables, tables)]

    def still_open(self) -> Sequence[Writer]:
        """Return the open transactions that have written something."""
        with self._lock:
            self._open = found = tuple(transaction for transaction in self._open if transaction.is_open())
        return found

    def tell(self, tables: frozenset[str]) -> None:
        """Tell that *tables* were written. An error is logged: what was committed is committed."""
        try:
            self.written(tables)
        except Exception:
            logging.getLogger("django_routehandlers.cache").exception(
                "The route cache could not be told of a write to %s: it may serve what was there before until "
                "its lifetime ends. Call revalidate_tag() or clear the cache.",
                ", ".join(sorted(tables)),
            )


@lru_cache(maxsize=1)
def journal() -> Journal:
    """Return the journal of this process."""
    return Journal()


def shares(written: frozenset[str], tables: frozenset[str]) -> bool:
    """Return whether one of *tables* was written, or may have been."""
    return ANY_TABLE in written or not written.isdisjoint(tables)


def may_be_uncommitted(tables: frozenset[str]) -> bool:
    """Return whether a transaction of this process, in whatever thread, has written one of *tables* and is open."""
    return bool(journal().writers(tables))


def is_uncommitted(tables: frozenset[str]) -> bool:
    """Return whether a connection of this thread has written one of *tables* and not committed it."""
    writers = journal().writers(tables)
    if not writers:
        return False
    own: Iterable[BaseDatabaseWrapper] = connections.all(initialized_only=True)
    return any(writer.is_open_on(connection) for writer in writers for connection in own)


def uncommitted_tables() -> frozenset[str]:
    """Return the tables that open transactions of this process have written, ``"*"`` for any."""
    return _NO_TABLES.union(*(writer.tables for writer in journal().still_open()))
