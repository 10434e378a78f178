"""For those who are logged in; others are sent to the login page."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest

from django_routehandlers import JSONResponse


@login_required
async def GET(request: HttpRequest) -> JSONResponse:
    """Return who is logged in."""
    user = await request.auser()
    return JSONResponse({"username": user.get_username()}, headers={"Cache-Control": "private"})
