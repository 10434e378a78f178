"""
Run a coroutine in the task that is there, and do something more only if it has to wait.

Most of what a request waits for is ready at once. A timer, or a task beside it, takes as long as that.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

Work = Coroutine[Any, Any, Any]


@coroutine
def within(seconds: float, work: Work) -> Generator[Any, Any, Any]:
    """
    Return what *work* returns.

    Raises:
        TimeoutError: It has waited for longer than *seconds*, and was cancelled.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        return end.value
    return (yield from _resumed_within(seconds, work, waits_for).__await__())


async def _resumed_within(seconds: float, work: Work, waits_for: Any) -> Any:
    async with asyncio.timeout(seconds):
        return await coroutine(resumed)(work, waits_for)


def resumed(work: Work, waits_for: Any) -> Generator[Any, Any, Any]:
    """Run *work*, which has begun and waits for something, to its end, and return what it returns."""
    while True:
        try:
            # The task that runs all this waits, as it would below *work* itself.
            sent = yield waits_for
        except BaseException as error:
            try:
                waits_for = work.throw(error)
            except StopIteration as end:
                return end.value
        else:
            try:
                waits_for = work.send(sent)
            except StopIteration as end:
                return end.value


@coroutine
def unbroken(work: Work) -> Generator[Any, Any, Any]:
    """
    Run *work* to its end, in this task and its context.

    Raises:
        CancelledError: The task was cancelled meanwhile. It is raised behind the end.
    """
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            waits_for = work.send(None)
        except StopIteration as end:
            if cancelled is not None:
                raise cancelled from None
            return end.value
        is_ready = False
        while not is_ready:
            try:
                if waits_for is None:
                    yield
                else:
                    # What *work* waits for would be cancelled along with the task.
                    waits_for._asyncio_future_blocking = False
                    yield from asyncio.shield(waits_for)
                is_ready = True
            except asyncio.CancelledError as error:
                is_ready = waits_for is None or waits_for.done()
                if not (waits_for is not None and waits_for.cancelled()):
                    cancelled = error
            except Exception:
                # It is raised where *work* asks for it.
                is_ready = True
