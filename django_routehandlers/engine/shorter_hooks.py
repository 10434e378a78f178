"""
Do what hooks of Django's own middleware do, with what can be known at start-up worked out there.

Nothing here decides what a response says: the fields are those that Django's hook writes when it is
tried once, and whatever is out of the ordinary goes to the hook itself.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from django_routehandlers.engine.hosts import allowed_host
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.engine.request import give_later, is_due
from django_routehandlers.fields import fields_of

Call = Callable[..., Any]
Shorten = Callable[[Any, Call], Call | None]
"""Of a middleware and its hook: what does as much; ``None`` where the hook does nothing at all."""


def prebuilt(call: Call, *, is_secure: bool = False) -> Mapping[str, tuple[str, str]]:
    """Return the fields that a hook gives a response that has none: name in lower case → name and value."""
    request, response = HttpRequest(), HttpResponse()
    request._get_scheme = lambda: "https" if is_secure else "http"  # type: ignore[method-assign]
    before = dict(fields_of(response) or {})
    call(request, response)
    return {key: pair for key, pair in (fields_of(response) or {}).items() if key not in before}


# django.middleware.security


def _skips_redirect(middleware: Any, call: Call) -> Call | None:
    return call if middleware.redirect else None


def _sets_security_fields(middleware: Any, call: Call) -> Call:
    plain = tuple(prebuilt(call).items())
    secure = tuple(prebuilt(call, is_secure=True).items())

    def process_response(request: HttpRequest, response: Any) -> Any:
        fields = fields_of(response)
        if fields is None:
            return call(request, response)
        for name, field in secure if plain != secure and request.is_secure() else plain:
            fields.setdefault(name, field)
        return response

    return process_response


# django.middleware.clickjacking


def _sets_frame_options(middleware: Any, call: Call) -> Call:
    [(name, field)] = prebuilt(call).items()
    value: object = settings.X_FRAME_OPTIONS

    def process_response(request: HttpRequest, response: Any) -> Any:
        fields = fields_of(response)
        if fields is None or setting("X_FRAME_OPTIONS") != value:
            return call(request, response)
        if not getattr(response, "xframe_options_exempt", False):
            fields.setdefault(name, field)
        return response

    return process_response


# django.middleware.common


def _validates_host(middleware: Any, call: Call) -> Call:
    def process_request(request: HttpRequest) -> Any:
        if setting("DISALLOWED_USER_AGENTS"):
            return call(request)
        # Django asks for it to have it validated.
        allowed_host(request)
        return None

    return process_request


def _states_length(middleware: Any, call: Call) -> Call:
    def process_response(request: HttpRequest, response: Any) -> Any:
        fields = fields_of(response)
        if fields is None or response.status_code == 404:
            return call(request, response)
        if not response.streaming and "content-length" not in fields:
            fields["content-length"] = ("Content-Length", str(len(response.content)))
        return response

    return process_response


# django.contrib.sessions, django.contrib.auth and django.contrib.messages


def _later(*names: str, needs: str = "") -> Shorten:
    """Return what has a hook called when somebody looks at what it sets."""

    def shorten(middleware: Any, call: Call) -> Call:
        def process_request(request: HttpRequest) -> Any:
            return None if give_later(request, names, call, needs=needs) else call(request)

        return process_request

    return shorten


def makes_session(middleware: Any) -> Callable[[Any], object]:
    """Return what makes the session of a request that had no cookie when it came."""

    def give(request: Any) -> None:
        # Whatever a middleware within has made of the cookies since.
        request.session = middleware.SessionStore(None)

    return give


def _makes_session_later(middleware: Any, call: Call) -> Call:
    give = makes_session(middleware)

    def process_request(request: HttpRequest) -> Any:
        return None if _has_no_cookies(request) and give_later(request, ("session",), give) else call(request)

    return process_request


def _has_no_cookies(request: HttpRequest) -> bool:
    """Return whether a request has no cookies; from here on, what is put into its field makes none."""
    own = vars(request)
    if "COOKIES" not in own and "HTTP_COOKIE" not in request.META:
        own["COOKIES"] = {}
    return not own.get("COOKIES", True)


def _leaves_session(middleware: Any, call: Call) -> Call:
    saves_each: bool = settings.SESSION_SAVE_EVERY_REQUEST
    cookie: str = settings.SESSION_COOKIE_NAME

    def process_response(request: HttpRequest, response: Any) -> Any:
        is_untouched = is_due(request, "session") and not saves_each and cookie not in request.COOKIES
        return response if is_untouched else call(request, response)

    return process_response


def _stores_messages(middleware: Any, call: Call) -> Call:
    def process_response(request: HttpRequest, response: Any) -> Any:
        return response if is_due(request, "_messages") else call(request, response)

    return process_response


# django.middleware.csrf


def _takes_secret(middleware: Any, call: Call) -> Call:
    def process_request(request: HttpRequest) -> Any:
        return None if _has_no_cookies(request) else call(request)

    return process_request


SHORTER: Mapping[str, Mapping[str, Shorten]] = {
    "django.middleware.security.SecurityMiddleware": {
        "process_request": _skips_redirect,
        "process_response": _sets_security_fields,
    },
    "django.contrib.sessions.middleware.SessionMiddleware": {
        "process_request": _makes_session_later,
        "process_response": _leaves_session,
    },
    "django.contrib.auth.middleware.AuthenticationMiddleware": {
        "process_request": _later("user", "auser", needs="session")
    },
    "django.middleware.common.CommonMiddleware": {
        "process_request": _validates_host,
        "process_response": _states_length,
    },
    "django.middleware.csrf.CsrfViewMiddleware": {"process_request": _takes_secret},
    "django.contrib.messages.middleware.MessageMiddleware": {
        "process_request": _later("_messages", needs="session"),
        "process_response": _stores_messages,
    },
    "django.middleware.clickjacking.XFrameOptionsMiddleware": {"process_response": _sets_frame_options},
}
"""Class of Django's → hook → its shorter form, for requests that its rule lets run on the event loop."""
