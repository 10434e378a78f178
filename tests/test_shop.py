"""The demo shop, asked over both of Django's interfaces, WSGI and ASGI."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import post_save, pre_delete, pre_save
from django.test import AsyncClient, Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import resolve, reverse

from shop.models import Customer, Order, OrderLine, Product, Subscriber


@dataclass
class Reply:
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The body as NDJSON."""
        assert self.body.endswith(b"\n")
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def faults(self) -> list[str]:
        """Where the body, or else which parameter, is wrong, as a 422 problem says it."""
        return [error.get("pointer") or error["parameter"] for error in self.json["errors"]]


Ask = Callable[..., Reply]

OAK_CHAIR = {"id": 1, "name": "Oak Chair", "slug": "oak-chair", "price": "120.90", "stock": 9}
NOT_FOUND = {"type": "about:blank", "title": "Not Found", "status": 404}
URLENCODED = "application/x-www-form-urlencoded"


def _read_sync(response: Any) -> Reply:
    body = response.getvalue() if response.streaming else response.content
    return Reply(response.status_code, dict(response.items()), body)


async def _ask_async(client: AsyncClient, method: str, path: str, options: dict[str, Any]) -> Reply:
    response: Any = await client.generic(method, path, **options)
    body = b"".join([chunk async for chunk in response]) if response.streaming else response.content
    return Reply(response.status_code, dict(response.items()), body)


@pytest.fixture(params=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest, db: None) -> Iterator[Ask]:
    """Ask the shop, filled anew: ``ask("PUT", "/api/products/1", {"name": …}, Header=…)``."""
    # Reset: PostgreSQL counts on after a rollback, and these tests name rows by their numbers.
    call_command("fill_shop", reset=True, verbosity=0)
    cache.clear()
    client = Client() if request.param == "wsgi" else AsyncClient()

    def send(
        method: str,
        path: str,
        body: object = None,
        *,
        user: User | None = None,
        content_type: str = "application/json",
        **headers: str,
    ) -> Reply:
        if user is not None:
            client.force_login(user)
        data = body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body)
        options: dict[str, Any] = {"data": data, "content_type": content_type, "headers": headers}
        if isinstance(client, Client):
            return _read_sync(client.generic(method, path, **options))
        return async_to_sync(_ask_async)(client, method, path, options)

    yield send
    cache.clear()


def test_the_root_route_links_to_urls_that_answer(ask: Ask) -> None:
    links = ask("GET", "/").json
    del links["admin"]
    assert {url: ask("GET", url).status for url in links.values()} == dict.fromkeys(links.values(), 200)


def test_a_list_is_answered_as_json(ask: Ask) -> None:
    reply = ask("GET", "/api/products?limit=1")
    assert (reply.status, reply.headers["Content-Type"], reply.json) == (200, "application/json", [OAK_CHAIR])


def test_the_list_is_searched(ask: Ask) -> None:
    names = [product["name"] for product in ask("GET", "/api/products?search=oak%20s").json]
    assert names == ["Oak Shelf", "Oak Stool"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "", "1" * 5000])
def test_a_bad_limit_is_a_422_problem_that_names_it(ask: Ask, limit: str) -> None:
    reply = ask("GET", f"/api/products?limit={limit}")
    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert reply.faults == ["limit"]


def test_a_post_answers_201_with_where_the_product_is(ask: Ask) -> None:
    reply = ask("POST", "/api/products", {"name": "Elm Chair", "price": "149.90", "stock": 3})
    product = Product.objects.get(slug="elm-chair")
    assert (reply.status, reply.headers["Location"]) == (201, f"/api/products/{product.pk}")
    assert reply.json == ask("GET", reply.headers["Location"]).json
    assert reply.json == {"id": product.pk, "name": "Elm Chair", "slug": "elm-chair", "price": "149.90", "stock": 3}


def test_a_post_of_a_name_that_is_taken_answers_409(ask: Ask) -> None:
    reply = ask("POST", "/api/products", {"name": "Oak Chair", "price": "1"})
    assert (reply.status, reply.json) == (409, {"error": "There is a product oak-chair already."})
    assert Product.objects.filter(slug="oak-chair").count() == 1


def test_a_name_that_is_taken_and_free_again_at_once_answers_409(ask: Ask) -> None:
    def take(**kwargs: object) -> None:
        # What goes with the transaction of the request, so that nobody finds it afterwards.
        pre_save.disconnect(take, sender=Product)
        Product.objects.create(name="Elm", slug="elm", price="1")

    pre_save.connect(take, sender=Product)
    try:
        reply = ask("POST", "/api/products", {"name": "Elm", "price": "2"})
    finally:
        pre_save.disconnect(take, sender=Product)
    assert (reply.status, reply.json) == (409, {"error": "There is a product elm already."})
    assert not Product.objects.filter(slug="elm").exists()


@pytest.mark.parametrize(
    ("price", "stored"),
    [
        ('"5"', "5.00"),
        ("149.9", "149.90"),
        ("1e5", "100000.00"),
        ('"1E+5"', "100000.00"),
        ('"-0"', "0.00"),
        ('"-0.00"', "0.00"),
        ('"0e5"', "0.00"),
        ('"0E+999999999"', "0.00"),
        ('"0e-999999999"', "0.00"),
        ('"\u0661\u0662"', "12.00"),
        ('"999999.99"', "999999.99"),
    ],
)
def test_a_price_is_answered_as_it_is_stored_however_it_is_written(ask: Ask, price: str, stored: str) -> None:
    made = ask("POST", "/api/products", f'{{"name": "Elm Chair", "price": {price}}}'.encode())
    assert (made.status, made.json["price"]) == (201, stored)
    put = ask("PUT", "/api/products/1", f'{{"name": "Oak Chair", "price": {price}}}'.encode())
    assert (put.status, put.json["price"]) == (200, stored)
    for url in (made.headers["Location"], "/api/products/1"):
        assert ask("GET", url).json["price"] == stored


@pytest.mark.parametrize(
    "price",
    [
        *('"1e-999999999"', '"1E+999999999"', '"1e-99999999999999999999"', '"1e99999999999999999999"'),
        *(
            '"Infinity"',
            '"sNaN"',
            '"1000000"',
            '"999999.995"',
            '"-0.001"',
            '"0.001"',
            "1e6",
            "1e-7",
            "1e308",
        ),
        *('"1_000_000"', '""', '"0x10"', "null", "[]", "{}"),
    ],
    ids=lambda price: price[:20],
)
def test_a_price_that_cannot_be_stored_answers_422(ask: Ask, price: str) -> None:
    body = f'{{"name": "Elm Chair", "price": {price}}}'.encode()
    assert [ask("POST", "/api/products", body).status, ask("PUT", "/api/products/1", body).status] == [422, 422]


@pytest.mark.parametrize("body", ["", "{", "NaN", b"\xff", '"\\ud800"'])
def test_a_body_that_is_no_json_is_a_400_problem(ask: Ask, body: str | bytes) -> None:
    reply = ask("POST", "/api/products", body)
    assert (reply.status, reply.headers["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], ["#"]),
        ({"price": "1"}, ["#/name"]),
        ({"name": "a\0b", "price": "1"}, ["#/name"]),
        ({"name": "日本", "price": "1"}, ["#/name"]),
        ({"name": " _ ", "price": "1"}, ["#/name"]),
        ({"name": "x" * 101, "price": "1"}, ["#/name"]),
        ({"name": "x", "price": "-1"}, ["#/price"]),
        ({"name": "x", "price": "NaN"}, ["#/price"]),
        ({"name": "x", "price": "1.001"}, ["#/price"]),
        ({"name": "x", "price": "1", "stock": 2**31}, ["#/stock"]),
        ({"stock": 2**70}, ["#/name", "#/price", "#/stock"]),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_a_body_that_does_not_fit_answers_422_and_says_where(ask: Ask, body: object, where: list[str]) -> None:
    reply = ask("POST", "/api/products", body)
    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert reply.faults == where


def test_a_product_is_got_by_its_number(ask: Ask) -> None:
    reply = ask("GET", "/api/products/1")
    assert (reply.status, reply.json) == (200, OAK_CHAIR)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["/api/products/999", f"/api/products/{2**63 - 1}"])
def test_a_product_that_is_not_there_is_a_404_problem_that_says_so(ask: Ask, method: str, path: str) -> None:
    reply = ask(method, path)
    number = path.rpartition("/")[2]
    assert (reply.status, reply.json) == (404, {**NOT_FOUND, "detail": f"There is no product {number}."})


@pytest.mark.parametrize("number", ["one", "1.0", "+1", "0", "-1", str(2**63), "1" * 5000])
@pytest.mark.parametrize("path", ["/api/products/{}", "/api/products/{}/price", "/api/orders/{}"])
def test_a_segment_that_cannot_be_a_number_of_the_shop_is_a_404(ask: Ask, path: str, number: str) -> None:
    reply = ask("GET", path.format(number))
    assert (reply.status, reply.json) == (404, NOT_FOUND)


def test_a_price_is_shown_in_the_currency_that_the_visitor_has_chosen(ask: Ask) -> None:
    assert ask("GET", "/api/products/1/price").json == {"amount": "120.90", "currency": "EUR"}
    chosen = ask("PUT", "/api/currency", {"currency": "CHF"})
    assert (chosen.status, chosen.json) == (200, {"currency": "CHF"})
    # Both clients keep the cookie, as a browser does.
    assert ask("GET", "/api/currency").json == {"currency": "CHF"}
    assert ask("GET", "/api/products/1/price?quantity=2").json == {"amount": "227.29", "currency": "CHF"}


def test_a_cookie_with_a_currency_that_there_is_not_answers_422(ask: Ask) -> None:
    reply = ask("GET", "/api/products/1/price", Cookie="currency=DM")
    assert (reply.status, reply.faults) == (422, ["currency"])


def send_prices(ask: Ask, content: bytes) -> Reply:
    form = encode_multipart(BOUNDARY, {"prices": SimpleUploadedFile("prices.csv", content, "text/csv")})
    return ask("PUT", "/api/products/prices", form, content_type=MULTIPART_CONTENT)


def test_the_price_list_is_changed_by_sending_it_back(ask: Ask) -> None:
    prices = ask("GET", "/api/products/prices")
    assert prices.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert prices.body.startswith(b"slug,price\r\noak-chair,120.90\r\n")
    reply = send_prices(ask, prices.body.replace(b"120.90", b"99"))
    assert (reply.status, reply.json) == (200, {"changed": 36})
    assert ask("GET", "/api/products/prices").body == prices.body.replace(b"120.90", b"99.00")


def test_a_price_list_that_names_what_there_is_not_changes_nothing(ask: Ask) -> None:
    reply = send_prices(ask, b"slug,price\noak-chair,1\nglass-chair,2\n")
    assert (reply.status, reply.json) == (409, {"error": "There is no product glass-chair."})
    assert str(Product.objects.get(pk=1).price) == OAK_CHAIR["price"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"oak-chair,1\n", 400),
        (b"price,slug\n", 400),
        (b"slug,price\n", 200),
        (b"slug,price\noak-chair,-1\n", 400),
        (b"slug,price\noak-chair,1,2\n", 400),
        (b"slug,price\noak-chair\n", 400),
        (b"slug,price\no\0k,1\n", 400),
        (b"slug,price\noak-chair,\xff\n", 400),
        (b'slug,price\n"\roak-chair\r",1\roak', 400),
        (b"slug,price\n" + b"oak-chair,1\n" * 1001, 400),
        (b"x" * 100_001, 422),
    ],
    ids=lambda value: str(value[-20:]) if isinstance(value, bytes) else None,
)
def test_a_price_list_that_is_none_is_refused(ask: Ask, content: bytes, status: int) -> None:
    assert send_prices(ask, content).status == status
    assert str(Product.objects.get(pk=1).price) == OAK_CHAIR["price"]


def test_products_are_searched_by_a_model_of_the_query(ask: Ask) -> None:
    reply = ask("GET", "/api/search?text=CHAIR&at_most=135.00&in_stock=true&sort=-price&size=2")
    assert [product["slug"] for product in reply.json["products"]] == ["ash-chair", "walnut-chair"]
    assert reply.json["total"] == 3
    second = ask("GET", "/api/search?text=CHAIR&at_most=135.00&in_stock=true&sort=-price&size=2&page=2").json
    assert [product["slug"] for product in second["products"]] == ["oak-chair"]


def test_all_faults_of_a_query_are_told_at_once(ask: Ask) -> None:
    reply = ask("GET", "/api/search?text=a%00&at_least=-1&at_most=1e400&in_stock=perhaps&sort=colour&page=0&size=x")
    assert reply.status == 422
    assert sorted(reply.faults) == ["at_least", "at_most", "in_stock", "page", "size", "sort", "text"]


def test_a_put_replaces_the_product(ask: Ask) -> None:
    reply = ask("PUT", "/api/products/1", {"name": "Oak Armchair", "price": "150.00", "stock": 1})
    expected = {"id": 1, "name": "Oak Armchair", "slug": "oak-chair", "price": "150.00", "stock": 1}
    assert (reply.status, reply.json) == (200, expected)
    assert ask("GET", "/api/products/1").json == expected


def test_a_put_of_a_product_that_is_not_there_answers_404(ask: Ask) -> None:
    assert ask("PUT", "/api/products/999", {"name": "x", "price": "1"}).status == 404


def test_a_delete_answers_204_without_a_body(ask: Ask) -> None:
    product = Product.objects.create(name="Elm", slug="elm", price="1")
    reply = ask("DELETE", f"/api/products/{product.pk}")
    assert (reply.status, reply.body) == (204, b"")
    assert not Product.objects.filter(slug="elm").exists()


def test_a_product_that_was_ordered_is_not_deleted(ask: Ask) -> None:
    ordered = OrderLine.objects.values_list("product_id", flat=True)[0]
    reply = ask("DELETE", f"/api/products/{ordered}")
    assert (reply.status, reply.json) == (409, {"error": "The product is part of an order."})


@pytest.mark.django_db(transaction=True)
def test_a_product_that_is_ordered_while_it_is_deleted_stays(ask: Ask) -> None:
    product = Product.objects.create(name="Elm", slug="elm", price="1")

    def order(instance: Product, **kwargs: object) -> None:
        OrderLine.objects.create(order_id=1, product=instance, quantity=1, price=1)

    # Sent between Django's search for what forbids the deletion and the deletion itself.
    pre_delete.connect(order, sender=Product)
    try:
        reply = ask("DELETE", f"/api/products/{product.pk}")
    finally:
        pre_delete.disconnect(order, sender=Product)
    assert (reply.status, reply.json) == (409, {"error": "The product is part of an order."})
    assert ask("GET", f"/api/products/{product.pk}").status == 200


def test_a_number_is_json_and_a_static_folder_goes_before_a_dynamic_one(ask: Ask) -> None:
    reply = ask("GET", "/api/products/count")
    assert (reply.headers["Content-Type"], reply.json) == ("application/json", 36)


def test_a_route_may_name_its_url() -> None:
    url = reverse("routes:product", kwargs={"slug": "oak-chair"})
    assert (url, resolve(url).view_name) == ("/api/products/by-name/oak-chair", "routes:product")


def test_a_slug_that_is_not_there_is_a_404_problem_that_says_so(ask: Ask) -> None:
    reply = ask("GET", "/api/products/by-name/glass-chair")
    assert (reply.status, reply.headers["Content-Type"]) == (404, "application/problem+json")
    assert reply.json == {**NOT_FOUND, "detail": "There is no product glass-chair."}


def test_a_catch_all_takes_the_rest_as_a_list(ask: Ask) -> None:
    names = [product["slug"] for product in ask("GET", "/api/compare/ash-chair/oak-box/oak-chair").json]
    assert names == ["oak-box", "oak-chair", "ash-chair"]


def test_params_holds_all_segments(ask: Ask) -> None:
    reply = ask("GET", "/api/search/name/oak%20chair")
    assert reply.json == {"search": {"field": "name", "text": "oak chair"}, "found": [OAK_CHAIR]}


@pytest.mark.parametrize("path", ["/api/search/price/1", "/api/search/name/a%00b", "/api/compare/%00"])
def test_a_search_that_cannot_be_made_is_a_404(ask: Ask, path: str) -> None:
    assert ask("GET", path).status == 404


@pytest.mark.parametrize("text", ["oak%00", "a" * 101, "a" * 50_001], ids=["nul", "long", "very-long"])
def test_text_that_no_name_can_hold_is_refused(ask: Ask, text: str) -> None:
    assert [ask("GET", f"/api/{path}={text}").faults for path in ("products?search", "search?text")] == [
        ["search"],
        ["text"],
    ]
    assert ask("GET", f"/api/search/name/{text}").status == 404


def test_text_as_long_as_the_longest_name_is_found(ask: Ask) -> None:
    name = "a" * 100
    assert ask("POST", "/api/products", {"name": name, "price": "1"}).status == 201
    assert [product["name"] for product in ask("GET", f"/api/products?search={name}").json] == [name]


def test_an_order_takes_its_products_off_the_shelf(ask: Ask) -> None:
    reply = ask("POST", "/api/orders", {"customer": 1, "lines": [{"product": 1, "quantity": 2}]})
    order = Order.objects.latest("id")
    assert (reply.status, reply.headers["Location"]) == (201, f"/api/orders/{order.pk}")
    assert reply.json == {
        "id": order.pk,
        "receipt": str(order.receipt),
        "customer": "Ada Abbott",
        "status": "new",
        "placed": reply.json["placed"],
        "lines": [{"product": "oak-chair", "quantity": 2, "price": "120.90"}],
        "total": "241.80",
    }
    assert Product.objects.get(pk=1).stock == OAK_CHAIR["stock"] - 2


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"customer": 999, "lines": [{"product": 1, "quantity": 1}]}, "There is no customer 999."),
        (
            {"customer": 1, "lines": [{"product": 1, "quantity": 1}, {"product": 999, "quantity": 1}]},
            "There is no product 999.",
        ),
        (
            {"customer": 1, "lines": [{"product": 1, "quantity": 1}, {"product": 2, "quantity": 1000}]},
            "There are fewer than 1000 of Walnut Chair.",
        ),
    ],
)
def test_an_order_that_cannot_be_placed_changes_nothing(ask: Ask, order: object, error: str) -> None:
    reply = ask("POST", "/api/orders", order)
    assert (reply.status, reply.json) == (409, {"error": error})
    assert (Order.objects.count(), Product.objects.get(pk=1).stock) == (40, OAK_CHAIR["stock"])


@pytest.mark.django_db(transaction=True)
def test_an_order_of_a_customer_who_leaves_meanwhile_cannot_be_placed(ask: Ask) -> None:
    customer = Customer.objects.create(name="Eve", email="eve@example.com")

    def leave(**kwargs: object) -> None:
        Customer.objects.filter(pk=customer.pk)._raw_delete("default")

    # Sent after the customer has been found; databases look at the keys when the transaction ends.
    post_save.connect(leave, sender=Order)
    try:
        reply = ask("POST", "/api/orders", {"customer": customer.pk, "lines": [{"product": 1, "quantity": 1}]})
    finally:
        post_save.disconnect(leave, sender=Order)
    assert (reply.status, reply.json) == (409, {"error": f"There is no customer {customer.pk}."})
    assert (Order.objects.count(), Product.objects.get(pk=1).stock) == (40, OAK_CHAIR["stock"])


KEY = "0d3c4c0a-4b5f-4e3a-9a55-1f1f3a3b8b11"
ORDER = {"customer": 1, "lines": [{"product": 2, "quantity": 1}, {"product": 1, "quantity": 2}]}


def test_a_retry_with_the_same_key_gets_the_order_that_was_placed(ask: Ask) -> None:
    first, second = (ask("POST", "/api/orders", ORDER, **{"Idempotency-Key": KEY}) for _ in range(2))
    assert (first.status, first.json, first.headers["Location"]) == (
        second.status,
        second.json,
        second.headers["Location"],
    )
    assert (Order.objects.count(), Product.objects.get(pk=1).stock) == (41, OAK_CHAIR["stock"] - 2)


def test_a_new_order_is_confirmed_by_mail_once(ask: Ask, mailoutbox: list[EmailMessage]) -> None:
    for _ in range(2):
        assert ask("POST", "/api/orders", ORDER, **{"Idempotency-Key": KEY}).status == 201
    order = Order.objects.latest("id")
    assert [(mail.subject, mail.to) for mail in mailoutbox] == [(f"Your order {order.pk}", [order.customer.email])]


def test_orders_without_a_key_are_two(ask: Ask) -> None:
    assert ask("POST", "/api/orders", ORDER).json["id"] != ask("POST", "/api/orders", ORDER).json["id"]


@pytest.mark.parametrize("change", [{"customer": 2}, {"lines": [{"product": 2, "quantity": 1}]}])
def test_a_key_is_of_one_order_alone(ask: Ask, change: dict[str, object]) -> None:
    assert ask("POST", "/api/orders", ORDER, **{"Idempotency-Key": KEY}).status == 201
    reply = ask("POST", "/api/orders", ORDER | change, **{"Idempotency-Key": KEY})
    assert (reply.status, reply.json) == (409, {"error": "This Idempotency-Key is another order's."})
    assert Order.objects.count() == 41


def test_two_requests_with_one_key_at_once_place_one_order(ask: Ask) -> None:
    placed: list[Order] = []

    def place_first(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        result = execute(sql, *arguments)
        if '"idempotency_key" = ' in sql and not placed:
            # What the other request writes once this one has not found its key.
            placed.append(Order(customer_id=1, idempotency_key=KEY))
            placed[0].save()
            OrderLine.objects.create(order=placed[0], product_id=2, quantity=1, price=1)
        return result

    body = {"customer": 1, "lines": [{"product": 2, "quantity": 1}]}
    with connection.execute_wrapper(place_first):
        reply = ask("POST", "/api/orders", body, **{"Idempotency-Key": KEY})
    assert (reply.status, reply.json["id"]) == (201, placed[0].pk)
    assert Order.objects.filter(pk__gt=40).count() == 1


def test_a_key_that_is_no_uuid_answers_422(ask: Ask) -> None:
    reply = ask("POST", "/api/orders", ORDER, **{"Idempotency-Key": "again"})
    assert (reply.status, reply.faults) == (422, ["Idempotency-Key"])


def test_orders_are_filtered(ask: Ask) -> None:
    paid = Order.objects.filter(status="paid", placed__date__gte="2026-01-10").order_by("-placed")
    reply = ask("GET", "/api/orders?status=paid&since=2026-01-10&limit=100")
    assert [order["id"] for order in reply.json] == list(paid.values_list("pk", flat=True))
    assert ask("GET", "/api/orders?status=lost&since=yesterday&limit=0").faults == ["status", "since", "limit"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_are_days(ask: Ask, day: str) -> None:
    assert ask("GET", f"/api/orders?since={day}").status == 200
    assert ask("GET", f"/api/orders/placed/{day}").json == {"day": day, "orders": []}


def test_a_patch_moves_an_order_on(ask: Ask) -> None:
    reply = ask("PATCH", "/api/orders/1", {"status": "shipped"})
    assert (reply.status, reply.json["status"], Order.objects.get(pk=1).status) == (200, "shipped", "shipped")


def test_a_patch_to_a_status_that_there_is_not_answers_422(ask: Ask) -> None:
    assert ask("PATCH", "/api/orders/1", {"status": "lost"}).status == 422


def test_the_newest_orders_come_first(ask: Ask) -> None:
    assert [order["id"] for order in ask("GET", "/api/orders").json] == list(range(40, 30, -1))


def test_an_order_is_found_by_its_receipt_in_any_spelling_of_a_uuid(ask: Ask) -> None:
    receipt = str(Order.objects.get(pk=7).receipt)
    assert [ask("GET", f"/api/orders/receipts/{text}").json["id"] for text in (receipt, receipt.upper())] == [7, 7]


def test_an_enum_segment_takes_its_members_alone(ask: Ask) -> None:
    shipped = list(Order.objects.filter(status="shipped").values_list("pk", flat=True))
    assert ask("GET", "/api/orders/status/shipped").json == {"status": "shipped", "orders": shipped}
    assert ask("GET", "/api/orders/status/lost").status == 404


def test_a_date_segment_takes_dates_alone(ask: Ask) -> None:
    assert ask("GET", "/api/orders/placed/2026-01-05").json == {"day": "2026-01-05", "orders": [1, 2]}
    assert ask("GET", "/api/orders/placed/2026-02-30").status == 404


def test_a_handler_that_yields_is_a_stream_of_lines(ask: Ask) -> None:
    reply = ask("GET", "/api/orders/export")
    assert reply.headers["Content-Type"] == "application/x-ndjson"
    assert [order["id"] for order in reply.lines] == list(range(1, 41))
    assert reply.lines[6] == ask("GET", "/api/orders/7").json


def test_an_ndjson_response_takes_an_iterable_and_headers(ask: Ask) -> None:
    reply = ask("GET", "/api/products/export")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="products.ndjson"'
    assert reply.lines[0] == {"id": 1, "slug": "oak-chair", "stock": OAK_CHAIR["stock"]}
    assert len(reply.lines) == 36


def test_head_of_a_stream_has_its_header_and_no_body(ask: Ask) -> None:
    reply = ask("HEAD", "/api/orders/export")
    assert (reply.status, reply.headers["Content-Type"], reply.body) == (200, "application/x-ndjson", b"")


def test_a_job_says_how_far_it_has_come(ask: Ask) -> None:
    reply = ask("POST", "/api/stocktake")
    assert reply.headers["Content-Type"] == "application/x-ndjson"
    assert reply.lines[0] == {"product": "oak-chair", "stock": OAK_CHAIR["stock"], "done": 1, "total": 36}
    assert [line["done"] for line in reply.lines] == list(range(1, 37))


def test_orders_go_on_behind_the_last_one_that_the_client_knows(ask: Ask) -> None:
    reply = ask("GET", "/api/orders/live?limit=2", **{"Last-Event-ID": "7"})
    assert reply.headers["Content-Type"] == "text/event-stream"
    events = [(number, ask("GET", f"/api/orders/{number}").body) for number in (8, 9)]
    assert reply.body == b"retry: 1000\n\n" + b"".join(
        b"event: order\nid: %d\ndata: %b\n\n" % event for event in events
    )


def test_a_client_that_knows_no_order_begins_with_the_newest(ask: Ask) -> None:
    assert b"\nid: 40\n" in ask("GET", "/api/orders/live?limit=1").body


def test_an_order_is_sent_when_it_has_been_placed(ask: Ask) -> None:
    ask("POST", "/api/orders", {"customer": 1, "lines": [{"product": 1, "quantity": 1}]})
    assert b"\nid: 41\n" in ask("GET", "/api/orders/live?limit=1", **{"Last-Event-ID": "40"}).body


def test_a_last_order_that_is_no_number_is_refused(ask: Ask) -> None:
    reply = ask("GET", "/api/orders/live", **{"Last-Event-ID": "forty"})
    assert (reply.status, reply.faults) == (422, ["Last-Event-ID"])


NDJSON = "application/x-ndjson"


def test_lines_of_products_are_added(ask: Ask) -> None:
    lines = '{"name": "Elm Stool", "price": "69.90"}\n{"name": "Elm Box", "price": "26.90", "stock": 5}'
    reply = ask("POST", "/api/products/import", lines, content_type=NDJSON)
    assert (reply.status, reply.json) == (200, {"lines": 2, "products": 38})
    added = Product.objects.filter(slug__in=["elm-stool", "elm-box"]).order_by("slug")
    assert [(product.name, str(product.price), product.stock) for product in added] == [
        ("Elm Box", "26.90", 5),
        ("Elm Stool", "69.90", 0),
    ]


def test_lines_that_are_sent_again_change_nothing(ask: Ask) -> None:
    lines = '{"name": "Oak Chair", "price": "1"}\n{"name": "Elm Box", "price": "26.90"}\n'
    answers = [ask("POST", "/api/products/import", lines + lines, content_type=NDJSON).json for _ in range(2)]
    assert answers == [{"lines": 4, "products": 37}] * 2
    assert str(Product.objects.get(slug="oak-chair").price) == OAK_CHAIR["price"]


def test_a_line_that_does_not_fit_is_named_and_those_before_its_batch_are_kept(ask: Ask) -> None:
    lines = [json.dumps({"name": f"Elm Box {number}", "price": "1"}) for number in range(600)]
    lines[550] = '{"name": "Elm", "price": "-1"}'
    reply = ask("POST", "/api/products/import", "\n".join(lines), content_type=NDJSON)
    assert (reply.status, reply.json["errors"][0]["line"], reply.faults) == (422, 551, ["#/price"])
    assert Product.objects.count() == 36 + 500


@pytest.mark.parametrize("page", ["/live", "/catalogue"])
def test_a_page_runs_its_own_scripts_alone(ask: Ask, page: str) -> None:
    reply = ask("GET", page)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert b"<script>" not in reply.body


def test_sync_handlers_use_the_orm_as_one_knows_it(ask: Ask) -> None:
    customer = {"id": 1, "name": "Ada Abbott", "email": "ada.abbott@example.com"}
    orders = list(Order.objects.filter(customer=1).values_list("pk", flat=True))
    assert ask("GET", "/api/customers").json[0] == customer
    assert ask("GET", "/api/customers/1").json == {**customer, "orders": orders}


def test_rates_are_kept_for_an_hour(ask: Ask) -> None:
    first, second = ask("GET", "/api/rates"), ask("GET", "/api/rates")
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    assert first.json == second.json


def test_live_rates_are_always_fresh(ask: Ask) -> None:
    first, second = ask("GET", "/api/rates/live"), ask("GET", "/api/rates/live")
    assert first.headers["Cache-Control"] == "no-store"
    assert first.json["asked_at"] < second.json["asked_at"]


def test_a_partner_may_read_the_stock(ask: Ask) -> None:
    reply = ask("GET", "/api/stock", Origin="https://partner.example")
    assert reply.headers["Access-Control-Allow-Origin"] == "https://partner.example"
    assert (reply.headers["Vary"], reply.json["oak-chair"]) == ("Origin", OAK_CHAIR["stock"])


@pytest.mark.parametrize("origin", [None, "null", "https://partner.example.evil.test", "HTTPS://PARTNER.EXAMPLE"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_nobody_else_may_but_vary_is_there_all_the_same(ask: Ask, method: str, origin: str | None) -> None:
    """Invariant 82."""
    reply = ask(method, "/api/stock", **({"Origin": origin} if origin else {}))
    assert reply.headers["Vary"] == "Origin"
    assert [name for name in reply.headers if name.startswith("Access-Control-")] == []


def test_a_preflight_of_a_partner_is_answered(ask: Ask) -> None:
    fields = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    reply = ask("OPTIONS", "/api/stock", **fields)
    assert (reply.status, reply.body) == (204, b"")
    assert {name: value for name, value in reply.headers.items() if name.startswith("Access-Control-")} == {
        "Access-Control-Allow-Origin": "http://localhost:3000",
        "Access-Control-Allow-Methods": "GET, HEAD",
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Max-Age": "600",
    }


def test_who_subscribes_twice_gets_one_newsletter_about_what_was_said_last(ask: Ask) -> None:
    first = ask("POST", "/api/newsletter", "email=Ada@Example.com", content_type=URLENCODED)
    assert (first.status, first.json) == (200, {"email": "ada@example.com", "topics": ["news"]})
    ask("POST", "/api/newsletter", "email=ada@example.com&topics=offers&topics=news", content_type=URLENCODED)
    assert list(Subscriber.objects.values_list("email", "topics")) == [("ada@example.com", ["offers", "news"])]


@pytest.mark.parametrize(
    ("form", "faults"),
    [
        ("", ["email"]),
        ("email=ada", ["email"]),
        ("email=a%00a@example.com", ["email"]),
        ("email=İ@example.com", ["email"]),
        ("email=a@example.com&topics=gossip", ["topics"]),
    ],
)
def test_a_form_that_does_not_fit_answers_422(ask: Ask, form: str, faults: list[str]) -> None:
    reply = ask("POST", "/api/newsletter", form, content_type=URLENCODED)
    assert (reply.status, reply.faults) == (422, faults)


PATHS = [
    "/",
    "/about",
    "/account",
    "/api/apps/account",
    "/api/compare/{slugs}",
    "/api/currency",
    "/api/customers",
    "/api/customers/{id}",
    "/api/health",
    "/api/managers/shelves",
    "/api/newsletter",
    "/api/orders",
    "/api/orders/export",
    "/api/orders/live",
    "/api/orders/placed/{day}",
    "/api/orders/receipts/{receipt}",
    "/api/orders/status/{status}",
    "/api/orders/{id}",
    "/api/partners/account",
    "/api/partners/prices",
    "/api/products",
    "/api/products/by-name/{slug}",
    "/api/products/count",
    "/api/products/export",
    "/api/products/import",
    "/api/products/prices",
    "/api/products/{id}",
    "/api/products/{id}/price",
    "/api/rates",
    "/api/rates/live",
    "/api/reports/sales",
    "/api/search",
    "/api/search/{field}/{text}",
    "/api/session",
    "/api/stock",
    "/api/stock/low",
    "/api/stocktake",
    "/support/articles",
    "/support/articles/{slug}",
    "/support/hours",
]


def test_the_document_has_every_route(ask: Ask) -> None:
    document = ask("GET", "/openapi.json").json
    assert (document["info"]["title"], list(document["paths"])) == ("The Wood Shop", PATHS)
    assert ask("GET", "/openapi/").headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_route_group_adds_nothing_to_the_url(ask: Ask) -> None:
    assert ask("GET", "/api/health").json == {"database": True, "products": 36}


def test_the_sales_are_for_the_staff(ask: Ask) -> None:
    anonymous = ask("GET", "/api/reports/sales")
    assert (anonymous.status, anonymous.json["title"]) == (401, "Unauthorized")
    reply = ask("GET", "/api/reports/sales", user=User.objects.create_user("ada"))
    assert (reply.status, reply.json["detail"]) == (403, "Sales are for the staff.")


def test_the_staff_sees_the_sales(ask: Ask) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    sales = ask("GET", "/api/reports/sales", user=staff).json
    euros = [float(row["euros"]) for row in sales]
    assert euros == sorted(euros, reverse=True)
    assert {len(row["euros"].partition(".")[2]) for row in sales} == {2}
    assert sum(row["sold"] for row in sales) == sum(OrderLine.objects.values_list("quantity", flat=True))


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer oak", "Basic oak-and-ash", "oak-and-ash", "Bearer Oak-And-Ash"])
def test_a_folder_of_the_staff_is_closed_to_those_without_a_key(ask: Ask, key: str) -> None:
    assert ask("GET", "/api/stock/low", Authorization="Bearer oak-and-ash").status == 200
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        reply = ask(method, "/api/stock/low", **({"Authorization": key} if key else {}))
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="staff"')


def test_a_key_opens_a_folder_of_the_staff(ask: Ask) -> None:
    few = dict(Product.objects.filter(stock__lt=5).values_list("slug", "stock"))
    assert ask("GET", "/api/stock/low", Authorization="bearer oak-and-ash").json == few


def test_a_view_decorator_sends_others_to_the_login_page(ask: Ask) -> None:
    reply = ask("GET", "/account")
    assert (reply.status, reply.headers["Location"]) == (302, "/admin/login/?next=/account")


def test_a_view_decorator_lets_a_user_in(ask: Ask) -> None:
    reply = ask("GET", "/account", user=User.objects.create_user("ada"))
    assert (reply.status, reply.json) == (200, {"username": "ada"})


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("text/html,*/*;q=0.8", "text/html; charset=utf-8"), ("application/json", "application/json")],
)
def test_one_url_has_a_page_and_json(ask: Ask, accept: str, content_type: str) -> None:
    reply = ask("GET", "/about", Accept=accept)
    assert (reply.headers["Content-Type"], reply.headers["Vary"]) == (content_type, "Accept")


@pytest.mark.parametrize(
    "accept", ["text/html;a*=foo''x", "text/html;a*=utf-8''%ff", "text/html;a*=x", "text/html;q=x", "/", ";"]
)
def test_an_accept_field_that_cannot_be_read_gets_an_answer(ask: Ask, accept: str) -> None:
    reply = ask("GET", "/about", Accept=accept)
    assert (reply.status, reply.headers["Vary"]) == (200, "Accept")


def test_a_response_of_django_goes_out_as_it_is(ask: Ask) -> None:
    reply = ask("GET", "/robots.txt")
    assert (reply.headers["Content-Type"], reply.body) == (
        "text/plain; charset=utf-8",
        b"User-agent: *\nDisallow: /api/\n",
    )


@pytest.mark.parametrize(
    ("path", "slug", "below"),
    [
        ("/support/articles", [], ["orders"]),
        ("/support/articles/orders", ["orders"], ["orders/returns"]),
        ("/support/articles/orders/returns", ["orders", "returns"], []),
    ],
)
def test_an_optional_catch_all_takes_none_one_or_more(ask: Ask, path: str, slug: list[str], below: list[str]) -> None:
    article = ask("GET", path).json
    assert (article["path"], article["below"]) == (slug, below)


def test_an_app_is_served_below_its_prefix_and_nowhere_else(ask: Ask) -> None:
    assert ask("GET", "/support/hours").json == {"monday to friday": "09:00-17:00", "saturday": "10:00-14:00"}
    assert ask("GET", "/hours").status == 404


@pytest.mark.parametrize("path", ["/api/_lib/queries", "/api/_lib", "/api", "/api/(internal)/health", "/api//health"])
def test_private_folders_groups_and_empty_folders_are_no_urls(ask: Ask, path: str) -> None:
    assert ask("GET", path).status == 404


def test_a_method_that_is_missing_is_a_405_problem_with_allow(ask: Ask) -> None:
    reply = ask("PATCH", "/api/products/1")
    assert (reply.status, reply.headers["Allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, PUT")
    assert reply.json == {"type": "about:blank", "title": "Method Not Allowed", "status": 405}


def test_a_last_slash_is_redirected_away_with_the_query_kept(ask: Ask) -> None:
    reply = ask("POST", "/api/products/?a=1")
    assert (reply.status, reply.headers["Location"]) == (308, "/api/products?a=1")


def test_the_admin_keeps_its_urls(ask: Ask) -> None:
    assert [ask("GET", path).headers.get("Location") for path in ("/admin", "/admin/")] == [
        "/admin/",
        "/admin/login/?next=/admin/",
    ]


@pytest.mark.django_db
def test_filling_a_full_shop_changes_nothing() -> None:
    call_command("fill_shop", reset=True, verbosity=0)
    Product.objects.filter(pk=1).update(stock=99)
    call_command("fill_shop", verbosity=0)
    assert (Product.objects.count(), Product.objects.get(pk=1).stock) == (36, 99)


@pytest.mark.django_db(transaction=True)
def test_a_reset_brings_back_the_same_rows_under_the_same_numbers() -> None:
    call_command("fill_shop", reset=True, verbosity=0)
    before = _rows()
    Product.objects.create(name="Elm", slug="elm", price="1")
    call_command("fill_shop", reset=True, verbosity=0)
    assert _rows() == before
    assert Product.objects.create(name="Elm", slug="elm", price="1").pk == 37


def _rows() -> list[list[dict[str, Any]]]:
    return [list(model.objects.order_by("pk").values()) for model in (Product, Customer, Order, OrderLine)]


@pytest.mark.django_db
def test_every_change_of_the_models_has_its_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
