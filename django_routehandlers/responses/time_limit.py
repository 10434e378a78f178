"""Hold an answer to the time that it may take: ``max_duration``, on an event loop."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from django_routehandlers.clocks import monotonic
from django_routehandlers.responses.problems import Refusal

_Result = TypeVar("_Result")


class Overdue(Refusal):
    """A handler, or its stream, has taken longer than it may: 504 (RFC 9110, section 15.6.5)."""

    def __init__(self, label: str, seconds: float) -> None:
        super().__init__(504, detail="The answer took too long.")
        self.label, self.seconds = label, seconds

    def __str__(self) -> str:
        return f"it took longer than its max_duration of {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """The time of one answer, which runs from when this is made."""

    label: str
    """What the log calls the handler."""
    seconds: float
    began: float = field(default_factory=monotonic)
    """Seconds of the monotonic clock."""

    @property
    def left(self) -> float:
        """Seconds that are left; below 0 where none are."""
        return self.began + self.seconds - monotonic()

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.left <= 0

    def patience(self, within: float | None) -> float:
        """Return for how many seconds to wait where it would be *within* seconds without the limit."""
        # Timers may be early by what the clock cannot tell; then the limit would not be over.
        left = max(self.left, 0) + 0.001
        return left if within is None else min(within, left)

    def overdue(self) -> Overdue:
        """Return what the answer is broken off with."""
        return Overdue(self.label, self.seconds)

    async def hold(self, work: Awaitable[_Result]) -> _Result:
        """
        Return the result of *work*, which is cancelled when the time is over.

        Where it catches that and returns, what it returns counts: it is there, and as good as any.
        It is waited for while it cleans up.

        Raises:
            Overdue: *work* ended with any exception after it was cancelled.
        """
        limit = asyncio.timeout(max(self.left, 0))
        try:
            async with limit:
                return await work
        except Exception as error:
            if limit.expired():
                raise self.overdue() from error
            raise
