"""Turn the host that a request names into the one form that all its spellings have, if the project allows it."""

from functools import lru_cache

from django.http import HttpRequest

from django_routehandlers.engine.hosts import allowed_host

_LONGEST = 255  # characters of a host that is remembered


def normal_host(request: HttpRequest, scheme: str) -> str:
    """
    Return the host of *request* in its normal form (RFC 9110, section 4.2.3).

    Raises:
        DisallowedHost: It is none, or none of ``ALLOWED_HOSTS``.
    """
    host = allowed_host(request)
    # Any client may send others.
    return _known(host, scheme) if len(host) <= _LONGEST else _normal(host, scheme)


def _normal(host: str, scheme: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    if not colon or not port.isdigit():
        name, port = host.lower(), ""
    if port == {"http": "80", "https": "443"}.get(scheme):
        port = ""
    return f"{name.removesuffix('.')}:{port}" if port else name.removesuffix(".")


_known = lru_cache(maxsize=1024)(_normal)
