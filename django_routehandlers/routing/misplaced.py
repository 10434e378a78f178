"""
Turn folders that nearly are a ``routes/`` directory into warnings: their files are served nowhere.

Reads names only.
"""

import os
from collections.abc import Iterator
from difflib import SequenceMatcher

from django_routehandlers.exceptions import Mistake
from django_routehandlers.routing.discovery import ROUTE_FILE, ROUTES_DIRECTORY

_ALIKE = 0.8


def find_misspelt(app: str, path: str) -> Iterator[Mistake]:
    """Yield the folders of an app that hold route files below a name that is nearly ``routes``."""
    for name in sorted(os.listdir(path)):
        # The length first: it is looked at for every folder of every app.
        if name == ROUTES_DIRECTORY or abs(len(name) - len(ROUTES_DIRECTORY)) > 2:
            continue
        likeness = SequenceMatcher(None, name.casefold(), ROUTES_DIRECTORY).ratio()
        folder = os.path.join(path, name)
        if likeness >= _ALIKE and _holds_routes(folder):
            what = f"{name}/ holds route files, but only a folder named {ROUTES_DIRECTORY} is served."
            yield Mistake(folder, 0, "W021", app, what, f"Rename it to {ROUTES_DIRECTORY}.")


def find_uninstalled(package: str, path: str) -> Iterator[Mistake]:
    """Yield the ``routes/`` directory of a package that is no installed app."""
    folder = os.path.join(path, ROUTES_DIRECTORY)
    if _holds_routes(folder):
        what = f"{ROUTES_DIRECTORY}/ holds route files, but {package!r} is not in INSTALLED_APPS."
        yield Mistake(folder, 0, "W021", package, what, "Add it there, or move the folder into an installed app.")


def _holds_routes(folder: str) -> bool:
    return any(ROUTE_FILE in files for _, _, files in os.walk(folder))
