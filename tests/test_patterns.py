"""The routes inside Django's URLconf: everything that reads a URLconf reads them (design, section 4)."""

import sys
from collections.abc import Callable
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.checks.urls import check_url_config
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import NoReverseMatch, Resolver404, clear_url_caches, include, path, resolve, reverse
from django.utils.translation import override
from django_extensions.management.commands import show_urls

from conftest import Site
from django_routehandlers.exceptions import RoutesError
from route_tables import make_table, make_urlconf

FILES = {
    "route.py": "def GET(): return 'root'",
    "about/route.py": "def GET(): return 'about'",
    "api/products/[id=int]/route.py": "def GET(id): return id\nname = 'product'",
    "docs/[[...slug]]/route.py": "def GET(slug): return slug",
    "files/[...path]/route.py": "async def GET(path): return path",
}


@pytest.fixture
def shop(site: Site) -> Site:
    """A site with one route of each kind."""
    return site.serve(FILES)


def set_urlconf(site: Site, *urlpatterns: Any) -> None:
    """Serve these patterns instead of the routes alone."""
    urlconf = ModuleType(f"{site.name}_more_urls")
    urlconf.urlpatterns = list(urlpatterns)  # type: ignore[attr-defined]
    sys.modules[urlconf.__name__] = urlconf
    site.settings.ROOT_URLCONF = urlconf.__name__


def plain_view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    return HttpResponse(f"plain {sorted(kwargs)}")


@pytest.mark.parametrize(
    ("url", "name", "route", "captured", "extra"),
    [
        ("/", "index", "", {}, {}),
        ("/about", "about", "about", {}, {}),
        ("/api/products/7", "product", "api/products/<int:id>", {"id": 7}, {}),
        ("/docs", "docs-slug", "docs", {}, {"slug": []}),
        ("/docs/a/b", "docs-slug", "docs/<path:slug>", {"slug": ["a", "b"]}, {}),
        ("/files/a", "files-path", "files/<path:path>", {"path": ["a"]}, {}),
    ],
)
@pytest.mark.usefixtures("shop")
def test_match_describes_itself_as_any_other(
    url: str, name: str, route: str, captured: dict[str, Any], extra: dict[str, Any]
) -> None:
    match = resolve(url)
    assert (match.url_name, match.view_name, match.route) == (name, f"routes:{name}", route)
    assert (match.app_names, match.namespaces, match.namespace) == (["routes"], ["routes"], "routes")
    assert (match.args, match.captured_kwargs, match.extra_kwargs) == ((), captured, extra)
    assert match.kwargs == {**captured, **extra}
    assert callable(match.func)


def test_request_knows_its_match(shop: Site) -> None:
    match = shop.client.get("/api/products/7").resolver_match
    assert (match.view_name, match.kwargs, match.route) == ("routes:product", {"id": 7}, "api/products/<int:id>")


def test_urlconf_with_routes_has_no_mistake(shop: Site) -> None:
    assert check_url_config(None) == []
    assert shop.mistakes() == []


def test_debug_page_of_a_miss_lists_the_routes(shop: Site) -> None:
    shop.settings.DEBUG = True
    response = shop.client.get("/nowhere")
    page = response.content.decode()
    assert response.status_code == 404
    for text in ("api/products/&lt;int:id&gt;", "[name='product']", "docs/&lt;path:slug&gt;", "nowhere"):
        assert text in page


def test_debug_page_of_a_miss_lists_the_routes_below_their_prefix(shop: Site) -> None:
    shop.settings.DEBUG = True
    set_urlconf(shop, path("plain", plain_view), path("v1/", include("django_routehandlers.urls")))
    with pytest.raises(Resolver404) as raised:
        resolve("/v1/nowhere")
    tried = ["".join(str(pattern.pattern) for pattern in patterns) for patterns in raised.value.args[0]["tried"]]
    assert tried == [
        "plain",
        "v1/",
        "v1/about",
        "v1/api/products/<int:id>",
        "v1/docs",
        "v1/docs/<path:slug>",
        "v1/files/<path:path>",
    ]
    assert b"api/products/&lt;int:id&gt;" in shop.client.get("/v1/nowhere").content


def test_miss_without_debug_lists_nothing(shop: Site) -> None:
    with pytest.raises(Resolver404) as raised:
        resolve("/nowhere")
    assert raised.value.args[0]["tried"] == []
    assert shop.client.get("/nowhere").status_code == 404


def test_show_urls_of_django_extensions_lists_the_routes(shop: Site) -> None:
    assert shop.check() == []
    output = StringIO()
    # By its class: the command stands in no app of this site.
    call_command(show_urls.Command(), format_style="dense", no_color=True, stdout=output)
    listed = [line.split("\t") for line in output.getvalue().splitlines()]
    assert sorted((fields[0], fields[2]) for fields in listed) == [
        ("/", "routes:index"),
        ("/about", "routes:about"),
        ("/api/products/<int:id>", "routes:product"),
        ("/docs", "routes:docs-slug"),
        ("/docs/<path:slug>", "routes:docs-slug"),
        ("/files/<path:path>", "routes:files-path"),
        ("/openapi.json", "routes:openapi:document"),
    ]


def test_routes_are_served_below_the_prefix_of_their_include(shop: Site) -> None:
    set_urlconf(shop, path("v1/<slug:tenant>/", include("django_routehandlers.urls")))
    url = reverse("routes:product", kwargs={"tenant": "acme", "id": 7})
    assert url == "/v1/acme/api/products/7"
    match = resolve(url)
    assert (match.kwargs, match.route) == ({"tenant": "acme", "id": 7}, "v1/<slug:tenant>/api/products/<int:id>")
    assert shop.client.get(url).json() == 7


def test_include_in_an_include_is_reversed(shop: Site) -> None:
    set_urlconf(shop, path("a/", include([path("b/", include("django_routehandlers.urls"))])))
    assert reverse("routes:docs-slug", kwargs={"slug": ["x"]}) == "/a/b/docs/x"
    assert shop.client.get("/a/b/docs/x").json() == ["x"]


def test_routes_are_included_twice_under_two_namespaces(shop: Site) -> None:
    set_urlconf(
        shop,
        path("v1/", include("django_routehandlers.urls", namespace="v1")),
        path("v2/", include("django_routehandlers.urls", namespace="v2")),
    )
    assert [reverse("v1:about"), reverse("v2:about")] == ["/v1/about", "/v2/about"]
    assert [resolve("/v1/about").view_name, resolve("/v2/about").view_name] == ["v1:about", "v2:about"]
    assert reverse("routes:about", current_app="v1") == "/v1/about"


def test_routes_below_a_language_prefix_follow_the_language(shop: Site) -> None:
    shop.settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware"]
    shop.settings.LANGUAGES = [("en", "English"), ("de", "German")]
    set_urlconf(shop, *i18n_patterns(path("", include("django_routehandlers.urls"))))
    urls: list[str] = []
    for language in ("en", "de", "en"):
        with override(language):
            urls.append(reverse("routes:product", kwargs={"id": 7}))
    assert urls == ["/en/api/products/7", "/de/api/products/7", "/en/api/products/7"]
    assert shop.client.get("/de/api/products/7").json() == 7


def test_patterns_before_and_after_the_routes_keep_their_turn(shop: Site) -> None:
    set_urlconf(
        shop,
        path("about", plain_view),
        path("", include("django_routehandlers.urls")),
        path("later", plain_view, name="later"),
    )
    bodies = [shop.client.get(url).content for url in ("/about", "/docs", "/later")]
    assert bodies == [b"plain []", b"[]", b"plain []"]
    assert reverse("later") == "/later"


@pytest.mark.parametrize("append_slash", [True, False])
@pytest.mark.parametrize(
    ("slash", "url", "status", "location"),
    [
        (False, "/about", 200, None),
        (False, "/about/", 308, "/about"),
        (False, "/about/?a=/b/", 308, "/about?a=/b/"),
        (False, "/nowhere", 404, None),
        (False, "/nowhere/", 404, None),
        (False, "/about//", 404, None),
        (True, "/about", 308, "/about/"),
        (True, "/about/", 200, None),
        (True, "/nowhere", 404, None),
        (True, "/", 200, None),
    ],
)
def test_last_slash_is_ours_whatever_append_slash_says(
    site: Site, append_slash: bool, slash: bool, url: str, status: int, location: str | None
) -> None:
    site.settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    site.settings.APPEND_SLASH = append_slash
    site.settings.ROUTEHANDLERS = {"TRAILING_SLASH": slash}
    site.serve(FILES)
    response = site.client.get(url)
    assert (response.status_code, response.headers.get("Location")) == (status, location)


def test_append_slash_still_redirects_to_the_projects_own_views(shop: Site) -> None:
    shop.settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    set_urlconf(shop, path("plain/", plain_view), path("", include("django_routehandlers.urls")))
    response = shop.client.get("/plain")
    assert (response.status_code, response.headers["Location"]) == (301, "/plain/")


def test_settings_of_a_block_change_what_reverse_gives_and_back(shop: Site) -> None:
    def urls() -> list[str]:
        return [reverse(name) for name in names]

    names = ["routes:about", "routes:docs-slug"]
    assert urls() == ["/about", "/docs"]
    with override_settings(ROUTEHANDLERS={"TRAILING_SLASH": True}):
        assert urls() == ["/about/", "/docs/"]
        assert shop.client.get("/about/").status_code == 200
    assert urls() == ["/about", "/docs"]
    with override_settings(ROUTEHANDLERS={"PREFIXES": {shop.label(): "p/q/"}}):
        assert urls() == ["/p/q/about", "/p/q/docs"], "where an app is served changes none of its names"
        assert shop.client.get("/about").status_code == 404
    assert urls() == ["/about", "/docs"]
    assert [shop.client.get(url).status_code for url in ("/about", "/p/q/about")] == [200, 404]


ASK: list[Callable[[], Any]] = [
    lambda: reverse("routes:a"),
    lambda: resolve("/a"),
    lambda: resolve("/nowhere"),
]


@pytest.mark.parametrize("ask", ASK, ids=["reverse", "hit", "miss"])
def test_broken_routes_answer_nothing_and_say_why(site: Site, ask: Callable[[], Any]) -> None:
    """Invariant 84."""
    site.serve({"a/route.py": "def GET(): return 1", "b/route.py": "1 +", "[]/route.py": ""})
    with pytest.raises(RoutesError) as raised:
        ask()
    assert [mistake.id for mistake in raised.value.mistakes] == ["E010", "E030"]
    assert str(raised.value).startswith("The routes have 2 mistakes:\n")


def test_warnings_keep_no_route_from_being_served(site: Site) -> None:
    site.serve({"a/route.py": "def GET(): return 1", "a/routes.py": ""})
    assert [message.id for message in site.check()] == ["routehandlers.W017"]
    assert site.client.get("/a").status_code == 200


def test_table_that_is_replaced_is_reversed_anew() -> None:
    """A long-lived include serves the table in force, for ``reverse()`` as for requests."""
    tables = [make_table(["a"]), make_table(["b"])]
    urlconf = make_urlconf(tables[0])
    resolver = urlconf.urlpatterns[0].url_patterns[0]
    assert reverse("routes:a", urlconf) == "/a"
    resolver.table = lambda: tables[1]
    clear_url_caches()
    assert reverse("routes:b", urlconf) == "/b"
    with pytest.raises(NoReverseMatch):
        reverse("routes:a", urlconf)
