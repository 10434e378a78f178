"""What a product costs a visitor."""

from decimal import Decimal
from typing import Annotated

from django.http import Http404
from pydantic import BaseModel, Field

from django_routehandlers import Cookie
from shop.models import Product
from shop.rates import kept_rates
from shop.schemas import Currency, Key, Quantity


class Cost(BaseModel):
    """What some pieces of one product cost."""

    amount: Annotated[Decimal, Field(description="In the currency.")]
    currency: Currency


async def GET(id: Key, quantity: Quantity = 1, currency: Annotated[Currency, Cookie()] = Currency.EUR) -> Cost:
    """
    Return what a product costs in the visitor's currency.

    `PUT /api/currency` chooses the currency; euros are what it is before.
    """
    product = await Product.objects.filter(pk=id).afirst()
    if product is None:
        raise Http404(f"There is no product {id}.")
    rates = await kept_rates()
    rate = Decimal(str(rates["rates"].get(currency, 1)))
    return Cost(amount=(product.price * quantity * rate).quantize(Decimal("0.01")), currency=currency)
