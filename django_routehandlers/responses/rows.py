"""
Turn what Django's ORM hands out into what pydantic reads: QuerySets into lists, related managers too.

Never asks the database from async code.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from django.db.models import Manager, Model, QuerySet

from django_routehandlers.responses.jsonable import JSONEncodeError


def evaluated(value: object) -> object:
    """
    Return the rows of a QuerySet as a list, and any other value as it is.

    Raises:
        JSONEncodeError: This is async code, which must not ask the database.
    """
    if not isinstance(value, QuerySet | Manager):
        return value
    if _is_async():
        raise JSONEncodeError(
            "A QuerySet asks the database when it is read, which async code must not do. "
            "Use [row async for row in queryset], or make the handler a def."
        )
    return list(cast("QuerySet[Any] | Manager[Any]", value).all())


def readable(value: object) -> object:
    """Return *value* with its model instances as what reads like them, but has lists for related managers."""
    match value:
        case Model():
            return Row(value)
        case QuerySet() | Manager():
            rows = cast("QuerySet[Any] | Manager[Any]", value)
            # Rows that were prefetched are there; for others Django refuses to ask from async code.
            return [readable(row) for row in rows.all()]
        case list() | tuple():
            return [readable(one) for one in cast("Sequence[object]", value)]
        case dict():
            return {key: readable(one) for key, one in cast("dict[object, object]", value).items()}
        case _:
            return value


class Row:
    """A model instance whose attributes are ``readable()``."""

    __slots__ = ("_instance",)

    def __init__(self, instance: Model) -> None:
        self._instance = instance

    def __getattr__(self, name: str) -> object:
        return readable(getattr(self._instance, name))


def _is_async() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
