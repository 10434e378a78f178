"""
Let no client ask more often than a route, its folders or the settings say, inside the middleware of folders.

The place that names a limit is where it is counted: all routes below a folder share what its file names.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import empty
from django.utils.log import log_response

from django_routehandlers.caching.counting import current_counting
from django_routehandlers.caching.counts import Counted
from django_routehandlers.caching.stores import StoreError
from django_routehandlers.conf import get_config
from django_routehandlers.documentation import Section, documented
from django_routehandlers.handlers.current_user import auser_of, user_of
from django_routehandlers.handlers.failures import Fail
from django_routehandlers.handlers.functions import is_coroutine_function
from django_routehandlers.policies.cache_status import CacheStatus
from django_routehandlers.policies.client_address import client_network
from django_routehandlers.policies.outcome import CacheOutcome, leave_outcome, withdraw
from django_routehandlers.policies.rate_fields import add_rate_fields, leave_rate_fields
from django_routehandlers.policies.throttle import (
    EXCEEDED,
    EXCEEDED_TITLE,
    Key,
    Throttle,
    Use,
    Uses,
    is_refused,
    rate_fields,
    read_throttle,
    repeated_name,
)
from django_routehandlers.responses.problems import ProblemDetails, ProblemResponse

_SECTION = Section("reference/throttling", "Arguments of Throttle")

View = Callable[..., Any]
Client = str | None
"""What tells a client from all others; ``None`` where it is not counted."""

_REFUSED = CacheOutcome(is_public=False, status=CacheStatus(fwd="bypass", detail="throttle"), keeps_words=False)
_FORM = 'Write `throttle = "100/minute"`, or name it `_throttle` if it is yours.'


@dataclass(frozen=True, slots=True)
class Throttling:
    """The limits of one place."""

    place: str
    """What listings call it: the route or the folder as written, ``settings`` for the settings."""
    kind: Literal["route", "folder", "settings"]
    """Of two places of one path, which one it is."""
    app: str
    """Label of the app that has the place; ``""`` for the settings."""
    limits: tuple[Throttle, ...]
    scopes: tuple[str, ...] = field(init=False)
    """What tells each limit from all others: a digest."""

    def __post_init__(self) -> None:
        texts = (
            "\0".join((self.kind, self.app, self.place, str(one.name), str(one.quota), str(one.period)))
            for one in self.limits
        )
        object.__setattr__(self, "scopes", tuple(map(_digest, texts)))

    def asked(self, request: HttpRequest) -> tuple[tuple[Throttle, str], ...]:
        """Return the limits that *request* counts for, and their scopes."""
        # No preflight comes here that a policy of CORS answers.
        method = request.method or ""
        return tuple(one for one in zip(self.limits, self.scopes, strict=True) if one[0].counts(method))


def throttling_of(
    value: object, *, place: str, kind: Literal["route", "folder", "settings"] = "settings", app: str = ""
) -> Throttling | None:
    """Return the limits that a value stands for which is known to be right; ``None`` where it switches them off."""
    limits = read_throttle(value)
    return Throttling(place, kind, app, limits) if limits else None


def wrong_throttle(value: object) -> tuple[str, str] | None:
    """Return what is wrong with a value of `throttle`, and the remedy; ``None`` where nothing is."""
    try:
        limits = read_throttle(value)
    except ValueError:
        return f'throttle is {value!r}. It is a rate such as "100/minute", a Throttle, a list of them, or None.', _FORM
    if (name := repeated_name(limits)) is None:
        return None
    remedy = 'Give one of them a name of its own: `Throttle("20/second", name="burst")`.'
    return f"throttle has two limits named {name!r}, which clients could not tell apart.", remedy


def with_throttle(view: View, throttling: Throttling | None, fail: Fail) -> View:
    """
    Return *view*, which answers only who has not asked too often; sync or async as it is.

    Args:
        fail: Turns what the function `key` raises into an answer.
    """
    if throttling is None:
        return view

    async def aview(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        if not (limits := throttling.asked(request)):
            return _for_one_client(request, await view(request, **segments))
        try:
            clients = {id(limit.key): await _aclient(request, limit.key) for limit, _ in limits}
            asked = _counted(limits, clients)
            refusal = _judged(request, asked, await current_counting().ajudge(asked))
        except StoreError:
            refusal = _uncounted(request)
        except Exception as error:
            refusal = _refused(request, fail(error, request))
        return refusal or _for_one_client(request, await view(request, **segments))

    def sync_view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        if not (limits := throttling.asked(request)):
            return _for_one_client(request, view(request, **segments))
        try:
            clients = {id(limit.key): _client(request, limit.key) for limit, _ in limits}
            asked = _counted(limits, clients)
            refusal = _judged(request, asked, current_counting().judge(asked))
        except StoreError:
            refusal = _uncounted(request)
        except Exception as error:
            refusal = _refused(request, fail(error, request))
        return refusal or _for_one_client(request, view(request, **segments))

    return aview if is_coroutine_function(view) else sync_view


def with_rate_fields(view: View, throttling: Throttling | None) -> View:
    """Return *view* with what its client is told of the limits, whoever answers; sync or async as it is."""
    if throttling is None:
        return view

    async def aview(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        return add_rate_fields(request, await view(request, **segments))

    def sync_view(request: HttpRequest, **segments: Any) -> HttpResponseBase:
        return add_rate_fields(request, view(request, **segments))

    return aview if is_coroutine_function(view) else sync_view


def _counted(limits: Sequence[tuple[Throttle, str]], clients: Mapping[int, Client]) -> list[Counted]:
    found = ((limit, scope, clients[id(limit.key)]) for limit, scope in limits)
    return [Counted(limit, scope, client) for limit, scope, client in found if client is not None]


def _judged(request: HttpRequest, asked: Sequence[Counted], uses: Sequence[Use]) -> HttpResponseBase | None:
    """Note what the client is told; return the answer where it has asked too often."""
    told: Uses = [(one.limit, use) for one, use in zip(asked, uses, strict=True)]
    if not told:
        return None
    leave_rate_fields(request, rate_fields(told))
    if not is_refused(told):
        return None
    violated = [limit.name for limit, use in told if use.is_exceeded]
    problem = ProblemDetails(type=EXCEEDED, title=EXCEEDED_TITLE, status=429, members={"violated-policies": violated})
    response = ProblemResponse(problem, headers={"Cache-Control": "no-store"})
    log_response("Too many requests: %s", request.path, response=response, request=request)
    return _refused(request, response)


def _uncounted(request: HttpRequest) -> HttpResponseBase | None:
    """Return the answer to a request that cannot be counted; ``None`` where it passes all the same."""
    if get_config().THROTTLE_FAILURE == "pass":
        return None
    detail = "How often clients ask cannot be counted at the moment."
    return _refused(request, ProblemResponse(503, detail=detail, headers={"Retry-After": "1"}))


def _refused(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    leave_outcome(request, response, _REFUSED)
    return response


def _for_one_client(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    # What it says of the limits is true of nobody else, and whether it was given at all depends on who asked.
    outcome: CacheOutcome = vars(request)["route_cache"]
    leave_outcome(request, response, outcome.for_one_client)
    withdraw(response)
    return response


def _client(request: HttpRequest, key: Key) -> Client:
    if callable(key):
        call: Any = async_to_sync(key) if is_coroutine_function(key) else key
        return _own(call(request))
    user = None if key == "ip" else _user_at_hand(request)
    if _is_unread(user):
        user = user_of(request)
    return _known(request, key, user)


async def _aclient(request: HttpRequest, key: Key) -> Client:
    if callable(key):
        # A plain function may wait, for a database say.
        call: Any = key if is_coroutine_function(key) else sync_to_async(key, thread_sensitive=True)
        return _own(await call(request))
    user = None if key == "ip" else _user_at_hand(request)
    if _is_unread(user):
        user = await auser_of(request)
    return _known(request, key, user)


def _user_at_hand(request: HttpRequest) -> Any:
    """Return the user that a middleware, or a guard of a folder, has set; ``None`` where none has."""
    return getattr(request, "user", None)


def _is_unread(user: Any) -> bool:
    """Return whether *user* is still to be read from the session, which may wait."""
    return getattr(user, "_wrapped", user) is empty


def _known(request: HttpRequest, key: Key, user: Any) -> Client:
    if getattr(user, "is_authenticated", False) and (pk := getattr(user, "pk", None)) is not None:
        # Guards may set users that are none of Django's, with numbers of their own. Not type(): it may be lazy.
        kind: type = user.__class__
        return _digest(f"user {kind.__module__}.{kind.__qualname__} {pk}")
    return None if key == "user" else _digest(f"ip {client_network(request.META, get_config().PROXY_COUNT)}")


def _own(found: object) -> Client:
    if found is None:
        return None
    if not isinstance(found, str):
        raise documented(
            TypeError(f"The function `key` of a Throttle returned {found!r}. It returns text, or None."), _SECTION
        )
    # Not in an f-string: a class below str may write itself otherwise there.
    return _digest("key " + found)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()
