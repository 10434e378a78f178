"""
Decide whether an unsafe request was sent by the site itself, from the fields that browsers add.

No token is needed: a browser states where a request comes from in ``Sec-Fetch-Site`` (Fetch
Metadata, W3C) and ``Origin`` (RFC 6454), which scripts cannot set; a client that sends neither
is no browser, and so carries no cookie that somebody else's page could make it send.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.utils.http import is_same_domain

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""
# A scheme, a host and perhaps a port, and nothing else: "null" has neither (RFC 6454, section 6.2).
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]+)?")
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
    if _ORIGIN.fullmatch(origin) is None:
        return None
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, _DEFAULT_PORTS.get(parts.scheme) if port is None else port


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
