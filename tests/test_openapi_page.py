"""
The page that reads and tries an OpenAPI document, in a real browser.

Some tests open the demo shop's page. The others give the page a document written by hand, and a
server that says exactly what arrived, so that they can be as unpleasant as they like.
"""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

import django_routehandlers
from browser import Browser, chromium
from shop_server import running_shop

pytestmark = pytest.mark.browser

PAGE = Path(django_routehandlers.__file__).parent / "openapi" / "page"
# As the package's own view sends it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
HOSTILE = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"

Document = dict[str, Any]


class PageServer(ThreadingHTTPServer):
    """Serves the page below ``/mount``, answers what the test says, and keeps what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PageHandler)
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.page = f"{self.origin}/mount/openapi/"
        self.document: Document | str = {}
        self.asked: list[dict[str, object]] = []
        self.next_line = threading.Semaphore(0)
        self.reader_left = threading.Event()

    def give(self, **operations: Document) -> None:
        """Make the document of operations: ``{name: {...}}``, each with its ``path`` and ``method`` beside."""
        self.asked.clear()
        self.document = document(operations)


def document(operations: dict[str, Document], **components: object) -> Document:
    """Return an OpenAPI document; an operation is named by its key, its method and path are taken out of it."""
    paths: Document = {}
    for name, operation in operations.items():
        rest: Document = {"responses": {"200": {"description": "Fine."}}} | operation
        item: Document = paths.setdefault(rest.pop("path", "/echo"), {})
        item[rest.pop("method", "get")] = {"operationId": name, **rest}
    info = {"title": "By hand", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": "/mount"}], "paths": paths, "components": components}


class PageHandler(BaseHTTPRequestHandler):
    """Answers for :class:`PageServer`."""

    server: PageServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def answer(self) -> None:
        """Answer any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        if path == "/mount/openapi/":
            html = (PAGE / "page.html").read_text().replace("__DOCUMENT_URL__", "/mount/openapi.json")
            self.send(200, "text/html; charset=utf-8", html.encode())
        elif path.startswith("/mount/openapi/"):
            file = PAGE / path.rsplit("/", 1)[1]
            self.send(200, MEDIA_TYPES[file.suffix], file.read_bytes())
        elif path == "/mount/openapi.json":
            given = self.server.document
            self.send(200, "application/json", (given if isinstance(given, str) else json.dumps(given)).encode())
        elif path == "/mount/stream":
            self.stream()
        else:
            self.echo(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def send(self, status: int, media_type: str, body: bytes) -> None:
        """Send a whole response."""
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def echo(self, body: bytes) -> None:
        """Keep what arrived, and answer with hostile text and a number that JavaScript cannot hold."""
        asked = {"method": self.command, "target": self.path, "body": body.decode("latin-1")}
        fields = {name: self.headers[name] for name in ("Content-Type", "X-Plan", "Cookie") if name in self.headers}
        boundary = re.search("boundary=(.*)", fields.get("Content-Type", ""))
        if boundary:
            # Chosen anew for each request.
            asked["body"] = asked["body"].replace(boundary[1], "BOUNDARY")
            fields["Content-Type"] = fields["Content-Type"].replace(boundary[1], "BOUNDARY")
        self.server.asked.append({**asked, **fields})
        self.send(200, "application/json", f'{{"id": 12345678901234567890, "text": {json.dumps(HOSTILE)}}}'.encode())

    def stream(self) -> None:
        """Send one line for each time that the test says so."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        try:
            for number in range(1000):
                while not self.server.next_line.acquire(timeout=0.02):
                    self.connection.setblocking(False)
                    try:
                        if self.connection.recv(1) == b"":
                            raise ConnectionResetError
                    except BlockingIOError:
                        pass
                    finally:
                        self.connection.setblocking(True)
                self.wfile.write(f'{{"line": {number}}}\n'.encode())
        except ConnectionError:
            self.server.reader_left.set()


@pytest.fixture(scope="module")
def a_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The one browser of this file: it takes a second to start."""
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(a_browser: Browser) -> Iterator[Browser]:
    """The browser, whose console has to stay silent: no error, nothing that the policy forbids."""
    a_browser.complaints()
    yield a_browser
    assert a_browser.complaints() == []


@pytest.fixture(scope="module")
def a_server() -> Iterator[PageServer]:
    """The one server by hand of this file."""
    with PageServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(a_server: PageServer) -> PageServer:
    """The server by hand, which has been asked nothing yet."""
    a_server.asked.clear()
    return a_server


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the demo shop with DEBUG on, which is when the page is served."""
    with running_shop(tmp_path_factory.mktemp("shop"), debug=True) as url:
        yield url


def send(browser: Browser) -> str:
    """Press Send; return the headline of the result once the response is whole."""
    browser.find(".primary").click()
    # The size, or its lack, comes last.
    pattern = re.compile(r"bytes?$|kB$|no body$|lines?$")
    return browser.wait(
        lambda: next((text for text in browser.texts(".headline") if pattern.search(text)), None), "the result"
    )


def fill_in(browser: Browser, label: str, text: str) -> None:
    """Type into the control of a label."""
    field = browser.wait(lambda: labelled(browser, label), f"a control labelled {label}")
    field.clear()
    field.send_keys(text)


def labelled(browser: Browser, label: str) -> Any:
    """Return the control whose label begins with *label*."""
    source = """return [...document.querySelectorAll("label")]
      .find((found) => found.firstChild.textContent === arguments[0])?.control"""
    return browser.script(source, label)


def read_json(url: str) -> Any:
    """Return what a URL answers."""
    with closing(urlopen(url, timeout=20)) as response:
        return json.loads(response.read())


# The demo shop


def test_it_lists_every_operation_of_the_shop(browser: Browser, shop: str) -> None:
    paths = read_json(f"{shop}/openapi.json")["paths"]
    methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    expected = sorted((method.upper(), path) for path, item in paths.items() for method in item.keys() & methods)
    browser.open(f"{shop}/openapi/")
    browser.find(".groups a")
    listed = zip(browser.texts(".groups .method"), browser.texts(".groups .entry .path"), strict=True)
    assert sorted(listed) == expected
    assert ("GET", "/api/products/{id}") in expected


def operation_id(shop: str, method: str, path: str) -> str:
    """Return the id of an operation of the shop."""
    return read_json(f"{shop}/openapi.json")["paths"][path][method]["operationId"]


def test_a_get_is_sent_to_the_shop(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/openapi/#{operation_id(shop, 'get', '/api/products/{id}')}")
    fill_in(browser, "id", "1")
    assert re.fullmatch(r"200 OK in \d+ ms, \d+ bytes", send(browser))
    assert json.loads(browser.texts(".body pre")[0])["slug"] == "oak-chair"
    browser.find(".header-fields summary").click()
    assert "application/json" in browser.texts(".header-fields dd")


def test_the_lines_of_a_stream_of_the_shop_are_shown(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/openapi/#{operation_id(shop, 'get', '/api/orders/export')}")
    headline = send(browser)
    lines = browser.texts(".lines li")
    assert headline.endswith(f", {len(lines)} lines")
    assert [json.loads(line)["id"] for line in lines[:3]] == [1, 2, 3]


def test_a_post_is_sent_to_the_shop(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/openapi/#{operation_id(shop, 'post', '/api/products')}")
    assert "name string required" in browser.wait_for_text(".schema > .fields .field-head", "name")
    fill_in(browser, "JSON", '{"name": "Elm Chair", "price": "149.90", "stock": 3}')
    assert send(browser).startswith("201 Created in ")
    product = json.loads(browser.texts(".body pre")[0])
    assert product == {"id": product["id"], "name": "Elm Chair", "slug": "elm-chair", "price": "149.90", "stock": 3}


def test_a_problem_of_the_shop_is_shown_with_its_pointers(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/openapi/#{operation_id(shop, 'post', '/api/products')}")
    fill_in(browser, "JSON", '{"name": "Elm Chair", "price": "-1"}')
    assert send(browser).startswith("422 Unprocessable ")
    assert browser.find(".result").get_attribute("data-kind") == "bad"
    problem = json.loads(browser.texts(".body pre")[0])
    assert (problem["status"], [error["pointer"] for error in problem["errors"]]) == (422, ["#/price"])


def test_a_value_beyond_its_bounds_may_be_sent(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/openapi/#{operation_id(shop, 'get', '/api/products')}")
    fill_in(browser, "limit", "0")
    assert send(browser).startswith("422 Unprocessable ")
    fill_in(browser, "limit", "1")
    browser.find(".primary").click()
    assert browser.wait_for_text(".headline", "200 OK").startswith("200 OK in ")


# Sending


def test_a_stream_arrives_line_by_line_and_can_be_stopped(browser: Browser, server: PageServer) -> None:
    server.give(stream={"path": "/stream"})
    browser.open(server.page + "#stream")
    browser.find(".primary").click()
    browser.wait_for_text(".body .muted", "Waiting")
    for count in (1, 2):
        server.next_line.release()
        browser.wait(lambda count=count: len(browser.texts(".lines li")) == count, f"{count} lines")
    browser.find(".stop").click()
    assert browser.wait_for_text(".headline", "stopped").startswith("200 OK in ")
    assert browser.texts(".lines li") == ['{"line": 0}', '{"line": 1}']
    assert server.reader_left.wait(10)


NASTY = """it's "so" $HOME `id` \\ !x @f <p> &amp; %41 + é 日 {a,b}[1-3]"""
REQUESTS: dict[str, Document] = {
    "query": {
        "path": "/echo/{id}",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "example": f"a/b?#{NASTY}"},
            {"name": "q[]", "in": "query", "schema": {"type": "string"}, "example": NASTY},
            {
                "name": "tag",
                "in": "query",
                "schema": {"type": "array", "items": {"type": "string"}},
                "example": ["a", "&"],
            },
            {"name": "X-Plan", "in": "header", "schema": {"type": "string"}, "example": 'it\'s "gold"'},
            {"name": "theme", "in": "cookie", "schema": {"type": "string"}, "example": "dark'&!"},
        ],
    },
    "json": {
        "method": "post",
        "requestBody": {"content": {"application/json": {"example": {"name": NASTY, "list": [1]}}}},
    },
    "text": {"method": "put", "requestBody": {"content": {"text/plain": {"example": f"@file\n\n{NASTY}\n"}}}},
    "form": {
        "method": "post",
        "requestBody": {
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "properties": {
                            "a b": {"type": "string", "examples": [NASTY]},
                            "n": {"type": "array", "items": {"type": "integer"}, "examples": [[1, 2]]},
                        }
                    }
                }
            }
        },
    },
    "multipart": {
        "method": "post",
        "requestBody": {
            "content": {
                "multipart/form-data": {
                    "schema": {"properties": {"name": {"type": "string", "examples": [f"@{NASTY};type=a"]}}}
                }
            }
        },
    },
    "delete": {"method": "delete"},
}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("name", REQUESTS)
def test_the_curl_line_sends_what_the_page_sends(browser: Browser, server: PageServer, name: str) -> None:
    server.give(**{name: REQUESTS[name]})
    browser.open(f"{server.page}#{name}")
    send(browser)
    line = browser.find(".curl code").text
    subprocess.run(["sh", "-c", f"{line} -s -S --max-time 20"], check=True, capture_output=True)
    sent, by_curl = server.asked
    # curl's boundary has dashes of its own at its end.
    assert by_curl == sent


def test_values_arrive_as_they_were_typed(browser: Browser, server: PageServer) -> None:
    server.give(query=REQUESTS["query"])
    browser.open(server.page + "#query")
    fill_in(browser, "id", "é/1")
    fill_in(browser, "q[]", "a&b=c d")
    fill_in(browser, "X-Plan", "gold")
    fill_in(browser, "theme", "dark")
    send(browser)
    target = "/mount/echo/%C3%A9%2F1?q%5B%5D=a%26b%3Dc%20d&tag=a&tag=%26"
    assert server.asked == [{"method": "GET", "target": target, "body": "", "X-Plan": "gold", "Cookie": "theme=dark"}]
    assert browser.script("return document.cookie") == ""


def test_a_cookie_that_the_browser_has_is_not_replaced(browser: Browser, server: PageServer) -> None:
    server.give(query=REQUESTS["query"])
    browser.open(server.page + "#query")
    browser.script("document.cookie = 'theme=own; path=/'")
    try:
        browser.find(".try .primary").click()
        browser.wait_for_text(".headline", "theme is a cookie that the browser has already")
        assert server.asked == []
    finally:
        browser.script("document.cookie = 'theme=; path=/; max-age=0'")


def test_a_catch_all_keeps_its_slashes(browser: Browser, server: PageServer) -> None:
    schema = {"type": "string", "pattern": "^[^/]+(/[^/]+)*$"}
    parameter = {"name": "path", "in": "path", "required": True, "schema": schema}
    server.give(file={"path": "/echo/{path}", "parameters": [parameter]})
    browser.open(server.page + "#file")
    fill_in(browser, "path", "a b/c")
    send(browser)
    assert server.asked[0]["target"] == "/mount/echo/a%20b/c"


def test_each_property_of_an_object_is_a_query_parameter(browser: Browser, server: PageServer) -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    server.give(rest={"parameters": [{"name": "rest", "in": "query", "schema": schema}]})
    browser.open(server.page + "#rest")
    fill_in(browser, "rest", "a=1")
    browser.find(".primary").click()
    browser.wait_for_text(".headline", "rest has to be a JSON object")
    fill_in(browser, "rest", '{"a": "1 &", "b": [2, 3]}')
    send(browser)
    assert [asked["target"] for asked in server.asked] == ["/mount/echo?a=1%20%26&b=2&b=3"]


def test_a_body_that_the_document_does_not_name_may_be_sent(browser: Browser, server: PageServer) -> None:
    server.give(one={"method": "post"})
    browser.open(server.page + "#one")
    send(browser)
    browser.find("input[type=checkbox]").click()
    fill_in(browser, "JSON", "[1]")
    browser.find(".primary").click()
    browser.wait(lambda: len(server.asked) == 2, "the second request")
    assert [(asked["body"], asked.get("Content-Type")) for asked in server.asked] == [
        ("", None),
        ("[1]", "application/json"),
    ]


def test_a_file_is_uploaded(browser: Browser, server: PageServer, tmp_path: Path) -> None:
    schema = {"properties": {"photo": {"type": "string", "format": "binary"}, "title": {"type": "string"}}}
    server.give(up={"method": "put", "requestBody": {"content": {"multipart/form-data": {"schema": schema}}}})
    (tmp_path / "a.txt").write_text("photo")
    browser.open(server.page + "#up")
    browser.find("input[type=file]").send_keys(str(tmp_path / "a.txt"))
    fill_in(browser, "title", "Sea")
    send(browser)
    part = 'Content-Disposition: form-data; name="photo"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nphoto\r\n'
    assert part in cast("str", server.asked[0]["body"])
    assert 'name="title"\r\n\r\nSea\r\n' in cast("str", server.asked[0]["body"])
    assert "-F 'photo=@\"a.txt\"'" in browser.find(".curl code").text


def test_a_segment_that_is_not_filled_in_is_asked_for(browser: Browser, server: PageServer) -> None:
    parameter = {"name": "slug", "in": "path", "required": True, "schema": {"type": "string"}}
    server.give(one={"path": "/echo/{slug}", "parameters": [parameter]})
    browser.open(server.page + "#one")
    for text, fault in [("", "Fill in slug"), ("..", 'slug cannot be "." or ".."')]:
        fill_in(browser, "slug", text)
        browser.find(".primary").click()
        browser.wait_for_text(".headline", fault)
        assert browser.script("return document.activeElement.labels[0].innerText").startswith("slug")
    assert server.asked == []


def test_a_server_elsewhere_is_left_to_curl(browser: Browser, server: PageServer) -> None:
    server.document = document({"one": {}}) | {
        "servers": [{"url": "https://shop.example/v{n}", "variables": {"n": {"default": "2"}}}]
    }
    browser.open(server.page + "#one")
    browser.find(".primary").click()
    browser.wait_for_text(".headline", f"This page sends to {server.origin} only")
    assert browser.find(".curl code").text == "curl https://shop.example/v2/echo"


# Reading


def test_text_is_never_read_as_html(browser: Browser, server: PageServer) -> None:
    server.document = document(
        {
            "hostile": {
                **{"summary": HOSTILE, "description": f"{HOSTILE}\n\n- {HOSTILE}\n\n`{HOSTILE}`", "tags": [HOSTILE]},
                "parameters": [
                    {
                        "name": HOSTILE,
                        "in": "query",
                        "description": HOSTILE,
                        "schema": {"enum": [HOSTILE], "default": HOSTILE},
                    }
                ],
                "responses": {
                    "200": {"description": HOSTILE, "content": {HOSTILE: {"schema": {"properties": {HOSTILE: {}}}}}}
                },
            }
        }
    ) | {"info": {"title": HOSTILE, "version": HOSTILE, "license": {"name": HOSTILE, "url": "javascript:alert(1)"}}}
    browser.open(server.page)
    assert HOSTILE in browser.wait_for_text(".overview", HOSTILE)
    assert browser.texts(".links a") == ["The OpenAPI document"]
    browser.find(".groups a").click()
    browser.find(".operation")
    send(browser)
    assert json.loads(browser.texts(".body pre")[0])["text"] == HOSTILE
    assert browser.all("img, main script") == []
    assert browser.driver.title.startswith("GET /echo")


def test_numbers_that_javascript_cannot_hold_are_shown_as_they_came(browser: Browser, server: PageServer) -> None:
    server.give(one={})
    browser.open(server.page + "#one")
    send(browser)
    assert browser.texts(".body .json-number") == ["12345678901234567890"]


def test_a_link_opens_an_operation_and_back_leaves_it(browser: Browser, server: PageServer) -> None:
    server.document = document({"one": {"path": "/1"}, "a/ü two": {"path": "/2", "deprecated": True}})
    browser.open(server.page + "#a%2F%C3%BC%20two")
    assert browser.wait_for_text("main h2", "/2") == "GET /2"
    assert browser.texts("[aria-current]") == ["GET/2deprecated"]
    assert browser.driver.title == "GET /2 – By hand"
    browser.all(".groups a")[0].click()
    browser.wait_for_text("main h2", "/1")
    browser.driver.back()
    browser.wait_for_text("main h2", "/2")


def test_what_was_filled_in_is_there_when_the_reader_comes_back(browser: Browser, server: PageServer) -> None:
    server.give(one={"path": "/1", "parameters": [{"name": "q", "in": "query", "schema": {}}]}, two={"path": "/2"})
    browser.open(server.page + "#one")
    fill_in(browser, "q", "kept")
    browser.all(".groups a")[1].click()
    browser.wait_for_text("main h2", "/2")
    browser.driver.back()
    browser.wait_for_text("main h2", "/1")
    assert labelled(browser, "q").get_attribute("value") == "kept"


def test_an_operation_that_there_is_not_is_said_so(browser: Browser, server: PageServer) -> None:
    server.give(one={})
    browser.open(server.page + "#gone")
    assert browser.find(".alert").text == "There is no operation gone in the document."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("<!doctype html>", "/mount/openapi.json is no JSON: "),
        ("[]", 'is no OpenAPI 3 document: its field "openapi" should begin with "3.".'),
        ('{"swagger": "2.0", "paths": {}}', "is no OpenAPI 3 document"),
        ('{"openapi": "3.1.0", "paths": []}', 'its field "paths" should be an object.'),
        ('{"openapi": "3.1.0"}', "The document has no operations."),
        ('{"openapi": "3.1.0", "paths": {"/a": null, "/b": {"get": 1}}}', "The document has no operations."),
    ],
    ids=["html", "list", "swagger", "paths", "empty", "odd"],
)
def test_a_document_that_cannot_be_shown_is_said_so(
    browser: Browser, server: PageServer, given: str, said: str
) -> None:
    server.document = given
    browser.open(server.page)
    assert said in browser.find(".alert").text


def test_the_filter_keeps_what_has_every_word(browser: Browser, server: PageServer) -> None:
    server.give(
        first={"path": "/products", "summary": "List"},
        second={"path": "/products", "method": "post", "summary": "Add"},
        third={"path": "/orders", "tags": ["Sales"]},
    )
    browser.open(server.page)
    field = browser.find("#filter-text")
    assert browser.texts("#count") == ["3 operations"]
    shown: dict[str, tuple[list[str], str]] = {}
    for typed in ("PROD", "prod add", "sales", "nothing"):
        field.clear()
        field.send_keys(typed)
        shown[typed] = (
            [
                found.text.split("\n")[0] + found.text.split("\n")[1]
                for found in browser.all(".groups a")
                if found.is_displayed()
            ],
            browser.texts("#count")[0],
        )
    assert shown == {
        "PROD": (["GET/products", "POST/products"], "2 of 3 operations"),
        "prod add": (["POST/products"], "1 of 3 operations"),
        "sales": (["GET/orders"], "1 of 3 operations"),
        "nothing": ([], "0 of 3 operations"),
    }
    field.clear()
    field.send_keys("add", Keys.ENTER)
    assert browser.wait_for_text("main h2", "POST") == "POST /products"


TREE = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20, "description": "Its `name`."},
        "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
        "kind": {"anyOf": [{"enum": ["oak", "elm"], "type": "string"}, {"type": "null"}], "default": None},
        "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
        "any": {"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"type": "integer", "exclusiveMinimum": 0}]},
    },
}
CAT = {"allOf": [{"properties": {"lives": {"type": "integer"}}}, {"properties": {"cat": {"const": "cat"}}}]}
LOOP = {"type": "array", "items": {"$ref": "#/components/schemas/Loop"}}


def test_a_schema_is_drawn_to_any_depth(browser: Browser, server: PageServer) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}
    server.document = document(
        {"tree": {"method": "post", "requestBody": {"content": content}}}, schemas={"Tree": TREE, "Cat": CAT}
    )
    browser.open(server.page + "#tree")
    browser.find(".about .fields")
    assert browser.texts(".schema > .fields > .field > .field-head") == [
        "name string required · 1 to 20 characters".replace("· ", ""),
        "children array of Tree",
        "kind string or null default null",
        "pair [integer, string]",
        "any Cat or integer",
    ]
    nested = "details.nested:not([open]) > summary"
    for _depth in range(3):
        opened = len(browser.all("details.nested[open]"))
        browser.find(nested).click()
        browser.wait(lambda opened=opened: len(browser.all("details.nested[open]")) > opened, "the next level")
    example = json.loads(labelled(browser, "JSON").get_attribute("value"))
    assert example == {"name": "string"}


def test_the_example_of_an_answer_has_every_member(browser: Browser, server: PageServer) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}
    server.document = document(
        {"tree": {"responses": {"200": {"description": "Fine.", "content": content}}}},
        schemas={"Tree": TREE, "Cat": CAT},
    )
    browser.open(server.page + "#tree")
    browser.find(".response")
    summary = next(found for found in browser.all("summary") if found.text == "Example")
    summary.click()
    shown = browser.wait(lambda: summary.find_elements("xpath", "following-sibling::pre"), "the example")
    assert json.loads(shown[0].text) == {
        "name": "string",
        "children": [],
        "kind": None,
        "pair": [1, "string"],
        "any": {"lives": 1, "cat": "cat"},
    }


PRODUCT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "default": "Chair"},
        "price": {"type": "string", "default": "0"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "colour": {"type": "string", "default": "", "examples": ["red"]},
        "kind": {"const": "furniture", "default": "furniture"},
        "size": {"allOf": [{"properties": {"width": {"type": "integer"}}}], "required": ["width"], "example": None},
    },
}
OPTIONAL = {key: value for key, value in PRODUCT.items() if key != "required"}
ALL_OF = {"allOf": [{"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}], "required": ["a"]}


@pytest.mark.parametrize(
    ("method", "media", "filled"),
    [
        ("post", {"schema": PRODUCT}, {"name": "Chair", "colour": "red", "kind": "furniture", "size": None}),
        ("put", {"schema": PRODUCT}, {"name": "Chair", "colour": "red", "kind": "furniture", "size": None}),
        ("patch", {"schema": PRODUCT}, {"name": "Chair"}),
        ("patch", {"schema": OPTIONAL}, {}),
        ("patch", {"schema": OPTIONAL | {"default": {"name": "Chair", "price": "0"}}}, {}),
        ("patch", {"schema": {"type": "object", "additionalProperties": {"type": "integer"}}}, {}),
        ("patch", {"schema": ALL_OF}, {"a": 1}),
        ("patch", {"schema": PRODUCT, "example": {"price": "9.90"}}, {"price": "9.90"}),
    ],
    ids=["post", "put", "patch", "none-required", "default-of-all", "any-name", "all-of", "example"],
)
def test_a_body_begins_without_what_has_a_default(
    browser: Browser, server: PageServer, method: str, media: Document, filled: Document
) -> None:
    server.give(one={"method": method, "requestBody": {"content": {"application/json": media}, "required": True}})
    browser.open(server.page + "#one")
    send(browser)
    assert [json.loads(cast("str", asked["body"])) for asked in server.asked] == [filled]


def test_a_form_begins_without_what_has_a_default(browser: Browser, server: PageServer) -> None:
    media = {"application/x-www-form-urlencoded": {"schema": PRODUCT}}
    server.give(
        one={"method": "patch", "requestBody": {"content": media}},
        two={"method": "put", "requestBody": {"content": media}},
    )
    filled: list[list[str]] = []
    for name in ("one", "two"):
        browser.open(f"{server.page}#{name}")
        browser.find(".try")
        filled.append([labelled(browser, part).get_attribute("value") for part in ("name", "price", "colour")])
    assert filled == [["Chair", "", ""], ["Chair", "", "red"]]


EXAMPLES: list[tuple[object, object]] = [
    ({"$ref": "#/components/schemas/Loop"}, []),
    ({"$ref": "#/components/schemas/Self"}, None),
    ({"$ref": "#/components/schemas/Nowhere"}, None),
    ({"$ref": "elsewhere.json"}, None),
    (True, None),
    ({"properties": {"__proto__": {"const": 1}, "constructor": {"const": 2}}}, {"__proto__": 1, "constructor": 2}),
    ({"type": ["integer", "null"], "minimum": 5}, 5),
    ({"type": "integer", "maximum": -3}, -3),
    ({"type": "number", "exclusiveMinimum": 10}, 10.5),
    ({"type": "string", "pattern": "^\\d+\\.\\d\\d$"}, "1.00"),
    ({"type": "string", "maxLength": 3}, "str"),
    ({"type": "string", "format": "date"}, "2026-01-31"),
    ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
    ({"additionalProperties": {"type": "number"}}, {"key": 1.5}),
    ({"enum": ["b", "a"], "type": "string"}, "b"),
    ({"type": "string", "default": "c", "examples": ["d", "e"]}, "d"),
]


def test_an_example_is_made_of_any_schema(browser: Browser, server: PageServer) -> None:
    server.document = document(
        {
            str(number): {
                "path": f"/{number}",
                "method": "post",
                "requestBody": {"content": {"application/json": {"schema": schema}}},
            }
            for number, (schema, _) in enumerate(EXAMPLES)
        },
        schemas={"Loop": LOOP, "Self": {"$ref": "#/components/schemas/Self"}},
    )
    browser.open(server.page)
    browser.find(".groups a")
    made: list[tuple[object, object]] = []
    for number, (schema, _) in enumerate(EXAMPLES):
        browser.script("location.hash = arguments[0]", str(number))
        browser.wait_for_text("main h2", f"/{number}")
        text = labelled(browser, "JSON").get_attribute("value")
        made.append((schema, json.loads(text) if text else None))
    assert made == EXAMPLES


# For everybody


def everything() -> Document:
    """Return a document with one of each, and words that do not fit a phone."""
    long = "a_name_that_is_much_too_long_for_the_screen_of_a_phone"
    operations = {
        "long": {
            **{"path": f"/echo/{long}/{{{long}}}", "summary": long * 3, "description": long * 3, "method": "post"},
            "parameters": [
                {"name": long, "in": "path", "required": True, "schema": {"type": "string"}, "example": long * 2},
                {"name": "choice", "in": "query", "schema": {"enum": ["a", long * 2]}},
                {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
            ],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}},
            "responses": {
                "200": {
                    "description": long * 2,
                    "content": {"application/json": {"schema": {"properties": {long * 2: TREE}}}},
                },
                "422": {"description": "A problem."},
            },
            "security": [{"session": []}],
            "deprecated": True,
        }
    }
    session = {"type": "apiKey", "in": "cookie", "name": "sessionid"}
    return document(operations, schemas={"Tree": TREE, "Cat": CAT}, securitySchemes={"session": session})


@pytest.fixture
def phone(browser: Browser) -> Iterator[Browser]:
    """The browser, as narrow as a phone."""
    browser.resize(360, 740)
    yield browser
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_nothing_scrolls_sideways_on_a_phone(phone: Browser, server: PageServer) -> None:
    server.document = everything()
    widths: list[int] = []
    measure = "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    phone.open(server.page)
    phone.find(".groups a")
    widths.append(phone.script(measure))
    phone.find(".groups a").click()
    assert not phone.all(".side")[0].is_displayed()
    phone.find(".jump").click()
    send(phone)
    widths.append(phone.script(measure))
    assert max(widths) <= 360
    phone.find(".back").click()
    assert phone.find(".groups a").is_displayed()


def test_a_request_can_be_sent_with_the_keyboard_alone(browser: Browser, server: PageServer) -> None:
    server.give(one={"path": "/1"}, two={"path": "/echo", "parameters": [{"name": "q", "in": "query", "schema": {}}]})
    browser.open(server.page)
    browser.find(".groups a")

    def press(*keys: str) -> None:
        ActionChains(browser.driver).send_keys(*keys).perform()

    def tab_to(test: str) -> None:
        for _step in range(30):
            press(Keys.TAB)
            # Wherever the focus is, it can be seen.
            assert browser.script("return getComputedStyle(document.activeElement).outlineStyle") != "none"
            if browser.script(f"const at = document.activeElement; return {test}"):
                return
        pytest.fail(f"the Tab key does not lead to {test}")

    tab_to("at.id === 'skip'")
    tab_to("at.id === 'filter-text'")
    press("two")
    tab_to("at.matches('.groups a')")
    press(Keys.ENTER)
    browser.wait_for_text("main h2", "/echo")
    tab_to("at.labels?.[0]?.innerText.startsWith('q')")
    press("by hand")
    tab_to("at.textContent === 'Send'")
    press(Keys.ENTER)
    browser.wait_for_text(".headline", "200 OK in")
    assert [asked["target"] for asked in server.asked] == ["/mount/echo?q=by%20hand"]


def test_every_control_has_a_name_and_the_result_is_announced(browser: Browser, server: PageServer) -> None:
    server.document = everything()
    browser.open(server.page + "#long")
    browser.find(".operation")
    controls = browser.all("button, input, select, textarea, a, summary, pre[tabindex], ol[tabindex]")
    nameless = [found for found in controls if found.is_displayed() and not found.accessible_name]
    assert [found.get_attribute("outerHTML") for found in nameless] == []
    assert browser.all(".headline")[0].get_attribute("aria-live") == "polite"


CONTRASTS = """
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
const luminance = ([red, green, blue]) => [red, green, blue]
  .map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
const ground = (at) => {
  const own = channels(getComputedStyle(at).backgroundColor);
  return own.length < 4 || own[3] > 0 ? own : ground(at.parentElement);
};
const weak = new Set();
for (const at of document.body.querySelectorAll("*")) {
  const bare = [...at.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!bare || !at.checkVisibility() || at.disabled) continue;
  const [one, other] = [channels(getComputedStyle(at).color), ground(at)].map(luminance);
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) weak.add(`${at.tagName} ${at.className} ${ratio.toFixed(2)}`);
}
return [getComputedStyle(document.body).backgroundColor, [...weak]];
"""


def test_text_can_be_read_in_light_and_in_dark(browser: Browser, server: PageServer) -> None:
    """WCAG 2.2, 1.4.3: the contrast of text is at least 4.5."""
    server.document = everything()
    browser.open(server.page + "#long")
    browser.find(".operation")
    send(browser)
    found: dict[str, list[object]] = {}
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        found[scheme] = browser.script(CONTRASTS)
    browser.prefer("")
    assert found == {"light": ["rgb(255, 255, 255)", []], "dark": ["rgb(18, 21, 28)", []]}


# The files


@pytest.mark.parametrize("file", sorted(PAGE.iterdir()), ids=lambda file: file.name)
def test_an_asset_is_short_and_never_reads_text_as_code(file: Path) -> None:
    text = file.read_text()
    assert file.suffix == ".css" or text.count("\n") < 300
    parsers = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|\sstyle=|\son\w+="
    )
    assert re.findall(parsers, text) == []
    foreign = r'(?:src|href)\s*[=:]\s*"(?:\w+:)?//|\burl\(["\']?(?:\w+:)?//|@import|from "(?!\./)|import\('
    assert re.findall(foreign, text) == []


def test_the_page_is_small() -> None:
    assert sum(file.stat().st_size for file in PAGE.iterdir()) < 120_000
