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
    from django_routehandlers.handlers.layers import CallNext, SyncCallNext
    from django_routehandlers.handlers.markers import Cookie, Form, Header
    from django_routehandlers.policies.cors import CORS
    from django_routehandlers.policies.throttle import Throttle
    from django_routehandlers.responses.event_stream import EventStreamResponse
    from django_routehandlers.responses.json import JSONResponse
    from django_routehandlers.responses.ndjson import NDJSONResponse
    from django_routehandlers.responses.problems import Problem
    from django_routehandlers.responses.server_sent_event import ServerSentEvent

__version__ = "0.1.0"

__all__ = [
    "CORS",
    "CallNext",
    "Cookie",
    "EventStreamResponse",
    "Form",
    "Header",
    "JSONResponse",
    "NDJSONResponse",
    "Problem",
    "ServerSentEvent",
    "SyncCallNext",
    "Throttle",
    "after",
    "arevalidate_path",
    "arevalidate_tag",
    "cached",
    "fetch",
    "revalidate_path",
    "revalidate_tag",
]


_MODULES = {
    "CORS": "policies.cors",
    "CallNext": "handlers.layers",
    "Cookie": "handlers.markers",
    "EventStreamResponse": "responses.event_stream",
    "Form": "handlers.markers",
    "Header": "handlers.markers",
    "JSONResponse": "responses.json",
    "NDJSONResponse": "responses.ndjson",
    "Problem": "responses.problems",
    "ServerSentEvent": "responses.server_sent_event",
    "SyncCallNext": "handlers.layers",
    "Throttle": "policies.throttle",
    "after": "handlers.after",
    "arevalidate_path": "caching.invalidation",
    "arevalidate_tag": "caching.invalidation",
    "cached": "caching.cached",
    "fetch": "caching.fetch",
    "revalidate_path": "caching.invalidation",
    "revalidate_tag": "caching.invalidation",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
