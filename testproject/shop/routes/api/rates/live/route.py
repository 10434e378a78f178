"""Exchange rates, always fresh."""

from typing import Literal

from django_routehandlers import JSONResponse
from shop.rates import Rates, ask_upstream


async def GET() -> JSONResponse[Rates, Literal[200]]:
    """Return the rates of this moment."""
    # The service elsewhere is asked every time, and nobody keeps the answer.
    return JSONResponse(await ask_upstream(), headers={"Cache-Control": "no-store"})
