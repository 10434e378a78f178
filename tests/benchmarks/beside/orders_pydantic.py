"""Validate an order by pydantic."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Country = Annotated[str, Field(min_length=2, max_length=2)]


class Customer(BaseModel):
    """Who orders."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    email: str
    phone: str | None = None


class Address(BaseModel):
    """Where it goes."""

    street: str
    city: str
    postcode: str
    country: Country


class Item(BaseModel):
    """What is ordered, of one product."""

    product: int
    quantity: Annotated[int, Field(ge=1)]
    price: float


class Order(BaseModel):
    """What is sent."""

    customer: Customer
    address: Address
    items: list[Item]
    currency: Literal["EUR", "GBP", "USD"]
    note: str = ""
    express: bool = False
    tags: list[str] = []


class Placed(Order):
    """What is answered."""

    id: int
    total: float


def place(order: Order) -> Placed:
    """Return the order with its number and its total."""
    total = sum(item.price * item.quantity for item in order.items)
    return Placed(id=7, total=total, **dict(order))
