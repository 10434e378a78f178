"""
Tell what needs no pydantic to be written: plain JSON values, and models whose fields are scalars.

pydantic takes several times as long as orjson for the same bytes. Which models are flat is
known at start-up; which of their instances still are what their fields say is asked each time,
since attributes can be set to anything.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import NoneType
from uuid import UUID

from django_routehandlers.responses.core_schemas import Node, parts_of, without_functions
from django_routehandlers.responses.encoding import encode_json

_NATIVE = frozenset(
    ("any", "none", "bool", "int", "float", "str", "decimal", "date", "time", "datetime", "uuid", "enum", "literal")
    + ("nullable", "union", "tagged-union", "list", "tuple", "dict", "typed-dict", "typed-dict-field")
    + ("definitions", "definition-ref")
)
# Whatever else a node says changes how pydantic writes the value.
_CHANGES = (
    "serialization",
    "serialization_alias",
    "serialization_exclude",
    "serialization_exclude_if",
    "serialization",
    "serialization_alias",
    "serialization_exclude",
    "serialization_exclude_if",
    "computed_fields",
)
_TITLES = frozenset({"title", "extra_fields_behavior"})
# encode_json writes these as pydantic does.
_SCALARS: Mapping[str, type] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "none": NoneType,
    "date": date,
    "datetime": datetime,
    "uuid": UUID,
}
_MAX_SHAPES = 1000


def is_native(schema: Node) -> bool:
    """Return whether values of *schema* are JSON, or scalars that ``encode_json`` writes as pydantic does."""
    return (
        schema["type"] in _NATIVE and not changes_writing(schema) and all(is_native(part) for part in parts_of(schema))
    )


def changes_writing(node: Node) -> bool:
    """Return whether *node* itself says anything that changes how pydantic writes the value."""
    return any(node.get(change) for change in _CHANGES) or not _TITLES.issuperset(node.get("config", ()))


def flat_writer(schema: Node) -> Callable[[object], bytes | None] | None:
    """
    Return what writes instances of the model that *schema* is, ``None`` where it is no flat one.

    What is returned answers ``None`` for all that is not such an instance, or not any more.
    """
    model = without_functions(schema)
    if model["type"] != "model" or model.get("root_model") or changes_writing(model):
        return None
    if model.get("config", {}).get("extra_fields_behavior") == "allow":
        return None
    fields = without_functions(model["schema"])
    if fields["type"] != "model-fields" or changes_writing(fields):
        return None
    kinds: list[frozenset[type]] = []
    for field in fields["fields"].values():
        found = None if changes_writing(field) else _kinds(field["schema"])
        if found is None:
            return None
        kinds.append(found)
    return _writer(model["cls"], tuple(fields["fields"]), kinds)


def _kinds(schema: Node) -> frozenset[type] | None:
    """Return the types of the values of a field, ``None`` where some are no scalars."""
    node = without_functions(schema)
    if changes_writing(node):
        return None
    match node["type"]:
        case "default":
            return _kinds(node["schema"])
        case "nullable":
            inner = _kinds(node["schema"])
            return None if inner is None else inner | {NoneType}
        case kind:
            return frozenset({_SCALARS[kind]}) if kind in _SCALARS else None


def _writer(cls: type, names: tuple[str, ...], kinds: list[frozenset[type]]) -> Callable[[object], bytes | None]:
    # An instance has one of few shapes, so that all its fields are judged in one look.
    shapes: set[tuple[type, ...]] = set()

    def write(value: object) -> bytes | None:
        if type(value) is not cls:
            return None
        members = vars(value)
        shape = (*map(type, members.values()),)
        if shape not in shapes:
            if len(shape) != len(kinds) or not all(one in known for one, known in zip(shape, kinds, strict=True)):
                return None
            if len(shapes) < _MAX_SHAPES:
                shapes.add(shape)
        # A cached property, or an attribute that was deleted and set again.
        return encode_json(members) if (*members,) == names else None

    return write
