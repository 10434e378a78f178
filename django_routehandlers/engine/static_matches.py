"""
Remember what URLs without parameters resolve to: as many as a project has patterns of that kind, and no more.

Only what depends on nothing but the path is remembered. A pattern that looks at the language, or that has a
converter of the project's own, may answer otherwise the next time, so whatever is behind it is looked up.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, converters
from django.urls.resolvers import RegexPattern, RoutePattern

from django_routehandlers.engine.internals import as_released
from django_routehandlers.engine.resolving import resolve

_CONVERTERS = frozenset(
    {
        converters.IntConverter,
        converters.StringConverter,
        converters.UUIDConverter,
        converters.SlugConverter,
        converters.PathConverter,
    }
)


_MAKE = as_released(ResolverMatch, "__init__")
_COPIED = ("kwargs", "tried", "captured_kwargs", "extra_kwargs", "app_names", "namespaces")


class _Unstable(Exception):
    """What a path resolves to may be something else the next time."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a path resolves to, in copies of its own: a view may change what it is given."""

    pattern: Any
    """The pattern that has the view, where it is one of Django's."""
    attributes: dict[str, Any]
    """Those of the match."""
    sources: list[tuple[Any, Any]]
    """Lists of patterns, and their arguments, each with a copy: projects and tests change them in place."""

    def is_as_it_was(self) -> bool:
        """Return whether nothing of that has changed."""
        for source, copy in self.sources:  # noqa: SIM110 - for each request: a generator takes several times as long
            if source != copy:
                return False
        return True

    def match(self) -> ResolverMatch:
        """Return the match, made anew."""
        known = self.attributes
        func = known["func"] if self.pattern is None else self.pattern.callback
        if func is not known["func"] or ResolverMatch.__init__ is not _MAKE:
            copied = {name: known[name].copy() for name in _COPIED}
            return ResolverMatch(func, (), url_name=known["url_name"], route=known["route"], **copied)
        # What its constructor works out is the same each time, and takes most of the time that all of this takes.
        match = ResolverMatch.__new__(ResolverMatch)
        own = vars(match)
        own.update(known)
        for name in _COPIED:
            own[name] = own[name].copy()
        return match


class StaticMatches:
    """
    What the static paths of one URLconf resolve to.

    A resolver of another class than Django's takes part where it has a ``version()``: what it answers to a path
    stays the same for as long as that does.

    Args:
        resolver: That of the URLconf.
    """

    def __init__(self, resolver: URLResolver) -> None:
        self.resolver = resolver
        self._known: dict[str, _Known] = {}
        self._versions = tuple(_versions(resolver.url_patterns))
        self._version: list[object] = []

    def resolve(self, path: str) -> ResolverMatch:
        """
        Return what ``resolver.resolve(path)`` returns.

        Raises:
            Resolver404: As that does.
        """
        known = self._known_now()
        if path in known and known[path].is_as_it_was():
            return known[path].match()
        match = resolve(self.resolver, path)
        self._add(known, path, match)
        return match

    def _known_now(self) -> dict[str, "_Known"]:
        version = [one() for one in self._versions]
        if version != self._version:
            self._known, self._version = {}, version
        return self._known

    def _add(self, known: dict[str, "_Known"], path: str, match: Any) -> None:
        """Remember the match of *path* in *known*, if it is that of a pattern which matches nothing else."""
        # Where a pattern takes something out of the path, they differ.
        if match.args or match.captured_kwargs or f"/{match.route}" != path:
            return
        sources: list[tuple[Any, Any]] = []
        try:
            pattern = _pattern_of(self.resolver, path, sources)
        except _Unstable:
            return
        if pattern is not None:
            attributes: dict[str, Any] = {**vars(match), "captured_kwargs": {}}
            known[path] = _Known(
                pattern if isinstance(pattern, URLPattern) else None,
                attributes | {name: attributes[name].copy() for name in _COPIED},
                sources,
            )


def _versions(patterns: Iterable[Any]) -> Iterator[Callable[[], object]]:
    for pattern in patterns:
        if hasattr(pattern, "version"):
            yield pattern.version
        elif isinstance(pattern, URLResolver):
            yield from _versions(pattern.url_patterns)


def _pattern_of(resolver: URLResolver, path: str, sources: list[tuple[Any, Any]]) -> Any:
    """
    Return the pattern at which *path* ends; ``None`` where it ends at none.

    Args:
        sources: What was looked at is added to it, with a copy of each.

    Raises:
        _Unstable: A pattern that was looked at on the way depends on more than the path.
    """
    found: Any = resolver.pattern.match(path)
    if not found:
        return None
    rest: str = found[0]
    sources += (
        (resolver.url_patterns, [*resolver.url_patterns]),
        (resolver.default_kwargs, {**resolver.default_kwargs}),
    )
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "version"):
            reached = pattern if _resolves(pattern, rest) else None
        elif not _is_stable(pattern):
            raise _Unstable
        elif isinstance(pattern, URLResolver):
            reached = _pattern_of(pattern, rest, sources)
        else:
            reached = pattern if pattern.pattern.match(rest) else None
            sources.append((pattern.default_args, {**pattern.default_args}))
        if reached is not None:
            return reached
    return None


def _resolves(resolver: Any, path: str) -> bool:
    try:
        return bool(resolver.resolve(path))
    except Resolver404:
        return False


def _is_stable(pattern: Any) -> bool:
    """Return whether a pattern of Django's matches the same paths at any time, and for everybody."""
    if pattern.__class__ not in (URLPattern, URLResolver):
        return False
    source: Any = pattern.pattern
    if source.__class__ is RegexPattern:
        return isinstance(source._regex, str)
    return (
        source.__class__ is RoutePattern
        and isinstance(source._route, str)
        and all(converter.__class__ in _CONVERTERS for converter in source.converters.values())
    )
