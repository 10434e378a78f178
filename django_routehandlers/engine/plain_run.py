"""
Do the hooks of several middleware of Django's own at once, for the requests that have nothing for any of them.

Most calls of an API bring no cookie, and meet no session, user or message on their way. What the hooks do
for such a request is known at start-up: attributes that nobody may ever look at, and fields that are always
the same. Whatever is out of the ordinary goes to the hooks, one by one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.engine.fields import Field, fields_of
from django_routehandlers.engine.hosts import allowed_host
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.engine.request import GIFTS
from django_routehandlers.engine.shorter_hooks import makes_session, prebuilt

_Named = tuple[str, Field]
_LENGTH = "content-length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one middleware does for a plain request, and for its response."""

    gifts: Mapping[str, Callable[[Any], object]] = field(default_factory=dict[str, Callable[[Any], object]])
    """Attributes of the request → the hook that sets them, once somebody looks."""
    needs: str = ""
    """An attribute that another middleware has to give before."""
    fields: tuple[_Named, ...] = ()
    """Fields of a response that has none of their names: name in lower case → name and value."""
    secure_fields: tuple[_Named, ...] | None = None
    """The same over HTTPS, where that differs."""
    states_length: bool = False
    validates_host: bool = False
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    """The values of settings, which may change later, for which all this holds."""


Describe = Callable[[Any], Part | None]
"""Of a middleware: its part; ``None`` where its hooks are to be called."""


def _security(middleware: Any) -> Part | None:
    if middleware.redirect:
        return None
    plain, secure = (tuple(prebuilt(middleware.process_response, is_secure=one).items()) for one in (False, True))
    return Part(fields=plain, secure_fields=None if plain == secure else secure)


def _session(middleware: Any) -> Part | None:
    return None if settings.SESSION_SAVE_EVERY_REQUEST else Part(gifts={"session": makes_session(middleware)})


def _common(middleware: Any) -> Part | None:
    if settings.DISALLOWED_USER_AGENTS:
        return None
    live = {"DISALLOWED_USER_AGENTS": settings.DISALLOWED_USER_AGENTS, "PREPEND_WWW": settings.PREPEND_WWW}
    return Part(states_length=True, validates_host=True, settings=live)


def _csrf(middleware: Any) -> Part:
    return Part(settings={"CSRF_USE_SESSIONS": False})


def _authentication(middleware: Any) -> Part:
    give: Callable[[Any], object] = middleware.process_request
    return Part(gifts={"user": give, "auser": give}, needs="session")


def _messages(middleware: Any) -> Part:
    return Part(gifts={"_messages": middleware.process_request}, needs="session")


def _frame_options(middleware: Any) -> Part:
    fields = tuple(prebuilt(middleware.process_response).items())
    return Part(fields=fields, settings={"X_FRAME_OPTIONS": settings.X_FRAME_OPTIONS})


PARTS: Mapping[str, Describe] = {
    "django.middleware.security.SecurityMiddleware": _security,
    "django.contrib.sessions.middleware.SessionMiddleware": _session,
    "django.middleware.common.CommonMiddleware": _common,
    "django.middleware.csrf.CsrfViewMiddleware": _csrf,
    "django.contrib.auth.middleware.AuthenticationMiddleware": _authentication,
    "django.contrib.messages.middleware.MessageMiddleware": _messages,
    "django.middleware.clickjacking.XFrameOptionsMiddleware": _frame_options,
}
"""Class of Django's → its part, for the middleware whose hooks wait for no plain request."""


class PlainRun:
    """
    The hooks of middleware in a row, as one.

    Args:
        parts: Of each middleware, the outermost first.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._gifts = {name: give for part in parts for name, give in part.gifts.items()}
        self._names = frozenset(self._gifts)
        self._needs = frozenset({part.needs for part in parts if part.needs} - self._names)
        self._settings = tuple({name: value for part in parts for name, value in part.settings.items()}.items())
        self._validates_host = any(part.validates_host for part in parts)
        within = list(reversed(parts))
        self._fields = _in_order(within, [part.fields for part in within])
        self._secure = _in_order(
            within, [part.fields if part.secure_fields is None else part.secure_fields for part in within]
        )

    def enter(self, request: HttpRequest) -> bool:
        """Do what the middleware do with a request on its way in; return whether it is a plain one."""
        own = vars(request)
        gifts: dict[str, Any] | None = own.get(GIFTS)
        if (
            gifts is None
            or own.get("COOKIES", "HTTP_COOKIE" in request.META)
            or not self._needs <= gifts.keys()
            # What a middleware around has set itself.
            or not own.keys().isdisjoint(self._names)
        ):
            return False
        for name, value in self._settings:
            if setting(name) != value:
                return False
        if self._validates_host:
            try:
                allowed_host(request)
            except DisallowedHost:
                # It is for the middleware that asks for it to raise it, in its place.
                return False
        own["COOKIES"] = {}
        gifts.update(self._gifts)
        return True

    def leave(self, request: HttpRequest, response: Any) -> bool:
        """Do what they do with the response on its way out; return whether that was all."""
        own = vars(request)
        if (
            not isinstance(response, HttpResponseBase)
            or not self._names <= own[GIFTS].keys()
            or own.get("COOKIES", True)
            or not own.keys().isdisjoint(self._names)
            or response.status_code == 404
            or "CSRF_COOKIE_NEEDS_UPDATE" in request.META
            or hasattr(response, "xframe_options_exempt")
            or (fields := fields_of(response)) is None
        ):
            return False
        for name, pair in self._fields if self._fields is self._secure or not request.is_secure() else self._secure:
            if pair is not None:
                fields.setdefault(name, pair)
            elif name not in fields and not response.streaming:
                fields[name] = ("Content-Length", str(len(response.content)))  # type: ignore[attr-defined]
        return True


def _in_order(parts: Iterable[Part], fields: Iterable[tuple[_Named, ...]]) -> tuple[tuple[str, Field | None], ...]:
    found: list[tuple[str, Field | None]] = []
    for part, own in zip(parts, fields, strict=True):
        found += own
        if part.states_length:
            found.append((_LENGTH, None))
    return tuple(found)


def plain_run(parts: Sequence[Part]) -> PlainRun | None:
    """
    Return the run of middleware in a row; ``None`` where one has to come before another that it needs.

    Args:
        parts: Of each middleware, the outermost first.
    """
    later: set[str] = set()
    for part in reversed(parts):
        if part.needs in later:
            return None
        later |= part.gifts.keys()
    return PlainRun(parts)
