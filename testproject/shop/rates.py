"""Exchange rates: stands in for a slow service elsewhere, which one would rather not ask often."""

import asyncio
from datetime import datetime

from django.core.cache import cache
from django.utils import timezone
from typing_extensions import TypedDict

HOUR = 3600  # seconds


class Rates(TypedDict):
    """What one euro buys, and when the service was asked."""

    base: str
    rates: dict[str, float]
    asked_at: datetime


async def ask_upstream() -> Rates:
    """Ask the service. Each call takes its time and shows in ``asked_at``."""
    await asyncio.sleep(0.05)
    return {
        "base": "EUR",
        "rates": {"CHF": 0.94, "GBP": 0.86, "USD": 1.09},
        "asked_at": timezone.now(),
    }


async def kept_rates() -> Rates:
    """Return the rates that were asked for within the last hour: the service is asked once."""
    rates: Rates | None = await cache.aget("exchange-rates")
    if rates is None:
        rates = await ask_upstream()
        await cache.aset("exchange-rates", rates, timeout=HOUR)
    return rates
