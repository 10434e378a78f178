"""
Turn methods and parameters into the text of a route file.

Pure. The text is as ``ruff format`` leaves it at any line length from 79 on: what is longer is
broken with a trailing comma, which keeps it so.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import SegmentKind
from django_routehandlers.scaffold.errors import CannotStart
from django_routehandlers.scaffold.parameters import Parameter

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Methods that a new file can have, in the order in which they are written."""
BODY = "body"
"""The parameter that takes what a client sends."""
_WITH_BODY = ("POST", "PUT", "PATCH")
_WIDTH = 79
_FEW_TYPES = 3
_LONGEST_WORD = 20
_OTHERS = ("django_routehandlers", "pydantic")
"""What isort puts behind the standard library."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What stands in a new route file."""

    route: Route
    methods: tuple[str, ...]
    """Some of ``METHODS``, in their order."""
    parameters: tuple[Parameter, ...]
    name: str | None = None
    """The URL name that the file gives itself."""
    is_async: bool = True

    @property
    def takers(self) -> tuple[str, ...]:
        """The methods whose handlers take a body."""
        return tuple(method for method in self.methods if method in _WITH_BODY)


def choose_methods(text: str, route: Route) -> tuple[str, ...]:
    """
    Return the methods that *text* lists, separated by commas and in any case of letters.

    Raises:
        CannotStart: It lists none, one that a new file does not have, or one that *route* leaves no parameter for.
    """
    asked = {word.strip().upper() for word in text.split(",")} - {""}
    known = f"Methods: {', '.join(METHODS)}."
    if automatic := asked & {"HEAD", "OPTIONS"}:
        verb = "follows" if len(automatic) == 1 else "follow"
        raise CannotStart(f"--methods: {_listed(sorted(automatic))} {verb} from the other methods. {known}")
    if unknown := asked - set(METHODS):
        raise CannotStart(f"--methods: no route answers {', '.join(sorted(unknown))}. {known}")
    if not asked:
        raise CannotStart(f"--methods: a route answers at least one method. {known}")
    methods = tuple(method for method in METHODS if method in asked)
    takers = [method for method in methods if method in _WITH_BODY]
    if takers and any(segment.text == BODY for segment in route.parameters):
        what = f"{_listed(takers)} would take the body as `{BODY}`, which is the name of a segment."
        raise CannotStart(f"{route.id}: {what} Rename the segment.")
    return methods


def write_source(contents: Contents) -> str:
    """Return the text of the file."""
    wanted = sorted(set(_imports(contents)))
    taken = {parameter.name for parameter in contents.parameters}
    # A parameter would hide an import of its name inside the handler.
    names = {name: _free(name, taken) for _, name in wanted} | {"model": _free(_model(contents.route), taken)}
    head = [_docstring(contents)]
    for is_other in (False, True):
        lines = _import_lines([pair for pair in wanted if (pair[0] in _OTHERS) is is_other], names)
        head.extend(["\n".join(lines)] if lines else [])
    head.extend([f'name = "{contents.name}"'] if contents.name else [])
    blocks = ["\n\n".join(head)]
    if contents.takers:
        verb = "takes" if len(contents.takers) == 1 else "take"
        what = f"What {_listed(contents.takers)} {verb}."
        blocks.append(f'class {names["model"]}({names["BaseModel"]}):\n    """{what}"""\n\n    name: str')
    blocks.extend(_handler(method, contents, names) for method in contents.methods)
    return "\n\n\n".join(blocks) + "\n"


def _imports(contents: Contents) -> Iterator[tuple[str, str]]:
    for parameter in contents.parameters:
        if parameter.type.__module__ != "builtins":
            yield parameter.type.__module__, parameter.type.__name__
    if contents.takers:
        yield "pydantic", "BaseModel"
    if "POST" in contents.methods:
        yield "typing", "Literal"
        yield "django_routehandlers", "JSONResponse"


def _import_lines(wanted: Iterable[tuple[str, str]], names: Mapping[str, str]) -> list[str]:
    together: dict[str, list[str]] = {}
    alone: list[tuple[str, str, str]] = []
    for module, name in wanted:
        if names[name] == name:
            together.setdefault(module, []).append(name)
        else:
            alone.append((module, name, f"{name} as {names[name]}"))
    lines = [*alone, *((module, found[0], ", ".join(found)) for module, found in together.items())]
    return [f"from {module} import {text}" for module, _, text in sorted(lines)]


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _model(route: Route) -> str:
    """Return the name of the body's class: it is what an OpenAPI document calls it."""
    own = route.segments[route.prefixed :]
    static = [segment.text for segment in own if segment.kind is SegmentKind.STATIC]
    words = re.findall(r"[A-Za-z0-9]+", static[-1]) if static else []
    name = "".join(word[:1].upper() + word[1:] for word in words)
    is_name = name.isidentifier() and static[-1].isascii() and len(name) <= _LONGEST_WORD
    return f"{name}Body" if is_name else "Body"


def _docstring(contents: Contents) -> str:
    text = f'"""{_listed(contents.methods)} of {contents.route.id}."""'
    is_plain = text.isascii() and text.isprintable() and text.count('"') == 6 and "\\" not in text
    return text if is_plain and len(text) <= _WIDTH else f'"""{_listed(contents.methods)} of this folder."""'


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _handler(method: str, contents: Contents, names: Mapping[str, str]) -> str:
    kinds = {parameter.name: _annotation(parameter, names) for parameter in contents.parameters}
    parameters = [f"{name}: {kind}" for name, kind in kinds.items()]
    if method in contents.takers:
        parameters.append(f"{BODY}: {names['model']}")
    match method:
        case "GET":
            returns, what, result = _get(contents.parameters, kinds)
        case "POST":
            returns = f"{names['JSONResponse']}[{names['model']}, {names['Literal']}[201]]"
            what, result = "Return the body with status 201.", [f"return {names['JSONResponse']}({BODY}, status=201)"]
        case "DELETE":
            returns, what, result = "None", "Answer 204, with no content.", []
        case _:
            returns, what, result = names["model"], "Return the body.", [f"return {BODY}"]
    start = f"{'async ' if contents.is_async else ''}def {method}("
    signature = _on_lines(start, parameters, f") -> {returns}:", indent="")
    body = "\n".join(f"    {line}" for line in [f'"""{what}"""', *result])
    return f"{signature}\n{body}"


def _get(parameters: Sequence[Parameter], kinds: Mapping[str, str]) -> tuple[str, str, list[str]]:
    if not parameters:
        return "dict[str, str]", "Return a greeting.", ['return {"hello": "world"}']
    # What a converter of the project gives may have no JSON form; every value has a text.
    pairs = [f'"{one.name}": ' + (f'f"{{{one.name}}}"' if one.type is object else one.name) for one in parameters]
    values = dict.fromkeys("str" if one.type is object else kinds[one.name] for one in parameters)
    value = " | ".join(values) if len(values) <= _FEW_TYPES else "object"
    result = _on_lines("return {", pairs, "}", indent="    ")
    return f"dict[str, {value}]", "Return the segments of the URL.", result.split("\n    ")


def _annotation(parameter: Parameter, names: Mapping[str, str]) -> str:
    kind = names.get(parameter.type.__name__, parameter.type.__name__)
    return f"list[{kind}]" if parameter.is_list else kind


def _on_lines(start: str, parts: Sequence[str], end: str, *, indent: str) -> str:
    line = start + ", ".join(parts) + end
    if not parts or len(indent) + len(line) <= _WIDTH:
        return line
    inner = "".join(f"{indent}    {part},\n" for part in parts)
    return f"{start}\n{inner}{indent}{end}"
