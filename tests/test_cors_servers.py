"""CORS over the wire of real servers: what a client writes into its fields, byte for byte, and what comes back."""

from collections.abc import Iterator

import pytest

from servers import Reply, Server, make_project, serve, use_engine

GOOD = "https://good.example"
SETTINGS = """
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    ROUTEHANDLERS = {"CACHE_ENABLED": True}
    MIDDLEWARE.insert(0, "django_routehandlers.middleware.CacheControlMiddleware")
    LOGGING = {"version": 1, "disable_existing_loggers": True}
"""
HEAD = r"""
from django_routehandlers import CORS

cors = CORS(["https://good.example"], origin_regexes=[r"https://.*\.good\.example"], headers="*", credentials=True)


"""
ROUTES = {
    "kept/route.py": HEAD + "async def GET():\n    return 1\n",
    "json/route.py": HEAD + "async def POST(body: list):\n    return len(body)\n",
    "broken/route.py": HEAD + "async def GET(request):\n    raise LookupError\n",
    "lines/route.py": HEAD + "async def GET():\n    yield 1\n    yield 2\n",
    "sync/route.py": HEAD + "def GET(request):\n    return 1\n",
}


@pytest.fixture(scope="module", params=["uvicorn-httptools", "gunicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = make_project(tmp_path_factory.mktemp("cors"), ROUTES, settings=SETTINGS)
    use_engine(home)
    with serve(request.param, home) as one:
        yield one


def access(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.fields if name.startswith("access-control-")}


ALLOWED = {"access-control-allow-origin": GOOD, "access-control-allow-credentials": "true"}


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/kept", b"", 200),
        ("HEAD", "/kept", b"", 200),
        ("GET", "/sync", b"", 200),
        ("GET", "/lines", b"", 200),
        ("GET", "/broken", b"", 500),
        ("GET", "/kept/", b"", 308),
        ("PUT", "/kept", b"", 405),
        ("POST", "/json", b"[1]", 200),
        ("POST", "/json", b"[", 400),
        ("POST", "/json", b"{}", 422),
        ("POST", "/json", b"[" + b"1," * 5000 + b"1]", 413),
    ],
)
def test_every_answer_has_the_fields(server: Server, method: str, target: str, body: bytes, status: int) -> None:
    """Invariants 82 and 83."""
    fields = [f"Origin: {GOOD}", "Content-Type: application/json"]
    for _ in range(2):
        reply = server.send(method, target, *fields, body=body)
        assert (reply.status, access(reply)) == (status, ALLOWED)
        assert "Origin" in (reply["Vary"] or "").split(", ")


@pytest.mark.parametrize(
    "lines",
    [
        [f"Origin: {GOOD}", "Origin: https://evil.example"],
        ["Origin: https://evil.example", f"Origin: {GOOD}"],
        [f"Origin: {GOOD}", f"Origin: {GOOD}"],
        ["Origin: https://gööd.example"],
        ["Origin: https://ö.good.example"],
        ["Origin: https://evil.example\t.good.example"],
        ["Origin: https://evil.example/.good.example"],
        ["Origin: https://evil.example\\.good.example"],
        ["Origin: https://user:word@a.good.example"],
        ["Origin: " + "https://" + "a" * 4000 + ".good.example"],
        ["Origin: null"],
        ["Origin:"],
        [f"X-Forwarded-Origin: {GOOD}"],
    ],
)
def test_origin_that_no_browser_sends_is_given_nothing(server: Server, lines: list[str]) -> None:
    """Invariant 81."""
    for target in ("/kept", "/sync"):
        reply = server.send("GET", target, *lines)
        assert access(reply) == {}
        assert reply.status in (200, 400)
        assert reply.status == 400 or reply["Vary"] == "Origin"


@pytest.mark.parametrize("name", ["x-a\tset-cookie: b", "x-a\x0bb", "x-ä", '"x"', "x a", "a" * 300 + " b"])
def test_names_that_are_none_are_not_sent_back(server: Server, name: str) -> None:
    """Invariant 53."""
    lines = [f"Origin: {GOOD}", "Access-Control-Request-Method: GET", f"Access-Control-Request-Headers: x-good, {name}"]
    reply = server.send("OPTIONS", "/kept", *lines)
    assert reply.status in (400, 403)
    assert access(reply).get("access-control-allow-headers", "x-good") == "x-good"
    assert reply["Set-Cookie"] is None


def test_preflight_has_no_content(server: Server) -> None:
    """Invariant 80."""
    lines = [f"Origin: {GOOD}", "Access-Control-Request-Method: GET"]
    reply = server.send("OPTIONS", "/kept", *lines)
    assert (reply.status, reply.body) == (204, b"")
    assert access(reply) == {
        **ALLOWED,
        "access-control-allow-methods": "GET, HEAD",
        "access-control-max-age": "600",
    }
    refused = server.send("OPTIONS", "/kept", "Origin: https://evil.example", "Access-Control-Request-Method: GET")
    assert (refused.status, access(refused)) == (403, {})
    assert refused["Vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
