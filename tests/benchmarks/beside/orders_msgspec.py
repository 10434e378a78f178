"""Validate an order by msgspec."""

from typing import Annotated, Literal

from msgspec import Meta, Struct  # pyright: ignore[reportMissingImports]

Country = Annotated[str, Meta(min_length=2, max_length=2)]


class Customer(Struct):
    """Who orders."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    email: str
    phone: str | None = None


class Address(Struct):
    """Where it goes."""

    street: str
    city: str
    postcode: str
    country: Country


class Item(Struct):
    """What is ordered, of one product."""

    product: int
    quantity: Annotated[int, Meta(ge=1)]
    price: float


class Order(Struct, kw_only=True):  # pyright: ignore
    """What is sent."""

    customer: Customer
    address: Address
    items: list[Item]
    currency: Literal["EUR", "GBP", "USD"]
    note: str = ""
    express: bool = False
    tags: list[str] = []


class Placed(Order, kw_only=True):  # pyright: ignore
    """What is answered."""

    id: int
    total: float


def place(order: Order) -> Placed:
    """Return the order with its number and its total."""
    total = sum(item.price * item.quantity for item in order.items)
    fields = {name: getattr(order, name) for name in order.__struct_fields__}
    return Placed(id=7, total=total, **fields)
