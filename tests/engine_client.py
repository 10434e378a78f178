"""Serve views on the engine and ask it in this process, as servers do."""

import asyncio
import inspect
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from django.core.cache import CacheHandler
from django.urls import path
from pytest_django import Settings

from django_routehandlers.asgi import get_asgi_application

SEVEN = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

Serve = Callable[..., Any]


@contextmanager
def views_served(settings: Settings) -> Iterator[Serve]:
    """Yield what makes an application of views, by their paths, behind Django's seven middleware."""
    # Where the debug toolbar was installed once it stays, and sees each backend of a cache.
    watched = CacheHandler.create_connection
    CacheHandler.create_connection = inspect.unwrap(watched)
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.MIDDLEWARE = SEVEN

    def make(**views: Callable[..., Any]) -> Any:
        urlconf = ModuleType("engine_urls")
        urlconf.urlpatterns = [path(name, view) for name, view in views.items()]
        sys.modules["engine_urls"] = urlconf
        settings.ROOT_URLCONF = "engine_urls"
        return get_asgi_application()

    yield make
    CacheHandler.create_connection = watched
    sys.modules.pop("engine_urls", None)


async def ask(
    application: Any,
    target: str,
    *,
    method: str = "GET",
    fields: tuple[tuple[bytes, bytes], ...] = (),
    parts: tuple[bytes, ...] = (b"",),
    leaves: asyncio.Event | None = None,
) -> list[Any]:
    """Send one request as servers do; return the messages of the response."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": f"/{target}",
        "query_string": b"",
        "headers": [(b"host", b"testserver"), *fields],
    }
    left = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    left[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> Any:
        if left:
            return left.pop(0)
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent


def body(messages: list[Any]) -> bytes:
    return b"".join(message.get("body", b"") for message in messages)


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Wait up to two seconds for what another thread does."""
    deadline = time.monotonic() + 2
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)
    return is_so()
