"""The panel of django-debug-toolbar tells how the route cache answered a request."""

import asyncio
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks.registry import registry
from django.urls import include, path

from conftest import Site
from django_routehandlers.caching.current import forget_cache

HTML = "return HttpResponse('<html><body>shown</body></html>')"
PAGE = f"""
    from django.http import HttpResponse

    tags = ["pages", "<b>"]


    def GET(q: str = "", page: int = 1):
        {HTML}
"""


@pytest.fixture
def bar(site: Site) -> Iterator[Site]:
    """A site with the toolbar, whose only panel is ours."""
    # The toolbar registers checks where it is imported, and other tests run all there are.
    checks = set(registry.registered_checks)
    site.settings.DEBUG = True
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "django.contrib.staticfiles", "debug_toolbar"]
    site.settings.MIDDLEWARE = [site.settings.MIDDLEWARE[0], "debug_toolbar.middleware.DebugToolbarMiddleware"]
    site.settings.DEBUG_TOOLBAR_PANELS = ["django_routehandlers.panels.RouteCachePanel"]
    site.settings.DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False, "RENDER_PANELS": True}
    site.settings.INTERNAL_IPS = ["127.0.0.1"]
    yield site
    registry.registered_checks = checks
    forget_cache()


def serve(site: Site, text: str) -> None:
    """Serve a page, and the toolbar's own views."""
    # Its models can be imported only where it is installed.
    from debug_toolbar.toolbar import debug_toolbar_urls

    site.serve({"page/route.py": text})
    urlconf: Any = sys.modules[site.settings.ROOT_URLCONF]
    urlconf.urlpatterns = [*debug_toolbar_urls(), path("", include("django_routehandlers.urls"))]


class Recorded:
    """What the panel has recorded, request by request."""

    def __init__(self) -> None:
        self.toolbars: list[Any] = []

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.toolbars[number].stats["RouteCachePanel"]

    def add(self, *, toolbar: Any, **kwargs: object) -> None:
        """Take note of the toolbar of one request."""
        self.toolbars.append(toolbar)


@pytest.fixture
def recorded(bar: Site) -> Iterator[Recorded]:
    """What the panel records in the test."""
    from debug_toolbar.toolbar import DebugToolbar

    found = Recorded()
    DebugToolbar._created.connect(found.add)
    yield found
    DebugToolbar._created.disconnect(found.add)


def test_page_has_the_panel_with_what_came_of_the_request(bar: Site) -> None:
    serve(bar, PAGE)
    first, second = (bar.client.get("/page").content.decode() for _ in range(2))
    assert "<h4>This request: miss: uri-miss</h4>" in first
    assert "<h4>This request: hit</h4>" in second
    assert "<small>hit</small>" in "".join(second.split("\n")).replace("  ", "")


def test_entry_is_told_with_its_terms(bar: Site, recorded: Recorded) -> None:
    serve(bar, PAGE)
    bar.client.get("/page")
    bar.client.get("/page")
    facts = dict(recorded[1]["facts"])
    age = facts.pop("Age")
    assert 0 <= float(age.removesuffix(" s")) < 30
    size = facts.pop("Size")
    assert facts == {
        "Cache-Status": facts["Cache-Status"],
        "Lifetime": "60 s",
        "Served stale": "for 60 s more",
        "Tags": "<b>, pages",
        "Tables": "none",
    }
    assert facts["Cache-Status"].startswith("django-routehandlers; hit; ttl=")
    assert int(size.removesuffix(" bytes")) > len("<html><body>shown</body></html>")


def test_key_is_told_with_its_values(bar: Site, recorded: Recorded) -> None:
    serve(bar, PAGE)
    bar.client.get("/page?q=oak&utm_source=x")
    assert recorded[0]["key"] == [
        ("URL", "http://testserver/page"),
        ("query parameter q", "oak"),
        ("query parameter page", "absent"),
    ]


def test_what_a_client_sends_is_escaped(bar: Site) -> None:
    """Neither what is sent nor a tag becomes markup."""
    serve(bar, PAGE)
    content = bar.client.get("/page?q=%3Cscript%3Ealert(1)%3C/script%3E").content.decode()
    assert "<script>alert(1)" not in content
    assert "<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>" in content
    assert "<code>&lt;b&gt;, pages</code>" in content


@pytest.mark.parametrize(
    ("text", "outcome", "fact"),
    [
        (
            f"from django.http import HttpResponse\ndef GET(request): {HTML}",
            "dynamic",
            ("Dynamic", "takes the request"),
        ),
        (
            "from django.http import HttpResponse\n"
            "def GET(): return HttpResponse('<html><body></body></html>', headers={'Vary': 'Cookie'})",
            "miss: vary",
            ("Handler ran", "there was no entry"),
        ),
    ],
    ids=["dynamic", "not stored"],
)
def test_page_that_is_not_kept_is_told(
    bar: Site, recorded: Recorded, text: str, outcome: str, fact: tuple[str, str]
) -> None:
    serve(bar, text + "\n")
    bar.client.get("/page")
    assert (recorded[0]["outcome"], recorded[0]["facts"][1:]) == (outcome, [fact])


def test_middleware_of_folders_is_told(bar: Site, recorded: Recorded) -> None:
    bar.write(
        {"middleware.py": "def guard(request, call_next):\n    return call_next(request)\n\n\nmiddleware = guard\n"}
    )
    serve(bar, PAGE)
    bar.client.get("/page")
    assert ("Middleware", "/:guard") in recorded[0]["facts"]


def test_what_folders_files_and_settings_say_is_told_with_the_place(bar: Site, recorded: Recorded) -> None:
    """All that folders hand down, as ``show_routes`` tells it: a new name is told by itself."""
    routes = bar.write({"middleware.py": 'throttle = "100/minute"\nsecurity = {"type": "http", "scheme": "bearer"}\n'})
    bar.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "MAX_DURATION": 10}
    said = "from datetime import date\nrequire_precondition = True\ndeprecation = date(2026, 11, 1)\n"
    more = f"{said}\ndef etag(): return 'v1'\n"
    serve(bar, f"from django.http import HttpResponse\n{more}def GET(): {HTML}\ndef PUT(): ...\n")
    page = bar.client.get("/page").content.decode()
    assert recorded[0]["config"] == [
        ("csrf", "origin", "default"),
        ("security", "{'type': 'http', 'scheme': 'bearer'}", f"{routes}/middleware.py:2"),
        ("max_duration", "10", "ROUTEHANDLERS['MAX_DURATION']"),
        ("throttle", "100/minute", f"{routes}/middleware.py:1"),
        ("deprecation", "2026-11-01", f"{routes}/page/route.py:4"),
        ("require_precondition", "True", f"{routes}/page/route.py:3"),
    ]
    assert "<h4>What holds for the route</h4>" in page
    assert "<td><code>100/minute</code></td>" in page


@pytest.mark.parametrize("url", ["/page/", "/openapi/", "/_routes/"])
def test_views_of_ours_that_are_no_route_are_told(bar: Site, recorded: Recorded, url: str) -> None:
    serve(bar, PAGE)
    assert bar.client.get(url).status_code in (200, 308)
    assert (recorded[0]["facts"], recorded[0]["config"], recorded[0]["key"]) == ([], [], [])


def test_stale_and_invalidated_entries_are_told(bar: Site, recorded: Recorded) -> None:
    from django_routehandlers import revalidate_tag

    serve(bar, PAGE)
    bar.client.get("/page")
    revalidate_tag("pages")
    bar.client.get("/page")
    assert recorded[1]["outcome"] == "miss: invalidated"
    assert ("Handler ran", "the entry was invalidated") in recorded[1]["facts"]


def test_other_method_is_told(bar: Site, recorded: Recorded) -> None:
    serve(bar, "def GET(): ...\ndef POST(): ...\n")
    bar.client.post("/page")
    assert recorded[0]["outcome"] == "not for POST"


def test_view_that_is_no_route_is_told(bar: Site, recorded: Recorded) -> None:
    serve(bar, PAGE)
    bar.client.get("/nowhere")
    assert (recorded[0]["outcome"], recorded[0]["facts"], recorded[0]["key"]) == ("no route", [], [])


def test_cache_that_is_off_under_debug_is_told(bar: Site) -> None:
    bar.settings.ROUTEHANDLERS = {}
    serve(bar, PAGE)
    content = bar.client.get("/page").content.decode()
    assert "<h4>This request: bypass: disabled</h4>" in content
    assert (
        "<p>The cache is off, as it is under DEBUG. "
        "ROUTEHANDLERS[&#x27;CACHE_ENABLED&#x27;] = True switches it on.</p>" in content
    )


def test_counters_are_those_of_the_process(bar: Site, recorded: Recorded) -> None:
    serve(bar, PAGE)
    for _ in range(3):
        bar.client.get("/page")
    counters = dict(recorded[2]["counters"])
    assert (counters["hits"], counters["misses"]) == (2, 1)


def test_request_on_an_event_loop_is_told(bar: Site, recorded: Recorded) -> None:
    serve(bar, PAGE)

    async def ask() -> None:
        await bar.async_client.get("/page")
        await bar.async_client.get("/page")

    asyncio.run(ask())
    assert [recorded[number]["outcome"] for number in (0, 1)] == ["miss: uri-miss", "hit"]


def test_panel_is_shown_later_from_what_was_recorded(bar: Site) -> None:
    """As the toolbar loads it: in a request of its own."""
    bar.settings.DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False, "RENDER_PANELS": False}
    serve(bar, PAGE)
    bar.client.get("/page")
    page = bar.client.get("/page").content.decode()
    found = re.search(r'data-(?:request|store)-id="(\w+)"', page)
    assert found is not None
    shown = bar.client.get(
        "/__debug__/render_panel/",
        dict.fromkeys(("request_id", "store_id"), found[1]) | {"panel_id": "RouteCachePanel"},
    )
    assert "<h4>This request: hit</h4>" in shown.json()["content"]
