"""
Read streams in tests: NDJSON and server-sent events, record by record, from the responses of Django's test clients.

The names are imported on first use: pytest loads the plugin of this room in every project of
the environment, and those without Django shall not pay for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_routehandlers.testing.events import ReceivedEvent
    from django_routehandlers.testing.failures import BrokenStream, StreamError, StreamTimeout
    from django_routehandlers.testing.streams import (
        RecordStream,
        aread_events,
        aread_records,
        open_events,
        open_records,
        read_events,
        read_records,
    )

__all__ = [
    "BrokenStream",
    "ReceivedEvent",
    "RecordStream",
    "StreamError",
    "StreamTimeout",
    "aread_events",
    "aread_records",
    "open_events",
    "open_records",
    "read_events",
    "read_records",
]


def __getattr__(name: str) -> object:
    match name:
        case "ReceivedEvent":
            module = "django_routehandlers.testing.events"
        case "BrokenStream" | "StreamError" | "StreamTimeout":
            module = "django_routehandlers.testing.failures"
        case _ if name in __all__:
            module = "django_routehandlers.testing.streams"
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
