"""``manage.py start_route``: write the route file of a path."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import connections
from django.urls import get_resolver
from django.urls.converters import get_converters

from django_routehandlers.listing.mounts import NOWHERE, find_mounts
from django_routehandlers.listing.rows import make_rows
from django_routehandlers.listing.text import printable
from django_routehandlers.scaffold.errors import CannotStart
from django_routehandlers.scaffold.file import create_file
from django_routehandlers.scaffold.parameters import TYPES, choose_parameters
from django_routehandlers.scaffold.place import check_conflicts, check_name, choose_app, plan_route
from django_routehandlers.scaffold.proof import prove_route
from django_routehandlers.scaffold.source import METHODS, Contents, choose_methods, write_source
from django_routehandlers.table import app_config, current_table

_EPILOG = f"""\
Brackets mean something to most shells: put the path in quotes.

    manage.py start_route "api/orders/[id]" --app shop --methods GET,PUT

A segment named id or pk, or with a name that ends in _id or _pk, is an int; uuid, or a name
that ends in _uuid, is a UUID; what a path converter gives decides for [id=int]; any other
segment is a str, and a catch-all a list of str. --type says otherwise:

    manage.py start_route "reports/[day]/[...parts]" --type day=date --type parts=int

Types: {", ".join(TYPES)}.

Handlers are "async def", or "def" with --sync or where a database has ATOMIC_REQUESTS. GET
returns the segments of the URL. POST, PUT and PATCH take a pydantic model as their body and
return it, POST with status 201. DELETE answers 204. HEAD and OPTIONS follow by themselves.

An existing file is never overwritten. Exit status: 0; 1 where nothing was written.
"""


class _HelpFormatter(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Django's order of options; the lines of the epilog as they are."""


class Command(BaseCommand):
    """Writes a route file; see ``help``."""

    help = "Writes the route file of a path: its folders, its methods, and the types of its segments."
    # A mistake in another file is no reason not to write this one.
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser, with what is written explained below the options."""
        return super().create_parser(prog_name, subcommand, epilog=_EPILOG, formatter_class=_HelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the path and what stands in the file."""
        parser.add_argument("path", help="Folders below the app's routes/, such as 'api/orders/[id]'; '/' for none.")
        parser.add_argument(
            "--app",
            metavar="LABEL",
            help="The app that gets the file. Default: the project's only app, or its only one with routes.",
        )
        parser.add_argument(
            "--methods",
            default="GET",
            help=f"Methods, separated by commas, in any case of letters: {', '.join(METHODS)}. Default: GET.",
        )
        parser.add_argument(
            "--type",
            action="append",
            default=[],
            metavar="NAME=TYPE",
            help="The type of a segment. May be given several times.",
        )
        parser.add_argument("--name", help="The URL name that the file gives itself. Default: the joined segments.")
        parser.add_argument("--sync", action="store_true", help="Write 'def' handlers.")
        parser.add_argument("--dry-run", action="store_true", help="Print the file, and write nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file, or print it."""
        try:
            contents = _contents(options)
            if options["dry_run"]:
                self._write(write_source(contents).rstrip("\n"))
            else:
                self._create(contents)
        except CannotStart as error:
            raise CommandError("\n".join(map(printable, [*str(error).splitlines(), *error.__notes__]))) from error

    def _create(self, contents: Contents) -> None:
        route = contents.route
        mounts = find_mounts(get_resolver())
        served = create_file(route.file, write_source(contents), lambda: prove_route(route))
        rows = list(make_rows([served], mounts or [NOWHERE]))
        self._write(rows[0].file)
        for row in rows:
            self._write(f"  URL   {row.path}\n  Name  {row.name}")
        if not mounts:
            self.stderr.write(
                "No URLconf includes the routes, so none answers. "
                'Add path("", include("django_routehandlers.urls")) to urlpatterns.'
            )

    def _write(self, text: str) -> None:
        encoding = self.stdout.encoding or "utf-8"
        self.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _contents(options: dict[str, Any]) -> Contents:
    """Return what the file is to hold; all that can be refused beforehand is refused here."""
    # The URLconf first: it may register the path converters that the folders name.
    table = current_table()
    tree = app_config().discover()
    route = plan_route(options["path"], choose_app(options["app"]), tree.directories)
    methods = choose_methods(options["methods"], route)
    parameters = choose_parameters(route, options["type"], get_converters())
    check_conflicts(route, tree.routes)
    check_name(route, options["name"], table.served)
    atomic = any(connections.settings[alias]["ATOMIC_REQUESTS"] for alias in connections)
    return Contents(route, methods, parameters, options["name"], is_async=not (options["sync"] or atomic))
