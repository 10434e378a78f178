"""
Generated requests through Django's WSGI and ASGI handlers: never a server error, and one answer.

The short form sends 500 requests to each handler, ``RH_PROOF=full`` 10,000.
"""

import asyncio
import io
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.urls import Resolver404, get_resolver
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from conftest import Site

REQUESTS = 10_000 if os.environ.get("RH_PROOF") == "full" else 500
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MIDDLEWARE = [
    "django_routehandlers.middleware.CacheControlMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
]

ROUTES = {
    "route.py": "async def GET(): return 'root'",
    "items/route.py": """
        async def GET(): return [1]
        async def POST(request): return "made"
        def DELETE(): return None
        """,
    "items/[id]/route.py": """
        async def GET(id: int): return id
        async def PUT(id: int): return id
        async def OPTIONS(): return "mine"
        """,
    "items/[id]/parts/[part=int]/route.py": "def GET(id: int, part): return [id, part]",
    "(group)/items/[id=uuid]/route.py": "name = 'by-uuid'\ndef PATCH(id): return str(id)",
    "slug/[text=slug]/route.py": "def GET(text): return text",
    "text/[text]/route.py": "async def GET(text): return text",
    "text/[text]/more/[[...rest]]/route.py": "async def GET(text, params): return params",
    "rest/[...path]/route.py": "async def GET(path): return path",
    "numbers/[...ids]/route.py": "async def GET(ids: list[int]): return ids",
    "docs/[[...slug]]/route.py": "def GET(slug): return slug",
    "back/a/b/route.py": "def GET(): return 'static'",
    "back/[x]/c/route.py": "async def GET(x): return x",
    "back/[...y]/route.py": "async def POST(y): return y",
    "typed/date/[value]/route.py": "import datetime\ndef GET(value: datetime.date): return str(value)",
    "typed/uuid/[value]/route.py": "import uuid\nasync def GET(value: uuid.UUID): return str(value)",
    "typed/decimal/[value]/route.py": "import decimal\ndef GET(value: decimal.Decimal): return str(value)",
    "typed/float/[value]/route.py": "def GET(value: float): return str(value)",
    "typed/bool/[value]/route.py": "def GET(value: bool): return value",
    "typed/color/[value]/route.py": """
        import enum
        class Color(enum.Enum):
            RED = "red"
        def GET(value: Color): return value.value
        """,
    "typed/field/[value]/route.py": """
        from typing import Annotated
        from pydantic import Field
        def GET(value: Annotated[int, Field(gt=0, lt=100)]): return value
        """,
    "lines/[n]/route.py": """
        async def GET(n: int):
            for i in range(min(n, 5)):
                yield i
        """,
}

NAMES = sorted({part for name in ROUTES for part in name.split("/") if part.isalpha()} | {"a", "b", "c"})
AWKWARD = [
    *("", ".", "..", "%2e", "%2E%2e", "%2F", "%2f%2f", "a%2Fb", "%5C", "%00", "a%00", "%0A", "%0D%0A", "%7F", "%20"),
    *("%FF", "%C3%28", "%C0%AF", "%ED%A0%80", "%F4%90%80%80", "%EF%BF%BD", "%E2%80%A8", "%CC%81", "%25", "%2525"),
    *("%", "%zz", "%u0041", "+", "*", ";a=1", "a:b", "@", "~", "!", "$&'()", "=,", "[id]", "route.py", "%3F", "%23"),
    *("0", "1", "-1", "+1", "007", "1_000", "1.0", "1e3", "1e999", "-0", "nan", "inf", "-inf", "0x1", "%D9%A3"),
    *("2026-02-29", "2026-01-31", "true", "no", "red", "RED", "9" * 5000, "a" * 8000, "-" + "9" * 4301),
    *("00000000-0000-4000-8000-000000000000", "{00000000-0000-4000-8000-000000000000}", "9223372036854775808"),
]
TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

segments = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from(AWKWARD),
    st.integers().map(str),
    st.text(max_size=12).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="")),
    st.binary(max_size=6).map(lambda raw: quote(raw, safe="")),
)
# Values that the annotations of the routes take, and others.
parameters = st.one_of(
    st.sampled_from(["1", "42", "abc", "2026-01-31", "red", "true", "1.5", "00000000-0000-4000-8000-000000000000"]),
    st.sampled_from(["9" * 5000, "-" + "9" * 4301, "a" * 8000, "%00", "a%00", "%2F"]),
    segments,
)


def _filled(name: str) -> st.SearchStrategy[list[str]]:
    """Return paths of the shape of one route, with something else for each parameter."""
    parts = [part for part in name.split("/")[:-1] if not part.startswith("(")]
    return st.tuples(*(parameters if part.startswith("[") else st.just(part) for part in parts)).map(list)


def paths(*, slash: bool) -> st.SearchStrategy[str]:
    """Return paths, most of the shape of a route and with the last slash that routes have."""
    shaped = st.sampled_from(sorted(ROUTES)).flatmap(_filled)
    wanted = "/" if slash else ""
    return st.tuples(
        st.one_of(shaped, shaped, shaped, st.lists(segments, max_size=6)),
        st.sampled_from([wanted, wanted, wanted, wanted, "", "/", "//"]),
    ).map(lambda both: "/" + "/".join(both[0]) + both[1])


methods = st.one_of(
    st.just("GET"),
    st.just("GET"),
    st.just("GET"),
    st.sampled_from(["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    st.sampled_from(["get", "Post", "oPTIONS", "TRACE", "CONNECT", "PROPFIND", "FOO", "QUERY"]),
    st.text(TOKEN, min_size=1, max_size=12),
)
queries = st.one_of(
    st.just(""),
    st.text("abc=&%;+?/#[]0123456789FfCc", max_size=30).map(lambda text: text.replace("#", "")),
    st.sampled_from(AWKWARD),
)
values = st.one_of(
    st.sampled_from(["", "*/*", "application/json", "null", "cross-site", "same-origin", "none", "http://testserver"]),
    st.sampled_from(
        ["https://evil.example", "http://[::1", "http://a:99999", "a=b; c", 'W/"x"', "*", "q=;;;", "1" * 5000]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
)
NAMES_OF_FIELDS = [
    *("accept", "accept-encoding", "accept-language", "authorization", "content-type", "cookie", "if-none-match"),
    *("if-modified-since", "origin", "range", "referer", "sec-fetch-site", "user-agent", "x-csrftoken"),
    *("x-forwarded-for", "x-forwarded-proto", "x-http-method-override", "x-requested-with"),
]
fields = st.dictionaries(st.sampled_from(NAMES_OF_FIELDS), values, max_size=4)


@dataclass(frozen=True)
class Answer:
    """What a client sees of a response."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        """Return a field."""
        return self.fields.get(name)

    @property
    def essence(self) -> tuple[object, ...]:
        """All that must not depend on the server."""
        names = ("allow", "cache-control", "content-length", "content-type", "location")
        return (self.status, *(self[name] for name in names), self.body)


def ask_wsgi(handler: WSGIHandler, method: str, target: str, sent: Mapping[str, str]) -> Answer:
    """Call the handler as WSGI servers do: ``PATH_INFO`` is bytes, decoded as Latin-1 (PEP 3333)."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    for name, value in sent.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None, /) -> Any:
        started.append((status, headers))

    response = handler(environ, start_response)
    try:
        body = b"".join(response)
    finally:
        response.close()
    status, headers = started[0]
    return Answer(int(status.split(" ")[0]), {name.lower(): value for name, value in headers}, body)


async def ask_asgi(handler: ASGIHandler, method: str, target: str, sent: Mapping[str, str]) -> Answer:
    """Call the handler as ASGI servers do: ``path`` is text, decoded as UTF-8."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (b"host", b"testserver"),
            *((name.encode(), value.encode("latin-1")) for name, value in sent.items()),
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
    events: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if events:
            return events.pop()
        # The client stays until it has its answer.
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        messages.append(message)

    await handler(scope, receive, send)  # type: ignore[arg-type] - a plain dict is a scope
    start, *parts = messages
    names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], names, b"".join(part.get("body", b"") for part in parts))


@pytest.fixture
def _undisturbed() -> Iterator[None]:
    """Keep quiet, and leave alone the database connection that an earlier test has opened, as Django's client does."""
    logging.disable(logging.CRITICAL)
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.usefixtures("_undisturbed")
@pytest.mark.parametrize("slash", [False, True], ids=["without slash", "with slash"])
def test_no_request_is_a_server_error_and_wsgi_and_asgi_agree(site: Site, slash: bool) -> None:
    """Fault plan F9: percent-encodings, dots, NUL, long paths, odd methods."""
    site.settings.MIDDLEWARE = MIDDLEWARE
    site.settings.ROUTEHANDLERS = {"TRAILING_SLASH": slash}
    site.serve(ROUTES)
    assert site.check() == []
    wsgi, asgi = WSGIHandler(), ASGIHandler()
    seen: dict[int, int] = {}

    with asyncio.Runner() as runner:

        @settings(
            max_examples=REQUESTS // 2,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(method=methods, path=paths(slash=slash), query=queries, sent=fields)
        def request(method: str, path: str, query: str, sent: Mapping[str, str]) -> None:
            target = f"{path}?{query}" if query else path
            one = ask_wsgi(wsgi, method, target, sent)
            other = runner.run(ask_asgi(asgi, method, target, sent))
            event(f"{one.status}")
            seen[one.status] = seen.get(one.status, 0) + 1
            assert one.status < 500
            assert one.status == other.status
            try:
                text = unquote_to_bytes(path).decode()
            except UnicodeDecodeError:
                return
            assert one.essence == other.essence
            check(one, method, text)

        request()
    assert {200, 308, 404, 405} <= set(seen)


def check(answer: Answer, method: str, path: str) -> None:
    """Check what follows from whether a route matches the path."""
    try:
        get_resolver().resolve(path)
    except Resolver404:
        assert answer.status == 404
        return
    assert "\0" not in path
    if answer.status >= 400:
        assert answer["content-type"] == "application/problem+json"
    if answer.status == 308:
        location = answer["location"] or ""
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))
    if answer.status != 308 and method not in METHODS:
        assert answer.status == 405
    if answer.status == 405:
        assert "OPTIONS" in (answer["allow"] or "")
        assert method not in (answer["allow"] or "").split(", ")
