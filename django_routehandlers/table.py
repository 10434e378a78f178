"""
Turn a route tree into the table that requests are matched against.

The one place where folders meet functions: route files are imported here, their handlers
bound and made into views, and every mistake of every file is collected.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Protocol, cast

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.urls.converters import get_converters

from django_routehandlers.conf import SETTING, Config
from django_routehandlers.exceptions import Mistake
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy, PolicyReader
from django_routehandlers.handlers.cached_get import CachedGet
from django_routehandlers.handlers.dispatch import make_view
from django_routehandlers.handlers.exports import Exports, read_exports
from django_routehandlers.handlers.folders import FolderModule, nearest, read_folder
from django_routehandlers.handlers.functions import Fault, line_of
from django_routehandlers.handlers.preconditions import GUARDED_METHODS, Preconditions, judged_twice, unfit_requirement
from django_routehandlers.handlers.redirect import make_slash_redirect
from django_routehandlers.handlers.returns import plan_returns
from django_routehandlers.handlers.signature import plan_handler
from django_routehandlers.handlers.validators import plan_validators
from django_routehandlers.policies.cors import CORS
from django_routehandlers.policies.lifecycle import Fields, lifecycle_fields, moment
from django_routehandlers.policies.preconditions import required_methods
from django_routehandlers.routing.discovery import RouteTree
from django_routehandlers.routing.folder_file import FolderFile, by_place, files_around
from django_routehandlers.routing.loader import load_module
from django_routehandlers.routing.matching import Converter
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.routing.route import Route, match_order
from django_routehandlers.routing.url_patterns import SegmentConverter, Served, serve

APP = "django_routehandlers"
"""Label of the app whose config keeps the table."""


class KeepsTable(Protocol):
    """The app config, as those below it see it."""

    @property
    def table(self) -> RouteTable:
        """The table of the project's routes, built on first use."""
        ...

    @property
    def tree(self) -> RouteTree:
        """The project's routes as their directories named them at start-up."""
        ...

    def discover(self) -> RouteTree:
        """Return the routes as the directories name them at this moment."""
        ...


def app_config() -> KeepsTable:
    """Return the app config that keeps the project's tree and table."""
    try:
        return cast("KeepsTable", apps.get_app_config(APP))
    except LookupError:
        raise ImproperlyConfigured(
            f"The URLconf includes {APP}.urls, but {APP!r} is not in INSTALLED_APPS. Add it there."
        ) from None


def current_table() -> RouteTable:
    """Return the table of the project's routes, built on first use."""
    return app_config().table


def build_table(tree: RouteTree, config: Config, mistakes: Iterable[Mistake] = ()) -> RouteTable:
    """
    Import every route file of *tree* and return the table of those that can be served.

    Args:
        mistakes: What was found wrong before, in the settings; added to the table's own.
    """
    importlib.invalidate_caches()
    converters: dict[str, Converter] = {name: SegmentConverter(one) for name, one in get_converters().items()}
    served: list[Served] = []
    found: list[Mistake] = [*mistakes, *tree.mistakes]
    config = replace(config, CORS=_cors_setting(config.CORS, found))
    folders = {file: module for file in tree.folder_files if (module := _load_folder(file, found)) is not None}
    places = by_place(tree.folder_files)
    for route in tree.routes:
        around = [folders[file] for file in files_around(route, places) if file in folders]
        if wrong := tuple(_unknown_converters(route, converters)):
            found.extend(wrong)
        elif (one := _load(route, around, converters, config, found)) is not None:
            served.append(one)
    found.extend(_same_names(served))
    return RouteTable(
        served,
        converters,
        mistakes=sorted(found),
        redirect=make_slash_redirect(),
        slash=config.TRAILING_SLASH,
    )


def _cors_setting(value: object, found: list[Mistake]) -> CORS | None:
    if value is None or isinstance(value, CORS):
        return value
    try:
        return CORS(**cast("Mapping[str, Any]", value))
    except (TypeError, ValueError) as error:
        remedy = 'Write the arguments of a CORS, such as {"origins": ["https://app.example.com"]}.'
        found.append(Mistake("", 0, "E001", f"{SETTING}['CORS']", f"{error}", remedy))
        return None


def _load_folder(file: FolderFile, found: list[Mistake]) -> FolderModule | None:
    module = load_module(file)
    if isinstance(module, Mistake):
        found.append(module)
        return None
    folder = read_folder(module, file.id)
    found.extend(Mistake(file.file, one.line, one.id, file.id, one.what, one.remedy) for one in folder.faults)
    return folder


def _load(
    route: Route,
    around: Sequence[FolderModule],
    converters: Mapping[str, Converter],
    config: Config,
    found: list[Mistake],
) -> Served | None:
    module = load_module(route)
    if isinstance(module, Mistake):
        found.append(module)
        return None
    exports = read_exports(module)
    places = [exports.config, *(folder.config for folder in around)]
    handlers, faults = _bind(route, exports, nearest("max_duration", places, config.MAX_DURATION))
    guard, unfit = _guard(route, exports, handlers, nearest("require_precondition", places, False))
    found.extend(
        Mistake(route.file, fault.line, fault.id, route.id, fault.what, fault.remedy)
        for fault in (*exports.faults, *faults, *unfit)
    )
    if not handlers:
        return None
    name = exports.name or route.default_name
    cached, policy, wrong = _cache(route, exports, handlers, config, guard)
    found.extend(Mistake(route.file, one.line, one.id, route.id, one.what, one.remedy) for one in wrong)
    layers = [*chain.from_iterable(folder.layers for folder in around), *exports.layers]
    csrf = nearest("csrf", places, config.CSRF)
    cors = nearest("cors", places, config.CORS)
    fields = _fields(route, places, found)
    views = make_view(
        handlers, module.__name__, cached, policy, layers=layers, csrf=csrf, cors=cors, fields=fields, guard=guard
    )
    kinds = {"on_loop": views.on_loop, "in_thread": views.in_thread}
    return serve(route, views.view, name, converters, slash=config.TRAILING_SLASH, **kinds)


def _fields(route: Route, places: Sequence[Mapping[str, Any]], found: list[Mistake]) -> Fields:
    deprecation, sunset = (moment(nearest(name, places, None)) for name in ("deprecation", "sunset"))
    if deprecation is not None and sunset is not None and sunset < deprecation:
        what = "the route is gone (sunset) before it is deprecated (RFC 9745, section 5)."
        found.append(Mistake(route.file, 0, "E130", route.id, what, "Name a later sunset, or an earlier deprecation."))
    return lifecycle_fields(deprecation, sunset)


def _guard(
    route: Route, exports: Exports, handlers: Mapping[str, BoundHandler], required: object
) -> tuple[Preconditions | None, list[Fault]]:
    functions, faults = plan_validators(exports.validators, route.segments, route.file, route.id)
    if "require_precondition" in exports.config:
        line = exports.line_of("require_precondition")
        has_functions = bool(exports.validators)
        faults.extend(unfit_requirement(required, line, handlers, has_functions=has_functions))
    if functions is None:
        return None, faults
    for method, handler in handlers.items():
        faults.extend(judged_twice(method, handler, route.file))
    return Preconditions(functions, required_methods(required) or frozenset()), faults


def _cache(
    route: Route,
    exports: Exports,
    handlers: Mapping[str, BoundHandler],
    config: Config,
    guard: Preconditions | None,
) -> tuple[CachedGet | None, CachePolicy | None, list[Fault]]:
    why = None if guard is None else guard.functions.why_dynamic
    reader = PolicyReader(exports.cache, exports.line_of, config.DEFAULT_REVALIDATE, why)
    handler = handlers.get("GET")
    policy = reader.read(handler, route.parameters)
    if handler is None:
        return None, None, reader.faults
    cached = CachedGet((route.app, route.id), handler, policy, guard) if policy.is_cached else None
    return cached, policy, reader.faults


def _bind(route: Route, exports: Exports, max_duration: float | None) -> tuple[dict[str, BoundHandler], list[Fault]]:
    bound: dict[str, BoundHandler] = {}
    faults: list[Fault] = []
    for method, function in exports.handlers.items():
        given = exports.validators if method in GUARDED_METHODS else ()
        try:
            plan, wrong = plan_handler(function, route.segments, route.file, method=method, given=given)
            returns, unclear = plan_returns(function, route.file)
        except Exception as error:
            what = f"{method}: its signature cannot be understood: {type(error).__name__}: {error}."
            remedy = "Write a plain function, with annotations that pydantic knows."
            faults.append(Fault("E056", line_of(function, route.file), what, remedy))
            continue
        handler = BoundHandler(function, plan, returns, f"{route.id} {method} ({route.file})", max_duration)
        bound[method] = handler
        for fault in (*wrong, *unclear):
            faults.append(Fault(fault.id, fault.line, f"{method}: {fault.what}", fault.remedy))
        faults.extend([*_atomic(method, handler, route.file), *_csrf_exempt(method, handler, route.file)])
    return bound, faults


def _csrf_exempt(method: str, handler: BoundHandler, file: str) -> Iterator[Fault]:
    if getattr(handler.function, "csrf_exempt", False):
        what = f"{method}: @csrf_exempt has no effect: Django asks no route for a token, and the rule `csrf` stays."
        remedy = 'Remove it, and write `csrf = "exempt"` where nothing is to be checked.'
        yield Fault("W104", line_of(handler.function, file), what, remedy)


def _atomic(method: str, handler: BoundHandler, file: str) -> Iterator[Fault]:
    if not handler.is_written_async:
        return
    exempt: set[Any] = getattr(handler.function, "_non_atomic_requests", set())
    for alias in connections:
        if connections.settings[alias]["ATOMIC_REQUESTS"] and alias not in exempt:
            what = f"{method} is async, but the database {alias!r} has ATOMIC_REQUESTS, which async code cannot honour."
            remedy = f"Make it `def {method}`, or decorate it with @transaction.non_atomic_requests(using={alias!r})."
            yield Fault("E043", line_of(handler.function, file), what, remedy)


def _unknown_converters(route: Route, converters: Mapping[str, Converter]) -> Iterator[Mistake]:
    for segment in route.segments:
        if segment.converter is None:
            continue
        if segment.converter not in converters:
            what = f"{segment.folder} pins the path converter {segment.converter!r}, which is not registered."
            known = ", ".join(sorted(set(converters) - {"path"}))
            remedy = f"Register it before the URLconf is read, or use one of {known}."
            if segment.text in converters:
                remedy = f"Rename the folder to [{segment.converter}={segment.text}]."
            yield Mistake(route.file, 0, "E012", route.id, what, remedy)
        elif segment.converter == "path":
            what = f"{segment.folder} pins the path converter 'path', which spans segments."
            yield Mistake(route.file, 0, "E012", route.id, what, f"Rename the folder to [...{segment.text}].")


def _same_names(served: Iterable[Served]) -> Iterator[Mistake]:
    """Yield routes that ``reverse()`` could not tell apart: an error within one app, which can be edited."""
    seen: dict[tuple[str, frozenset[str]], Route] = {}
    keys = ((one, (one.name, names)) for one in served for names in one.route.reversed_by)
    for one, key in keys:
        other = seen.setdefault(key, one.route)
        # One shape of URL served twice is reported as that.
        if other is not one.route and match_order(other) != match_order(one.route):
            what = f"{one.route.id} and {other.id} ({other.file}) have the URL name {one.name!r} and the same segments."
            remedy = 'Give one of them a name of its own: `name = "…"` in its file.'
            id = "E023" if other.app == one.route.app else "W024"
            yield Mistake(one.route.file, 0, id, one.route.id, what, remedy)
