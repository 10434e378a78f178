"""JSON Web Tokens (RFC 7519) that an identity provider has signed: in this demo, with keys that the settings show."""

from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth.models import User

# Decided here, and never by the token (RFC 8725, section 3.1).
ALGORITHMS = ["HS256"]
NEEDED = ["exp", "iss", "aud", "sub"]
LEEWAY = 10  # seconds that two clocks may differ by


def claims_of(token: str) -> dict[str, Any]:
    """
    Return what *token* says, once it has been found to be good.

    Raises:
        jwt.InvalidTokenError: It is no token, not signed by one of our keys, expired, or for somebody else.
    """
    kid = jwt.get_unverified_header(token).get("kid", "")
    # Two keys at a time, while one takes over from the other.
    if kid not in settings.JWT_KEYS:
        raise jwt.InvalidTokenError("No key has this kid.")
    return jwt.decode(
        token,
        settings.JWT_KEYS[kid],
        algorithms=ALGORITHMS,
        issuer=settings.JWT_ISSUER,
        audience=settings.JWT_AUDIENCE,
        leeway=LEEWAY,
        options={"require": NEEDED},
    )


async def user_of_token(token: str) -> User:
    """
    Return whose *token* it is.

    Raises:
        jwt.InvalidTokenError: It is not good, or its user is not there, or not active.
    """
    claims = claims_of(token)
    user = await User.objects.filter(username=claims["sub"], is_active=True).afirst()
    if user is None:
        raise jwt.InvalidTokenError("There is no such user.")
    return user
