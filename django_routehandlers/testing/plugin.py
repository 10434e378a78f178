"""
Turn the readers of streams into fixtures of pytest.

pytest loads this module in every project of the environment, so it imports nothing of Django
before a test asks for a fixture.
"""

from collections.abc import Awaitable, Callable
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
