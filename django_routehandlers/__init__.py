"""
Route handlers for Django: a folder is a URL, a function named ``GET`` is a handler.

The names below are what the author of a ``route.py`` file needs. They are imported
on first use, so that importing this package needs no ready app registry.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_routehandlers.caching.cached import cached
    from django_routehandlers.caching.fetch import fetch
    from django_routehandlers.caching.invalidation import (
        arevalidate_path,
        arevalidate_tag,
        revalidate_path,
        revalidate_tag,
    )
    from django_routehandlers.handlers.after import after
    from django_routehandlers.handlers.markers import Cookie, Form, Header
    from django_routehandlers.policies.cors import CORS
    from django_routehandlers.policies.throttle import Throttle
    from django_routehandlers.responses.event_stream import EventStreamResponse
    from django_routehandlers.responses.json import JSONResponse
    from django_routehandlers.responses.ndjson import NDJSONResponse
    from django_routehandlers.responses.server_sent_event import ServerSentEvent

__version__ = "0.1.0"

__all__ = [
    "CORS",
    "Cookie",
    "EventStreamResponse",
    "Form",
    "Header",
    "JSONResponse",
    "NDJSONResponse",
    "ServerSentEvent",
    "Throttle",
    "after",
    "arevalidate_path",
    "arevalidate_tag",
    "cached",
    "fetch",
    "revalidate_path",
    "revalidate_tag",
]


def __getattr__(name: str) -> object:
    match name:
        case "CORS" | "Throttle":
            module = f"django_routehandlers.policies.{name.lower()}"
        case "Cookie" | "Form" | "Header":
            module = "django_routehandlers.handlers.markers"
        case "after":
            module = "django_routehandlers.handlers.after"
        case "EventStreamResponse":
            module = "django_routehandlers.responses.event_stream"
        case "JSONResponse":
            module = "django_routehandlers.responses.json"
        case "NDJSONResponse":
            module = "django_routehandlers.responses.ndjson"
        case "cached" | "fetch":
            module = f"django_routehandlers.caching.{name}"
        case "arevalidate_path" | "arevalidate_tag" | "revalidate_path" | "revalidate_tag":
            module = "django_routehandlers.caching.invalidation"
        case "ServerSentEvent":
            module = "django_routehandlers.responses.server_sent_event"
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
