"""
Turn the names of a route module into its handlers and its route segment config.

A name that nearly is one of ours is a mistake, not a helper: helpers go to a private folder,
or begin with an underscore.
"""

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial
from types import ModuleType
from typing import Any, Literal, cast

from django_routehandlers.conf import is_duration
from django_routehandlers.handlers.cache_policy import CACHE_NAMES
from django_routehandlers.handlers.dispatch import METHODS
from django_routehandlers.handlers.functions import Fault, Handler, line_of

CONFIG_NAMES = ("name", "openapi", "max_duration", *CACHE_NAMES)
"""Module variables that configure a route."""
PLANNED_CONFIG_NAMES = ("cors", "csrf")
"""Module variables that have no effect yet: a warning says so."""
_NO_HANDLERS = ("TRACE", "CONNECT", "QUERY")


@dataclass(frozen=True, slots=True)
class Exports:
    """What a route file defines."""

    handlers: dict[str, Handler]
    """Method → function, in the order of ``METHODS``."""
    name: str | None
    """The URL name that the file gives itself."""
    max_duration: float | Literal["default"] | None
    """Seconds that its handlers may take; ``None`` for any time, whatever the setting says."""
    cache: dict[str, Any]
    """Those of ``CACHE_NAMES`` that the file defines, or imports."""
    line_of: Callable[[str], int]
    """Returns the line on which the file binds a name; 0 where it does not."""
    faults: tuple[Fault, ...]


def read_exports(module: ModuleType) -> Exports:
    """Return the handlers and the config of a route module, and every mistake in its names."""
    names = vars(module)
    handlers: dict[str, Handler] = {}
    faults = [*_suspects(module)]
    for method in METHODS:
        value = names.get(method)
        if value is None:
            continue
        if callable(value) and not inspect.isclass(value):
            handlers[method] = value
        else:
            kind = "a class" if inspect.isclass(value) else f"of type {type(value).__name__}"
            what = f"{method} is {kind}. A handler is a function."
            faults.append(Fault("E034", _line(module, method), what, f"Write `async def {method}(request): …`."))
    if not handlers and not any(fault.id in ("E032", "E034") for fault in faults):
        what = "the file defines no handler. A route answers at least one method."
        faults.append(Fault("E031", 0, what, "Add `async def GET(): …`, or remove the file."))
    name, wrong = _name(module)
    max_duration, too_wrong = _max_duration(module)
    faults.extend([*wrong, *_openapi(module), *too_wrong])
    line_of_name = partial(_line, module, with_imports=True)
    cache = {name: names[name] for name in CACHE_NAMES if name in names and line_of_name(name)}
    return Exports(
        handlers,
        name,
        max_duration,
        cache,
        line_of_name,
        tuple(sorted(faults, key=lambda fault: (fault.line, fault.id))),
    )


def is_documented(module: ModuleType) -> bool:
    """Return whether the OpenAPI document tells of the module's route: ``openapi = False`` keeps it out."""
    return vars(module).get("openapi") is not False or not _line(module, "openapi")


def _name(module: ModuleType) -> tuple[str | None, list[Fault]]:
    name: object = vars(module).get("name")
    # A loop or an import may leave a variable of that name behind, which nobody meant as config.
    if name is None or not _line(module, "name"):
        return None, []
    if isinstance(name, str) and name and ":" not in name:
        return name, []
    what = f"name is {name!r}. A URL name is text without a colon, which separates namespaces."
    return None, [Fault("E035", _line(module, "name"), what, 'Write `name = "product-detail"`.')]


def _openapi(module: ModuleType) -> Iterator[Fault]:
    value: object = vars(module).get("openapi", True)
    if not isinstance(value, bool) and (line := _line(module, "openapi")):
        what = f"openapi is {value!r}. It is False where the OpenAPI document leaves the route out, else True."
        yield Fault("E035", line, what, "Write `openapi = False`, or name it `_openapi` if it is yours.")


def _max_duration(module: ModuleType) -> tuple[float | Literal["default"] | None, list[Fault]]:
    line = _line(module, "max_duration", with_imports=True)
    value: object = vars(module).get("max_duration", "default")
    if not line or value == "default":
        return "default", []
    if is_duration(value):
        return cast("float | None", value), []
    what = f"max_duration is {value!r}. It is a number of seconds above 0, or None for any time."
    remedy = "Write `max_duration = 10`, or name it `_max_duration` if it is yours."
    return "default", [Fault("E120", line, what, remedy)]


def _suspects(module: ModuleType) -> Iterator[Fault]:
    for name, value in list(vars(module).items()):
        if name.startswith("_") or name in METHODS or name in CONFIG_NAMES:
            continue
        if name in PLANNED_CONFIG_NAMES:
            if line := _line(module, name):
                what = f"`{name}` has no effect in this version of django_routehandlers."
                yield Fault("W036", line, what, "Remove it until it has.")
        elif callable(value) and (meant := _method_meant(name)):
            if not inspect.isclass(value) and getattr(value, "__module__", None) == module.__name__:
                yield _misspelt(name, meant, line_of(value, module.__file__ or ""))
        elif (meant := _config_meant(name)) and (line := _line(module, name)):
            what = f"`{name}` looks like the route segment config `{meant}`."
            yield Fault("E033", line, what, f"Rename it to {meant}, or to _{name} if it is yours.")


def _misspelt(name: str, meant: str, line: int) -> Fault:
    if meant in _NO_HANDLERS:
        what = f"{meant} has no handler. A route answers {', '.join(METHODS)}."
        return Fault("E032", line, what, f"Remove it, or rename it to _{name.lower()}.")
    what = f"{name}() answers nothing: a handler is named after its method in capitals."
    return Fault("E032", line, what, f"Rename it to {meant}, or to _{name} if it is a helper.")


@lru_cache(maxsize=4096)
def _method_meant(name: str) -> str | None:
    if name.upper() in (*METHODS, *_NO_HANDLERS):
        return name.upper()
    return next(iter(get_close_matches(name, METHODS, n=1, cutoff=0.65)), None) if name.isupper() else None


@lru_cache(maxsize=4096)
def _config_meant(name: str) -> str | None:
    # Names of two thirds the letters are words of their own ("page", "types"); a slip leaves nearly all.
    return next(iter(get_close_matches(name, (*CONFIG_NAMES, *PLANNED_CONFIG_NAMES), n=1, cutoff=0.85)), None)


def _line(module: ModuleType, name: str, *, with_imports: bool = False) -> int:
    """Return the line on which the file itself defines *name*; 0 where it imports it, unless that counts too."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return 0
    for node in tree.body:
        if name in _defined_by(node) or (with_imports and name in _imported_by(node)):
            return node.lineno
    return 0


def _defined_by(node: ast.stmt) -> list[str]:
    match node:
        case ast.Assign(targets=targets):
            return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case _:
            return []


def _imported_by(node: ast.stmt) -> list[str]:
    return [one.asname or one.name for one in node.names] if isinstance(node, ast.ImportFrom) else []
