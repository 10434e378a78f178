"""
Turn tags into versions, and what has changed into new versions.

A version is eight random bytes that a store keeps for a tag. What was made under one version is
valid while the tag still has it, and never again: a version that is lost comes back as another.
A store whose server may come back with what it held earlier has epochs, and what was made in one
is valid in no other.
"""

import hashlib
import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from time import sleep

from django_routehandlers.caching.django_store import LocMemStore
from django_routehandlers.caching.known_versions import ALL, KnownVersions
from django_routehandlers.caching.settling import Settling
from django_routehandlers.caching.stores import EPOCH, Store, StoreError
from django_routehandlers.clocks import monotonic

__all__ = ["ALL", "TagVersions"]

VERSION_LIFETIME = 30 * 24 * 3600.0
"""Seconds for which a store keeps a version that nobody changes."""
_LIFETIME_OF_ALL = 10 * 365 * 24 * 3600.0  # all entries end with the one that they share
# Data made under an old version is merely found to be invalid, so the maker of an entry need not ask again.
_GOOD_FOR_MAKERS = 1.0  # seconds
_SETTLE_PAUSE = 0.25  # seconds between attempts to settle while a store refuses
_WRITE_ATTEMPTS = 3
# A key that is there for as long as the memory of this process has not been cleared.
_ERA = "v:era"

Pairs = Sequence[tuple[str, bytes]]


class TagVersions:
    """
    Versions of tags in one store. Usable from any thread.

    Args:
        max_age: Seconds for which a version that was read is taken to be the current one; 0: never.
            A store of this process alone is not asked again, as nobody else can change it.
        settles_behind: Whether a thread tells the store what is owed to it, besides those who ask for
            versions. ``close()`` ends it.
        clock: Seconds from any beginning, as of ``clocks.monotonic()``.
    """

    def __init__(
        self,
        store: Store,
        *,
        max_age: float,
        settles_behind: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._remembers = max_age > 0
        self._max_age = math.inf if isinstance(store, LocMemStore) and max_age > 0 else max_age
        # Memory alone is enough for a store of this process, but for one thing: it may be cleared by hand.
        self._watch = store.watch(_ERA) if isinstance(store, LocMemStore) else None
        self._era: object = None
        self._known = KnownVersions()
        # Noted with the versions of every entry, and read with those of any.
        self._epoch = (EPOCH,) if store.has_epochs else ()
        self._settle_at = -math.inf
        # Another thread has another database connection, which somebody would have to close.
        self._settles_behind = settles_behind and not store.needs_request_thread
        self._settling = Settling(self._settle, lambda: bool(self._known.owed), _SETTLE_PAUSE)
        store.on_recovery(self._settle)

    @property
    def owed(self) -> frozenset[str]:
        """Tags of which the store has still to be told."""
        return self._known.debts()

    def is_valid(self, pairs: Pairs, now: float) -> bool:
        """
        Return whether memory alone tells that every tag still has its version.

        ``False`` where it cannot tell: ``verify()`` then asks the store.

        Args:
            now: Seconds of the clock, not earlier than the request.
        """
        if not self._remembers or (self._watch is not None and self._watch() != self._era):
            return False
        known = self._known.seen
        oldest = now - self._max_age
        for tag, version in pairs:
            seen = known.get(tag)
            if seen is None or seen[0] != version or seen[1] <= oldest:
                return False
        return True

    def verify(self, pairs: Pairs, *, max_age: float | None = None) -> bool:
        """
        Return whether every tag has its version now, asking the store once for what is not known well enough.

        Inside a transaction that the store takes part in, only memory is asked: what the store says
        there may be as old as the transaction.

        Args:
            max_age: Seconds for which a version that was read is good enough here; ``None``: as everywhere.

        Raises:
            StoreError: The store cannot tell.
        """
        if not self._settled(tag for tag, _ in pairs):
            return False
        self._check_era()
        trusted = self._max_age if max_age is None or self._watch is not None else min(max_age, self._max_age)
        oldest = self._clock() - trusted
        known = self._known
        doubtful = [tag for tag, version in pairs if trusted <= 0 or not known.has(tag, version, oldest)]
        if not doubtful:
            return True
        if self._store.is_in_transaction:
            return False
        found = self._read(doubtful)
        asked = {*doubtful, *self._epoch}
        return all(found.get(tag) == version for tag, version in pairs if tag in asked)

    def current(self, tags: Iterable[str]) -> dict[str, bytes]:
        """
        Return a version of each tag, for an entry whose data is read afterwards, and the epoch, where there are some.

        It may be an old one; then the entry is not valid. A tag without a version is given one.

        Raises:
            StoreError: The store cannot tell, or has not been told yet that a tag has changed.
        """
        tags = list(dict.fromkeys(tags))
        if not self._settled(tags):
            raise StoreError("A change that the store refuses has still to be told to it.")
        self._check_era()
        oldest = self._clock() - max(self._max_age, _GOOD_FOR_MAKERS)
        tags += self._epoch
        versions = self._known.get(tags, oldest)
        for find in (self._read, self._create, self._read, self._write):
            missing = [tag for tag in tags if tag not in versions]
            if not missing:
                break
            # Another process may have created one in between, or left there what is no version. Of two
            # epochs the first counts: what it does not cover makes an entry that is not valid.
            versions = {**find(missing), **versions}
        return versions

    def bump(self, tags: Iterable[str]) -> None:
        """
        Give each tag a new version, so that nothing made under another is ever valid again.

        When it returns, this is so in this process, and within ``max_age`` in all that share the store.

        Raises:
            StoreError: The store could not be told. In this process it is so all the same; the tags are
                owed to the store, which is told when it answers again.
        """
        if tags := list(dict.fromkeys(tags)):
            self._write(tags)

    def settle(self) -> None:
        """
        Tell the store what is owed to it, if anything is.

        ``verify()`` and ``current()`` do so themselves, and so does the recovery of a store.

        Raises:
            StoreError: It is still owed.
        """
        if not self._known.owed:
            return
        if self._clock() < self._settle_at:
            raise StoreError("A change that the store refused just now has still to be told to it.")
        self._settle()

    def close(self) -> None:
        """End the thread that settles. What is owed then is told by those who ask."""
        self._settling.close()

    def settle_within(self, seconds: float) -> bool:
        """
        Tell the store what is owed to it, again and again for so many seconds; return whether nothing is left.

        For the end of a process, which nobody comes after: a store that has failed is asked all the same.
        """
        until = self._clock() + seconds
        while self._known.owed:
            self._store.wake()
            with suppress(StoreError):
                self._settle()
                continue
            if self._clock() >= until:
                return False
            sleep(_SETTLE_PAUSE / 5)
        return True

    def _settle(self) -> None:
        try:
            if owed := self.owed:
                self._write(list(owed))
        except StoreError:
            self._settle_at = self._clock() + _SETTLE_PAUSE
            raise

    def _settled(self, tags: Iterable[str]) -> bool:
        """Return whether the store knows of all changes of *tags*, after telling it."""
        if not self._known.owed:
            return True
        try:
            self.settle()
        except StoreError:
            # A store that refuses to write may well answer about other tags.
            owed = self._known.owed
            return ALL not in owed and owed.isdisjoint(tags)
        return True

    def _read(self, tags: Sequence[str]) -> dict[str, bytes]:
        tags = list(dict.fromkeys((*tags, *self._epoch)))
        moment, read_at = self._known.moment, self._clock()
        keys = {tag: _key(tag) for tag in tags}
        found = self._store.get_many(list(keys.values()))
        versions = {tag: found[key] for tag, key in keys.items() if key in found}
        # What a transaction shows may be as old as itself, whatever the time is.
        if not self._store.is_in_transaction:
            self._known.learn(tags, versions, moment, read_at)
        return versions

    def _create(self, tags: Sequence[str]) -> dict[str, bytes]:
        moment, read_at = self._known.moment, self._clock()
        versions: dict[str, bytes] = {}
        for some in ([ALL] if ALL in tags else [], [tag for tag in tags if tag not in (ALL, EPOCH)]):
            values = {_key(tag): secrets.token_bytes(8) for tag in some}
            added = self._store.add_many(values, _lifetime(some)) if some else set[str]()
            versions.update((tag, values[key]) for tag in some if (key := _key(tag)) in added)
        self._known.learn(list(versions), versions, moment, read_at)
        return versions

    def _write(self, tags: Sequence[str]) -> dict[str, bytes]:
        """Give *tags* new versions: forget the old ones, tell the store, remember the new ones."""
        moment = self._known.change(tags)
        written_at = self._clock()
        try:
            versions = self._store_new(tags)
        except BaseException:
            self._known.owe(tags)
            if self._settles_behind:
                self._settling.start()
            raise
        self._known.end_change(versions, moment, written_at)
        return versions

    def _store_new(self, tags: Sequence[str]) -> dict[str, bytes]:
        before: dict[str, bytes] = {}
        keys = [_key(tag) for tag in tags]
        for _ in range(_WRITE_ATTEMPTS):
            # New ones for each attempt: one that was there for a moment may already have been used.
            values = {key: secrets.token_bytes(8) for key in keys}
            self._store.set_many(values, _lifetime(tags), patiently=True)
            found = values if self._store.confirms_writes else self._store.get_many(keys)
            if all(_is_new(found.get(key), value, before.get(key)) for key, value in values.items()):
                return {tag: found[key] for tag, key in zip(tags, keys, strict=True)}
            before = found
        raise StoreError("The store does not keep the new versions of tags.")

    def _check_era(self) -> None:
        """Forget what was known of a store that has been cleared."""
        # It is read for the reading's sake: of the entries of a LocMemCache the longest unused are culled.
        if self._watch is None or (self._store.get_many((_ERA,)) and self._watch() == self._era):
            return
        self._store.add(_ERA, secrets.token_bytes(8), VERSION_LIFETIME)
        era = self._watch()
        self._known.forget()
        self._era = era


def _is_new(found: bytes | None, written: bytes, before: bytes | None) -> bool:
    # Another process's is as good, if it was not there before.
    return found == written or (None not in (found, before) and found != before)


def _lifetime(tags: Sequence[str]) -> float:
    return _LIFETIME_OF_ALL if ALL in tags else VERSION_LIFETIME


def _key(tag: str) -> str:
    if tag == EPOCH:
        return EPOCH
    # Tags are any text; keys are short, of few characters, and lone surrogates have no UTF-8.
    return f"v:{hashlib.blake2b(tag.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
