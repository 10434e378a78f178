"""Say how the records of one media type become the bytes of a stream."""

from collections.abc import Callable
from dataclasses import dataclass

from django_routehandlers.responses.problems import ProblemDetails

Encode = Callable[[object], bytes]
"""What turns a value into JSON."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How the records of one media type become bytes."""

    media_types: tuple[str, ...]
    """The first is sent unless the client prefers another."""
    frame: Callable[[object], bytes]
    """Turns a record into bytes."""
    frame_with: Callable[[Encode], Callable[[object], bytes]]
    """Returns what turns a record into bytes, its values encoded by what is given."""
    frame_error: Callable[[ProblemDetails], bytes]
    """Turns what ends a stream early into its last bytes."""
    heartbeat: bytes = b""
    """What keeps a connection open and says nothing."""
    grace: float | None = None
    """Seconds after which the response starts without a record; ``None``: it waits for the first, or the end."""
