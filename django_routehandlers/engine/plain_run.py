"""
Do the hooks of several middleware of Django's own at once, for the requests that have nothing for any of them.

Most calls of an API bring no cookie, and meet no session, user or message on their way. What the hooks do
for such a request is known at start-up: attributes that nobody may ever look at, and fields that are always
the same. Whatever is out of the ordinary goes to the hooks, one by one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.engine.hosts import allowed_host
from django_routehandlers.engine.live_settings import KNOWN
from django_routehandlers.engine.request import GIFTS
from django_routehandlers.engine.shorter_hooks import makes_session, prebuilt
from django_routehandlers.fields import ConstantField, Field, field_of, fields_of, give_field

_Named = tuple[str, Field]
_LENGTH, _TYPE = "content-length", "content-type"
_MOST_TEMPLATES = 64
_UNREAD = object()


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
    reads_cookies: bool = False
    """Whether a hook looks at the cookies of each request, which keep what they are from then on."""
    states_length: bool = False
    validates_host: bool = False
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    """The values of settings, which may change later, for which all this holds."""
    ours: "PlainHooks | None" = None
    """A middleware of ours, whose hooks are called."""


class PlainHooks(Protocol):
    """A middleware of ours, whose hooks wait for nothing."""

    @property
    def marks(self) -> Mapping[str, object]:
        """The attributes that a request gets on its way in, if it is no OPTIONS."""
        ...

    def process_response(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """Return the response with the fields that this middleware gives it."""
        ...

    def fields_depend_on(self, request: HttpRequest, response: Any) -> object:
        """Return all that decides which fields a response of status 200, without any, is given; ``None`` if unknown."""
        ...


_Step = tuple[str, Field | None] | PlainHooks
Describe = Callable[[Any], Part | None]
"""Of a middleware: its part; ``None`` where its hooks are to be called."""


def _security(middleware: Any) -> Part | None:
    if middleware.redirect:
        return None
    plain, secure = (tuple(prebuilt(middleware.process_response, is_secure=one).items()) for one in (False, True))
    return Part(fields=plain, secure_fields=None if plain == secure else secure)


def _session(middleware: Any) -> Part | None:
    return (
        None
        if settings.SESSION_SAVE_EVERY_REQUEST
        else Part(gifts={"session": makes_session(middleware)}, reads_cookies=True)
    )


def _common(middleware: Any) -> Part | None:
    if settings.DISALLOWED_USER_AGENTS:
        return None
    # A copy: what is appended counts as well.
    live = {"DISALLOWED_USER_AGENTS": copy(settings.DISALLOWED_USER_AGENTS), "PREPEND_WWW": settings.PREPEND_WWW}
    return Part(states_length=True, validates_host=True, settings=live)


def _csrf(middleware: Any) -> Part:
    return Part(reads_cookies=True, settings={"CSRF_USE_SESSIONS": False})


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
        self._reads_cookies = any(part.reads_cookies for part in parts)
        self._validates_host = any(part.validates_host for part in parts)
        self._ours = [part.ours for part in parts if part.ours is not None]
        self._marks = {name: value for middleware in self._ours for name, value in middleware.marks.items()}
        within = list(reversed(parts))
        self._steps = [step for part in within for step in _steps(part, part.fields)]
        self._secure_steps: list[_Step] | None = None
        if any(part.secure_fields is not None for part in within):
            self._secure_steps = [step for part in within for step in _steps(part, part.secure_fields or part.fields)]
        self._templates: dict[object, dict[str, Field]] = {}

    def enter(self, request: HttpRequest) -> bool:
        """Do what the middleware do with a request on its way in; return whether it is a plain one."""
        own = vars(request)
        gifts: dict[str, Any] | None = own.get(GIFTS)
        if (
            gifts is None
            or (self._reads_cookies and own.get("COOKIES", "HTTP_COOKIE" in request.META))
            or (self._ours and request.method == "OPTIONS")
            or not self._needs <= gifts.keys()
            # What a middleware around has set itself.
            or not own.keys().isdisjoint(self._names)
        ):
            return False
        for name, value in self._settings:
            # One that nobody has read since it changed is read by the hook.
            if KNOWN.get(name, _UNREAD) != value:
                return False
        if self._validates_host:
            try:
                allowed_host(request)
            except DisallowedHost:
                # It is for the middleware that asks for it to raise it, in its place.
                return False
        own.update(self._marks)
        if self._reads_cookies:
            own["COOKIES"] = {}
        gifts.update(self._gifts)
        return True

    def leave(self, request: HttpRequest, response: Any) -> HttpResponseBase | None:
        """Return what they make of the response on its way out; ``None`` where their hooks are to be called."""
        try:
            return self._left(request, response)
        except Exception:
            # The hook that it is of raises it in its place.
            return None

    def _left(self, request: HttpRequest, response: Any) -> HttpResponseBase | None:
        own = vars(request)
        if (
            not isinstance(response, HttpResponseBase)
            or not self._names <= own[GIFTS].keys()
            or (self._reads_cookies and own.get("COOKIES", True))
            or not own.keys().isdisjoint(self._names)
            or response.status_code == 404
            or "CSRF_COOKIE_NEEDS_UPDATE" in request.META
            or hasattr(response, "xframe_options_exempt")
            # The hooks call it.
            or type(response).setdefault is not HttpResponseBase.setdefault
            or (fields := fields_of(response)) is None
        ):
            return None
        is_secure = self._secure_steps is not None and request.is_secure()
        key = self._template_key(request, response, fields, is_secure)
        if key is None:
            return self._give_fields(request, response, is_secure)
        template = self._templates.get(key)
        if template is None:
            return self._make_template(key, request, response, is_secure)
        fields.update(template)
        if _LENGTH in template:
            fields[_LENGTH] = _length_of(response)
        return response

    def _template_key(
        self, request: HttpRequest, response: HttpResponseBase, fields: dict[str, Field], is_secure: bool
    ) -> object:
        """Return all that decides which fields a response is given; ``None`` where it is out of the ordinary."""
        if len(fields) != 1 or _TYPE not in fields or response.status_code != 200:
            return None
        if response.streaming or response.cookies:
            return None
        if not self._ours:
            return fields[_TYPE], is_secure
        known = self._ours[0].fields_depend_on(request, response)
        return None if known is None or len(self._ours) > 1 else (fields[_TYPE], is_secure, known)

    def _make_template(
        self, key: object, request: HttpRequest, response: HttpResponseBase, is_secure: bool
    ) -> HttpResponseBase:
        given = self._give_fields(request, response, is_secure)
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates = {}
        if given is response:
            fields = fields_of(given) or {}
            self._templates[key] = {name: ConstantField(*pair) for name, pair in fields.items() if name != _TYPE}
        return given

    def _give_fields(self, request: HttpRequest, response: HttpResponseBase, is_secure: bool) -> HttpResponseBase:
        steps = self._secure_steps if is_secure else self._steps
        for step in steps or ():
            if not isinstance(step, tuple):
                response = step.process_response(request, response)
            elif step[1] is not None:
                give_field(response, step[0], step[1])
            elif not response.streaming and field_of(response, _LENGTH) is None:
                give_field(response, _LENGTH, _length_of(response))
        return response


def _steps(part: Part, fields: Iterable[_Named]) -> Iterator[_Step]:
    """Yield what is done for a response: a field that is given, or the length, or a hook that is called."""
    yield from fields
    if part.states_length:
        yield _LENGTH, None
    if part.ours is not None:
        yield part.ours


def _length_of(response: Any) -> Field:
    return "Content-Length", str(len(response.content))


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
