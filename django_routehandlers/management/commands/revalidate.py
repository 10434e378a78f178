"""``manage.py revalidate``: make entries of the route cache stale for good, in all processes that share its store."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_routehandlers.caching.invalidation import revalidate_all, revalidate_path, revalidate_tag
from django_routehandlers.listing.text import printable
from django_routehandlers.management.shared_store import insist, shared_cache

_REMEDY = (
    "Call revalidate_tag() in the process that serves the routes, or have CACHES name a cache that processes share, "
    "such as Redis."
)


class Command(BaseCommand):
    """Invalidates entries; see ``help``."""

    help = (
        "Makes entries of the route cache stale for good: the next request for one waits for a fresh one. "
        "Processes that serve routes follow within a second."
    )
    # It needs the store alone, and has to do its work while a route file is broken, too.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what is invalidated."""
        parser.add_argument(
            "--tag",
            action="append",
            default=[],
            metavar="TAG",
            help="The entries with this tag. May be given several times.",
        )
        parser.add_argument(
            "--path",
            action="append",
            default=[],
            metavar="PATH",
            help="The entries of this URL path, of any host, query and language. May be given several times.",
        )
        parser.add_argument("--below", action="store_true", help="With --path: those of every path below it, too.")
        parser.add_argument("--all", action="store_true", help="Every entry.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Invalidate what the options name, and say so."""
        if not (options["tag"] or options["path"] or options["all"]):
            raise CommandError("Say what to invalidate: --tag TAG, --path PATH or --all.")
        if options["below"] and not options["path"]:
            raise CommandError("--below goes with --path.")
        shared_cache(_REMEDY)
        for what, invalidate in _steps(options):
            try:
                insist(invalidate)
            except ValueError as error:
                raise CommandError(printable(str(error))) from error
            if options["verbosity"]:
                self.stdout.write(f"Invalidated {printable(what)}.")


def _steps(options: dict[str, Any]) -> Iterator[tuple[str, Callable[[], None]]]:
    below: bool = options["below"]
    if options["all"]:
        yield "every entry", revalidate_all
    for tag in options["tag"]:
        yield f"the tag {tag}", partial(revalidate_tag, tag)
    for path in options["path"]:
        yield f"{path} and all below it" if below else path, partial(revalidate_path, path, below=below)
