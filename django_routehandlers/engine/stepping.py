"""
Run a coroutine in the task that is there, and do something more only if it has to wait.

Most of what a request waits for is ready at once. A timer, or a task beside it, takes as long as that.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

Work = Coroutine[Any, Any, Any]


async def within(seconds: float, work: Work) -> Any:
    """
    Return what *work* returns.

    Raises:
        TimeoutError: It has waited for longer than *seconds*, and was cancelled.
    """
    limit = asyncio.timeout(None)
    async with limit:
        return await stepped(work, lambda: limit.reschedule(asyncio.get_running_loop().time() + seconds))


@coroutine
def stepped(work: Work, on_wait: Callable[[], None]) -> Generator[Any, Any, Any]:
    """Run *work* and return what it returns; call *on_wait* once, when it first waits."""
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        return end.value
    on_wait()
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
