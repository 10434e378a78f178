"""
The segments that a route knows ahead: what ``generate_static_params()`` lists.

The list is cached as the route's responses are, so that it changes when the data does from which
it is made.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, cast

import orjson
from asgiref.sync import async_to_sync, sync_to_async
from django.http import Http404

from django_routehandlers.caching.current import context_variables, is_enabled, origin
from django_routehandlers.caching.results import Call, aresult_of, result_of
from django_routehandlers.caching.steps import Made, Terms
from django_routehandlers.caching.surroundings import surroundings_key
from django_routehandlers.caching.tags import table_tags, user_tag
from django_routehandlers.documentation import Section, documented
from django_routehandlers.handlers.cache_policy import CachePolicy

_SECTION = Section("reference/caching", "Segments that are known ahead")

Params = Mapping[str, str | list[str]]


class StaticParams:
    """The segments of one route that are known ahead."""

    def __init__(self, name: tuple[str, ...], policy: CachePolicy) -> None:
        self._name, self._policy = name, policy
        self._segments = policy.segments

    def check(self, segments: Mapping[str, Any]) -> None:
        """
        Refuse segments that are not listed.

        Raises:
            Http404: They are not.
        """
        _refuse_others(result_of(self._listing(), lambda: (self._terms(), self._make)), segments)

    async def acheck(self, segments: Mapping[str, Any]) -> None:
        """As ``check()``, on an event loop."""
        _refuse_others(await aresult_of(self._listing(), lambda: (self._terms(), self._amake)), segments)

    def read(self) -> list[Params]:
        """
        Return the list, as the file makes it at this moment.

        Raises:
            TypeError: It is no list of dicts of text.
        """
        function = self._policy.static_params
        if inspect.iscoroutinefunction(function):
            return self._checked(async_to_sync(function)())
        return self._checked(function() if function is not None else [])

    async def aread(self) -> list[Params]:
        """As ``read()``, on an event loop."""
        function = self._policy.static_params
        if inspect.iscoroutinefunction(function):
            return self._checked(await function())
        return await sync_to_async(self.read, thread_sensitive=True)()

    def _listing(self) -> Call[list[Params]]:
        variables = context_variables()
        key = None
        if is_enabled():
            key = ("static params", *origin(), self._name, surroundings_key(None, variables))
        return Call(key, variables, orjson.loads)

    def _terms(self) -> Terms:
        policy = self._policy
        tags = () if callable(policy.tags) else policy.tags
        tables = policy.tables or ()
        return Terms(
            policy.lifetime,
            (*map(user_tag, tags), *table_tags(tables)),
            policy.follows_tables,
            frozenset(tables),
            tags,
        )

    def _make(self) -> Made:
        found = self.read()
        return Made(found, orjson.dumps(found))

    async def _amake(self) -> Made:
        found = await self.aread()
        return Made(found, orjson.dumps(found))

    def _has_all(self, params: Mapping[str, Any]) -> bool:
        # An optional catch-all may be missing.
        missing = set(self._segments) - set(params)
        return set(params) <= set(self._segments) and missing <= set(self._policy.optional)

    def _checked(self, found: object) -> list[Params]:
        items = cast("list[Any]", found) if isinstance(found, list) else [None]
        if not all(isinstance(one, dict) and self._has_all(cast("Mapping[str, Any]", one)) for one in items):
            raise documented(
                TypeError(
                    f"{self._name[-1]}: generate_static_params() returned {found!r}. It returns a list of dicts, one "
                    f"for each URL, with the segments {', '.join(self._segments)}."
                ),
                _SECTION,
            )
        return [{name: _text(value) for name, value in one.items()} for one in cast("list[dict[str, object]]", items)]


def _refuse_others(known: Iterable[Params], segments: Mapping[str, Any]) -> None:
    wanted = _normal(segments)
    if not any(_normal(one) == wanted for one in known):
        raise Http404


def _normal(params: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Return the segments as text; a missing optional catch-all is as good as an empty one."""
    return {name: _text(value) for name, value in params.items() if value != []}


def _text(value: object) -> str | list[str]:
    return [str(one) for one in cast("list[object]", value)] if isinstance(value, list | tuple) else str(value)
