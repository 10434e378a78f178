"""CORS of routes beside others: middleware that answers first, other CORS policies, servers that log users in."""

import asyncio
import sys
from typing import Any

import pytest
from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from django.utils.decorators import sync_and_async_middleware

from conftest import Site
from django_routehandlers import CORS
from django_routehandlers.handlers.functions import is_coroutine_function

A, B, EVIL = "https://a.example", "https://b.example", "https://evil.example"
OURS = "django_routehandlers.middleware.CacheControlMiddleware"
CORSHEADERS = "corsheaders.middleware.CorsMiddleware"
HEAD = "from django_routehandlers import CORS\n\ncors = CORS([{origins}]{more})\n\n\n"
ROUTE = "async def GET(request):\n    return 1\n\n\nasync def POST(request):\n    return 2\n"
WITH_CREDENTIALS = HEAD.format(origins=repr(A), more=", credentials=True") + ROUTE
WITHOUT = HEAD.format(origins=repr(A), more="") + ROUTE


def access(response: Any) -> dict[str, str]:
    found = {name.title(): value for name, value in response.items()}
    return {name: value for name, value in found.items() if name.startswith("Access-Control-")}


def client() -> Client:
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


@sync_and_async_middleware
def guard(get_response: Any) -> Any:
    """Refuse whoever has no key, before Django looks for a view."""

    def judge(request: HttpRequest) -> HttpResponse | None:
        return None if "key" in request.headers else HttpResponse(status=401)

    if not is_coroutine_function(get_response):
        return lambda request: judge(request) or get_response(request)

    async def middleware(request: HttpRequest) -> Any:
        return judge(request) or await get_response(request)

    return middleware


LOGIN = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
]


@pytest.mark.parametrize("others", [[f"{__name__}.guard"], LOGIN], ids=["before the view is found", "after it"])
@pytest.mark.parametrize("origin", [A, EVIL, None])
def test_answer_of_a_middleware_in_front_has_the_fields(site: Site, others: list[str], origin: str | None) -> None:
    """Invariants 82 and 83: the page can read why it was refused."""
    site.settings.MIDDLEWARE = [OURS, *others]
    site.serve({"x/route.py": WITH_CREDENTIALS, "plain/route.py": ROUTE})
    headers = {} if origin is None else {"Origin": origin}
    response = client().get("/x", headers=headers)
    assert response.status_code in (302, 401)
    expected = {"Access-Control-Allow-Origin": A, "Access-Control-Allow-Credentials": "true"} if origin == A else {}
    assert access(response) == expected
    # What is refused before the view is found, for everybody alike, is not looked for where no origin asks.
    assert ("Origin" in response.headers.get("Vary", "").split(", ")) == (origin is not None or others is LOGIN)
    plain = client().get("/plain", headers=headers)
    assert access(plain) == {}
    assert "Origin" not in plain.headers.get("Vary", "").split(", ")


@pytest.mark.parametrize("others", [[f"{__name__}.guard"], LOGIN], ids=["before the view is found", "after it"])
def test_answer_in_the_place_of_the_slash_redirect_has_the_fields_of_the_route(site: Site, others: list[str]) -> None:
    """Invariants 80, 82: a page has to be able to read what it is told, whichever form of the URL it asks for."""
    site.settings.MIDDLEWARE = [OURS, *others]
    site.serve({"x/route.py": WITHOUT, "y/route.py": ROUTE})
    preflight = {"origin": A, "access-control-request-method": "GET"}

    response = client().get("/x/", headers={"origin": A})

    assert response.status_code == (302 if others is LOGIN else 401)
    assert "Origin" in response.headers["Vary"].split(", ")
    assert access(response) == {"Access-Control-Allow-Origin": A}
    assert client().options("/x/", headers=preflight).status_code == 204
    assert access(client().get("/y/", headers={"origin": A})) == {}


def test_answer_of_a_middleware_in_front_has_the_fields_on_a_loop(site: Site) -> None:
    """Invariant 83."""
    site.settings.MIDDLEWARE = [OURS, f"{__name__}.guard"]
    site.serve({"x/route.py": WITH_CREDENTIALS})
    response = asyncio.run(AsyncClient().get("/x", headers={"Origin": A}))
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (401, A)


@sync_and_async_middleware
def subdomain(get_response: Any) -> Any:
    """Give a subdomain a URLconf of its own."""

    def middleware(request: HttpRequest) -> Any:
        vars(request)["urlconf"] = OtherSite
        return get_response(request)

    async def amiddleware(request: HttpRequest) -> Any:
        return await middleware(request)

    return amiddleware if is_coroutine_function(get_response) else middleware


class OtherSite:
    """A URLconf without routes, in which the path of one leads elsewhere."""

    urlpatterns = (path("x", lambda request: HttpResponse("elsewhere")),)


def test_preflight_is_answered_for_the_view_that_the_url_leads_to(site: Site) -> None:
    """Invariant 80: and not for a route at that path of another site."""
    site.serve({"x/route.py": WITH_CREDENTIALS})
    asked = {"Origin": A, "Access-Control-Request-Method": "POST"}
    for others, content in (([OURS], b""), ([f"{__name__}.subdomain", OURS], b"elsewhere")):
        site.settings.MIDDLEWARE = others
        response = client().options("/x", headers=asked)
        assert (response.content, bool(access(response))) == (content, not content)


def test_a_policy_for_everybody_of_another_is_not_mixed_with_credentials(site: Site) -> None:
    """Invariant 81: ``*`` never stands beside credentials."""
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "corsheaders"]
    site.settings.MIDDLEWARE = [OURS, CORSHEADERS]
    site.settings.CORS_ALLOW_ALL_ORIGINS = True
    site.serve({"x/route.py": WITH_CREDENTIALS})
    assert access(client().get("/x", headers={"Origin": EVIL})) == {"Access-Control-Allow-Origin": "*"}
    assert access(client().get("/x", headers={"Origin": A})) == {"Access-Control-Allow-Origin": "*"}


def test_fields_that_the_handler_wrote_itself_stand(site: Site) -> None:
    """Invariant 81."""
    text = HEAD.format(origins=f"{A!r}, {B!r}", more=", credentials=True") + (
        "from django_routehandlers import JSONResponse\n\n\n"
        f"async def GET(request):\n    return JSONResponse(1, headers={{'Access-Control-Allow-Origin': '{B}'}})\n"
    )
    site.serve({"x/route.py": text})
    assert access(client().get("/x", headers={"Origin": A})) == {"Access-Control-Allow-Origin": B}


@pytest.mark.parametrize(("text", "status"), [(WITHOUT, 403), (WITH_CREDENTIALS, 200)])
def test_user_that_the_server_logged_in_needs_credentials(site: Site, text: str, status: int) -> None:
    """Invariant 59: Kerberos and client certificates are the browser's doing, as cookies are."""
    site.serve({"x/route.py": text})
    headers = {"Origin": A, "Sec-Fetch-Site": "cross-site"}
    assert client().post("/x", headers=headers, REMOTE_USER="ada").status_code == status
    assert client().post("/x", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"origins": "*", "origin_regexes": ["https://.*"]}, r'CORS\(origin_regexes=…\): origins="\*" stands alone'),
        ({"origins": "*", "origin_regexes": ["("]}, r'CORS\(origin_regexes=…\): origins="\*" stands alone'),
        (
            {"origins": [A], "expose_headers": ["*"], "credentials": True},
            r'CORS\(expose_headers=…\): "\*" is a name like any other where credentials are',
        ),
    ],
)
def test_star_that_would_mean_nothing_is_refused(arguments: dict[str, Any], message: str) -> None:
    """Invariant 81, and Fetch: ``*`` is a wildcard for requests without credentials alone."""
    with pytest.raises(ValueError, match=message):
        CORS(**arguments)


def test_an_origin_longer_than_any_host_is_not_held_against_patterns() -> None:
    """Invariant 81: a pattern that goes back and forth is given no text to do so in."""
    policy = CORS(origin_regexes=[r"https://(a+)+\.example"])
    assert policy.allows("https://aaa.example")
    assert not policy.allows("https://" + "a" * 300 + ".example")


# Checks


def found(site: Site) -> list[tuple[str, str]]:
    return [(str(one.id).removeprefix("routehandlers."), one.msg) for one in site.check()]


def test_a_check_says_where_preflights_may_be_refused(site: Site) -> None:
    site.settings.MIDDLEWARE = []
    site.serve({"x/route.py": WITH_CREDENTIALS})
    [(id, message)] = found(site)
    assert (id, message) == (
        "W111",
        f"MIDDLEWARE: routes have a `cors`, but {OURS} is missing, so other middleware may refuse their preflights.",
    )
    site.settings.MIDDLEWARE = [f"{__name__}.guard", OURS]
    assert ("W111", message.replace("missing", "not the first entry")) in found(site)
    site.settings.MIDDLEWARE = [OURS]
    assert found(site) == []


@pytest.mark.parametrize(
    ("pattern", "is_loose"),
    [
        (r"https://app.example\.com", True),
        (r"https://app\.example.com", True),
        (r"https://.\.example\.com", True),
        (r"https://\\.example\.com", True),
        (r"https://.*", True),
        (r"https?://.+", True),
        (r".*", True),
        (r"https://.*\.example\.com", False),
        (r"https://[a-z.]+\.example\.com", False),
        (r"https://[^.]+\.example\.com(:[0-9]{2,5})?", False),
        (r"http://localhost:\d+", False),
    ],
)
def test_a_check_names_patterns_that_let_strangers_in_once(site: Site, pattern: str, is_loose: bool) -> None:
    """Invariant 81."""
    site.settings.MIDDLEWARE = [OURS]
    text = f"from django_routehandlers import CORS\n\ncors = CORS(origin_regexes=[{pattern!r}])\n"
    site.serve({"middleware.py": text, "x/route.py": ROUTE, "y/route.py": ROUTE})
    messages = found(site)
    assert [id for id, _ in messages] == (["W112"] if is_loose else [])
    assert all(f": the pattern {pattern!r} of `cors` lets in origins of strangers." in text for _, text in messages)


class Cors(CorsMiddleware):
    """As a project changes the middleware of django-cors-headers."""


def test_a_check_knows_where_the_routes_are_and_what_is_derived_from_django_cors_headers(site: Site) -> None:
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "corsheaders"]
    site.settings.MIDDLEWARE = [OURS, f"{__name__}.Cors"]
    site.serve({"x/route.py": WITH_CREDENTIALS})
    urls = type(sys)("urls_below")
    urls.urlpatterns = [path("api/v1/", include("django_routehandlers.urls"))]
    site.settings.ROOT_URLCONF = urls
    message = f"MIDDLEWARE: {__name__}.Cors answers for /api/v1/x, whose own `cors` it may contradict."
    assert found(site) == [("W110", message)]
    site.settings.CORS_URLS_REGEX = r"^/(?!api/v1/).*$"
    assert found(site) == []
