"""
Decide whether an unsafe request was sent by the site itself, from the fields that browsers add.

No token is needed: a browser states where a request comes from in ``Sec-Fetch-Site`` (Fetch
Metadata, W3C) and ``Origin`` (RFC 6454), which scripts cannot set; a client that sends neither
is no browser, and so carries no cookie that somebody else's page could make it send.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.utils.http import is_same_domain

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def refused_origin(fetch_site: str | None, origin: str | None, own: str, trusted: Iterable[str]) -> str | None:
    """
    Return why an unsafe request is refused, or ``None`` where it may pass.

    Args:
        fetch_site: The ``Sec-Fetch-Site`` field; ``None`` where the request has none.
        origin: The ``Origin`` field; ``None`` where the request has none.
        own: Origin of the request itself, ``scheme://host[:port]``.
        trusted: Further origins, as ``CSRF_TRUSTED_ORIGINS`` writes them: ``https://*.example.com``
            stands for all subdomains.
    """
    if fetch_site in ("same-origin", "none"):
        return None
    if origin is not None:
        parts = _parse(origin)
        if parts is not None and (parts == _parse(own) or any(_covers(entry, parts) for entry in trusted)):
            return None
        return "The request comes from another origin, which is not trusted."
    return None if fetch_site is None else "The request comes from another site."


def _parse(origin: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    # An origin is a scheme, a host and a port, and nothing else; "null" has neither.
    if not parts.scheme or not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS.get(parts.scheme)


def _covers(entry: str, origin: tuple[str, str, int | None]) -> bool:
    scheme, wildcard, host = entry.partition("://*")
    if not wildcard:
        return _parse(entry) == origin
    # As CsrfViewMiddleware reads it: the domain itself is covered, too.
    domain = _parse(f"{scheme}://subdomain{host}")
    return (
        domain is not None
        and (origin[0], origin[2]) == (domain[0], domain[2])
        and is_same_domain(origin[1], domain[1].removeprefix("subdomain"))
    )
