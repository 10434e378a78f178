"""``show_routes`` tells how each GET is cached, and ``--match`` which entry is there now."""

import json
from typing import Any

import pytest
from django.core.management import call_command

from cache_servers import RedisServer
from conftest import Site
from django_routehandlers.caching.current import current_cache, forget_cache
from show_routes_command import CACHED, show

PRODUCT = """
    tags = ["products"]


    def GET(id: int, page: int = 1):
        return {"id": id, "page": page}
"""


@pytest.mark.parametrize(
    ("text", "cell", "told"),
    [
        ("def GET(): ...", "60 s", {}),
        ("revalidate = 3600\ndef GET(): ...", "3600 s", {"revalidate": 3600}),
        ("revalidate = False\ndef GET(): ...", "until invalidated", {"revalidate": False}),
        (
            "revalidate = 0\ndef GET(): ...",
            "dynamic",
            {"policy": "dynamic", "why": "revalidate = 0", "revalidate": None, "depends_on": None},
        ),
        (
            "def GET(request): ...",
            "dynamic",
            {"policy": "dynamic", "why": "takes the request", "revalidate": None, "depends_on": None},
        ),
        (
            "from django.http import FileResponse\ndef GET() -> FileResponse: ...",
            "dynamic",
            {"policy": "dynamic", "why": "streams", "revalidate": None, "depends_on": None},
        ),
        ('tags = ["a", "b"]\ndef GET(): ...', "60 s", {"tags": ["a", "b"]}),
        ("def tags(): return []\ndef GET(): ...", "60 s", {"tags": "function"}),
        ("depends_on = None\ndef GET(): ...", "60 s", {"depends_on": None}),
        ('depends_on = ["shop_product"]\ndef GET(): ...', "60 s", {"depends_on": ["shop_product"]}),
        ('dynamic = "force-static"\ndef GET(request): ...', "60 s", {"force_static": True}),
    ],
)
def test_row_tells_how_get_is_cached(site: Site, text: str, cell: str, told: dict[str, Any]) -> None:
    site.serve({"items/route.py": text + "\n"})
    assert show().column("CACHE") == [cell]
    assert json.loads(show("--format", "json").out)[0]["cache"] == {**CACHED, **told}


def test_row_without_get_has_no_cache(site: Site) -> None:
    site.serve({"items/route.py": "def POST(): ...\n"})
    assert show().column("CACHE") == ["-"]
    assert json.loads(show("--format", "json").out)[0]["cache"] is None


def test_row_tells_of_segments_known_ahead(site: Site) -> None:
    text = "dynamic_params = False\ndef generate_static_params(): return []\ndef GET(id): ...\n"
    site.serve({"[id]/route.py": text})
    told = {"static_params": True, "dynamic_params": False}
    assert json.loads(show("--format", "json").out)[0]["cache"] == {**CACHED, **told}


def test_match_tells_why_a_route_is_dynamic(site: Site) -> None:
    site.serve({"items/route.py": "def GET(request): ...\n"})
    assert cache_section("/items") == {"Policy": "dynamic: takes the request"}


def test_match_tells_nothing_of_a_cache_where_there_is_no_get(site: Site) -> None:
    site.serve({"items/route.py": "def POST(): ...\n"})
    assert "Cache" not in show("--match", "/items").out
    assert json.loads(show("--match", "/items", "--format", "json").out)["cache"] is None


def test_match_tells_what_is_part_of_the_key(site: Site) -> None:
    text = """
        from typing import Annotated

        from pydantic import BaseModel

        from django_routehandlers import Header


        class Paging(BaseModel):
            page: int = 1
            size: int = 10


        def GET(query: Paging, x_plan: Annotated[str, Header()] = ""): ...
    """
    site.serve({"items/route.py": text})
    assert cache_section("/items")["Key"] == (
        "build, scheme, host, path, language, time zone, query parameter page, query parameter size, field X-Plan"
    )


def test_entry_is_unknown_where_each_process_has_its_own(site: Site) -> None:
    site.serve({"items/route.py": "def GET(): ...\n"})
    assert cache_section("/items")["Entry"] == "unknown: CACHES['default'] is in the memory of each process"


def test_entry_is_unknown_where_the_cache_is_off(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": False}
    site.serve({"items/route.py": "def GET(): ...\n"})
    assert cache_section("/items")["Entry"] == "unknown: the cache is off with these settings"


def test_entry_of_a_url_that_nobody_asked_for_is_none(site_redis: RedisServer, site: Site) -> None:
    """The host is the first that ALLOWED_HOSTS names in full."""
    site.serve({"products/[id]/route.py": PRODUCT})
    assert cache_section("/products/7?page=2")["Entry"] == "none for https://testserver/products/7?page=2"


def test_entry_that_is_there_is_told_with_its_age(site_redis: RedisServer, site: Site) -> None:
    site.serve({"products/[id]/route.py": PRODUCT})
    site.client.get("/products/7?page=2", secure=True)
    site.client.get("/products/7?page=2")
    forget_cache()
    entry = entry_of("/products/7?page=2")
    age = entry.pop("age")
    assert 0 <= age < 30
    assert entry == {
        "state": "fresh",
        "url": "https://testserver/products/7?page=2",
        "why": None,
        "lifetime": 60.0,
        "tags": ["products"],
        "tables": [],
    }
    assert entry_of("http://testserver/products/7?page=2")["state"] == "fresh"
    assert entry_of("/products/7")["state"] == "none"


def test_entry_is_that_of_the_canonical_url(site_redis: RedisServer, site: Site) -> None:
    site.serve({"products/[id]/route.py": PRODUCT})
    site.client.get("/products/7", secure=True)
    entry = entry_of("/products/7/")
    assert (entry["state"], entry["url"]) == ("fresh", "https://testserver/products/7")


@pytest.mark.django_db
def test_entry_names_the_tables_that_its_maker_has_read(site_redis: RedisServer, site: Site) -> None:
    text = """
        from django.contrib.auth.models import Group


        def GET():
            return [group.name for group in Group.objects.all()]
    """
    site.serve({"groups/route.py": text})
    site.client.get("/groups", secure=True)
    assert cache_section("/groups")["tables"] == "auth_group"


def test_entry_that_was_invalidated_is_told(site_redis: RedisServer, site: Site) -> None:
    site.serve({"products/[id]/route.py": PRODUCT})
    site.client.get("/products/7", secure=True)
    call_command("revalidate", "--tag", "products", verbosity=0)
    assert entry_of("/products/7")["state"] == "invalidated"


def test_looking_fills_nothing_and_counts_nothing(site_redis: RedisServer, site: Site) -> None:
    site.serve({"products/[id]/route.py": "def GET(id): raise SystemExit('run')\n"})
    before = dict(current_cache().counters.read())
    entry_of("/products/7")
    assert dict(current_cache().counters.read()) == before


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("/products/x", "none for https://testserver/products/x"),
        ("https://evil.test/products/7", "unknown: the host is none of ALLOWED_HOSTS"),
    ],
)
def test_entry_that_can_never_be_is_not_there(site_redis: RedisServer, site: Site, url: str, entry: str) -> None:
    site.serve({"products/[id]/route.py": PRODUCT})
    assert cache_section(url)["Entry"] == entry


def test_tags_that_cannot_be_told_are_an_unknown_entry(site_redis: RedisServer, site: Site) -> None:
    site.serve({"[id]/route.py": "def tags(id): return 1 / 0\ndef GET(id): ...\n"})
    assert cache_section("/7")["Entry"] == "unknown: ZeroDivisionError: division by zero"


def test_entry_is_unknown_where_the_store_does_not_answer(site_redis: RedisServer, site: Site) -> None:
    site.serve({"items/route.py": "def GET(): ...\n"})
    site_redis.stop()
    assert cache_section("/items")["Entry"] == "unknown: CACHES['default'] does not answer"


def test_entry_is_unknown_without_a_host(site_redis: RedisServer, site: Site) -> None:
    site.settings.ALLOWED_HOSTS = ["*"]
    site.serve({"items/route.py": "def GET(): ...\n"})
    expected = "unknown: ALLOWED_HOSTS names no host in full; write one in the URL"
    assert cache_section("/items")["Entry"] == expected
    assert cache_section("https://a.example/items")["Entry"] == "none for https://a.example/items"


def cache_section(url: str) -> dict[str, str]:
    """Return the section of the cache, name by name."""
    shown = show("--match", url)
    assert shown.err == ""
    lines = shown.out.partition("\nCache\n")[2].partition("\n\n")[0].splitlines()
    pairs = (line.strip().partition("  ") for line in lines)
    return {name: text.strip() for name, _, text in pairs}


def entry_of(url: str) -> dict[str, Any]:
    """Return the entry that JSON tells of."""
    return json.loads(show("--match", url, "--format", "json").out)["cache"]["entry"]
