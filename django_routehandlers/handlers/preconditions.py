"""
Put the judgement of preconditions between a handler and what calls it.

A request that is based on another state than the current one is answered 412 before the handler
runs, one that has to say its state and does not 428; a GET of what the client has already, 304.
Two thin edges, ``sync_call()`` and ``async_call()``, around one judgement.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags, parse_http_date_safe

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.functions import Fault, Handler, line_of
from django_routehandlers.handlers.limited import limited
from django_routehandlers.handlers.validators import ValidatorFunctions
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.policies.preconditions import (
    CHANGED,
    UNSAFE_METHODS,
    Validators,
    has_precondition,
    note_judged,
    required_methods,
)
from django_routehandlers.responses.problems import Refusal
from django_routehandlers.responses.time_limit import TimeLimit

GUARDED_METHODS = ("GET", "HEAD", *UNSAFE_METHODS)
"""Methods whose preconditions are judged."""

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
SyncCall = Callable[[HttpRequest | None, Mapping[str, Any], Arguments], HttpResponseBase]
AsyncCall = Callable[[HttpRequest | None, Mapping[str, Any], Arguments], Awaitable[HttpResponseBase]]

_CONDITIONS = frozenset({"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"})
# Stands for a representation without a tag, so that "*" is told from no representation; nobody has sent it.
_UNTAGGED = 'W/"\x7f"'


def wrong_required(value: object) -> tuple[str, str] | None:
    """Return what is wrong with a value of ``require_precondition``, and the remedy; ``None`` where nothing is."""
    if required_methods(value) is not None:
        return None
    what = f"require_precondition is {value!r}. It is True, False, or a list of {', '.join(UNSAFE_METHODS)}."
    return what, 'Write `require_precondition = ["PUT", "PATCH"]`, or name it `_require_precondition` if it is yours.'


@dataclass(slots=True)
class _Exchange:
    """A request on its way through the handler."""

    request: HttpRequest | None
    """``None`` where an entry of the cache is filled: then there is nothing to judge."""
    segments: Mapping[str, Any]
    limit: TimeLimit | None
    """The time that judging and answering it have together; ``None`` for any."""
    found: Validators | None = None
    """What the current representation is known by, once that has been asked."""

    @property
    def is_safe(self) -> bool:
        """Whether it asks for the representation, and does not change it."""
        return self.request is None or self.request.method in SAFE_METHODS

    def given(self, taken: Iterable[str]) -> dict[str, Any]:
        """Return the validators that the handler takes: ``None`` where a write has no condition to be judged."""
        return {name: getattr(self.found, name, None) for name in taken}

    def finish(self, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response with the validators, if it has the representation that they are of."""
        # Of what a PUT has stored nobody knows them (RFC 9110, section 9.3.4).
        if self.found is not None and self.is_safe and response.status_code == 200:
            for name, value in self.found.fields.items():
                response.headers.setdefault(name, value)
            if self.request is not None:
                note_judged(response)
        return response


@dataclass(frozen=True, slots=True)
class Preconditions:
    """How the preconditions of requests to one route are judged."""

    functions: ValidatorFunctions
    required: frozenset[str] = frozenset()
    """Methods that are answered 428 without one."""

    def sync_calls(self, handlers: Mapping[str, BoundHandler]) -> dict[str, SyncCall]:
        """Return ``sync_call()`` of those handlers whose requests are judged."""
        return {method: self.sync_call(one) for method, one in handlers.items() if method in GUARDED_METHODS}

    def async_calls(self, handlers: Mapping[str, BoundHandler]) -> dict[str, AsyncCall]:
        """As ``sync_calls()``, of ``async_call()``."""
        return {method: self.async_call(one) for method, one in handlers.items() if method in GUARDED_METHODS}

    def sync_call(self, handler: BoundHandler) -> SyncCall:
        """Return what judges a request and runs *handler*, in this thread and in one transaction, if there is one."""
        call = self._around(handler).sync_call()

        def respond(request: HttpRequest | None, segments: Mapping[str, Any], arguments: Arguments) -> HttpResponseBase:
            exchange = _Exchange(request, segments, self._limit(handler))
            return exchange.finish(call(exchange, arguments))

        return respond

    def async_call(self, handler: BoundHandler) -> AsyncCall:
        """As ``sync_call()``, on the event loop; of a sync handler in one worker thread."""
        call = self._aaround(handler) if handler.is_written_async else self._around(handler).async_call()

        async def respond(
            request: HttpRequest | None, segments: Mapping[str, Any], arguments: Arguments
        ) -> HttpResponseBase:
            exchange = _Exchange(request, segments, self._limit(handler))
            return exchange.finish(await call(exchange, arguments))

        return respond

    def _around(self, handler: BoundHandler) -> BoundHandler:
        function, taken = handler.function, handler.plan.given

        def checked(exchange: _Exchange, arguments: Arguments) -> Any:
            args, kwargs = arguments
            if self._is_asked(exchange):
                # Before the handler reads: of content that is older than its tag, changes would be overwritten.
                exchange.found = self.functions.read(exchange.request, exchange.segments)
                if (answer := self._judge(exchange.request, exchange.found)) is not None:
                    return answer
            if exchange.limit is not None and exchange.limit.is_over:
                # Its client may have been told so: what has not begun is not begun.
                raise exchange.limit.overdue()
            return function(*args, **kwargs, **exchange.given(taken))

        vars(checked)["_non_atomic_requests"] = getattr(function, "_non_atomic_requests", frozenset[str]())
        return replace(handler, function=checked)

    def _aaround(self, handler: BoundHandler) -> Callable[..., Awaitable[HttpResponseBase]]:
        call, taken = replace(handler, max_duration=None).async_call(), handler.plan.given

        async def checked(exchange: _Exchange, arguments: Arguments) -> Any:
            args, kwargs = arguments
            if self._is_asked(exchange):
                exchange.found = await self.functions.aread(exchange.request, exchange.segments)
                if (answer := self._judge(exchange.request, exchange.found)) is not None:
                    return answer
            return await call(*args, **kwargs, **exchange.given(taken))

        limit = handler.max_duration
        return checked if limit is None else limited(checked, limit, handler.label)

    # What is decided once for both edges

    def _limit(self, handler: BoundHandler) -> TimeLimit | None:
        return None if handler.max_duration is None else TimeLimit(handler.label, handler.max_duration)

    def _is_asked(self, exchange: _Exchange) -> bool:
        """Return whether the validators are needed; refuse a request that lacks a precondition."""
        request = exchange.request
        if request is None or exchange.is_safe:
            return True
        if request.method in self.required and not self._has_precondition(request):
            wanted = "If-Match" if self.functions.etag is not None else "If-Unmodified-Since"
            source = "ETag" if self.functions.etag is not None else "Last-Modified"
            detail = f"Send {wanted}, with the {source} of the representation that you have changed."
            # No cache stores it (RFC 6585, section 3).
            raise Refusal(428, detail=detail, headers={"Cache-Control": "no-store"})
        return _has_conditions(request)

    def _has_precondition(self, request: HttpRequest) -> bool:
        return has_precondition(request.META, by_date=self.functions.last_modified is not None)

    def _judge(self, request: HttpRequest | None, found: Validators) -> HttpResponseBase | None:
        """
        Return the 304 that a request is answered with, or ``None`` where the handler answers it.

        Raises:
            Refusal: 412.
        """
        if request is None or not _has_conditions(request):
            return None
        if "HTTP_IF_MATCH" in request.META and not parse_etags(request.META["HTTP_IF_MATCH"]):
            # Django passes it by, and the client would overwrite what it meant to keep.
            raise _failed(found, "If-Match names no entity tag: one stands in double quotes.", is_logged=False)
        if self._is_changed(request, found):
            raise _failed(found, CHANGED, is_logged=False)
        etag = found.entity_tag
        if etag is None and found.last_modified is not None and self.functions.etag is None:
            etag = _UNTAGGED
        answer = get_conditional_response(self._seen(request, found), etag=etag, last_modified=found.timestamp)
        if answer is None:
            return None
        if answer.status_code == 412:
            raise _failed(found, CHANGED, is_logged=True)
        for name, value in found.fields.items():
            answer.headers[name] = value
        return answer

    def _is_changed(self, request: HttpRequest, found: Validators) -> bool:
        """Return whether there is an ``If-Unmodified-Since`` that counts, and it does not hold."""
        # A resource without dates ignores conditions on them (RFC 9110, section 13.1.4). Django, which answers 412
        # there, takes the first second of 1970 for no date.
        if self.functions.last_modified is None or "HTTP_IF_MATCH" in request.META:
            return False
        since = parse_http_date_safe(request.META.get("HTTP_IF_UNMODIFIED_SINCE", ""))
        return since is not None and (found.timestamp is None or found.timestamp > since)

    def _seen(self, request: HttpRequest, found: Validators) -> HttpRequest:
        """Return the request with those preconditions that apply, as they are to be compared."""
        changed = {"HTTP_IF_UNMODIFIED_SINCE": ""}
        match: str = request.META.get("HTTP_IF_MATCH", "")
        if "W/" in match and not (found.entity_tag or "W/").startswith("W/"):
            # Compression on the way makes tags weak that were strong here (GZipMiddleware, nginx). They are of the
            # state of the resource, which no coding changes: what If-Match is to keep from being overwritten.
            changed["HTTP_IF_MATCH"] = ", ".join(tag.removeprefix("W/") for tag in parse_etags(match))
        if self.functions.last_modified is None:
            changed["HTTP_IF_MODIFIED_SINCE"] = ""
        if not any(name in request.META for name in changed):
            return request
        seen = HttpRequest()
        seen.method, seen.path = request.method, request.path
        seen.META = {**{name: request.META[name] for name in _CONDITIONS if name in request.META}, **changed}
        return seen


def _has_conditions(request: HttpRequest) -> bool:
    meta: Mapping[str, Any] = request.META
    return not _CONDITIONS.isdisjoint(meta)


def _failed(found: Validators, detail: str, *, is_logged: bool) -> Refusal:
    refusal = Refusal(412, detail=detail, headers=found.fields)
    # By get_conditional_response().
    refusal.is_logged = is_logged
    return refusal


def unfit_requirement(
    own: object, line: int, handlers: Mapping[str, BoundHandler], *, has_functions: bool
) -> Iterator[Fault]:
    """Yield what is wrong with ``require_precondition`` in a route file whose handlers are these."""
    required = required_methods(own) or frozenset()
    if required and not has_functions:
        what = "`require_precondition` needs etag() or last_modified(), which a precondition is judged by."
        yield Fault("E117", line, what, "Add `async def etag(id: int): …`, or remove it.")
    unanswered = required.difference(handlers)
    if unanswered and (own is not True or len(unanswered) == len(required)):
        what = f"`require_precondition` has no effect on {', '.join(sorted(unanswered))}, which the route has not."
        yield Fault("W116", line, what, "Remove it, or add the handler.")


def judged_twice(method: str, handler: BoundHandler, file: str) -> Iterator[Fault]:
    """Yield that a decorator of Django's judges the preconditions of *handler* as well."""
    layer: Handler = handler.function
    while hasattr(layer, "__wrapped__"):
        code = getattr(layer, "__code__", None)
        name = getattr(layer, "__globals__", {}).get("__name__")
        if name == "django.views.decorators.http" and code is not None and code.co_qualname.startswith("condition."):
            what = f"{method}: condition(), etag() or last_modified() of Django judges preconditions a second time."
            yield Fault("W117", line_of(handler.function, file), what, "Remove the decorator.")
            return
        layer = vars(layer)["__wrapped__"]
