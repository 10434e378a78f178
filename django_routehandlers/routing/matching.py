"""
Turn ordered routes into a matcher that finds the route of a path.

The cost of a match grows with the number of segments in the path, not with the number of
routes: each level is one dictionary look-up and the few dynamic folders beside it. It
answers exactly what trying the routes one by one in ``match_order`` would answer.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import Segment, SegmentKind

Target = TypeVar("Target")


class Converter(Protocol):
    """A Django path converter."""

    regex: str

    def to_python(self, value: str) -> object:
        """Return the value, or raise ``ValueError`` where the segment does not match."""
        ...

    def to_url(self, value: object) -> str:
        """Return the text that stands for *value* in a URL, or raise ``ValueError``."""
        ...


@dataclass(slots=True)
class _Leaf(Generic[Target]):
    target: Target
    names: tuple[str, ...]


@dataclass(slots=True)
class _Node(Generic[Target]):
    leaf: _Leaf[Target] | None = None
    static: "dict[str, _Node[Target]]" = field(default_factory=lambda: {})
    converted: "dict[str, tuple[re.Pattern[str], Converter, _Node[Target]]]" = field(default_factory=lambda: {})
    dynamic: "_Node[Target] | None" = None
    catch_all: _Leaf[Target] | None = None
    optional_catch_all: _Leaf[Target] | None = None


class Matcher(Generic[Target]):
    """Finds the target of a path among any number of routes."""

    def __init__(self, routes: Iterable[tuple[Route, Target]], converters: Mapping[str, Converter]) -> None:
        """
        Args:
            routes: Conflict-free routes in ``match_order``, each with what a match of it returns.
            converters: Every path converter that a route names.
        """
        self._converters = converters
        self._root: _Node[Target] = _Node()
        self._static: dict[str, _Leaf[Target]] = {}
        for route, target in routes:
            self._add(route, target)

    def _add(self, route: Route, target: Target) -> None:
        leaf = _Leaf(target, tuple(segment.text for segment in route.parameters))
        node = self._root
        for segment in route.segments:
            if segment.kind is SegmentKind.CATCH_ALL:
                node.catch_all = leaf
                return
            if segment.kind is SegmentKind.OPTIONAL_CATCH_ALL:
                node.optional_catch_all = leaf
                return
            node = self._child(node, segment)
        node.leaf = leaf
        if not leaf.names:
            # A route without parameters comes before all others that match its one path.
            self._static["/".join(segment.text for segment in route.segments)] = leaf

    def _child(self, node: _Node[Target], segment: Segment) -> _Node[Target]:
        if segment.kind is SegmentKind.STATIC:
            return node.static.setdefault(segment.text, _Node())
        if segment.converter is not None:
            converter = self._converters[segment.converter]
            entry = (re.compile(converter.regex), converter, _Node[Target]())
            return node.converted.setdefault(segment.folder, entry)[2]
        if node.dynamic is None:
            node.dynamic = _Node()
        return node.dynamic

    def match(self, path: str) -> tuple[Target, dict[str, object]] | None:
        """
        Return the target that answers *path*, and its parameters; ``None`` where no route does.

        Empty segments, ``.`` and ``..`` match nothing, and neither does a path with NUL, which
        no database stores as text.

        Args:
            path: Decoded path without its leading slash; ``""`` is the root.
        """
        leaf = self._static.get(path)
        if leaf is not None:
            return leaf.target, {}
        segments = path.split("/") if path else []
        if "\0" in path or "" in segments or "." in segments or ".." in segments:
            return None
        values: list[object] = []
        leaf = _descend(self._root, segments, 0, values)
        return None if leaf is None else (leaf.target, dict(zip(leaf.names, values, strict=True)))


def _descend(node: _Node[Target], segments: list[str], depth: int, values: list[object]) -> _Leaf[Target] | None:
    """Return the first leaf below *node* that matches from *depth* on; *values* then holds its parameters."""
    if depth == len(segments):
        return _end(node, values)
    segment = segments[depth]
    child = node.static.get(segment)
    if child is not None and (leaf := _descend(child, segments, depth + 1, values)):
        return leaf
    kept = len(values)
    for pattern, converter, child in node.converted.values():
        if pattern.fullmatch(segment) is None:
            continue
        try:
            values.append(converter.to_python(segment))
        except ValueError:
            continue
        if leaf := _descend(child, segments, depth + 1, values):
            return leaf
        del values[kept:]
    if node.dynamic is not None:
        values.append(segment)
        if leaf := _descend(node.dynamic, segments, depth + 1, values):
            return leaf
        del values[kept:]
    rest = node.catch_all or node.optional_catch_all
    if rest is not None:
        values.append(segments[depth:])
    return rest


def _end(node: _Node[Target], values: list[object]) -> _Leaf[Target] | None:
    if node.leaf is None and node.optional_catch_all is not None:
        values.append([])
        return node.optional_catch_all
    return node.leaf
