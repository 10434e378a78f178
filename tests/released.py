"""
Print `django_routehandlers/engine/released.py` with the releases of Django and asgiref that are installed here added.

    python tests/released.py > new && mv new django_routehandlers/engine/released.py

Run it in an environment of each release, once the differential tests and Django's own tests pass there, and
its middleware, handlers and resolvers have been read: what is in the table is done in a shorter way.
"""

import importlib
import sys
from collections.abc import Mapping

HEAD = '''"""The code of Django and asgiref that the engine was tested with. Written by tests/released.py."""

from collections.abc import Mapping

RELEASED: Mapping[str, tuple[str, ...]] = {
'''


def digests() -> dict[str, str]:
    """Return what the installed releases have: dotted path → digest of its code."""
    from django.utils.deprecation import MiddlewareMixin
    from django.utils.module_loading import import_string

    from django_routehandlers.engine.internals import class_digest, digest, internals
    from django_routehandlers.engine.known_hooks import RULES

    found = {f"{module}.{name}": digest([function]) for module, name, function in internals()}
    found["django.utils.deprecation.MiddlewareMixin"] = class_digest(MiddlewareMixin)
    for path in RULES:
        try:
            found[path] = class_digest(import_string(path))
        except (ImportError, RuntimeError):
            # A later release has it, or its app is not installed.
            continue
    return found


def merged(table: Mapping[str, tuple[str, ...]], found: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return *table* with what was *found*."""
    names = sorted({*table, *found})
    return {name: tuple(sorted({*table.get(name, ()), *filter(None, [found.get(name)])})) for name in names}


def _print_table() -> None:
    import django
    from django.conf import settings

    apps = ("admindocs", "auth", "contenttypes", "flatpages", "messages", "redirects", "sessions", "sites")
    settings.configure(INSTALLED_APPS=[f"django.contrib.{app}" for app in apps], SITE_ID=1)
    django.setup()
    released = importlib.import_module("django_routehandlers.engine.released")
    sys.stdout.write(HEAD)
    for name, values in merged(released.RELEASED, digests()).items():
        one_line = f'    "{name}": ({", ".join(map(_quoted, values))}{"," if len(values) == 1 else ""}),\n'
        if len(one_line) <= 121:
            sys.stdout.write(one_line)
        else:
            lines = "".join(f"        {_quoted(value)},\n" for value in values)
            sys.stdout.write(f'    "{name}": (\n{lines}    ),\n')
    sys.stdout.write("}\n")


def _quoted(value: str) -> str:
    return f'"{value}"'


if __name__ == "__main__":
    _print_table()
