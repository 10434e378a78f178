"""What the API takes and gives, as pydantic models. What no database can store is refused here."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from django.utils.text import slugify
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shop.models import Order


def _as_stored(price: Decimal) -> Decimal:
    # One price can be written in many ways, such as 1E+1, 10 and 10.0. Adding 0 makes 0 of -0.
    return price.quantize(Decimal("0.01")) + 0


# PostgreSQL cannot store NUL in text. A slug is made of a name, so there has to be something to make it of.
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^\x00]*[A-Za-z0-9][^\x00]*$"),
    Field(description="At least one letter from a to z, or a digit.", examples=["Elm Chair"]),
]
Text = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]*$")]
# ASCII alone: a letter such as İ becomes longer in lower case.
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+$", to_lower=True),
    Field(examples=["ada@example.com"]),
]
Price = Annotated[
    Decimal,
    Field(ge=0, le=Decimal("999999.99"), max_digits=8, decimal_places=2, description="In euros.", examples=["149.90"]),
    AfterValidator(_as_stored),
]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Quantity = Annotated[int, Field(ge=1, le=1000, description="How many of them.")]
Key = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Conflict(BaseModel):
    """Why a valid request cannot be fulfilled as things are."""

    error: str


class ProductIn(BaseModel):
    """A product as a client sends it."""

    name: Name
    price: Price
    stock: Annotated[Count, Field(description="How many are on the shelf.", examples=[3])] = 0

    @property
    def slug(self) -> str:
        """The product's part of a URL, made of its name."""
        return slugify(self.name)[:100]


class ProductOut(BaseModel):
    """A product as a client gets it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    slug: Annotated[str, Field(description="The product's name in URLs. It never changes.")]
    price: Annotated[Decimal, Field(description="In euros.")]
    stock: int


class Currency(StrEnum):
    """What prices can be shown in."""

    EUR = "EUR"
    CHF = "CHF"
    GBP = "GBP"
    USD = "USD"


class Sort(StrEnum):
    """The order of products. A minus turns it round."""

    NAME = "name"
    PRICE = "price"
    DEAREST = "-price"
    NEWEST = "-created"


class Search(BaseModel):
    """What products to find, and which page of them to show."""

    text: Annotated[Text, Field(description="Part of the name, whatever the case.")] = ""
    at_least: Annotated[Price | None, Field(description="Lowest price in euros.")] = None
    at_most: Annotated[Price | None, Field(description="Highest price in euros.")] = None
    in_stock: Annotated[bool, Field(description="Leave out what is sold out.")] = False
    sort: Sort = Sort.NAME
    page: Annotated[int, Field(ge=1, le=1000)] = 1
    size: Annotated[int, Field(ge=1, le=100, description="Products on a page.")] = 20


class Imported(BaseModel):
    """What has become of lines of products."""

    lines: Annotated[int, Field(description="Lines that have been read.")]
    products: Annotated[int, Field(description="Products in the shop, now.")]


class Counted(BaseModel):
    """One product that has been counted, and how far the counting has come."""

    product: Annotated[str, Field(description="Slug of the product.")]
    stock: int
    done: Annotated[int, Field(description="Products that have been counted.")]
    total: Annotated[int, Field(description="Products to count.")]


class ProductPage(BaseModel):
    """One page of products."""

    products: list[ProductOut]
    total: Annotated[int, Field(description="Products on all pages.")]


class CustomerOut(BaseModel):
    """A customer as a client gets it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    email: str


class CustomerWithOrders(CustomerOut):
    """A customer with the numbers of his or her orders."""

    orders: list[int]


class LineIn(BaseModel):
    """One product of an order as a client sends it."""

    product: Annotated[Key, Field(description="Number of the product.", examples=[1])]
    quantity: Quantity


class OrderIn(BaseModel):
    """An order as a client sends it."""

    customer: Annotated[Key, Field(description="Number of the customer.", examples=[1])]
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=50)]


class StatusIn(BaseModel):
    """How far an order has come, as a client sends it."""

    status: Order.Status


class LineOut(BaseModel):
    """One product of an order as a client gets it."""

    product: Annotated[str, Field(description="Slug of the product.")]
    quantity: int
    price: Annotated[Decimal, Field(description="Of one, in euros, when it was ordered.")]


class OrderOut(BaseModel):
    """An order as a client gets it."""

    id: int
    receipt: UUID
    customer: Annotated[str, Field(description="Name of the customer.")]
    status: Order.Status
    placed: datetime
    lines: list[LineOut]
    total: Annotated[Decimal, Field(description="In euros.")]

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


class Topic(StrEnum):
    """What the newsletter writes about."""

    NEWS = "news"
    OFFERS = "offers"


class Subscription(BaseModel):
    """Who gets the newsletter, and about what."""

    email: Email
    topics: Annotated[list[Topic], Field(min_length=1, max_length=2)] = [Topic.NEWS]
