"""The queries that several routes share. A private folder such as this one is never a route."""

from django.db.models import QuerySet

from shop.models import Order, Product


def products_with(field: str, text: str) -> QuerySet[Product]:
    """Return the products whose *field* contains *text*, whatever the case."""
    return Product.objects.filter(**{f"{field}__icontains": text})


def whole_orders() -> QuerySet[Order]:
    """Return the orders with all that ``OrderOut.of()`` reads, in three queries however many there are."""
    return Order.objects.select_related("customer").prefetch_related("lines__product")
