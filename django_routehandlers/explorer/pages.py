"""
Turn values into the explorer's HTML, by templates of the package's own.

The project's template engine is not asked: it may be another one, or none. Whatever a template is given
is escaped; none marks anything as safe but what another template has made.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from django.template import Context, Engine
from django.utils.safestring import SafeString

from django_routehandlers.openapi.paths import Asset, assets_of, page_assets

_SHARED = ("common.css", "cookies.js")
"""Files of the page of the OpenAPI document that this one loads too, from a URL of its own."""


@lru_cache(maxsize=1)
def assets() -> dict[str, Asset]:
    """Return the files that the page loads, by name."""
    own = assets_of(files(__package__ or "").joinpath("page"))
    return own | {name: page_assets()[name] for name in _SHARED}


def render(template: str, values: Mapping[str, object]) -> str:
    """Return the HTML of a template of the package."""
    # No project's language or number format: the page is in English, and an id is no number to group.
    text: str = _engine().get_template(template).render(Context(values, use_l10n=False, use_tz=False))
    # What a route file writes may hold half a surrogate pair, which no page can. It is HTML as before.
    return SafeString(text.encode(errors="backslashreplace").decode())


@lru_cache(maxsize=1)
def _engine() -> Engine:
    folder = files(__package__ or "").joinpath("page")
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".html")}
    locmem = ("django.template.loaders.locmem.Loader", texts)
    return Engine(loaders=[("django.template.loaders.cached.Loader", [locmem])], autoescape=True)
