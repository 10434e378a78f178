"""For apps on phones: a token of the identity provider opens all routes at and below this folder, and says who asks."""

from collections.abc import Awaitable, Callable

import jwt
from django.http import HttpRequest, HttpResponse

from django_routehandlers import Problem
from shop.tokens import user_of_token
from shop.users import set_user

security = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


async def middleware(request: HttpRequest, call_next: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> HttpResponse:
    """Let those in who have a token, as the user that it names."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Problem(401)
    try:
        user = await user_of_token(token.strip())
    except jwt.InvalidTokenError:
        # RFC 6750, section 3.1. What exactly is wrong with it helps nobody but those who try.
        raise Problem(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from None
    set_user(request, user)
    return await call_next(request)
