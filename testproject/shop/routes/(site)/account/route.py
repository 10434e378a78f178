"""For those who are logged in; others are sent to the login page."""

from typing import Annotated, Literal

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from pydantic import BaseModel, Field

from django_routehandlers import JSONResponse


class Account(BaseModel):
    """Who is logged in."""

    username: Annotated[str, Field(examples=["ada"])]


# Any view decorator may be used on a handler that takes the request first. This one needs to see
# anonymous users, too: annotated as User alone, the parameter would have them answered with 401 before.
@login_required
async def GET(request: HttpRequest, user: User | AnonymousUser) -> JSONResponse[Account, Literal[200]]:
    """Return who is logged in."""
    return JSONResponse(Account(username=user.get_username()), headers={"Cache-Control": "private"})
