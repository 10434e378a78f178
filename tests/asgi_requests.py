"""Requests to an ASGI application in this process, seen as a server sees them."""

import asyncio
from typing import Any


class Request:
    """One request; its client takes what comes until it leaves, or has taken as many messages as it *takes*."""

    def __init__(self, target: str, *, method: str = "GET", takes: float = float("inf")) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": target.partition("?")[0],
            "query_string": target.partition("?")[2].encode(),
            "headers": [(b"host", b"testserver")],
        }
        self.messages: list[Any] = []
        """What the application has sent."""
        self.has_started = asyncio.Event()
        """Set when content has come."""
        self.leaves = asyncio.Event()
        """To be set when the client is to leave."""
        self._takes = takes
        self._is_asked = False

    async def receive(self) -> dict[str, Any]:
        """Return the next message of the server."""
        if not self._is_asked:
            self._is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a message of the application."""
        self.messages.append(message)
        if message.get("body"):
            self.has_started.set()
        if len(self.messages) > self._takes:
            await asyncio.Event().wait()

    async def run(self, application: Any) -> "Request":
        """Have *application* answer; return this request when its call has returned."""
        await application(self.scope, self.receive, self.send)
        return self

    def start(self, application: Any) -> "asyncio.Task[Request]":
        """Have *application* answer, in a task."""
        return asyncio.create_task(self.run(application))

    @property
    def status(self) -> int:
        """The status of the response."""
        return self.messages[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        """The fields of the response."""
        return {name.decode().lower(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        """All content that has come."""
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_complete(self) -> bool:
        """Whether the response has come to its end."""
        last = self.messages[-1]
        return last["type"] == "http.response.body" and not last.get("more_body", False)
