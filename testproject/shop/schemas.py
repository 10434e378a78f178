"""What the API takes and gives, as pydantic models."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from django.utils.text import slugify
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from shop.models import Order, Product


def _as_stored(price: Decimal) -> Decimal:
    # One price can be written in many ways, such as 1E+1, 10 and 10.0. Adding 0 makes 0 of -0.
    return price.quantize(Decimal("0.01")) + 0


# PostgreSQL cannot store NUL in text, so no name may hold one.
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Price = Annotated[Decimal, Field(ge=0, max_digits=8, decimal_places=2), AfterValidator(_as_stored)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Key = Annotated[int, Field(ge=1, le=2**63 - 1)]


class ProductIn(BaseModel):
    """A product as a client sends it."""

    name: Name
    price: Price
    stock: Count = 0

    @property
    def slug(self) -> str:
        """The product's part of a URL, made of its name."""
        return slugify(self.name)[:100]

    @field_validator("name")
    @classmethod
    def _makes_a_slug(cls, name: str) -> str:
        if not slugify(name):
            raise ValueError("a name needs at least one letter from a to z, or a digit")
        return name


class ProductOut(BaseModel):
    """A product as a client gets it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    slug: str
    price: Decimal
    stock: int


class CustomerOut(BaseModel):
    """A customer as a client gets it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    email: str


class LineIn(BaseModel):
    """One product of an order as a client sends it."""

    product: Key
    quantity: Annotated[int, Field(ge=1, le=1000)]


class OrderIn(BaseModel):
    """An order as a client sends it."""

    customer: Key
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=50)]


class StatusIn(BaseModel):
    """How far an order has come, as a client sends it."""

    status: Order.Status


class LineOut(BaseModel):
    """One product of an order as a client gets it."""

    product: str
    quantity: int
    price: Decimal


class OrderOut(BaseModel):
    """An order as a client gets it."""

    id: int
    receipt: UUID
    customer: str
    status: Order.Status
    placed: datetime
    lines: list[LineOut]
    total: Decimal

    @classmethod
    def of(cls, order: Order) -> "OrderOut":
        """Return the order as a client gets it; its customer, lines and products are fetched already."""
        lines = list(order.lines.all())
        return cls(
            id=order.pk,
            receipt=order.receipt,
            customer=order.customer.name,
            status=Order.Status(order.status),
            placed=order.placed,
            lines=[LineOut(product=line.product.slug, quantity=line.quantity, price=line.price) for line in lines],
            total=sum((line.quantity * line.price for line in lines), Decimal("0.00")),
        )


def product_out(product: Product) -> ProductOut:
    """Return the product as a client gets it."""
    return ProductOut.model_validate(product)
