"""The demo shop's route cache: what is kept, what ends it, and what is never kept."""

from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import AsyncClient, Client
from django.urls import reverse
from pytest_django import Settings

from shop.models import Product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _shop(db: None, settings: Settings) -> Iterator[None]:
    call_command("fill_shop", reset=True, verbosity=0)
    cache.clear()
    # A cache that knows nothing of what earlier tests have left in the memory of this process.
    settings.ROUTEHANDLERS = dict(settings.ROUTEHANDLERS)
    yield
    cache.clear()


def status(path: str, client: Client | None = None) -> str:
    """Return what ``Cache-Status`` says of a GET, without the name of the cache and the numbers."""
    response = (client or Client()).get(path)
    words = response.headers["Cache-Status"].split("; ")[1:]
    return "; ".join(word for word in words if not word.startswith("ttl="))


PAGES = (
    "/api/products?limit=2",
    "/api/products/1",
    "/api/products/by-name/oak-chair",
    "/api/products/count",
    "/api/search?text=oak",
)


@pytest.mark.parametrize("path", PAGES)
def test_what_is_said_of_products_is_kept(path: str) -> None:
    assert [status(path), status(path)] == ["fwd=uri-miss; stored", "hit"]


def test_what_is_kept_is_the_same_for_threads_and_event_loops() -> None:
    assert status("/api/products/1") == "fwd=uri-miss; stored"
    response = async_to_sync(AsyncClient().get)("/api/products/1")
    assert response.headers["Cache-Status"].startswith("django-routehandlers; hit")


@pytest.mark.parametrize("path", PAGES)
def test_a_product_that_changes_ends_what_was_kept(path: str) -> None:
    client = Client()
    client.get(path)
    body = {"name": "Oak Armchair", "price": "150.00", "stock": 1}
    assert client.put("/api/products/1", body, content_type="application/json").status_code == 200
    assert status(path) == "fwd=stale; stored; detail=invalidated"
    assert client.get("/api/products/1").json()["name"] == "Oak Armchair"


def test_what_a_key_opens_is_kept_for_those_who_have_one_and_private() -> None:
    staff = Client(headers={"Authorization": "Bearer oak-and-ash"})
    assert [status("/api/stock/low", staff) for _ in range(2)] == ["fwd=uri-miss; stored", "hit"]
    response = staff.get("/api/stock/low")
    assert response.headers["Cache-Control"].startswith("private")
    assert status("/api/stock/low") == "fwd=bypass; detail=middleware"


def test_stock_is_kept_once_for_all_partners() -> None:
    """Invariant 82."""
    partners = ["https://partner.example", "http://localhost:3000"]
    answers = [Client().get("/api/stock", headers={"Origin": origin}) for origin in partners]
    assert [answer.headers["Access-Control-Allow-Origin"] for answer in answers] == partners
    assert answers[1].headers["Cache-Status"].startswith("django-routehandlers; hit")
    assert answers[1].headers["Cache-Control"].startswith("public")


def test_an_order_ends_what_was_kept_of_the_stock() -> None:
    client = Client()
    before = client.get("/api/products/1").json()["stock"]
    order = {"customer": 1, "lines": [{"product": 1, "quantity": 2}]}
    assert client.post("/api/orders", order, content_type="application/json").status_code == 201
    assert client.get("/api/products/1").json()["stock"] == before - 2


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
def test_what_depends_on_who_asks_or_on_the_moment_is_never_kept(path: str) -> None:
    assert [status(path), status(path)] == ["fwd=bypass; detail=dynamic"] * 2


def test_products_are_for_everybody_and_other_caches_may_keep_them() -> None:
    response = Client().get("/api/products/1")
    assert response.headers["Cache-Control"] == "public, s-maxage=300, stale-while-revalidate=300"


def test_a_visitor_who_is_logged_in_gets_the_same_entry_as_private() -> None:
    Client().get("/api/products/1")
    visitor = Client()
    visitor.force_login(User.objects.create_user("eve"))
    response = visitor.get("/api/products/1", headers={"Authorization": "Bearer x"})
    assert response.headers["Cache-Control"] == "private, no-cache, no-store, max-age=0, must-revalidate"
    assert response.headers["Cache-Status"].startswith("django-routehandlers; hit")
