"""Put the explorer behind the routes, in what a URLconf includes: it takes no URL from any of them."""

from typing import Any

from django.conf import settings
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

from django_routehandlers.conf import Config, get_config
from django_routehandlers.explorer import views
from django_routehandlers.explorer.pages import assets

NAMESPACE = "explorer"
"""Namespace of the page and its files below that of the routes."""


def is_on(config: Config, *, debug: bool) -> bool:
    """Return whether anybody at all is shown the explorer."""
    return debug or config.EXPLORER


class ExplorerPages(URLResolver):
    """The page and its files while the explorer is on; nothing while it is off."""

    def __init__(self) -> None:
        super().__init__(RoutePattern(""), [], app_name=NAMESPACE, namespace=NAMESPACE)
        self._found: tuple[Config | None, bool, list[URLPattern]] = (None, False, [])

    @property
    def url_patterns(self) -> list[Any]:  # type: ignore[override]
        """The patterns, made anew when a setting has changed."""
        config, debug = get_config(), settings.DEBUG
        if self._found[0] is not config or self._found[1] is not debug:
            path = config.EXPLORER_PATH if is_on(config, debug=debug) else None
            self._found = config, debug, [] if path is None else [*patterns(path), _without_slash(path)]
        return self._found[2]

    def resolve(self, path: str) -> ResolverMatch:
        """Return the match of *path*. Where there is none, the debug page lists the routes, not the page's files."""
        try:
            return super().resolve(path)
        except Resolver404:
            raise Resolver404({"tried": [], "path": path}) from None


def patterns(path: str) -> list[URLPattern]:
    """Return the patterns of the page at *path*, with a slash at its end or empty, and of its files."""
    files = [_pattern(f"{path}{name}", views.asset, f"asset-{name}", {"name": name}) for name in assets()]
    return [_pattern(path, views.page, "page", {}), *files]


def _without_slash(path: str) -> URLPattern:
    """Return the pattern of the page's URL without its slash, from which ``APPEND_SLASH`` would lead anybody."""
    return _pattern(path.removesuffix("/"), views.add_slash, "page-without-slash", {})


def _pattern(route: str, view: Any, name: str, values: dict[str, str]) -> URLPattern:
    return URLPattern(RoutePattern(route, name=name, is_endpoint=True), view, values, name)
