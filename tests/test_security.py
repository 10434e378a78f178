"""``security`` of a route, a folder or the settings: what a 401 asks for, and what the document says."""

import asyncio
from typing import Any

import pytest
from openapi_spec_validator import validate

from conftest import Site
from django_routehandlers.policies.security import challenge_of, name_of, realm_of, what_is_wrong

BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
BASIC = {"type": "http", "scheme": "basic"}
KEY = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
PROBLEM = "from django_routehandlers import Problem\n"
REFUSE = PROBLEM + "{kind} GET(request):\n    raise Problem(401)\n"
GUARD = PROBLEM + "async def middleware(request, call_next):\n    raise Problem(401)\n"
USER = "from django.contrib.auth.models import User\n\n{kind} GET(user: User):\n    return 1\n"
SESSION = 'Cookie cookie-name="sessionid"'
KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


@pytest.mark.parametrize(
    ("scheme", "challenge", "name"),
    [
        (BEARER, "Bearer", "bearer"),
        ({**BEARER, "x-realm": 'a "b"\\'}, r'Bearer realm="a \"b\"\\"', "bearer"),
        (BASIC, 'Basic realm="Shop", charset="UTF-8"', "basic"),
        ({**BASIC, "x-realm": ""}, 'Basic realm="", charset="UTF-8"', "basic"),
        ({"type": "http", "scheme": "Negotiate"}, "Negotiate", "Negotiate"),
        ({"type": "http", "scheme": "digest"}, None, "digest"),
        (KEY, 'APIKey in="header", name="X-API-Key"', "X-API-Key"),
        ({**KEY, "in": "query", "name": "key of ours"}, 'APIKey in="query", name="key of ours"', "key_of_ours"),
        ({**KEY, "in": "cookie", "name": "sid"}, 'Cookie cookie-name="sid"', "sid"),
        ({"type": "oauth2", "flows": {"implicit": {}}}, "Bearer", "oauth2"),
        ({"type": "openIdConnect", "openIdConnectUrl": "https://id.example"}, "Bearer", "openIdConnect"),
        ({"type": "mutualTLS"}, None, "mutualTLS"),
    ],
)
def test_each_scheme_has_its_challenge_and_its_name(scheme: Any, challenge: str | None, name: str) -> None:
    """RFC 9110, section 11.6.1; RFC 7617, section 2; RFC 6750, section 3."""
    assert (what_is_wrong(scheme), challenge_of(scheme, "Shop"), name_of(scheme)) == (None, challenge, name)


@pytest.mark.parametrize(
    ("title", "realm"), [("Wood Shop", "Wood Shop"), ("Läden", "API"), ("a\nb", "API"), ("", "API")]
)
def test_a_realm_is_what_a_field_can_say(title: str, realm: str) -> None:
    """Invariant 53."""
    assert realm_of(title) == realm


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("bearer", "as a dict, or None"),
        ({1: 2}, "as a dict, or None"),
        ({"scheme": "bearer"}, "Its type is one of"),
        ({"type": "http"}, "has to have 'scheme'"),
        ({"type": "http", "scheme": "bea rer"}, "HTTP cannot send"),
        ({"type": "http", "scheme": "basic", "realm": "a"}, "has no 'realm'"),
        ({**KEY, "in": "body"}, "not in 'body'"),
        ({**KEY, "name": "X-A: b\r\n"}, "HTTP cannot send"),
        ({**KEY, "in": "query", "name": "ключ"}, "text of ASCII"),
        ({**BASIC, "x-realm": "a\nb"}, "text of ASCII"),
        ({**BASIC, "x-made": object()}, "The document cannot say it"),
    ],
)
def test_a_mistake_is_found_in_a_route_and_in_the_settings(site: Site, value: Any, what: str) -> None:
    site.serve({"x/route.py": f"security = {value!r}\n\n\ndef GET(request):\n    return 1\n"})
    if "x-made" not in value:
        (message,) = site.check()
        assert (message.id, what in message.msg) == ("routehandlers.E035", True), message.msg
    site.write({"x/route.py": "def GET(request):\n    return 1\n"})
    site.settings.ROUTEHANDLERS = {"SECURITY": value}
    found = [message.msg for message in site.check() if message.id == "routehandlers.E001"]
    assert [what in message for message in found] == [True], found


@KINDS
@pytest.mark.parametrize(
    ("place", "challenge"),
    [("route", "Bearer"), ("folder", "Bearer"), ("setting", "Bearer"), ("nearest", "Bearer"), ("none", None)],
)
def test_a_401_without_a_challenge_is_given_that_of_the_nearest_place(
    site: Site, kind: str, place: str, challenge: str | None
) -> None:
    said, other, refuse = f"security = {BEARER}\n", f"security = {BASIC}\n", REFUSE.format(kind=kind)
    files = {
        "route": {"x/route.py": said + refuse},
        "folder": {"middleware.py": said, "x/route.py": refuse},
        "setting": {"x/route.py": refuse},
        "nearest": {"middleware.py": other, "x/route.py": said + refuse},
        "none": {"middleware.py": other, "x/route.py": "security = None\n" + refuse},
    }
    site.settings.ROUTEHANDLERS = {"SECURITY": BEARER} if place == "setting" else {}
    site.serve(files[place])
    for response in (site.client.get("/x"), asyncio.run(site.async_client.get("/x"))):  # type: ignore[arg-type]
        assert (response.status_code, response.headers.get("WWW-Authenticate")) == (401, challenge)


@KINDS
def test_what_a_401_asks_for_itself_stays_and_other_statuses_ask_for_nothing(site: Site, kind: str) -> None:
    own = (
        PROBLEM + f"{kind} GET(status: int):\n    headers = {{'WWW-Authenticate': 'Bearer error=\"invalid_token\"'}}\n"
    )
    own += "    raise Problem(status, headers=headers if status == 401 else {})\n"
    site.serve({"x/route.py": f"security = {BEARER}\n{own}"})
    assert site.client.get("/x?status=401").headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert "WWW-Authenticate" not in site.client.get("/x?status=403").headers


@pytest.mark.usefixtures("own_cache")
def test_a_guard_before_a_cached_route_asks_for_what_its_folder_says(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "OPENAPI_INFO": {"title": "Shop"}}
    site.serve({"middleware.py": f"security = {BASIC}\n{GUARD}", "x/route.py": "def GET():\n    return 1\n"})
    for method in ("get", "head", "put", "options"):
        response = getattr(site.client, method)("/x")
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (
            401,
            'Basic realm="Shop", charset="UTF-8"',
        )


@KINDS
def test_a_handler_that_takes_the_user_asks_for_the_session_where_nothing_else_is_said(site: Site, kind: str) -> None:
    site.settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    user = USER.format(kind=kind)
    none = f"security = None\n{user}"
    site.serve(
        {"x/route.py": user, "k/middleware.py": f"security = {KEY}\n", "k/x/route.py": user, "k/y/route.py": none}
    )
    found = {path: site.client.get(path).headers["WWW-Authenticate"] for path in ("/x", "/k/x", "/k/y")}
    assert found == {"/x": SESSION, "/k/x": 'APIKey in="header", name="X-API-Key"', "/k/y": SESSION}


ONLY_A_TAG = """
from django.contrib.auth.models import User

require_precondition = ["PATCH"]


{kind} {name}(user: User):
    return None


{kind} GET(request):
    return 1


PUT = PATCH = GET
"""


@KINDS
@pytest.mark.parametrize("name", ["etag", "last_modified"])
def test_a_route_that_asks_only_for_its_tag_who_the_client_is_says_so(site: Site, kind: str, name: str) -> None:
    """RFC 9110, section 11.6.1. A write is judged only where it has a condition."""
    site.serve({"x/route.py": ONLY_A_TAG.format(kind=kind, name=name)})
    fields = {"If-Match": '"1"', "If-Unmodified-Since": "Thu, 26 Nov 2026 08:00:00 GMT"}
    for response in (
        site.client.get("/x"),
        asyncio.run(site.async_client.get("/x")),  # type: ignore[arg-type]
        site.client.put("/x", headers=fields),
    ):
        assert (response.status_code, response.headers.get("WWW-Authenticate")) == (401, SESSION)
    assert site.client.put("/x").status_code == 200
    document = site.client.get("/openapi.json").json()
    validate(document)
    operations = document["paths"]["/x"]
    assert {method: one["security"] for method, one in operations.items()} == {
        "get": [{"session": []}],
        "patch": [{"session": []}],
        "put": [{}, {"session": []}],
    }
    assert all("WWW-Authenticate" in one["responses"]["401"]["headers"] for one in operations.values())
    assert "session" in document["components"]["securitySchemes"]


def test_security_of_a_route_whose_tag_alone_asks_is_not_said_in_vain(site: Site) -> None:
    tag = "def etag(request):\n    return None\n"
    site.serve({"x/route.py": f"security = {BEARER}\n\n\n{tag}\n\ndef GET():\n    return 1\n"})
    assert [message.id for message in site.check()] == []


def test_the_document_says_it_of_each_operation(site: Site) -> None:
    user = "from django.contrib.auth.models import User\n\ndef GET(user: User | None) -> int:\n    return 1\n"
    other = {**BEARER, "bearerFormat": "opaque"}
    site.serve(
        {
            "a/middleware.py": f"security = {BEARER}\n{GUARD}",
            "a/route.py": "def GET() -> int:\n    return 1\n",
            "a/mine/route.py": user,
            "a/open/route.py": "security = None\ndef GET() -> int:\n    return 1\n",
            "b/route.py": f"security = {other}\ndef GET(request) -> int:\n    return 1\n",
            "c/route.py": user,
        }
    )
    document: Any = site.client.get("/openapi.json").json()
    validate(document)
    said = {path: one["get"].get("security") for path, one in document["paths"].items()}
    assert said == {
        "/a": [{"bearer": []}],
        "/a/mine": [{}, {"bearer": []}],
        "/a/open": None,
        "/b": [{"bearer_2": []}],
        "/c": [{}, {"session": []}],
    }
    schemes = document["components"]["securitySchemes"]
    assert (sorted(schemes), schemes["bearer"], schemes["bearer_2"]) == (
        ["bearer", "bearer_2", "session"],
        BEARER,
        other,
    )
    assert [path for path, one in document["paths"].items() if "401" in one["get"]["responses"]] == ["/a", "/b"]
    assert "WWW-Authenticate" in document["paths"]["/a"]["get"]["responses"]["401"]["headers"]


@pytest.mark.parametrize(
    ("files", "mistakes"),
    [
        ({"x/route.py": f"security = {KEY}\ndef GET():\n    return 1\n"}, [("W121", "x/route.py")]),
        (
            {"middleware.py": f"security = {KEY}\n", "x/route.py": "def GET():\n    return 1\n"},
            [("W121", "x/route.py")],
        ),
        ({"x/route.py": f"security = {KEY}\ndef GET(request):\n    return 1\n"}, []),
        ({"middleware.py": f"security = {KEY}\n{GUARD}", "x/route.py": "def GET():\n    return 1\n"}, []),
    ],
)
def test_a_route_that_says_what_nobody_asks_for_is_warned_of(site: Site, files: Any, mistakes: Any) -> None:
    site.serve(files)
    found = [(id, place.removeprefix(f"{site.name}/routes/")) for id, place in site.mistakes() if id == "W121"]
    assert found == mistakes
