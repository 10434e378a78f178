"""
Read and rewrite pydantic's core schemas: what a type is made of, and what judges its values as they are.

Sources: ``pydantic_core.core_schema``, and ``TypeAdapter.core_schema``, which is public.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

from django.utils.functional import Promise
from pydantic_core import PydanticCustomError, core_schema

Node = Mapping[str, Any]
"""One node of a core schema."""

_PARTS = (
    "schema",
    "items_schema",
    "keys_schema",
    "values_schema",
    "extras_schema",
    "choices",
    "fields",
    "definitions",
)
_MANY = frozenset(("list", "tuple", "set", "frozenset", "json-or-python"))
# Where a node has its values: in the same place, in an array, or in an object.
_PLACES = {"nullable": "", "default": "", "union": "", "list": "[]", "tuple": "[]", "set": "[]", "dict": "{}"}

SEVERAL_MODELS = "several_models"
"""The type of the error for an object that ``as_read()`` refuses to guess the model of."""


def hide_private(schema: Node) -> dict[str, Any]:
    """Return *schema*, which no longer writes what dataclasses of the standard library call private."""

    def visit(node: Node) -> dict[str, Any]:
        node = _map_parts(node, visit)
        if node["type"] == "dataclass-field" and node["name"].startswith("_"):
            node["serialization_exclude"] = True
        return node

    return visit(schema)


def has_private(schema: Node) -> bool:
    """Return whether a dataclass in *schema* has a field that begins with an underscore."""
    return any(node["type"] == "dataclass-field" and node["name"].startswith("_") for node in _walk(schema))


def may_write_constants(schema: Node) -> bool:
    """Return whether pydantic may write ``NaN`` or ``Infinity``: configured so, here or in what may be anything."""
    return any(
        node["type"] in ("any", "function-plain", "is-instance")
        or node.get("config", {}).get("ser_json_inf_nan") == "constants"
        or "serialization" in node
        for node in _walk(schema)
    )


def reads_many(schema: Node) -> bool:
    """Return whether a model in *schema* reads attributes, and some field may be more than one value."""
    nodes = list(_walk(schema))
    return any(node["type"] == "model" and node.get("config", {}).get("from_attributes") for node in nodes) and any(
        part["type"] in _MANY for node in nodes if node["type"] == "model-field" for part in _walk(node)
    )


def as_read(schema: Node) -> dict[str, Any]:
    """
    Return a schema that makes instances of the models in *schema*, and does nothing to those that there are.

    Where several models of a union read attributes, objects are refused: which model is meant
    would follow from what is loaded. Models in fields of models are left as pydantic reads them.
    """
    definitions = {node["ref"]: node for node in _walk(schema) if "ref" in node}

    def visit(node: Node) -> dict[str, Any]:
        if node["type"] in ("model", "dataclass"):
            # pydantic takes the validator that most classes have, whatever is written here.
            return dict(node)
        if node["type"] == "union":
            node = _guarded(node, definitions)
        return _skipping_instances(_map_parts(node, visit))

    return visit(schema)


def is_read_otherwise(schema: Node) -> bool:
    """Return whether ``as_read()`` may be another schema."""
    return any(node["type"] in ("union", "function-after", "function-wrap") for node in _walk(schema))


def _skipping_instances(node: dict[str, Any]) -> dict[str, Any]:
    """Return *node*, whose function does not run on instances if it is a validator of their model."""
    if node["type"] not in ("function-after", "function-wrap"):
        return node
    model = without_functions(node)
    decorators = getattr(model.get("cls"), "__pydantic_decorators__", None)
    own = [] if decorators is None else [one.func for one in decorators.model_validators.values()]
    validate = node["function"]["function"]
    revalidates = model.get("config", {}).get("revalidate_instances", "never") != "never"
    if revalidates or validate not in own:
        return node
    is_after, has_info = node["type"] == "function-after", node["function"]["type"] == "with-info"

    def read(value: object, handler: Callable[[object], object], info: object) -> object:
        if isinstance(value, model["cls"]):
            return handler(value)
        given = (handler(value),) if is_after else (value, handler)
        return validate(*given, info) if has_info else validate(*given)

    return {**node, "type": "function-wrap", "function": {"type": "with-info", "function": read}}


def _guarded(union: Node, definitions: Mapping[str, Node]) -> dict[str, Any]:
    """Return *union*, whose models take no objects where there are several that could."""
    found: dict[str, set[type]] = {}

    def collect(node: Node, cls: type, place: str) -> dict[str, Any]:
        found.setdefault(place, set()).add(cls)
        return dict(node)

    def guard(node: Node, cls: type, place: str) -> dict[str, Any]:
        function = {"type": "no-info", "function": _refusing_objects(cls)}
        guarded = {"type": "function-wrap", "function": function, "schema": node}
        return guarded if len(found[place]) > 1 else dict(node)

    _map_readers(union, collect, definitions)
    return _map_readers(union, guard, definitions)


def _map_readers(
    node: Node, change: Callable[[Node, type, str], dict[str, Any]], definitions: Mapping[str, Node], place: str = ""
) -> dict[str, Any]:
    model = without_functions(node)
    if model["type"] == "definition-ref":
        model = without_functions(definitions.get(model["schema_ref"], model))
    if model["type"] == "model" and model.get("config", {}).get("from_attributes"):
        return change(node, model["cls"], place)
    inner = "" if node["type"].startswith("function-") else _PLACES.get(node["type"])
    if inner is None:
        return dict(node)
    return _map_parts(node, lambda part: _map_readers(part, change, definitions, place + inner))


def _refusing_objects(cls: type) -> Callable[[object, Callable[[object], object]], object]:
    def read(value: object, handler: Callable[[object], object]) -> object:
        # pydantic reads no attributes of what is built in.
        if isinstance(value, cls | dict) or type(value).__module__ == "builtins":
            return handler(value)
        what = "it fits several models of the union: return an instance of one of them"
        raise PydanticCustomError(SEVERAL_MODELS, what)

    return read


def as_is(schema: Node) -> dict[str, Any]:
    """
    Return a schema that judges a value by itself: its types, fields and constraints.

    Instances are looked into, also those that pydantic takes on trust. Nothing is built, and
    no validator of the project runs, since it has run before and need not bear a second time.
    """
    node = _judged(schema)
    return {**node, "ref": schema["ref"]} if "ref" in schema else node


def _judged(schema: Node) -> dict[str, Any]:
    match schema["type"]:
        case "model" | "dataclass":
            return _instance(schema)
        case "typed-dict":
            return _typed_dict(schema)
        case "str" | "float":
            bare = cast("core_schema.CoreSchema", _without(schema, "serialization", "ref"))
            sent = _without_lazy if schema["type"] == "str" else _without_decimal
            return cast("dict[str, Any]", core_schema.no_info_before_validator_function(sent, bare))
        # The text of "json" was parsed on the way in, and its value is what is sent.
        case "default" | "custom-error" | "function-before" | "json":
            return as_is(schema.get("schema", {"type": "any"}))
        case "function-after" | "function-wrap" if schema["schema"]["type"] in ("model", "dataclass"):
            return as_is(schema["schema"])
        case "lax-or-strict":
            return as_is(schema["strict_schema"])
        case "json-or-python":
            return as_is(schema["python_schema"])
        case "tagged-union":
            return {"type": "union", "choices": [as_is(one) for one in parts_of(schema)]}
        # What comes out of a function is of a type that only the function knows.
        case "function-after" | "function-wrap" | "function-plain" | "chain" | "generator" | "call":
            return {"type": "any"}
        case _:
            return _without(_map_parts(schema, as_is), "serialization")


def _instance(schema: Node) -> dict[str, Any]:
    fields = schema["schema"]
    while fields["type"].startswith("function-"):
        fields = fields.get("schema", {"type": "any"})
    if schema.get("root_model"):
        members = {"root": as_is(fields)}
    elif fields["type"] == "dataclass-args":
        members = {one["name"]: as_is(one["schema"]) for one in fields["fields"] if not one.get("init_only")}
    else:
        members = {name: as_is(one["schema"]) for name, one in fields.get("fields", {}).items()}
    judged = {
        "type": "model-fields",
        "from_attributes": True,
        "extra_behavior": "ignore",
        "fields": {name: {"type": "model-field", "schema": member} for name, member in members.items()},
    }
    return {"type": "chain", "steps": [{"type": "is-instance", "cls": schema["cls"]}, judged]}


def _typed_dict(schema: Node) -> dict[str, Any]:
    fields = {
        name: {"type": "typed-dict-field", "schema": as_is(one["schema"]), "required": one.get("required", True)}
        for name, one in schema["fields"].items()
    }
    # A name that the type does not have is a slip, and may be one that nobody should see.
    extra = schema.get("extra_behavior", "forbid")
    return {"type": "typed-dict", "fields": fields, "extra_behavior": "allow" if extra == "allow" else "forbid"}


def _without_lazy(value: object) -> object:
    # Django's lazy strings are sent as what they become.
    return str(value) if isinstance(value, Promise) else value


def _without_decimal(value: object) -> object:
    # pydantic takes a Decimal for a float, but it is sent as a string.
    return str(value) if isinstance(value, Decimal) else value


def without_functions(node: Node) -> Node:
    """Return what the validating functions around *node* validate."""
    while node["type"].startswith("function-") and "schema" in node:
        node = node["schema"]
    return node


def _without(node: Node, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in keys}


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for part in parts_of(node):
        yield from _walk(part)


def parts_of(node: Node) -> Iterator[Node]:
    """Yield the nodes that *node* is made of."""
    for key in _PARTS:
        yield from _nodes(node.get(key))


def _nodes(part: Any) -> Iterator[Node]:
    if isinstance(part, dict):
        found = cast("dict[str, Any]", part)
        if isinstance(found.get("type"), str):
            yield found
        else:
            yield from (node for one in found.values() for node in _nodes(one))
    elif isinstance(part, list | tuple):
        yield from (node for one in cast("list[Any]", part) for node in _nodes(one))


def _map_parts(node: Node, change: Callable[[Node], dict[str, Any]]) -> dict[str, Any]:
    return {key: _map_nodes(value, change) if key in _PARTS else value for key, value in node.items()}


def _map_nodes(part: Any, change: Callable[[Node], dict[str, Any]]) -> Any:
    if isinstance(part, dict):
        found = cast("dict[str, Any]", part)
        if isinstance(found.get("type"), str):
            return change(found)
        return {key: _map_nodes(one, change) for key, one in found.items()}
    if isinstance(part, list | tuple):
        return [_map_nodes(one, change) for one in cast("list[Any]", part)]
    return part
