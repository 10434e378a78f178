"""
Turn the project's settings into a cache that other processes share, for the commands that change it.

Errors say what to do, as those of ``manage.py`` do.
"""

from collections.abc import Callable
from time import sleep
from typing import TypeVar

from django.core.cache import InvalidCacheBackendError
from django.core.management.base import CommandError

from django_routehandlers.caching.cache import Cache
from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.stores import StoreError
from django_routehandlers.clocks import monotonic
from django_routehandlers.conf import SETTING, get_config

PATIENCE = 3.0
"""Seconds for which a store that does not answer is asked again: a command has the time that a request has not."""
_PAUSE = 0.3  # seconds

_T = TypeVar("_T")


def shared_cache(remedy: str) -> Cache:
    """
    Return the cache of this process, whose store others share.

    Args:
        remedy: What to do where none does.

    Raises:
        CommandError: The store is of this process alone, or keeps nothing, or is not to be had.
    """
    alias = get_config().CACHE
    try:
        cache = current_cache()
    except InvalidCacheBackendError as error:
        raise CommandError(f"{SETTING}['CACHE'] is {alias!r}: {error}") from error
    if cache.store.is_void:
        raise CommandError(f"CACHES[{alias!r}] keeps nothing, so there is no route cache. {remedy}")
    if not cache.store.is_shared:
        raise CommandError(
            f"CACHES[{alias!r}] is in the memory of each process, which no other process reaches. {remedy}"
        )
    return cache


def insist(function: Callable[[], _T]) -> _T:
    """
    Return what *function* returns, called again for a while where the store does not answer.

    Raises:
        CommandError: It has not answered.
    """
    until = monotonic() + PATIENCE
    while True:
        try:
            return function()
        except StoreError as error:
            if monotonic() > until:
                raise CommandError(f"The store of the route cache cannot be reached. {error}") from error
        sleep(_PAUSE)
