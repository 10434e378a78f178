"""
Keep one backend of each cache for the process, where Django makes one for each request under ASGI.

With Redis that is a client, a pool and a connection each time. Only backends of
Django's own that several threads may use at once are kept; the others stay as they are.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

from django.core.cache import CacheHandler, caches
from django.core.cache.backends.base import BaseCache
from django.core.signals import setting_changed

from django_routehandlers.engine.internals import is_as_released

_BACKENDS = "django.core.cache.backends."
# A memcached client has one connection for all threads, unless it is told otherwise, and leaves a server that was
# down alone for a minute: with a client for each request nobody notices.
_NOT_SHARED = (".PyLibMCCache", ".PyMemcacheCache")


class SharedCaches:
    """The backends of this process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew, with none."""
        self._lock = Lock()
        self._backends: dict[str, BaseCache] = {}

    def create(self, alias: str) -> BaseCache:
        """Return a backend, in the place of ``caches.create_connection()``."""
        create = CacheHandler.create_connection
        # django-debug-toolbar has its own in this place, to see each backend that is made.
        if not is_as_released(create, CacheHandler.__module__):
            return create(caches, alias)
        if (backend := self._backends.get(alias)) is not None:
            return backend
        with self._lock:
            if alias not in self._backends:
                backend = type(caches).create_connection(caches, alias)
                if not _is_for_threads(caches.settings[alias]):
                    return backend
                # Django closes what a request has used when it ends. Others are using this one.
                vars(backend)["close"] = _keep_open
                self._backends[alias] = backend
            return self._backends[alias]

    def close(self) -> None:
        """Close the backends, and their connections."""
        with self._lock:
            backends = list(self._backends.values())
            self._backends.clear()
        for backend in backends:
            type(backend).close(backend)
            # Django never closes those of Redis.
            pools: Mapping[int, Any] = getattr(vars(backend).get("_cache"), "_pools", {})
            for pool in pools.values():
                pool.disconnect()


def _is_for_threads(settings: Mapping[str, Any]) -> bool:
    """Return whether a backend with these of ``CACHES`` is Django's own, and several threads may use it at once."""
    backend = settings.get("BACKEND", "")
    return isinstance(backend, str) and backend.startswith(_BACKENDS) and not backend.endswith(_NOT_SHARED)


def _keep_open(**kwargs: object) -> None:
    """Stand for ``close()`` while the process lasts."""


def are_kept_open() -> bool:
    """Return whether no cache that was used here needs to be closed: to close one may take its time."""
    own = _aliases_of_requests()
    return not own or all(
        type(cache).close is BaseCache.close or "close" in vars(cache) for cache in caches.all(initialized_only=True)
    )


@lru_cache(maxsize=1)
def _aliases_of_requests() -> list[str]:
    """Return the caches of which each request has a backend of its own."""
    return [alias for alias in caches if not _is_for_threads(caches.settings[alias])]


@lru_cache(maxsize=1)
def shared_caches() -> SharedCaches:
    """Return the backends of this process."""
    return SharedCaches()


def share_caches() -> None:
    """Have ``caches`` give the same backends to all requests from now on."""
    vars(caches)["create_connection"] = shared_caches().create


def _forget(*, setting: str = "CACHES", **kwargs: object) -> None:
    if setting == "CACHES":
        shared_caches().close()
        _aliases_of_requests.cache_clear()


setting_changed.connect(_forget, dispatch_uid="django_routehandlers.engine.shared_caches")
# The connections of a parent process are not its child's to use, nor to close.
os.register_at_fork(after_in_child=lambda: shared_caches().forget())
