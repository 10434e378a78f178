"""
Turn the models and the settings of the project into what is known of its tables.

Names are those that statements give: casefolded, without quotes and schema.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.apps import apps
from django.conf import settings
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.signals import setting_changed
from django.db.models import Model
from django.db.models.fields.related import ForeignKey
from django.utils.module_loading import import_string

_BETWEEN_QUOTES = re.compile(r'["`\]]\.["`\[]')


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of the project's models."""

    tables: frozenset[str] = frozenset()
    """All of them, those of many-to-many relations among them."""
    cascades: Mapping[str, frozenset[str]] | None = None
    """
    Table → tables whose rows the database itself deletes or changes with those of the former,
    however far away. Source: ``DB_CASCADE``, ``DB_SET_NULL`` and ``DB_SET_DEFAULT``, Django 6.1.
    """

    def written_with(self, tables: frozenset[str]) -> frozenset[str]:
        """Return *tables*, and those that the database changes with them."""
        if not self.cascades:
            return tables
        return tables.union(*(self.cascades[table] for table in tables if table in self.cascades))


class _Schemas:
    """The schema of the models that there are; a model may be defined at any time."""

    def __init__(self) -> None:
        self._known: tuple[object, Schema] = (None, Schema())

    def current(self) -> Schema:
        if not apps.models_ready:
            return Schema()
        # Django keeps this list until there is another model.
        models: Sequence[type[Model]] = apps.get_models(include_auto_created=True)
        known, schema = self._known
        if known is not models:
            schema = read_schema(models)
            self._known = models, schema
        return schema


@lru_cache(maxsize=1)
def _schemas() -> _Schemas:
    return _Schemas()


def current_schema() -> Schema:
    """Return what is known of the tables of the installed apps; nothing before their models are loaded."""
    return _schemas().current()


@lru_cache(maxsize=1)
def cache_tables() -> frozenset[str]:
    """
    Return the tables of Django's database caches.

    What they hold is no data of the project, and the route cache may be kept in one of them.
    """
    found: set[str] = set()
    for cache in settings.CACHES.values():
        try:
            backend: object = import_string(cache["BACKEND"])
        except (ImportError, KeyError):
            continue
        if isinstance(backend, type) and issubclass(backend, BaseDatabaseCache):
            found.add(table_name(str(cache.get("LOCATION", ""))))
    return frozenset(found)


def read_schema(models: Iterable[type[Model]]) -> Schema:
    """Return what *models* say of their tables."""
    tables: set[str] = set()
    deleted: dict[str, set[str]] = {}
    changed: dict[str, set[str]] = {}
    for model in models:
        table = table_name(model._meta.db_table)
        tables.add(table)
        for field in model._meta.local_fields:
            if isinstance(field, ForeignKey):
                # A name, not the function: Django 5.2 and 6.0 have none of them.
                action = str(getattr(field.remote_field.on_delete, "__name__", ""))
                if action.startswith("DB_"):
                    target = table_name(field.remote_field.model._meta.db_table)
                    changed.setdefault(target, set()).add(table)
                    if action == "DB_CASCADE":
                        deleted.setdefault(target, set()).add(table)
    cascades = {table: _follow(table, deleted, changed) for table in changed}
    return Schema(frozenset(tables), cascades)


def tables_of(depends_on: Iterable[type[Model] | str]) -> tuple[str, ...]:
    """
    Return the tables that a project names: by a model, its label (``"shop.Product"``) or the table itself.

    Raises:
        LookupError: A label has the form of one of an installed app, which has no such model.
    """
    found: list[str] = []
    for one in depends_on:
        if not isinstance(one, str):
            found.append(table_name(one._meta.db_table))
        elif one.partition(".")[0] in apps.app_configs and one.count(".") == 1:
            found.append(table_name(apps.get_model(one)._meta.db_table))
        else:
            found.append(table_name(one.rpartition(".")[2]))
    return tuple(found)


def table_name(db_table: str) -> str:
    """Return the name of a model's table as statements give it."""
    return _BETWEEN_QUOTES.split(db_table)[-1].strip('"`[]').casefold()


def _follow(table: str, deleted: Mapping[str, set[str]], changed: Mapping[str, set[str]]) -> frozenset[str]:
    """Return what changes with *table*: rows that are deleted take others with them, rows that are changed do not."""
    found: set[str] = set()
    seen = {table}
    waiting = [table]
    while waiting:
        origin = waiting.pop()
        found |= changed.get(origin, set())
        new = deleted.get(origin, set()) - seen
        seen |= new
        waiting.extend(new)
    return frozenset(found)


def _forget_cache_tables(*, setting: str, **kwargs: object) -> None:
    if setting == "CACHES":
        cache_tables.cache_clear()


setting_changed.connect(_forget_cache_tables, dispatch_uid="django_routehandlers.caching.schema")
