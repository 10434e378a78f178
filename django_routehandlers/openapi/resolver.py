"""Put the OpenAPI document and its page in front of the routes, in the one entry that a URLconf includes."""

from collections.abc import Callable, Mapping
from typing import Any

from django.urls import ResolverMatch, URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

from django_routehandlers.conf import Config, get_config
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.openapi import views
from django_routehandlers.openapi.paths import page_assets
from django_routehandlers.routing.patterns import RouteResolver, RouteTable

NAMESPACE = "openapi"
"""Namespace of the document and the page below that of the routes, whose names have no colon."""


class PublishedRoutes(RouteResolver):
    """The routes of the project, with the document that tells of them."""

    def __init__(self, table: Callable[[], RouteTable]) -> None:
        """
        Args:
            table: As for ``RouteResolver``.
        """
        super().__init__(table)
        self._found: tuple[Config | None, bool, Mapping[str, URLPattern]] = (None, False, {})

    @property
    def url_patterns(self) -> list[Any]:
        """The document and the page, in a namespace of their own, and the routes."""
        patterns = dict.fromkeys(self._published().values())
        own = URLResolver(RoutePattern(""), list(patterns), app_name=NAMESPACE, namespace=NAMESPACE)
        return [own, *super().url_patterns] if patterns else super().url_patterns

    def resolve(self, path: str) -> ResolverMatch:
        """Return the match of *path*: for a route, at the cost of one look-up in a small dict more."""
        pattern = self._published().get(str(path))
        if pattern is None or self.table().errors:
            return super().resolve(path)
        return pattern.resolve(str(path)) or super().resolve(path)

    def version(self) -> object:
        """Return what stays equal for as long as the same paths lead to the same."""
        return self.table(), self._published()

    def _published(self) -> Mapping[str, URLPattern]:
        """Return each path that is ours with its pattern, made anew when a setting has changed."""
        config, debug = get_config(), setting("DEBUG")
        if self._found[0] is not config or self._found[1] is not debug:
            self._found = config, debug, _patterns(config, with_page=debug or config.OPENAPI_UI)
        return self._found[2]


def _patterns(config: Config, *, with_page: bool) -> dict[str, URLPattern]:
    path, page_path = config.OPENAPI_PATH, config.OPENAPI_UI_PATH
    if path is None:
        return {}
    found = {path: _pattern(path, views.document, "document")}
    if page_path is not None and with_page:
        found[page_path] = _pattern(page_path, views.page, "page")
        asset = _pattern(f"{page_path}<name>", views.asset, "asset")
        found.update({f"{page_path}{name}": asset for name in page_assets()})
    return found


def _pattern(route: str, view: Callable[..., Any], name: str) -> URLPattern:
    return URLPattern(RoutePattern(route, name=name, is_endpoint=True), view, None, name)
