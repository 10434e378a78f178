"""For programs of partners: a key in X-API-Key opens all routes at and below this folder, and says who asks."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse

from django_routehandlers import Problem
from shop.api_keys import user_of_key
from shop.users import set_user

security = {"type": "apiKey", "in": "header", "name": "X-API-Key"}


async def middleware(request: HttpRequest, call_next: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> HttpResponse:
    """Let those in who have a key, as the user whose key it is."""
    user = await user_of_key(request.headers.get("X-API-Key", ""))
    if user is None:
        raise Problem(401, "There is no such key.")
    set_user(request, user)
    return await call_next(request)
