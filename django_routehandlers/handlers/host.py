"""Turn the host that a request names into the one form that all its spellings have, if the project allows it."""

from functools import lru_cache

from django.http import HttpRequest

from django_routehandlers.engine.hosts import allowed_host


def normal_host(request: HttpRequest, scheme: str) -> str:
    """
    Return the host of *request* in its normal form (RFC 9110, section 4.2.3).

    Raises:
        DisallowedHost: It is none, or none of ``ALLOWED_HOSTS``.
    """
    return _normal(allowed_host(request), scheme)


@lru_cache(maxsize=1024)
def _normal(host: str, scheme: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    if not colon or not port.isdigit():
        name, port = host.lower(), ""
    if port == {"http": "80", "https": "443"}.get(scheme):
        port = ""
    return f"{name.removesuffix('.')}:{port}" if port else name.removesuffix(".")
