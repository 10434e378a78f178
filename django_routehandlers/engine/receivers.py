"""
Tell whether a signal has only receivers that Django itself connects, which need no thread of their own.

What those of ``request_started`` and ``request_finished`` tidy up lives in the thread of a request or
in its context. A borrowed thread is tidied up where it is borrowed, and the event loop has no
connections. Where anybody else listens, Django's own way is taken.
"""

from collections.abc import Callable
from typing import Any

from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.db import close_old_connections, reset_queries
from django.dispatch import Signal

Keys = frozenset[tuple[int, int]]


def _keys(*receivers: Callable[..., Any]) -> Keys:
    # As Signal.connect() identifies a function that is connected for every sender.
    return frozenset((id(receiver), id(None)) for receiver in receivers)


STARTED = _keys(reset_queries, close_old_connections)
"""What Django connects to ``request_started``."""
FINISHED = _keys(close_caches, close_old_connections, reset_urlconf)
"""What Django connects to ``request_finished``."""


def are_djangos(signal: Signal, known: Keys) -> bool:
    """Return whether *signal* has no receivers but *known* ones."""
    for entry in signal.receivers:  # noqa: SIM110 - several times a request, where a generator takes twice as long
        if entry[0] not in known:
            return False
    return True
