"""
Turn a route tree into the table that requests are matched against.

Every route that can be served is, and every mistake of every file is collected.
"""

import gc
import importlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, cast

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.urls.converters import get_converters

from django_routehandlers.conf import SETTING, Config
from django_routehandlers.documentation import Section, documented
from django_routehandlers.exceptions import Mistake
from django_routehandlers.handlers.provenance import settings_say
from django_routehandlers.handlers.redirect import make_slash_redirect
from django_routehandlers.handlers.security import wrong_security
from django_routehandlers.handlers.sharing import sharing
from django_routehandlers.handlers.throttling import Throttling, throttling_of, wrong_throttle
from django_routehandlers.policies.cors import CORS
from django_routehandlers.routing.discovery import RouteTree
from django_routehandlers.routing.folder_file import by_place, files_around
from django_routehandlers.routing.matching import Converter
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.routing.route import Route, match_order
from django_routehandlers.routing.url_patterns import SegmentConverter, Served
from django_routehandlers.serving import load_folder, serve_route

_SECTION = Section("how-to/installing-and-including", "Add the app")

APP = "django_routehandlers"
"""Label of the app whose config keeps the table."""


class KeepsTable(Protocol):
    """The app config, as those below it see it."""

    @property
    def table(self) -> RouteTable:
        """The table of the project's routes, built on first use."""
        ...

    @property
    def tree(self) -> RouteTree:
        """The project's routes as their directories named them at start-up."""
        ...

    def discover(self) -> RouteTree:
        """Return the routes as the directories name them at this moment."""
        ...


def app_config() -> KeepsTable:
    """Return the app config that keeps the project's tree and table."""
    try:
        return cast("KeepsTable", apps.get_app_config(APP))
    except LookupError:
        raise documented(
            ImproperlyConfigured(
                f"The URLconf includes {APP}.urls, but {APP!r} is not in INSTALLED_APPS. Add it there."
            ),
            _SECTION,
        ) from None


def current_table() -> RouteTable:
    """Return the table of the project's routes, built on first use."""
    config: Any = apps.app_configs.get(APP) if apps.ready else None
    return (config or app_config()).table


def build_table(tree: RouteTree, config: Config, mistakes: Iterable[Mistake] = ()) -> RouteTable:
    """
    Import every route file of *tree* and return the table of those that can be served.

    Args:
        mistakes: What was found wrong before, in the settings; added to the table's own.
    """
    importlib.invalidate_caches()
    converters: dict[str, Converter] = {name: SegmentConverter(one) for name, one in get_converters().items()}
    served: list[Served] = []
    found: list[Mistake] = [*mistakes, *tree.mistakes]
    settings = {
        "CORS": _cors_setting(config.CORS, found),
        "THROTTLE": _throttle_setting(config, found),
        "SECURITY": _security_setting(config.SECURITY, found),
    }
    config = replace(config, **settings)
    said = settings_say(config)
    folders = {file: module for file in tree.folder_files if (module := load_folder(file, found)) is not None}
    places = by_place(tree.folder_files)
    with sharing(), _young_collected_only():
        for route in tree.routes:
            around = [(file, folders[file]) for file in files_around(route, places) if file in folders]
            if wrong := tuple(_unknown_converters(route, converters)):
                found.extend(wrong)
            elif (one := serve_route(route, around, converters, config, said, found)) is not None:
                served.append(one)
    found.extend(_same_names(served))
    return RouteTable(
        served,
        converters,
        mistakes=sorted(found),
        redirect=make_slash_redirect(),
        slash=config.TRAILING_SLASH,
    )


@contextmanager
def _young_collected_only() -> Generator[None]:
    """
    Keep the garbage collector from walking through all that there is while nearly all that is made stays.

    Of 10,000 routes it took a quarter of the time. Garbage that is young is collected as ever.
    """
    before = gc.get_threshold()
    held = (*before[:2], 1_000_000_000)
    gc.set_threshold(*held)
    try:
        yield
    finally:
        # A file that is imported may have thresholds of its own.
        if gc.get_threshold() == held:
            gc.set_threshold(*before)


def _cors_setting(value: object, found: list[Mistake]) -> CORS | None:
    if value is None or isinstance(value, CORS):
        return value
    try:
        return CORS(**cast("Mapping[str, Any]", value))
    except (TypeError, ValueError) as error:
        remedy = 'Write the arguments of a CORS, such as {"origins": ["https://app.example.com"]}.'
        found.append(Mistake("", 0, "E001", f"{SETTING}['CORS']", f"{error}", remedy))
        return None


def _security_setting(value: object, found: list[Mistake]) -> Any:
    if (wrong := wrong_security(value)) is None:
        return value
    what, remedy = wrong[0].partition(". ")[2], 'Write {"type": "http", "scheme": "bearer"}.'
    found.append(Mistake("", 0, "E001", f"{SETTING}['SECURITY']", f"is {value!r}. {what}", remedy))
    return None


def _throttle_setting(config: Config, found: list[Mistake]) -> Throttling | None:
    if (wrong := wrong_throttle(config.THROTTLE)) is None:
        return throttling_of(config.THROTTLE, place="settings")
    found.append(Mistake("", 0, "E001", f"{SETTING}['THROTTLE']", wrong[0], 'Write "100/minute", or None.'))
    return None


def _unknown_converters(route: Route, converters: Mapping[str, Converter]) -> Iterator[Mistake]:
    for segment in route.segments:
        if segment.converter is None:
            continue
        if segment.converter not in converters:
            what = f"{segment.folder} pins the path converter {segment.converter!r}, which is not registered."
            known = ", ".join(sorted(set(converters) - {"path"}))
            remedy = f"Register it before the URLconf is read, or use one of {known}."
            if segment.text in converters:
                remedy = f"Rename the folder to [{segment.converter}={segment.text}]."
            yield Mistake(route.file, 0, "E012", route.id, what, remedy)
        elif segment.converter == "path":
            what = f"{segment.folder} pins the path converter 'path', which spans segments."
            yield Mistake(route.file, 0, "E012", route.id, what, f"Rename the folder to [...{segment.text}].")


def _same_names(served: Iterable[Served]) -> Iterator[Mistake]:
    """Yield routes that ``reverse()`` could not tell apart: an error within one app, which can be edited."""
    seen: dict[tuple[str, frozenset[str]], Route] = {}
    keys = ((one, (one.name, names)) for one in served for names in one.route.reversed_by)
    for one, key in keys:
        other = seen.setdefault(key, one.route)
        # One shape of URL served twice is reported as that.
        if other is not one.route and match_order(other) != match_order(one.route):
            what = f"{one.route.id} and {other.id} ({other.file}) have the URL name {one.name!r} and the same segments."
            remedy = 'Give one of them a name of its own: `name = "…"` in its file.'
            id = "E023" if other.app == one.route.app else "W024"
            yield Mistake(one.route.file, 0, id, one.route.id, what, remedy)
