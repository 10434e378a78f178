"""Requests of clients at addresses of their own, to a project in this process, by each way that requests come."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.test import Client

from asgi_requests import Request
from django_routehandlers.asgi import RouteASGIHandler

WAYS = ("WSGI", "ASGI", "engine")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    fields: Mapping[str, str]
    """Lower-case names."""
    body: bytes

    @property
    def left(self) -> list[int]:
        """What `RateLimit` says is left of each limit."""
        return [int(one.partition(";r=")[2].partition(";")[0]) for one in self.fields["ratelimit"].split(", ")]


def application_of(way: str) -> Any:
    """Return the ASGI application: Django's own, or that of the engine."""
    # Not Django's function, which sets the log up anew.
    return ASGIHandler() if way == "ASGI" else RouteASGIHandler()


async def aask(application: Any, method: str, path: str, address: str, fields: Mapping[str, str]) -> Answer:
    """Send one request to an ASGI application."""
    request = Request(path, method=method)
    request.scope["client"] = [address, 9] if address else None
    request.scope["headers"] += [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await request.run(application)
    return Answer(request.status, request.headers, request.body)


def ask(way: str, method: str, path: str, address: str = "192.0.2.1", **fields: str) -> Answer:
    """Send one request, in an event loop of its own where there is one."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    if way != "WSGI":
        return asyncio.run(aask(application_of(way), method, path, address, named))
    client = Client(raise_request_exception=False, REMOTE_ADDR=address)
    cookie = named.pop("Cookie", "")
    client.cookies.load(cookie)
    response = client.generic(method, path, headers=named)
    content = response.content if not response.streaming else b"".join(response)  # type: ignore[attr-defined]
    return Answer(response.status_code, {name.lower(): value for name, value in response.items()}, content)
