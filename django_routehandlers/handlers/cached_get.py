"""
Answer the GET of a route from the cache, or run its handler where nothing of the client is to be seen.

The key holds all that the handler may read. Two thin edges, ``answer()`` for threads and
``aanswer()`` for the event loop.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_routehandlers.caching.cache import Found
from django_routehandlers.caching.current import build_id, context_variables, current_cache, is_enabled
from django_routehandlers.caching.driving import arun_alone, run_alone
from django_routehandlers.caching.entries import Entry
from django_routehandlers.caching.keys import Key
from django_routehandlers.caching.queries import current_recording
from django_routehandlers.caching.recording import Recording
from django_routehandlers.caching.results import check_tags
from django_routehandlers.caching.steps import Made, Terms, Wanted
from django_routehandlers.caching.surroundings import Surroundings, Unkeyable
from django_routehandlers.caching.tags import made_tag, path_tags, table_tags, user_tag
from django_routehandlers.handlers.after import forbid_after
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy, names_taken
from django_routehandlers.handlers.key_inputs import KeyInputs
from django_routehandlers.handlers.left_entry import leave_entry
from django_routehandlers.handlers.preconditions import Preconditions
from django_routehandlers.handlers.route_key import is_told_by_fields, is_translated, route_key
from django_routehandlers.handlers.static_params import StaticParams
from django_routehandlers.handlers.static_request import static_request
from django_routehandlers.handlers.stored_response import StoredResponse, keep_response
from django_routehandlers.policies.cache_status import CacheStatus
from django_routehandlers.policies.outcome import CacheOutcome, leave_outcome

_READING = ("GET", "HEAD")
_BYPASSED = {
    why: CacheOutcome(is_public=False, status=CacheStatus(fwd="bypass", detail=why), keeps_words=why == "dynamic")
    for why in ("dynamic", "disabled", "context", "uncommitted", "session")
}
_OTHER_METHOD = CacheOutcome(is_public=False, status=CacheStatus(fwd="method"))
_HEAD = CacheOutcome(is_public=False, status=CacheStatus(fwd="method"), keeps_words=False)
_FAILED = CacheOutcome(is_public=False, status=CacheStatus(fwd="uri-miss", detail="status"), keeps_words=False)


def tell_cache(request: HttpRequest, response: HttpResponseBase, *, is_cached: bool) -> HttpResponseBase:
    """Return *response* with what the cache did: of one that it had nothing to do with, that it was passed by."""
    if getattr(response, "route_cache", None) is None:
        if is_cached:
            leave_outcome(request, response, _FAILED)
        else:
            leave_outcome(request, response, _BYPASSED["dynamic"] if request.method in _READING else _OTHER_METHOD)
    return response


@dataclass(frozen=True, slots=True)
class _Ready:
    """A run of the handler, of which nothing is left to be read off the request."""

    wanted: Wanted
    segments: Mapping[str, Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


class CachedGet:
    """
    The GET of one route, whose responses are kept.

    Args:
        name: What tells the route from all others: its app, and its folders as written.
        guard: What puts the validators of the route's own functions on what is kept; ``None`` for none.
    """

    def __init__(
        self, name: tuple[str, ...], handler: BoundHandler, policy: CachePolicy, guard: Preconditions | None = None
    ) -> None:
        self.name, self.handler, self.policy = name, handler, policy
        self.inputs = KeyInputs.of(handler.plan)
        self._varies_on = frozenset(field.lower() for field in self.inputs.field_names)
        self._guard = guard
        self._call: Callable[..., HttpResponseBase]
        self._acall: Callable[..., Awaitable[HttpResponseBase]]
        if guard is None:
            self._call, self._acall = handler.sync_call(), handler.async_call()
        else:
            self._call, self._acall = guard.sync_call(handler), guard.async_call(handler)
        self._static = None if policy.has_other_params else StaticParams(name, policy)
        # Now, and not by the first request: it reads the source.
        build_id()

    def answer(self, request: HttpRequest, segments: Mapping[str, Any]) -> HttpResponseBase:
        """Return the response to *request*, in a thread."""
        now = current_cache().clock.now()
        key, why = self._key(request, segments)
        if key is not None and (entry := _peeked(key, now)) is not None:
            if not entry.is_fresh(now):
                ready = self._prepare(key, request, segments)
                current_cache().refresh(ready.wanted, entry, self._make(ready))
            return self._hit(request, key, entry, now)
        ready = self._prepare(key or (), request, segments)
        wanted, make = ready.wanted, self._make(ready)
        if key is not None and request.method != "GET" and (kept := current_cache().find(wanted)) is not None:
            return self._hit(request, key, kept, current_cache().clock.now())
        if key is None or request.method != "GET":
            return self._unkept(request, run_alone(wanted, make), why)
        found = current_cache().get(wanted, make)
        if found.entry is not None and not found.entry.is_fresh(current_cache().clock.now()):
            current_cache().refresh(wanted, found.entry, make)
        return self._found(request, key, found)

    async def aanswer(self, request: HttpRequest, segments: Mapping[str, Any]) -> HttpResponseBase:
        """As ``answer()``, on the event loop."""
        now = current_cache().clock.now()
        key, why = self._key(request, segments)
        if key is not None and (entry := _peeked(key, now)) is not None:
            if not entry.is_fresh(now):
                ready = self._prepare(key, request, segments)
                current_cache().arefresh(ready.wanted, entry, self._amake(ready))
            return self._hit(request, key, entry, now)
        ready = self._prepare(key or (), request, segments)
        wanted, make = ready.wanted, self._amake(ready)
        if key is not None and request.method != "GET" and (kept := await current_cache().afind(wanted)) is not None:
            return self._hit(request, key, kept, current_cache().clock.now())
        if key is None or request.method != "GET":
            return self._unkept(request, await arun_alone(wanted, make), why)
        found = await current_cache().aget(wanted, make)
        if found.entry is not None and not found.entry.is_fresh(current_cache().clock.now()):
            current_cache().arefresh(wanted, found.entry, make)
        return self._found(request, key, found)

    def wanted(self, request: HttpRequest, segments: Mapping[str, Any]) -> Wanted | None:
        """Return the entry that would answer *request*, for tools; ``None`` where none can. Refuses as ``answer()``."""
        key, _ = self._key(request, segments)
        return None if key is None else self._prepare(key, request, segments).wanted

    # What is decided once for both edges

    def _key(self, request: HttpRequest, segments: Mapping[str, Any]) -> tuple[Key | None, str]:
        """Return the key of the entry, or ``None`` and why there can be none."""
        if not is_enabled():
            return None, "disabled"
        try:
            return route_key(self.name, request, segments, self.inputs), ""
        except Unkeyable:
            return None, "context"

    def _prepare(self, key: Key, request: HttpRequest, segments: Mapping[str, Any]) -> _Ready:
        """
        Return what is wanted, and what the handler is called with.

        Raises:
            Http404: A segment does not fit.
            Refusal: 422, an input does not fit.
        """
        plan = self.handler.plan
        values = plan.read_segments(segments)
        names = self._names(segments, values)
        tags = map(made_tag if callable(self.policy.tags) else user_tag, names)
        self.inputs.read(request, values)
        seen = static_request(request) if self.policy.is_forced else request
        arguments, keywords = plan.arguments(seen, values)
        if self._guard is not None:
            arguments, keywords = (None, segments, (arguments, keywords)), {}
        tables = self.policy.tables or ()
        terms = Terms(
            self.policy.lifetime,
            (*path_tags(request.path_info), *tags, *table_tags(tables)),
            self.policy.follows_tables,
            frozenset(tables),
            names,
        )
        outer = cast("Recording | None", current_recording.get())
        wanted = Wanted(key, terms, Surroundings.of(request, context_variables()), outer)
        return _Ready(wanted, segments, arguments, keywords)

    def _make(self, ready: _Ready) -> Callable[[], Made]:
        def make() -> Made:
            forbid_after()
            if self._static is not None:
                self._static.check(ready.segments)
            return keep_response(self._call(*ready.arguments, **ready.keywords), self.inputs.field_names)

        return make

    def _amake(self, ready: _Ready) -> Callable[[], Awaitable[Made]]:
        async def make() -> Made:
            forbid_after()
            if self._static is not None:
                await self._static.acheck(ready.segments)
            return keep_response(await self._acall(*ready.arguments, **ready.keywords), self.inputs.field_names)

        return make

    def _names(self, segments: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, ...]:
        tags = self.policy.tags
        if not callable(tags):
            return tags
        given = {name: values.get(name, value) for name, value in segments.items()}
        taken = names_taken(tags)
        found = tags(**{name: value for name, value in given.items() if taken is None or name in taken})
        return check_tags(found, f"{self.handler.label}: tags()")

    def _hit(
        self, request: HttpRequest, key: Key, entry: Entry, now: float, status: CacheStatus | None = None
    ) -> HttpResponseBase:
        stored: StoredResponse | None = entry.decoded
        if stored is None:
            stored = entry.decoded = StoredResponse.decode(entry.value)
        age = int(entry.age_now(now))
        if status is not None:
            outcome = self._outcome(key, entry, age, status)
        else:
            told = stored.told
            # What is said of a response changes with each second, not with each hit.
            if told is None or told.age != age:
                ttl = None if entry.lifetime is None else int(entry.lifetime) - age
                told = stored.told = self._outcome(key, entry, age, CacheStatus(hit=True, ttl=ttl))
            current_cache().counters.add("hits" if (ttl := told.status.ttl) is None or ttl > 0 else "stale_hits")
            outcome = told
        response = stored.response()
        leave_outcome(request, response, outcome, stored.body)
        leave_entry(request, entry)
        return response

    def _found(self, request: HttpRequest, key: Key, found: Found) -> HttpResponseBase:
        """Return the response, with what is said of it."""
        entry, counters = found.entry, current_cache().counters
        if not found.has_run and entry is not None:
            if not found.is_collapsed:
                return self._hit(request, key, entry, current_cache().clock.now())
            counters.add("collapsed")
            status = CacheStatus(fwd=_forward(found.why), collapsed=True, stored=True)
            return self._hit(request, key, entry, current_cache().clock.now(), status)
        counters.add("misses")
        is_stored = found.why_not is None
        detail = found.why_not or ("invalidated" if found.why == "invalidated" else None)
        if found.why_not in ("uncommitted", "session"):
            counters.add("bypasses")
            leave_outcome(request, found.result, _BYPASSED[found.why_not])
            return found.result
        status = CacheStatus(fwd=_forward(found.why), stored=is_stored, detail=detail)
        outcome = CacheOutcome(is_public=False, status=status, keeps_words=is_told_by_fields(key))
        if is_stored and entry is not None:
            outcome = self._outcome(key, entry, None, status)
            leave_entry(request, entry)
        leave_outcome(request, found.result, outcome)
        return found.result

    def _outcome(self, key: Key, entry: Entry, age: int | None, status: CacheStatus) -> CacheOutcome:
        is_public = is_told_by_fields(key)
        return CacheOutcome(
            is_public=is_public,
            keeps_words=is_public,
            is_translated=is_translated(key),
            lifetime=None if entry.lifetime is None else int(entry.lifetime),
            window=int(entry.window),
            age=age,
            status=status,
            varies_on=self._varies_on,
        )

    def _unkept(self, request: HttpRequest, made: Made, why: str) -> HttpResponseBase:
        current_cache().counters.add("bypasses")
        leave_outcome(request, made.result, _BYPASSED[why] if why else _HEAD)
        return made.result


def _peeked(key: Key, now: float) -> Entry | None:
    """Return the entry that memory alone tells may be served; a fill that asks for it comes to depend on it."""
    entry = current_cache().peek(key, now)
    outer = cast("Recording | None", current_recording.get())
    if entry is None or outer is None:
        return entry
    return entry if outer.uses(entry, now) else None


def _forward(why: str | None) -> Any:
    return {"stale": "stale", "invalidated": "stale"}.get(why or "", "uri-miss")
