"""``manage.py revalidate`` makes entries stale for good, in all processes that share the store."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from cache_servers import RedisServer
from conftest import Site
from django_routehandlers.caching.current import forget_cache
from show_routes_command import Shown

COUNTED = """
    from itertools import count

    tags = ["numbers"]
    _runs = count(1)


    def GET():
        return next(_runs)
"""


@pytest.fixture
def runs(site_redis: RedisServer, site: Site) -> Site:
    """Routes that count their runs, each of which has an entry."""
    site.serve({"a/route.py": COUNTED, "a/b/route.py": COUNTED.replace("numbers", "others")})
    assert [site.client.get(path).json() for path in ("/a", "/a/b", "/a", "/a/b")] == [1, 1, 1, 1]
    return site


@pytest.mark.parametrize(
    ("arguments", "printed", "counts"),
    [
        (["--tag", "numbers"], "Invalidated the tag numbers.\n", [2, 1]),
        (
            ["--tag", "numbers", "--tag", "others"],
            "Invalidated the tag numbers.\nInvalidated the tag others.\n",
            [2, 2],
        ),
        (["--tag", "nothing"], "Invalidated the tag nothing.\n", [1, 1]),
        (["--path", "/a"], "Invalidated /a.\n", [2, 1]),
        (["--path", "/a", "--path", "/a/b"], "Invalidated /a.\nInvalidated /a/b.\n", [2, 2]),
        (["--path", "/a", "--below"], "Invalidated /a and all below it.\n", [2, 2]),
        (["--all"], "Invalidated every entry.\n", [2, 2]),
        (["--all", "--verbosity", "0"], "", [2, 2]),
    ],
    ids=["tag", "tags", "unknown tag", "path", "paths", "below", "all", "silent"],
)
def test_entries_that_are_named_are_made_anew(
    runs: Site, arguments: list[str], printed: str, counts: list[int]
) -> None:
    assert revalidate(*arguments) == Shown(printed, "", 0)
    assert [runs.client.get(path).json() for path in ("/a", "/a/b")] == counts


def test_entry_of_another_process_is_made_anew(runs: Site) -> None:
    """What is written is in the store, not in this process alone."""
    revalidate("--tag", "numbers")
    forget_cache()
    assert [runs.client.get(path).json() for path in ("/a", "/a/b")] == [2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say what to invalidate: --tag TAG, --path PATH or --all.\n"),
        (["--tag", "a", "--below"], "--below goes with --path.\n"),
        (
            ["--path", "a\x1b"],
            "'a\\x1b' is no path of a URL. Write it with its first slash and without a query string.\n",
        ),
        (
            ["--path", "/a?page=2"],
            "'/a?page=2' is no path of a URL. Write it with its first slash and without a query string.\n",
        ),
    ],
    ids=["nothing", "below a tag", "relative", "query"],
)
def test_options_that_say_nothing_are_refused(site_redis: RedisServer, arguments: list[str], message: str) -> None:
    assert revalidate(*arguments) == Shown("", message, 1)


@pytest.mark.parametrize(
    ("backend", "what"),
    [
        ("locmem.LocMemCache", "is in the memory of each process, which no other process reaches."),
        ("dummy.DummyCache", "keeps nothing, so there is no route cache."),
    ],
)
def test_store_of_one_process_is_refused(site: Site, backend: str, what: str) -> None:
    """Invariant 44: an invalidation that reaches nobody is not passed off as one."""
    site.settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    remedy = (
        "Call revalidate_tag() in the process that serves the routes, or have CACHES name a cache that processes "
        "share, such as Redis."
    )
    assert revalidate("--all") == Shown("", f"CACHES['default'] {what} {remedy}\n", 1)


def test_store_that_is_not_there_is_refused(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"CACHE": "other"}
    message = "ROUTEHANDLERS['CACHE'] is 'other': CACHES has no 'other'. Its keys: 'default'.\n"
    assert revalidate("--all") == Shown("", message, 1)


@pytest.mark.slow
def test_store_that_does_not_answer_is_an_error(site_redis: RedisServer) -> None:
    """Invariant 45: an invalidation that failed is reported."""
    site_redis.stop()
    shown = revalidate("--all")
    assert (shown.out, shown.status) == ("", 1)
    assert shown.err.startswith("The store of the route cache cannot be reached. ")


def test_command_works_while_a_route_file_is_broken(site_redis: RedisServer, site: Site) -> None:
    site.serve({"a/route.py": "1 / 0\n"})
    assert revalidate("--all") == Shown("Invalidated every entry.\n", "", 0)


def revalidate(*arguments: str) -> Shown:
    """Run the command in this process."""
    out, err = StringIO(), StringIO()
    try:
        call_command("revalidate", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return Shown(out.getvalue(), f"{err.getvalue()}{error}\n", error.returncode)
    return Shown(out.getvalue(), err.getvalue(), 0)
