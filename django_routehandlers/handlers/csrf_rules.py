"""
Decide whether an unsafe request to a route may pass, by the rule that the route, its folders or the settings name.

``origin`` looks at what browsers say of a request, ``token`` is Django's own check, ``exempt`` is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from django_routehandlers.handlers.cross_origin import cors_of_request
from django_routehandlers.policies.csrf import refused_origin


@dataclass(frozen=True, slots=True)
class CsrfRule:
    """How unsafe requests are judged."""

    name: str
    refusal: Callable[[HttpRequest], str | None]
    """Returns why a request is refused, or ``None`` where it may pass."""
    waits: bool = False
    """Whether *refusal* may wait, for a session or for content, so that it should not run on the event loop."""
    is_logged: bool = False
    """Whether *refusal* writes why to the log itself."""


def _by_origin(request: HttpRequest) -> str | None:
    fetch_site, origin = request.META.get("HTTP_SEC_FETCH_SITE"), request.META.get("HTTP_ORIGIN")
    if fetch_site is None and origin is None:
        return None
    own = f"{request.scheme}://{request.get_host()}"
    refusal = refused_origin(fetch_site, origin, own, settings.CSRF_TRUSTED_ORIGINS)
    if refusal is None or _is_admitted(request):
        return None
    cors = cors_of_request(request)
    is_listed = cors is not None and origin is not None and cors.policy.allows(origin)
    return _WITHOUT_CREDENTIALS if is_listed else refusal


_WITHOUT_CREDENTIALS = (
    "The request has cookies, or an Authorization of the browser's own, and its origin may send neither: "
    "the CORS policy of the route has no credentials=True."
)


def _is_admitted(request: HttpRequest) -> bool:
    cors = cors_of_request(request)
    return cors is not None and cors.admits(request)


def _by_token(request: HttpRequest) -> str | None:
    # One for each request: it keeps what the settings say of trusted origins.
    check: Any = CsrfViewMiddleware(_checked)
    if _is_admitted(request):
        check.allowed_origins_exact = check.allowed_origins_exact | {request.META["HTTP_ORIGIN"]}
    if "CSRF_COOKIE" not in request.META:
        check.process_request(request)
    refusal = check.process_view(request, _checked, (), {})
    return None if refusal is None else "The request has no valid CSRF token, or comes from another origin."


def _checked(request: HttpRequest) -> HttpResponse:
    """Stand for the view, which Django only looks at."""
    return HttpResponse()


def _never(request: HttpRequest) -> None:
    """Refuse nothing."""


CSRF_RULES: Mapping[str, CsrfRule] = {
    "origin": CsrfRule("origin", _by_origin),
    "token": CsrfRule("token", _by_token, waits=True, is_logged=True),
    "exempt": CsrfRule("exempt", _never),
}
"""What `csrf` may say, and what that means."""


def wrong_csrf(value: object) -> tuple[str, str] | None:
    """Return what is wrong with a value of `csrf`, and the remedy; ``None`` where nothing is."""
    if isinstance(value, str) and value in CSRF_RULES:
        return None
    known = ", ".join(f'"{name}"' for name in CSRF_RULES)
    return f"csrf is {value!r}. It is one of {known}.", 'Write `csrf = "origin"`.'
