"""Answer the messages of a server that starts and stops (ASGI, lifespan protocol 2.0)."""

from collections.abc import Awaitable, Callable

from django_routehandlers.engine.arriving import Receive
from django_routehandlers.engine.exchange import Send


async def answer_lifespan(receive: Receive, send: Send, end: Callable[[], Awaitable[object]]) -> None:
    """
    Say that the application is ready, and when the server stops, that it is done.

    Args:
        end: What is still to be waited for then; all responses have been sent.
    """
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    try:
        await end()
    finally:
        await send({"type": "lifespan.shutdown.complete"})
