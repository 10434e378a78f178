"""CORS of routes from outside: every answer of a route has its fields, and no origin is given those of another."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from django.test import AsyncClient, Client

from conftest import Site
from django_routehandlers.caching.current import forget_cache

A, B = "https://a.example", "https://b.example"
HEAD = f"from django_routehandlers import CORS\n\ncors = CORS([{A!r}, {B!r}], credentials=True)\n"
OURS = "django_routehandlers.middleware.CacheControlMiddleware"
ACCESS = "Access-Control-"
Ask = Callable[..., Any]

ROUTES = {
    "kept/route.py": "async def GET():\n    return 1\n",
    "sync/route.py": "def GET():\n    return 1\n",
    "read/route.py": "async def GET(request):\n    return 1\n\n\nasync def POST(request):\n    return 2\n",
    "number/[id]/route.py": "async def GET(id: int, page: int = 1):\n    return id\n",
    "broken/route.py": "async def GET(request):\n    raise LookupError\n",
    "missing/route.py": "from django.http import Http404\n\n\nasync def GET():\n    raise Http404\n",
    "lines/route.py": "async def GET():\n    yield 1\n    yield 2\n",
    "body/route.py": "async def POST(body: dict):\n    return body\n",
    "open/route.py": "async def GET():\n    return 1\n",
    "none/route.py": "async def GET():\n    return 1\n",
    "own/route.py": (
        "from django.http import HttpResponse\n\n\n"
        "async def GET(request):\n    return 1\n\n\n"
        "async def OPTIONS(request):\n    return HttpResponse('own')\n"
    ),
}


def with_heads(files: dict[str, str]) -> dict[str, str]:
    heads = {
        "open/route.py": 'from django_routehandlers import CORS\n\ncors = CORS("*")\n',
        "none/route.py": "cors = None\n",
    }
    return {name: heads.get(name, HEAD) + "\n\n" + text for name, text in files.items()}


@pytest.fixture(params=["WSGI", "ASGI"])
def ask(request: pytest.FixtureRequest, site: Site) -> Iterator[Ask]:
    """Send a request to the routes above: method, path and fields."""
    backend = "django.core.cache.backends.locmem.LocMemCache"
    site.settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": site.name}}
    site.settings.MIDDLEWARE = [OURS, "django.middleware.http.ConditionalGetMiddleware"]
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
    site.serve(with_heads(ROUTES))

    def send(method: str, path: str, *, content: bytes = b"", kind: str = "text/plain", **headers: str) -> Any:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        clients: dict[str, Any] = {"WSGI": Client, "ASGI": AsyncClient}
        client = clients[request.param](enforce_csrf_checks=True, raise_request_exception=False)
        client.cookies.load(fields.pop("Cookie", ""))
        answer = client.generic(method, path, content, content_type=kind, headers=fields)
        return answer if request.param == "WSGI" else asyncio.run(answer)

    yield send
    forget_cache()


def access(response: Any) -> dict[str, str]:
    fields = {name.title(): value for name, value in response.items()}
    return {name.removeprefix(ACCESS): value for name, value in fields.items() if name.startswith(ACCESS)}


ALLOWED = {"Allow-Origin": A, "Allow-Credentials": "true"}


@pytest.mark.parametrize("origin", [A, "https://evil.example", None])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/kept", 200),
        ("HEAD", "/kept", 200),
        ("GET", "/sync", 200),
        ("GET", "/read", 200),
        ("OPTIONS", "/read", 204),
        ("DELETE", "/read", 405),
        ("get", "/read", 405),
        ("GET", "/number/7", 200),
        ("GET", "/number/seven", 404),
        ("GET", "/number/7?page=one", 422),
        ("GET", "/broken", 500),
        ("GET", "/missing", 404),
        ("GET", "/lines", 200),
        ("GET", "/read/", 308),
        ("GET", "/own", 200),
        ("OPTIONS", "/own", 200),
    ],
)
def test_every_answer_of_a_route_has_the_fields(
    ask: Ask, method: str, path: str, status: int, origin: str | None
) -> None:
    """Invariants 80, 82 and 83: from the cache as well."""
    for _ in range(2):
        response = ask(method, path, **({} if origin is None else {"Origin": origin}))
        assert response.status_code == status
        assert access(response) == (ALLOWED if origin == A else {})
        assert "Origin" in response.headers["Vary"].split(", ")


def test_not_modified_has_the_fields(ask: Ask) -> None:
    """Invariant 82."""
    etag = ask("GET", "/kept", Origin=B).headers["ETag"]
    response = ask("GET", "/kept", Origin=A, If_None_Match=etag)
    assert (response.status_code, access(response)) == (304, ALLOWED)
    assert "Origin" in response.headers["Vary"]


def test_content_that_is_too_big_is_refused_with_the_fields(ask: Ask, site: Site) -> None:
    """Invariant 83."""
    site.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    response = ask("POST", "/body", content=b'{"a": "long enough"}', kind="application/json", Origin=A)
    assert (response.status_code, access(response)) == (413, ALLOWED)


@pytest.mark.parametrize("order", list(permutations([A, B, None])))
def test_no_origin_is_given_the_fields_of_another(ask: Ask, order: tuple[str | None, ...]) -> None:
    """Invariant 82: through our cache, and one downstream."""
    shared = SharedCache(ask)
    for origin in (*order, *order):
        fields = {} if origin is None else {"Origin": origin}
        expected = None if origin is None else origin
        for response in (ask("GET", "/kept", **fields), shared.get("/kept", **fields)):
            assert access(response).get("Allow-Origin") == expected
            assert "public" in response.headers["Cache-Control"]
    assert shared.hits == 3


class SharedCache:
    """A cache downstream that keeps what is public, and keys on what ``Vary`` names (RFC 9111, section 4.1)."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._kept: list[tuple[dict[str, str | None], Any]] = []
        self.hits = 0

    def get(self, path: str, **fields: str) -> Any:
        for key, response in self._kept:
            if all(fields.get(name) == value for name, value in key.items()):
                self.hits += 1
                return response
        response = self._ask("GET", path, **fields)
        if "public" in response.headers["Cache-Control"]:
            names = [name.strip() for name in response.headers.get("Vary", "").split(",") if name.strip()]
            self._kept.append(({name: fields.get(name) for name in names}, response))
        return response


def test_what_is_for_everybody_is_one_entry_downstream(ask: Ask) -> None:
    """Fetch, "CORS protocol and HTTP caches": always the field, and no ``Vary``."""
    for fields in ({}, {"Origin": A}, {"Origin": "null"}):
        response = ask("GET", "/open", **fields)
        assert access(response) == {"Allow-Origin": "*"}
        assert "Origin" not in response.headers.get("Vary", "")


def test_a_route_without_cors_says_nothing(ask: Ask) -> None:
    for method in ("GET", "OPTIONS"):
        response = ask(method, "/none", Origin=A, Access_Control_Request_Method="GET")
        assert access(response) == {}
        assert "Origin" not in response.headers.get("Vary", "")


# Preflights


PREFLIGHT = {"Access_Control_Request_Method": "GET"}
GRANTED = {**ALLOWED, "Allow-Methods": "GET, HEAD, POST", "Allow-Headers": "authorization, content-type"}
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@pytest.mark.parametrize("path", ["/read", "/read/"])
def test_preflight_is_granted(ask: Ask, path: str) -> None:
    """Invariant 80."""
    response = ask("OPTIONS", path, Origin=A, Access_Control_Request_Method="POST")
    assert (response.status_code, response.content) == (204, b"")
    assert access(response) == {**GRANTED, "Max-Age": "600"}
    assert response.headers["Vary"] == VARY


@pytest.mark.parametrize(
    ("fields", "detail", "has_fields"),
    [
        ({"Origin": "https://evil.example", **PREFLIGHT}, "The origin is not allowed.", False),
        (
            {"Origin": A, "Access_Control_Request_Method": "PUT"},
            "The method is not allowed. Allowed are GET, HEAD, POST.",
            True,
        ),
        (
            {"Origin": A, **PREFLIGHT, "Access_Control_Request_Headers": "x-a"},
            "Fields are not allowed: x-a.",
            True,
        ),
    ],
)
def test_refused_preflight_says_what_is_refused(
    ask: Ask, fields: dict[str, str], detail: str, has_fields: bool
) -> None:
    """Invariant 80."""
    response = ask("OPTIONS", "/read", **fields)
    assert (response.status_code, response.json()["detail"]) == (403, detail)
    assert access(response) == ({**GRANTED, "Max-Age": "600"} if has_fields else {})
    assert response.headers["Vary"] == VARY
    # No middleware that would say so is within: a server would send it in chunks.
    assert response.headers["Content-Length"] == str(len(response.content))


def test_a_handler_for_options_wins(ask: Ask) -> None:
    response = ask("OPTIONS", "/own", Origin=A, **PREFLIGHT)
    assert (response.status_code, response.content, access(response)) == (200, b"own", ALLOWED)


def test_no_middleware_refuses_a_preflight(ask: Ask, site: Site) -> None:
    """Invariant 80."""
    site.settings.MIDDLEWARE = [
        OURS,
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        "test_cors_beside.guard",
    ]
    assert ask("OPTIONS", "/read", Origin=A, **PREFLIGHT).status_code == 204
    assert ask("GET", "/read", Origin=A).status_code == 401
    assert ask("OPTIONS", "/read", Origin=A).status_code == 401


@pytest.mark.parametrize("path", ["/guarded/a", "/guarded/b"])
def test_folders_hand_their_policy_down_and_do_not_refuse_preflights(ask: Ask, site: Site, path: str) -> None:
    site.write(
        {
            "guarded/middleware.py": HEAD + "\n\nasync def middleware(request, call_next):\n"
            "    if 'key' not in request.headers:\n        raise PermissionError\n"
            "    return await call_next(request)\n",
            "guarded/a/route.py": "async def GET():\n    return 1\n",
            "guarded/b/route.py": "def GET(request):\n    return 1\n\n\ndef POST(request):\n    return 2\n",
        }
    )
    site.settings.ROUTEHANDLERS = {}
    assert ask("OPTIONS", path, Origin=A, **PREFLIGHT).status_code == 204
    refused, passed = ask("GET", path, Origin=A), ask("GET", path, Origin=A, key="1")
    assert (refused.status_code, access(refused)) == (500, ALLOWED)
    assert (passed.status_code, access(passed)) == (200, ALLOWED)


# Where a policy comes from


@pytest.mark.parametrize("form", ["object", "dict"])
def test_setting_speaks_where_nobody_else_does(ask: Ask, site: Site, form: str) -> None:
    from django_routehandlers import CORS

    site.write({"plain/route.py": "async def GET():\n    return 1\n"})
    arguments: dict[str, Any] = {"origins": ["https://setting.example"]}
    site.settings.ROUTEHANDLERS = {"CORS": CORS(**arguments) if form == "object" else arguments}
    assert access(ask("GET", "/plain", Origin="https://setting.example")) == {"Allow-Origin": "https://setting.example"}
    assert access(ask("GET", "/kept", Origin="https://setting.example")) == {}
    assert access(ask("GET", "/none", Origin="https://setting.example")) == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["https://a.example"], "must be a CORS, its arguments as a dict, or None, not ['https://a.example']."),
        ({"origins": "*", "credentials": True}, '"*" goes with no credentials'),
        ({"origin": ["https://a.example"]}, "unexpected keyword argument 'origin'"),
    ],
)
def test_setting_that_cannot_be_is_an_error(site: Site, value: Any, message: str) -> None:
    site.settings.ROUTEHANDLERS = {"CORS": value}
    site.serve({"x/route.py": "async def GET():\n    return 1\n"})
    [found] = site.check()
    assert found.id == "routehandlers.E001"
    assert message in found.msg


@pytest.mark.parametrize("file", ["x/route.py", "middleware.py"])
def test_policy_that_is_none_is_an_error(site: Site, file: str) -> None:
    files = {"x/route.py": "async def GET():\n    return 1\n"}
    site.serve({**files, file: 'cors = ["https://a.example"]\n' + files.get(file, "")})
    [found] = site.check()
    assert (found.id, found.msg.partition(": ")[2].partition(": ")[2]) == (
        "routehandlers.E035",
        "cors is ['https://a.example']. It is a CORS, or None for none.",
    )


# Unsafe requests


@pytest.mark.parametrize(
    ("head", "fields", "status"),
    [
        (HEAD, {"Origin": A}, 200),
        (HEAD, {"Origin": A, "Cookie": "sessionid=1"}, 200),
        (HEAD, {"Origin": "https://evil.example"}, 403),
        (HEAD, {"Origin": "null"}, 403),
        (HEAD, {}, 403),
        (HEAD.replace(", credentials=True", ""), {"Origin": A}, 200),
        (HEAD.replace(", credentials=True", ""), {"Origin": A, "Cookie": "sessionid=1"}, 403),
        (HEAD.replace(", credentials=True", ""), {"Origin": A, "Authorization": "Basic eA=="}, 403),
        ('from django_routehandlers import CORS\n\ncors = CORS("*")\n', {"Origin": A}, 200),
        ('from django_routehandlers import CORS\n\ncors = CORS("*")\n', {"Origin": A, "Cookie": "a=b"}, 403),
        ("", {"Origin": A}, 403),
    ],
)
def test_unsafe_requests_of_other_origins(ask: Ask, site: Site, head: str, fields: dict[str, str], status: int) -> None:
    """Invariant 59."""
    site.write({"unsafe/route.py": head + "\n\nasync def POST(request):\n    return 1\n"})
    site.settings.ROUTEHANDLERS = {}
    assert ask("POST", "/unsafe", Sec_Fetch_Site="cross-site", **fields).status_code == status


def test_token_is_asked_of_an_origin_that_may_send_it(ask: Ask, site: Site) -> None:
    site.write({"unsafe/route.py": f'{HEAD}csrf = "token"\n\n\nasync def POST(request):\n    return 1\n'})
    site.settings.ROUTEHANDLERS = {}
    token = "a" * 32
    good = {"Cookie": f"csrftoken={token}", "X_CSRFToken": token}
    assert ask("POST", "/unsafe", Origin=A, **good).status_code == 200
    assert ask("POST", "/unsafe", Origin=A, Cookie=f"csrftoken={token}").status_code == 403
    assert ask("POST", "/unsafe", Origin="https://evil.example", **good).status_code == 403


def test_a_listed_origin_that_sends_cookies_unasked_is_told_why(ask: Ask, site: Site) -> None:
    head = HEAD.replace(", credentials=True", "")
    site.write({"unsafe/route.py": head + "\n\nasync def POST(request):\n    return 1\n"})
    site.settings.ROUTEHANDLERS = {}
    response = ask("POST", "/unsafe", Origin=A, Cookie="sessionid=1")
    assert "credentials=True" in response.json()["detail"]


def test_a_refused_preflight_is_logged_with_the_reason(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    ask("OPTIONS", "/read", Origin=A, **PREFLIGHT, Access_Control_Request_Headers="x-a")
    assert [record.getMessage() for record in caplog.records] == [
        "Forbidden (preflight of 'https://a.example': Fields are not allowed: x-a): /read"
    ]


# Beside django-cors-headers


def test_a_check_says_where_two_speak_for_one_route(site: Site) -> None:
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "corsheaders"]
    site.settings.MIDDLEWARE = [OURS, "corsheaders.middleware.CorsMiddleware"]
    site.serve({"api/x/route.py": HEAD + "\n\nasync def GET():\n    return 1\n", "y/route.py": ROUTES["kept/route.py"]})
    [found] = site.check()
    assert (found.id, found.msg) == (
        "routehandlers.W110",
        "MIDDLEWARE: corsheaders.middleware.CorsMiddleware answers for /api/x, whose own `cors` it may contradict.",
    )
    site.settings.CORS_URLS_REGEX = r"^/(?!api/).*$"
    assert site.check() == []


def test_fields_of_django_cors_headers_are_not_doubled(ask: Ask, site: Site) -> None:
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "corsheaders"]
    site.settings.MIDDLEWARE = [OURS, "corsheaders.middleware.CorsMiddleware"]
    site.settings.CORS_ALLOWED_ORIGINS = [B]
    response = ask("GET", "/kept", Origin=B)
    assert access(response) == {"Allow-Origin": B, "Allow-Credentials": "true"}
    assert response.headers["Vary"].lower().count("origin") == 1
