"""
Hand what the route cache made of a request from the route's view to the middleware around it.

The middleware sees the finished response, and so has the last word; the view knows the entry. A
response that another middleware put in the place of the view's has no outcome.
"""

from dataclasses import dataclass, field, replace
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from django_routehandlers.fields import field_of
from django_routehandlers.policies.cache_control import PRIVATE, parse_cache_control, public_cache_control
from django_routehandlers.policies.cache_status import CacheStatus

# Fields for caches of one kind, which those read in the place of Cache-Control (RFC 9213).
_TARGETED = ("cdn-cache-control", "surrogate-control")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOutcome:
    """What the route cache made of one request."""

    is_public: bool
    """Whether the response is the same for everybody who sends the same key."""
    lifetime: int | None = 0
    """Freshness lifetime in seconds, as it is stored; ``None``: until it is invalidated."""
    window: int = 0
    """Seconds for which it may be served stale; 0 for none."""
    age: int | None = None
    """Seconds since the entry was made; ``None`` where no entry answered."""
    status: CacheStatus
    """What ``Cache-Status`` says of it."""
    varies_on: frozenset[str] = frozenset()
    """Lower-case names of the fields of the request that are part of the key."""
    is_translated: bool = False
    """Whether it is in another language than the project's, which its path does not tell."""
    keeps_words: bool = True
    """Whether what the handler itself says of caches may stand: it knew all that the response depends on."""
    cache_control: str = field(init=False, repr=False, compare=False)
    """What ``Cache-Control`` says of a public response, made once for all the hits of which it is true."""
    cache_control_field: tuple[str, str] = field(init=False, repr=False, compare=False)
    """The field that says so."""
    status_text: str = field(init=False, repr=False, compare=False)
    """*status* as text, made once as well."""
    status_field: tuple[str, str] = field(init=False, repr=False, compare=False)
    """The field that says so."""
    constant: str | None = field(init=False, repr=False, compare=False)
    """What tells it from others where it gives each response the same fields; ``None`` where it does not."""
    _private: "CacheOutcome | None" = field(init=False, repr=False, compare=False, default=None)

    @property
    def for_one_client(self) -> "CacheOutcome":
        """The same outcome, of a response that something has let one client have, and may refuse the next one."""
        if not self.is_public and not self.keeps_words:
            return self
        if self._private is None:
            object.__setattr__(self, "_private", replace(self, is_public=False, keeps_words=False))
        return cast("CacheOutcome", self._private)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cache_control", public_cache_control(self.lifetime, self.window))
        object.__setattr__(self, "cache_control_field", ("Cache-Control", self.cache_control))
        object.__setattr__(self, "status_text", str(self.status))
        object.__setattr__(self, "status_field", ("Cache-Status", self.status_text))
        is_constant = not self.is_public and self.age is None and self.keeps_words
        object.__setattr__(self, "constant", self.status_text if is_constant else None)


AWAITED = "route_cache_awaited"
"""The attribute of a request that says that a middleware is going to act on its outcome."""


def await_outcome(request: HttpRequest) -> None:
    """Say that a middleware is going to act on the outcome of *request*."""
    vars(request)[AWAITED] = True


def is_awaited(request: HttpRequest) -> bool:
    """Return whether a middleware is."""
    return AWAITED in vars(request)


def leave_outcome(
    request: HttpRequest, response: HttpResponseBase, outcome: CacheOutcome, content: bytes | None = None
) -> None:
    """
    Leave *outcome* for the middleware. The last thing that a view does with its response.

    Where no middleware waits for it, a public response that says nothing about caches says
    ``PRIVATE``. Where one does, it says nothing, so that those between may say what they like.

    Args:
        content: That of a public response, where it is at hand.
    """
    left = vars(request)
    if outcome.is_public:
        if not is_awaited(request):
            response.headers.setdefault("Cache-Control", PRIVATE)
        if content is None and isinstance(response, HttpResponse):
            content = response.content
        left["route_cache_content"] = content
    vars(response)["route_cache"] = left["route_cache"] = outcome
    left["route_cache_etag"] = field_of(response, "etag")


def leave_content(request: HttpRequest, content: bytes | None) -> None:
    """Leave the content that the entity tag of the response stands for; ``None`` where that is unknown."""
    vars(request)["route_cache_content"] = content


def withdraw(response: HttpResponseBase) -> None:
    """Take back every word that lets a cache which serves several users store the response."""
    words: str = response.headers.get("Cache-Control", "")
    # Nearly all say nothing, or say this already, and it takes as long to read as a hit takes to serve.
    if not words or (words != PRIVATE and parse_cache_control(words).lets_others_store):
        response.headers["Cache-Control"] = PRIVATE
    for name in [name for name in response.headers if name.lower().endswith(_TARGETED)]:
        del response.headers[name]


def is_routed(request: HttpRequest) -> bool:
    """Return whether a route answered *request*, whatever has become of its response since."""
    return getattr(request, "route_cache", None) is not None


def take_over(response: HttpResponseBase, other: HttpResponseBase) -> None:
    """Say of *other*, which is sent in the place of *response*, what was left with that."""
    if (outcome := vars(response).get("route_cache")) is not None:
        vars(other)["route_cache"] = outcome


def own_outcome(request: HttpRequest, response: HttpResponseBase) -> CacheOutcome | None:
    """Return the outcome of *response* if it is the very one that the view has returned; else ``None``."""
    outcome: CacheOutcome | None = vars(response).get("route_cache")
    return outcome if vars(request).get("route_cache") is outcome else None


def outcome_of(request: HttpRequest, response: HttpResponseBase) -> CacheOutcome | None:
    """
    Return the outcome that belongs to *response*; ``None`` where it is not the one that the view left.

    A 304 with the entity tag of the view's response speaks of that response, whoever made it.
    """
    outcome: CacheOutcome | None = getattr(request, "route_cache", None)
    if outcome is None or getattr(response, "route_cache", None) is outcome:
        return outcome
    etag: str | None = getattr(request, "route_cache_etag", None)
    if response.status_code == 304 and etag is not None:
        # GZipMiddleware makes a strong tag weak.
        found = response.headers.get("ETag", "")
        return outcome if found.removeprefix("W/") == etag.removeprefix("W/") else None
    return None


def request_etag(request: HttpRequest) -> str | None:
    """Return the entity tag that the view gave its response."""
    return getattr(request, "route_cache_etag", None)


def has_own_content(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether *response* has the content that the view gave it, or one that is coded."""
    if not isinstance(response, HttpResponse) or response.has_header("Content-Encoding"):
        return True
    content, found = getattr(request, "route_cache_content", None), response.content
    return content is None or content is found or content == found
