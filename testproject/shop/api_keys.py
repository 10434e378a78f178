"""Keys for programs: made once, shown once, and kept as a digest."""

import secrets
from datetime import timedelta
from hashlib import sha256

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from shop.models import ApiKey

# So that scanners of leaked secrets, and people, see what it is.
PREFIX = "woodshop_"
# To the hour is enough to see which keys are dead, and is one write an hour.
NOTED_EACH = timedelta(hours=1)


def make_key(user: User, name: str) -> str:
    """Return a new key of *user*, which nobody can read again."""
    key = PREFIX + secrets.token_urlsafe(32)
    ApiKey.objects.create(user=user, name=name, digest=digest_of(key))
    return key


def digest_of(key: str) -> str:
    """Return what is kept of *key*: of 256 random bits no slow hash is needed."""
    return sha256(key.encode()).hexdigest()


async def user_of_key(key: str) -> User | None:
    """Return whose key it is; ``None`` where it is nobody's, was revoked, or its user is not active."""
    # By digest: the time that the lookup takes tells nothing of the key.
    found = ApiKey.objects.filter(digest=digest_of(key), revoked=None, user__is_active=True)
    if not key or (one := await found.select_related("user").afirst()) is None:
        return None
    now = timezone.now()
    if one.last_used is None or one.last_used < now - NOTED_EACH:
        stale = Q(last_used=None) | Q(last_used__lt=now - NOTED_EACH)
        await ApiKey.objects.filter(stale, pk=one.pk).aupdate(last_used=now)
    return one.user
