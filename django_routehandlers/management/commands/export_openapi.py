"""``manage.py export_openapi``: write the OpenAPI document of the project, or compare it with a file."""

import difflib
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import get_resolver

from django_routehandlers.conf import get_config
from django_routehandlers.exceptions import RoutesError
from django_routehandlers.listing.mounts import NOWHERE, find_mounts
from django_routehandlers.listing.text import printable
from django_routehandlers.openapi.document import build_document
from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.table import current_table

MAX_DIFFERENCE = 60
"""Lines of a difference that ``--check`` prints."""
_YAML_ENDINGS = (".yaml", ".yml")


class Command(BaseCommand):
    """Writes the OpenAPI document; see ``help``."""

    help = "Prints the OpenAPI 3.1 document of the project's routes, or compares it with a file."
    # The mistakes of the routes are printed by the command itself; those of other apps change no document.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add where the document goes, and in which form."""
        parser.add_argument(
            "--format",
            choices=("json", "yaml"),
            help="Default: as the name of the file of --output ends, else json. yaml needs PyYAML.",
        )
        parser.add_argument(
            "--indent",
            type=int,
            default=2,
            metavar="N",
            help="Spaces for each level; 0 for one line of JSON. Default: 2.",
        )
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--output", metavar="FILE", help="Write this file. Default: standard output.")
        where.add_argument(
            "--check",
            metavar="FILE",
            help="Compare with this file, JSON or YAML. Exits with 1, and prints the difference, where they differ.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print, write or compare the document."""
        if not 0 <= options["indent"] <= 9:
            raise CommandError("--indent is a number from 0 to 9.")
        output: str | None = options["output"]
        form = options["format"] or ("yaml" if (output or "").endswith(_YAML_ENDINGS) else "json")
        write = _yaml_writer() if form == "yaml" else _as_json
        document = self._document()
        if options["check"] is not None:
            self._compare(Path(options["check"]), document)
        elif output is None:
            is_unicode = (self.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
            self.stdout.write(write(document, options["indent"], is_unicode), ending="")
        else:
            try:
                Path(output).write_text(write(document, options["indent"], True), "utf-8", newline="\n")
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}.") from error

    def _document(self) -> object:
        # The URLconf first: it may register the path converters that the folders name.
        mounts = find_mounts(get_resolver())
        table = current_table()
        if table.errors:
            raise CommandError("\n".join(map(printable, str(RoutesError(table.errors)).splitlines())))
        if not mounts:
            self.stderr.write(
                "No URLconf includes the routes, so none answers. "
                'Add path("", include("django_routehandlers.urls")) to urlpatterns.'
            )
        # To the text that is served and back, so that both are one document.
        return json.loads(encode_json(build_document(table, mounts or (NOWHERE,), get_config())))

    def _compare(self, file: Path, document: object) -> None:
        known = _read(file)
        if known == document:
            return
        lines = list(
            difflib.unified_diff(
                _as_json(known, 2, True).splitlines(),
                _as_json(document, 2, True).splitlines(),
                str(file),
                "the routes",
                lineterm="",
            )
        )
        for line in lines[:MAX_DIFFERENCE]:
            self.stdout.write(printable(line))
        if len(lines) > MAX_DIFFERENCE:
            self.stdout.write(f"... and {len(lines) - MAX_DIFFERENCE} more lines")
        # The error goes to another stream, which may be the same terminal.
        self.stdout.flush()
        raise CommandError(
            f"{file} is not the document of the routes. "
            f"If the routes are right, write it anew: manage.py export_openapi --output {file}"
        )


def _as_json(document: object, indent: int, is_unicode: bool) -> str:
    separators = None if indent else (",", ":")
    return json.dumps(document, indent=indent or None, separators=separators, ensure_ascii=not is_unicode) + "\n"


def _yaml(name: str) -> Any:
    try:
        return getattr(import_module("yaml"), name)
    except ImportError:
        raise CommandError("YAML needs PyYAML. Install it: pip install 'django-routehandlers[yaml]'") from None


def _yaml_writer() -> Callable[[object, int, bool], str]:
    dump = _yaml("safe_dump")

    def write(document: object, indent: int, is_unicode: bool) -> str:
        return cast("str", dump(document, indent=max(indent, 2), sort_keys=False, allow_unicode=is_unicode, width=100))

    return write


def _read(file: Path) -> object:
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8.") from None
    try:
        return cast("object", json.loads(text))
    except ValueError:
        if not file.name.endswith(_YAML_ENDINGS):
            raise CommandError(f"{file} is no JSON. A file of YAML ends in .yaml or .yml.") from None
    load, error_class = _yaml("safe_load"), _yaml("YAMLError")
    try:
        # Through JSON, whose names and numbers are the document's.
        return json.loads(json.dumps(load(text)))
    except (error_class, TypeError, ValueError):
        raise CommandError(f"{file} is no YAML that has a JSON form.") from None
