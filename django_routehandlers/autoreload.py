"""
Make Django's autoreloader see route files and folders that come, go or are renamed.

Edited files it sees by itself, since route modules are ordinary modules. Its polling reloader
knows nothing of files that were not there, but the folder that holds a new or a removed entry
has a new modification time: so the folders themselves are watched as well.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.utils.autoreload import BaseReloader, trigger_reload

from django_routehandlers.routing.discovery import ROUTES_DIRECTORY, RouteTree
from django_routehandlers.table import app_config

SETTLING = 0.2  # seconds


def watch_routes(sender: BaseReloader, **kwargs: Any) -> None:
    """Watch every app for a ``routes`` folder, and all that is in one: receiver of ``autoreload_started``."""
    for app in _app_folders():
        sender.extra_files.add(app)
        # Of an app that has none as well: its first files come one by one, after the folder itself.
        sender.watch_dir(app / ROUTES_DIRECTORY, "**/*.py")
        sender.watch_dir(app / ROUTES_DIRECTORY, "**/")
    if changed := _changed_files():
        # Importing the project took its time, and the polling reloader sees only what changes from now on.
        trigger_reload(min(changed))


def is_known_folder(sender: BaseReloader, file_path: Path, **kwargs: Any) -> bool | None:
    """
    Keep the server running when a watched folder changed but its routes did not.

    Receiver of ``file_changed``. A folder also changes when Python writes ``__pycache__`` or
    an editor its swap file.

    Returns:
        True to suppress the reload; ``None`` to leave the decision to others.
    """
    is_ours = file_path.is_dir() and any(
        file_path == app or file_path.is_relative_to(app / ROUTES_DIRECTORY) for app in _app_folders()
    )
    if not is_ours or _changed_files():
        return None
    # A folder that is new is often filled at once, and the reloader will take what it finds for the first state.
    time.sleep(SETTLING)
    return None if _changed_files() else True


def _app_folders() -> Iterator[Path]:
    # As the reloader makes them: it reports a folder under the name by which it was watched.
    return (Path(app.path).absolute() for app in apps.get_app_configs())


def _changed_files() -> set[str]:
    """Return the files that this process serves and that are gone, and those that are new."""
    config = app_config()
    return _files(config.discover()) ^ _files(config.tree)


def _files(tree: RouteTree) -> set[str]:
    found = {mistake.file for mistake in tree.mistakes}
    return found | {route.file for route in tree.routes} | {one.file for one in tree.folder_files}
