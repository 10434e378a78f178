"""For programs of the staff: a key in Authorization opens all routes at and below this folder."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from django_routehandlers import CallNext, Problem

# What the 401 asks for, and what the OpenAPI document says.
security = {"type": "http", "scheme": "bearer", "x-realm": "staff"}


async def middleware(request: HttpRequest, call_next: CallNext) -> HttpResponseBase:
    """Let those in who have a key. It runs before the cache, so that nobody else gets what is in it."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    # Each of them, so that the time it takes does not tell which one is nearly right.
    known = [constant_time_compare(key, one) for one in settings.STAFF_KEYS]
    if scheme.lower() == "bearer" and any(known):
        return await call_next(request)
    raise Problem(401)
