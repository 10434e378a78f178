"""Nothing that a client sends gets past the guard of a folder."""

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from conftest import Site

ROOT = Path(__file__).parents[1]
GUARD = """
from django.core.exceptions import PermissionDenied

{kind} middleware(request, call_next):
    if request.headers.get("X-Key") != "open":
        raise PermissionDenied("No key.")
    response = {wait}call_next(request)
    response.headers["X-Guarded"] = "yes"
    return response
"""
DYNAMIC = "\n\n".join(
    f"async def {method}(request):\n    return 'secret'\n" for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
)
METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "BREW",
    "get",
    "Post",
)
REDIRECTED = ("admin/secret/", "admin/cached/")


def guard(kind: str) -> str:
    """Return a guard that wants a key."""
    return GUARD.format(kind=kind, wait="await " if kind == "async def" else "")


@pytest.fixture(params=["async def", "def"])
def guarded(request: pytest.FixtureRequest, site: Site, own_cache: None) -> Site:
    """A site with a guarded folder, whose entries are in the cache already."""
    site.settings.MIDDLEWARE = [*site.settings.MIDDLEWARE, "django.middleware.common.CommonMiddleware"]
    site.serve(
        {
            "admin/middleware.py": guard(request.param),
            "admin/secret/route.py": DYNAMIC,
            "admin/cached/route.py": "async def GET():\n    return 'secret'\n",
            "open/route.py": "async def GET():\n    return 'open'\n",
        }
    )
    assert site.client.get("/admin/cached", headers={"X-Key": "open"}).json() == "secret"
    return site


def internal_names() -> Iterator[str]:
    """Yield what the package writes on requests, and the fields that it reads."""
    for path in sorted((ROOT / "django_routehandlers").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if re.fullmatch(r"HTTP_[A-Z_]+", text):
                    yield text.removeprefix("HTTP_").replace("_", "-").lower()
                elif re.fullmatch(r"(route|csrf)_?[a-z_]+", text):
                    yield text.replace("_", "-")
                elif re.fullmatch(r"[A-Za-z]+(-[A-Za-z]+)+", text):
                    yield text.lower()


KIN = [
    "x-middleware-subrequest",
    "x-middleware-next",
    "x-middleware-rewrite",
    "x-middleware-redirect",
    "x-middleware-set-cookie",
    "x-middleware-cache",
    "x-middleware-prefetch",
    "x-middleware-request-x-key",
    "x-middleware-override-headers",
    "x-middleware-invoke",
    "x-nextjs-data",
    "x-nextjs-matched-path",
    "next-action",
    "next-router-state-tree",
    "rsc",
    "x-invoke-path",
    "x-invoke-query",
    "x-invoke-output",
    "x-matched-path",
    "x-now-route-matches",
    "x-prerender-revalidate",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-forwarded-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-user",
    "remote-user",
    "x-script-name",
    "script-name",
    "path-info",
    "purpose",
    "sec-purpose",
    "x-moz",
    "x-requested-with",
    "upgrade-insecure-requests",
    "if-none-match",
    "if-match",
    "if-modified-since",
    "range",
    "connection",
    "expect",
    "access-control-request-method",
    "origin",
    "pragma",
    "cache-control",
]
VALUES = [
    "1",
    "middleware",
    "middleware:middleware:middleware:middleware:middleware",
    "/open",
    "GET",
    "*",
    "x-key=open",
]
FIELDS = sorted({*KIN, *internal_names()} - {"x-key", "host", "cookie", "content-type", "content-length"})


def test_internal_names_are_found() -> None:
    assert {"route-cache", "route-cache-awaited", "origin", "sec-fetch-site"} <= set(internal_names())


def _leaks(response: Any) -> bool:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return b"secret" in body or response.headers.get("X-Guarded") == "yes"


@pytest.mark.parametrize("path", ["/admin/secret", "/admin/cached"])
def test_no_field_switches_the_guard_off(guarded: Site, path: str) -> None:
    statuses: set[int] = set()
    for field in FIELDS:
        for value in VALUES:
            response = guarded.client.get(path, headers={field: value})
            statuses.add(response.status_code)
            assert not _leaks(response), (field, value)
    # Fields of the server's own are none of the package's: DisallowedHost is Django's.
    assert statuses <= {403, 400}


@pytest.mark.parametrize("path", ["/admin/secret", "/admin/cached"])
def test_all_fields_together_do_not_switch_it_off_under_asgi(guarded: Site, path: str) -> None:
    async def ask() -> None:
        for value in VALUES:
            fields = {field: value for field in FIELDS if field not in ("x-forwarded-host",)}
            for method in METHODS:
                response = await guarded.async_client.generic(method, path, headers=fields)
                assert (response.status_code, _leaks(response)) == (403, False), (method, value)

    asyncio.run(ask())


@pytest.mark.parametrize("path", ["/admin/secret", "/admin/cached"])
@pytest.mark.parametrize("method", METHODS)
def test_no_method_passes_the_guard_by(guarded: Site, path: str, method: str) -> None:
    response = guarded.client.generic(method, path)
    assert (response.status_code, _leaks(response)) == (403, False)

    opened = guarded.client.generic(method, path, headers={"X-Key": "open"})
    assert opened.headers["X-Guarded"] == "yes"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/admin%2Fsecret", 403),
        ("/admin%2fsecret", 403),
        ("/%61dmin/secret", 403),
        ("/admin/secre%74", 403),
        ("/admin/secret?x-key=open", 403),
        ("/admin/secret?_method=GET", 403),
        ("/admin/secret;x=1", 404),
        ("/admin/secret%00", 404),
        ("/admin/secret%20", 404),
        ("/admin/secret.json", 404),
        ("//admin/secret", 404),
        ("/admin//secret", 404),
        ("/./admin/secret", 404),
        ("/admin/./secret", 404),
        ("/open/../admin/secret", 404),
        ("/open/..%2Fadmin/secret", 404),
        ("/open/%2e%2e/admin/secret", 404),
        ("/admin/secret/.", 404),
        ("/admin/secret//", 404),
        ("/ADMIN/secret", 404),
        ("/Admin/Secret", 404),
        ("/admin%5Csecret", 404),
        ("/admin%252Fsecret", 404),
        ("/admin/secret/", 308),
        ("/admin/cached/", 308),
    ],
)
def test_no_spelling_of_the_path_passes_the_guard_by(guarded: Site, path: str, status: int) -> None:
    for client in (guarded.client.get, guarded.client.head, guarded.client.post):
        response = client(path)
        assert (response.status_code, _leaks(response)) == (status, False)
        if status == 308:
            assert client(response.headers["Location"]).status_code == 403


def test_raw_targets_do_not_pass_it_by_either(guarded: Site) -> None:
    """What a server hands on without having read it: a whole URL, an asterisk, a path without its slash."""
    factory = RequestFactory()
    for path_info in ("http://testserver/admin/secret", "*", "admin/secret", "/admin/secret\n", "/admin/\tsecret", ""):
        environ = factory.get("/").environ | {"PATH_INFO": path_info}
        response = guarded.client.request(**environ)
        assert not _leaks(response), path_info


def test_method_that_another_middleware_overrides_is_still_guarded(guarded: Site, settings: Any) -> None:
    settings.MIDDLEWARE = ["test_folder_guards.Overriding"]

    response = guarded.client.post("/admin/secret", headers={"X-HTTP-Method-Override": "DELETE"})

    assert response.status_code == 403


class Overriding:
    """A middleware that overrides the method, as some projects have one."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        request.method = request.headers.get("X-HTTP-Method-Override", request.method)
        return self.get_response(request)


def test_request_that_a_client_makes_look_internal_is_an_ordinary_one(guarded: Site) -> None:
    """What the package notes on a request cannot be named by a field, a cookie or the query string."""
    names = [name.replace("-", "_") for name in internal_names()]
    query = "&".join(f"{name}=1" for name in names)
    guarded.client.cookies.load(dict.fromkeys(names, "1"))

    response = guarded.client.get(f"/admin/cached?{query}")

    assert (response.status_code, _leaks(response)) == (403, False)
