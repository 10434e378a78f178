"""
Turn the names of a ``middleware.py`` into what its folder says of all routes at and below it.

A folder has middleware, and config that a route file could have as well. Of config the nearest
one speaks, alone: the route file, then its folders from the innermost to the outermost, then the settings.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any

from django_routehandlers.conf import is_duration
from django_routehandlers.handlers.cache_policy import CACHE_NAMES
from django_routehandlers.handlers.csrf_rules import wrong_csrf
from django_routehandlers.handlers.foreign_names import foreign_names
from django_routehandlers.handlers.functions import Fault, line_of
from django_routehandlers.handlers.layers import Layer, read_layers
from django_routehandlers.handlers.lifecycle import wrong_moment
from django_routehandlers.handlers.names import METHODS, VALIDATOR_NAMES, BindingLines, name_meant
from django_routehandlers.handlers.preconditions import wrong_required
from django_routehandlers.handlers.security import wrong_security
from django_routehandlers.handlers.throttling import wrong_throttle
from django_routehandlers.policies.cors import CORS


def _wrong_cors(value: object) -> tuple[str, str] | None:
    if value is None or isinstance(value, CORS):
        return None
    return f"cors is {value!r}. It is a CORS, or None for none.", 'Write `cors = CORS(["https://app.example.com"])`.'


def _wrong_duration(value: object) -> tuple[str, str] | None:
    if is_duration(value):
        return None
    remedy = "Write `max_duration = 10`, or name it `_max_duration` if it is yours."
    return f"max_duration is {value!r}. It is a number of seconds above 0, or None for any time.", remedy


INHERITED: Mapping[str, Callable[[object], tuple[str, str] | None]] = {
    "csrf": wrong_csrf,
    "cors": _wrong_cors,
    "security": wrong_security,
    "max_duration": _wrong_duration,
    "throttle": wrong_throttle,
    "deprecation": wrong_moment("deprecation"),
    "sunset": wrong_moment("sunset"),
    "require_precondition": wrong_required,
}
"""Config that a folder hands down → what says what is wrong with a value, and the remedy; ``None`` for nothing."""
FOLDER_NAMES = ("middleware", "public", *INHERITED)
"""Names of a ``middleware.py`` that mean something."""
_ROUTE_NAMES = ("name", "openapi", *VALIDATOR_NAMES, *CACHE_NAMES)


@dataclass(frozen=True, slots=True)
class FolderModule:
    """What a ``middleware.py`` says."""

    layers: tuple[Layer, ...] = ()
    """Outermost first."""
    config: Mapping[str, Any] = field(default_factory=lambda: {})
    """Those of ``INHERITED`` that the file defines, or imports."""
    lines: Mapping[str, int] = field(default_factory=lambda: {})
    """Name of *config* → line on which the file says it."""
    faults: tuple[Fault, ...] = ()


def nearest(name: str, places: Iterable[Mapping[str, Any]], default: Any) -> Any:
    """
    Return what the nearest place says of *name*.

    Args:
        places: The config of the route file, then that of its folders, the outermost first.
        default: What the settings say.
    """
    own, *folders = places
    return next((one[name] for one in (own, *reversed(folders)) if name in one), default)


def read_inherited(file: BindingLines) -> tuple[dict[str, Any], dict[str, int], list[Fault]]:
    """Return the config of a file that folders hand down, on which lines it is, and what is wrong with its values."""
    config: dict[str, Any] = {}
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    for name, wrong in INHERITED.items():
        line = file.line_of(name, with_imports=True)
        value: object = vars(file.module).get(name)
        # A module of that name is a helper that was imported.
        if not line or isinstance(value, ModuleType):
            continue
        if (found := wrong(value)) is None:
            config[name], lines[name] = value, line
        else:
            faults.append(Fault("E035", line, *found))
    return config, lines, [*faults, *_csrf_exempt(file)]


def _csrf_exempt(file: BindingLines) -> Iterator[Fault]:
    value: object = vars(file.module).get("csrf_exempt")
    # A function is Django's decorator, or a helper.
    if not callable(value) and (line := file.line_of("csrf_exempt")):
        what = f"csrf_exempt is {value!r}. It has no effect: the rule `csrf` says how unsafe requests are judged."
        yield Fault("E127", line, what, 'Write `csrf = "exempt"` where nothing is to be checked, else remove it.')


def read_folder(module: ModuleType, folder: str) -> FolderModule:
    """
    Return what a ``middleware.py`` says, and every mistake in its names.

    Args:
        folder: The folder as written, from the ``routes`` directory: ``/api``.
    """
    names, file, lines = vars(module), module.__file__ or "", BindingLines(module)
    faults = [*_suspects(lines), *foreign_names(lines)]
    is_public = names.get("public", False)
    if not isinstance(is_public, bool):
        what = f"public is {is_public!r}. It is True where nothing that the middleware does depends on who asks."
        remedy = "Write `public = True`, or name it `_public` if it is yours."
        faults.append(Fault("E103", lines.line_of("public", with_imports=True), what, remedy))
    layers: tuple[Layer, ...] = ()
    if "middleware" in names:
        line = lines.line_of("middleware", with_imports=True)
        layers, wrong = read_layers(names["middleware"], file, line, folder=folder, is_public=is_public is True)
        faults.extend(wrong)
    config, config_lines, wrong = read_inherited(lines)
    faults.extend(wrong)
    if not (faults or layers or config):
        what = f"the file defines none of {', '.join(('middleware', *INHERITED))}, so it does nothing."
        remedy = "Add `async def middleware(request, call_next): …`, or remove the file."
        faults.append(Fault("E100", 0, what, remedy))
    return FolderModule(layers, config, config_lines, tuple(sorted(faults, key=lambda fault: (fault.line, fault.id))))


def _suspects(lines: BindingLines) -> Iterator[Fault]:
    module = lines.module
    for name, value in list(vars(module).items()):
        if name.startswith("_") or name in FOLDER_NAMES:
            continue
        line = lines.line_of(name)
        if name in METHODS:
            # A method is a handler wherever it comes from.
            line = line or lines.line_of(name, with_imports=True)
            what = f"{name} answers nothing here: a middleware.py is around routes, and is none."
            yield Fault("E106", line, what, "Move it into a route.py.")
        elif not line:
            continue
        elif name in _ROUTE_NAMES:
            what = f"`{name}` has no effect here: it configures one route, and is not handed down."
            yield Fault("E105", line, what, f"Move it into the route files, or rename it to _{name} if it is yours.")
        # A class Middleware beside its instance of the right name is a helper.
        elif (meant := _meant(name)) and meant not in vars(module):
            line = line_of(value, module.__file__ or "") if inspect.isfunction(value) else line
            what = f"`{name}` looks like `{meant}`."
            yield Fault("E104", line, what, f"Rename it to {meant}, or to _{name} if it is yours.")


@lru_cache(maxsize=4096)
def _meant(name: str) -> str | None:
    return name_meant(name.lower(), FOLDER_NAMES)
