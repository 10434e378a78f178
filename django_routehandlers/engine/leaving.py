"""
Run what answers a request, and listen for its client only while that waits.

Most answers are ready at once. To listen takes a task, and a task takes as long as such an answer.
"""

import asyncio
from collections.abc import Callable, Generator
from types import coroutine
from typing import Any

from django.core.exceptions import RequestAborted

from django_routehandlers.engine.stepping import Work, resumed


@coroutine
def run_unless_left(work: Work, listen: Callable[[], Work]) -> Generator[Any, Any, bool]:
    """
    Run *work* in this task, cancelled when its client leaves; return whether it was.

    Args:
        listen: Raises ``RequestAborted`` once the client has left. Called when *work* first waits.

    Raises:
        BaseException: What *work* raised, or what *listen* raised that is no ``RequestAborted``.
    """
    task: Any = asyncio.current_task()
    cancelling: int = task.cancelling()
    try:
        waits_for = work.send(None)
    except StopIteration:
        return False
    listening = _Listening(listen, task, cancelling)
    try:
        listening.start()
        yield from resumed(work, waits_for)
    except asyncio.CancelledError:
        if listening.has_cancelled and not listening.is_cancelled_by_others():
            listening.raise_fault()
            return True
        raise
    finally:
        listening.stop()
    listening.raise_fault()
    return listening.has_cancelled


class _Listening:
    """What waits for the client to leave, and cancels the task of its request then."""

    def __init__(self, listen: Callable[[], Work], request: Any, cancelling: int) -> None:
        self._listen = listen
        self._listener: asyncio.Task[object] | None = None
        self._request = request
        self._cancelling = cancelling
        self._fault: BaseException | None = None
        self._is_over = False
        self.has_cancelled = False
        """Whether it has."""

    def start(self) -> None:
        """Begin to listen."""
        self._listener = asyncio.get_running_loop().create_task(self._listen())
        self._listener.add_done_callback(self._cancel)

    def stop(self) -> None:
        """Listen no more."""
        # A callback that the loop is about to call cannot be taken back.
        self._is_over = True
        if self._listener is not None:
            self._listener.remove_done_callback(self._cancel)
            # The client may leave in this very moment, which is no error to be logged.
            self._listener.add_done_callback(_mark_retrieved)
            self._listener.cancel()
        if self.has_cancelled:
            self._request.uncancel()

    def _cancel(self, listener: "asyncio.Task[object]") -> None:
        if not (self._is_over or listener.cancelled()):
            error = listener.exception()
            self._fault = None if isinstance(error, RequestAborted) else error
            self.has_cancelled = True
            self._request.cancel()

    def is_cancelled_by_others(self) -> bool:
        """Return whether the request is cancelled for another reason as well, such as the server's end."""
        return self._request.cancelling() > self._cancelling + 1

    def raise_fault(self) -> None:
        """Raise what was wrong while it listened."""
        if self._fault is not None:
            raise self._fault


def _mark_retrieved(listener: "asyncio.Task[object]") -> None:
    if not listener.cancelled():
        listener.exception()
