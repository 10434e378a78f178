"""Fill the shop with the same products, customers and orders every time."""

import random
import uuid
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.core.management.color import no_style
from django.db import connection, transaction
from django.utils.text import slugify

from shop.api_keys import digest_of
from shop.models import ApiKey, Customer, Order, OrderLine, Product, Subscriber

WOODS = ["Oak", "Walnut", "Ash", "Cherry", "Maple", "Birch"]
THINGS = [("Chair", 120), ("Table", 480), ("Shelf", 90), ("Stool", 65), ("Lamp", 75), ("Box", 24)]
FIRST_NAMES = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald"]
LAST_NAMES = ["Abbott", "Bell", "Clarke", "Dunn"]
ORDERS = 40
OPENING = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Command(BaseCommand):
    """``manage.py fill_shop``."""

    help = "Fill an empty shop with demo rows. A shop that has products is left alone, unless --reset is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reset", action="store_true", help="empty the shop's tables first, and count from 1")

    def handle(self, *, reset: bool, verbosity: int, **options: object) -> None:
        with transaction.atomic():
            if reset:
                empty_shop()
            if Product.objects.exists():
                said = "The shop has products already; nothing was changed."
            else:
                fill_shop()
                said = f"{Product.objects.count()} products, {Customer.objects.count()} customers, {ORDERS} orders."
        if verbosity:
            self.stdout.write(said)


def empty_shop() -> None:
    """Delete all rows of the shop's tables, and let their numbers begin at 1 again."""
    tables = [model._meta.db_table for model in (OrderLine, Order, Customer, Product, Subscriber, ApiKey)]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables, reset_sequences=True))


def fill_shop() -> None:
    """Write the demo rows, which are the same at every call."""
    pick = random.Random(2026)
    products = Product.objects.bulk_create(_products(pick))
    customers = Customer.objects.bulk_create(
        Customer(name=f"{first} {last}", email=f"{first}.{last}@example.com".lower())
        for first in FIRST_NAMES
        for last in LAST_NAMES
    )
    orders = Order.objects.bulk_create(
        Order(
            customer=pick.choice(customers),
            status=pick.choice(Order.Status.values),
            placed=OPENING + timedelta(hours=11 * number),
            receipt=uuid.uuid5(uuid.NAMESPACE_URL, f"https://shop.example/orders/{number}"),
        )
        for number in range(ORDERS)
    )
    OrderLine.objects.bulk_create(
        OrderLine(order=order, product=product, quantity=pick.randint(1, 4), price=product.price)
        for order in orders
        for product in pick.sample(products, pick.randint(1, 3))
    )
    partner, _ = User.objects.get_or_create(username="partner", defaults={"password": "!"})
    ApiKey.objects.create(user=partner, name="Demo", digest=digest_of(settings.DEMO_API_KEY))


def _products(pick: random.Random) -> list[Product]:
    return [
        Product(
            name=f"{wood} {thing}",
            slug=slugify(f"{wood} {thing}"),
            price=Decimal(base + 5 * grade) + Decimal("0.90"),
            stock=pick.randint(2, 40),
            created=OPENING,
        )
        for thing, base in THINGS
        for grade, wood in enumerate(WOODS)
    ]
