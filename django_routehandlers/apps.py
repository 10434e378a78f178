"""The app: walks the ``routes/`` directories at start-up and keeps the table of routes."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from typing import cast

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import register
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.urls import clear_url_caches, get_resolver
from django.utils.autoreload import autoreload_started, file_changed

from django_routehandlers.autoreload import is_known_folder, watch_routes
from django_routehandlers.caching.invalidation import tables_written
from django_routehandlers.caching.queries import install
from django_routehandlers.checks import TAG, check_deployment, check_engine, check_routes
from django_routehandlers.clocks import monotonic
from django_routehandlers.conf import SETTING, Config, get_config, read_config
from django_routehandlers.documentation import Section, documented, linked
from django_routehandlers.exceptions import Mistake
from django_routehandlers.explorer.checks import check_explorer
from django_routehandlers.openapi.paths import find_clashes
from django_routehandlers.routing.discovery import ROUTES_DIRECTORY, RoutesDirectory, RouteTree, discover_routes
from django_routehandlers.routing.misplaced import find_misspelt, find_uninstalled
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.routing.segments import Segment, SegmentError, parse_prefix
from django_routehandlers.table import build_table

RETRY_AFTER = 1.0
"""Seconds after which files that could not be imported are tried again, when somebody asks."""

# Made once, since ready() may run twice, and Django registers another function once more.
_LINKED = linked([setting.name for setting in fields(Config)])
_ROUTES, _DEPLOYMENT = _LINKED(check_routes), _LINKED(check_deployment)
_ENGINE, _EXPLORER = _LINKED(check_engine), _LINKED(check_explorer)


class RouteHandlersConfig(AppConfig):
    """
    Serves the ``routes/`` directory of every installed app.

    Directories are read in ``ready()``, names only. Route files are imported when the URLconf
    first needs them, since apps further down ``INSTALLED_APPS`` are not ready during ours.
    """

    name = "django_routehandlers"
    verbose_name = "Route handlers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Walk the directories; register the checks and the autoreloader's signals. May run again."""
        self._lock = threading.RLock()
        self._building = False
        self.forget()
        register(_ROUTES, TAG)
        register(_DEPLOYMENT, TAG, deploy=True)
        register(_ENGINE, TAG, deploy=True)
        register(_EXPLORER, TAG)
        install(tables_written)
        uid = "django_routehandlers"
        setting_changed.connect(_setting_changed, dispatch_uid=uid)
        autoreload_started.connect(watch_routes, dispatch_uid=uid)
        file_changed.connect(is_known_folder, dispatch_uid=uid)

    def forget(self) -> None:
        """Walk the directories again and drop the table, which is built anew when it is asked for."""
        self._tree, self._mistakes = _discover()
        self._table: RouteTable | None = None
        self._failed: RouteTable | None = None
        self._retry_at = 0.0
        clear_url_caches()

    def discover(self) -> RouteTree:
        """Return the routes as the directories name them at this moment."""
        return _discover()[0]

    @property
    def tree(self) -> RouteTree:
        """The project's routes as their directories name them, in match order."""
        return self._tree

    @property
    def table(self) -> RouteTable:
        """The table of the project's routes; the first to ask imports the route files."""
        return self._table or self._build()

    def _build(self) -> RouteTable:
        # Path converters are registered where the URLconf is imported. Outside the lock: the import has one of its own.
        with suppress(Exception):
            get_resolver().urlconf_module  # noqa: B018 - importing is what this attribute does
        with self._lock:
            if self._building:
                what = "A route file asks for the routes while they are being imported. "
                remedy = "At the top level of a module a URL is known later: use reverse_lazy()."
                raise documented(
                    ImproperlyConfigured(what + remedy), Section("reference/file-conventions", "URL names")
                )
            if self._table is not None:
                return self._table
            if self._failed is not None and monotonic() < self._retry_at:
                return self._failed
            return self._build_anew()

    def _build_anew(self) -> RouteTable:
        self._building = True
        try:
            config = get_config()
            clashes = find_clashes(config, self._tree.routes)
            table = build_table(self._tree, config, [*self._mistakes, *clashes])
        finally:
            self._building = False
        if any(mistake.id == "E030" for mistake in table.errors):
            # What a file needs may only have been out of reach; Django, too, imports a URLconf that failed again.
            self._failed, self._retry_at = table, monotonic() + RETRY_AFTER
        else:
            self._table = table
        return table


def _setting_changed(*, setting: str, **kwargs: object) -> None:
    # Through the registry: INSTALLED_APPS may have been changed and restored since, with configs of their own.
    if setting == SETTING and apps.is_installed("django_routehandlers"):
        get_config.cache_clear()
        cast("RouteHandlersConfig", apps.get_app_config("django_routehandlers")).forget()


def _discover() -> tuple[RouteTree, tuple[Mistake, ...]]:
    config, mistakes = read_config(getattr(settings, SETTING, {}))
    found = [*mistakes]
    prefixes: dict[str, tuple[Segment, ...]] = {}
    for label, path in config.PREFIXES.items():
        prefix = _prefix(label, path)
        if isinstance(prefix, Mistake):
            found.append(prefix)
        else:
            prefixes[label] = prefix
    return discover_routes(_directories(prefixes, found)), tuple(found)


def _directories(prefixes: dict[str, tuple[Segment, ...]], found: list[Mistake]) -> Iterator[RoutesDirectory]:
    for app in apps.get_app_configs():
        path = os.path.join(app.path, ROUTES_DIRECTORY)
        if os.path.isdir(app.path):
            found.extend(find_misspelt(app.label, app.path))
        if os.path.isdir(path):
            yield RoutesDirectory(app.label, f"{app.name}.{ROUTES_DIRECTORY}", path, prefixes.get(app.label, ()))
        elif not os.path.isdir(app.path):
            what = "the app is not in a directory (in a zip file, perhaps), so its routes cannot be read."
            found.append(Mistake(app.path, 0, "W019", app.label, what, "Install the app unzipped."))
    # The package that startproject makes is a likely place to put a first route, and no app.
    urlconf = getattr(settings, "ROOT_URLCONF", "")
    project = urlconf.rpartition(".")[0] if isinstance(urlconf, str) else ""
    path = next(iter(getattr(sys.modules.get(project), "__path__", [])), "")
    if path and not any(os.path.realpath(app.path) == os.path.realpath(path) for app in apps.get_app_configs()):
        found.extend(find_uninstalled(project, path))


def _prefix(label: str, path: str) -> tuple[Segment, ...] | Mistake:
    where = f"{SETTING}['PREFIXES'][{label!r}]"
    if label not in apps.app_configs:
        remedy = f"Use one of {', '.join(sorted(apps.app_configs))}."
        return Mistake("", 0, "E003", where, "no installed app has this label.", remedy)
    try:
        return parse_prefix(path)
    except SegmentError as error:
        return Mistake("", 0, "E003", where, error.what, 'Write static segments, such as "shop/".')
