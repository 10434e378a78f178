"""``fetch()``: what of another server's responses is kept, by what key, for how long. The server is a real one."""

import asyncio
import gzip
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from conftest import Site
from django_routehandlers.caching.cached import cached
from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.fetch import _httpx2, fetch
from django_routehandlers.caching.invalidation import revalidate_tag

pytestmark = pytest.mark.usefixtures("own_cache")


@dataclass
class Origin:
    """Another server: what it answers, and what it was asked."""

    url: str = ""
    status: int = 200
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    """``None``: the number of the request."""
    delay: float = 0.0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Requests so far."""
        return len(self.asked)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        origin: Origin = self.server.origin
        origin.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        body = str(origin.count).encode() if origin.body is None else origin.body
        time.sleep(origin.delay)
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/new")
            self.send_header("Content-Length", "0")
            for name, value in json.loads(origin.asked[-1][1].get("x-redirect-fields", "[]")):
                self.send_header(name, value)
            self.end_headers()
            return
        self.send_response(origin.status)
        for name, value in origin.fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    origin: Origin

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have left."""


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.origin = Origin(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.origin
        server.shutdown()
        thread.join()


def get(url: str | httpx2.URL, **options: Any) -> httpx2.Response:
    return asyncio.run(fetch(url, **options))


def texts(origin: Origin, count: int = 2, path: str = "/", **options: Any) -> list[str]:
    """Return the bodies of several fetches of one URL, each on a loop of its own."""
    return [get(origin.url + path, **options).text for _ in range(count)]


# What is kept


def test_response_is_kept_across_event_loops(origin: Origin) -> None:
    assert texts(origin, 3) == ["1"] * 3


def test_kept_response_is_a_real_one(origin: Origin) -> None:
    origin.body = b'{"price": 3}'
    origin.fields = [("Content-Type", "application/json"), ("X-Part", "a"), ("X-Part", "b"), ("ETag", '"1"')]

    for response in (get(origin.url + "/a?b=1"), get(origin.url + "/a?b=1")):
        assert isinstance(response, httpx2.Response)
        assert response.raise_for_status() is response
        assert (response.status_code, response.json()) == (200, {"price": 3})
        assert str(response.url) == origin.url + "/a?b=1"
        assert response.headers.get_list("X-Part") == ["a", "b"]
        assert response.headers["ETag"] == '"1"'
    assert origin.count == 1


def test_every_caller_gets_a_response_of_its_own(origin: Origin) -> None:
    """Invariant 16."""
    first = get(origin.url)
    first.headers["X-Mine"] = "1"

    assert "X-Mine" not in get(origin.url).headers
    assert get(origin.url) is not get(origin.url)


def test_compressed_body_is_kept_as_it_is_read(origin: Origin) -> None:
    origin.body = gzip.compress(b"much " * 100)
    origin.fields = [("Content-Encoding", "gzip")]

    responses = [get(origin.url), get(origin.url)]

    assert [response.content for response in responses] == [b"much " * 100] * 2
    assert [response.headers["Content-Length"] for response in responses] == ["500"] * 2
    assert origin.count == 1


def test_cookies_and_fields_of_the_connection_are_not_kept(origin: Origin) -> None:
    """Invariant 1."""
    origin.fields = [
        ("Set-Cookie", "sid=secret"),
        ("Connection", "keep-alive, X-Hop"),
        ("Keep-Alive", "timeout=5"),
        ("X-Hop", "1"),
        ("Age", "3"),
        ("X-Kept", "1"),
    ]
    first, second = get(origin.url), get(origin.url)

    assert origin.count == 1
    assert first.headers == second.headers
    kept = {name for name in second.headers if name not in ("server", "date")}
    assert kept == {"x-kept", "content-length"}


def test_fetch_works_in_sync_code(origin: Origin) -> None:
    assert [async_to_sync(fetch)(origin.url).text for _ in range(2)] == ["1"] * 2


UNKEPT: dict[str, tuple[int, list[tuple[str, str]]]] = {
    "no-store": (200, [("Cache-Control", "nO-StOrE")]),
    "private": (200, [("Cache-Control", "max-age=60, Private")]),
    "private fields": (200, [("Cache-Control", 'private="x-user"')]),
    "no-cache": (200, [("Cache-Control", "no-cache")]),
    "max-age=0": (200, [("Cache-Control", "max-age=0")]),
    "s-maxage=0": (200, [("Cache-Control", "max-age=60, s-maxage=0")]),
    "second line": (200, [("Cache-Control", "public"), ("Cache-Control", "private")]),
    "too old": (200, [("Cache-Control", "max-age=60"), ("Age", "60")]),
    "Vary *": (200, [("Vary", "Accept, *")]),
    "Vary * line": (200, [("Vary", "Accept"), ("Vary", " * ")]),
    "201": (201, []),
    "206": (206, []),
    "404": (404, []),
    "500": (500, [("Cache-Control", "max-age=60")]),
}


@pytest.mark.parametrize("case", UNKEPT)
def test_response_that_is_not_for_everybody_is_not_kept(origin: Origin, case: str) -> None:
    """Invariants 2, 3 and 7."""
    origin.status, origin.fields = UNKEPT[case]

    assert texts(origin) == ["1", "2"]


KEPT: dict[str, list[tuple[str, str]]] = {
    "nothing stated": [],
    "another directive": [("Cache-Control", "x-private=1, max-age=60")],
    "s-maxage": [("Cache-Control", "max-age=0, s-maxage=60")],
    "Vary": [("Vary", "Accept, Accept-Encoding, X-Plan")],
    "young": [("Cache-Control", "max-age=60"), ("Age", "58")],
    "Age that is none": [("Cache-Control", "max-age=60"), ("Age", "old")],
}


@pytest.mark.parametrize("case", KEPT)
def test_response_that_is_for_everybody_is_kept(origin: Origin, case: str) -> None:
    origin.fields = KEPT[case]

    assert texts(origin) == ["1", "1"]


def test_body_over_the_limit_is_returned_but_not_kept(origin: Origin, settings: Settings) -> None:
    """Invariant 18."""
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "MAX_CACHED_BODY": 10_000}
    origin.body = b"a" * 20_000

    assert texts(origin) == ["a" * 20_000] * 2
    assert origin.count == 2


def test_nothing_is_kept_where_the_cache_is_off(origin: Origin, settings: Settings) -> None:
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": False}

    assert texts(origin) == ["1", "2"]


# By what key


def test_spellings_of_one_url_are_one_key(origin: Origin) -> None:
    port = origin.url.rpartition(":")[2]
    urls = [f"http://127.0.0.1:{port}/é?a=b c", f"HTTP://127.0.0.1:{port}/%C3%A9?a=b%20c#part"]

    assert [get(url).text for url in (*urls, httpx2.URL(urls[0]))] == ["1"] * 3
    assert origin.asked[0][0] == "/%C3%A9?a=b%20c"


def test_other_urls_and_other_fields_are_other_keys(origin: Origin) -> None:
    """Invariants 5 and 6: a field that is absent is not one that is empty, and no token gets what another one got."""
    calls: list[tuple[str, dict[str, str] | None]] = [
        ("/", None),
        ("/?a=1", None),
        ("/?a=1&b=2", None),
        ("/?b=2&a=1", None),
        ("/", {"Authorization": "Bearer one"}),
        ("/", {"Authorization": "Bearer two"}),
        ("/", {"X-T": ""}),
        ("/", {"X-T": "a", "X-U": "b"}),
        ("/", {"X-T": "b", "X-U": "a"}),
    ]
    first = [get(origin.url + path, headers=headers).text for path, headers in calls]
    again = [get(origin.url + path, headers=headers).text for path, headers in calls]

    assert first == again == [str(number) for number in range(1, len(calls) + 1)]
    assert origin.asked[4][1]["authorization"] == "Bearer one"


def test_fields_are_one_key_in_any_case_and_order(origin: Origin) -> None:
    assert texts(origin, headers={"X-T": "1", "Accept": "text/plain"}) == ["1", "1"]
    assert texts(origin, headers={"accept": "text/plain", "x-t": "1"}) == ["1", "1"]


# For how long


def test_revalidate_0_is_never_kept(origin: Origin) -> None:
    assert texts(origin, revalidate=0) == ["1", "2"]


def test_default_lifetime_is_that_of_the_settings(origin: Origin, settings: Settings) -> None:
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "DEFAULT_REVALIDATE": 0}

    assert texts(origin) == ["1", "2"]


@pytest.mark.parametrize(
    ("revalidate", "fields"),
    [
        (1, [("Cache-Control", "max-age=600")]),
        (False, [("Cache-Control", "max-age=1")]),
        (False, [("Cache-Control", "max-age=600"), ("Age", "599")]),
        (False, [("Cache-Control", "max-age=600, s-maxage=1")]),
    ],
    ids=["caller", "origin", "Age", "s-maxage"],
)
def test_the_shorter_lifetime_counts(
    origin: Origin, settings: Settings, revalidate: int, fields: list[tuple[str, str]]
) -> None:
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "BACKGROUND_REFRESH": False}
    origin.fields = fields

    assert texts(origin, revalidate=revalidate) == ["1", "1"]
    time.sleep(1.05)
    assert texts(origin, revalidate=revalidate) == ["2", "2"]


def test_stale_response_is_returned_once_more_while_it_is_fetched_anew(origin: Origin) -> None:
    async def scenario() -> list[str]:
        first = (await fetch(origin.url, revalidate=1)).text
        await asyncio.sleep(1.05)
        stale = (await fetch(origin.url, revalidate=1)).text
        await current_cache().refreshes.drain(5)
        return [first, stale, (await fetch(origin.url, revalidate=1)).text]

    assert asyncio.run(scenario()) == ["1", "1", "2"]


def test_tag_ends_a_response(origin: Origin) -> None:
    assert texts(origin, revalidate=False, tags=["rates"]) == ["1", "1"]
    revalidate_tag("rates")
    assert texts(origin, revalidate=False, tags=["rates"]) == ["2", "2"]


# Redirects


def test_redirect_is_followed_and_where_it_leads_is_kept(origin: Origin) -> None:
    origin.body = b"moved here"
    responses = [get(origin.url + "/moved"), get(origin.url + "/moved")]

    assert [response.text for response in responses] == ["moved here"] * 2
    assert {str(response.url) for response in responses} == {origin.url + "/new"}
    assert [path for path, _ in origin.asked] == ["/moved", "/new"]


@pytest.mark.parametrize("fields", [[("Cache-Control", "private")], [("Vary", "*")]], ids=["private", "Vary"])
def test_redirect_that_is_not_for_everybody_is_not_kept(origin: Origin, fields: list[tuple[str, str]]) -> None:
    headers = {"X-Redirect-Fields": json.dumps(fields)}

    assert texts(origin, path="/moved", headers=headers) == ["2", "4"]


# Faults


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "file:///etc/passwd", "/relative", "example.com", "http://", "http://[::1"]
)
def test_url_that_cannot_be_fetched_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^fetch\(\): .* is no URL"):
        get(url)


def test_password_in_a_url_is_in_no_message() -> None:
    with pytest.raises(ValueError, match="is no URL") as refused:
        get("ftp://user:hidden@example.com/")

    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"revalidate": -1}, ValueError, "revalidate is -1."),
        ({"revalidate": True}, ValueError, "revalidate is True."),
        ({"tags": "rates"}, TypeError, "the tags are 'rates'."),
        ({"tags": [1]}, TypeError, "the tags are [1]."),
    ],
    ids=["revalidate", "bool", "text", "number"],
)
def test_wrong_option_is_refused(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as refused:
        get("http://127.0.0.1/", **options)

    assert str(refused.value).startswith(f"fetch(URL('http://127.0.0.1/')): {message}")


def test_server_that_cannot_be_reached_is_an_error_and_nothing_is_kept(origin: Origin) -> None:
    """Invariant 34."""
    with Server(("127.0.0.1", 0), Handler) as closed:
        nowhere = f"http://127.0.0.1:{closed.server_port}"

    for _ in range(2):
        with pytest.raises(httpx2.ConnectError):
            get(nowhere)


def test_server_that_takes_too_long_is_an_error_and_nothing_is_kept(origin: Origin) -> None:
    """Invariant 34."""
    origin.delay = 0.5
    with pytest.raises(httpx2.ReadTimeout):
        get(origin.url, timeout=0.05)

    origin.delay = 0
    assert texts(origin) == ["2", "2"]


def test_fetch_without_httpx2_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    _httpx2.cache_clear()

    with pytest.raises(ImproperlyConfigured) as refused:
        get("http://127.0.0.1/")
    _httpx2.cache_clear()

    assert str(refused.value) == (
        'fetch() needs httpx2, which is not installed: pip install "django-routehandlers[fetch]"'
    )


# One request for many callers


def test_tasks_that_ask_at_a_time_share_one_request(origin: Origin) -> None:
    """Invariant 32."""
    origin.delay = 0.2

    async def scenario() -> list[str]:
        return [response.text for response in await asyncio.gather(*(fetch(origin.url) for _ in range(200)))]

    assert asyncio.run(scenario()) == ["1"] * 200
    assert origin.count == 1


def test_response_that_is_not_for_everybody_is_shared_with_nobody(origin: Origin) -> None:
    """Invariant 35."""
    origin.fields = [("Cache-Control", "private")]
    origin.delay = 0.05

    async def scenario() -> list[str]:
        return [response.text for response in await asyncio.gather(*(fetch(origin.url) for _ in range(20)))]

    assert sorted(map(int, asyncio.run(scenario()))) == list(range(1, 21))


# While something else is filled


def page_of(origin: Origin, **options: Any) -> Callable[[], Awaitable[str]]:
    @cached(revalidate=False)
    async def page() -> str:
        return f"page {(await fetch(origin.url, **options)).text}"

    return page


def pages(origin: Origin, **options: Any) -> list[str]:
    page = page_of(origin, **options)

    async def scenario() -> list[str]:
        return [await page(), await page()]

    return asyncio.run(scenario())


def test_what_fetches_depends_on_the_tags_of_the_response(origin: Origin) -> None:
    page = async_to_sync(page_of(origin, revalidate=False, tags=["rates"]))

    assert [page(), page()] == ["page 1"] * 2
    revalidate_tag("rates")
    assert page() == "page 2"


def test_what_fetches_with_revalidate_0_is_not_kept(origin: Origin) -> None:
    assert pages(origin, revalidate=0) == ["page 1", "page 2"]


@pytest.mark.parametrize("case", UNKEPT)
def test_what_fetches_something_that_is_not_kept_is_not_kept(origin: Origin, case: str) -> None:
    origin.status, origin.fields = UNKEPT[case]

    assert pages(origin) == ["page 1", "page 2"]


def test_lifetime_of_the_response_shortens_that_of_what_fetches(origin: Origin, settings: Settings) -> None:
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "BACKGROUND_REFRESH": False}
    origin.fields = [("Cache-Control", "max-age=1")]
    page = async_to_sync(page_of(origin, revalidate=False))

    assert [page(), page()] == ["page 1"] * 2
    time.sleep(1.05)
    assert page() == "page 2"


@pytest.mark.parametrize("edge", ["WSGI", "ASGI"])
def test_route_that_fetches_is_kept_as_long_as_the_response(site: Site, origin: Origin, edge: str) -> None:
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
    site.serve(
        {
            "page/route.py": f"""
            from django_routehandlers import fetch

            revalidate = False


            async def GET():
                response = await fetch({origin.url!r}, tags=["rates"])
                return response.json()
            """
        }
    )

    def send() -> bytes:
        if edge == "WSGI":
            return site.client.get("/page").content
        return asyncio.run(asend())

    async def asend() -> bytes:
        return (await site.async_client.get("/page")).content

    assert [send(), send()] == [b"1", b"1"]
    revalidate_tag("rates")
    assert [send(), send()] == [b"2", b"2"]
