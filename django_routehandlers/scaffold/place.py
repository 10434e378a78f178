"""
Turn a path as one would type it, and an app, into the route that a new file there would be.

Nothing is written: discovery judges the folders in a temporary place, so that it refuses here
exactly what it would refuse later.
"""

import dataclasses
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.apps import AppConfig, apps

from django_routehandlers.conf import get_config
from django_routehandlers.routing.conflicts import find_conflicts
from django_routehandlers.routing.discovery import ROUTE_FILE, ROUTES_DIRECTORY, RoutesDirectory, discover_routes
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import Segment, SegmentError, is_private, parse_prefix, parse_segment
from django_routehandlers.routing.url_patterns import Served
from django_routehandlers.scaffold.errors import CannotStart
from django_routehandlers.table import APP

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def choose_app(label: str | None) -> AppConfig:
    """
    Return the app to write to.

    Args:
        label: The app's label; ``None`` for the project's only app, or its only one with routes.

    Raises:
        CannotStart: No such app, none or several to choose from, or one that is installed as a package.
    """
    own = {app.label: app for app in apps.get_app_configs() if not _why_not(app)}
    choices = f"Apps of this project: {', '.join(sorted(own)) or 'none'}."
    if label is not None:
        app = apps.app_configs.get(label)
        if app is None:
            raise CannotStart(f"--app {label}: no installed app has this label. {choices}")
        if reason := _why_not(app):
            raise CannotStart(f"--app {label}: {reason} Name an app of your own. {choices}")
        return app
    with_routes = [app for app in own.values() if (Path(app.path) / ROUTES_DIRECTORY).is_dir()]
    for candidates in (list(own.values()), with_routes):
        if len(candidates) == 1:
            return candidates[0]
    if not own:
        raise CannotStart(
            "INSTALLED_APPS has no app of this project. Make one with `manage.py startapp`, and add it there."
        )
    raise CannotStart(f"--app is missing, and more than one app could hold the route. Name one. {choices}")


def _why_not(app: AppConfig) -> str:
    """Return why a new file cannot live in *app*; ``""`` where it can."""
    if not os.path.isdir(app.path):
        return f"the app is not in a directory ({app.path}), so nothing can be written there."
    if app.label == APP or app.name.startswith("django.") or _INSTALLED & set(Path(app.path).parts):
        return f"the app is an installed package ({app.path}), whose next release would remove the file."
    return ""


def plan_route(path: str, app: AppConfig, existing: Iterable[RoutesDirectory]) -> Route:
    """
    Return the route that a file at *path* would be.

    Args:
        path: Folders below the app's ``routes/``, joined with ``/``; a first and a last slash, and ``route.py``
            at the end, change nothing.
        existing: The ``routes/`` directories that are served now.

    Raises:
        CannotStart: A folder's name, or its place, means nothing; or the file exists.
    """
    parts = path.removeprefix("/").removesuffix("/").split("/") if path.strip("/") else []
    if parts and parts[-1] == ROUTE_FILE:
        parts.pop()
    where = "/" + "/".join(parts)
    for part in parts:
        _check_folder(part, where)
    root = os.path.join(app.path, ROUTES_DIRECTORY)
    directory = next((one for one in existing if one.app == app.label), None) or RoutesDirectory(
        app.label, f"{app.name}.{ROUTES_DIRECTORY}", root, _prefix(app.label)
    )
    file = os.path.join(root, *parts, ROUTE_FILE)
    if os.path.lexists(file):
        raise CannotStart(f"{file}: the file exists already, and is not overwritten. Edit it, or choose another path.")
    route = _as_discovered(directory, parts, where)
    real = os.path.join(os.path.realpath(app.path), ROUTES_DIRECTORY, *parts)
    if os.path.realpath(os.path.dirname(file)) != real:
        raise CannotStart(f"{where}: a folder on the way to {file} is a link. Name the folder that it leads to.")
    return dataclasses.replace(route, root=root, file=file)


def _check_folder(name: str, where: str) -> None:
    try:
        parse_segment(name)
    except SegmentError as error:
        raise CannotStart(f"{where}: {error}") from error
    if is_private(name):
        served = f"%{ord(name[0]):02X}{name[1:]}"
        raise CannotStart(
            f"{where}: {name} is a private folder, in which nothing is a route. "
            f"Choose another name, or percent-encode its first character: {served}."
        )


def _prefix(label: str) -> tuple[Segment, ...]:
    try:
        return parse_prefix(get_config().PREFIXES.get(label, ""))
    except SegmentError:
        # A check reports it, and the app is served without a prefix.
        return ()


def _as_discovered(directory: RoutesDirectory, folders: list[str], where: str) -> Route:
    with tempfile.TemporaryDirectory() as place:
        root = os.path.join(place, ROUTES_DIRECTORY)
        try:
            os.makedirs(os.path.join(root, *folders))
            Path(root, *folders, ROUTE_FILE).touch()
        except OSError as error:
            raise CannotStart(f"{where}: the folders cannot be made: {error.strerror}. Choose other names.") from error
        tree = discover_routes([dataclasses.replace(directory, path=root)])
    for mistake in tree.mistakes:
        raise CannotStart(f"{where}: {mistake.what} {mistake.remedy}")
    return tree.routes[0]


def check_conflicts(route: Route, existing: Iterable[Route]) -> None:
    """
    Refuse a route that would conflict with another one.

    Raises:
        CannotStart: The message names the other file.
    """
    others = tuple(existing)
    conflicts = set(find_conflicts([*others, route])) - set(find_conflicts(others))
    if conflicts:
        found = "\n".join(map(str, sorted(conflicts)))
        raise CannotStart(f"{route.id}: the route would conflict with another one.\n{found}")


def check_name(route: Route, name: str | None, existing: Iterable[Served]) -> None:
    """
    Refuse a URL name that ``reverse()`` could not tell from another route's.

    Args:
        name: The name that the file is to give itself; ``None`` for the one that its folders give it.

    Raises:
        CannotStart: The message names the other file, or says what a name is.
    """
    if name is not None and (not name or not name.isprintable() or set(name) & set(":\"'\\")):
        raise CannotStart(
            f"--name {name}: a URL name is printable text without a colon, a quotation mark or a backslash."
        )
    forms = set(route.reversed_by)
    name = name or route.default_name
    for other in existing:
        if other.name == name and not forms.isdisjoint(other.route.reversed_by):
            raise CannotStart(
                f"{route.id}: {other.route.id} ({other.route.file}) has the URL name {name!r} and the same segments. "
                "Give this route a name of its own, with --name."
            )
