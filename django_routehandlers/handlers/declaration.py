"""
A parameter as its author declared it: annotation, default, and the markers of ``Annotated``.

What is said in a place where it has no effect is a mistake, never a surprise of a request.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from django_routehandlers.handlers.markers import Cookie, Form, Header
from django_routehandlers.handlers.text_values import bare_type, type_text, unaliased

Marker = Header | Cookie | Form


class Unfillable(Exception):
    """A parameter that nothing can fill."""

    def __init__(self, id: str, what: str, remedy: str) -> None:
        super().__init__(what)
        self.id, self.what, self.remedy = id, what, remedy


@dataclass(frozen=True, slots=True)
class Declaration:
    """One parameter, aliases of its annotation looked into."""

    name: str
    annotation: Any
    default: Any
    """``Parameter.empty`` for none."""


def check_default(one: Declaration) -> None:
    """
    Refuse what stands as a default, or holds one, without any effect.

    Raises:
        Unfillable: ``Header()`` or ``Field()`` is the default; or ``Field()`` has a default of its own.
    """
    if isinstance(one.default, FieldInfo | Header | Cookie | Form) or one.default in (Header, Cookie, Form):
        kind: type = one.default if isinstance(one.default, type) else type(one.default)
        name = kind.__name__.removesuffix("Info")
        what = f"the default of {one.name!r} is {name}, which belongs into its annotation."
        raise Unfillable("E049", what, f"Write `{one.name}: Annotated[{shown(one.annotation)}, {name}(…)]`.")
    for item in get_args(one.annotation)[1:] if get_origin(one.annotation) is Annotated else ():
        if isinstance(item, FieldInfo) and not item.is_required():
            what = f"Field() of {one.name!r} holds a default, which has no effect there."
            remedy = f"Write the default behind the annotation: `{one.name}: Annotated[…] = …`."
            raise Unfillable("E049", what, remedy)


def marker_of(one: Declaration) -> Marker | None:
    """
    Return the marker of the outermost ``Annotated``.

    Raises:
        Unfillable: There are several, or one that is not called.
    """
    if get_origin(one.annotation) is not Annotated:
        return None
    metadata = get_args(one.annotation)[1:]
    found = [item for item in metadata if isinstance(item, Header | Cookie | Form)]
    for item in metadata:
        if item in (Header, Cookie, Form):
            what = f"{item.__name__} of {one.name!r} is not called."
            raise Unfillable("E049", what, f"Write `{item.__name__}()`.")
    if len(found) > 1:
        names = " and ".join(f"{type(item).__name__}()" for item in found)
        raise Unfillable("E049", f"{one.name!r} has {names}. A parameter has one place.", "Remove one of them.")
    return found[0] if found else None


def check_depth(one: Declaration) -> None:
    """
    Refuse a marker anywhere but in the outermost ``Annotated``, where it would be overlooked.

    Raises:
        Unfillable: There is one.
    """
    inside = [item for part in get_args(bare_type(one.annotation)) for item in _markers(part)]
    if any(isinstance(item, Header | Cookie | Form) for item in inside):
        what = f"the annotation of {one.name!r} has Header(), Cookie() or Form() inside, where it says nothing."
        remedy = "Write `Annotated[… | None, Header()]`: the marker belongs to the whole annotation."
        raise Unfillable("E049", what, remedy)


def _markers(annotation: Any) -> Iterable[Any]:
    annotation = unaliased(annotation)
    if get_origin(annotation) is Annotated:
        yield from get_args(annotation)[1:]
    for part in get_args(bare_type(annotation)):
        yield from _markers(part)


def alias_of(one: Declaration) -> str:
    """Return the name on the wire: ``Field(alias=…)`` in the annotation gives another than the parameter's."""
    if get_origin(one.annotation) is Annotated:
        for item in get_args(one.annotation)[1:]:
            if isinstance(item, FieldInfo):
                alias = item.validation_alias if isinstance(item.validation_alias, str) else item.alias
                if alias:
                    return alias
    return one.name


def shown(annotation: Any) -> str:
    """Return the annotation for a message."""
    return "str" if annotation is Parameter.empty else type_text(annotation)
