"""Exchange rates: stands in for a slow service elsewhere, which one would rather not ask often."""

import asyncio
from typing import TypedDict

from django.utils import timezone


class Rates(TypedDict):
    """What one euro buys, and when the service was asked."""

    base: str
    rates: dict[str, float]
    asked_at: str


async def ask_upstream() -> Rates:
    """Ask the service. Each call takes its time and shows in ``asked_at``."""
    await asyncio.sleep(0.05)
    return {
        "base": "EUR",
        "rates": {"CHF": 0.94, "GBP": 0.86, "USD": 1.09},
        "asked_at": timezone.now().isoformat(timespec="microseconds"),
    }
