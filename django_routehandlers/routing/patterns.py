"""
Turn routes and their views into Django URL patterns, and match among them in constant time.

``RouteResolver`` stands in a URLconf as any included URLconf does: its ``url_patterns`` are
plain ``URLPattern`` objects in match order, for ``reverse()``, the debug 404 page and
``show_urls``. Only its ``resolve()`` differs: it asks the matcher instead of the list.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.signals import setting_changed
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, clear_url_caches
from django.urls.converters import StringConverter
from django.urls.resolvers import RoutePattern
from django.utils.functional import cached_property

from django_routehandlers.exceptions import Mistake, RoutesError
from django_routehandlers.routing.matching import Converter, Matcher
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import Segment, SegmentKind

View = Callable[..., Any]

# reverse() reads a template for the % operator out of the expression and does not double the sign.
# As an expression this matches one "%": what follows it is an assertion that always holds. Django
# takes the ")" in the set for the end of that assertion, and reads a second "%" behind it.
_PERCENT = "%(?![)(?:[%](?!))"


class SegmentConverter:
    """A path converter that is held to one segment, so that what it reverses also resolves."""

    def __init__(self, inner: Converter) -> None:
        self._inner = inner
        self.regex = inner.regex

    def to_python(self, value: str) -> object:
        """Return what the converter makes of one segment."""
        return self._inner.to_python(_one_segment(value))

    def to_url(self, value: object) -> str:
        """Return the segment that stands for *value*; ``ValueError`` where no segment does."""
        if isinstance(value, Enum) and isinstance(self._inner, StringConverter):
            value = value.value
        return _as_sent(str(self._inner.to_url(value)))


class CatchAllConverter:
    """One or more segments as a list of str, the value of ``[...path]``."""

    regex = "(?s:.+)"

    def to_python(self, value: str) -> list[str]:
        """Return the segments of *value*."""
        return [_one_segment(part) for part in value.split("/")]

    def to_url(self, value: Sequence[object] | str) -> str:
        """
        Return the segments joined; ``ValueError`` for none, or for one that no URL can carry.

        Args:
            value: The segments, or for templates, which have no lists, the text that joins them.
        """
        parts = value.split("/") if isinstance(value, str) else value
        if not parts:
            raise ValueError("a catch-all segment is reversed from one or more segments")
        return "/".join(_as_sent(str(part)) for part in parts)


def _one_segment(text: str) -> str:
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        raise ValueError(f"{text!r} is not one segment of a path")
    return text


def _as_sent(text: str) -> str:
    # A lone surrogate has no UTF-8, and the error of encode() is a ValueError.
    text.encode()
    return _one_segment(text)


class SegmentsPattern(RoutePattern):
    """The segments of a route as Django's route pattern, with the rules of segments."""

    def __init__(
        self, segments: Sequence[Segment], converters: Mapping[str, Converter], *, name: str | None, slash: bool
    ) -> None:
        ending = "/" if slash and segments else ""
        super().__init__("/".join(map(_as_django_writes, segments)) + ending, name=name, is_endpoint=True)
        self.converters = {
            segment.text: CatchAllConverter() if segment.takes_rest else converters[segment.converter or "str"]
            for segment in segments
            if segment.is_parameter
        }
        self._expression = "^" + "/".join(map(self._as_expression, segments)) + ending + r"\Z"

    @cached_property
    def regex(self) -> re.Pattern[str]:  # type: ignore[override]
        """The expression that ``reverse()`` fills and that its result has to match."""
        return re.compile(self._expression)

    def check(self) -> list[CheckMessage]:
        """Return nothing: Django's checks look for slips in routes that were written by hand."""
        return []

    def _as_expression(self, segment: Segment) -> str:
        if segment.kind is SegmentKind.STATIC:
            return re.escape(segment.text).replace("%", _PERCENT)
        return f"(?P<{segment.text}>{self.converters[segment.text].regex})"


def _as_django_writes(segment: Segment) -> str:
    if segment.kind is SegmentKind.STATIC:
        return segment.text
    if segment.takes_rest:
        return f"<path:{segment.text}>"
    return f"<{segment.converter}:{segment.text}>" if segment.converter else f"<{segment.text}>"


@dataclass(frozen=True, slots=True)
class Served:
    """A route with the view that answers it."""

    route: Route
    view: View
    name: str
    patterns: tuple[URLPattern, ...]
    """The URL patterns of the route: two for an optional catch-all, else one."""
    path: str
    """The last pattern as Django writes it, at hand because every match tells it: ``items/<id>``."""


def serve(route: Route, view: View, name: str, converters: Mapping[str, Converter], *, slash: bool) -> Served:
    """
    Return the route with its view and its URL patterns.

    Args:
        converters: Every converter that the route names, and ``str``, held to one segment.
        slash: Whether its URLs end in a slash.
    """
    whole = SegmentsPattern(route.segments, converters, name=name, slash=slash)
    patterns = [URLPattern(whole, view, None, name)]
    if route.segments and route.segments[-1].kind is SegmentKind.OPTIONAL_CATCH_ALL:
        bare = SegmentsPattern(route.segments[:-1], converters, name=name, slash=slash)
        patterns.insert(0, URLPattern(bare, view, {route.segments[-1].text: []}, name))
    return Served(route, view, name, tuple(patterns), str(whole))


class RouteTable:
    """All that a request needs of the routes, built once."""

    def __init__(
        self,
        served: Iterable[Served],
        converters: Mapping[str, Converter],
        *,
        mistakes: Iterable[Mistake] = (),
        redirect: View,
        slash: bool,
    ) -> None:
        """
        Args:
            served: The routes in match order.
            redirect: View that answers the form of a URL with, or without, its last slash.
            slash: Whether URLs of routes end in a slash.
        """
        self.served = tuple(served)
        self.views = frozenset(one.view for one in self.served)
        self.mistakes = tuple(mistakes)
        self.errors = tuple(mistake for mistake in self.mistakes if mistake.level == "error")
        self.url_patterns = [pattern for one in self.served for pattern in one.patterns]
        self.redirect = redirect
        self._slash = slash
        self._is_logged = False
        self._matcher = Matcher(((one.route, one) for one in self.served), converters)

    def refusal(self) -> RoutesError:
        """Return the error that stands for all mistakes, and log it the first time."""
        error = RoutesError(self.errors)
        if not self._is_logged:
            # Each request logs its own failure as Django does; a server without LOGGING shows only this.
            self._is_logged = True
            logging.getLogger("django_routehandlers").error("%s", error)
        return error

    def match(self, path: str) -> tuple[Served, dict[str, object], bool] | None:
        """
        Return the route of *path*, its parameters, and whether its last slash is as it should be.

        Args:
            path: Decoded path without its leading slash.
        """
        has_slash = path.endswith("/")
        found = self._matcher.match(path[:-1] if has_slash else path)
        if found is None or path == "/":
            return None
        served, parameters = found
        return served, parameters, has_slash == self._slash or not path

    def resolve(self, path: str) -> ResolverMatch | None:
        """Return Django's description of the match of *path*."""
        found = self.match(path)
        if found is None:
            return None
        served, parameters, canonical = found
        if not canonical:
            return ResolverMatch(self.redirect, (), {}, route=served.path, captured_kwargs={}, extra_kwargs={})
        route = served.path
        extra: dict[str, object] = {}
        if len(served.patterns) > 1 and not parameters[served.route.segments[-1].text]:
            # Lists of this match, not of the pattern: a handler may change what it is given.
            bare = served.patterns[0]
            route, extra = str(bare.pattern), {name: parameters[name] for name in bare.default_args}
        captured = {name: value for name, value in parameters.items() if name not in extra}
        return ResolverMatch(
            served.view,
            (),
            parameters,
            served.name,
            route=route,
            captured_kwargs=captured,
            extra_kwargs=extra,
        )


class RouteResolver(URLResolver):
    """The routes of the project as one entry of a URLconf."""

    def __init__(self, table: Callable[[], RouteTable]) -> None:
        """
        Args:
            table: Returns the table in force; asked at each request, so that a rebuilt one counts at once.
        """
        super().__init__(RoutePattern(""), [])
        self.table = table

    @property
    def url_patterns(self) -> list[URLPattern]:  # type: ignore[override]
        """The routes as plain URL patterns, in match order."""
        return self.table().url_patterns

    def resolve(self, path: str) -> ResolverMatch:
        """Return the match of *path*, at a cost that the number of routes does not raise."""
        table = self.table()
        if table.errors:
            raise table.refusal()
        path = str(path)
        return table.resolve(path) or self._miss(path)

    def _miss(self, path: str) -> NoReturn:
        # The list of what was tried is for the debug page alone; building it costs as much as there are routes.
        tried = [[pattern] for pattern in self.table().url_patterns] if settings.DEBUG else []
        raise Resolver404({"tried": tried, "path": path})

    def check(self) -> list[Any]:
        """Leave mistakes to our own checks, which list them all."""
        return [] if self.table().errors else super().check()

    def _populate(self) -> None:
        table = self.table()
        if table.errors:
            raise table.refusal()
        super()._populate()


def forget_reversals(*, setting: str = "INSTALLED_APPS", **kwargs: object) -> None:
    """
    Make ``reverse()`` ask for the table again, after a setting that names its routes was overridden.

    Receiver of ``setting_changed``: Django itself keeps the URLs of apps that are gone.
    """
    if setting == "INSTALLED_APPS":
        clear_url_caches()


setting_changed.connect(forget_reversals, dispatch_uid="django_routehandlers.routing.patterns")
