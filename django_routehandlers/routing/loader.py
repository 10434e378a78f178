"""
Turn a ``route.py`` or ``middleware.py`` file into the module that it is, once, under one name.

The import system does the work: the folders between an app and its file are made packages
under names that it can take, then the file is imported as any module is. Relative imports,
tracebacks, ``inspect``, coverage, debuggers, pickling and the autoreloader follow from that.
"""

import importlib
import linecache
import os
import sys
import sysconfig
import traceback
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from django_routehandlers.exceptions import Mistake
from django_routehandlers.routing.folder_file import FolderFile
from django_routehandlers.routing.route import Route

_STANDARD_LIBRARY = sysconfig.get_path("stdlib") + os.sep
_PACKAGE = str(Path(__file__).parent.parent) + os.sep

Source = Route | FolderFile
"""A file of a ``routes/`` directory that is imported."""


def module_name(source: Source) -> str:
    """
    Return the one name of a file's module in ``sys.modules``.

    A dot separates packages, so a dot in a folder's name is written ``%2E``:
    ``docs/[...slug]/route.py`` of the app ``shop`` is ``shop.routes.docs.[%2E%2E%2Eslug].route``.
    """
    stem = os.path.basename(source.file).removesuffix(".py")
    return ".".join([source.package, *map(_importable, source.folders), stem])


def _importable(folder: str) -> str:
    return folder.replace(".", "%2E")


def load_module(source: Source) -> ModuleType | Mistake:
    """Import a file, or return what keeps it from being imported."""
    name = module_name(source)
    try:
        _import_folders(source)
        module = importlib.import_module(name)
        is_own = module.__file__ is not None and os.path.samefile(module.__file__, source.file)
    except (Exception, SystemExit) as error:
        return _failed(source, error)
    if not is_own:
        what = f"the module {name} is {module.__file__} already."
        remedy = "Let no other package have the name of the app's routes directory."
        return Mistake(source.file, 0, "E030", source.id, what, remedy)
    return module


def _import_folders(source: Source) -> None:
    name, path = source.package, source.root
    _import_folder(name, path)
    for folder in source.folders:
        name, path = f"{name}.{_importable(folder)}", f"{path}{os.sep}{folder}"
        _import_folder(name, path)


def _import_folder(name: str, path: str) -> None:
    """Put the folder into ``sys.modules`` as a package, running its ``__init__.py`` where it has one."""
    module = sys.modules.get(name)
    if module is None:
        init = os.path.join(path, "__init__.py")
        if os.path.isfile(init):
            spec = spec_from_file_location(name, init, submodule_search_locations=[path])
            module = _new_package(name, spec)
        else:
            module = _shadowing_module(name, path) or _new_package(name, _spec_of_folder(name, path))
    if not hasattr(module, "__path__"):
        # Of a file and a folder of one name Python sees the file alone; a path makes it a package as well.
        module.__path__ = [path]


def _shadowing_module(name: str, path: str) -> ModuleType | None:
    """Import the file that comes before a folder of its name: ``route.py`` beside ``route/``."""
    if not os.path.isfile(f"{path}.py"):
        return None
    return importlib.import_module(name) if name.endswith("." + os.path.basename(path)) else None


def _spec_of_folder(name: str, path: str) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [path]
    return spec


def _new_package(name: str, spec: ModuleSpec | None) -> ModuleType:
    if spec is None:  # pragma: no cover - the import system knows what a .py file is
        raise ImportError(f"{name} cannot be imported")
    module = module_from_spec(spec)
    sys.modules[name] = module
    if spec.loader is not None:
        try:
            spec.loader.exec_module(module)
        except BaseException:
            # A half-initialised package must not pass for a loaded one at the next try.
            del sys.modules[name]
            raise
    parent, _, child = name.rpartition(".")
    setattr(sys.modules[parent], child, module)
    return module


def _failed(source: Source, error: BaseException) -> Mistake:
    file, line = _place(source, error)
    reason = error.msg if isinstance(error, SyntaxError) else _reason(error)
    end = "" if reason.endswith("?") else "."
    what = f"the file cannot be imported: {type(error).__name__}{': ' if reason else ''}{reason}{end}"
    linecache.checkcache(file)
    text = linecache.getline(file, line).strip() if line else ""
    return Mistake(file, line, "E030", source.id, what, f"Mend the line `{text}`." if text else "Mend the file.")


def _reason(error: BaseException) -> str:
    # With what Python suggests in the place of a name that is not there.
    told = str(traceback.TracebackException.from_exception(error, lookup_lines=False))
    return told.partition("\n")[0].removesuffix(".")


def _place(source: Source, error: BaseException) -> tuple[str, int]:
    """Return the file and line to mend: the innermost of the project's own, helpers included."""
    if isinstance(error, SyntaxError) and error.filename and os.path.isfile(error.filename):
        return error.filename, error.lineno or 0
    app = os.path.dirname(source.root) + os.sep
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(app) or _is_written_here(frame.filename)]
    for frame in own[-1:]:
        return frame.filename, frame.lineno or 0
    return source.file, 0


def _is_written_here(file: str) -> bool:
    """Return whether a file is the project's, not Python's, a library's or ours."""
    installed = {"site-packages", "dist-packages"} & set(Path(file).parts)
    return not installed and not file.startswith((_STANDARD_LIBRARY, _PACKAGE)) and os.path.isfile(file)
