"""
Turn the table of routes into the OpenAPI document of the project.

The same project gives the same bytes: paths and components are sorted, and nothing depends on
the order in which apps or files were found, on the language in force or on the request.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from django.conf import settings
from django.utils import translation

from django_routehandlers.conf import Config
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.exports import is_documented
from django_routehandlers.handlers.names import METHODS
from django_routehandlers.handlers.view_facts import (
    csrf_rule_of,
    handlers_of,
    is_deprecated,
    middleware_of,
    preconditions_of,
    security_of,
    throttling_of_view,
)
from django_routehandlers.listing.mounts import Mount
from django_routehandlers.openapi import answers, parameters
from django_routehandlers.openapi.operations import natural_id, operation_of, tag_of
from django_routehandlers.openapi.schemas import Schemas
from django_routehandlers.openapi.security import Asking, Schemes, asking_of
from django_routehandlers.openapi.templates import Template, templates_of
from django_routehandlers.routing.loader import module_name
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.routing.url_patterns import Served

VERSION = "3.1.1"
"""The version of the OpenAPI Specification that documents keep to."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One operation, before the document knows its id and its schemas."""

    template: Template
    method: str
    handler: BoundHandler
    served: Served


def build_document(table: RouteTable, mounts: Iterable[Mount], config: Config) -> Document:
    """
    Return the document of the routes at each place that includes them.

    Args:
        table: The project's routes, without errors.
    """
    # Docstrings, labels and prefixes of the URLconf may be translated.
    with translation.override(settings.LANGUAGE_CODE):
        entries = sorted(_entries(table, mounts), key=lambda one: (one.template.path, METHODS.index(one.method)))
        schemas = Schemas(pair for entry in entries for pair in _wanted(entry.handler))
        ids = unique_ids([(entry.method, entry.template.path) for entry in entries])
        schemes = Schemes(map(_asking, entries))
        paths: dict[str, dict[str, Any]] = {}
        for entry, operation_id in zip(entries, ids, strict=True):
            paths.setdefault(entry.template.path, {})[entry.method.lower()] = operation_of(
                entry.handler,
                entry.method,
                entry.served.route,
                entry.template,
                schemas,
                schemes,
                operation_id=operation_id,
                around=_around(entry),
                is_deprecated=is_deprecated(entry.served.view),
                preconditions=preconditions_of(entry.served.view),
            )
        tags = sorted({tag_of(entry.served.route) for entry in entries})
        components: dict[str, Any] = {"schemas": schemas.used_by(paths)}
        if found := schemes.as_dict():
            components["securitySchemes"] = found
        return {
            "openapi": VERSION,
            "info": {"title": "API", "version": "0.0.0", **config.OPENAPI_INFO},
            "tags": [{"name": tag} for tag in tags],
            "paths": paths,
            "components": components,
        }


def unique_ids(operations: Iterable[tuple[str, str]]) -> list[str]:
    """
    Return an operation id for each method and path, unique and in the same order.

    Of several that would have one id (``/a-b`` and ``/a_b``) the first keeps it; the others get
    the next free number.
    """
    natural = [natural_id(method, path) for method, path in operations]
    taken = set(natural)
    ids: list[str] = []
    kept: set[str] = set()
    for wanted in natural:
        name, number = wanted, 2
        while name in kept or (name != wanted and name in taken):
            name, number = f"{wanted}_{number}", number + 1
        kept.add(name)
        ids.append(name)
    return ids


def _entries(table: RouteTable, mounts: Iterable[Mount]) -> Iterator[_Entry]:
    seen: set[tuple[str, str]] = set()
    # Of two places with one prefix the second answers nothing.
    for mount in {mount.prefix: mount for mount in reversed(tuple(mounts))}.values():
        for served in table.served:
            module = _module(served)
            if module is not None and not is_documented(module):
                continue
            handlers = handlers_of(served.view)
            for template in templates_of(served, mount):
                # [id=int] beside [id] are two routes, and one template but for the name of its parameter.
                while template.parameters and any((template.path, method) in seen for method in handlers):
                    template = template.renamed()
                for method, handler in handlers.items():
                    seen.add((template.path, method))
                    yield _Entry(template, method, handler, served)


def _wanted(handler: BoundHandler) -> Iterator[Any]:
    yield from parameters.wanted_by(handler.plan)
    yield from answers.wanted_by(handler.returns)


def _module(served: Served) -> ModuleType | None:
    return sys.modules.get(module_name(served.route))


def _asking(entry: _Entry) -> Asking:
    view = entry.served.view
    return asking_of(entry.handler, entry.method, security_of(view), preconditions_of(view))


def _around(entry: _Entry) -> answers.Around:
    view = entry.served.view
    limits = () if (throttling := throttling_of_view(view)) is None else throttling.limits
    is_throttled = any(limit.counts(entry.method) for limit in limits)
    return answers.Around(_asking(entry), csrf_rule_of(view), bool(middleware_of(view)), is_throttled)
