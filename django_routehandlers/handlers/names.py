"""The names that mean something in the files of a ``routes/`` directory, and the lines on which a file binds them."""

import ast
import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from types import ModuleType

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Names that make a function of a route file a handler."""
VALIDATOR_NAMES = ("etag", "last_modified")
"""Functions of a route file that say what a representation is known by."""


def name_meant(name: str, known: Sequence[str]) -> str | None:
    """Return the one of *known* names that *name* is a slip of the keyboard for; ``None`` where it is none."""
    # Names of two thirds the letters are words of their own ("page", "types"); a slip leaves nearly all.
    if close := get_close_matches(name, known, n=1, cutoff=0.85):
        return close[0]
    # Two letters that changed places in a short name; "mean" is a word of its own, and no "name".
    return next((one for one in known if one[0] == name[0] and sorted(one) == sorted(name)), None)


def line_in_module(module: ModuleType, name: str, *, with_imports: bool = False) -> int:
    """Return the line on which the file itself defines *name*; 0 where it imports it, unless that counts too."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return 0
    for node in tree.body:
        if name in _defined_by(node) or (with_imports and name in _imported_by(node)):
            return node.lineno
    return 0


def _defined_by(node: ast.stmt) -> list[str]:
    match node:
        case ast.Assign(targets=targets):
            return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case _:
            return []


def _imported_by(node: ast.stmt) -> list[str]:
    return [one.asname or one.name for one in node.names] if isinstance(node, ast.ImportFrom) else []
