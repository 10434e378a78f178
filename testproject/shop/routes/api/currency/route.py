"""The currency that a visitor has chosen, which a cookie keeps."""

from typing import Annotated, Literal

from pydantic import BaseModel

from django_routehandlers import Cookie, JSONResponse
from shop.schemas import Currency

YEAR = 365 * 24 * 3600  # seconds


class Choice(BaseModel):
    """What a visitor has chosen."""

    currency: Currency


async def GET(currency: Annotated[Currency, Cookie()] = Currency.EUR) -> Choice:
    """Return the chosen currency."""
    return Choice(currency=currency)


async def PUT(body: Choice) -> JSONResponse[Choice, Literal[200]]:
    """
    Choose a currency.

    Sets the cookie `currency`, which `/api/products/{id}/price` reads.
    """
    response = JSONResponse(body)
    response.set_cookie("currency", body.currency, max_age=YEAR, samesite="Lax", httponly=True)
    return response
