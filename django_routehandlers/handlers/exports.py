"""
Turn the names of a route module into its handlers and its route segment config.

A name that nearly is one of ours is a mistake, not a helper: helpers go to a private folder,
or begin with an underscore.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial
from types import ModuleType
from typing import Any

from django_routehandlers.handlers.cache_policy import CACHE_NAMES
from django_routehandlers.handlers.folders import INHERITED, read_inherited
from django_routehandlers.handlers.foreign_names import foreign_names
from django_routehandlers.handlers.functions import Fault, Handler, line_of
from django_routehandlers.handlers.layers import Layer, read_layers
from django_routehandlers.handlers.names import METHODS, VALIDATOR_NAMES, BindingLines, name_meant
from django_routehandlers.handlers.validators import functions_in

CONFIG_NAMES = ("name", "openapi", "middleware", *INHERITED, *VALIDATOR_NAMES, *CACHE_NAMES)
"""Module variables that configure a route."""
_NO_HANDLERS = ("TRACE", "CONNECT", "QUERY")


@dataclass(frozen=True, slots=True)
class Exports:
    """What a route file defines."""

    handlers: dict[str, Handler]
    """Method → function, in the order of ``METHODS``."""
    name: str | None
    """The URL name that the file gives itself."""
    cache: dict[str, Any]
    """Those of ``CACHE_NAMES`` that the file defines, or imports."""
    layers: tuple[Layer, ...]
    """The middleware of the file's own, outermost first."""
    validators: dict[str, Handler]
    """Those of ``VALIDATOR_NAMES`` that the file defines, or imports."""
    config: dict[str, Any]
    """Config that folders hand down, as far as the file has its own."""
    lines: dict[str, int]
    """Name of *config* → line on which the file says it."""
    line_of: Callable[[str], int]
    """Returns the line on which the file binds a name; 0 where it does not."""
    faults: tuple[Fault, ...]


def read_exports(module: ModuleType) -> Exports:
    """Return the handlers and the config of a route module, and every mistake in its names."""
    names, lines = vars(module), BindingLines(module)
    handlers: dict[str, Handler] = {}
    faults = [*_suspects(lines), *foreign_names(lines)]
    for method in METHODS:
        value = names.get(method)
        if value is None:
            continue
        if callable(value) and not inspect.isclass(value):
            handlers[method] = value
        else:
            kind = "a class" if inspect.isclass(value) else f"of type {type(value).__name__}"
            what = f"{method} is {kind}. A handler is a function."
            faults.append(Fault("E034", lines.line_of(method), what, f"Write `async def {method}(request): …`."))
    if not handlers and not any(fault.id in ("E032", "E034") for fault in faults):
        what = "the file defines no handler. A route answers at least one method."
        faults.append(Fault("E031", 0, what, "Add `async def GET(): …`, or remove the file."))
    name, wrong = _name(lines)
    faults.extend([*wrong, *_openapi(lines)])
    line_of_name = partial(lines.line_of, with_imports=True)
    cache = {name: names[name] for name in CACHE_NAMES if name in names and line_of_name(name)}
    config, config_lines, wrong = read_inherited(lines)
    layers, unfit = _layers(lines, line_of_name("middleware"))
    validators, misfits = functions_in(lines)
    faults.extend([*wrong, *unfit, *misfits])
    ordered = tuple(sorted(faults, key=lambda fault: (fault.line, fault.id)))
    return Exports(handlers, name, cache, layers, validators, config, config_lines, line_of_name, ordered)


def _layers(lines: BindingLines, line: int) -> tuple[tuple[Layer, ...], list[Fault]]:
    names = vars(lines.module)
    value: object = names.get("middleware")
    # A module of that name is a helper that was imported.
    if not line or isinstance(value, ModuleType):
        return (), []
    layers, faults = read_layers(value, lines.module.__file__ or "", line)
    if layers and isinstance(names.get("public"), bool) and (line := lines.line_of("public")):
        what = "`public` has no effect here: middleware of a route file makes the route private for other caches."
        faults.append(
            Fault("W103", line, what, "Move both into a middleware.py, or rename it to _public if it is yours.")
        )
    return layers, faults


def is_documented(module: ModuleType) -> bool:
    """Return whether the OpenAPI document tells of the module's route: ``openapi = False`` keeps it out."""
    return vars(module).get("openapi") is not False or not BindingLines(module).line_of("openapi")


def _name(lines: BindingLines) -> tuple[str | None, list[Fault]]:
    name: object = vars(lines.module).get("name")
    # A loop or an import may leave a variable of that name behind, which nobody meant as config.
    if name is None or not lines.line_of("name"):
        return None, []
    if isinstance(name, str) and name and ":" not in name:
        return name, []
    what = f"name is {name!r}. A URL name is text without a colon, which separates namespaces."
    return None, [Fault("E035", lines.line_of("name"), what, 'Write `name = "product-detail"`.')]


def _openapi(lines: BindingLines) -> Iterator[Fault]:
    value: object = vars(lines.module).get("openapi", True)
    if not isinstance(value, bool) and (line := lines.line_of("openapi")):
        what = f"openapi is {value!r}. It is False where the OpenAPI document leaves the route out, else True."
        yield Fault("E035", line, what, "Write `openapi = False`, or name it `_openapi` if it is yours.")


def _suspects(lines: BindingLines) -> Iterator[Fault]:
    module = lines.module
    for name, value in list(vars(module).items()):
        if name.startswith("_") or name in METHODS or name in CONFIG_NAMES:
            continue
        if callable(value) and (meant := _method_meant(name)):
            if not inspect.isclass(value) and getattr(value, "__module__", None) == module.__name__:
                yield _misspelt(name, meant, line_of(value, module.__file__ or ""))
        elif (meant := _config_meant(name)) and (line := lines.line_of(name)):
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
    return name_meant(name, CONFIG_NAMES)
