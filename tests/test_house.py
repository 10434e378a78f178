"""The house keeps its rules: short modules, short functions, no module without a subject, no import of the root."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "django_routehandlers"
MODULES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in (PACKAGE, ROOT / "testproject", ROOT / "tests")
    for path in sorted(folder.rglob("*.py"))
    if "samples" not in path.relative_to(ROOT).parts
}
OURS = {name: text for name, text in MODULES.items() if name.startswith("django_routehandlers/")}


def test_modules_have_fewer_than_300_lines() -> None:
    lengths = {name: text.count("\n") for name, text in MODULES.items() if not name.startswith("tests/")}
    assert {name: length for name, length in lengths.items() if length >= 300} == {}


def test_functions_have_fewer_than_40_lines() -> None:
    assert {
        f"{name}:{node.lineno} {node.name}": length
        for name, text in MODULES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) >= 40
    } == {}


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert [name for name in OURS if Path(name).name in drawers] == []


@pytest.mark.parametrize("name", OURS)
def test_module_says_what_it_turns_into_what(name: str) -> None:
    # The __init__.py of a room may be empty.
    assert not OURS[name].strip() or ast.get_docstring(ast.parse(OURS[name]))


@pytest.mark.parametrize("name", OURS)
def test_module_does_not_import_the_package_root(name: str) -> None:
    assert [line for line, module in imports(OURS[name]) if module == "django_routehandlers"] == []


@pytest.mark.parametrize("name", OURS)
def test_module_holds_no_state_that_changes(name: str) -> None:
    assert list(mutable_state(OURS[name])) == []


def test_state_that_changes_is_told_from_tables() -> None:
    text = "cache = {}\nSEEN = []\nA, B = set(), 1\n_hooks: list[int] = [1]\n_TABLE = {1: 2}\nPATTERN = compile('a')\n"
    assert list(mutable_state(text)) == ["cache = {}", "SEEN = []", "A, B = (set(), 1)", "_hooks: list[int] = [1]"]


def imports(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of each module that is imported, relative ones as ``.``."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module if node.module and not node.level else "."


def mutable_state(text: str) -> Iterator[str]:
    """
    Yield the statements that bind a list, a dict or a set to a name of the module.

    A filled one under a name in capitals is a table, as ``__all__`` and Django's ``urlpatterns`` are.
    """
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            table = all(name.isupper() or name == "urlpatterns" or name.startswith("__") for name in names)
            if is_mutable(node.value) and not (table and is_filled(node.value)):
                yield ast.unparse(node)


def is_mutable(node: ast.expr) -> bool:
    """Return whether an expression makes a list, a dict or a set."""
    makers = {"list", "dict", "set", "defaultdict", "deque", "OrderedDict", "Counter", "WeakKeyDictionary"}
    if isinstance(node, ast.Tuple):
        return any(is_mutable(part) for part in node.elts)
    if isinstance(node, ast.Call):
        function = node.func
        return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) in makers
    return isinstance(node, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def is_filled(node: ast.expr) -> bool:
    """Return whether an expression that makes a container puts something into it."""
    match node:
        case ast.List(elts=parts) | ast.Set(elts=parts) | ast.Dict(values=parts) | ast.Call(args=parts):
            return bool(parts)
        case _:
            return not isinstance(node, ast.Tuple)
