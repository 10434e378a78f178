#!/usr/bin/env python
"""
Start the demo shop: make its tables, fill them, say what to try, and serve it with uvicorn.

Every start empties the shop's own tables and fills them anew, so that each printed line
answers as printed. The answers are not written down here: the application itself gives them.
The password of the staff user is of one start, too, and written nowhere but on the terminal.
"""

import argparse
import asyncio
import os
import secrets
import shlex
import socket
import sys
from collections.abc import AsyncIterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("DEBUG", "0")

import uvicorn
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.management import call_command
from django.db import connection, connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient
from django.urls import reverse

from config.asgi import application

HOST = "127.0.0.1"
PORT = 8000
STREAMED_LINES = 3
STAFF = "demo-staff"
"""Name of the user who may see the explorer."""
_SHOWN = {"status": ("Allow", "Location"), "caching": ("Cache-Control", "Access-Control-Allow-Origin")}
"""Fields that are shown of a response, besides its status line."""


@dataclass(frozen=True)
class Trial:
    """One request that a reader can make with curl, and the part of its response that is shown."""

    title: str
    path: str
    method: str = "GET"
    show: Literal["body", "status", "caching", "stream", "events"] = "body"
    """
    ``status`` shows the status line, then ``Allow`` and ``Location``, in lower case as uvicorn sends them;
    ``caching`` the status line, then ``Cache-Control`` and the field of CORS; ``stream`` the first lines, ``events``
    all lines that are not empty.
    """
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    """The body, where it is sent line by line."""

    def command(self, base: str) -> str:
        """Return the line to type into a shell."""
        words = ["curl", {"status": "-si", "caching": "-si", "stream": "-sN", "events": "-sN"}.get(self.show, "-s")]
        if self.method != ("POST" if self.body else "GET"):
            words += ["-X", self.method]
        for name, value in self.headers.items():
            words += ["-H", f"{name}: {value}"]
        if self.body:
            words += ["-d", self.body]
        if self.lines:
            words += ["-T", "-"]
        return self._feed() + shlex.join([*words, base + self.path]) + self._filter()

    def _feed(self) -> str:
        return shlex.join(["printf", "%s\\n", *self.lines]) + " | " if self.lines else ""

    def _filter(self) -> str:
        match self.show:
            case "status" | "caching":
                names = "|".join(name.lower() for name in _SHOWN[self.show])
                return f" | grep -iE '^(http|{names})'"
            case "stream":
                return f" | head -n {STREAMED_LINES}"
            case "events":
                return " | grep ."
            case _:
                return ""

    async def answer(self, client: AsyncClient) -> str:
        """Return what the application answers, as the line of ``command()`` shows it."""
        response: HttpResponseBase = await client.generic(
            self.method,
            self.path,
            "".join(f"{line}\n" for line in self.lines) or self.body,
            content_type=self.headers.get("Content-Type", ""),
            headers={key: value for key, value in self.headers.items() if key != "Content-Type"},
        )
        if self.show in _SHOWN:
            return "\n".join(_head_lines(response, _SHOWN[self.show]))
        if self.show == "stream":
            return await _lines(cast("StreamingHttpResponse", response), STREAMED_LINES)
        if self.show == "events":
            return await _lines(cast("StreamingHttpResponse", response))
        return response.content.decode()


TRIALS = [
    Trial("A list, from shop/routes/api/products/route.py", "/api/products?limit=2"),
    Trial("One of them: the folder is named [id]", "/api/products/1"),
    Trial("One that is not there", "/api/products/999"),
    Trial("No route at all", "/api/producers", show="status"),
    Trial(
        "Add one",
        "/api/products",
        "POST",
        "status",
        '{"name": "Elm Chair", "price": "149.90", "stock": 3}',
        {"Content-Type": "application/json"},
    ),
    Trial(
        "What does not fit what the handler declares: all faults at once",
        "/api/products",
        "POST",
        body='{"name": "Elm Chair", "price": "-1", "stock": "many"}',
        headers={"Content-Type": "application/json"},
    ),
    Trial("A method that the route does not have", "/api/products/1", "PATCH", "status"),
    Trial("The orders as a stream of lines", "/api/orders/export", show="stream"),
    Trial("A job that says how far it has come", "/api/stocktake", "POST", "stream"),
    Trial(
        "Products line by line, read while they arrive",
        "/api/products/import",
        "POST",
        lines=('{"name": "Elm Stool", "price": "69.90"}', '{"name": "Elm Box", "price": "26.90", "stock": 5}'),
        headers={"Content-Type": "application/x-ndjson"},
    ),
    Trial(
        "Orders as events, from behind the one that is named; without the limit they go on",
        "/api/orders/live?limit=1",
        show="events",
        headers={"Last-Event-ID": "39"},
    ),
    Trial(
        "Answered from the cache until a product changes; a CDN may keep it for five minutes",
        "/api/products/1",
        show="caching",
    ),
    Trial(
        "Depends on who asks, so nobody keeps it: the handler takes a cookie", "/api/products/1/price", show="caching"
    ),
    Trial("Guarded by the middleware of its folder, (staff)", "/api/stock/low", show="status"),
    Trial(
        "With a key: cached on the server, and private, since others are refused",
        "/api/stock/low",
        show="caching",
        headers={"Authorization": "Bearer oak-and-ash"},
    ),
    Trial(
        "For pages of a partner too: one entry of the cache, and a field of CORS for each who asks",
        "/api/stock",
        show="caching",
        headers={"Origin": "https://partner.example"},
    ),
    Trial("Kept for an hour: asked_at stays as it is", "/api/rates"),
]


def _head_lines(response: HttpResponseBase, names: Sequence[str]) -> Iterator[str]:
    yield f"HTTP/1.1 {response.status_code} {response.reason_phrase}"
    for name, value in response.items():
        if name in names:
            yield f"{name.lower()}: {value}"


async def _lines(response: StreamingHttpResponse, count: int | None = None) -> str:
    """Return the first lines of a stream that are not empty, all of them where none is said."""
    lines: list[bytes] = []
    async for chunk in cast("AsyncIterable[bytes]", response):
        lines += filter(None, chunk.splitlines())
        if count is not None and len(lines) >= count:
            break
    response.close()
    return b"\n".join(lines[:count]).decode()


async def ask_all() -> list[str]:
    """Return the answers to all trials, in their order: some change what the next one finds."""
    client = AsyncClient(headers={"host": HOST})
    answers = [await trial.answer(client) for trial in TRIALS]
    # The client keeps the connection of its worker thread open, for tests that look at what a request has done.
    await sync_to_async(connections.close_all)()
    return answers


def listen(port: int | None) -> socket.socket:
    """Return a listening socket on *port*; without one on 8000, or on a free port where that is taken."""
    if port is not None:
        return socket.create_server((HOST, port))
    try:
        return socket.create_server((HOST, PORT))
    except OSError:
        return socket.create_server((HOST, 0))


def renew_staff() -> str:
    """Give the staff user, who may do nothing else, a new password, and return it."""
    password = secrets.token_urlsafe(9)
    user, _ = get_user_model().objects.get_or_create(username=STAFF, defaults={"is_staff": True})
    user.set_password(password)
    user.save()
    return password


def print_trials(base: str, password: str, answers: list[str]) -> None:
    """Print where the shop is, who may explore its routes, and each line to try with its answer."""
    database = settings.DATABASES["default"]
    print(f"The demo shop is open at {base} ({connection.display_name}, {database['NAME']}).")
    print(f"Read and try its API in a browser: {base}{reverse('routes:openapi:page')}")
    explorer = reverse("routes:explorer:page")
    print(f"Explore its routes in a browser: {base}{explorer}")
    if not settings.DEBUG:
        login = f"{base}{reverse('admin:login')}?next={explorer}"
        print(f"  It is for staff: log in as {STAFF}, password {password}, at {login}")
    print(f"See streams arrive in a browser: {base}{reverse('routes:live')}")
    print(f"Find products in a browser: {base}{reverse('routes:catalogue')}")
    print("Try these in another terminal, from top to bottom. Ctrl-C closes the shop.\n")
    for trial, answer in zip(TRIALS, answers, strict=True):
        print(f"# {trial.title}\n{trial.command(base)}\n{answer}\n", flush=True)


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Start the demo shop.")
    parser.add_argument("--port", type=int, help=f"default: {PORT}, or a free one where that is taken")
    port = parser.parse_args().port
    try:
        listener = listen(port)
    except OSError as error:
        print(f"Port {port} cannot be used: {os.strerror(error.errno or 0)}.", file=sys.stderr)
        return 1
    call_command("migrate", verbosity=0)
    call_command("fill_shop", reset=True, verbosity=0)
    answers = asyncio.run(ask_all())
    call_command("fill_shop", reset=True, verbosity=0)
    print_trials(f"http://{HOST}:{listener.getsockname()[1]}", renew_staff(), answers)
    connection.close()
    # The admin's style sheets, which Django's own runserver would serve.
    server = uvicorn.Server(uvicorn.Config(ASGIStaticFilesHandler(application), lifespan="off", log_level="warning"))
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
