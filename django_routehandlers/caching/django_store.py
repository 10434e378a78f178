"""
Turn a cache backend of Django's, or of somebody else's, into a store of bytes.

Uses only the methods that every backend has. Most backends pickle what they keep: whoever may
write where such a backend keeps it, can run code in every process that reads it.
"""

import math
import pickle
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.module_loading import import_string

from django_routehandlers.caching.breaker import Breaker, StoreError
from django_routehandlers.caching.database_cache import is_in_transaction
from django_routehandlers.caching.deadlines import PATIENCE, TimedCalls
from django_routehandlers.documentation import Section, documented

_SECTION = Section("reference/settings", "CACHE")

# What unpickling something broken may raise (documentation of pickle.UnpicklingError), with the file backend's own.
_CORRUPT = (
    pickle.UnpicklingError,
    zlib.error,
    EOFError,
    AttributeError,
    ImportError,
    LookupError,
    TypeError,
    ValueError,
)
_PYMEMCACHE = "django.core.cache.backends.memcached.PyMemcacheCache"

_R = TypeVar("_R")


class DjangoStore:
    """
    Bytes in a backend that may keep its callers waiting. Usable from any thread, and after a fork.

    The calls are made on a few threads, each with a backend object of its own, as Django's are by
    thread. Those of the database backend are made where they are asked for, on that thread's
    connection, for as long as they take.

    Args:
        alias: The backend's key in ``CACHES``.
        backend: A backend object for it, whose class decides where calls are made.
        timeout: Seconds that a caller waits.
    """

    is_shared = True
    blocks = True
    is_void = False
    # Those of Django's database backend and of some others fail to write without a word.
    confirms_writes = False
    has_epochs = False

    def __init__(self, alias: str, backend: BaseCache, timeout: float) -> None:
        self._alias = alias
        self._timeout = timeout
        self._name = f"CACHES[{alias!r}]"
        self._calls = None if isinstance(backend, BaseDatabaseCache) else TimedCalls(timeout)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._backends: list[BaseCache] = []
        self._failures = 0
        self.needs_request_thread = self._calls is None
        self._breaker = Breaker(
            self._name,
            slow=math.inf if self._calls is None else timeout / 2,
            probe=None if self._calls is None else lambda: self._timed(timeout, _probe),
        )
        self.on_recovery = self._breaker.on_recovery
        self.wake = self._breaker.wake

    @property
    def is_in_transaction(self) -> bool:
        """Whether this thread is in a transaction of the database that the backend writes to."""
        return self._calls is None and is_in_transaction(self._backend())

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that have one."""
        return self._ask(self._timeout, get_many, keys)

    def set_many(self, values: Mapping[str, bytes], lifetime: float | None, *, patiently: bool = False) -> None:
        """Write values for so many seconds, or for ever."""
        timeout = max(self._timeout, PATIENCE) if patiently else self._timeout
        self._change(timeout, set_many, values, lifetime)

    def add(self, key: str, value: bytes, lifetime: float) -> bool:
        """Write a value for so many seconds, unless the key has one; return whether it was written."""
        return self._change(self._timeout, add, key, value, lifetime)

    def add_many(self, values: Mapping[str, bytes], lifetime: float) -> set[str]:
        """Write a value for each key that has none, for so many seconds; return those keys."""
        return {key for key, value in values.items() if self.add(key, value, lifetime)}

    def remove_own(self, key: str, value: bytes) -> None:
        """Remove a key that still holds this value."""
        self._change(self._timeout, remove_own, key, value)

    def close(self) -> None:
        """Close the connections and end the threads. A later call opens and starts others."""
        self._breaker.rest()
        if self._calls is not None:
            self._calls.close()
        with self._lock:
            self._failures += 1
            backends, self._backends = self._backends, []
        for backend in backends:
            with suppress(Exception):
                backend.close()

    def _ask(self, timeout: float, function: Callable[..., _R], *args: Any) -> _R:
        try:
            if self._calls is None:
                return self._breaker.call(function, self._backend(), *args)
            return self._breaker.call(self._timed, timeout, function, *args)
        except StoreError:
            # Other connections may have been cut off with this one, which only their use would show.
            self._failures += 1
            raise

    def _timed(self, timeout: float, function: Callable[..., _R], *args: Any) -> _R:
        calls = cast("TimedCalls", self._calls)
        return calls.run_within(timeout, lambda: function(self._backend(), *args))

    def _change(self, timeout: float, function: Callable[..., _R], *args: Any) -> _R:
        if self.is_in_transaction:
            raise StoreError(f"{self._name} is in a transaction of this thread, which might take back what is written.")
        return self._ask(timeout, self._write, function, *args)

    def _write(self, backend: BaseCache, function: Callable[..., _R], *args: Any) -> _R:
        try:
            return function(backend, *args)
        except (ConnectionError, TimeoutError, StoreError):
            raise
        except Exception as error:
            # A disk is full, a value too large: reading goes on.
            raise StoreError(f"{self._name} refuses: {error!r}") from error

    def _backend(self) -> BaseCache:
        """Return the backend object of this thread."""
        failures = self._failures
        known: tuple[int, BaseCache] | None = getattr(self._local, "known", None)
        if known is not None and known[0] == failures:
            return known[1]
        # Whose caller has left after less, may come to an end by itself.
        backend = make_backend(self._alias, max(self._timeout, PATIENCE))
        self._local.known = failures, backend
        with self._lock:
            dropped = None if known is None else known[1]
            self._backends = [*(other for other in self._backends if other is not dropped), backend]
        if dropped is not None:
            with suppress(Exception):
                dropped.close()
        return backend


class LocMemStore:
    """
    Bytes in the memory of this process, in a ``LocMemCache``. Its calls never wait.

    Args:
        backend: The backend.
    """

    is_shared = False
    blocks = False
    is_void = False
    needs_request_thread = False
    confirms_writes = True
    has_epochs = False
    is_in_transaction = False

    def __init__(self, backend: BaseCache) -> None:
        self._backend = backend

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that have one."""
        return get_many(self._backend, keys)

    def set_many(self, values: Mapping[str, bytes], lifetime: float | None, *, patiently: bool = False) -> None:
        """Write values for so many seconds, or for ever."""
        set_many(self._backend, values, lifetime)

    def add(self, key: str, value: bytes, lifetime: float) -> bool:
        """Write a value for so many seconds, unless the key has one; return whether it was written."""
        return add(self._backend, key, value, lifetime)

    def add_many(self, values: Mapping[str, bytes], lifetime: float) -> set[str]:
        """Write a value for each key that has none, for so many seconds; return those keys."""
        return {key for key, value in values.items() if self.add(key, value, lifetime)}

    def remove_own(self, key: str, value: bytes) -> None:
        """Remove a key that still holds this value."""
        remove_own(self._backend, key, value)

    def watch(self, key: str) -> Callable[[], object]:
        """
        Return a function that tells what the key has, as something that can only be compared.

        It is called for each hit: where it can, it looks into the backend's own dict, which takes a
        twentieth of the time of ``get()``, and does not count as a use of the key.
        """
        entries = getattr(self._backend, "_cache", None)
        if type(self._backend) is LocMemCache and isinstance(entries, dict):
            return partial(cast("dict[str, object]", entries).get, self._backend.make_key(key))
        return lambda: self.get_many((key,)).get(key)

    def on_recovery(self, callback: Callable[[], object]) -> None:
        """Do nothing: there is nothing to recover from."""

    def wake(self) -> None:
        """Do nothing: it never fails."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


def make_backend(alias: str, timeout: float) -> BaseCache:
    """
    Return a new backend object for a key of ``CACHES``, with time limits where it is known to have none.

    Raises:
        InvalidCacheBackendError: There is no such key, or its backend cannot be imported.
    """
    if alias not in caches.settings:
        raise documented(
            InvalidCacheBackendError(f"CACHES has no {alias!r}. Its keys: {', '.join(map(repr, caches.settings))}."),
            _SECTION,
        )
    params = dict(cast("Mapping[str, Any]", caches.settings[alias]))
    if params.get("BACKEND") != _PYMEMCACHE:
        return caches.create_connection(alias)
    del params["BACKEND"]
    params["OPTIONS"] = {
        "connect_timeout": timeout,
        "timeout": timeout,
        "no_delay": True,
        **(params.get("OPTIONS") or {}),
        # Never to another server: the first would come back with what has been invalidated meanwhile.
        "retry_attempts": 2**31,
        "retry_timeout": -1,
    }
    return import_string(_PYMEMCACHE)(params.pop("LOCATION", ""), params)


def get_many(backend: BaseCache, keys: Sequence[str]) -> dict[str, bytes]:
    """Return the values of those keys that have one. What cannot be read, or is not bytes, is none."""
    try:
        found = backend.get_many(keys)
    except _CORRUPT:
        found = {}
        for key in keys:
            with suppress(*_CORRUPT):
                found[key] = backend.get(key)
    return {key: value for key, value in found.items() if type(value) is bytes}


def set_many(backend: BaseCache, values: Mapping[str, bytes], lifetime: float | None) -> None:
    """
    Write values.

    Raises:
        StoreError: The backend says that it has not kept some of them.
    """
    failed = backend.set_many(dict(values), None if lifetime is None else math.ceil(lifetime))
    if failed:
        raise StoreError(f"{len(failed)} of {len(values)} values were not kept.")


def add(backend: BaseCache, key: str, value: bytes, lifetime: float) -> bool:
    """Write a value unless the key has one; return whether it was written."""
    try:
        return bool(backend.add(key, value, math.ceil(lifetime)))
    except _CORRUPT:
        return False


def remove_own(backend: BaseCache, key: str, value: bytes) -> None:
    """Remove a key that still holds this value, as far as a backend without such an operation can tell."""
    if get_many(backend, [key]).get(key) == value:
        backend.delete(key)


def _probe(backend: BaseCache) -> None:
    # Of several servers each has some of these: with one of them down, the whole is.
    backend.get_many([f"probe:{number}" for number in range(32)])
