"""``etag()``, ``last_modified()`` and ``require_precondition``: preconditions are judged before the handler runs."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import dj_database_url
import pytest
from django.db import connections
from django.utils.http import http_date, parse_http_date
from openapi_spec_validator import validate

from conftest import Site
from django_routehandlers.asgi import get_asgi_application
from engine_client import ask

GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
OURS = "django_routehandlers.middleware.CacheControlMiddleware"
DATE, EARLIER = "Thu, 26 Nov 2026 08:00:00 GMT", "Thu, 26 Nov 2026 07:59:59 GMT"
DATED = (
    "from datetime import UTC, datetime\n\n\n"
    "def last_modified():\n    return datetime(2026, 11, 26, 8, 0, 0, 500_000, tzinfo=UTC)\n\n\n"
)
DOCUMENT = """
    from django.http import Http404

    versions, runs = {"1": 7}, []

    KIND etag(id):
        if id == "404":
            raise Http404
        if id == "500":
            raise LookupError("broken")
        runs.append("etag")
        return str(versions[id]) if id in versions else None

    KIND GET(request, id: str):
        runs.append("GET")
        return {"version": versions[id]}

    KIND PUT(id: str, number: int = 1):
        runs.append("PUT")
        versions[id] = versions.get(id, 0) + 1
        return {"version": versions[id]}

    PATCH = DELETE = POST = PUT
"""


def document(kind: str = "async def", more: str = "") -> str:
    return more + DOCUMENT.replace("\n    ", "\n").replace("KIND", kind)


def loaded(site: Site) -> Any:
    """Return the module of the route file."""
    return sys.modules[f"{site.name}.routes.docs.[id].route"]


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
@pytest.mark.parametrize(
    ("fields", "status", "runs"),
    [
        ({}, 200, ["PUT"]),
        ({"If-Match": '"7"'}, 200, ["etag", "PUT"]),
        ({"If-Match": '"6", "7"'}, 200, ["etag", "PUT"]),
        ({"If-Match": "*"}, 200, ["etag", "PUT"]),
        ({"If-Match": 'W/"7"'}, 200, ["etag", "PUT"]),
        ({"If-Match": '"6"'}, 412, ["etag"]),
        ({"If-Match": "7"}, 412, ["etag"]),
        ({"If-None-Match": "*"}, 412, ["etag"]),
        ({"If-None-Match": 'W/"7"'}, 412, ["etag"]),
        ({"If-None-Match": '"6"'}, 200, ["etag", "PUT"]),
        ({"If-Unmodified-Since": EARLIER}, 200, ["etag", "PUT"]),
    ],
)
def test_a_write_is_judged_before_its_handler_runs(
    site: Site, kind: str, method: str, fields: dict[str, str], status: int, runs: list[str]
) -> None:
    """RFC 9110, section 13.2.2; a tag that compression has made weak is the strong one that was sent."""
    site.serve({"docs/[id]/route.py": document(kind)})
    response = site.client.generic(method, "/docs/1", headers=fields)
    assert (response.status_code, loaded(site).runs) == (status, runs)
    if status == 412:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["ETag"] == '"7"'
        assert json.loads(response.content)["title"] == "Precondition Failed"
    else:
        assert "ETag" not in response.headers


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"If-Unmodified-Since": DATE}, 200),
        ({"If-Unmodified-Since": EARLIER}, 412),
        ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
        ({"If-Unmodified-Since": "yesterday"}, 200),
        ({"If-Match": '"any"'}, 412),
        ({"If-Match": "*"}, 200),
        ({"If-None-Match": "*"}, 412),
    ],
)
def test_a_write_is_judged_by_the_date_alone(site: Site, fields: dict[str, str], status: int) -> None:
    """RFC 9110, sections 13.1.1 and 13.1.4: a date has no fractions of a second; `*` asks whether there is anything."""
    site.serve({"x/route.py": DATED + "def PUT():\n    return 1\n"})
    response = site.client.put("/x", headers=fields)
    assert response.status_code == status
    if status == 412:
        assert (response.headers["Last-Modified"], "ETag" in response.headers) == (DATE, False)


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/docs/new", {"If-None-Match": "*"}, 200),
        ("/docs/new", {"If-Match": "*"}, 412),
        ("/docs/404", {"If-Match": '"7"'}, 404),
        ("/docs/500", {"If-Match": '"7"'}, 500),
        ("/docs/1?number=one", {"If-Match": '"6"'}, 422),
        ("/docs/1", {"If-Match": '"6"', "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("client", ["client", "async_client"])
def test_other_answers_come_first(site: Site, client: str, path: str, fields: dict[str, str], status: int) -> None:
    """RFC 9110, section 13.2.1: what would not be answered 2xx anyway is not judged."""
    site.serve({"docs/[id]/route.py": document()})
    response = getattr(site, client).put(path, headers=fields)
    answer: Any = asyncio.run(response) if client == "async_client" else response
    assert answer.status_code == status


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("client", ["client", "async_client"])
def test_a_get_has_the_validators_and_is_answered_304_without_its_handler(site: Site, kind: str, client: str) -> None:
    site.serve({"docs/[id]/route.py": document(kind)})

    def send(method: str, **fields: str) -> Any:
        response = getattr(getattr(site, client), method)("/docs/1", headers=fields)
        return asyncio.run(response) if client == "async_client" else response

    found = send("get")
    assert (found.status_code, found.headers["ETag"], found.json()) == (200, '"7"', {"version": 7})
    fresh = send("get", **{"If-None-Match": 'W/"7"'})
    assert (fresh.status_code, fresh.headers["ETag"], fresh.content) == (304, '"7"', b"")
    assert send("head", **{"If-None-Match": '"7"'}).status_code == 304
    assert send("get", **{"If-Match": '"6"'}).status_code == 412
    assert loaded(site).runs == ["etag", "GET", "etag", "etag", "etag"]
    assert send("head").headers["ETag"] == '"7"'


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("client", ["client", "async_client"])
def test_an_entry_of_the_cache_has_the_validator_and_a_hit_runs_nothing(site: Site, kind: str, client: str) -> None:
    """Invariant 19."""
    site.serve({"docs/[id]/route.py": document(kind).replace("GET(request, ", "GET(")})

    def send(method: str, **fields: str) -> Any:
        response = getattr(getattr(site, client), method)("/docs/1", headers=fields)
        return asyncio.run(response) if client == "async_client" else response

    answers = [send("get"), send("get"), send("get", **{"If-None-Match": '"7"'}), send("head")]
    assert [one.status_code for one in answers] == [200, 200, 304, 200]
    assert {one.headers["ETag"] for one in answers} == {'"7"'}
    assert loaded(site).runs == ["etag", "GET"]
    assert send("put", **{"If-Match": '"7"'}).status_code == 200
    # Stale content has a stale tag.
    stale = send("get").headers["ETag"]
    assert (stale, send("put", **{"If-Match": stale}).status_code) == ('"7"', 412)


def sender(site: Site, client: str) -> Any:
    """Return what sends a request to ``/x`` and returns status, media type and tag."""
    application = get_asgi_application() if client == "engine" else None

    def send(method: str, **fields: str) -> tuple[int, str, str]:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        if application is not None:
            encoded = tuple((name.lower().encode(), value.encode()) for name, value in named.items())
            start = asyncio.run(ask(application, "x", method=method, fields=encoded))[0]
            got = {name.decode().lower(): value.decode() for name, value in start["headers"]}
            return start["status"], got.get("content-type", ""), got["etag"]
        response = getattr(getattr(site, client), method.lower())("/x", headers=named)
        response = asyncio.run(response) if client == "async_client" else response
        return response.status_code, response.headers.get("Content-Type", ""), response.headers["ETag"]

    return send


@pytest.mark.parametrize("validator", ["", "def etag():\n    return '7'\n\n\n", DATED])
@pytest.mark.parametrize("middleware", [[], [OURS], [OURS, GZIP]])
@pytest.mark.parametrize("client", ["client", "async_client", "engine"])
@pytest.mark.usefixtures("own_cache")
def test_a_cached_get_is_held_to_its_state_whatever_middleware_there_is(
    site: Site, client: str, middleware: list[str], validator: str
) -> None:
    """RFC 9110, sections 13.1.1, 13.1.4 and 13.2.2: on a miss and on a hit, as a GET that is not cached."""
    site.settings.ALLOWED_HOSTS = ["testserver"]
    site.settings.MIDDLEWARE = middleware
    kind = "def" if client == "async_client" else "async def"
    site.serve({"x/route.py": f"revalidate = 60\n\n\n{validator}{kind} GET():\n    return 'x' * 999\n"})
    send = sender(site, client)
    missed = send("GET", If_Match='"6"')
    tag = missed[2]
    assert missed == (412, "application/problem+json", tag)
    failed = [send("GET", If_Match=one) for one in ('"6"', "6", "", 'W/"6"')]
    assert [*failed, send("HEAD", If_Match='"6"')] == [missed] * 5
    held = [
        {},
        *({"If_Match": one} for one in (tag, f"W/{tag}", "*")),
        {"If_Match": tag, "If_Unmodified_Since": EARLIER},
    ]
    for fields in (*held, {"If_Unmodified_Since": DATE}, {"If_Unmodified_Since": "yesterday"}):
        assert send("GET", Accept_Encoding="identity", **fields) == (200, "application/json", tag), fields
    if GZIP in middleware:
        zipped = send("GET", Accept_Encoding="gzip")[2]
        assert send("GET", Accept_Encoding="gzip", If_Match=zipped) == (200, "application/json", f"W/{tag}")
    assert send("GET", If_Unmodified_Since=EARLIER)[0] == (412 if validator == DATED else 200)
    if middleware:
        assert send("GET", If_Match=tag, If_None_Match=tag)[0] == 304


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_the_engine_answers_alike(site: Site, kind: str) -> None:
    site.settings.ALLOWED_HOSTS = ["testserver"]
    site.serve({"docs/[id]/route.py": document(kind, more="require_precondition = True\n")})
    application = get_asgi_application()

    def status(method: str, *fields: tuple[bytes, bytes]) -> int:
        sent = asyncio.run(ask(application, "docs/1", method=method, fields=fields))
        return sent[0]["status"]

    six, seven = ((b"if-match", tag) for tag in (b'"6"', b'"7"'))
    assert [status("PUT"), status("PUT", six), status("PUT", seven), status("PUT", seven)] == [428, 412, 200, 412]
    assert status("GET", (b"if-none-match", b'"8"')) == 304
    assert loaded(site).runs == ["etag", "etag", "PUT", "etag", "etag"]


@pytest.mark.parametrize("takes", ["request", "user"])
def test_a_get_whose_validator_sees_who_asks_is_not_cached(site: Site, takes: str) -> None:
    site.settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    site.settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    expected = {"request": "GET", "user": "AnonymousUser"}[takes]
    source = "revalidate = 60\n\n\ndef etag({0}):\n    return {1}\n\n\ndef GET():\n    return 1\n"
    site.serve({"x/route.py": source.format(takes, "str(user)" if takes == "user" else "request.method")})
    (warning,) = site.check()
    assert f"since its etag() takes the {takes}." in warning.msg
    assert site.client.get("/x").headers["ETag"] == f'"{expected}"'


@pytest.mark.parametrize("middleware", [[GZIP], [OURS, GZIP, CONDITIONAL], [GZIP, CONDITIONAL], [OURS]])
@pytest.mark.parametrize("get", ["GET(request, ", "GET("])
@pytest.mark.usefixtures("own_cache")
def test_the_tag_of_a_get_goes_back_with_a_put(site: Site, middleware: list[str], get: str) -> None:
    """GZipMiddleware makes it weak, and If-Match compares strongly (RFC 9110, section 13.1.1)."""
    source = document().replace("GET(request, ", get).replace('return {"version": versions[id]}', "return 'x' * 999", 1)
    site.settings.MIDDLEWARE = middleware
    site.serve({"docs/[id]/route.py": source})
    found = site.client.get("/docs/1", headers={"Accept-Encoding": "gzip"})
    etag = found.headers["ETag"]
    assert etag == ('W/"7"' if GZIP in middleware else '"7"')
    again = site.client.get("/docs/1", headers={"Accept-Encoding": "gzip", "If-None-Match": etag})
    # What is cached is compared by the middleware that knows what became of it.
    assert again.status_code == (200 if middleware == [GZIP] and get == "GET(" else 304)
    writes = [site.client.put("/docs/1", headers={"If-Match": etag}) for _ in range(2)]
    assert [one.status_code for one in writes] == [200, 412]
    assert (writes[1].headers["ETag"], writes[1].headers["Content-Type"]) == ('"8"', "application/problem+json")


def test_a_tag_that_is_weak_by_itself_matches_nothing(site: Site) -> None:
    site.serve(
        {"x/route.py": "def etag():\n    return 'W/\"a\"'\n\n\ndef GET(request):\n    return 1\n\n\nPUT = GET\n"}
    )
    assert site.client.get("/x").headers["ETag"] == 'W/"a"'
    assert site.client.put("/x", headers={"If-Match": 'W/"a"'}).status_code == 412


DJANGO = "from django.views.decorators.http import"
REQUIRED = "require_precondition = True\n"


@pytest.mark.parametrize(
    ("place", "more", "method", "fields", "status"),
    [
        ("route", REQUIRED, "put", {}, 428),
        ("route", REQUIRED, "put", {"If-Match": '"7"'}, 200),
        ("route", REQUIRED, "put", {"If-Match": "7"}, 412),
        ("route", REQUIRED, "put", {"If-None-Match": "*"}, 412),
        ("route", REQUIRED, "put", {"If-None-Match": '"6"'}, 428),
        ("route", REQUIRED, "put", {"If-Unmodified-Since": DATE}, 428),
        ("route", REQUIRED, "put?number=one", {}, 422),
        ("route", REQUIRED, "get", {}, 200),
        ("route", 'require_precondition = ["PUT"]\n', "put", {}, 428),
        ("route", 'require_precondition = ["PUT"]\n', "post", {}, 200),
        ("folder", REQUIRED, "put", {}, 428),
        ("folder", REQUIRED, "get", {}, 200),
    ],
)
def test_a_write_may_have_to_say_what_it_is_based_on(
    site: Site, place: str, more: str, method: str, fields: dict[str, str], status: int
) -> None:
    """RFC 6585, section 3: the answer says how, and no cache stores it."""
    files = {"docs/[id]/route.py": document(more=more if place == "route" else "")}
    if place == "folder":
        files |= {"middleware.py": more, "plain/route.py": "def PUT():\n    return 1\n"}
    site.serve(files)
    method, _, query = method.partition("?")
    response = site.client.generic(method.upper(), f"/docs/1?{query}", headers=fields)
    assert response.status_code == status
    if status == 428:
        assert response.headers["Cache-Control"] == "no-store"
        assert "Send If-Match, with the ETag" in json.loads(response.content)["detail"]
        assert loaded(site).runs == []
    if place == "folder":
        assert site.client.put("/plain").status_code == 200


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_handler_takes_what_the_request_was_judged_by(site: Site, kind: str) -> None:
    source = f"{kind} etag():\n    return '7'\n\n\n{kind} GET(request, etag):\n    return etag\n\n\n" + (
        f"{kind} PUT(etag: str | None, number: int = 1):\n    return [etag, number]\n"
    )
    site.serve({"x/route.py": source})
    assert site.check() == []
    assert site.client.get("/x").json() == "7"
    fields: list[dict[str, str]] = [{"If-Match": '"7"'}, {}]
    answers = [site.client.put("/x?number=2&etag=8", headers=one).json() for one in fields]
    assert answers == [["7", 2], [None, 2]]
    parameters = site.client.get("/openapi.json").json()["paths"]["/x"]["put"]["parameters"]
    assert [(one["in"], one["name"]) for one in parameters] == [("query", "number"), ("header", "If-Match")]


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        ("7", TypeError),
        ("'a b'", ValueError),
        ("'a,b'", ValueError),
        ("datetime(2026, 11, 26)", ValueError),
        ("datetime.max", ValueError),
        ("datetime.min", ValueError),
        ("'2026-11-26'", TypeError),
    ],
)
def test_what_is_no_validator_is_an_error_that_says_so(site: Site, returned: str, error: type[Exception]) -> None:
    name = "last_modified" if "2026" in returned or "datetime" in returned else "etag"
    head = f"from datetime import datetime\n\n\ndef {name}():\n    return {returned}\n\n\n"
    site.serve({"x/route.py": head + "def GET(request):\n    return 1\n"})
    assert site.client.get("/x").status_code == 500
    site.client.raise_request_exception = True
    with pytest.raises(error, match=rf"/x {name}\(\) .*returned"):
        site.client.get("/x")


@pytest.mark.parametrize("zone", [-14, 0, 14])
@pytest.mark.parametrize(
    ("moment", "sent", "status"),
    [
        ("datetime.max", "now", 412),
        ("datetime(9999, 12, 31, 12)", "now", 412),
        ("datetime(2999, 1, 1)", "now", 412),
        ("datetime(100, 1, 2, 12)", "0100", 200),
        ("datetime(99, 1, 1)", None, 200),
        ("datetime.min", None, 200),
    ],
)
def test_a_date_at_either_end_of_time_is_judged_and_none_is_sent_that_is_still_to_come(
    site: Site, moment: str, sent: str | None, status: int, zone: int
) -> None:
    """RFC 9110, section 8.8.2.1. A year below 100 would come back as another one."""
    head = "from datetime import datetime, timedelta, timezone\n\n\n"
    dated = f"def last_modified():\n    return {moment}.replace(tzinfo=timezone(timedelta(hours={zone})))\n\n\n"
    site.serve({"x/route.py": f"{head}{dated}def GET(request):\n    return 1\n\n\nPUT = GET\n"})
    began = int(time.time())
    response = site.client.get("/x")
    found = response.headers.get("Last-Modified")
    if sent == "now":
        assert began <= parse_http_date(str(found)) <= time.time()
    else:
        assert (found and found.split()[3]) == sent
    assert response.status_code == 200
    now = http_date()
    assert site.client.put("/x", headers={"If-Unmodified-Since": now}).status_code == status
    assert site.client.get("/x", headers={"If-Modified-Since": now}).status_code == (200 if status == 412 else 304)
    assert site.client.put("/x", headers={"If-None-Match": "*"}).status_code == 412


@pytest.mark.parametrize("way", ["client", "async_client"])
def test_a_write_whose_time_is_over_does_not_begin(site: Site, way: str) -> None:
    """Invariant 63: the client may have been told that it took too long."""
    source = document("def").replace("def etag(id):\n", "def etag(id):\n    time.sleep(0.3)\n")
    site.serve({"docs/[id]/route.py": f"import time\n\nmax_duration = 0.1\n\n{source}"})
    if way == "client":
        status = site.client.put("/docs/1", headers={"If-Match": '"7"'}).status_code
    else:
        status = asyncio.run(site.async_client.put("/docs/1", headers={"If-Match": '"7"'})).status_code
        time.sleep(0.4)
    assert (status, "PUT" in loaded(site).runs) == (504, False)


def test_an_early_304_leaves_what_caches_know_as_it_is(site: Site, own_cache: None) -> None:
    """RFC 9110, section 15.4.5: the handler, which has not run, may have said something else."""
    source = "def etag():\n    return '7'\n\n\ndef GET(request):\n    return JSONResponse(1, headers=WORDS)\n"
    head = "from django_routehandlers import JSONResponse\n\nWORDS = {'Cache-Control': 'private, max-age=60'}\n\n\n"
    site.serve({"a/route.py": head + source})
    assert site.client.get("/a").headers["Cache-Control"] == "private, max-age=60"
    early = site.client.get("/a", headers={"If-None-Match": '"7"'})
    assert (early.status_code, early.headers["ETag"], early.has_header("Cache-Control")) == (304, '"7"', False)


def test_a_failed_precondition_is_logged_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.serve({"docs/[id]/route.py": document()})
    for tag in ('"6"', 'W/"6"', "6"):
        site.client.put("/docs/1", headers={"If-Match": tag})
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == ["Precondition Failed: /docs/1"] * 3


def test_a_handlers_own_validator_stays_and_errors_have_none(site: Site) -> None:
    source = (
        "from django_routehandlers import JSONResponse\n\n\ndef etag():\n    return 'a'\n\n\n"
        "def GET(request, status: int = 200):\n    return JSONResponse(1, status=status, headers=HEADERS)\n\n\n"
    )
    site.serve({
        "own/route.py": source + "HEADERS = {'ETag': '\"b\"'}\n",
        "none/route.py": source + "HEADERS = {}\n",
    })  # fmt: skip
    assert site.client.get("/own").headers["ETag"] == '"b"'
    assert site.client.get("/none").headers["ETag"] == '"a"'
    assert "ETag" not in site.client.get("/none?status=409").headers


def test_other_origins_read_why_a_write_is_refused(site: Site) -> None:
    cors = "from django_routehandlers import CORS\n\ncors = CORS(['https://app.example'], expose_headers=['ETag'])\n"
    site.serve({"docs/[id]/route.py": document(more=cors + "require_precondition = True\n")})
    for fields, status in (({}, 428), ({"If-Match": '"6"'}, 412)):
        response = site.client.put("/docs/1", headers={"Origin": "https://app.example", **fields})
        assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (
            status,
            "https://app.example",
        )


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("client", ["client", "async_client"])
def test_middleware_of_folders_and_time_limits_go_around(site: Site, kind: str, client: str) -> None:
    wait = "await " if kind == "async def" else ""
    middleware = f"{kind} middleware(request, call_next):\n    response = {wait}call_next(request)\n"
    marked = f"{middleware}    response.headers['X-Status'] = str(response.status_code)\n    return response\n"
    for name, handlers in (("a", "def"), ("b", "async def")):
        site.write({f"{name}/[id]/route.py": document(handlers, more="max_duration = 10\n")})
    site.serve({"middleware.py": marked})
    for path in ("/a/1", "/b/1"):
        for tag in ('"6"', '"7"'):
            response = getattr(site, client).put(path, headers={"If-Match": tag})
            answer: Any = asyncio.run(response) if client == "async_client" else response
            assert answer.status_code == (412 if tag == '"6"' else 200)
            assert answer.headers["X-Status"] == str(answer.status_code)


def test_the_document_tells_of_preconditions(site: Site) -> None:
    site.serve({"docs/[id]/route.py": document(more='require_precondition = ["PUT"]\n')})
    found = site.client.get("/openapi.json").json()
    validate(found)
    item = found["paths"]["/docs/{id}"]
    fields = {
        method: [(one["name"], one["required"]) for one in item[method]["parameters"] if one["in"] == "header"]
        for method in item
    }
    assert fields == {
        "get": [("If-None-Match", False)],
        "put": [("If-Match", True)],
        **{method: [("If-Match", False)] for method in ("patch", "delete", "post")},
    }
    assert {status for status in item["put"]["responses"] if status in ("304", "412", "428")} == {"412", "428"}
    assert {status for status in item["get"]["responses"] if status in ("304", "412", "428")} == {"304", "412"}
    assert "ETag" in item["get"]["responses"]["304"]["headers"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("etag = 'a'\n\n\ndef GET(): ...\n", [("E115", 1)]),
        ("def etag():\n    yield 1\n\n\ndef GET(): ...\n", [("E115", 1)]),
        ("def etag(number): ...\n\n\ndef GET(): ...\n", [("E116", 1)]),
        ("def last_modified(*args): ...\n\n\ndef GET(): ...\n", [("E116", 1)]),
        ("def etag(id: dict): ...\n\n\ndef GET(): ...\n", [("E042", 1)]),
        ("require_precondition = True\n\n\ndef PUT(): ...\n", [("E117", 1)]),
        ("require_precondition = ['GET']\n\n\ndef PUT(): ...\n", [("E035", 1)]),
        ("require_precondition = True\n\n\ndef GET(): ...\n\n\ndef etag(id): ...\n", [("W116", 1)]),
        ("require_precondition = ['PUT']\n\n\ndef POST(): ...\n\n\ndef etag(id): ...\n", [("W116", 1)]),
        ("require_precondition = True\n\n\ndef POST(): ...\n\n\ndef etag(id, params, request): ...\n", []),
        ("require_precondition = False\n\n\ndef GET(): ...\n", []),
        (f"{DJANGO} etag\n\n\n@etag(lambda request, id: 'a')\ndef GET(request, id): ...\n", []),
        (
            f"{DJANGO} condition\n\n\ndef etag(id): ...\n\n\n"
            "@condition(lambda request, id: 'a')\ndef GET(request, id): ...\n",
            [("W117", 7)],
        ),
        ("def etags(): ...\n\n\ndef GET(): ...\n", [("E033", 1)]),
    ],
)  # fmt: skip
def test_mistakes(site: Site, source: str, expected: list[tuple[str, int]]) -> None:
    site.serve({"[id]/route.py": source})
    found = [
        (str(one.id).partition(".")[2], one.msg.partition("route.py:")[2].partition(":")[0]) for one in site.check()
    ]
    assert found == [(id, str(line)) for id, line in expected]


WRITERS = """
    from threading import Barrier, BrokenBarrierError
    from django.db import connections
    from django.http import HttpResponse
    from django_routehandlers import JSONResponse

    both = Barrier(2)


    def ask(sql, *values):
        with connections["ALIAS"].cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchone()[0] if cursor.description else cursor.rowcount


    def etag(request):
        return str(ask("SELECT version FROM pages" + LOCK))


    def PUT(etag: str | None):
        try:
            both.wait(TIMEOUT)
        except BrokenBarrierError:
            pass
        changed = ask("UPDATE pages SET version = version + 1" + WHERE, *([int(etag)] if WHERE else []))
        return "changed" if changed else JSONResponse({"error": "changed since"}, status=412)
"""


class Database:
    """A database of the test's own, with one table of one row."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @property
    def vendor(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return connections[self.alias].vendor

    def configure(self, **settings: Any) -> None:
        """Add to the settings, before any connection is made."""
        connections.settings[self.alias].update(settings)
        with connections[self.alias].cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS pages")
            cursor.execute("CREATE TABLE pages (version integer)")
            cursor.execute("INSERT INTO pages VALUES (1)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> Iterator[Database]:
    """A database in a file, or on the server of ``DATABASE_URL``."""
    settings: dict[str, Any] = dict(dj_database_url.config())
    if request.param == "sqlite":
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20}
        settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db.sqlite3"), "OPTIONS": options}
    elif settings.get("ENGINE") != "django.db.backends.postgresql":
        pytest.skip("needs PostgreSQL: DATABASE_URL names none")
    alias = f"beside_{uuid4().hex}"
    complete = connections.configure_settings({"default": {}, alias: settings})
    monkeypatch.setitem(connections.settings, alias, complete[alias])
    with django_db_blocker.unblock():
        yield Database(alias)
        connections[alias].close()


@pytest.mark.parametrize(
    ("is_atomic", "where", "expected"),
    [
        pytest.param(False, " WHERE version = %s", [200, 412], id="conditional update"),
        pytest.param(True, "", [200, 412], id="one transaction"),
        pytest.param(False, "", [200, 200], id="neither"),
    ],
)
def test_of_two_writers_with_one_tag_one_wins(
    site: Site, database: Database, is_atomic: bool, where: str, expected: list[int]
) -> None:
    """The check and the write are two steps: a version in the write makes them one, or a transaction around both."""
    database.configure(ATOMIC_REQUESTS=is_atomic)
    lock = " FOR UPDATE" if is_atomic and database.vendor == "postgresql" else ""
    names = {"ALIAS": database.alias, "LOCK": repr(lock), "WHERE": repr(where), "TIMEOUT": "0.5" if is_atomic else "30"}
    source = WRITERS.replace("\n    ", "\n")
    for name, value in names.items():
        source = source.replace(name, value)
    site.serve({"x/route.py": source})

    def put(_: int) -> int:
        try:
            return site.client.put("/x", headers={"If-Match": '"1"'}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(put, range(2))) == expected
