"""Which user a token is of."""

from typing import Annotated

from django.contrib.auth.models import User
from pydantic import BaseModel, Field


class AppUser(BaseModel):
    """Who asks."""

    username: Annotated[str, Field(examples=["ada"])]


async def GET(user: User) -> AppUser:
    """Return the user of the token."""
    return AppUser(username=user.get_username())
