"""Ask Django for the user of a request: in a thread, or on the event loop."""

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest


def user_of(request: HttpRequest) -> Any:
    """Return the user of a request, in a thread."""
    user = request.user
    # Reading an attribute is what makes Django fetch the user; from here on it is there.
    user.is_authenticated  # noqa: B018
    return user


async def auser_of(request: HttpRequest) -> Any:
    """As ``user_of()``, on the event loop."""
    auser = getattr(request, "auser", None)
    # A middleware of the project's own may set only request.user, and may fetch it from a database.
    return await (sync_to_async(user_of)(request) if auser is None else auser())
