"""
Turn what the route cache did with a request into a member of the ``Cache-Status`` field.

Source: RFC 9211, and RFC 9651 for the syntax. Says nothing that a client sent: only
numbers and words of our own.
"""

import re
from dataclasses import dataclass
from typing import Literal

NAME = "django-routehandlers"
"""What the route cache is called in the field."""

Forward = Literal["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale"]
"""Why the handler ran: the words of RFC 9211, section 2.2."""

_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
_STRING = re.compile(r"[ -~]*")
_LARGEST = 10**15 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatus:
    """
    What the route cache did with one request. Source: RFC 9211, section 2.

    Raises:
        ValueError: Both *hit* and *fwd* are given or neither is, *stored* or *collapsed* without
            *fwd*, or *detail* holds what the field cannot.
    """

    hit: bool = False
    """Whether an entry answered, and the handler was not waited for."""
    fwd: Forward | None = None
    """Why the handler was waited for; ``None`` for a hit."""
    ttl: int | None = None
    """Seconds for which the entry stays fresh, below 0 where it is stale; ``None`` leaves it out."""
    stored: bool = False
    """Whether the response has been made an entry."""
    collapsed: bool = False
    """Whether another request's run of the handler answered this one, too."""
    detail: str | None = None
    """A word or a sentence more, of printable ASCII characters; ``None`` leaves it out."""

    def __post_init__(self) -> None:
        if self.hit == (self.fwd is not None):
            raise ValueError(
                "CacheStatus: a request is a hit or has a reason in fwd, and never both. Give one of them."
            )
        if self.hit and (self.stored or self.collapsed):
            raise ValueError("CacheStatus: stored and collapsed say how the handler ran. Leave them out of a hit.")
        if self.detail is not None and _STRING.fullmatch(self.detail) is None:
            raise ValueError(f"CacheStatus: detail is {self.detail!r}. Use printable ASCII characters alone.")

    def __str__(self) -> str:
        parts = [NAME, "hit" if self.hit else f"fwd={self.fwd}"]
        if self.ttl is not None:
            # An integer has at most 15 digits (RFC 9651, section 3.3.1).
            parts.append(f"ttl={max(-_LARGEST, min(self.ttl, _LARGEST)):d}")
        if self.stored:
            parts.append("stored")
        if self.collapsed:
            parts.append("collapsed")
        if self.detail is not None:
            parts.append(f"detail={_bare_item(self.detail)}")
        return "; ".join(parts)


def append_cache_status(field: str | None, status: CacheStatus) -> str:
    """
    Return the field with *status* added behind what is there; ``None``: nothing is there yet.

    The first member is the cache next to the origin (RFC 9211, section 2): one that the handler
    asked is nearer to it than the cache that keeps what the handler made of the answer.
    """
    return f"{field}, {status}" if field and field.strip() else str(status)


def _bare_item(text: str) -> str:
    if _TOKEN.fullmatch(text) is not None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
