"""Which user a key is of."""

from typing import Annotated

from django.contrib.auth.models import User
from pydantic import BaseModel, Field


class Partner(BaseModel):
    """Who asks."""

    username: Annotated[str, Field(examples=["partner"])]


async def GET(user: User) -> Partner:
    """Return the user of the key."""
    return Partner(username=user.get_username())
