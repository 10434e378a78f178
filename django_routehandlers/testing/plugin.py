"""
Turn what this room has into fixtures of pytest.

pytest loads this module in every project of the environment, so it imports nothing of Django
before a test asks for a fixture.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import django_routehandlers.testing as testing


@pytest.fixture(scope="session")
def read_records() -> Callable[..., list[Any]]:
    """
    The function that reads an NDJSON stream and closes it:
    read_records(response, limit=None, *, timeout=5.0, status=200) returns a list of values.
    """
    return testing.read_records


@pytest.fixture(scope="session")
def aread_records() -> Callable[..., Awaitable[list[Any]]]:
    """
    The async twin of read_records:
    await aread_records(async_client.get(path), limit=None, *, timeout=5.0, status=200) returns a list of values.
    """
    return testing.aread_records


@pytest.fixture(scope="session")
def read_events() -> "Callable[..., list[testing.ReceivedEvent]]":
    """
    The function that reads a stream of server-sent events and closes it:
    read_events(response, limit=None, *, timeout=5.0, status=200) returns a list of ReceivedEvent.
    """
    return testing.read_events


@pytest.fixture(scope="session")
def aread_events() -> "Callable[..., Awaitable[list[testing.ReceivedEvent]]]":
    """
    The async twin of read_events:
    await aread_events(async_client.get(path), limit=None, *, timeout=5.0, status=200) returns a list of ReceivedEvent.
    """
    return testing.aread_events


@pytest.fixture
def route_client() -> "testing.RouteClient":
    """A RouteClient: Django's Client, with json=, params=, and typed results."""
    return testing.RouteClient()


@pytest.fixture
def aroute_client() -> "testing.AsyncRouteClient":
    """An AsyncRouteClient: Django's AsyncClient, with what a RouteClient has."""
    return testing.AsyncRouteClient()


@pytest.fixture(scope="session")
def browser_client() -> "type[testing.BrowserClient]":
    """
    The class of clients that ask as a page does:
    browser_client(origin="https://app.example.com") returns one.
    """
    return testing.BrowserClient


@pytest.fixture(scope="session")
def abrowser_client() -> "type[testing.AsyncBrowserClient]":
    """The async twin of browser_client."""
    return testing.AsyncBrowserClient


@pytest.fixture
def route_cache() -> "Iterator[testing.RouteCache]":
    """A route cache of the test's own, on and empty; what it did is asked of the RouteCache."""
    with testing.route_cache() as cache:
        yield cache


@pytest.fixture(scope="session")
def assert_num_hops() -> "Callable[[int], testing.CountedHops]":
    """The function that counts changes of threads, for `with` and `async with`."""
    return testing.assert_num_hops
