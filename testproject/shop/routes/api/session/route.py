"""Log in and out from a page of the shop's own, with a session whose cookie no script can read."""

from typing import Annotated, Literal

from django.contrib.auth import aauthenticate, alogin, alogout
from django.contrib.auth.models import User
from django.http import HttpRequest
from pydantic import BaseModel, Field, SecretStr

from django_routehandlers import JSONResponse, Problem


class Login(BaseModel):
    """What somebody logs in with."""

    username: Annotated[str, Field(max_length=150, examples=["ada"])]
    password: Annotated[SecretStr, Field(max_length=4096)]


class LoggedIn(BaseModel):
    """Who is logged in."""

    username: Annotated[str, Field(examples=["ada"])]


async def GET(user: User) -> LoggedIn:
    """Return who is logged in."""
    return LoggedIn(username=user.get_username())


async def POST(request: HttpRequest, body: Login) -> JSONResponse[LoggedIn, Literal[201]]:
    """Log in. Session and CSRF token are new ones: nobody who knew the old ones is logged in as well."""
    user = await aauthenticate(request, username=body.username, password=body.password.get_secret_value())
    if user is None:
        raise Problem(401, "The name or the password is wrong.")
    await alogin(request, user)
    return JSONResponse(LoggedIn(username=user.get_username()), status=201)


async def DELETE(request: HttpRequest) -> None:
    """Log out. What the session held is gone."""
    await alogout(request)
