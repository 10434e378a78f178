"""Ask Django for the host that a request names, and remember the answer where it depends on nothing else than that."""

from functools import lru_cache

from django.core.handlers import asgi
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from django_routehandlers.engine.live_settings import KNOWN
from django_routehandlers.engine.request import ASGIRequest

_LONGEST = 255  # characters of a host that is worth remembering, as many as a name may have
_KINDS = (ASGIRequest, asgi.ASGIRequest, WSGIRequest)
_DJANGOS_OWN = HttpRequest.get_host


def allowed_host(request: HttpRequest) -> str:
    """
    Return what ``request.get_host()`` returns.

    Raises:
        DisallowedHost: It is none, or none of ``ALLOWED_HOSTS``.
    """
    host: object = request.META.get("HTTP_HOST")
    allowed: list[str] | None = KNOWN.get("ALLOWED_HOSTS")
    if (
        type(host) is str
        and len(host) <= _LONGEST
        and type(allowed) is list
        and _are_plain(allowed)
        and type(request) in _KINDS
        and type(request).get_host is _DJANGOS_OWN
        and "get_host" not in vars(request)
        and KNOWN.get("USE_X_FORWARDED_HOST") is False
        and "DEBUG" in KNOWN
    ):
        return _remembered(host, tuple(allowed), KNOWN["DEBUG"])
    return request.get_host()


def _are_plain(allowed: list[str]) -> bool:
    # Projects put objects of their own there, which may answer otherwise the next time.
    for one in allowed:  # noqa: SIM110 - several times as fast as a generator
        if type(one) is not str:
            return False
    return True


@lru_cache(maxsize=1024)
def _remembered(host: str, allowed: tuple[str, ...], is_debug: bool) -> str:
    """Return the host that Django has been asked about. What it refuses is not remembered."""
    request = HttpRequest()
    request.META["HTTP_HOST"] = host
    return request.get_host()
