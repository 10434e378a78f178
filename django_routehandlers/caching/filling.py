"""
The steps from a key to an entry: look into the store, wait for another process, run, keep.

Written once for tasks and threads: the steps ask for what may wait, and a driver of either kind
does it. What is decided between two waits is decided in one place.
"""

import os
from dataclasses import dataclass

from django_routehandlers.caching.counters import Counters
from django_routehandlers.caching.entries import Entry, decode_entry, encode_entry
from django_routehandlers.caching.flights import ABOUT_THE_RUN, PASS, Landing
from django_routehandlers.caching.keys import size_of
from django_routehandlers.caching.local_tier import LocalTier
from django_routehandlers.caching.recording import Recording
from django_routehandlers.caching.steps import Ask, Made, Pause, Run, Steps, Terms, Wanted
from django_routehandlers.caching.stores import Store, StoreError
from django_routehandlers.caching.versions import ALL, TagVersions
from django_routehandlers.clocks import Clock, monotonic

TURN = 3.0
"""Seconds for which other processes wait for the one that fills an entry, at most."""
_PASS = b"pass"
_PASS_TIME = 2.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1  # seconds between two looks for another process's entry
_HELD_AT_MOST = 3600.0  # seconds beyond its lifetime that an entry is kept while refreshes fail


@dataclass(frozen=True, slots=True)
class _Loaded:
    entry: Entry | None
    as_of: float
    why: str
    turn: bytes | None = None


class Filling:
    """
    Finds and makes entries.

    Args:
        serves_stale: Whether an entry may be used beyond its lifetime, while it is refreshed.
        max_value: Bytes beyond which a value is not kept.
    """

    def __init__(
        self,
        store: Store,
        versions: TagVersions,
        tier: LocalTier | None,
        counters: Counters,
        clock: Clock,
        *,
        serves_stale: bool,
        max_value: int,
    ) -> None:
        self._store, self._versions, self._tier, self._counters = store, versions, tier, counters
        self._clock = clock
        self._serves_stale, self._max_value = serves_stale, max_value

    def steps(self, wanted: Wanted, *, is_refresh: bool = False) -> Steps:
        """Return the steps that end with an entry, or with the reason why there is none."""
        loaded: _Loaded = yield Ask(self._load, (wanted, is_refresh))
        if loaded.entry is not None:
            return Landing(loaded.entry, loaded.as_of)
        token: bytes | None = None
        if self._store.is_shared and loaded.why != "store":
            token = os.urandom(16)
            turn: _Loaded = yield Ask(self._take_turn, (wanted, token, is_refresh))
            pause, until = _FIRST_PAUSE, monotonic() + TURN
            if is_refresh and turn.turn != token:
                return Landing(None, loaded.as_of, why_not="elsewhere")
            while turn.turn is not None and turn.turn not in (token, _PASS):
                if monotonic() > until:
                    break
                yield Pause(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                turn = yield Ask(self._take_turn, (wanted, token, is_refresh))
            if turn.entry is not None:
                if turn.turn == token:
                    yield Ask(self._end_turn, (wanted, token, None))
                return Landing(turn.entry, turn.as_of)
            token = token if turn.turn == token else None
        return (yield from self._fill(wanted, loaded.why, token))

    def find(self, wanted: Wanted) -> Entry | None:
        """Return the entry that memory or the store has."""
        return self._load(wanted, False).entry

    def _fill(self, wanted: Wanted, why: str, token: bytes | None) -> Steps:
        terms = wanted.terms
        recording = Recording(
            wanted.key,
            self._versions,
            follows_tables=terms.follows_tables,
            lifetime=terms.lifetime,
            outer=wanted.outer,
        )
        began = monotonic()
        is_kept = False
        try:
            yield Ask(recording.note, ((ALL, *terms.tags),))
            self._counters.add("fills")
            made: Made = yield Run(recording)
            landing: Landing = yield Ask(self._keep, (wanted, made, recording, began, why))
            is_kept = landing.entry is not None
            return landing
        finally:
            if wanted.outer is not None:
                _hand_on(recording, wanted.outer)
            if token is not None:
                yield Ask(self._end_turn, (wanted, token, None if is_kept else _PASS_TIME))

    def _load(self, wanted: Wanted, is_refresh: bool) -> _Loaded:
        as_of, why = monotonic(), "uri-miss"
        try:
            entry = None if self._tier is None else self._tier.get(wanted.key)
            if entry is not None:
                if self._versions.verify(entry.versions):
                    if self._accepts(entry, wanted, is_refresh):
                        return _Loaded(entry, as_of, "")
                    why = "stale"
                else:
                    self._forget(wanted)
                    why = "invalidated"
            return self._look(wanted, self._store.get_many([entry_name(wanted)]), is_refresh, why)
        except StoreError:
            self._counters.add("store_errors")
            return _Loaded(None, as_of, "store")

    def _take_turn(self, wanted: Wanted, token: bytes, is_refresh: bool) -> _Loaded:
        """Take the turn of this process unless another has it, and look for what that one has stored meanwhile."""
        try:
            name = _turn(wanted)
            is_own = self._store.add(name, token, TURN)
            found = self._store.get_many([entry_name(wanted)] if is_own else [entry_name(wanted), name])
            loaded = self._look(wanted, found, is_refresh, "uri-miss")
            return _Loaded(loaded.entry, loaded.as_of, loaded.why, token if is_own else found.get(name, b"ended"))
        except StoreError:
            self._counters.add("store_errors")
            return _Loaded(None, monotonic(), "store")

    def _look(self, wanted: Wanted, found: dict[str, bytes], is_refresh: bool, why: str) -> _Loaded:
        as_of = monotonic()
        data = found.get(entry_name(wanted))
        entry = (
            None if data is None else decode_entry(data, wanted.name, wall=self._clock.wall(), now=self._clock.now())
        )
        if entry is None:
            return _Loaded(None, as_of, why)
        if not self._versions.verify(entry.versions):
            return _Loaded(None, as_of, "invalidated")
        if not self._accepts(entry, wanted, is_refresh):
            return _Loaded(None, as_of, "stale")
        self._remember(wanted, entry)
        return _Loaded(entry, as_of, "")

    def _accepts(self, entry: Entry, wanted: Wanted, is_refresh: bool) -> bool:
        now = self._clock.now()
        # What is stale would leave nothing of the lifetime of the fill that asks.
        serves_stale = self._serves_stale and not is_refresh and wanted.outer is None
        return entry.is_usable(now) if serves_stale else entry.is_fresh(now)

    def _keep(self, wanted: Wanted, made: Made, recording: Recording, began: float, why: str) -> Landing:
        entry, why_not = self._entry_of(made, recording, wanted.terms, began)
        if entry is None:
            self._counters.add("not_stored")
            return Landing(None, began, made.result, why, why_not)
        if recording.spoilt is not None:
            return Landing(entry, began, made.result, why, recording.spoilt)
        as_of = monotonic()
        try:
            if not self._versions.verify(entry.versions):
                return Landing(entry, began, made.result, why, "invalidated")
            self._remember(wanted, entry)
            self._store.set_many({entry_name(wanted): encode_entry(entry, wanted.name)}, entry.kept_for)
        except StoreError:
            self._counters.add("store_errors")
            return Landing(entry, began, made.result, why, "store")
        self._counters.add("stored")
        return Landing(entry, as_of, made.result, why)

    def _entry_of(
        self, made: Made, recording: Recording, terms: Terms, began: float
    ) -> tuple[Entry | None, str | None]:
        recording.limit(made.lifetime)
        lifetime = recording.lifetime
        # What only the store keeps from being kept may still be shared with those who have been waiting.
        if made.value is None or recording.spoilt not in (None, "store"):
            return None, made.why_not or recording.spoilt
        if lifetime is not None and lifetime <= 0:
            return None, "revalidate"
        if len(made.value) > self._max_value:
            return None, "size"
        window = lifetime if lifetime is not None and self._serves_stale else 0.0
        age = monotonic() - began
        return Entry(
            value=made.value,
            # As of the beginning: what was read first is the oldest.
            created=self._clock.wall() - age,
            lifetime=lifetime,
            window=window,
            versions=recording.versions,
            tables=recording.tables | terms.tables,
            names=tuple(sorted(recording.names.union(terms.names))),
            age_at=self._clock.now(),
            age=age,
            decoded=made.decoded,
        ), None

    def settle_refresh(self, wanted: Wanted, entry: Entry, landing: Landing | None) -> None:
        """
        Decide what becomes of a stale entry whose refresh has ended.

        Args:
            landing: How it ended; ``None`` for a failure, after which the entry is kept, as after a
                response that says so, and the refresh is tried again later.
        """
        if landing is None or landing.why_not == "error":
            self._postpone(wanted, entry)
        elif landing.why_not == "elsewhere":
            # Each attempt asks the store.
            entry.retry_at = self._clock.now() + PASS
        elif landing.entry is None and landing.why_not not in ABOUT_THE_RUN:
            self._drop(wanted)

    def _postpone(self, wanted: Wanted, entry: Entry) -> None:
        now, lifetime = self._clock.now(), entry.lifetime or 0.0
        retry = min(max(lifetime, 3.0), 30.0)
        entry.retry_at = now + retry
        entry.window = max(entry.window, min(entry.age_now(now) - lifetime + 2 * retry, _HELD_AT_MOST))
        try:
            if self._versions.verify(entry.versions):
                self._store.set_many({entry_name(wanted): encode_entry(entry, wanted.name)}, entry.kept_for)
            self._store.set_many({_turn(wanted): _PASS}, retry)
        except StoreError:
            self._counters.add("store_errors")

    def _drop(self, wanted: Wanted) -> None:
        """Let go of an entry whose handler answers by now what may not be kept."""
        self._forget(wanted)
        name = entry_name(wanted)
        try:
            for value in self._store.get_many([name]).values():
                self._store.remove_own(name, value)
        except StoreError:
            self._counters.add("store_errors")

    def _end_turn(self, wanted: Wanted, token: bytes, pass_for: float | None) -> None:
        """End the turn of this process; others need not wait for each other if nothing could be kept."""
        try:
            self._store.remove_own(_turn(wanted), token)
            if pass_for is not None:
                self._store.add(_turn(wanted), _PASS, pass_for)
        except StoreError:
            self._counters.add("store_errors")

    def _remember(self, wanted: Wanted, entry: Entry) -> None:
        if self._tier is not None:
            self._tier.put(wanted.key, entry, entry.size + size_of(wanted.key))

    def _forget(self, wanted: Wanted) -> None:
        if self._tier is not None:
            self._tier.pop(wanted.key)


def entry_name(wanted: Wanted) -> str:
    """Return the key under which the store keeps an entry."""
    return f"e:{wanted.name}"


def _turn(wanted: Wanted) -> str:
    return f"t:{wanted.name}"


def _hand_on(inner: Recording, outer: Recording) -> None:
    """Have the fill around depend on all that the inner one depends on, kept or not."""
    outer.include(inner.versions, inner.tables, inner.lifetime, inner.names)
    if inner.spoilt is not None:
        outer.spoil(inner.spoilt)
