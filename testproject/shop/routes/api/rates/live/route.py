"""Exchange rates, always fresh."""

from django_routehandlers import JSONResponse
from shop.rates import ask_upstream


async def GET() -> JSONResponse:
    """Ask the service elsewhere every time, and let nobody keep the answer."""
    return JSONResponse(await ask_upstream(), headers={"Cache-Control": "no-store"})
