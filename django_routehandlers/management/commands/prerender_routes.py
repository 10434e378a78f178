"""``manage.py prerender_routes``: fill the route cache before the first visitor comes."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from traceback import format_exception
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import get_resolver
from django.utils import translation

from django_routehandlers.caching.cache import Cache
from django_routehandlers.caching.current import is_enabled
from django_routehandlers.caching.invalidation import revalidate_path
from django_routehandlers.conf import SETTING, get_config
from django_routehandlers.exceptions import RoutesError
from django_routehandlers.listing.mounts import find_mounts
from django_routehandlers.listing.plain_request import default_hosts, default_language, make_request, run_as_request
from django_routehandlers.listing.rows import Filters
from django_routehandlers.listing.text import printable
from django_routehandlers.management.prerendering import KINDS, Result, Target, find_targets, visit
from django_routehandlers.management.shared_store import insist, shared_cache
from django_routehandlers.table import app_config, current_table

_REMEDY = (
    "The entries would end with this command. Have CACHES name a cache that processes share, such as Redis, and say "
    f"which one in {SETTING}['CACHE']."
)
_BAR = 24  # characters


class Command(BaseCommand):
    """Fills the cache; see ``help``."""

    help = (
        "Fills the route cache: the URLs of all routes that are cached and have no dynamic segments, and those that "
        "generate_static_params() lists. Run it with the settings and the code that serve the routes. Views are "
        "called as for a visitor who sends nothing but the URL, without middleware, in the default time zone, below "
        "FORCE_SCRIPT_NAME if that is set. Exits with 1 where a URL has failed."
    )
    # The mistakes of the routes are printed by the command itself; those of other apps keep nothing from being filled.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add which URLs are meant, and as whose."""
        parser.add_argument(
            "--app",
            action="append",
            default=[],
            metavar="LABEL",
            help="The routes of this app. May be given several times.",
        )
        parser.add_argument("--path", default="", metavar="START", help="The URLs whose path begins with this text.")
        parser.add_argument(
            "--host",
            action="append",
            default=[],
            help="Host of the URLs, as visitors write it. May be given several times. "
            "Default: the entries of ALLOWED_HOSTS that are no patterns.",
        )
        parser.add_argument(
            "--scheme", choices=("https", "http"), default="https", help="Scheme of the URLs. Default: https."
        )
        parser.add_argument(
            "--language",
            action="append",
            default=[],
            metavar="CODE",
            help="Language of the visitors, one of LANGUAGES. May be given several times. Default: LANGUAGE_CODE.",
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="Fill anew what is still fresh, too: every entry of these paths is invalidated first, "
            "those of other hosts, queries and languages as well.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill the cache, and say what came of it."""
        cache = shared_cache(_REMEDY)
        if not is_enabled():
            raise CommandError(
                "The route cache is off, as it is under DEBUG unless told otherwise. Run this with the settings of "
                f"the server, or set {SETTING}['CACHE_ENABLED'] = True."
            )
        self._verbosity: int = options["verbosity"]
        self._traceback: bool = options["traceback"]
        self._is_drawing = self._verbosity > 0 and self.stdout.isatty()
        self._counts: Counter[str] = Counter()
        hosts = _hosts(options["host"])
        for language in _languages(options["language"]):
            find = partial(self._targets, _filters(options))
            found = run_as_request(find, language=language)
            self._fill(found, partial(self._visits, cache, hosts, language, options))
        if self._verbosity:
            self.stdout.write(", ".join(f"{self._counts[kind]} {kind}" for kind in KINDS) + ".")
        if count := self._counts["failed"]:
            raise CommandError(f"{count} of the URLs {'has' if count == 1 else 'have'} failed.")

    def _targets(self, filters: Filters) -> list[Target | Result]:
        # The URLconf first: it may register the path converters that the folders name.
        resolver = get_resolver()
        mounts = find_mounts(resolver)
        table = current_table()
        if table.errors:
            raise CommandError("\n".join(map(printable, str(RoutesError(table.errors)).splitlines())))
        if not mounts:
            raise CommandError(
                "No URLconf includes the routes, so none answers. "
                'Add path("", include("django_routehandlers.urls")) to urlpatterns.'
            )
        return list(find_targets(table.served, resolver, mounts, filters, slash=get_config().TRAILING_SLASH))

    def _fill(self, found: list[Target | Result], visits: Callable[[Target], Iterable[Result]]) -> None:
        for number, one in enumerate(found):
            self._draw(number, len(found), one.url if isinstance(one, Result) else one.path)
            for result in [one] if isinstance(one, Result) else visits(one):
                self._counts[result.kind] += 1
                self._tell(result)
        self._erase()

    def _visits(
        self, cache: Cache, hosts: list[str], language: str | None, options: dict[str, Any], target: Target
    ) -> Iterable[Result]:
        if options["force"]:
            insist(partial(revalidate_path, target.path))
        for host in hosts:
            call = partial(visit, target, cache, host=host, scheme=options["scheme"])
            yield insist(partial(run_as_request, call, language=language))

    def _tell(self, result: Result) -> None:
        is_bad = result.kind in ("failed", "not stored")
        if self._verbosity < (1 if is_bad else 2):
            return
        self._erase()
        why = f": {result.why}" if result.why else ""
        text = printable(f"{result.kind}  {result.url}{why}")
        if result.kind == "failed":
            self.stderr.write(text)
            if self._traceback and result.error is not None:
                self.stderr.write("".join(format_exception(result.error)), self.style.NOTICE)
        else:
            self.stdout.write(text)

    def _draw(self, done: int, total: int, text: str) -> None:
        """Show how far it is, on a terminal."""
        if self._is_drawing:
            full = _BAR * done // total
            line = f"[{'#' * full}{'.' * (_BAR - full)}] {done}/{total} {printable(text)}"
            columns = shutil.get_terminal_size().columns - 1
            self.stdout.write(f"\r{line[:columns]:<{columns}}", ending="")
            self.stdout.flush()

    def _erase(self) -> None:
        if self._is_drawing:
            self.stdout.write(f"\r{'':<{shutil.get_terminal_size().columns - 1}}\r", ending="")


def _filters(options: dict[str, Any]) -> Filters:
    known = {directory.app for directory in app_config().tree.directories}
    if missing := set(options["app"]) - known:
        labels = ", ".join(sorted(known)) or "none"
        raise CommandError(f"No installed app {', '.join(sorted(missing))} has routes. Apps that have: {labels}.")
    path = options["path"]
    return Filters(apps=frozenset(options["app"]), path=path if path.startswith("/") or not path else f"/{path}")


def _hosts(given: list[str]) -> list[str]:
    hosts = list(dict.fromkeys(given or default_hosts()))
    if not hosts:
        raise CommandError("ALLOWED_HOSTS names no host in full, so the URLs have none. Say it: --host shop.example.")
    for host in hosts:
        try:
            make_request("/", host=host, scheme="https").get_host()
        except (DisallowedHost, ValueError) as error:
            raise CommandError(printable(f"{host} is no host of this project. {error}")) from error
    return hosts


def _languages(given: list[str]) -> list[str | None]:
    if not given:
        return [default_language()]
    for code in given:
        if not translation.check_for_language(code) or code not in dict(settings.LANGUAGES):
            known = ", ".join(code for code, _ in settings.LANGUAGES)
            raise CommandError(printable(f"{code} is none of the project's LANGUAGES: {known}."))
    return list(dict.fromkeys(given))
