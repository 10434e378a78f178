"""
Reach from the ``send`` of a request to what ASGI has no message for: the connection, and the server's end.

Nothing here is promised by a server. What is not where it is looked for is done without.
"""

from collections.abc import Awaitable, Callable
from typing import Any


def abort(send: object) -> bool:
    """
    Drop the connection of a request, and what its client has not taken; return whether that was possible.

    Servers close a connection by waiting until all has been taken, which a client that reads no
    more never does.
    """
    # uvicorn: RequestResponseCycle.transport. hypercorn: from HTTPStream.send to H11Protocol, from
    # its send to TCPServer.writer. granian: out of reach, in Rust.
    holder = _owner(send)
    for _ in range(3):
        for where in (holder, getattr(holder, "writer", None)):
            end: object = getattr(getattr(where, "transport", None), "abort", None)
            if callable(end):
                end()
                return True
        holder = _owner(getattr(holder, "send", None))
    return False


def wait_for_end(send: object) -> Callable[[], Awaitable[Any]] | None:
    """Return what waits until the server takes no more requests, where the server has such an event."""
    # hypercorn: HTTPStream.context.terminated. Its workers are not told by a signal.
    return getattr(getattr(getattr(_owner(send), "context", None), "terminated", None), "wait", None)


def _owner(method: object) -> object:
    return getattr(method, "__self__", None)
