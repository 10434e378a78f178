"""
Resolve a URL as Django does, without describing the match once for each URLconf that is included.

A description takes as long as to compare a URL with ten patterns. Here one is made at the end.
"""

from dataclasses import dataclass
from typing import Any

from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver

Tried = list[list[Any]]


@dataclass(slots=True)
class Found:
    """A match, seen from one of the URLconfs around its pattern."""

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    url_name: str | None
    app_names: list[str | None]
    namespaces: list[str | None]
    route: str
    tried: Tried | None
    captured_kwargs: Any
    extra_kwargs: dict[str, Any]


def resolve(resolver: URLResolver, path: str) -> ResolverMatch:
    """
    Return what ``resolver.resolve(path)`` returns.

    Raises:
        Resolver404: As that does.
    """
    tried: Tried = []
    found = _find(resolver, path, tried)
    if isinstance(found, Found):
        return ResolverMatch(
            found.func,
            found.args,
            found.kwargs,
            found.url_name,
            found.app_names,
            found.namespaces,
            found.route,
            tried,
            captured_kwargs=found.captured_kwargs,
            extra_kwargs={**found.extra_kwargs},
        )
    raise Resolver404({"tried": tried, "path": found} if found is not None else {"path": path})


def _find(resolver: URLResolver, path: str, tried: Tried) -> Found | str | None:
    """Return the match; what was left of *path* where nothing matched that; or ``None`` where not even that far."""
    match: Any = resolver.pattern.match(path)
    if not match:
        return None
    rest, args, kwargs = match
    for pattern in resolver.url_patterns:
        found = _look_at(pattern, rest)
        if found is None:
            tried.append([pattern])
            continue
        within = found.tried if isinstance(found, Found) else found
        tried.extend([[pattern]] if within is None else ([pattern, *one] for one in within))
        if isinstance(found, Found):
            _put_around(found, resolver, pattern, args, kwargs)
            return found
    return rest


def _look_at(pattern: Any, path: str) -> Found | Tried | None:
    """Return the match of one pattern, or what it has tried; ``None`` where it has tried nothing."""
    kind: object = pattern.__class__
    if kind is URLPattern:
        match: Any = pattern.pattern.match(path)
        if not match:
            return None
        _, args, captured = match
        extra = pattern.default_args
        name, route = pattern.pattern.name, str(pattern.pattern)
        return Found(pattern.callback, args, {**captured, **extra}, name, [], [], route, None, captured, extra)
    if kind is URLResolver:
        tried: Tried = []
        found = _find(pattern, path, tried)
        if isinstance(found, Found):
            found.tried = tried
            return found
        return None if found is None else tried
    return _ask(pattern, path)


def _ask(pattern: Any, path: str) -> Found | Tried | None:
    """Return what a pattern of another class says of itself."""
    try:
        # The stubs do not know all attributes of a ResolverMatch.
        found: Any = pattern.resolve(path)
    except Resolver404 as error:
        tried: Tried | None = error.args[0].get("tried")
        return tried
    if not found:
        return None
    return Found(
        found.func,
        found.args,
        found.kwargs,
        found.url_name,
        found.app_names,
        found.namespaces,
        found.route,
        found.tried,
        found.captured_kwargs,
        found.extra_kwargs,
    )


def _put_around(
    found: Found, resolver: URLResolver, pattern: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Have *found* look as it does from *resolver*, which has captured *args* and *kwargs* itself."""
    if kwargs or resolver.default_kwargs:
        found.kwargs = {**kwargs, **resolver.default_kwargs, **found.kwargs}
        found.extra_kwargs = {**resolver.default_kwargs, **found.extra_kwargs}
    # Where any group has a name, those without one are left out.
    if args and not found.kwargs:
        found.args = args + found.args
    if resolver.app_name or resolver.namespace:
        found.app_names = [resolver.app_name, *found.app_names]
        found.namespaces = [resolver.namespace, *found.namespaces]
    around = "" if isinstance(pattern, URLPattern) else str(pattern.pattern)
    if around:
        found.route = around + found.route.removeprefix("^")
