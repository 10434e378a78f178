"""Turn mistakes into messages of Django's system check framework."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.urls import URLPattern, URLResolver, get_resolver

from django_routehandlers.exceptions import Mistake
from django_routehandlers.routing.patterns import RouteResolver
from django_routehandlers.table import current_table

TAG = "routehandlers"
"""``manage.py check --tag routehandlers`` runs these checks alone."""


def check_routes(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report every mistake in settings, folders and route files, and routes that no URLconf includes."""
    table = current_table()
    return [*map(_message, table.mistakes), *(_not_included() if table.served else ())]


def _message(mistake: Mistake) -> CheckMessage:
    kind = Error if mistake.level == "error" else Warning
    where = f"{mistake.location}: {mistake.where}" if mistake.file else mistake.where
    return kind(f"{where}: {mistake.what}", hint=mistake.remedy, id=f"{TAG}.{mistake.id}")


def _not_included() -> Iterator[CheckMessage]:
    try:
        patterns = get_resolver().url_patterns
    except Exception:
        return
    if not any(isinstance(resolver, RouteResolver) for resolver in _resolvers(patterns)):
        yield Warning(
            f"{settings.ROOT_URLCONF}: the project has routes, but no URLconf includes them.",
            hint='Add `path("", include("django_routehandlers.urls"))` to urlpatterns, as the last entry.',
            id=f"{TAG}.W050",
        )


def _resolvers(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[URLResolver]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield pattern
            if not isinstance(pattern, RouteResolver):
                yield from _resolvers(pattern.url_patterns)
