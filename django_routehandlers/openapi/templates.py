"""
Turn the URL patterns of a route into the path templates of OpenAPI.

OpenAPI has no parameter of several segments and none that may be left out: a catch-all is one
parameter that says so, an optional catch-all is two paths.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from django.urls.converters import get_converters
from django.urls.resolvers import RegexPattern

from django_routehandlers.listing.mounts import Mount
from django_routehandlers.openapi.schemas import Schema
from django_routehandlers.routing.segments import Segment, SegmentKind
from django_routehandlers.routing.url_patterns import Served

# What RFC 3986, section 3.3, lets stand in a segment as it is.
_SEGMENT = "!$&'()*+,;=:@-._~"
_PARAMETER = re.compile(r"<(?:(?P<converter>[^<>:]+):)?(?P<name>[^<>:]+)>")
_WIRE: Mapping[str, Schema] = {
    "int": {"type": "integer", "minimum": 0},
    "slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
    "uuid": {"type": "string", "format": "uuid"},
}
# Expressions that mean the same in Python and in ECMA 262, which OpenAPI uses.
_SHARED_SYNTAX = re.compile(r"(?:[^\\()]|\((?!\?)|\(\?[:=!]|\)|\\[dwsDWS.\-/])*", re.ASCII)


@dataclass(frozen=True, slots=True)
class PathParameter:
    """A parameter of a path template."""

    name: str
    """As the template writes it."""
    segment: Segment | None
    """The route's segment; ``None`` where the parameter belongs to the URLconf that includes the routes."""
    converter: str | None

    @property
    def wire_schema(self) -> Schema | None:
        """The schema of the text in the URL, as the path converter reads it; ``None`` without a converter."""
        if self.converter is None:
            return None
        known = _WIRE.get(self.converter)
        if known is not None or self.converter in ("str", "path"):
            return known or {"type": "string"}
        converter = get_converters().get(self.converter)
        expression = "" if converter is None else converter.regex
        if not expression or _SHARED_SYNTAX.fullmatch(expression) is None:
            return {"type": "string"}
        return {"type": "string", "pattern": f"^(?:{expression})$"}


@dataclass(frozen=True, slots=True)
class Template:
    """A path of the document."""

    path: str
    """Percent-encoded, with its first slash: ``/v1/products/{id}``."""
    parameters: tuple[PathParameter, ...]

    def renamed(self) -> "Template":
        """Return the template with another name for its last parameter: two routes may differ in its type alone."""
        *others, last = self.parameters
        head, _, tail = self.path.rpartition(f"{{{last.name}}}")
        name = f"{last.name}_"
        return Template(f"{head}{{{name}}}{tail}", (*others, PathParameter(name, last.segment, last.converter)))


def templates_of(served: Served, mount: Mount) -> Iterator[Template]:
    """Yield the paths of a route where the URLconf includes it: two for an optional catch-all, else one."""
    prefix, before = _prefix(mount)
    slash = "/" if served.path.endswith("/") else ""
    segments = served.route.segments
    if segments and segments[-1].kind is SegmentKind.OPTIONAL_CATCH_ALL:
        yield _template(prefix, before, segments[:-1], slash)
    yield _template(prefix, before, segments, slash)


def _template(prefix: str, before: tuple[PathParameter, ...], segments: tuple[Segment, ...], slash: str) -> Template:
    path = "/".join(f"{{{one.text}}}" if one.is_parameter else quote(one.text, safe=_SEGMENT) for one in segments)
    own = (PathParameter(one.text, one, one.converter) for one in segments if one.is_parameter)
    return Template(f"/{prefix}{path}{slash if segments else ''}", (*before, *own))


def _prefix(mount: Mount) -> tuple[str, tuple[PathParameter, ...]]:
    text = ""
    parameters: list[PathParameter] = []
    for pattern in mount.patterns:
        written = _simplified(str(pattern)) if isinstance(pattern, RegexPattern) else str(pattern)
        position = 0
        for found in _PARAMETER.finditer(written):
            text += quote(written[position : found.start()], safe=f"{_SEGMENT}/") + f"{{{found['name']}}}"
            parameters.append(PathParameter(found["name"], None, found["converter"] or "str"))
            position = found.end()
        text += quote(written[position:], safe=f"{_SEGMENT}/")
    return text, tuple(parameters)


def _simplified(expression: str) -> str:
    """Return a regular expression much as ``path()`` would write it."""
    # Importing it takes a tenth of a second where docutils is installed, and few projects need it here.
    from django.contrib.admindocs.utils import replace_metacharacters, replace_named_groups, replace_unnamed_groups

    return replace_metacharacters(replace_unnamed_groups(replace_named_groups(expression)))
