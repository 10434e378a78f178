"""
Count the threads that run on though nobody waits for their answer any more: nothing can end a thread.

Each is taken away from its request, which goes on with another one, and is given back to the pool
when its call has ended.
"""

import os
from functools import lru_cache
from threading import Lock
from typing import Any

from asgiref.sync import SyncToAsync

from django_routehandlers.engine.threads import is_lent, request_thread


class OverdueThreads:
    """The count of those of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self) -> None:
        """Count one more."""
        with self._lock:
            self._count += 1

    def leave(self) -> None:
        """Count one less."""
        with self._lock:
            self._count -= 1


@lru_cache(maxsize=1)
def overdue_threads() -> OverdueThreads:
    """Return the count of this process."""
    return OverdueThreads()


def let_go_of_thread() -> bool:
    """
    Leave the thread of the request to the call that runs on it; return whether that is done.

    It is not where a sync middleware waits on it for the answer, nor in a test client, where one
    thread is all there is.
    """
    if is_lent():
        return False
    if (thread := request_thread.get()) is not None:
        return thread.let_go()
    context = SyncToAsync.thread_sensitive_context.get(None)
    # Django's own handler: asgiref makes another thread when it finds none.
    executor: Any = None if context is None else SyncToAsync.context_to_thread_executor.pop(context, None)
    if executor is None:
        return False
    executor.shutdown(wait=False)
    return True


# A child process has none of its parent's threads.
os.register_at_fork(after_in_child=overdue_threads.cache_clear)
