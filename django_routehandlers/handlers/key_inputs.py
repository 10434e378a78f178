"""
What a handler declares to read of a request, as the part of a key that stands for it.

What the key does not cover is not read: the query string is narrowed to what is declared before
a model sees it, so that no ``?utm_source=`` splits an entry or finds its way into one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from django.http import HttpRequest, QueryDict

from django_routehandlers.caching.keys import Key
from django_routehandlers.handlers.inputs import Group, Input, meta_key, source_of
from django_routehandlers.handlers.invalid import Entry, invalid
from django_routehandlers.handlers.plan import Plan

_REMEMBERED = 256  # characters of a query string that is worth remembering


@dataclass(frozen=True, slots=True)
class KeyInputs:
    """How the declared inputs of a handler become part of a key. Made once, at start-up."""

    plan: Plan
    names: tuple[tuple[str, bool], ...]
    """Query parameters, each with whether all its values count, or the last."""
    groups: Mapping[str, frozenset[str] | None]
    """Parameter that takes the query string → the names that it reads; ``None`` for all there are."""
    fields: tuple[str, ...]
    """Keys of ``request.META``."""
    field_names: tuple[str, ...]
    """The same fields as ``Vary`` names them."""
    _remembered: Callable[[str], Key]
    """Returns the values of a query string that was parsed before, or parses it."""

    @classmethod
    def of(cls, plan: Plan) -> "KeyInputs":
        """Return those of a handler whose inputs are of the URL and the header alone."""

        @lru_cache(maxsize=1024)
        def remembered(raw: str) -> Key:
            return made._values(QueryDict(raw))

        singles = [one for one in plan.values if isinstance(one, Input)]
        groups = {one.name: _names_of(one) for one in plan.values if isinstance(one, Group)}
        headers = sorted({one.key for one in singles if one.place == "header"})
        made = cls(
            plan,
            tuple((one.key, one.is_list) for one in singles if one.place == "query"),
            groups,
            tuple(map(meta_key, headers)),
            tuple(headers),
            remembered,
        )
        return made

    def key(self, request: HttpRequest) -> Key:
        """Return the values as they were sent; absent and empty ones differ (CVE-2026-113593)."""
        fields = tuple([request.META.get(name) for name in self.fields]) if self.fields else None
        if not self.names and not self.groups:
            return (fields,)
        raw: str = request.META.get("QUERY_STRING", "")
        if "GET" not in vars(request) and request.encoding is None and raw.isascii() and len(raw) <= _REMEMBERED:
            return fields, self._remembered(raw)
        return fields, self._values(request.GET)

    def _values(self, sent: QueryDict) -> Key:
        return (
            *(tuple(sent.getlist(name)) if is_list else sent.get(name) for name, is_list in self.names),
            *(tuple(_pairs(sent, names)) for names in self.groups.values()),
        )

    def read(self, request: HttpRequest, values: dict[str, Any]) -> None:
        """
        Put what the request fills among *values*, as ``Plan.read()`` does, from what the key covers.

        Raises:
            Refusal: 422 with all that is invalid.
            SuspiciousOperation: The query string exceeds one of Django's limits.
        """
        entries: list[Entry] = []
        for one in self.plan.values:
            source = source_of(request, one.place)
            if isinstance(one, Group) and (names := self.groups[one.name]) is not None:
                source = _narrowed(cast("QueryDict", source), names)
            one.read(source, values, entries)
        if entries:
            raise invalid(entries)


def _pairs(sent: QueryDict, names: frozenset[str] | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, values in sent.lists():
        if names is None or name in names:
            yield name, tuple(values)


def _narrowed(sent: QueryDict, names: frozenset[str]) -> QueryDict:
    found = QueryDict(mutable=True)
    for name, values in _pairs(sent, names):
        found.setlist(name, list(values))
    return found


def _names_of(group: Group) -> frozenset[str] | None:
    """Return every name that the model may read; ``None`` where it may read, or refuse, any."""
    schema = group.schema
    models = [schema, *cast("Mapping[str, Mapping[str, Any]]", schema.get("$defs", {})).values()]
    if any("additionalProperties" in model for model in models):
        return None
    return frozenset({*group.names, *_names_in(group.adapter.core_schema)})


def _names_in(part: object) -> Iterator[str]:
    """Yield the names of fields and all their aliases: a JSON schema tells only the first of several."""
    if isinstance(part, Mapping):
        for name, inner in cast("Mapping[str, object]", part).items():
            if name == "fields" and isinstance(inner, Mapping):
                yield from cast("Mapping[str, object]", inner)
            if name == "validation_alias":
                yield from _first_names(cast("object", inner))
            yield from _names_in(cast("object", inner))
    elif isinstance(part, list | tuple):
        for inner in cast("Iterable[object]", part):
            yield from _names_in(inner)


def _first_names(alias: object) -> Iterator[str]:
    """Yield the names that an alias reads: a text, a path, or several paths."""
    if isinstance(alias, str):
        yield alias
    elif isinstance(alias, list) and alias:
        paths = cast("list[object]", alias)
        for path in paths if isinstance(paths[0], list) else [paths]:
            yield from _first_names(cast("list[object]", path)[0])
