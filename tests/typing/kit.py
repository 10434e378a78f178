"""The test kit as a user's type checker sees it. Never run: pyright and mypy read it, strictly."""

from typing import Any, assert_type

from django.http import HttpResponse
from django.test import SimpleTestCase, TestCase
from pydantic import BaseModel

from django_routehandlers.testing import (
    AsyncRouteClient,
    BrowserClient,
    ReceivedEvent,
    ReceivedProblem,
    RouteCache,
    RouteClient,
    RouteTestMixin,
    acall,
    assert_num_hops,
    call,
    route_handler,
)


class Product(BaseModel):
    name: str


def test_of_a_client(route_client: RouteClient, browser_client: type[BrowserClient], route_cache: RouteCache) -> None:
    response = route_client.post("routes:api-products", json=Product(name="Oak"), headers={"X-Plan": "a"})
    assert_type(response.parse(Product, status=201), Product)
    assert_type(route_client.get("/api/products").parse(list[Product]), list[Product])
    assert_type(response.problem, ReceivedProblem | None)
    assert_type(response.lines(3), list[Any])
    assert_type(response.events(), list[ReceivedEvent])
    as_django_has_it: HttpResponse = response
    assert as_django_has_it.status_code == 200
    assert_type(browser_client(origin="https://app.example.com").delete("/api").parse(Product), Product)
    route_cache.assert_hit(response)
    assert_type(call(route_handler("routes:api-products"), limit=3).parse(Product), Product)


async def test_of_an_async_client(aroute_client: AsyncRouteClient) -> None:
    async with assert_num_hops(0) as hops:
        response = await aroute_client.get("routes:api-products-id", params={"id": 3})
    assert_type(hops.names, list[str])
    assert_type(response.parse(Product), Product)
    assert_type(await response.lines(3), list[Any])
    assert_type((await acall(route_handler("routes:api-products"))).parse(Product), Product)


class ProductTest(RouteTestMixin, TestCase):
    def test_product(self) -> None:
        assert_type(self.route_client.get("/api").parse(Product), Product)
        self.use_route_cache().assert_stored("/api")
        self.assertContains(self.route_client.get("/api"), "Oak")


class PlainTest(RouteTestMixin, SimpleTestCase):
    async def test_product(self) -> None:
        assert_type((await self.aroute_client.get("/api")).parse(Product), Product)
