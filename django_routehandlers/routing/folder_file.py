"""One ``middleware.py`` file as a value: where it is, and which routes it is around."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django_routehandlers.routing.route import Route


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A ``middleware.py`` file, which is around every route at and below its folder."""

    app: str
    """Label of the app that holds it."""
    package: str
    """Dotted name of the app's ``routes`` directory, such as ``shop.routes``."""
    root: str
    """Path of the app's ``routes`` directory."""
    folders: tuple[str, ...]
    """Names of the folders from *root* to the file, as written."""
    file: str
    """Path of the ``middleware.py`` file."""

    @property
    def id(self) -> str:
        """The folder as written, groups included: its one name in messages and listings."""
        return "/" + "/".join(self.folders)


Place = tuple[str, tuple[str, ...]]


def by_place(files: Iterable[FolderFile]) -> Mapping[Place, FolderFile]:
    """Return the files by the folders that they are in, for ``files_around()``."""
    return {(one.root, one.folders): one for one in files}


def files_around(route: Route, files: Mapping[Place, FolderFile]) -> tuple[FolderFile, ...]:
    """Return the files around *route*, the one of the ``routes`` directory first and that of its own folder last."""
    places = ((route.root, route.folders[:depth]) for depth in range(len(route.folders) + 1))
    return tuple(files[place] for place in places if place in files)
