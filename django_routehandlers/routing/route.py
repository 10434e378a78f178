"""One ``route.py`` file as a value: where it is, and which URLs it serves."""

from dataclasses import dataclass

from django_routehandlers.routing.segments import Segment, SegmentKind


@dataclass(frozen=True, slots=True)
class Route:
    """A ``route.py`` file and its segments."""

    app: str
    """Label of the app that holds it."""
    package: str
    """Dotted name of the app's ``routes`` directory, such as ``shop.routes``."""
    root: str
    """Path of the app's ``routes`` directory."""
    folders: tuple[str, ...]
    """Names of the folders from *root* to the file, as written."""
    segments: tuple[Segment, ...]
    """The segments of the URL, the app's prefix first; route groups are left out."""
    file: str
    """Path of the ``route.py`` file."""
    prefixed: int = 0
    """How many of the segments are the app's prefix."""

    @property
    def id(self) -> str:
        """The folders as written, groups included: the route's one name in messages and listings."""
        return "/" + "/".join(self.folders)

    @property
    def parameters(self) -> tuple[Segment, ...]:
        """The segments that give a value to the handler."""
        return tuple(segment for segment in self.segments if segment.is_parameter)

    @property
    def reversed_by(self) -> tuple[frozenset[str], ...]:
        """The sets of parameters that ``reverse()`` takes: two where an optional catch-all may be left out."""
        names = [segment.text for segment in self.parameters]
        if self.segments and self.segments[-1].kind is SegmentKind.OPTIONAL_CATCH_ALL:
            return frozenset(names), frozenset(names[:-1])
        return (frozenset(names),)

    @property
    def default_name(self) -> str:
        """
        The URL name: segments joined with ``-``, as are their colons; ``index`` for the root.

        The app's prefix is no part of it: where a project serves an app changes none of the app's names.
        """
        # A colon in a name separates namespaces.
        return "-".join(segment.text for segment in self.segments[self.prefixed :]).replace(":", "-") or "index"


def match_order(route: Route) -> tuple[tuple[int, str], ...]:
    """
    Return the key that sorts routes into the order in which they are tried.

    The order is a contract. Per segment from the left: static, then dynamic with a
    converter (in the order of the folders' names), then dynamic, then catch-all, then
    optional catch-all. The first route in this order that matches a whole path answers it.
    """
    return tuple((segment.kind.value, _tried_as(segment)) for segment in route.segments)


def _tried_as(segment: Segment) -> str:
    return segment.text if segment.kind is SegmentKind.STATIC else segment.folder
