"""
Turn a key of ``CACHES`` into a store: what all stores do, and which one it is.

A store keeps bytes by text, for all processes or for this one. What bytes mean is not its business.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from django_routehandlers.caching.breaker import StoreError
from django_routehandlers.caching.django_store import DjangoStore, LocMemStore, make_backend
from django_routehandlers.caching.redis_store import EPOCH, RedisStore

__all__ = ["EPOCH", "NullStore", "Store", "StoreError", "open_store"]


class Store(Protocol):
    """
    Keeps bytes. Every method may be called from any thread, and waits for at most the store's time limit.

    Keys are ASCII without spaces, at most 200 characters. A value that is no bytes, or that cannot
    be read, counts as missing.

    Raises:
        StoreError: From every method, where the store does not answer or refuses.
    """

    @property
    def is_shared(self) -> bool:
        """Whether other processes see what this one writes."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether a call may wait, so that it must not be made on an event loop."""
        ...

    @property
    def is_void(self) -> bool:
        """Whether nothing is kept at all."""
        ...

    @property
    def needs_request_thread(self) -> bool:
        """Whether calls use the database connection of the thread that makes them."""
        ...

    @property
    def confirms_writes(self) -> bool:
        """Whether ``set_many()`` fails wherever a value was not written."""
        ...

    @property
    def has_epochs(self) -> bool:
        """
        Whether a server may come back with what it held at an earlier time, saved or replicated.

        Then the key ``EPOCH`` has a value that ends with each such change. It is read in one step
        with the other keys, and cannot be written.
        """
        ...

    @property
    def is_in_transaction(self) -> bool:
        """
        Whether calls of this thread would be part of a transaction.

        What they read may then be as old as the transaction, and writing, which it might take back, fails.
        """
        ...

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that have one."""
        ...

    def set_many(self, values: Mapping[str, bytes], lifetime: float | None, *, patiently: bool = False) -> None:
        """
        Write values for *lifetime* seconds, more than 0; ``None`` for as long as the store can.

        Args:
            patiently: Whether half a second is waited, where the time limit is shorter.
        """
        ...

    def add(self, key: str, value: bytes, lifetime: float) -> bool:
        """Write a value for *lifetime* seconds unless the key has one; return whether it was written."""
        ...

    def add_many(self, values: Mapping[str, bytes], lifetime: float) -> set[str]:
        """Write a value for each key that has none, for *lifetime* seconds; return those keys."""
        ...

    def remove_own(self, key: str, value: bytes) -> None:
        """Remove a key that still holds *value*."""
        ...

    def on_recovery(self, callback: Callable[[], object]) -> None:
        """Call *callback* whenever the store answers again after it has failed, on any thread."""
        ...

    def wake(self) -> None:
        """Have the next call ask the store, though it has just failed."""
        ...

    def close(self) -> None:
        """Close connections and end threads. The store stays usable: a later call opens others."""
        ...


class NullStore:
    """Keeps nothing, as Django's ``DummyCache``."""

    is_shared = False
    blocks = False
    is_void = True
    needs_request_thread = False
    confirms_writes = True
    has_epochs = False
    is_in_transaction = False

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return nothing."""
        return {}

    def set_many(self, values: Mapping[str, bytes], lifetime: float | None, *, patiently: bool = False) -> None:
        """Do nothing."""

    def add(self, key: str, value: bytes, lifetime: float) -> bool:
        """Return that the key had no value."""
        return True

    def add_many(self, values: Mapping[str, bytes], lifetime: float) -> set[str]:
        """Return that no key had a value."""
        return set(values)

    def remove_own(self, key: str, value: bytes) -> None:
        """Do nothing."""

    def wake(self) -> None:
        """Do nothing."""

    def on_recovery(self, callback: Callable[[], object]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def open_store(alias: str, timeout: float = 0.04, *, is_patient: bool = False) -> Store:
    """
    Return the store for a key of ``CACHES``.

    Nothing is connected before the first call.

    Args:
        timeout: Seconds that a call may wait for the backend, where that can be limited.
        is_patient: Whether Redis is asked all the same where it is slow, and answers in time.

    Raises:
        InvalidCacheBackendError: ``CACHES`` has no such key, or its backend cannot be imported.
    """
    backend = make_backend(alias, timeout)
    # Its subclasses may keep things their own way.
    if type(backend) is RedisCache:
        params = cast("Mapping[str, Any]", caches.settings[alias])
        return RedisStore(alias, backend, params, timeout, is_patient=is_patient)
    if isinstance(backend, LocMemCache):
        return LocMemStore(backend)
    if isinstance(backend, DummyCache):
        return NullStore()
    return DjangoStore(alias, backend, timeout)
