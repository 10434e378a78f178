"""The demo shop's route cache: what is kept, what ends it, and what is never kept."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from django_routehandlers.testing import (
    AsyncRouteClient,
    BrowserClient,
    RouteCache,
    RouteClient,
    assert_cors_allowed,
    assert_cors_refused,
)
from shop.models import Product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _shop(db: None, route_cache: RouteCache) -> None:
    call_command("fill_shop", reset=True, verbosity=0)


PAGES = (
    "/api/products?limit=2",
    "/api/products/1",
    "/api/products/by-name/oak-chair",
    "/api/products/count",
    "/api/search?text=oak",
)


@pytest.mark.parametrize("path", PAGES)
def test_what_is_said_of_products_is_kept(path: str, route_client: RouteClient, route_cache: RouteCache) -> None:
    route_cache.assert_miss(route_client.get(path))
    route_cache.assert_stored(path)
    route_cache.assert_hit(route_client.get(path))


def test_what_is_kept_is_the_same_for_threads_and_event_loops(
    route_client: RouteClient, aroute_client: AsyncRouteClient, route_cache: RouteCache
) -> None:
    route_cache.assert_miss(route_client.get("/api/products/1"))
    route_cache.assert_hit(async_to_sync(aroute_client.get)("/api/products/1"))


@pytest.mark.parametrize("path", PAGES)
def test_a_product_that_changes_ends_what_was_kept(
    path: str, route_client: RouteClient, route_cache: RouteCache
) -> None:
    route_client.get(path)
    body = {"name": "Oak Armchair", "price": "150.00", "stock": 1}
    assert route_client.put("/api/products/1", json=body).status_code == 200
    route_cache.assert_not_stored(path)
    assert route_client.get(path).headers["Cache-Status"].endswith("; stored; detail=invalidated")
    assert route_client.get("/api/products/1").json()["name"] == "Oak Armchair"


def test_what_a_key_opens_is_kept_for_those_who_have_one_and_private(route_cache: RouteCache) -> None:
    staff = Client(headers={"Authorization": "Bearer oak-and-ash"})
    route_cache.assert_miss(staff.get("/api/stock/low"))
    response = staff.get("/api/stock/low")
    route_cache.assert_hit(response)
    assert response.headers["Cache-Control"].startswith("private")
    route_cache.assert_bypassed(Client().get("/api/stock/low"))


def test_stock_is_kept_once_for_all_partners(route_cache: RouteCache) -> None:
    """Invariant 82."""
    for partner in ("https://partner.example", "http://localhost:3000"):
        # Scheme and host are part of the key: both ask by https.
        answer = BrowserClient(partner).get("/api/stock", secure=True)
        assert_cors_allowed(answer, partner)
        assert answer.headers["Cache-Control"].startswith("public")
    assert_cors_refused(BrowserClient("https://evil.example").get("/api/stock"), "https://evil.example")
    assert (route_cache.misses, route_cache.hits) == (1, 2)


def test_an_order_ends_what_was_kept_of_the_stock(route_client: RouteClient) -> None:
    before = route_client.get("/api/products/1").json()["stock"]
    order = {"customer": 1, "lines": [{"product": 1, "quantity": 2}]}
    assert route_client.post("/api/orders", json=order).status_code == 201
    assert route_client.get("/api/products/1").json()["stock"] == before - 2


def change_behind_djangos_back() -> None:
    """Change a product as another program does."""
    connection.ensure_connection()
    cursor = connection.connection.cursor()
    cursor.execute("UPDATE shop_product SET stock = 77 WHERE id = 1")
    cursor.close()


def test_the_admins_action_ends_what_another_program_has_changed() -> None:
    visitor, admin = Client(), Client()
    admin.force_login(User.objects.create_superuser("ada"))
    before = visitor.get("/api/products/1").json()["stock"]
    change_behind_djangos_back()
    assert visitor.get("/api/products/1").json()["stock"] == before
    chosen = {
        "action": "refresh_cached_products",
        "_selected_action": [Product.objects.values_list("pk", flat=True)[0]],
    }
    response = admin.post(reverse("admin:shop_product_changelist"), chosen)
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "The next visitor gets products that are made anew."
    ]
    assert visitor.get("/api/products/1").json()["stock"] == 77


@pytest.mark.parametrize("path", ["/api/health", "/api/currency", "/api/products/1/price", "/about"])
def test_what_depends_on_who_asks_or_on_the_moment_is_never_kept(path: str, route_cache: RouteCache) -> None:
    for _ in range(2):
        route_cache.assert_bypassed(Client().get(path))


def test_products_are_for_everybody_and_other_caches_may_keep_them() -> None:
    response = Client().get("/api/products/1")
    assert response.headers["Cache-Control"] == "public, s-maxage=300, stale-while-revalidate=300"


def test_a_visitor_who_is_logged_in_gets_the_same_entry_as_private(route_cache: RouteCache) -> None:
    Client().get("/api/products/1")
    visitor = Client()
    visitor.force_login(User.objects.create_user("eve"))
    response = visitor.get("/api/products/1", headers={"Authorization": "Bearer x"})
    assert response.headers["Cache-Control"] == "private, no-cache, no-store, max-age=0, must-revalidate"
    route_cache.assert_hit(response)
