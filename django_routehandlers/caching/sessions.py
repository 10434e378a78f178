"""
Turn changes of the sessions of connections into whether a thread may see other rows than everybody.

A session may be somebody's: its rows are those of a user or a tenant. What is read in it is for
nobody else, and what was read for everybody is not for it.
"""

import threading
import weakref
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_routehandlers.caching.session_changes import BEYOND_SETTINGS, EVERY_SETTING, EVERYTHING
from django_routehandlers.caching.transactions import Transaction, is_uncommitted, may_be_uncommitted

_NOTHING: frozenset[str] = frozenset()


class Session:
    """
    The session of one connection that was changed.

    It goes by the driver's own connection: one that comes out of a pool is as the last request left it.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._holder = weakref.ref(connection)
        self._driver, self._is_weak = _reference(_identity(connection))
        self.names: frozenset[str] = _NOTHING
        """What is set until the connection is closed."""
        self.transaction: Transaction | None = None
        """The transaction for whose length anything is set."""

    def is_of(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether it is the session of *connection*, changed or not."""
        return connection.connection is not None and self._driver() is _identity(connection)

    def is_changed_on(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether it is the session of *connection* and something is set at this moment."""
        if not self.is_of(connection):
            return False
        return bool(self.names) or (self.transaction is not None and self.transaction.is_open_on(connection))

    def is_changed(self) -> bool:
        """Return whether something is set, and somebody may come to read in it."""
        driver, holder = self._driver(), self._holder()
        if driver is None or getattr(driver, "closed", False):
            return False
        # Of a driver whose connections cannot be referred to weakly, nothing else tells that one is closed.
        if not self._is_weak and (holder is None or not self.is_of(holder)):
            return False
        return bool(self.names) or (self.transaction is not None and self.transaction.is_open())


class Sessions:
    """The sessions of this process that were changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed: tuple[Session, ...] = ()

    def set(self, connection: BaseDatabaseWrapper, names: frozenset[str], transaction: Transaction | None) -> None:
        """
        Note that something is set in the session of *connection*.

        Args:
            names: What is set until the connection is closed.
            transaction: That of the connection, where something is set for its length.
        """
        with self._lock:
            session = next((one for one in self._changed if one.is_of(connection)), None) or Session(connection)
            session.names |= names
            session.transaction = transaction or session.transaction
            self._changed = (*(one for one in self._changed if one is not session and one.is_changed()), session)

    def reset(self, connection: BaseDatabaseWrapper, names: frozenset[str]) -> None:
        """Note that *names* have their defaults again; ``"*"`` stands for all settings, ``"**"`` for all there is."""
        with self._lock:
            for session in self._changed:
                if not session.is_of(connection):
                    continue
                if EVERYTHING in names:
                    session.names = _NOTHING
                elif EVERY_SETTING in names:
                    session.names &= BEYOND_SETTINGS
                session.names -= names

    def may_be_changed(self) -> bool:
        """Return whether any session of this process is changed."""
        # Without a lock where none is, which is where most who ask find themselves.
        if not self._changed:
            return False
        with self._lock:
            self._changed = tuple(session for session in self._changed if session.is_changed())
            return bool(self._changed)

    def is_changed(self, connections: Iterable[BaseDatabaseWrapper]) -> bool:
        """Return whether the session of one of *connections* is changed."""
        changed = self._changed
        return bool(changed) and any(one.is_changed_on(connection) for connection in connections for one in changed)


@lru_cache(maxsize=1)
def sessions() -> Sessions:
    """Return the sessions of this process."""
    return Sessions()


def may_see_otherwise(tables: frozenset[str]) -> bool:
    """Return whether somebody in this process may see other rows of *tables* than those that everybody sees."""
    return bool(tables) and (sessions().may_be_changed() or may_be_uncommitted(tables))


def why_seen_otherwise(tables: frozenset[str]) -> str | None:
    """
    Return why this thread may see other rows of *tables* than those that everybody sees; ``None`` where it does not.

    Returns:
        ``"uncommitted"``: it has written some. ``"session"``: the session of a connection was changed.
    """
    if not may_see_otherwise(tables):
        return None
    if is_uncommitted(tables):
        return "uncommitted"
    return "session" if sessions().is_changed(connections.all(initialized_only=True)) else None


def _identity(connection: BaseDatabaseWrapper) -> Any:
    """Return what a session goes by: the driver's connection."""
    pool: Any = getattr(connection, "pool", None) if connection.vendor == "oracle" else None
    # Oracle's pools hand out the same session as another object each time.
    return pool or connection.connection


def _reference(driver: Any) -> tuple[Callable[[], Any], bool]:
    """Return what returns *driver* while there is one, and whether it lets go of it."""
    try:
        return weakref.ref(driver), True
    except TypeError:
        # Those of sqlite3 are such.
        return lambda: driver, False
