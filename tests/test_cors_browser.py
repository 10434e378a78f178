"""
CORS as a real browser keeps it: pages of other origins ask routes, which tell what has reached them.

One server has several names, each an origin. Names below ``shop.localhost`` are of one site, whose cookies go along;
``evil.localhost`` is another one. The cases are those of the CORS tests of web-platform-tests that a server decides.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from browser import Browser, chromium
from servers import Server, make_project, serve, use_engine

pytestmark = pytest.mark.browser

API, PAGE, OTHER_PAGE, EVIL = "api.shop.localhost", "app.shop.localhost", "new.shop.localhost", "evil.localhost"
SETTINGS = """
    ALLOWED_HOSTS = [".localhost", "127.0.0.1"]
    ROUTEHANDLERS = {"CACHE_ENABLED": True}
    MIDDLEWARE = [
        "project.seen.see",
        "django_routehandlers.middleware.CacheControlMiddleware",
        "project.seen.guard",
        *MIDDLEWARE,
    ]
    LOGGING = {"version": 1, "handlers": {}}
    """
SEEN = """
    from django.http import HttpResponse

    REQUESTS = []


    def see(get_response):
        def middleware(request):
            REQUESTS.append(f"{request.method} {request.path}")
            return get_response(request)

        return middleware


    def guard(get_response):
        def middleware(request):
            is_refused = request.path == "/api/guarded" and "mine" not in request.COOKIES
            return HttpResponse(status=401) if is_refused else get_response(request)

        return middleware
    """
OF_PAGES = r'origin_regexes=[r"http://(app|new)\.shop\.localhost:[0-9]+"]'
HEAD = """
from collections.abc import AsyncIterator
from django.http import Http404, HttpResponse
from django_routehandlers import CORS, JSONResponse, ServerSentEvent

cors = CORS({arguments})


"""
CREDENTIALS = HEAD.format(
    arguments=f'{OF_PAGES}, credentials=True, headers=["content-type", "x-listed"], expose_headers=["X-Told"]'
)
ROUTES = {
    "empty/route.py": """
from django.http import HttpResponse


async def GET(request):
    return HttpResponse('<!doctype html><link rel="icon" href="data:,"><title>Empty</title>')
""",
    "seen/route.py": """
from project.seen import REQUESTS


async def GET(request):
    found = list(REQUESTS)
    REQUESTS.clear()
    return found
""",
    "api/mine/route.py": CREDENTIALS
    + """
async def GET(request):
    told = {"X-Told": "told", "X-Untold": "untold"}
    return JSONResponse({"cookie": request.COOKIES.get("mine")}, headers=told)


async def PUT(request, body: dict):
    return body


async def POST(request):
    return {"posted": request.COOKIES.get("mine")}
""",
    # Each test has a URL of its own here: the browser keeps preflights.
    "api/fresh/[name]/route.py": CREDENTIALS
    + """
async def GET(name):
    return name


async def PUT(name, body: dict):
    return body
""",
    "api/ours/route.py": HEAD.format(arguments=OF_PAGES)
    + """
async def GET():
    return "ours"


async def POST(request):
    return "posted"
""",
    "api/all/route.py": HEAD.format(arguments='"*"') + 'async def GET():\n    return "all"\n',
    "api/none/route.py": 'async def GET():\n    return "none"\n',
    "api/guarded/route.py": CREDENTIALS + 'async def GET():\n    return "guarded"\n',
    "api/status/[code]/route.py": CREDENTIALS
    + """
async def GET(request, code: int):
    if code == 404:
        raise Http404
    if code == 500:
        raise LookupError
    return HttpResponse(status=code)
""",
    "api/lines/route.py": CREDENTIALS + "async def GET():\n    for number in range(3):\n        yield number\n",
    "api/events/route.py": CREDENTIALS
    + "async def GET() -> AsyncIterator[ServerSentEvent]:\n    yield ServerSentEvent('one')\n",
}
ASK = """
    return fetch(arguments[0], arguments[1]).then(async (response) => ({
      status: response.status,
      text: await response.text(),
      told: response.headers.get("X-Told"),
      untold: response.headers.get("X-Untold"),
    }), (error) => error.name);
    """
HEAR = """
    return new Promise((resolve) => {
      const source = new EventSource(arguments[0], { withCredentials: true });
      source.onmessage = (event) => { source.close(); resolve(event.data); };
      source.onerror = () => { source.close(); resolve("refused"); };
    });
    """
SANDBOX = """
    return new Promise((resolve) => {
      window.onmessage = (event) => resolve([event.origin, event.data]);
      const frame = document.createElement("iframe");
      frame.sandbox = "allow-scripts";
      frame.srcdoc = `<script>fetch("${arguments[0]}").then(
        () => parent.postMessage("read", "*"), () => parent.postMessage("refused", "*"))</` + "script>";
      document.body.append(frame);
    });
    """
INCLUDE = {"credentials": "include"}


class Pages:
    """Pages of several origins, and the server that all of them are of."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self._browser = browser
        self._server = server

    def url(self, host: str, path: str) -> str:
        return f"http://{host}:{self._server.port}/{path}"

    def open(self, host: str) -> None:
        self._browser.open(self.url(host, "empty"))

    def log_in(self) -> None:
        """Give the browser a cookie of the API's."""
        self.open(API)
        self._browser.script("document.cookie = 'mine=1; path=/'")

    def ask(self, path: str, how: dict[str, Any] | None = None) -> Any:
        """Return what ``fetch()`` gives the page, or the name of its error."""
        return self._browser.script(ASK, self.url(API, path), how or {})

    def run(self, source: str, path: str) -> Any:
        return self._browser.script(source, self.url(API, path))

    def seen(self) -> list[str]:
        """Return which requests to the API have come since it was last asked."""
        status, body = self._server.get("/seen")
        assert status == 200, body
        requests = json.loads(body)
        return [one for one in requests if " /api/" in one]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home: Path = make_project(tmp_path_factory.mktemp("cors"), ROUTES, settings=SETTINGS)
    (home / "project" / "seen.py").write_text(dedent(SEEN))
    use_engine(home)
    with serve("uvicorn-httptools", home) as one:
        yield one


@pytest.fixture(scope="module")
def a_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def pages(a_browser: Browser, server: Server) -> Pages:
    found = Pages(a_browser, server)
    found.log_in()
    found.open(PAGE)
    found.seen()
    return found


def text_of(answer: Any) -> str:
    return answer if isinstance(answer, str) else answer["text"]


def test_page_of_an_allowed_origin_reads_with_its_cookie(pages: Pages) -> None:
    assert text_of(pages.ask("api/mine", INCLUDE)) == '{"cookie":"1"}'
    assert text_of(pages.ask("api/mine")) == '{"cookie":null}'
    assert text_of(pages.ask("api/mine", {"method": "POST", **INCLUDE})) == '{"posted":"1"}'


def test_page_of_another_origin_reads_nothing(pages: Pages) -> None:
    """Invariant 80: nor does anything that needs a preflight reach the handler."""
    pages.open(EVIL)
    put = {"method": "PUT", "headers": {"Content-Type": "application/json"}, "body": "{}"}
    assert pages.ask("api/mine") == "TypeError"
    assert pages.ask("api/mine", INCLUDE) == "TypeError"
    pages.seen()
    assert pages.ask("api/mine", put) == "TypeError"
    assert pages.seen() == ["OPTIONS /api/mine"]


def test_policy_without_credentials_lets_no_cookie_in(pages: Pages) -> None:
    """Invariants 59 and 81."""
    assert text_of(pages.ask("api/ours")) == '"ours"'
    assert pages.ask("api/ours", INCLUDE) == "TypeError"
    assert text_of(pages.ask("api/ours", {"method": "POST"})) == '"posted"'
    assert pages.ask("api/ours", {"method": "POST", **INCLUDE}) == "TypeError"


def test_policy_for_everybody_lets_everybody_in_without_cookies(pages: Pages) -> None:
    """Invariant 81."""
    for host in (PAGE, EVIL):
        pages.open(host)
        assert text_of(pages.ask("api/all")) == '"all"'
        assert pages.ask("api/all", INCLUDE) == "TypeError"
        assert pages.ask("api/none") == "TypeError"


def test_frame_of_an_opaque_origin_reads_only_what_is_for_everybody(pages: Pages) -> None:
    """Invariant 81: its origin is ``null``."""
    assert pages.run(SANDBOX, "api/all") == ["null", "read"]
    assert pages.run(SANDBOX, "api/mine") == ["null", "refused"]


def test_preflight_is_asked_once(pages: Pages) -> None:
    put = {"method": "PUT", "headers": {"Content-Type": "application/json"}, "body": '{"a":1}', **INCLUDE}
    for _ in range(2):
        assert text_of(pages.ask("api/fresh/once", put)) == '{"a":1}'
    assert pages.seen() == ["OPTIONS /api/fresh/once", "PUT /api/fresh/once", "PUT /api/fresh/once"]


def test_method_and_field_that_are_not_allowed_are_not_sent(pages: Pages) -> None:
    """Invariant 80."""
    assert text_of(pages.ask("api/fresh/refused", {"headers": {"X-Listed": "1"}})) == '"refused"'
    assert pages.seen() == ["OPTIONS /api/fresh/refused", "GET /api/fresh/refused"]
    assert pages.ask("api/fresh/refused", {"headers": {"X-Unlisted": "1"}}) == "TypeError"
    assert pages.ask("api/fresh/refused", {"method": "DELETE"}) == "TypeError"
    assert pages.seen() == ["OPTIONS /api/fresh/refused", "OPTIONS /api/fresh/refused"]


def test_page_reads_the_fields_that_are_exposed(pages: Pages) -> None:
    answer = pages.ask("api/mine", INCLUDE)
    assert (answer["told"], answer["untold"]) == ("told", None)


@pytest.mark.parametrize(
    ("path", "status"), [("api/status/404", 404), ("api/status/500", 500), ("api/status/x", 404), ("api/mine/", 200)]
)
def test_page_reads_errors_and_what_a_redirect_leads_to(pages: Pages, path: str, status: int) -> None:
    """Invariant 83."""
    assert pages.ask(path, INCLUDE)["status"] == status


def test_page_reads_what_a_middleware_answers_that_lets_its_preflight_pass(pages: Pages) -> None:
    """Invariants 80 and 83: a preflight has no cookie to show."""
    listed = {"headers": {"X-Listed": "1"}}
    assert pages.ask("api/guarded", listed)["status"] == 401
    assert text_of(pages.ask("api/guarded", {**listed, **INCLUDE})) == '"guarded"'
    assert pages.seen() == ["OPTIONS /api/guarded", "GET /api/guarded", "OPTIONS /api/guarded", "GET /api/guarded"]


def test_pages_of_two_origins_read_one_cached_answer(pages: Pages) -> None:
    """Invariant 82."""
    for host in (PAGE, OTHER_PAGE, PAGE):
        pages.open(host)
        assert text_of(pages.ask("api/ours")) == '"ours"'


def test_page_reads_streams(pages: Pages) -> None:
    assert text_of(pages.ask("api/lines", INCLUDE)) == "0\n1\n2\n"
    assert pages.run(HEAR, "api/events") == "one"
    pages.open(EVIL)
    assert pages.ask("api/lines") == "TypeError"
    assert pages.run(HEAR, "api/events") == "refused"
