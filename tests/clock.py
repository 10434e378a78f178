"""Time in tests: seconds that pass when a test says so, and a wait until something is so."""

import time
from collections.abc import Callable


class Clock:
    """Seconds that pass when we say so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def eventually(is_so: Callable[[], bool], *, within: float = 5) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
