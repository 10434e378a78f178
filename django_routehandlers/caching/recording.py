"""
What the maker of an entry depended on: tags with their versions, tables among them, and limits.

A version is noted before the data that it stands for is read. An old version with new data
only costs a refresh; a new version with old data would be a wrong answer for ever.
"""

import threading
from collections.abc import Iterable

from django_routehandlers.caching.entries import Entry, Versions
from django_routehandlers.caching.keys import Key
from django_routehandlers.caching.stores import StoreError
from django_routehandlers.caching.tags import EVERY_WRITE, table_tags
from django_routehandlers.caching.versions import TagVersions


class Recording:
    """
    Notes of one fill. Threads of the fill may share it.

    Args:
        follows_tables: Whether the tables that queries read are noted.
        lifetime: Seconds, the freshness lifetime at most; ``None`` for no limit.
        outer: The recording within which this one is made.
    """

    def __init__(
        self,
        key: Key,
        versions: TagVersions,
        *,
        follows_tables: bool,
        lifetime: float | None,
        outer: "Recording | None" = None,
    ) -> None:
        self._key, self._outer = key, outer
        self._known, self._follows_tables = versions, follows_tables
        self._lock = threading.Lock()
        self._noted: dict[str, bytes] = {}
        self._tables: set[str] = set()
        self._snapshots: dict[object, bytes] = {}
        self.names: set[str] = set()
        """What the project calls the tags that were noted."""
        self.lifetime = lifetime
        """Seconds; ``None`` where nothing has set a limit."""
        self.spoilt: str | None = None
        """Why nothing may be kept of this fill; ``None`` where something may."""

    @property
    def versions(self) -> Versions:
        """What was noted so far."""
        with self._lock:
            return tuple(self._noted.items())

    @property
    def tables(self) -> frozenset[str]:
        """Tables that were read so far."""
        with self._lock:
            return frozenset(self._tables)

    def is_within(self, key: Key) -> bool:
        """Return whether *key* is what is being filled here, or what this fill is part of."""
        return key == self._key or (self._outer is not None and self._outer.is_within(key))

    def note(self, tags: Iterable[str]) -> None:
        """Note the versions of *tags*, before what they stand for is read. It may ask the store."""
        with self._lock:
            wanted = [tag for tag in tags if tag not in self._noted]
        if not wanted:
            return
        try:
            found = self._known.current(wanted)
        except StoreError:
            self.spoil("store")
            return
        with self._lock:
            for tag, version in found.items():
                self._noted.setdefault(tag, version)

    def read_tables(self, tables: frozenset[str], *, snapshot: object | None) -> None:
        """
        Note that *tables* are about to be read.

        Args:
            snapshot: What identifies the transaction in which they are, if they are in one: it may
                show the database as it was when the transaction first read from it.
        """
        if not self._follows_tables:
            with self._lock:
                # No tag: nobody wants to know who writes. But a session that was changed may show something else.
                self._tables.add("*")
        if not self._follows_tables or self.spoilt is not None:
            return
        with self._lock:
            new = tables - self._tables
            self._tables.update(new)
        if new:
            self.note(table_tags(new))
        if snapshot is not None and (new or snapshot not in self._snapshots):
            self._check_snapshot(snapshot)

    def _check_snapshot(self, snapshot: object) -> None:
        try:
            if (version := self._snapshots.get(snapshot)) is None:
                self._snapshots[snapshot] = self._known.current([EVERY_WRITE])[EVERY_WRITE]
            elif not self._known.verify([(EVERY_WRITE, version)], max_age=0.0):
                # A table that was written since may be seen as it was before, with its new version.
                self.spoil("snapshot")
        except StoreError:
            self.spoil("store")

    def spoil(self, reason: str) -> None:
        """Say that nothing may be kept of this fill; the first reason counts."""
        self.spoilt = self.spoilt or reason

    def limit(self, lifetime: float | None) -> None:
        """Shorten the lifetime to that of something the fill has used."""
        with self._lock:
            if lifetime is not None and (self.lifetime is None or lifetime < self.lifetime):
                self.lifetime = lifetime

    def uses(self, entry: Entry, now: float) -> bool:
        """
        Depend on what *entry* depends on, and on what is left of its lifetime.

        Returns:
            Whether it may be used: what is stale would leave nothing of the lifetime of this fill.
        """
        if not entry.is_fresh(now):
            return False
        left = None if entry.lifetime is None else entry.lifetime - entry.age_now(now)
        self.include(entry.versions, entry.tables, left, entry.names)
        return True

    def include(
        self, versions: Versions, tables: frozenset[str], lifetime: float | None, names: Iterable[str] = ()
    ) -> None:
        """Take over what an entry that the fill has used depends on, and what is left of its lifetime."""
        with self._lock:
            for tag, version in versions:
                if self._noted.setdefault(tag, version) != version:
                    # One of the two is out of date, and nobody can tell which.
                    self.spoilt = self.spoilt or "invalidated"
            self._tables.update(tables)
            self.names.update(names)
        self.limit(lifetime)
