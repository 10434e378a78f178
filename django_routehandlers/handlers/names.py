"""The names that mean something in the files of a ``routes/`` directory, and the lines on which a file binds them."""

import ast
import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cached_property
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


class BindingLines:
    """
    The lines on which a file itself binds names.

    The file is read once, and only where it has one of the names that are asked for: of a project with
    many routes nearly none has.
    """

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def line_of(self, name: str, *, with_imports: bool = False) -> int:
        """Return the line on which the file defines *name*; 0 where it imports it, unless that counts too."""
        if not self._may_bind(name):
            return 0
        defined, imported = self._lines
        lines = [defined.get(name, 0), imported.get(name, 0) if with_imports else 0]
        return min(filter(None, lines), default=0)

    def _may_bind(self, name: str) -> bool:
        names = vars(self.module)
        # An annotation alone (`throttle: str`) binds nothing, and still speaks of the name. Python 3.14 keeps a
        # function in the place of the dictionary.
        return name in names or bool(names.get("__annotations__")) or names.get("__annotate__") is not None

    @cached_property
    def _lines(self) -> tuple[dict[str, int], dict[str, int]]:
        defined: dict[str, int] = {}
        imported: dict[str, int] = {}
        try:
            tree = ast.parse(inspect.getsource(self.module))
        except (OSError, TypeError, SyntaxError):
            return defined, imported
        for node in tree.body:
            for name in _defined_by(node):
                defined.setdefault(name, node.lineno)
            for name in _imported_by(node):
                imported.setdefault(name, node.lineno)
        return defined, imported


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
