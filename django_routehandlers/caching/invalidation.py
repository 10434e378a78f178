"""
Turn what has changed into new versions of tags: on commit inside a transaction, at once outside.

Nothing is deleted. An entry that is being made of what was there before is of the old version
when it is done, and is never served.
"""

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from time import sleep
from urllib.parse import unquote_to_bytes

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.urls import get_script_prefix
from django.utils.encoding import repercent_broken_unicode

from django_routehandlers.caching.current import current_cache, get_config
from django_routehandlers.caching.stores import StoreError
from django_routehandlers.caching.tags import ANY_TABLE, EVERY_WRITE, every_tag, path_tag, table_tag
from django_routehandlers.caching.versions import ALL
from django_routehandlers.clocks import monotonic
from django_routehandlers.documentation import Section, documented
from django_routehandlers.engine.threads import is_on_loop

_SECTION = Section("reference/caching", "Invalidation")

_PATIENCE = 1.0  # seconds for which an invalidation that somebody waits for is tried
_PAUSE = 0.05  # seconds


def revalidate_tag(*tags: str) -> None:
    """
    Make every entry with one of *tags* stale for good: the next request for it waits for a fresh one.

    Inside a transaction it takes effect on commit, and not on rollback. Once it has returned, or
    the transaction is committed, this process serves no older body, and no other process that
    shares the store does after a second; with ``LOCAL_TIER = False`` none does at all.

    Raises:
        StoreError: The store has not been reached for a second. It is told as soon as it can be; until
            then other processes that reach it may serve older bodies. Inside a transaction: is logged instead.
        TypeError: There is no tag, or one is not text, or empty.
        SynchronousOnlyOperation: Called on an event loop; ``await arevalidate_tag()`` there.

    Source: https://nextjs.org/docs/app/api-reference/functions/revalidateTag
    """
    if not tags:
        raise documented(TypeError("revalidate_tag() takes the tags to invalidate, and got none."), _SECTION)
    _invalidate([one for tag in tags for one in every_tag(_checked(tag))], "revalidate_tag()")


def revalidate_path(path: str, *, below: bool = False) -> None:
    """
    Make the entries of a URL path stale for good, as ``revalidate_tag()`` does those of a tag.

    Args:
        path: What ``reverse()`` returns: ``/api/products/1``, percent-encoded where it has to be, without
            a query string. All entries of that path are meant, of any host, query, language.
        below: Whether those of every path below it are meant as well: ``/api`` then covers ``/api/products``.

    Raises:
        ValueError: *path* is no path.
        StoreError: As ``revalidate_tag()``.
        SynchronousOnlyOperation: As ``revalidate_tag()``.

    Source: https://nextjs.org/docs/app/api-reference/functions/revalidatePath
    """
    _invalidate([path_tag(_own_path(path), below=below)], "revalidate_path()")


def revalidate_all() -> None:
    """Make every entry stale for good; else as ``revalidate_tag()``."""
    _invalidate([ALL], "revalidate_all()")


async def arevalidate_tag(*tags: str) -> None:
    """As ``revalidate_tag()``, in async code."""
    await sync_to_async(revalidate_tag, thread_sensitive=True)(*tags)


async def arevalidate_path(path: str, *, below: bool = False) -> None:
    """As ``revalidate_path()``, in async code."""
    await sync_to_async(revalidate_path, thread_sensitive=True)(path, below=below)


def tables_written(tables: Iterable[str]) -> None:
    """
    Make what depends on *tables* stale for good. Called once a write to them has been committed.

    With ``CACHE_ENABLED = False`` this process keeps nothing, and tells those that do all the same.
    """
    store = current_cache().store
    if store.is_void or (get_config().CACHE_ENABLED is False and not store.is_shared):
        return
    # The first is what tells a reader of the second that something was written.
    tags = [EVERY_WRITE, *(ANY_TABLE if table == "*" else table_tag(table) for table in tables)]
    is_known = bool(current_cache().versions.owed)
    try:
        _bump(tags)
    except StoreError:
        # A migration may write a hundred times, and all that is to be said has been said of the first.
        _log("A write to the database", tags, logging.INFO if is_known else logging.ERROR)


def _invalidate(tags: Sequence[str], name: str) -> None:
    if is_on_loop():
        raise documented(
            SynchronousOnlyOperation(f"{name} may wait for the store: on an event loop use `await a{name[:-2]}(…)`."),
            _SECTION,
        )
    # In several transactions at once, each of them counts: what is invalidated twice is invalidated.
    is_deferred = False
    for connection in connections.all(initialized_only=True):
        if _is_in_transaction(connection):
            is_deferred = True
            transaction.on_commit(partial(_bump_or_log, tags), using=connection.alias)
            # First: behind a callback that fails no other one is called, and what was committed has changed.
            connection.run_on_commit.insert(0, connection.run_on_commit.pop())
    if not is_deferred:
        _insist(tags)


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the project's code has begun a transaction: those around a ``TestCase`` are never committed."""
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _bump_or_log(tags: Sequence[str]) -> None:
    try:
        _bump(tags)
    except StoreError:
        _log("An invalidation", tags)


def _insist(tags: Sequence[str]) -> None:
    """Bump *tags*, again for a while where the store does not answer: a busy machine is no outage."""
    until = monotonic() + _PATIENCE
    while True:
        try:
            return _bump(tags)
        except StoreError:
            if monotonic() > until:
                raise
        sleep(_PAUSE)


def _bump(tags: Sequence[str]) -> None:
    cache = current_cache()
    cache.counters.add("invalidations")
    cache.versions.bump(tags)


def _log(what: str, tags: Sequence[str], level: int = logging.ERROR) -> None:
    logging.getLogger("django_routehandlers.cache").log(
        level,
        "%s could not be told to the store of the route cache, which cannot be reached. This process serves nothing "
        "older, and tells the store as soon as it can. Tags: %s",
        what,
        ", ".join(tags),
    )


def _checked(tag: object) -> str:
    if not isinstance(tag, str) or not tag:
        raise documented(
            TypeError(f"A tag is text, and not empty: {tag!r} is none. Pass several as revalidate_tag(*tags)."),
            _SECTION,
        )
    return tag


def _own_path(path: str) -> str:
    if not path.startswith("/") or "?" in path or "#" in path:
        raise documented(
            ValueError(f"{path!r} is no path of a URL. Write it with its first slash and without a query string."),
            _SECTION,
        )
    # Requests have it decoded.
    path, prefix = repercent_broken_unicode(unquote_to_bytes(path)).decode(), get_script_prefix()
    return "/" + path.removeprefix(prefix) if prefix != "/" and path.startswith(prefix) else path
