"""Exchange rates."""

from typing import Literal

from django_routehandlers import JSONResponse
from shop.rates import HOUR, Rates, kept_rates


async def GET() -> JSONResponse[Rates, Literal[200]]:
    """Return the rates, at most an hour old."""
    return JSONResponse(await kept_rates(), headers={"Cache-Control": f"public, max-age={HOUR}"})
