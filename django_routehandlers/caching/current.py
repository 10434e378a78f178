"""The cache that the settings describe: made when it is first needed, and anew when they are overridden."""

import atexit
import hashlib
import logging
import os
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import connections
from django.utils.module_loading import import_string

from django_routehandlers.caching.build import source_digest
from django_routehandlers.caching.cache import Cache
from django_routehandlers.caching.keys import Key
from django_routehandlers.caching.local_tier import LocalTier
from django_routehandlers.caching.stores import open_store
from django_routehandlers.caching.surroundings import Variables
from django_routehandlers.caching.versions import TagVersions
from django_routehandlers.clocks import current_clock
from django_routehandlers.conf import SETTING, Config, get_config
from django_routehandlers.documentation import Section, documented
from django_routehandlers.engine.live_settings import setting

_SECTION = Section("reference/settings", "CACHE_CONTEXT")

DRAIN = 5.0
"""Seconds for which a server that stops waits for refreshes; what is not done by then is cancelled with its loop."""
SETTLED_AT_EXIT = 5.0
"""Seconds for which a process that ends tries to tell the store what it has changed."""
VERSIONS_TRUSTED_FOR = 1.0
"""Seconds for which a process with a local tier trusts what it knows of the versions of tags."""


@lru_cache(maxsize=1)
def current_cache() -> Cache:
    """Return the cache of this process."""
    config = get_config()
    store = open_store(config.CACHE, config.STORE_TIMEOUT)
    return Cache(
        store,
        TagVersions(store, max_age=VERSIONS_TRUSTED_FOR if config.LOCAL_TIER else 0.0, settles_behind=True),
        LocalTier(config.LOCAL_TIER_SIZE) if config.LOCAL_TIER else None,
        serves_stale=config.BACKGROUND_REFRESH,
        max_value=config.MAX_CACHED_BODY,
        clock=current_clock(),
    )


def is_enabled() -> bool:
    """Return whether anything is kept: the setting ``CACHE_ENABLED``, by default everywhere but under ``DEBUG``."""
    chosen = get_config().CACHE_ENABLED
    return (not setting("DEBUG") if chosen is None else chosen) and not current_cache().store.is_void


@lru_cache(maxsize=1)
def build_id() -> str:
    """Return what tells this deploy from others."""
    return get_config().BUILD_ID or source_digest()


def origin() -> Key:
    """Return the part of every key that tells this build, and the databases that it reads, from others."""
    return build_id(), _databases_id(tuple([one["NAME"] for one in connections.settings.values()]))


@lru_cache(maxsize=8)
def _databases_id(names: tuple[Any, ...]) -> str:
    """Return what tells these databases from others: tests have some of their own, and so has each environment."""
    places = [f"{alias} {one['HOST']} {one['PORT']}" for alias, one in connections.settings.items()]
    # Of those in memory each process has its own, whatever they are called.
    shown = list(map(str, names))
    own = os.getpid() if any("memory" in name for name in shown) else ""
    return hashlib.blake2b(repr((shown, places, own)).encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=1)
def context_variables() -> Variables:
    """
    Return the context variables that cached code may see.

    Raises:
        ImproperlyConfigured: ``CACHE_CONTEXT`` names something else.
    """
    found, wrong = read_variables(get_config())
    if wrong:
        raise documented(ImproperlyConfigured(f"{SETTING}['CACHE_CONTEXT']: {wrong[0]}"), _SECTION)
    return found


def read_variables(config: Config) -> tuple[Variables, list[str]]:
    """Return the context variables that the setting names, and what is wrong with the others."""
    found: list[ContextVar[Any]] = []
    wrong: list[str] = []
    for path in config.CACHE_CONTEXT:
        try:
            value: object = import_string(path)
        except ImportError as error:
            wrong.append(f"{path!r} cannot be imported: {error}.")
            continue
        if isinstance(value, ContextVar):
            found.append(cast("ContextVar[Any]", value))
        else:
            wrong.append(f"{path!r} is of type {type(value).__name__}, no contextvars.ContextVar.")
    return tuple(found), wrong


def forget_cache(*, setting: str = SETTING, **kwargs: object) -> None:
    """Close the cache, so that the next one to ask gets a new one: receiver of ``setting_changed``."""
    if setting not in (SETTING, "CACHES", "SECRET_KEY", "INSTALLED_APPS"):
        return
    if current_cache.cache_info().currsize:
        current_cache().versions.close()
        current_cache().close()
    _clear()


async def drain_refreshes() -> None:
    """Wait for the refreshes that tasks of this event loop run, ``DRAIN`` seconds at most."""
    if current_cache.cache_info().currsize:
        await current_cache().refreshes.drain(DRAIN)


def settle_at_exit() -> None:
    """Tell the store what this process has changed and could not tell it, for ``SETTLED_AT_EXIT`` seconds at most."""
    if not current_cache.cache_info().currsize or current_cache().versions.settle_within(SETTLED_AT_EXIT):
        return
    logging.getLogger("django_routehandlers.cache").error(
        "The process ends, and the store of the route cache could not be told what has changed: older answers may be "
        "served by other processes. Run `manage.py revalidate --all` once the store answers. Tags: %s",
        ", ".join(sorted(current_cache().versions.owed)),
    )


def _clear() -> None:
    for made in (current_cache, build_id, source_digest, context_variables, _databases_id):
        made.cache_clear()


setting_changed.connect(forget_cache, dispatch_uid="django_routehandlers.caching.current")
atexit.register(settle_at_exit)
# Threads and connections do not come along.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_clear)
