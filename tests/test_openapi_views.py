"""The OpenAPI document and its page as they are served."""

import json
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.views.decorators import staff_member_required
from django.test import Client
from django.test.utils import override_script_prefix
from django.urls import NoReverseMatch, include, path, resolve, reverse

import django_routehandlers
from conftest import Site
from django_routehandlers.openapi import views
from test_openapi_document import set_urlconf

ROUTE = {"x/route.py": "def GET() -> int: return 1"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = Path(django_routehandlers.__file__).parent / "openapi" / "page"


@pytest.fixture
def shown(site: Site) -> Site:
    """A site with one route, whose page is switched on."""
    site.settings.ROUTEHANDLERS = {"OPENAPI_UI": True}
    return site.serve(ROUTE)


def test_document_is_json_with_a_strong_validator(site: Site) -> None:
    response = site.serve(ROUTE).client.get("/openapi.json")
    assert (response.status_code, response["Content-Type"], response["Cache-Control"]) == (
        200,
        "application/json",
        "no-cache",
    )
    assert response["ETag"].startswith('"')
    assert list(response.json()["paths"]) == ["/x"]


def test_document_that_the_client_has_is_a_304(site: Site) -> None:
    client = site.serve(ROUTE).client
    etag = client.get("/openapi.json")["ETag"]
    response = client.get("/openapi.json", headers={"If-None-Match": etag})
    assert (response.status_code, response.content, response["ETag"], response["Cache-Control"]) == (
        304,
        b"",
        etag,
        "no-cache",
    )
    assert client.get("/openapi.json", headers={"If-None-Match": '"other"'}).status_code == 200


def test_document_is_served_over_asgi_too(site: Site) -> None:
    site.serve(ROUTE)
    response = async_to_sync(site.async_client.get)("/openapi.json")
    assert (response.status_code, response.content) == (200, site.client.get("/openapi.json").content)


def test_document_is_made_once(site: Site) -> None:
    site.serve(ROUTE).client.get("/openapi.json")
    made = views._encoded.cache_info().misses
    site.client.get("/openapi.json")
    assert views._encoded.cache_info().misses == made


def test_document_follows_the_settings(site: Site) -> None:
    site.serve(ROUTE)
    assert site.client.get("/openapi.json").json()["info"]["title"] == "API"
    site.settings.ROUTEHANDLERS = {"OPENAPI_INFO": {"title": "Shop"}, "OPENAPI_PATH": "docs/api.json"}
    assert site.client.get("/openapi.json").status_code == 404
    assert site.client.get("/docs/api.json").json()["info"]["title"] == "Shop"
    site.settings.ROUTEHANDLERS = {"OPENAPI_PATH": None}
    assert site.client.get("/openapi.json").status_code == 404


def test_head_and_options_are_answered(site: Site) -> None:
    client = site.serve(ROUTE).client
    head, options = client.head("/openapi.json"), client.options("/openapi.json")
    assert (head.status_code, head["ETag"], head.content) == (200, client.get("/openapi.json")["ETag"], b"")
    assert (options.status_code, options["Allow"], options.content) == (204, "GET, HEAD, OPTIONS", b"")


@pytest.mark.parametrize("path", ["/openapi.json", "/openapi/", "/openapi/page.css"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_other_methods_are_a_405_problem(shown: Site, path: str, method: str) -> None:
    # With Django's own check for a token, which must not come before the answer.
    client = Client(enforce_csrf_checks=True)
    response = client.generic(method, path)
    assert (response.status_code, response["Allow"], response["Content-Type"]) == (
        405,
        "GET, HEAD, OPTIONS",
        "application/problem+json",
    )


def test_catch_all_at_the_root_does_not_swallow_the_document(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"OPENAPI_UI": True}
    site.serve({"[[...path]]/route.py": "def GET(path) -> list[str]: return path"})
    assert site.client.get("/openapi.json").json()["openapi"] == "3.1.1"
    assert site.client.get("/openapi/")["Content-Type"] == "text/html; charset=utf-8"
    assert site.client.get("/openapi/page.py").json() == ["openapi", "page.py"]


def test_names_for_reverse_stand_in_a_namespace_that_no_route_can_have(shown: Site) -> None:
    assert reverse("routes:openapi:document") == "/openapi.json"
    assert reverse("routes:openapi:page") == "/openapi/"
    assert resolve("/openapi.json").func is views.document


def test_page_shows_the_document_under_the_strict_policy(shown: Site) -> None:
    response = shown.client.get("/openapi/")
    html = response.content.decode()
    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (response["Content-Security-Policy"], response["X-Content-Type-Options"]) == (POLICY, "nosniff")
    assert 'data-document="../openapi.json"' in html
    assert "__DOCUMENT_URL__" not in html
    assert shown.client.get("/openapi/", headers={"If-None-Match": response["ETag"]}).status_code == 304


def test_page_finds_the_document_wherever_both_are(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"OPENAPI_UI": True, "OPENAPI_PATH": "a/b.json", "OPENAPI_UI_PATH": "c/d/"}
    site.serve(ROUTE)
    set_urlconf(site, path("v1/<slug:tenant>/", include("django_routehandlers.urls")))
    assert 'data-document="../../a/b.json"' in site.client.get("/v1/acme/c/d/").content.decode()
    assert site.client.get("/v1/acme/a/b.json").status_code == 200
    assert site.client.get("/v1/acme/c/d/page.css").status_code == 200


def test_files_of_the_page_are_served_as_what_they_are(shown: Site) -> None:
    kinds = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
    files = [file for file in PAGE.iterdir() if file.suffix in kinds]
    assert len(files) > 2
    for file in files:
        response = shown.client.get(f"/openapi/{file.name}")
        assert (response.status_code, response["Content-Type"], response["X-Content-Type-Options"]) == (
            200,
            kinds[file.suffix],
            "nosniff",
        )
        assert response.content == file.read_bytes()


@pytest.mark.parametrize(
    "name", ["page.html", "..%2Fviews.py", "../views.py", "__init__.py", "page.js/", "PAGE.js", "x.js"]
)
def test_no_other_file_is_served(shown: Site, name: str) -> None:
    assert shown.client.get(f"/openapi/{name}").status_code == 404


def test_page_is_off_without_debug(site: Site) -> None:
    site.serve(ROUTE)
    assert [site.client.get(path).status_code for path in ("/openapi/", "/openapi/page.js")] == [404, 404]
    with pytest.raises(NoReverseMatch):
        reverse("routes:openapi:page")


def test_page_that_is_off_leaves_its_url_to_the_routes(site: Site) -> None:
    site.serve({"[...path]/route.py": "def GET(path) -> list[str]: return path"})
    assert site.client.get("/openapi/page.js").json() == ["openapi", "page.js"]


def test_page_is_on_under_debug(site: Site) -> None:
    site.serve(ROUTE)
    site.settings.DEBUG = True
    assert site.client.get("/openapi/").status_code == 200
    site.settings.ROUTEHANDLERS = {"OPENAPI_UI_PATH": None}
    assert site.client.get("/openapi/").status_code == 404
    site.settings.ROUTEHANDLERS = {"OPENAPI_PATH": None}
    assert site.client.get("/openapi/").status_code == 404


def test_page_needs_no_slash_where_django_appends_it(shown: Site) -> None:
    shown.settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    response = shown.client.get("/openapi")
    assert (response.status_code, response["Location"]) == (301, "/openapi/")


def test_document_names_the_path_of_the_application(site: Site) -> None:
    site.serve(ROUTE)
    with override_script_prefix("/app/"):
        assert site.client.get("/openapi.json").json()["servers"] == [{"url": "/app"}]
    assert "servers" not in site.client.get("/openapi.json").json()


def test_project_may_protect_the_document_with_a_decorator(site: Site) -> None:
    site.serve(ROUTE)
    protected = path("openapi.json", staff_member_required(views.document, login_url="/accounts/login/"))
    set_urlconf(site, protected, path("", include("django_routehandlers.urls")))
    assert site.client.get("/openapi.json").status_code == 302


def test_mistakes_in_the_routes_keep_the_document_from_being_served(site: Site) -> None:
    site.serve({"x/route.py": "def get(): ..."})
    assert site.client.get("/openapi.json").status_code == 500


@pytest.mark.parametrize(
    ("setting", "value", "what"),
    [
        ("OPENAPI_PATH", "/openapi.json", "'/openapi.json' is no path of the form that is needed"),
        ("OPENAPI_PATH", "openapi.json/", "'openapi.json/' is no path of the form that is needed"),
        ("OPENAPI_PATH", "", "'' is no path of the form that is needed"),
        ("OPENAPI_PATH", "a/../b.json", "'a/../b.json' is no path of the form that is needed"),
        ("OPENAPI_PATH", "a%20b.json", "'a%20b.json' is no path of the form that is needed"),
        ("OPENAPI_PATH", "<name>.json", "'<name>.json' is no path of the form that is needed"),
        ("OPENAPI_UI_PATH", "openapi", "'openapi' is no path of the form that is needed"),
        ("OPENAPI_UI_PATH", "/", "'/' is no path of the form that is needed"),
        ("OPENAPI_PATH", "x", "/x is the URL of the route /x"),
        ("OPENAPI_UI_PATH", "x/", "/x/ is the URL of the route /x"),
        ("OPENAPI_UI_PATH", "openapi.json/", "/openapi.json/ is the URL of ROUTEHANDLERS['OPENAPI_PATH'] too."),
    ],
)
def test_path_that_cannot_be_is_a_mistake(site: Site, setting: str, value: str, what: str) -> None:
    site.settings.ROUTEHANDLERS = {setting: value}
    site.serve(ROUTE)
    (message,) = site.check()
    assert message.id == "routehandlers.E053"
    assert message.msg.startswith(f"ROUTEHANDLERS['{setting}']: {what}")


def test_route_with_the_url_of_a_file_of_the_page_is_a_mistake(site: Site) -> None:
    site.serve({"openapi/page.js/route.py": "def GET() -> int: return 1"})
    assert [message.id for message in site.check()] == ["routehandlers.E053"]


def test_route_below_a_path_that_is_not_served_is_none(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"OPENAPI_PATH": None, "OPENAPI_UI_PATH": None}
    site.serve(
        {"openapi.json/route.py": "def GET() -> int: return 1", "openapi/route.py": "def GET() -> int: return 2"}
    )
    assert site.check() == []
    assert (site.client.get("/openapi.json").json(), site.client.get("/openapi").json()) == (1, 2)


def test_document_has_no_whitespace_that_nobody_reads(site: Site) -> None:
    content = site.serve(ROUTE).client.get("/openapi.json").content
    assert content == json.dumps(json.loads(content), separators=(",", ":"), ensure_ascii=False).encode()
