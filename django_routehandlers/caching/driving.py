"""
Do the steps to an entry, in a thread or on an event loop, and run what makes it where it sees its
surroundings and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import sleep
from typing import Any, cast

from django.core.cache import caches

from django_routehandlers.caching.flights import DEADLINE, Landing
from django_routehandlers.caching.queries import current_recording
from django_routehandlers.caching.recording import Recording
from django_routehandlers.caching.steps import Ask, Made, Pause, Step, Steps, Wanted
from django_routehandlers.engine.own_thread import keep_thread

Make = Callable[[], Made]
AMake = Callable[[], Awaitable[Made]]
AAsk = Callable[..., Awaitable[Any]]


def drive(steps: Steps, wanted: Wanted, make: Make) -> Landing:
    """Do the steps in this thread; *make* is what the run step runs."""
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            step: Step = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as end:
            return cast("Landing", end.value)
        answer = error = None
        try:
            match step:
                case Ask(function, arguments):
                    answer = function(*arguments)
                case Pause(seconds):
                    sleep(seconds)
                case _:
                    answer = wanted.surroundings.context().run(_recorded, step.recording, make)
        except BaseException as raised:
            # The steps end the turn of this process before it goes on.
            error = raised


async def adrive(steps: Steps, make: AMake, ask: AAsk) -> Landing:
    """
    As ``drive()``, in a task whose context has the surroundings.

    Args:
        ask: Calls a function that may ask the store.
    """
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            step: Step = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as end:
            return cast("Landing", end.value)
        answer = error = None
        try:
            match step:
                case Ask(function, arguments):
                    answer = await ask(function, *arguments)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case _:
                    answer = await _arecorded(step.recording, make)
        except BaseException as raised:
            error = raised


async def outlived(task: "asyncio.Task[Landing]") -> Landing:
    """
    Return the result of *task*. Where the caller is cancelled it stays until the task has ended.

    The task uses the thread of the caller's request, and with it the database connection, which
    end with the request.
    """
    task.add_done_callback(_look_at)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task}, timeout=DEADLINE)
        raise


def _look_at(task: "asyncio.Task[Landing]") -> None:
    if not task.cancelled():
        # Its error has been told to those who waited; nobody may be left of them.
        task.exception()


def run_alone(wanted: Wanted, make: Make) -> Made:
    """Run *make* where it sees its surroundings and nothing else, for one caller."""
    return wanted.surroundings.context().run(_recorded, wanted.outer, make)


async def arun_alone(wanted: Wanted, make: AMake) -> Made:
    """As ``run_alone()``, on an event loop."""
    context = wanted.surroundings.context()
    keep_thread(context)
    # A task has a context of its own; where the caller is cancelled, so is the task that it awaits.
    return await asyncio.get_running_loop().create_task(_arecorded(wanted.outer, make), context=context)


def _recorded(recording: Recording | None, make: Make) -> Made:
    current_recording.set(recording)
    try:
        return make()
    finally:
        current_recording.set(None)
        # Django builds its own anew for each context, and closes those of requests alone.
        caches.close_all()


async def _arecorded(recording: Recording | None, make: AMake) -> Made:
    current_recording.set(recording)
    try:
        return await make()
    finally:
        current_recording.set(None)
        caches.close_all()
