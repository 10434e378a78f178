"""
Versions of tags: what was invalidated is never valid again, whatever happens at the same time.

The short form tries 400 histories, ``RH_PROOF=full`` 5,000.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from cache_servers import MemcachedServer, RedisServer, TCPProxy
from clock import Clock, eventually
from django_routehandlers.caching import known_versions as known_versions_module
from django_routehandlers.caching.django_store import LocMemStore
from django_routehandlers.caching.known_versions import KnownVersions
from django_routehandlers.caching.stores import EPOCH, NullStore, Store, StoreError, open_store
from django_routehandlers.caching.versions import ALL, TagVersions

BACKENDS = "django.core.cache.backends"
HISTORIES = 5000 if os.environ.get("RH_PROOF") == "full" else 400


class MemoryStore:
    """A shared store that fails when it is told to, and during whose calls other things happen."""

    is_shared = blocks = confirms_writes = True
    is_void = needs_request_thread = has_epochs = is_in_transaction = False

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.reads: list[int] = []
        self.writes: list[int] = []
        self.fails_to_read = self.fails_to_write = self.drops = False
        self.during: Callable[[], object] = lambda: None
        self.recovered: list[Callable[[], object]] = []
        self.woken = 0
        self.epoch = b"epoch 00"

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        if self.fails_to_read:
            raise StoreError("down")
        self.reads.append(len(keys))
        found = {key: self.values[key] for key in keys if key in self.values}
        if self.has_epochs and EPOCH in keys:
            found[EPOCH] = self.epoch
        self.during()
        return found

    def set_many(self, values: Mapping[str, bytes], lifetime: float | None, *, patiently: bool = False) -> None:
        self.during()
        if self.fails_to_write:
            raise StoreError("read-only")
        self.writes.append(len(values))
        if not self.drops:
            self.values.update(values)
        self.during()

    def add(self, key: str, value: bytes, lifetime: float) -> bool:
        self.during()
        if self.fails_to_write:
            raise StoreError("read-only")
        return self.values.setdefault(key, value) is value

    def add_many(self, values: Mapping[str, bytes], lifetime: float) -> set[str]:
        return {key for key, value in values.items() if self.add(key, value, lifetime)}

    def remove_own(self, key: str, value: bytes) -> None:
        raise NotImplementedError

    def on_recovery(self, callback: Callable[[], object]) -> None:
        self.recovered.append(callback)

    def wake(self) -> None:
        self.woken += 1

    def close(self) -> None:
        raise NotImplementedError


@dataclass
class Site:
    """Two processes that share a store."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: Any = field(default_factory=Clock)
    max_age: float = 1.0

    def __post_init__(self) -> None:
        self.here, self.there = (TagVersions(self.store, max_age=self.max_age, clock=self.clock) for _ in range(2))

    def is_valid(self, versions: TagVersions, pairs: Sequence[tuple[str, bytes]]) -> bool:
        """Return whether memory alone is enough."""
        return versions.is_valid(pairs, self.clock.now)


@pytest.fixture
def site() -> Site:
    """Two processes that trust what they know for a second."""
    return Site()


def note(versions: TagVersions, *tags: str) -> list[tuple[str, bytes]]:
    """Return the tags with their versions, as an entry has them."""
    return list(versions.current(tags).items())


# Versions


def test_a_version_is_eight_random_bytes(site: Site) -> None:
    pairs = dict(note(site.here, "a", "b"))
    assert [len(version) for version in pairs.values()] == [8, 8]
    assert pairs["a"] != pairs["b"]


def test_tags_are_any_text(site: Site) -> None:
    tags = ["", "ä", "a b", "\ud800", "x" * 10_000, "table:Shop"]
    pairs = note(site.here, *tags)
    assert len({version for _, version in pairs}) == 6
    assert all(len(key) == 34 and key.isascii() and " " not in key for key in site.store.values)
    assert site.there.verify(pairs)


def test_all_processes_have_the_same_versions(site: Site) -> None:
    assert note(site.here, "a", "b") == note(site.there, "b", "a", "a")[::-1]


def test_a_tag_that_another_process_creates_meanwhile_has_that_version(site: Site) -> None:
    others: list[list[tuple[str, bytes]]] = []

    def meanwhile() -> None:
        site.store.during = lambda: None
        others.append(note(site.there, "a"))

    site.store.during = meanwhile
    assert note(site.here, "a") == others[0]


def test_nothing_is_asked_for_what_is_known(site: Site) -> None:
    pairs = note(site.here, "a", "b")
    site.store.reads.clear()
    assert (site.is_valid(site.here, pairs), site.here.verify(pairs), note(site.here, "a", "b")) == (True, True, pairs)
    assert site.store.reads == []


def test_what_is_too_old_is_asked_for_once(site: Site) -> None:
    pairs = note(site.here, "a", "b")
    site.clock.now += 1.0
    site.store.reads.clear()
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs), site.is_valid(site.here, pairs)] == [
        False,
        True,
        True,
    ]
    assert site.store.reads == [2]


def test_a_version_is_as_old_as_the_beginning_of_its_reading(site: Site) -> None:
    pairs = note(site.there, "a")

    def take_long() -> None:
        site.clock.now += 0.9

    site.store.during = take_long
    assert site.here.verify(pairs)
    site.store.during = lambda: None
    site.clock.now += 0.09
    assert site.is_valid(site.here, pairs)
    site.clock.now += 0.02
    assert not site.is_valid(site.here, pairs)


def test_an_entry_without_tags_is_valid(site: Site) -> None:
    assert (site.is_valid(site.here, []), site.here.verify([])) == (True, True)


# Changes


def test_a_change_counts_at_once_here_and_within_a_second_elsewhere(site: Site) -> None:
    """Invariants 40 and 42."""
    pairs = note(site.here, "a", "b")
    assert site.there.verify(pairs)
    site.here.bump(["b"])
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs)] == [False, False]
    site.clock.now += 1.0
    assert [site.is_valid(site.there, pairs), site.there.verify(pairs)] == [False, False]


def test_a_change_counts_at_once_everywhere_without_a_local_tier() -> None:
    """Invariant 42: ``LOCAL_TIER = False``."""
    site = Site(max_age=0)
    pairs = note(site.here, "a")
    assert [site.is_valid(site.there, pairs), site.there.verify(pairs)] == [False, True]
    site.here.bump(["a"])
    assert site.there.verify(pairs) is False


def test_a_reader_may_want_to_know_it_exactly(site: Site) -> None:
    pairs = note(site.here, "a")
    site.there.bump(["a"])
    assert [site.here.verify(pairs), site.here.verify(pairs, max_age=0.0)] == [True, False]


def test_changes_are_told_to_the_store_together(site: Site) -> None:
    site.here.bump(["a", "b", "a", "c"])
    site.here.bump([])
    assert site.store.writes == [3]


def test_what_is_made_after_a_change_is_valid(site: Site) -> None:
    site.here.bump(["a"])
    pairs = note(site.here, "a")
    assert [site.is_valid(site.here, pairs), site.there.verify(pairs)] == [True, True]


def test_the_maker_of_an_entry_asks_again_for_what_may_have_changed(site: Site) -> None:
    note(site.here, "a")
    site.there.bump(["a"])
    site.clock.now += 1.0
    assert site.here.verify(note(site.here, "a"))


def test_a_reading_that_began_before_a_change_does_not_undo_it(site: Site) -> None:
    """Invariant 40: the change comes between the store's answer and its use."""
    pairs = note(site.there, "a")

    def meanwhile() -> None:
        site.store.during = lambda: None
        site.here.bump(["a"])

    site.store.during = meanwhile
    # This reader was first: what it says was true when it asked.
    assert site.here.verify(pairs)
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs)] == [False, False]


def test_a_reading_that_began_earlier_does_not_replace_a_later_one(site: Site) -> None:
    old = note(site.there, "a")

    def meanwhile() -> None:
        site.store.during = lambda: None
        site.there.bump(["a"])
        site.clock.now += 0.1
        assert site.here.verify(note(site.there, "a"))

    site.store.during = meanwhile
    site.here.verify(old)
    assert not site.is_valid(site.here, old)
    assert site.is_valid(site.here, note(site.there, "a"))


def test_of_two_changes_at_once_the_first_does_not_undo_the_second(site: Site) -> None:
    """Invariant 40: a version that was there between two changes is not taken for the last one."""
    pairs = note_between_two_changes(site, site.here)
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs)] == [False, False]


def note_between_two_changes(site: Site, second: TagVersions) -> list[tuple[str, bytes]]:
    """Return what is noted elsewhere when a change is in the store; then *second* makes another, and the first ends."""
    pairs: list[tuple[str, bytes]] = []

    def before() -> None:
        site.store.during = written

    def written() -> None:
        site.store.during = lambda: None
        pairs.extend(note(site.there, "a"))
        second.bump(["a"])

    site.store.during = before
    site.here.bump(["a"])
    return pairs


# Loss


def test_a_version_that_is_lost_is_not_valid_and_comes_back_as_another(site: Site) -> None:
    """Invariant 41: missing is not equal to missing."""
    pairs = note(site.here, "a", "b")
    site.store.values.clear()
    site.clock.now += 1.0
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs)] == [False, False]
    again = note(site.here, "a", "b")
    assert set(again).isdisjoint(pairs)
    assert [site.here.verify(again), site.there.verify(again), site.here.verify(pairs)] == [True, True, False]


def test_a_value_in_the_place_of_a_version_is_replaced() -> None:
    """Invariant 17: the store has something there, and cannot read it."""

    class Unreadable(MemoryStore):
        def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
            return {key: value for key, value in super().get_many(keys).items() if value != b"foreign"}

    site = Site(Unreadable())
    note(site.here, "a")
    (key,) = site.store.values
    site.store.values[key] = b"foreign"
    assert site.there.verify(note(site.there, "a"))


def test_what_is_known_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 24: tags that carry what a client sent do not fill memory."""
    monkeypatch.setattr(known_versions_module, "_MAX_TAGS", 50)
    pairs = note(site.here, *(str(number) for number in range(40)))
    site.here.bump(f"changed {number}" for number in range(40))
    for number in range(200):
        note(site.here, f"client {number}")
        site.here.bump([f"changed too {number}"])
    sizes = [len(part) for part in (site.here._known.seen, site.here._known._changed)]
    assert max(sizes) <= 60
    assert site.here.verify(pairs)


def test_a_reading_does_not_undo_a_change_that_was_forgotten_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_versions_module, "_MAX_TAGS", 5)
    pairs = note(site.there, "a")

    def meanwhile() -> None:
        site.store.during = lambda: None
        site.here.bump(["a"])
        for number in range(20):
            site.here.bump([str(number)])

    site.store.during = meanwhile
    site.here.verify(pairs)
    assert not site.is_valid(site.here, pairs)


# A store that fails


def test_a_change_that_cannot_be_told_is_raised_and_counts_here(site: Site) -> None:
    """Invariant 45: a failed invalidation is never swallowed, and this process serves nothing older."""
    pairs = note(site.here, "a")
    other = note(site.here, "b")
    site.store.fails_to_write = True
    with pytest.raises(StoreError):
        site.here.bump(["a"])
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs), site.here.verify(other)] == [False, False, True]
    with pytest.raises(StoreError):
        note(site.here, "a")


def test_what_was_read_while_a_change_failed_is_forgotten(site: Site) -> None:
    """Invariant 45: the old version is in the store until the change is there, and is read once more."""
    pairs = note(site.there, "a")

    def meanwhile() -> None:
        site.store.during = lambda: None
        assert site.here.verify(pairs)
        assert site.is_valid(site.here, pairs)

    site.store.fails_to_write = True
    site.store.during = meanwhile
    with pytest.raises(StoreError):
        site.here.bump(["a"])
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs)] == [False, False]


def test_what_is_read_while_it_becomes_owed_is_not_remembered(site: Site) -> None:
    """Invariant 45: somebody who asks has passed the place where debts are settled, and reads only then."""
    pairs = note(site.there, "a")

    class Moment(Clock):
        """Looks at the time, and a change fails."""

        def __call__(self) -> float:
            site.here._clock = site.clock
            site.store.fails_to_write = True
            with pytest.raises(StoreError):
                site.here.bump(["a"])
            return self.now

    site.here._clock = Moment()
    assert site.here.verify(pairs)
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs)] == [False, False]


def test_what_is_owed_is_told_before_anything_is_read(site: Site) -> None:
    """Invariant 45: others learn of it as soon as this process reaches the store again."""
    pairs = note(site.here, "a")
    site.store.fails_to_write = True
    with pytest.raises(StoreError):
        site.here.bump(["a"])
    assert site.there.verify(pairs)
    site.store.fails_to_write = False
    assert note(site.here, "a") != pairs
    site.clock.now += 1.0
    assert site.there.verify(pairs) is False


def test_what_is_owed_is_told_when_the_store_has_recovered(site: Site) -> None:
    pairs = note(site.here, "a")
    site.store.fails_to_write = True
    with pytest.raises(StoreError):
        site.here.bump(["a"])
    with pytest.raises(StoreError):
        site.here.settle()
    site.store.fails_to_write = False
    site.store.recovered[0]()
    assert site.there.verify(pairs) is False
    site.store.writes.clear()
    site.here.settle()
    assert site.store.writes == []


def test_a_store_that_refuses_is_not_asked_by_each_request(site: Site) -> None:
    site.store.fails_to_write = True
    attempts: list[float] = []
    site.store.during = lambda: attempts.append(site.clock.now)
    for _ in range(101):
        with pytest.raises(StoreError):
            site.here.bump(["a"]) if not attempts else site.here.settle()
        site.clock.now += 0.01
    assert len(attempts) == 5


def test_more_debts_than_can_be_remembered_become_one_for_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 45: then every entry is invalid, as each has the tag of all."""
    monkeypatch.setattr(known_versions_module, "_MAX_TAGS", 10)
    pairs = note(site.here, ALL, "b")
    site.store.fails_to_write = True
    for number in range(20):
        with pytest.raises(StoreError):
            site.here.bump([f"a{number}"])
    assert [site.is_valid(site.here, pairs), site.here.verify(pairs)] == [False, False]
    site.store.fails_to_write = False
    site.clock.now += 1.0
    assert [site.here.verify(pairs), site.there.verify(pairs)] == [False, False]
    assert site.here.verify(note(site.here, ALL, "b"))


def test_a_store_that_does_not_answer_is_an_error(site: Site) -> None:
    pairs = note(site.here, "a")
    site.store.fails_to_read = True
    site.clock.now += 1.0
    for ask in (lambda: site.here.verify(pairs), lambda: note(site.here, "a")):
        with pytest.raises(StoreError):
            ask()
    assert not site.is_valid(site.here, pairs)


def test_a_store_that_keeps_nothing_without_a_word_is_an_error() -> None:
    """Invariant 45: Django's database backend fails to write in silence."""
    site = Site()
    site.store.confirms_writes = False
    site.here.bump(["a"])
    site.store.drops = True
    with pytest.raises(StoreError):
        site.here.bump(["a"])


def test_a_version_that_was_there_for_a_moment_does_not_come_back() -> None:
    """Invariant 40: a write that is tried again is of another version, as the first may be in an entry."""
    site = Site()
    site.store.confirms_writes = False
    pairs = note_between_two_changes(site, site.there)
    assert [site.here.verify(pairs), site.there.verify(pairs, max_age=0.0)] == [False, False]


# Debts at the end of a process, and behind a process that nobody asks


def test_what_is_owed_at_the_end_is_told_though_the_store_has_failed(site: Site) -> None:
    """Invariant 45: nobody comes later who would find out that the store answers again."""
    pairs = note(site.here, "a")
    site.store.fails_to_write = True
    with pytest.raises(StoreError):
        site.here.bump(["a"])
    assert (site.here.owed, site.store.woken) == ({"a"}, 0)
    site.store.fails_to_write = False
    assert site.here.settle_within(5)
    assert (site.here.owed, site.store.woken) == (frozenset(), 1)
    assert site.there.verify(pairs, max_age=0.0) is False


def test_the_end_is_not_put_off_for_longer_than_was_said() -> None:
    site = Site(clock=time.monotonic)
    assert site.here.settle_within(5)
    site.store.fails_to_write = True
    with pytest.raises(StoreError):
        site.here.bump(["a"])
    began = time.monotonic()
    assert site.here.settle_within(0.3) is False
    assert 0.3 <= time.monotonic() - began < 1
    assert site.here.owed == {"a"}


def test_what_a_process_owes_that_nobody_asks_is_told() -> None:
    """Invariant 45: an idle process has changed something, and nothing comes that would have it settle."""
    store = MemoryStore()
    here, there = TagVersions(store, max_age=1, settles_behind=True), TagVersions(store, max_age=0)
    for _ in range(2):
        pairs = note(there, "a")
        store.fails_to_write = True
        with pytest.raises(StoreError):
            here.bump(["a"])
        assert there.verify(pairs)
        store.fails_to_write = False
        eventually(lambda pairs=pairs: not there.verify(pairs))
        eventually(lambda: not is_settling())
    store.fails_to_write = True
    with pytest.raises(StoreError):
        here.bump(["a"])
    assert is_settling()
    here.close()
    eventually(lambda: not is_settling())


def is_settling() -> bool:
    """Return whether a thread settles."""
    return any(thread.name == "cache-settling" for thread in threading.enumerate())


# A store whose server comes back with what it held earlier


@pytest.fixture
def epochs() -> Site:
    """Two processes whose store has epochs."""
    return Site(LosingStore())


def test_an_entry_has_the_epoch_in_which_it_was_made(epochs: Site) -> None:
    assert note(epochs.here, "a")[-1] == (EPOCH, b"epoch 00")
    assert set(epochs.store.values) == {key for key in epochs.store.values if key.startswith("v:")}


def test_nothing_of_an_earlier_epoch_is_valid(epochs: Site) -> None:
    """Invariant 41: not even what the store has as it was."""
    assert isinstance(epochs.store, LosingStore)
    pairs = note(epochs.here, "a")
    epochs.store.save()
    epochs.here.bump(["a"])
    epochs.store.crash()
    epochs.clock.now += 1.0
    assert [epochs.here.verify(pairs), epochs.there.verify(pairs)] == [False, False]
    assert [epochs.is_valid(epochs.here, pairs), epochs.is_valid(epochs.there, pairs)] == [False, False]
    again = note(epochs.here, "a")
    assert [again[0], again[1][1]] == [pairs[0], b"epoch 01"]
    assert [epochs.here.verify(again), epochs.there.verify(again)] == [True, True]


def test_one_reading_of_another_epoch_is_enough(epochs: Site) -> None:
    """Invariant 41: what else is known is not a second old, and of another life of the server."""
    assert isinstance(epochs.store, LosingStore)
    old, other = note(epochs.here, "a"), note(epochs.here, "b")
    epochs.store.save()
    epochs.there.bump(["a"])
    epochs.clock.now += 0.5
    assert epochs.here.verify([other[0]], max_age=0.0)
    epochs.store.crash()
    epochs.clock.now += 0.1
    # The version is the same, and the entry is not asked for: only its tag is.
    assert epochs.here.verify(other, max_age=0.05) is False
    assert [epochs.is_valid(epochs.here, pairs) for pairs in (old, other)] == [False, False]


def test_an_answer_of_an_earlier_epoch_that_comes_late_is_not_learned(epochs: Site) -> None:
    assert isinstance(epochs.store, LosingStore)
    store = epochs.store
    old = note(epochs.there, "a", "b")

    def meanwhile() -> None:
        store.during = lambda: None
        store.crash()
        epochs.clock.now += 0.1
        note(epochs.here, "b")

    store.save()
    store.during = meanwhile
    # True when it was asked.
    assert epochs.here.verify(old)
    assert epochs.is_valid(epochs.here, old) is False
    assert epochs.is_valid(epochs.here, note(epochs.here, "b"))


def test_the_maker_of_an_entry_keeps_to_the_first_of_two_epochs(epochs: Site) -> None:
    assert isinstance(epochs.store, LosingStore)
    note(epochs.here, "a")
    epochs.store.save()
    epochs.store.crash()
    pairs = note(epochs.here, "a", "b")
    assert dict(pairs)[EPOCH] == b"epoch 00"
    assert epochs.here.verify(pairs) is False


# A store in a transaction


def test_what_a_transaction_shows_is_not_taken_for_the_present(site: Site) -> None:
    """Invariant 42: it may be as old as the transaction, and everybody in the process would trust it."""
    pairs = note(site.here, "a")
    site.clock.now += 1.0
    site.store.is_in_transaction = True
    site.store.reads.clear()
    assert site.here.verify(pairs) is False
    assert site.store.reads == []
    # Good enough for what is made there: an old version only makes an entry that is not valid.
    assert note(site.here, "a") == pairs
    assert site.is_valid(site.here, pairs) is False
    site.store.is_in_transaction = False
    assert site.here.verify(pairs)


def test_what_memory_knows_counts_in_a_transaction(site: Site) -> None:
    pairs = note(site.here, "a")
    site.store.is_in_transaction = True
    assert site.here.verify(pairs)


def test_a_void_store_is_no_trouble() -> None:
    versions = TagVersions(NullStore(), max_age=0)
    pairs = note(versions, "a")
    versions.bump(["a"])
    assert versions.verify(pairs) is False


# A store of this process alone


@pytest.fixture
def local(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., TagVersions]]:
    """Make versions in a ``LocMemCache``."""

    def make(max_age: float = 1.0, **options: int) -> TagVersions:
        backend = {"BACKEND": f"{BACKENDS}.locmem.LocMemCache", "LOCATION": str(tmp_path), "OPTIONS": options}
        settings.CACHES = {"default": backend}
        return TagVersions(open_store("default"), max_age=max_age)

    yield make
    caches["default"].clear()


def test_local_memory_is_trusted_for_ever(local: Callable[..., TagVersions]) -> None:
    versions = local()
    pairs = note(versions, "a")
    assert versions.is_valid(pairs, time.monotonic() + 10**6)


def test_local_memory_that_was_cleared_by_hand_is_noticed_at_once(local: Callable[..., TagVersions]) -> None:
    """Invariant 41: after ``cache.clear()`` nothing older is served."""
    versions = local()
    pairs = note(versions, "a")
    caches["default"].clear()
    assert [versions.is_valid(pairs, time.monotonic()), versions.verify(pairs)] == [False, False]
    again = note(versions, "a")
    assert versions.is_valid(again, time.monotonic())
    assert [versions.is_valid(pairs, time.monotonic()), versions.verify(pairs)] == [False, False]


def test_local_memory_that_was_cleared_is_noticed_also_by_the_second_to_look(
    local: Callable[..., TagVersions],
) -> None:
    first, second = local(), local()
    pairs = note(first, "a")
    assert second.verify(pairs)
    caches["default"].clear()
    note(first, "a")
    assert second.is_valid(pairs, time.monotonic()) is False


def test_local_memory_that_is_culled_keeps_what_is_known(local: Callable[..., TagVersions]) -> None:
    """A ``LocMemCache`` lets go of the longest unused third of its 300 values; tags are few, and not used there."""
    versions = local(MAX_ENTRIES=30)
    pairs = note(versions, "a")
    store = open_store("default")
    for number in range(200):
        note(versions, "a")
        store.set_many({f"e:{number}": b"x"}, 60)
        assert versions.is_valid(pairs, time.monotonic())


def test_local_memory_is_asked_each_time_without_a_local_tier(local: Callable[..., TagVersions]) -> None:
    versions = local(max_age=0)
    pairs = note(versions, "a")
    assert [versions.is_valid(pairs, time.monotonic()), versions.verify(pairs)] == [False, True]
    local(max_age=0).bump(["a"])
    assert versions.verify(pairs) is False


class OtherLocMemCache(LocMemCache):
    """Somebody's own."""


def test_local_memory_of_another_kind_is_watched_too(settings: Settings, tmp_path: Path) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.OtherLocMemCache", "LOCATION": str(tmp_path)}}
    versions = TagVersions(open_store("default"), max_age=1)
    pairs = note(versions, "a")
    assert versions.is_valid(pairs, time.monotonic())
    caches["default"].clear()
    assert not versions.is_valid(pairs, time.monotonic())


# Anything at any time


TAGS: tuple[str, ...] = ("a", "b", "c")


@dataclass
class World:
    """Processes, a store, data, and entries made of it; and what may be served by whom."""

    store: Any
    max_age: float
    processes: int

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.versions = [TagVersions(self.store, max_age=self.max_age, clock=self.clock) for _ in range(self.processes)]
        self.data = dict.fromkeys(TAGS, 0)
        self.own = [dict.fromkeys(TAGS, 0) for _ in range(self.processes)]
        self.told: list[tuple[float, str, int]] = []
        self.entries: list[tuple[list[tuple[str, bytes]], dict[str, int]]] = []
        self.waiting: list[Any] = []
        self.hits = 0
        self.store.during = self._meanwhile

    def _meanwhile(self) -> None:
        if self.waiting:
            self.do(self.waiting.pop(0))

    def do(self, operation: tuple[Any, ...]) -> None:
        """Do something; what is inside it happens while the store is asked."""
        name, *arguments, inside = operation
        waiting, self.waiting = self.waiting, list(inside)
        getattr(self, name)(*arguments)
        self.waiting = waiting

    def change(self, process: int, tags: Sequence[str]) -> None:
        """Write data, then tell."""
        process %= self.processes
        for tag in tags:
            self.data[tag] += 1
        now = {tag: self.data[tag] for tag in tags}
        try:
            self.versions[process].bump(tags)
            self.told += [(self.clock.now, tag, value) for tag, value in now.items()]
        except StoreError:
            pass
        for tag, value in now.items():
            self.own[process][tag] = max(self.own[process][tag], value)

    def fill(self, process: int, tags: Sequence[str]) -> None:
        """Note versions, then read data."""
        try:
            pairs = note(self.versions[process % self.processes], *tags)
        except StoreError:
            return
        self.entries.append((pairs, dict(self.data)))

    def look(self, process: int, which: int) -> None:
        """Serve an entry, if it is valid."""
        process %= self.processes
        if not self.entries:
            return
        pairs, data = self.entries[which % len(self.entries)]
        least = dict(self.own[process])
        for moment, tag, value in self.told:
            if moment <= self.clock.now - self.max_age:
                least[tag] = max(least[tag], value)
        versions = self.versions[process]
        try:
            is_valid = versions.is_valid(pairs, self.clock.now) or versions.verify(pairs)
        except StoreError:
            return
        if is_valid:
            self.hits += 1
            assert {tag: value for tag, value in data.items() if tag in dict(pairs) and value < least[tag]} == {}

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds

    def lose(self, everything: bool, which: int) -> None:
        """Have the store lose a value, or all."""
        self.store.lose(None if everything else which)

    def save(self) -> None:
        """Have the store save what it holds."""
        self.store.save()

    def crash(self) -> None:
        """Have the store come back with what it last saved."""
        self.store.crash()

    def fail(self, reads: bool, writes: bool) -> None:
        """Have the store fail, or answer again."""
        self.store.fails_to_read, self.store.fails_to_write = reads, writes


class LosingStore(MemoryStore):
    """Loses values when it is told to, and comes back with those that it saved, which it says."""

    has_epochs = True

    def __init__(self) -> None:
        super().__init__()
        self.saved: dict[str, bytes] = {}
        self.crashes = 0

    def save(self) -> None:
        self.saved = dict(self.values)

    def crash(self) -> None:
        self.crashes += 1
        self.values, self.epoch = dict(self.saved), f"epoch {self.crashes:02}".encode()

    def lose(self, which: int | None) -> None:
        if which is None:
            self.values.clear()
        elif self.values:
            del self.values[sorted(self.values)[which % len(self.values)]]


class LosingLocMemStore(LocMemStore):
    """A ``LocMemCache`` that is cleared, and during whose calls other things happen."""

    during: Callable[[], object]

    def __init__(self) -> None:
        super().__init__(LocMemCache("losing", {"OPTIONS": {"MAX_ENTRIES": 4}}))
        self._backend.clear()
        self.during = lambda: None

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = super().get_many(keys)
        self.during()
        return found

    def set_many(self, values: Mapping[str, bytes], lifetime: float | None, *, patiently: bool = False) -> None:
        self.during()
        super().set_many(values, lifetime)
        self.during()

    def lose(self, which: int | None) -> None:
        self._backend.clear()

    def save(self) -> None:
        """Save nothing."""

    def crash(self) -> None:
        self._backend.clear()


def operations(nested: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[Any]:
    """Return operations during which others happen."""
    process = st.integers(0, 2)
    tags = st.lists(st.sampled_from(TAGS), min_size=1, max_size=3, unique=True)
    return st.one_of(
        st.tuples(st.just("change"), process, tags, nested),
        st.tuples(st.just("fill"), process, tags, nested),
        st.tuples(st.just("look"), process, st.integers(0, 9), nested),
        st.tuples(st.just("look"), process, st.integers(0, 9), nested),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 0.3, 0.5, 1.0, 2.0]), st.just([])),
        st.tuples(st.just("lose"), st.booleans(), st.integers(0, 9), st.just([])),
        st.tuples(st.sampled_from(["save", "crash"]), st.just([])),
        st.tuples(st.just("fail"), st.booleans(), st.booleans(), st.just([])),
        st.tuples(st.just("fail"), st.just(False), st.just(False), st.just([])),
    )


innermost = operations(st.just([]))
inner = operations(st.lists(innermost, max_size=3))
histories = st.lists(operations(st.lists(inner, max_size=3)), min_size=3, max_size=40)


@pytest.mark.slow
@settings(max_examples=HISTORIES, deadline=None)
@given(histories, st.sampled_from([0.0, 1.0]))
def test_nothing_older_than_an_invalidation_is_ever_valid(history: list[Any], max_age: float) -> None:
    """Invariants 40 to 42 and 45: three processes, a store that fails, loses and restarts, calls within calls."""
    world = World(LosingStore(), max_age, processes=3)
    for operation in history:
        world.do(operation)


@pytest.mark.slow
@settings(max_examples=HISTORIES, deadline=None)
@given(histories, st.sampled_from([0.0, 1.0]))
def test_nothing_older_is_ever_valid_in_local_memory(history: list[Any], max_age: float) -> None:
    """Invariants 40 and 41: one process, a cache that is cleared by hand and culled."""
    world = World(LosingLocMemStore(), max_age, processes=1)
    for operation in history:
        world.do(operation)


def test_what_is_read_between_two_changes_is_not_known_once_the_first_has_ended() -> None:
    """Invariant 40: two threads change a tag at once, and a third has read what was there before both."""
    known = KnownVersions()
    first, second = known.change(["a"]), known.change(["a"])
    known.learn(["a"], {"a": b"old"}, second, 1.0)
    known.end_change({"a": b"one"}, first, 1.0)
    assert not known.has("a", b"old", 0.0)
    known.learn(["a"], {"a": b"old"}, second, 1.0)
    assert not known.has("a", b"old", 0.0)
    known.end_change({"a": b"two"}, second, 1.0)
    known.learn(["a"], {"a": b"two"}, known.moment, 2.0)
    assert known.has("a", b"two", 1.0)


class Shuffle:
    """Threads of several processes that change, fill and look at random."""

    def __init__(self, stores: Iterable[Store], *, max_age: float, rounds: int) -> None:
        self.max_age = max_age
        self.rounds = rounds
        self.versions = [TagVersions(store, max_age=max_age) for store in stores]
        self.lock = threading.Lock()
        self.data = dict.fromkeys(TAGS, 0)
        self.told: list[tuple[float, TagVersions, str, int]] = []
        self.entries: list[tuple[list[tuple[str, bytes]], dict[str, int]]] = []
        self.wrong: list[object] = []
        self.hits = 0

    def run(self) -> None:
        """Run six threads to their end."""
        threads = [threading.Thread(target=self.work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def work(self, seed: int) -> None:
        """Do things in the process of this thread."""
        choice = random.Random(seed)
        versions = self.versions[seed % len(self.versions)]
        try:
            for _ in range(self.rounds):
                what = choice.random()
                if what < 0.1:
                    self.change(versions, choice.choice(TAGS))
                elif what < 0.4 or not self.entries:
                    self.fill(versions)
                else:
                    self.look(versions, *choice.choice(self.entries[-10:]))
        except Exception as error:
            self.wrong.append(error)

    def change(self, versions: TagVersions, tag: str) -> None:
        """Write data, then tell."""
        with self.lock:
            self.data[tag] += 1
            value = self.data[tag]
        versions.bump([tag])
        with self.lock:
            self.told.append((time.monotonic(), versions, tag, value))
            del self.told[:-200]

    def fill(self, versions: TagVersions) -> None:
        """Note versions, then read data."""
        pairs = note(versions, *TAGS)
        with self.lock:
            self.entries.append((pairs, dict(self.data)))
            del self.entries[:-10]

    def look(self, versions: TagVersions, pairs: list[tuple[str, bytes]], data: dict[str, int]) -> None:
        """Serve an entry, if it is valid."""
        now = time.monotonic()
        with self.lock:
            told = [(tag, value) for at, who, tag, value in self.told if who is versions or at <= now - self.max_age]
        if versions.is_valid(pairs, now) or versions.verify(pairs):
            self.hits += 1
            self.wrong += [(tag, value, data) for tag, value in told if data[tag] < value]


@pytest.mark.slow
@pytest.mark.parametrize("max_age", [0.0, 0.05])
@pytest.mark.parametrize("kind", ["redis", "memcached", "file", "locmem"])
def test_threads_and_processes_never_see_anything_older(
    kind: str, max_age: float, settings: Settings, tmp_path: Path
) -> None:
    """Invariants 40 and 42, on real stores."""
    server = {"redis": RedisServer, "memcached": MemcachedServer}.get(kind, lambda folder: None)(tmp_path)
    if server is not None:
        server.start()
    settings.CACHES = {
        "redis": {"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": getattr(server, "url", "")},
        "memcached": {
            "BACKEND": f"{BACKENDS}.memcached.PyMemcacheCache",
            "LOCATION": getattr(server, "address", ""),
        },
        "file": {"BACKEND": f"{BACKENDS}.filebased.FileBasedCache", "LOCATION": str(tmp_path / "cache")},
        "locmem": {"BACKEND": f"{BACKENDS}.locmem.LocMemCache", "LOCATION": str(tmp_path)},
    }
    settings.CACHES = {"default": settings.CACHES[kind]}
    # Local memory has one process.
    stores = [open_store("default", 10) for _ in range(1 if kind == "locmem" else 3)]
    try:
        shuffle = Shuffle(stores, max_age=max_age, rounds=600)
        shuffle.run()
        assert shuffle.wrong == []
        assert shuffle.hits > 20
    finally:
        for store in stores:
            store.close()
        if server is not None:
            server.stop()


def test_a_restarted_redis_serves_nothing_from_before(settings: Settings, own_redis: RedisServer) -> None:
    """Invariant 41: restarted without data, or flushed."""
    settings.CACHES = {"default": {"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": own_redis.url}}
    store = open_store("default", 5)
    versions = TagVersions(store, max_age=0)
    for empty in (own_redis.flush, own_redis.restart):
        pairs = note(versions, "a")
        assert versions.verify(pairs)
        empty()
        assert versions.verify(pairs) is False
        assert versions.verify(note(versions, "a"))
        assert versions.verify(pairs) is False
    store.close()


class SavingRedis(RedisServer):
    """A ``redis-server`` with what it saves, as it is when nobody has told it otherwise."""

    def command(self) -> list[str]:
        """Return the command line of the server."""
        words = super().command()
        words[words.index("--save") + 1] = "3600 1 300 100 60 10000"
        return words


def follow(replica: RedisServer, primary: RedisServer) -> None:
    """Make a server the replica of another, and wait until it has its data."""
    primary.tell("CONFIG SET repl-diskless-sync-delay 0")
    replica.tell("REPLICAOF 127.0.0.1", str(primary.port))
    eventually(lambda: b"master_link_status:up" in replica.tell("INFO replication"), within=20)


@pytest.fixture
def opened(settings: Settings) -> Iterator[Callable[..., Store]]:
    """Open stores in a Redis server."""
    stores: list[Store] = []

    def open_redis(url: str, timeout: float = 5, **options: object) -> Store:
        settings.CACHES = {
            "default": {"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": url, "OPTIONS": options},
        }
        stores.append(open_store("default", timeout))
        return stores[-1]

    yield open_redis
    for store in stores:
        store.close()


@pytest.mark.parametrize("max_age", [0.0, 0.1])
def test_a_redis_that_is_killed_and_loads_what_it_saved_brings_nothing_back(
    opened: Callable[..., Store], tmp_path: Path, max_age: float
) -> None:
    """Invariant 41: restarted with the data of before the invalidation."""
    with SavingRedis(tmp_path) as server:
        versions, others = (TagVersions(opened(server.url), max_age=max_age) for _ in range(2))
        pairs, untouched = note(versions, "a"), note(versions, "b")
        assert [others.verify(pairs), others.verify(untouched)] == [True, True]
        assert server.tell("SAVE") == b"+OK\r\n"
        versions.bump(["a"])
        server.restart()
        assert server.tell("DBSIZE") == b":2\r\n"
        time.sleep(max_age)
        for one in (versions, others):
            eventually(lambda one=one: answers(one))
            assert [one.verify(pairs), one.verify(untouched)] == [False, False]
            assert [one.is_valid(pairs, time.monotonic()), one.is_valid(untouched, time.monotonic())] == [False, False]
        again = note(versions, "a")
        # That it came back:
        assert again[0] == pairs[0]
        assert [versions.verify(again), others.verify(again)] == [True, True]


def answers(versions: TagVersions) -> bool:
    """Return whether the store answers."""
    try:
        versions.current(["any"])
    except StoreError:
        return False
    return True


def test_a_promoted_replica_brings_back_nothing_that_it_missed(opened: Callable[..., Store], tmp_path: Path) -> None:
    """Invariant 41: a replica that had not been told of an invalidation takes over, at the same address."""
    first, second = (RedisServer(tmp_path / name) for name in ("first", "second"))
    for one in (first, second):
        one.folder.mkdir()
    with first, second, TCPProxy(first.port) as address:
        versions, others = (TagVersions(opened(address.url), max_age=0.1) for _ in range(2))
        # Who is joined by a first replica is somebody else from then on.
        follow(second, first)
        pairs = note(versions, "a")
        eventually(lambda: second.tell("DBSIZE") == b":1\r\n")
        assert others.verify(pairs)
        second.make_writable()
        versions.bump(["a"])
        address.port = second.port
        first.stop()
        time.sleep(0.1)
        for one in (versions, others):
            eventually(lambda one=one: answers(one))
            assert one.verify(pairs) is False
        assert note(versions, "a")[0] == pairs[0]


def test_a_primary_that_is_replaced_and_comes_back_brings_nothing_back(
    opened: Callable[..., Store], tmp_path: Path
) -> None:
    """Invariant 41: the same process, with the data of the one that had taken over."""
    first, second = (RedisServer(tmp_path / name) for name in ("first", "second"))
    for one in (first, second):
        one.folder.mkdir()
    with first, second:
        # Its connections stay all the while.
        versions, others = (TagVersions(opened(first.url), max_age=0) for _ in range(2))
        follow(second, first)
        pairs = note(versions, "a")
        eventually(lambda: second.tell("DBSIZE") == b":1\r\n")
        assert others.verify(pairs)
        second.make_writable()
        versions.bump(["a"])
        assert others.verify(pairs) is False
        follow(first, second)
        assert others.verify(pairs) is False
        first.make_writable()
        assert [versions.verify(pairs), others.verify(pairs)] == [False, False]
        assert note(others, "a")[0] == pairs[0]


def test_new_connections_to_the_same_redis_end_nothing(opened: Callable[..., Store], own_redis: RedisServer) -> None:
    stores = [opened(own_redis.url) for _ in range(2)]
    versions, others = (TagVersions(store, max_age=0) for store in stores)
    pairs = note(versions, "a")
    stores[0].close()
    assert versions.verify(pairs)
    own_redis.tell("CLIENT KILL TYPE normal")
    assert [versions.verify(pairs), others.verify(pairs), note(others, "a")] == [True, True, pairs]


def test_a_redis_that_may_not_be_asked_who_it_is_is_used_and_reported_once(
    opened: Callable[..., Store], own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert own_redis.tell("ACL SETUSER shop on >secret ~* +@all -@dangerous") == b"+OK\r\n"
    versions, others = (
        TagVersions(opened(own_redis.url, username="shop", password="secret"), max_age=0) for _ in range(2)
    )
    pairs = note(versions, "a")
    assert [versions.verify(pairs), others.verify(pairs)] == [True, True]
    versions.bump(["a"])
    assert [versions.verify(pairs), others.verify(pairs)] == [False, False]
    records = [record.getMessage() for record in caplog.records if record.name == "django_routehandlers.cache"]
    assert len(records) == 2
    assert records[0].startswith("CACHES['default'] does not tell who it is: ")
    assert "'info'" in records[0]


def test_a_change_survives_a_moment_in_which_redis_does_not_answer(
    opened: Callable[..., Store], own_redis: RedisServer
) -> None:
    """Invariant 45: a save, or a slow command of somebody else's, is no reason to lose an invalidation."""
    versions = TagVersions(opened(own_redis.url, 0.04), max_age=0)
    eventually(lambda: answers(versions))
    own_redis.tell("CLIENT PAUSE 200 ALL")
    began = time.monotonic()
    versions.bump(["a"])
    assert 0.1 < time.monotonic() - began < 1


def test_a_change_during_a_long_outage_costs_its_patience_once(
    opened: Callable[..., Store], own_redis: RedisServer
) -> None:
    """Invariant 45: who writes later loses less than 50 ms."""
    versions = TagVersions(opened(own_redis.url, 0.04), max_age=0)
    eventually(lambda: answers(versions))
    own_redis.pause()
    lost: list[float] = []
    for _ in range(20):
        began = time.monotonic()
        with pytest.raises(StoreError):
            versions.bump(["a"])
        lost.append(time.monotonic() - began)
        time.sleep(0.05)
    own_redis.resume()
    assert 0.45 < lost[0] < 1.5
    # But for one: what else runs on the machine takes its turns.
    assert sorted(lost[1:])[-2] < 0.05


COMMAND = """
import sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=["django_routehandlers"],
    CACHES={"default": {"BACKEND": sys.argv[1], "LOCATION": sys.argv[2]}},
)
django.setup()
from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.stores import StoreError

versions = current_cache().versions
print("ready", flush=True)
sys.stdin.readline()
try:
    versions.bump(["a"])
except StoreError:
    print("owed", flush=True)
sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_process_that_ends_tells_what_it_has_changed(kind: str, settings: Settings, tmp_path: Path) -> None:
    """Invariant 45: a management command writes while the server hangs, and has nothing else to do."""
    server = {"redis": RedisServer, "memcached": MemcachedServer}[kind](tmp_path)
    backend = {"redis": f"{BACKENDS}.redis.RedisCache", "memcached": f"{BACKENDS}.memcached.PyMemcacheCache"}[kind]
    with server:
        location = getattr(server, "url", server.address)
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": location}}
        store = open_store("default", 5)
        others = TagVersions(store, max_age=0)
        pairs = note(others, "a")
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, backend, location],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        server.pause()
        process.stdin.write("go\n")
        process.stdin.flush()
        assert "does not answer" in process.stdout.readline()
        assert process.stdout.readline() == "owed\n"
        process.stdin.close()
        time.sleep(1)
        assert process.poll() is None
        server.resume()
        assert process.wait(5) == 0
        assert "Traceback" not in process.stdout.read()
        process.stdout.close()
        assert others.verify(pairs) is False
        store.close()


@pytest.mark.slow
def test_a_process_that_ends_says_what_it_could_not_tell(tmp_path: Path) -> None:
    """Invariant 45: it waits for five seconds, and then somebody has to know."""
    with RedisServer(tmp_path) as server:
        pass
    began = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-c", COMMAND, f"{BACKENDS}.redis.RedisCache", server.url],
        input="go\nend\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert 5 <= time.monotonic() - began < 8
    assert found.stdout == "ready\nowed\n"
    assert found.stderr.splitlines()[-1] == (
        "The process ends, and the store of the route cache could not be told what has changed: older answers may be "
        "served by other processes. Run `manage.py revalidate --all` once the store answers. Tags: a"
    )


def test_a_change_while_redis_is_down_reaches_it_without_a_request(settings: Settings, own_redis: RedisServer) -> None:
    """Invariant 45: by the probe that finds it up again."""
    settings.CACHES = {"default": {"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": own_redis.url}}
    here, there = open_store("default", 0.2), open_store("default", 5)
    versions, others = TagVersions(here, max_age=1), TagVersions(there, max_age=0)
    pairs = note(versions, "a")
    assert others.verify(pairs)
    own_redis.pause()
    with pytest.raises(StoreError):
        versions.bump(["a"])
    own_redis.resume()
    deadline = time.monotonic() + 5
    while others.verify(pairs):
        assert time.monotonic() < deadline
        # Whoever asks next has it found out.
        versions.is_valid(pairs, time.monotonic())
        with pytest.raises(StoreError) if here._breaker.is_open else pytest.MonkeyPatch.context():
            here.get_many(["any"])
        time.sleep(0.05)
    here.close()
    there.close()
