"""``manage.py show_routes``: list the routes of the project, or explain which one answers a URL."""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter, OutputWrapper
from django.core.management.color import no_style
from django.urls import URLResolver, get_resolver

from django_routehandlers.exceptions import RoutesError
from django_routehandlers.handlers.names import METHODS
from django_routehandlers.listing.explain import RouteAnswer, explain_url
from django_routehandlers.listing.explain_text import explanation_as_json, explanation_lines
from django_routehandlers.listing.mounts import NOWHERE, Mount, find_mounts
from django_routehandlers.listing.rows import Filters, Row, make_rows
from django_routehandlers.listing.text import PLAIN_BRANCHES, Branches, Paint, printable, table_lines, tree_lines
from django_routehandlers.routing.patterns import RouteTable
from django_routehandlers.table import app_config, current_table

_EPILOG = """\
The table is in match order: of two routes that match a path, the upper one answers. METHODS
are those that Allow lists, automatic HEAD and OPTIONS among them. An optional catch-all is
one line, with what may be left out in square brackets: /docs[/<path:slug>].

CACHE is how the responses of GET are kept: the seconds for which they are fresh, "until
invalidated", "dynamic" where they are not kept, "-" where there is no GET. With --match it
is told why, what is part of the key, and which entry is there now, where processes share
the cache: the one of a visitor who sends nothing but the URL, whose host is that of the URL
or the first of ALLOWED_HOSTS.

With --verbosity 2 the table has a column CONFIG: what route files, folders and settings say
of csrf, cors, max_duration and all else that folders hand down. --match and JSON tell it
always, each with the place that says it.

JSON is a list of objects with methods, path, name, app, file, handlers (method: kind, line and
inputs), cache, middleware (a list, outermost first) and config (name: value and source; source
is file:line, a setting, or "default"). cache is null where there is no GET, else it has policy
("cached" or "dynamic"), why (why dynamic, else null), revalidate (seconds, false for until
invalidated, null where dynamic), tags (a list, or "function"), depends_on ("auto" for the
tables that queries read, a list of tables, or null for none), force_static, static_params
(whether generate_static_params() is there) and dynamic_params.

Exit status: 0; 1 where --match finds no route that answers, or one that answers nothing but
404, or where the routes have errors, which are printed on standard error after the routes that
stand. Until they are mended, no route answers a request.
"""


class _HelpFormatter(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Django's order of options; the lines of the epilog as they are."""


class Command(BaseCommand):
    """Lists routes; see ``help``."""

    help = "Lists the routes of the project in match order, or explains which one answers a URL."
    # The routes that stand are listed beside the mistakes; the checks would stop at the mistakes.
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser, with the exit status and the formats explained below the options."""
        return super().create_parser(prog_name, subcommand, epilog=_EPILOG, formatter_class=_HelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the formats, the filters and ``--match``."""
        parser.add_argument(
            "--format",
            choices=("table", "tree", "json"),
            default="table",
            help="What to print; the tree draws the folders as written. Default: table.",
        )
        parser.add_argument(
            "--app",
            action="append",
            default=[],
            metavar="LABEL",
            help="List the routes of this app. May be given several times.",
        )
        parser.add_argument(
            "--method",
            action="append",
            default=[],
            help="List the routes that answer this method, in any case of letters. May be given several times.",
        )
        parser.add_argument(
            "--path",
            default="",
            metavar="START",
            help="List the routes whose path, as listed or as the folders are written, begins with this text.",
        )
        parser.add_argument(
            "--match",
            metavar="URL",
            help="Explain which route answers this path or URL, with which parameters, and which nearly do.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what the options ask for."""
        # The URLconf first: it may register the path converters that the folders name.
        resolver = get_resolver()
        mounts = find_mounts(resolver)
        table = current_table()
        self.force_color: bool = options["force_color"]
        if options["match"] is not None:
            self._explain(options, table, resolver, mounts)
            return
        filters = _filters(options)
        rows = [row for row in make_rows(table.served, mounts or [NOWHERE]) if filters.let_through(row)]
        self._list(options["format"], rows, has_config=options["verbosity"] > 1)
        self._report(table, rows, mounts)

    def _list(self, format: str, rows: list[Row], *, has_config: bool) -> None:
        if format == "json":
            self._write([json.dumps([row.as_json() for row in rows], indent=2)])
        elif rows and format == "tree":
            self._write(tree_lines(rows, self._paint(), self._branches()))
        elif rows:
            self._write(table_lines(rows, self._paint(), has_config=has_config))

    def _report(self, table: RouteTable, rows: list[Row], mounts: tuple[Mount, ...]) -> None:
        """Say on standard error what the list does not."""
        if not table.served and not table.errors:
            self._note(_first_route())
        elif not rows and table.served:
            self._note("No route passes the filters.")
        if table.served and not mounts:
            self._note(
                "No URLconf includes the routes, so none answers. "
                'Add path("", include("django_routehandlers.urls")) to urlpatterns.'
            )
        for mistake in table.mistakes:
            if mistake.level == "warning":
                self._note(printable(f"{mistake} (routehandlers.{mistake.id})"))
        _stop_at_errors(table)

    def _explain(
        self, options: dict[str, Any], table: RouteTable, resolver: URLResolver, mounts: tuple[Mount, ...]
    ) -> None:
        if options["app"] or options["method"] or options["path"] or options["format"] == "tree":
            raise CommandError("--match explains one URL: it goes with --format table or json, and with no filter.")
        _stop_at_errors(table)
        explanation = explain_url(options["match"], table, resolver, mounts)
        if options["format"] == "json":
            self._write([json.dumps(explanation_as_json(options["match"], explanation), indent=2)])
        else:
            self._write(explanation_lines(explanation, self._paint()))
        answer = explanation.answer
        if not isinstance(answer, RouteAnswer) or answer.is_refused:
            sys.exit(1)

    def _write(self, lines: Iterable[str]) -> None:
        """Write the lines, with an escape for each character that the terminal's encoding lacks."""
        text = "\n".join(lines)
        encoding = self.stdout.encoding or "utf-8"
        self.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def _note(self, text: str) -> None:
        style = self.style if self._is_colored(self.stderr) else no_style()
        self.stderr.write(text, style.WARNING)

    def _is_colored(self, stream: OutputWrapper) -> bool:
        # Django's style looks at sys.stdout alone, which need not be where this command writes.
        return self.force_color or stream.isatty()

    def _paint(self) -> Paint:
        if not self._is_colored(self.stdout):
            return Paint()
        style = self.style
        return Paint(style.MIGRATE_HEADING, style.MIGRATE_LABEL, str, style.SUCCESS, style.ERROR)

    def _branches(self) -> Branches:
        try:
            "".join((Branches().middle, Branches().last, Branches().past)).encode(self.stdout.encoding or "utf-8")
        except UnicodeEncodeError:
            return PLAIN_BRANCHES
        return Branches()


def _filters(options: dict[str, Any]) -> Filters:
    methods = frozenset(method.upper() for method in options["method"])
    if unknown := methods - set(METHODS):
        raise CommandError(f"No route answers {', '.join(sorted(unknown))}. Methods: {', '.join(METHODS)}.")
    known = {directory.app for directory in app_config().tree.directories}
    if missing := set(options["app"]) - known:
        labels = ", ".join(sorted(known)) or "none"
        raise CommandError(f"No installed app {', '.join(sorted(missing))} has routes. Apps that have: {labels}.")
    return Filters(frozenset(options["app"]), methods, options["path"])


def _stop_at_errors(table: RouteTable) -> None:
    if table.errors:
        raise CommandError("\n".join(map(printable, str(RoutesError(table.errors)).splitlines())))


def _first_route() -> str:
    """Return how to write a first route, in an app of the project's own if there is one."""
    here = os.path.join(os.getcwd(), "")
    own = (os.path.relpath(app.path) for app in apps.get_app_configs() if app.path.startswith(here))
    folder = next((path for path in own if "site-packages" not in path), "your_app")
    return (
        "No installed app has a route yet. Write the first one:\n\n"
        f"    # {folder}/routes/api/hello/route.py\n"
        "    async def GET():\n"
        '        return {"hello": "world"}'
    )
