"""
Turn one route into the URL patterns that Django resolves and reverses.

What stands for a value in a URL also resolves to it: each segment is held to one segment of a path.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.core.checks import CheckMessage
from django.urls import URLPattern
from django.urls.converters import StringConverter
from django.urls.resolvers import RoutePattern
from django.utils.functional import cached_property

from django_routehandlers.routing.matching import Converter
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
        # Django would turn each route into an expression that is not used.
        super().__init__("", name=name, is_endpoint=True)
        self._segments = segments
        self._ending = "/" if slash and segments else ""
        self._route = "/".join(map(_as_django_writes, segments)) + self._ending
        self.converters = {
            segment.text: CatchAllConverter() if segment.takes_rest else converters[segment.converter or "str"]
            for segment in segments
            if segment.is_parameter
        }

    @cached_property
    def regex(self) -> re.Pattern[str]:  # type: ignore[override]
        """The expression that ``reverse()`` fills and that its result has to match."""
        return re.compile("^" + "/".join(map(self._as_expression, self._segments)) + self._ending + r"\Z")

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
    on_loop: View
    """The view that answers where an event loop runs; the same one unless the route has two kinds."""
    in_thread: View
    """The view that answers where none does."""

    @property
    def views(self) -> tuple[View, View, View]:
        """All views of the route, the one that listings show first."""
        return self.view, self.on_loop, self.in_thread


def serve(
    route: Route,
    view: View,
    name: str,
    converters: Mapping[str, Converter],
    *,
    slash: bool,
    on_loop: View | None = None,
    in_thread: View | None = None,
) -> Served:
    """
    Return the route with its view and its URL patterns.

    Args:
        on_loop: View that answers where an event loop runs; ``None``: *view*.
        in_thread: View that answers where none does; ``None``: *view*.
        converters: Every converter that the route names, and ``str``, held to one segment.
        slash: Whether its URLs end in a slash.
    """
    whole = SegmentsPattern(route.segments, converters, name=name, slash=slash)
    patterns = [URLPattern(whole, view, None, name)]
    if route.segments and route.segments[-1].kind is SegmentKind.OPTIONAL_CATCH_ALL:
        bare = SegmentsPattern(route.segments[:-1], converters, name=name, slash=slash)
        patterns.insert(0, URLPattern(bare, view, {route.segments[-1].text: []}, name))
    return Served(route, view, name, tuple(patterns), str(whole), on_loop or view, in_thread or view)
