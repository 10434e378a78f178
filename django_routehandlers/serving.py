"""
Turn one route file, and the ``middleware.py`` of its folders, into the views that answer the route.

The one place where files meet functions: they are imported here, and every mistake in them is collected.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from django.db import connections

from django_routehandlers.conf import Config
from django_routehandlers.exceptions import Mistake
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.cache_policy import CachePolicy, PolicyReader
from django_routehandlers.handlers.cached_get import CachedGet
from django_routehandlers.handlers.dispatch import make_view
from django_routehandlers.handlers.exports import Exports, read_exports
from django_routehandlers.handlers.folders import FolderModule, nearest, read_folder
from django_routehandlers.handlers.functions import Fault, line_of
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.preconditions import GUARDED_METHODS, Preconditions, judged_twice, unfit_requirement
from django_routehandlers.handlers.provenance import Place, Said, who_says
from django_routehandlers.handlers.returns import plan_returns
from django_routehandlers.handlers.security import asks_nobody, challenge_for
from django_routehandlers.handlers.signature import plan_handler
from django_routehandlers.handlers.throttling import throttling_of
from django_routehandlers.handlers.validators import plan_validators
from django_routehandlers.handlers.view_facts import note_config
from django_routehandlers.policies.lifecycle import Fields, lifecycle_fields, moment
from django_routehandlers.policies.preconditions import required_methods
from django_routehandlers.policies.security import realm_of
from django_routehandlers.routing.folder_file import FolderFile
from django_routehandlers.routing.loader import load_module
from django_routehandlers.routing.matching import Converter
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.url_patterns import Served, serve


def load_folder(file: FolderFile, found: list[Mistake]) -> FolderModule | None:
    """Return what a ``middleware.py`` says; ``None`` where it cannot be imported. Mistakes are added to *found*."""
    module = load_module(file)
    if isinstance(module, Mistake):
        found.append(module)
        return None
    folder = read_folder(module, file.id)
    found.extend(_mistakes(file, folder.faults))
    return folder


def _mistakes(place: Route | FolderFile, faults: Iterable[Fault]) -> Iterator[Mistake]:
    return (Mistake(place.file, one.line, one.id, place.id, one.what, one.remedy) for one in faults)


_File = tuple[Route | FolderFile, Exports | FolderModule]


def _placed(config: Mapping[str, Any], place: Route | FolderFile) -> Mapping[str, Any]:
    """Return the config of a file, whose limits are counted at the place that names them."""
    if "throttle" not in config:
        return config
    kind = "route" if isinstance(place, Route) else "folder"
    return {**config, "throttle": throttling_of(config["throttle"], place=place.id, kind=kind, app=place.app)}


def serve_route(
    route: Route,
    around: Sequence[tuple[FolderFile, FolderModule]],
    converters: Mapping[str, Converter],
    config: Config,
    said: Mapping[str, Said],
    found: list[Mistake],
) -> Served | None:
    """
    Return a route with the views that answer it; ``None`` where it cannot be served.

    Args:
        around: The ``middleware.py`` of its folders, the outermost first.
        said: What *config* says of what files may say.
        found: What its mistakes are added to.
    """
    if isinstance(module := load_module(route), Mistake):
        found.append(module)
        return None
    exports = read_exports(module)
    files: list[_File] = [(route, exports), *around]
    places = [_placed(one.config, place) for place, one in files]
    handlers, faults = _bind(route, exports, nearest("max_duration", places, config.MAX_DURATION))
    guard, unfit = _guard(route, exports, handlers, nearest("require_precondition", places, False))
    found.extend(_mistakes(route, [*exports.faults, *faults, *unfit]))
    if not handlers:
        return None
    cached, policy, wrong = _cache(route, exports, handlers, config, guard)
    found.extend(_mistakes(route, wrong))
    plans = _plans(handlers, guard)
    layers = [*chain.from_iterable(folder.layers for _, folder in around), *exports.layers]
    if not layers and nearest("security", places, None) is not None:
        found.extend(_unasked(route, plans, handlers))
    fields = _fields(route, places, found)
    around_it: dict[str, Any] = {**_around(plans, places, config), "layers": layers, "fields": fields, "guard": guard}
    views = make_view(handlers, module.__name__, cached, policy, **around_it)
    note_config((views.view, views.on_loop, views.in_thread), who_says([_place(*one) for one in files], said))
    ways: Any = {"on_loop": views.on_loop, "in_thread": views.in_thread, "slash": config.TRAILING_SLASH}
    return serve(route, views.view, exports.name or route.default_name, converters, **ways)


def _place(file: Route | FolderFile, module: Exports | FolderModule) -> Place:
    return Place(file.file, module.config, module.lines)


def _plans(handlers: Mapping[str, BoundHandler], guard: Preconditions | None) -> list[Plan]:
    """Return the plans of all functions that answer a route, or have a say in it."""
    return [*(one.plan for one in handlers.values()), *(() if guard is None else guard.functions.plans)]


def _unasked(route: Route, plans: Sequence[Plan], handlers: Mapping[str, BoundHandler]) -> Iterator[Mistake]:
    if asks_nobody(plans, handlers.values()):
        what = "`security` says how its clients prove who they are, but nothing asks them: everybody is answered."
        remedy = "Guard it with a middleware.py, take `user` or `request`, or write `security = None`."
        yield Mistake(route.file, 0, "W121", route.id, what, remedy)


def _around(plans: Sequence[Plan], places: Sequence[Mapping[str, Any]], config: Config) -> dict[str, Any]:
    """Return what the nearest place says of what is around the functions with these plans."""
    security = nearest("security", places, config.SECURITY)
    realm = realm_of(config.OPENAPI_INFO.get("title", "API"))
    return {
        "csrf": nearest("csrf", places, config.CSRF),
        "cors": nearest("cors", places, config.CORS),
        "throttling": nearest("throttle", places, config.THROTTLE),
        "is_throttled": config.THROTTLE_ENABLED,
        "security": security,
        "challenge": challenge_for(plans, security, realm),
    }


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
