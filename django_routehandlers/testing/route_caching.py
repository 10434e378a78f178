"""
Give a test a route cache of its own, with a time of its own, and tell what it did with a response.

What happened is read off the response itself, as the route left it: no middleware has to write it down.
"""

import asyncio
import math
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.cache import caches
from django.http import Http404
from django.http.response import HttpResponseBase
from django.test import RequestFactory, override_settings
from django.urls import Resolver404, ResolverMatch, get_resolver

from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.inspection import inspect_entry
from django_routehandlers.caching.statements import ANY_TABLE
from django_routehandlers.caching.transactions import uncommitted_tables
from django_routehandlers.clocks import Clock, measured_by
from django_routehandlers.conf import SETTING, get_config
from django_routehandlers.documentation import Section, documented
from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.handlers.view_facts import cached_get_of, is_route, policy_of
from django_routehandlers.handlers.wrapping import View
from django_routehandlers.listing.plain_request import default_language, run_as_request
from django_routehandlers.policies.outcome import CacheOutcome
from django_routehandlers.responses.problems import Refusal
from django_routehandlers.testing.clients import url_of
from django_routehandlers.testing.sent import request_of, where

_SECTION = Section("reference/testing", "The route cache")

_REMEDIES = {
    "disabled": "The route cache is off. Use route_cache.",
    "uncommitted": "It shows rows that are not committed, as those of a TestCase never are: use a TransactionTestCase.",
    "session": "It shows what this connection alone sees: use a TransactionTestCase.",
    "context": "A variable of CACHE_CONTEXT has a value that cannot be part of a key.",
}


_PATIENCE = 10.0  # seconds that a refresh may take


class _Time:
    """
    The wall clock, and how far the test is ahead of it.

    The wall clock, since that is what all tools that move or freeze time agree to move.
    """

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        # Looked up at each call: a tool may have put a function of its own there.
        return time.time() + self.ahead


class RouteCache:
    """The route cache of one test: what it has done since the test began."""

    def __init__(self, time: _Time) -> None:
        self._time = time

    @property
    def hits(self) -> int:
        """Requests that an entry answered, stale ones included."""
        counts = current_cache().counters.read()
        return counts["hits"] + counts["stale_hits"]

    @property
    def misses(self) -> int:
        """Requests for which the handler ran, since there was no entry."""
        return current_cache().counters.read()["misses"]

    @property
    def stored(self) -> int:
        """Entries that were made."""
        return current_cache().counters.read()["stored"]

    def advance(self, seconds: float) -> None:
        """
        Let time pass for the cache, and for limits that are counted in memory, without waiting.

        Entries get old, windows of limits move on. No other clock is moved: not the one that handlers read.

        Raises:
            ValueError: *seconds* is negative, or no number of seconds.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise documented(
                ValueError(f"advance({seconds!r}): time only passes. Write a number of seconds, as in advance(60)."),
                _SECTION,
            )
        self._time.ahead += seconds

    def finish_refreshes(self) -> None:
        """
        Wait until the refreshes have ended that earlier requests began, of a client that is not async.

        Raises:
            AssertionError: One takes longer than 10 seconds.
        """
        if not current_cache().refreshes.wait(_PATIENCE):
            raise AssertionError(f"A refresh has not ended in {_PATIENCE:.0f} s.")

    async def afinish_refreshes(self) -> None:
        """As ``finish_refreshes()``, in async code: of async clients, too."""
        refreshes = current_cache().refreshes
        await refreshes.drain(_PATIENCE)
        await asyncio.to_thread(refreshes.wait, _PATIENCE)
        if len(refreshes):
            raise AssertionError(f"A refresh has not ended in {_PATIENCE:.0f} s.")

    def assert_hit(self, response: HttpResponseBase) -> None:
        """
        Fail unless an entry answered, and no handler was waited for.

        Raises:
            AssertionError: It was not so; the message has what the cache did, and why.
        """
        if not (outcome := self._outcome(response)).status.hit:
            raise AssertionError(f"{where(response)}: a hit was expected, and it is {_told(outcome, response)}")

    def assert_miss(self, response: HttpResponseBase) -> None:
        """Fail unless the cache was asked, had no entry, and the handler ran. See ``assert_hit()``."""
        outcome = self._outcome(response)
        if outcome.status.fwd not in ("uri-miss", "stale"):
            raise AssertionError(f"{where(response)}: a miss was expected, and it is {_told(outcome, response)}")

    def assert_bypassed(self, response: HttpResponseBase) -> None:
        """Fail unless the cache had nothing to do with the response, as with those of dynamic routes."""
        outcome = self._outcome(response)
        if outcome.status.fwd not in ("bypass", "method"):
            raise AssertionError(
                f"{where(response)}: it was to pass the cache by, and it is {_told(outcome, response)}"
            )

    def assert_stored(self, path: str, *, params: Mapping[str, Any] | None = None, **options: Any) -> None:
        """
        Fail unless the next GET of *path* would be answered by an entry. Nothing is run for it.

        Args:
            path: With its query string; or the URL name of a route, with *params*, as for a ``RouteClient``.
            options: As of Django's ``RequestFactory.get()``: the scheme (``secure=True``) is part of the key, and
                fields (``headers=``) may be.
        """
        url = url_of(path, params)
        if (state := self._state(url, options)) not in ("fresh", "stale"):
            raise AssertionError(f"GET {url}: the route cache has no entry for it: {state}.")

    def assert_not_stored(self, path: str, *, params: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Fail where the next GET of *path* would be answered by an entry. See ``assert_stored()``."""
        url = url_of(path, params)
        if (state := self._state(url, options)) in ("fresh", "stale"):
            raise AssertionError(f"GET {url}: the route cache has an entry for it, which is {state}.")

    def _outcome(self, response: HttpResponseBase) -> CacheOutcome:
        # Of the request: a 304, or what a middleware made anew, is another response.
        outcome: CacheOutcome | None = getattr(request_of(response), "route_cache", None)
        if outcome is None:
            raise AssertionError(f"{where(response)}: no route answered, so that there is nothing to say of its cache.")
        return outcome

    def _state(self, path: str, options: Mapping[str, Any]) -> str:
        request: Any = RequestFactory().get(path, **options)

        def look() -> str:
            try:
                request.resolver_match = match = get_resolver().resolve(request.path_info)
            except Resolver404:
                match = None
            if match is None or not is_route(match.func):
                raise AssertionError(f"GET {path}: no route answers it, so that there is nothing to say of its cache.")
            if (cached := cached_get_of(match.func)) is None:
                return f"its route is {_dynamic(match.func)}"
            try:
                wanted = cached.wanted(request, match.kwargs)
            except (Http404, Refusal) as error:
                return f"it is refused ({type(error).__name__})"
            if wanted is None:
                return "the cache is off"
            state = inspect_entry(current_cache(), wanted).state
            return _nothing_stored(cached.policy) if state == "none" else state

        return run_as_request(look, language=default_language())


@contextmanager
def route_cache() -> Generator[RouteCache]:
    """
    Give the block a route cache of its own, in memory, which is on and empty, and yield what can be asked of it.

    It overrides three settings: ``CACHE_ENABLED`` and ``THROTTLE_CACHE`` in ``ROUTEHANDLERS``, and the backend in
    ``CACHES`` that entries are kept in. Limits are counted in memory, from nothing.
    """
    backend = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": f"route-cache-{uuid4().hex}"}
    own = {**caches.settings, get_config().CACHE: backend}
    ours = {**getattr(settings, SETTING, {}), "CACHE_ENABLED": True, "THROTTLE_CACHE": None}
    moved = _Time()
    # Around the settings: what they make goes by the clock that is there when it is made.
    with measured_by(Clock(moved, moved)), override_settings(CACHES=own, **{SETTING: ours}):
        yield RouteCache(moved)


def _told(outcome: CacheOutcome, response: HttpResponseBase) -> str:
    status = outcome.status
    remedy = _REMEDIES.get(status.detail or "", "")
    match: ResolverMatch | None = getattr(request_of(response), "resolver_match", None)
    if status.detail == "dynamic" and match is not None and is_route(match.func):
        remedy = f"Its GET is {_dynamic(match.func)}."
    return f"{status}. {remedy}".rstrip()


def _dynamic(view: View) -> str:
    policy = policy_of(view)
    return "dynamic" if policy is None else f"dynamic: {policy.why_dynamic}"


def _nothing_stored(policy: CachePolicy) -> str:
    written = uncommitted_tables() if policy.follows_tables else frozenset[str]()
    if not written:
        return "nothing was stored"
    rows = "rows" if ANY_TABLE in written else f"rows of {', '.join(sorted(written))}"
    why = "these are not committed, as those of a TestCase never are: use a TransactionTestCase"
    return f"nothing was stored. If it shows {rows}, {why}"
