"""The form of a URL with, or without, its last slash answers 308 to the other one."""

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import include
from django.urls import path as django_path

from conftest import Site

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO"]

FILES = {
    "route.py": "async def GET():\n    return 'root'\n",
    "x/[id]/route.py": "async def GET(id):\n    return id\n",
    "docs/[[...path]]/route.py": "async def GET(path):\n    return path\n",
}


@pytest.mark.parametrize("method", METHODS)
def test_trailing_slash_redirects_every_method(site: Site, method: str) -> None:
    """Invariant 31; RFC 9110, section 15.4.9: 308 keeps the method."""
    site.serve(FILES)

    async def send() -> Any:
        return await site.async_client.generic(method, "/x/1/?a=1&b=%2F")

    for response in (site.client.generic(method, "/x/1/?a=1&b=%2F"), asyncio.run(send())):
        assert (response.status_code, response.headers["Location"]) == (308, "/x/1?a=1&b=%2F")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/x/a%20b/", "/x/a%20b"),
        ("/x/%C3%A9/", "/x/%C3%A9"),
        ("/x/%5Cevil.example/", "/x/%5Cevil.example"),
        ("/x/a%3Fb%23c/", "/x/a%3Fb%23c"),
        ("/x/100%25/", "/x/100%25"),
        ("/docs/", "/docs"),
        ("/docs/a/b/", "/docs/a/b"),
    ],
)
def test_location_is_the_path_encoded_again(site: Site, path: str, location: str) -> None:
    site.serve(FILES)

    response = site.client.get(path)

    assert (response.status_code, response.headers["Location"]) == (308, location)


@pytest.mark.parametrize("path", ["//", "/x//", "//evil.example/", "/x/1//", "/nope/", "/x/../", "/./"])
def test_nothing_else_redirects(site: Site, path: str) -> None:
    """No `Location` ever names another host."""
    site.serve(FILES)

    response = site.client.generic("GET", path, PATH_INFO=path)

    assert response.status_code == 404


def test_trailing_slash_setting_turns_it_round(site: Site, settings: Any) -> None:
    settings.ROUTEHANDLERS = {"TRAILING_SLASH": True}
    site.serve(FILES)

    assert site.client.get("/x/1/").json() == "1"
    assert site.client.get("/docs/").json() == []
    assert site.client.get("/").json() == "root"
    assert site.client.post("/x/1?a=1").headers["Location"] == "/x/1/?a=1"
    assert site.client.get("/docs").headers["Location"] == "/docs/"


def test_script_name_stays_in_front(site: Site) -> None:
    site.serve(FILES)

    response = site.client.get("/x/1/", SCRIPT_NAME="/app")

    assert response.headers["Location"] == "/app/x/1"


def test_common_middleware_and_csrf_leave_the_redirect_alone(site: Site, settings: Any) -> None:
    settings.MIDDLEWARE = [
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ]
    site.serve(FILES)

    assert site.client.post("/x/1/").headers["Location"] == "/x/1"
    assert site.client.get("/nope").status_code == 404


def test_csrf_checks_and_atomic_requests_leave_the_redirect_alone(
    site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 57; the redirect names no other host and changes nothing, so no token is due."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    site.serve({"x/route.py": "def POST():\n    return 1\n"})
    browser = Client(enforce_csrf_checks=True)

    response = browser.post("/x/")

    assert (response.status_code, response.headers["Location"]) == (308, "/x")


def test_location_names_no_other_host_where_the_routes_begin_behind_two_slashes(site: Site) -> None:
    site.serve(FILES)
    urlconf = ModuleType(f"{site.name}_mounted")
    urlconf.urlpatterns = [django_path("<path:repo>/-/", include("django_routehandlers.urls"))]
    sys.modules[urlconf.__name__] = urlconf
    site.settings.ROOT_URLCONF = urlconf.__name__

    path = "//evil.example/-/x/1/"
    response = site.client.generic("GET", path, PATH_INFO=path)

    assert (response.status_code, response.headers["Location"]) == (308, "/%2Fevil.example/-/x/1")
