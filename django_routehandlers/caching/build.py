"""Tell deploys apart: a digest of the source of the apps that hold routes."""

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import lru_cache

import django
from django.apps import apps

_FOLDERS = ("templates", "locale")
"""Folders of an app whose files, whatever they are, count beside its Python files."""


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Return a digest of the apps that have a ``routes`` folder, and of the versions of Python and Django."""
    found = hashlib.blake2b(f"{sys.version_info[:3]}{django.VERSION}".encode(), digest_size=16)
    for app in sorted(apps.get_app_configs(), key=lambda app: app.label):
        if os.path.isdir(os.path.join(app.path, "routes")):
            for name, path in _files(app.path):
                with open(path, "rb", buffering=0) as file:
                    content = hashlib.blake2b(file.read()).digest()
                found.update(f"{app.label}/{name}".encode(errors="surrogateescape") + content)
    return found.hexdigest()


def _files(root: str) -> Iterator[tuple[str, str]]:
    """Yield the files that count, by their path below *root* and as they are opened, in one order everywhere."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__", "node_modules")))
        below = folder.removeprefix(root).lstrip(os.sep) or "."
        is_counted = not set(_FOLDERS).isdisjoint(below.split(os.sep))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if (is_counted or name.endswith(".py")) and os.path.isfile(path):
                yield os.path.join(below, name), path
