"""
Test routes: clients and calls, streams, the route cache, other origins, changes of threads, the contract.

The names are imported on first use: pytest loads the plugin of this room in every project of
the environment, and those without Django shall not pay for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_routehandlers.testing.browsers import AsyncBrowserClient, BrowserClient
    from django_routehandlers.testing.calling import acall, call, route_handler
    from django_routehandlers.testing.cases import RouteTestMixin
    from django_routehandlers.testing.clients import AsyncRouteClient, RouteClient
    from django_routehandlers.testing.contract import contract_schema
    from django_routehandlers.testing.cross_origin import assert_cors_allowed, assert_cors_refused
    from django_routehandlers.testing.events import ReceivedEvent
    from django_routehandlers.testing.failures import BrokenStream, StreamError, StreamTimeout
    from django_routehandlers.testing.hops import CountedHops, assert_num_hops
    from django_routehandlers.testing.received_problem import ReceivedProblem
    from django_routehandlers.testing.replies import AsyncRouteResponse, RouteResponse, UnexpectedResponse
    from django_routehandlers.testing.route_caching import RouteCache, route_cache
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
    "AsyncBrowserClient",
    "AsyncRouteClient",
    "AsyncRouteResponse",
    "BrokenStream",
    "BrowserClient",
    "CountedHops",
    "ReceivedEvent",
    "ReceivedProblem",
    "RecordStream",
    "RouteCache",
    "RouteClient",
    "RouteResponse",
    "RouteTestMixin",
    "StreamError",
    "StreamTimeout",
    "UnexpectedResponse",
    "acall",
    "aread_events",
    "aread_records",
    "assert_cors_allowed",
    "assert_cors_refused",
    "assert_num_hops",
    "call",
    "contract_schema",
    "open_events",
    "open_records",
    "read_events",
    "read_records",
    "route_cache",
    "route_handler",
]

_MODULES = {
    "AsyncBrowserClient": "browsers",
    "BrowserClient": "browsers",
    "acall": "calling",
    "call": "calling",
    "route_handler": "calling",
    "RouteTestMixin": "cases",
    "AsyncRouteClient": "clients",
    "RouteClient": "clients",
    "contract_schema": "contract",
    "assert_cors_allowed": "cross_origin",
    "assert_cors_refused": "cross_origin",
    "ReceivedEvent": "events",
    "BrokenStream": "failures",
    "StreamError": "failures",
    "StreamTimeout": "failures",
    "CountedHops": "hops",
    "assert_num_hops": "hops",
    "AsyncRouteResponse": "replies",
    "ReceivedProblem": "received_problem",
    "RouteResponse": "replies",
    "UnexpectedResponse": "replies",
    "RouteCache": "route_caching",
    "route_cache": "route_caching",
    "RecordStream": "streams",
    "aread_events": "streams",
    "aread_records": "streams",
    "open_events": "streams",
    "open_records": "streams",
    "read_events": "streams",
    "read_records": "streams",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
