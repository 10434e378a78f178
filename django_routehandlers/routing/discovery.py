"""
Turn the ``routes/`` directories of the installed apps into a tree of routes.

Reads names only: nothing is imported here. Entries are sorted before use, since the order
of a directory listing differs between file systems.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django_routehandlers.exceptions import Mistake
from django_routehandlers.routing.conflicts import find_conflicts
from django_routehandlers.routing.folder_file import FolderFile, by_place
from django_routehandlers.routing.route import Route, match_order
from django_routehandlers.routing.segments import Segment, SegmentError, SegmentKind, is_private, parse_segment

ROUTE_FILE = "route.py"
MIDDLEWARE_FILE = "middleware.py"
ROUTES_DIRECTORY = "routes"
_PACKAGE_FILE = "__init__.py"
_LIKE_MIDDLEWARE = ("middleware", "middlewares")


@dataclass(frozen=True, slots=True)
class RoutesDirectory:
    """An app's ``routes/`` directory, and where its URLs begin."""

    app: str
    """The app's label."""
    package: str
    """Dotted name under which the directory is imported, such as ``shop.routes``."""
    path: str
    prefix: tuple[Segment, ...] = ()
    """Static segments in front of all of the app's URLs."""


@dataclass(frozen=True, slots=True)
class RouteTree:
    """All routes of a project, in the order in which they are tried."""

    routes: tuple[Route, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    directories: tuple[RoutesDirectory, ...] = ()
    folder_files: tuple[FolderFile, ...] = ()


@dataclass(frozen=True, slots=True)
class _Folder:
    directory: RoutesDirectory
    path: str
    folders: tuple[str, ...]
    segments: tuple[Segment, ...]
    trail: tuple[str, ...]
    """Real paths of the root, and of the place and the target of every link that was followed on the way here."""

    @property
    def id(self) -> str:
        return "/" + "/".join(self.folders)

    def mistake(self, id: str, what: str, remedy: str, *, name: str = "") -> Mistake:
        file = os.path.join(self.path, name) if name else self.path
        printable = file.encode("utf-8", "backslashreplace").decode()
        return Mistake(file=printable, line=0, id=id, where=self.id, what=what, remedy=remedy)


def discover_routes(directories: Iterable[RoutesDirectory]) -> RouteTree:
    """Walk the directories and return their routes, sorted, with every mistake in their names."""
    found = tuple(directories)
    routes: list[Route] = []
    folder_files: list[FolderFile] = []
    mistakes: list[Mistake] = []
    for item in (item for directory in found for item in _walk(directory)):
        if isinstance(item, Mistake):
            mistakes.append(item)
        elif isinstance(item, FolderFile):
            folder_files.append(item)
        else:
            routes.append(item)
    # A folder that holds a route is part of a URL, package or not.
    mistakes = [one for one in mistakes if one.id != "E126" or not _holds_route(os.path.dirname(one.file), routes)]
    mistakes.extend(find_conflicts(routes))
    mistakes.extend(_around_nothing(folder_files, routes))
    ordered = sorted(routes, key=lambda route: (match_order(route), route.file))
    return RouteTree(
        tuple(ordered), tuple(sorted(mistakes)), found, tuple(sorted(folder_files, key=lambda one: one.file))
    )


def _holds_route(folder: str, routes: Iterable[Route]) -> bool:
    return any(route.file.startswith(folder + os.sep) for route in routes)


def _around_nothing(files: Iterable[FolderFile], routes: Iterable[Route]) -> Iterator[Mistake]:
    alone = dict(by_place(files))
    for route in routes:
        for depth in range(len(route.folders) + 1):
            alone.pop((route.root, route.folders[:depth]), None)
    for one in alone.values():
        what = f"{MIDDLEWARE_FILE} is around no route: there is no {ROUTE_FILE} at or below its folder."
        remedy = "Move it into the folder of the routes that are meant, or remove it."
        yield Mistake(one.file, 0, "W100", one.id, what, remedy)


def _walk(directory: RoutesDirectory) -> Iterator[Route | FolderFile | Mistake]:
    pending: list[_Folder] = []
    start = _start(directory)
    if isinstance(start, Mistake):
        yield start
    else:
        pending.append(start)
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder.path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield folder.mistake("E015", _unreadable(error), "Give the server read access to it.")
            continue
        for entry in entries:
            try:
                item = _enter(folder, entry)
            except OSError as error:
                # A link to itself, or one into a folder that may not be read.
                item = folder.mistake("E015", _unreadable(error), "Replace or remove it.", name=entry.name)
            if isinstance(item, _Folder):
                pending.append(item)
            elif item is not None:
                yield item


def _unreadable(error: OSError) -> str:
    return f"the folder cannot be read: {error.strerror or type(error).__name__}."


def _start(directory: RoutesDirectory) -> _Folder | Mistake:
    real = os.path.realpath(directory.path)
    root = _Folder(directory, directory.path, (), directory.prefix, (real,))
    app = os.path.realpath(os.path.dirname(directory.path))
    if not real.startswith(app + os.sep):
        what = f"the link leads to {real}, outside its app, and is not followed."
        return root.mistake("W018", what, "Replace the link by a folder.")
    return root


def _enter(folder: _Folder, entry: os.DirEntry[str]) -> _Folder | Route | FolderFile | Mistake | None:
    if entry.is_dir():
        return None if is_private(entry.name) else _enter_folder(folder, entry)
    if entry.name in (ROUTE_FILE, MIDDLEWARE_FILE):
        return _enter_file(folder, entry)
    # Case only, and the plural: what a slip of the keyboard leaves. Backups (route.py~) are not meant.
    if entry.name.casefold() in ("route.py", "routes.py"):
        what = f"{entry.name} is not a route: only a file named {ROUTE_FILE} is."
        return folder.mistake("W017", what, f"Rename it to {ROUTE_FILE}, or give it another name.", name=entry.name)
    return _misnamed(folder, entry.name)


def _misnamed(folder: _Folder, name: str) -> Mistake | None:
    """Return what is wrong with a file that was meant as a guard, which nothing runs, so that nobody is refused."""
    if name == _PACKAGE_FILE and folder.folders and folder.folders[-1].casefold() in _LIKE_MIDDLEWARE:
        id, beside, called = "E126", os.path.dirname(folder.path), folder.folders[-1]
        what, remedy = f"{called}/ is a package", f"Move it to {MIDDLEWARE_FILE} beside {called}/"
        remedy = f"{remedy}, or, if it is a helper, rename the folder to _{called}/."
    elif name.casefold() in [f"{like}.py" for like in _LIKE_MIDDLEWARE]:
        id, beside, what = "E125", folder.path, f"{name} is"
        remedy = f"Rename it to {MIDDLEWARE_FILE}, or give it another name."
    elif name == f"_{MIDDLEWARE_FILE}":
        id, beside, what = "W125", folder.path, f"{name} is private, and"
        remedy = f"Rename it to {MIDDLEWARE_FILE}, or give it another name."
    else:
        return None
    # Not exists(): to some file systems a name in capitals is the same one.
    if MIDDLEWARE_FILE in os.listdir(beside):
        return None
    return folder.mistake(id, f"{what} around no route: only a file named {MIDDLEWARE_FILE} is.", remedy, name=name)


def _enter_file(folder: _Folder, entry: os.DirEntry[str]) -> Route | FolderFile | Mistake:
    if not entry.is_file():
        what = f"{entry.name} is not a regular file."
        return folder.mistake("E015", what, "Replace it by a file, or remove it.", name=entry.name)
    if entry.is_symlink() and (refusal := _refused_link(folder.trail, os.path.realpath(entry.path))):
        # Without its middleware a route would be served to those whom that refuses: an error, not a warning.
        id = "E107" if entry.name == MIDDLEWARE_FILE else "W018"
        return folder.mistake(id, refusal, "Replace the link by a file.", name=entry.name)
    directory = folder.directory
    if entry.name == MIDDLEWARE_FILE:
        return FolderFile(directory.app, directory.package, directory.path, folder.folders, entry.path)
    return Route(
        directory.app,
        directory.package,
        directory.path,
        folder.folders,
        folder.segments,
        entry.path,
        len(directory.prefix),
    )


def _enter_folder(folder: _Folder, entry: os.DirEntry[str]) -> _Folder | Mistake:
    trail = folder.trail
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        trail = (*trail, os.path.realpath(folder.path))
        if refusal := _refused_link(trail, target):
            return folder.mistake("W018", refusal, "Replace the link by a folder.", name=entry.name)
        trail = (*trail, target)
    try:
        entry.name.encode()
        segment = parse_segment(entry.name)
    except UnicodeEncodeError:
        what = "the folder's name is not UTF-8, so no URL can name it."
        return folder.mistake("E016", what, "Rename the folder.", name=entry.name)
    except SegmentError as error:
        return folder.mistake(error.id, error.what, error.remedy, name=entry.name)
    inner = _Folder(folder.directory, entry.path, (*folder.folders, entry.name), folder.segments, trail)
    if segment.kind is SegmentKind.GROUP:
        return inner
    return _misplaced(folder, segment) or _Folder(
        inner.directory, inner.path, inner.folders, (*folder.segments, segment), trail
    )


def _refused_link(trail: tuple[str, ...], target: str) -> str | None:
    app = os.path.dirname(trail[0])
    if not target.startswith(app + os.sep):
        return f"the link leads to {target}, outside its app, and is not followed."
    if any(place == target or place.startswith(target + os.sep) for place in trail):
        return f"the link leads back to {target}, which holds it, and is not followed."
    return None


def _misplaced(folder: _Folder, segment: Segment) -> Mistake | None:
    above = folder.segments[-1] if folder.segments else None
    if above is not None and above.takes_rest:
        what = f"nothing may follow the catch-all segment {above.folder}, which takes the rest of the path."
        remedy = f'Move "{segment.folder}" beside {above.folder}, or read it from `{above.text}`.'
        return folder.mistake("E014", what, remedy, name=segment.folder)
    if segment.is_parameter and any(other.is_parameter and other.text == segment.text for other in folder.segments):
        what = f"the segment name {segment.text!r} occurs twice in one path. A parameter has one value."
        remedy = f"Rename {segment.folder} to {segment.folder.replace(segment.text, segment.text + '_2', 1)}."
        return folder.mistake("E013", what, remedy, name=segment.folder)
    return None
