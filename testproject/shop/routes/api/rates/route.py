"""Exchange rates, kept for an hour: the service elsewhere is asked once."""

from django.core.cache import cache

from django_routehandlers import JSONResponse
from shop.rates import Rates, ask_upstream

HOUR = 3600  # seconds


async def GET() -> JSONResponse:
    """Return the rates that were asked for within the last hour."""
    rates: Rates | None = await cache.aget("exchange-rates")
    if rates is None:
        rates = await ask_upstream()
        await cache.aset("exchange-rates", rates, timeout=HOUR)
    return JSONResponse(rates, headers={"Cache-Control": f"public, max-age={HOUR}"})
