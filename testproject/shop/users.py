"""Say who asks, where no session does."""

from django.contrib.auth.models import User
from django.http import HttpRequest


def set_user(request: HttpRequest, user: User) -> None:
    """Have ``request.user``, ``await request.auser()`` and the input ``user`` be *user*, for this request."""

    async def auser() -> User:
        return user

    request.user = user
    request.auser = auser
