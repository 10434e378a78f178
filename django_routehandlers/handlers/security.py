"""Say how the clients of a route prove who they are, and put that into each of its responses with status 401."""

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.functions import is_coroutine_function
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.policies.security import Scheme, challenge_of, what_is_wrong
from django_routehandlers.responses.encoding import encode_json

View = Callable[..., Any]


def wrong_security(value: object) -> tuple[str, str] | None:
    """Return what is wrong with a value of `security`, and the remedy; ``None`` where nothing is."""
    if value is None:
        return None
    wrong = what_is_wrong(value)
    if wrong is None:
        try:
            encode_json(value)
        except (TypeError, ValueError) as error:
            wrong = f"The document cannot say it: {error}"
    if wrong is None:
        return None
    return f"security is {value!r}. {wrong}", 'Write `security = {"type": "http", "scheme": "bearer"}`.'


def session_scheme() -> Scheme:
    """Return the scheme of handlers that take the user of Django's session."""
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "The session of a user who is logged in.",
    }


def scheme_of(plans: Iterable[Plan], security: Scheme | None) -> Scheme | None:
    """
    Return the scheme of functions of a route: what is said of it, else that of the session where one takes the user.

    Args:
        plans: Of the functions, whether handlers, ``etag()`` or ``last_modified()``.
    """
    if security is None and any(plan.user is not None for plan in plans):
        return session_scheme()
    return security


def challenge_for(plans: Iterable[Plan], security: Scheme | None, realm: str) -> str | None:
    """Return the challenge of a route; ``None`` where nobody says how its clients prove who they are."""
    scheme = scheme_of(plans, security)
    return None if scheme is None else challenge_of(scheme, realm)


def asks_nobody(plans: Iterable[Plan], handlers: Iterable[BoundHandler]) -> bool:
    """Return whether no function of a route takes anything that could tell who asks, and no decorator might ask."""
    return not any(map(_may_ask, plans)) and not any(hasattr(one.function, "__wrapped__") for one in handlers)


def _may_ask(plan: Plan) -> bool:
    return plan.user is not None or plan.request is not None or plan.content is not None or bool(plan.values)


def with_challenge(view: View, challenge: str | None) -> View:
    """Return *view* with *challenge* on each 401 that has none (RFC 9110, section 11.6.1); sync or async as it is."""
    if challenge is None:
        return view

    def add(response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code == 401:
            response.headers.setdefault("WWW-Authenticate", challenge)
        return response

    async def aview(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        return add(await view(request, **segments))

    def sync_view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        return add(view(request, **segments))

    return aview if is_coroutine_function(view) else sync_view
