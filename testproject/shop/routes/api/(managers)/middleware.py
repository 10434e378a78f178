"""For people who are logged in and may change products. 401: say who you are. 403: you are known, and may not."""

from collections.abc import Awaitable, Callable

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from django_routehandlers import Problem

security = {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


async def middleware(request: HttpRequest, call_next: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> HttpResponse:
    """Let those in who have the permission."""
    user = await request.auser()
    if not user.is_authenticated:
        raise Problem(401)
    if not await user.ahas_perm("shop.change_product"):
        raise PermissionDenied("You may not change products.")
    return await call_next(request)
