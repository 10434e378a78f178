"""
Turn a cache backend that keeps things in a database into whether this thread is in a transaction of that database.

There a read may show the database as it was when the transaction began, and a write may be taken back.
"""

from typing import Any, cast

from django.core.cache.backends.base import BaseCache
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper


def is_in_transaction(backend: BaseCache) -> bool:
    """Return whether calls of *backend* in this thread would be part of a transaction that somebody else has begun."""
    # What it asks itself (django/core/cache/backends/db.py).
    model = cast("Any", backend).cache_model_class
    return any(_is_open(connections[alias]) for alias in {router.db_for_read(model), router.db_for_write(model)})


def _is_open(connection: BaseDatabaseWrapper) -> bool:
    if connection.in_atomic_block:
        # Those around a TestCase are never committed, and all that its tests do is in them.
        return not all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
    return not (connection.settings_dict["AUTOCOMMIT"] if connection.connection is None else connection.autocommit)
