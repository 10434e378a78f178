"""
What the cache keeps, as a value and as bytes.

The bytes are signed with the project's secret key and with the key of the entry, and never
unpickled: what is corrupt, cut off, of another version, of another key or of a stranger's hand
is no entry.
"""

import hashlib
import hmac
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

import orjson
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_routehandlers.caching.versions import VERSION_LIFETIME

Versions = tuple[tuple[str, bytes], ...]
"""Tags, each with the version that it had before the data was read."""

SKEW = 300.0
"""Seconds by which the clocks of two machines may differ: an entry from further ahead is no entry."""
_MAGIC = b"RHC1"
_SIGNATURE_SIZE = 16
_OVERHEAD = 2500  # bytes, about what an entry takes beside its value, with a response ready to be sent


@dataclass(slots=True, eq=False)
class Entry:
    """A value that was made once, and how long it may be used."""

    value: bytes
    created: float
    """Seconds since 1970, by the clock of the process that made it."""
    lifetime: float | None
    """Seconds for which it is fresh; ``None`` until it is invalidated."""
    window: float
    """Seconds behind its lifetime for which it may be served while it is refreshed."""
    versions: Versions
    tables: frozenset[str]
    """Tables that its maker read."""
    names: tuple[str, ...]
    """What the project calls its tags, in order."""
    age_at: float
    """Seconds of the clock of the cache at which the entry was ``age`` old."""
    age: float
    retry_at: float = 0.0
    """Seconds of that clock before which no refresh is begun here: one has failed, or is made elsewhere."""
    decoded: Any = field(default=None, repr=False)
    """What its reader has made of the value, kept for the next hit."""

    def age_now(self, now: float) -> float:
        """Return the age in seconds, never negative; a clock that is set back changes nothing."""
        return self.age + max(0.0, now - self.age_at)

    def is_fresh(self, now: float) -> bool:
        """Return whether the entry is within its lifetime."""
        return self.lifetime is None or self.age_now(now) < self.lifetime

    def is_usable(self, now: float) -> bool:
        """Return whether the entry may be served, fresh or while it is refreshed."""
        return self.lifetime is None or self.age_now(now) < self.lifetime + self.window

    @property
    def size(self) -> int:
        """Bytes that the entry takes in memory, about."""
        # Twice: what its reader has made of the value holds it once more.
        return 2 * len(self.value) + sum(len(tag) + 64 for tag, _ in self.versions) + _OVERHEAD

    @property
    def kept_for(self) -> float:
        """Seconds for which a store should keep the entry."""
        # A version that nobody changes lasts no longer, and what another build has made nobody asks for.
        if self.lifetime is None:
            return VERSION_LIFETIME
        return min(math.ceil(self.lifetime + self.window), VERSION_LIFETIME)


def encode_entry(entry: Entry, name: str) -> bytes:
    """
    Return the bytes that a store keeps.

    Args:
        name: The name under which it keeps them: they are worth nothing under another.
    """
    head = orjson.dumps(
        [
            entry.created,
            entry.lifetime,
            entry.window,
            [[tag, version.hex()] for tag, version in entry.versions],
            sorted(entry.tables),
            entry.names,
        ]
    )
    body = len(head).to_bytes(4, "big") + head + entry.value
    return _MAGIC + _sign(body, name) + body


def decode_entry(data: bytes, name: str, *, wall: float, now: float) -> Entry | None:
    """
    Return the entry that *data* is, or ``None`` where it is none.

    Args:
        wall: Seconds since 1970.
        now: Seconds of the clock of the cache.
    """
    start = len(_MAGIC) + _SIGNATURE_SIZE
    if not data.startswith(_MAGIC) or len(data) < start + 4:
        return None
    body = data[start:]
    if not hmac.compare_digest(data[len(_MAGIC) : start], _sign(body, name)):
        return None
    end = 4 + int.from_bytes(body[:4], "big")
    created, lifetime, window, versions, tables, names = cast("list[Any]", orjson.loads(body[4:end]))
    if created > wall + SKEW:
        return None
    pairs = cast("Sequence[tuple[str, str]]", versions)
    return Entry(
        value=body[end:],
        created=created,
        lifetime=lifetime,
        window=window,
        versions=tuple((tag, bytes.fromhex(version)) for tag, version in pairs),
        tables=frozenset(tables),
        names=tuple(names),
        age_at=now,
        age=max(0.0, wall - created),
    )


def _sign(body: bytes, name: str) -> bytes:
    try:
        key = _signing_key(settings.SECRET_KEY)
    except ImproperlyConfigured:
        # A project that has none shares nothing with other processes.
        key = _signing_key(_own_secret())
    return hashlib.blake2b(name.encode() + b":" + body, digest_size=_SIGNATURE_SIZE, key=key).digest()


@lru_cache(maxsize=4)
def _signing_key(secret: str | bytes) -> bytes:
    raw = secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(b"django_routehandlers.caching.entries" + raw, digest_size=32).digest()


@lru_cache(maxsize=1)
def _own_secret() -> bytes:
    return secrets.token_bytes(32)
