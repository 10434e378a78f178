"""
Turn routes and their views into Django URL patterns, and match among them in constant time.

``RouteResolver`` stands in a URLconf as any included URLconf does: its ``url_patterns`` are
plain ``URLPattern`` objects in match order, for ``reverse()``, the debug 404 page and
``show_urls``. Only its ``resolve()`` differs: it asks the matcher instead of the list.
"""

import logging
from asyncio import _get_running_loop  # pyright: ignore[reportPrivateUsage] - public by asyncio.events.__all__
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from django.conf import settings
from django.core.signals import setting_changed
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, clear_url_caches
from django.urls.resolvers import RoutePattern

from django_routehandlers.exceptions import Mistake, RoutesError
from django_routehandlers.routing.matching import Converter, Matcher
from django_routehandlers.routing.url_patterns import Served, View


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
        self.views = frozenset(view for one in self.served for view in one.views)
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
        # Django resolves the URL where it calls the view.
        view = served.in_thread if _get_running_loop() is None else served.on_loop
        return ResolverMatch(
            view,
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

    def version(self) -> object:
        """Return what stays equal for as long as the same paths lead to the same."""
        return self.table()

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
