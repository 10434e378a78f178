"""
Turn the host that a request names into the one form that all its spellings have, if the project allows it.

It is asked for each hit: Django's own answer is remembered where it depends on nothing else than what is at hand.
"""

from functools import lru_cache
from typing import cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

_LONGEST = 255  # characters of a host that is worth remembering, as many as a name may have
_DJANGOS_OWN = HttpRequest.get_host


def normal_host(request: HttpRequest, scheme: str) -> str:
    """
    Return the host of *request* in its normal form (RFC 9110, section 4.2.3).

    Raises:
        DisallowedHost: It is none, or none of ``ALLOWED_HOSTS``.
    """
    host: object = request.META.get("HTTP_HOST")
    # What has been read of the settings since they changed: to read one as an attribute takes six times as long.
    known = vars(settings)
    allowed: object = known.get("ALLOWED_HOSTS")
    if (
        type(host) is str
        and len(host) <= _LONGEST
        # Projects put objects of their own there, and functions, which may answer otherwise the next time.
        and type(allowed) is list
        and type(request) in (ASGIRequest, WSGIRequest)
        and type(request).get_host is _DJANGOS_OWN
        and "get_host" not in vars(request)
        and known.get("USE_X_FORWARDED_HOST") is False
        and "DEBUG" in known
    ):
        return _remembered(host, scheme, tuple(cast("list[str]", allowed)), known["DEBUG"])
    return _normal(request.get_host(), scheme)


@lru_cache(maxsize=1024)
def _remembered(host: str, scheme: str, allowed: tuple[str, ...], is_debug: bool) -> str:
    """Return the normal form of a host that Django has been asked about. What it refuses is not remembered."""
    request = HttpRequest()
    request.META["HTTP_HOST"] = host
    return _normal(request.get_host(), scheme)


@lru_cache(maxsize=1024)
def _normal(host: str, scheme: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    if not colon or not port.isdigit():
        name, port = host.lower(), ""
    if port == {"http": "80", "https": "443"}.get(scheme):
        port = ""
    return f"{name.removesuffix('.')}:{port}" if port else name.removesuffix(".")
