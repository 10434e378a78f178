"""Give Django's test cases the clients of this package, and a route cache of their own where they ask for one."""

from functools import cached_property
from typing import Any

from django_routehandlers.testing.clients import AsyncRouteClient, RouteClient
from django_routehandlers.testing.route_caching import RouteCache, route_cache


class RouteTestMixin:
    """For ``SimpleTestCase``, ``TestCase``, ``TransactionTestCase`` and ``LiveServerTestCase``: written before them."""

    @cached_property
    def route_client(self) -> RouteClient:
        """A ``RouteClient`` of this test, with cookies of its own."""
        return RouteClient()

    @cached_property
    def aroute_client(self) -> AsyncRouteClient:
        """An ``AsyncRouteClient`` of this test."""
        return AsyncRouteClient()

    def use_route_cache(self) -> RouteCache:
        """Give this test a route cache of its own until it ends. See ``route_cache()``."""
        case: Any = self
        return case.enterContext(route_cache())
