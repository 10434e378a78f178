"""Turn the types of a return annotation into what encodes and documents them, or say why they cannot be."""

from collections.abc import Mapping, Sequence
from typing import Any, Union, cast, get_args, get_origin

from django.db.models import Manager, Model, QuerySet
from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
from pydantic_core import SchemaError

from django_routehandlers.handlers.adapters import first_line, refusal
from django_routehandlers.handlers.sharing import shared

NOTHING = (Any, object)
"""Annotations that say nothing."""


class NoAdapter(Exception):
    """
    A type that has no JSON form as far as pydantic knows.

    Args:
        what: What is wrong, without a subject.
        remedy: What to write instead.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


class Unevaluated(Exception):
    """An annotation names what is not there when the routes are read."""


def adapter_of(types: list[Any]) -> TypeAdapter[Any] | None:
    """
    Return what encodes values of any of *types*; ``None`` where one of them says nothing.

    Raises:
        NoAdapter: There is no JSON form of one of them.
        Unevaluated: A field of one of them names what is not there.
    """
    if not types or any(one in NOTHING for one in types):
        return None
    return shared("returned", tuple(types), lambda: _complete(types))


def _complete(types: list[Any]) -> TypeAdapter[Any]:
    for one in types:
        _refuse_database(one)
    try:
        adapter = TypeAdapter[Any](union(types))
        if not adapter.pydantic_complete:
            adapter.rebuild(raise_errors=True)
        # Documents need it too, and would fail later.
        adapter.json_schema(mode="serialization", by_alias=True)
    except (PydanticUndefinedAnnotation, NameError) as error:
        raise Unevaluated(first_line(error)) from error
    except (PydanticUserError, SchemaError, TypeError) as error:
        what = f"pydantic knows no JSON form of the return annotation: {refusal(error)}."
        remedy = "Return a pydantic model, a dataclass, a TypedDict, a list or dict of them, or an HttpResponse."
        raise NoAdapter(what, remedy) from error
    return adapter


def union(types: Sequence[Any]) -> Any:
    """Return the union of *types*."""
    return cast("Any", Union)[tuple(types)]


def _refuse_database(annotation: Any) -> None:
    kind = get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, Model):
        what = f"the return annotation names {kind.__qualname__}, a Django model, which does not say what may be shown."
        remedy = (
            "Write a pydantic model of the fields to show, with "
            'model_config = {"from_attributes": True}, and annotate that.'
        )
        raise NoAdapter(what, remedy)
    if isinstance(kind, type) and issubclass(kind, QuerySet | Manager):
        what = f"the return annotation names a {kind.__qualname__}, which is a question to the database."
        remedy = (
            'Annotate a list of a pydantic model of the fields to show, with model_config = {"from_attributes": True}.'
        )
        raise NoAdapter(what, remedy)
    for one in get_args(annotation):
        if not isinstance(one, str | int | Mapping):
            _refuse_database(one)
