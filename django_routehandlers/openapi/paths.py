"""
Turn the settings of the OpenAPI document into the URL paths that it and its page are served at.

Paths are relative to the place that includes the routes. They come before the routes, so that
a catch-all at the root does not swallow them; a route that has the very URL is a mistake.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from django_routehandlers.conf import SETTING, Config
from django_routehandlers.exceptions import Mistake
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import SegmentKind

# A "%" has a meaning of its own in patterns that reverse() fills, as brackets have.
_PATH = re.compile(r"[^\s/<>%?#\\\0]+(?:/[^\s/<>%?#\\\0]+)*")
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGE = "page.html"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page, read once."""

    content: bytes
    media_type: str


@lru_cache(maxsize=1)
def page_assets() -> dict[str, Asset]:
    """Return the files that the page loads, by name: the closed list of what the package brings along."""
    return assets_of(files("django_routehandlers.openapi").joinpath("page"))


def assets_of(folder: Traversable) -> dict[str, Asset]:
    """Return the files of a folder that a page may load, by name."""
    found: dict[str, Asset] = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        media_type = next((kind for ending, kind in _MEDIA_TYPES.items() if file.name.endswith(ending)), None)
        if media_type is not None:
            found[file.name] = Asset(file.read_bytes(), media_type)
    return found


@lru_cache(maxsize=1)
def page_html() -> str:
    """Return the page as the package brings it along."""
    return files("django_routehandlers.openapi").joinpath("page", _PAGE).read_text("utf-8")


def document_from_page(config: Config) -> str:
    """Return the URL of the document as the page writes it, relative to its own."""
    return "../" * (config.OPENAPI_UI_PATH or "").count("/") + (config.OPENAPI_PATH or "")


def find_clashes(config: Config, routes: Iterable[Route]) -> Iterator[Mistake]:
    """Yield what is wrong with the paths: their form, or that a route or one of them has the URL already."""
    claimed: dict[str, str] = {}
    for route in routes:
        for url in _urls(route):
            claimed.setdefault(url, f"the route {route.id} ({route.file})")
    if config.OPENAPI_PATH is not None:
        yield from _claim("OPENAPI_PATH", config.OPENAPI_PATH, [""], claimed)
    if config.OPENAPI_PATH is not None and config.OPENAPI_UI_PATH is not None:
        yield from _claim("OPENAPI_UI_PATH", config.OPENAPI_UI_PATH, ["", *page_assets()], claimed)


def is_path(text: str) -> bool:
    """Return whether *text* is segments joined by slashes, none at its ends, that a pattern and ``reverse()`` take."""
    return _PATH.fullmatch(text) is not None and not {".", ".."} & set(text.split("/"))


def _claim(setting: str, path: str, below: Iterable[str], claimed: dict[str, str]) -> Iterator[Mistake]:
    where = f"{SETTING}[{setting!r}]"
    is_page = setting == "OPENAPI_UI_PATH"
    text = path.removesuffix("/") if is_page else path
    if not is_path(text) or (is_page and text == path):
        rule = "segments joined by slashes, no slash in front, " + ("one" if is_page else "none") + " at the end"
        example = "openapi/" if is_page else "openapi.json"
        yield Mistake(
            "",
            0,
            "E053",
            where,
            f"{path!r} is no path of the form that is needed: {rule}.",
            f'Write "{example}", or None.',
        )
        return
    for name in below:
        url = f"{path}{name}".removesuffix("/")
        if url in claimed:
            what = f"/{path}{name} is the URL of {claimed[url]} too."
            yield Mistake("", 0, "E053", where, what, "Give one of them another URL, or set the path to None.")
            return
        claimed[url] = where


def _urls(route: Route) -> Iterator[str]:
    """Yield the URLs that a route has alone, without their last slash."""
    segments = route.segments
    if segments and segments[-1].kind is SegmentKind.OPTIONAL_CATCH_ALL:
        segments = segments[:-1]
    if all(segment.kind is SegmentKind.STATIC for segment in segments):
        yield "/".join(segment.text for segment in segments)
