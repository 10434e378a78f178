"""A cached GET, from outside: what is kept, for how long, for whom, and what its handler can see."""

import asyncio
import re
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone, translation

from conftest import Site
from django_routehandlers import arevalidate_tag, revalidate_path, revalidate_tag
from django_routehandlers.caching.current import current_cache

Get = Callable[..., HttpResponse]

tenant: ContextVar[str] = ContextVar("tenant")
current_user: ContextVar[str] = ContextVar("current_user")

COUNTED = """
runs = []


{kind} GET({parameters}):
    runs.append(1)
    return {result}
"""


def counted(
    parameters: str = "", result: str = '{"runs": len(runs)}', *, kind: str = "async def", head: str = ""
) -> str:
    return head + COUNTED.format(kind=kind, parameters=parameters, result=result)


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(params=["WSGI", "ASGI"])
def get(site: Site, request: pytest.FixtureRequest) -> Get:
    """Send a GET through one of Django's test clients."""

    def send(path: str, *, method: str = "GET", **headers: str) -> Any:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if request.param == "WSGI":
            return site.client.generic(method, path, headers=fields)

        async def asend() -> Any:
            return await site.async_client.generic(method, path, headers=fields)

        return asyncio.run(asend())

    return send


def status(response: Any) -> str:
    return response.headers["Cache-Status"].removeprefix("django-routehandlers; ")


# What is kept


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_get_is_kept_by_default(site: Site, get: Get, kind: str) -> None:
    site.serve({"n/route.py": counted(kind=kind)})

    first, second = get("/n"), get("/n")

    assert (first.json(), second.json()) == ({"runs": 1}, {"runs": 1})
    assert (status(first), status(second)) == ("fwd=uri-miss; stored", "hit; ttl=60")
    assert first.headers["Cache-Control"] == "public, s-maxage=60, stale-while-revalidate=60"
    assert second.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert ("Age" in first.headers, second.headers["Age"]) == (False, "0")
    assert first.headers["ETag"] == second.headers["ETag"]
    assert second.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("parameters", "head"),
    [
        ("request", ""),
        ("user", ""),
        (
            "theme: Annotated[str, Cookie()] = ''",
            "from typing import Annotated\nfrom django_routehandlers import Cookie\n",
        ),
        (
            "authorization: Annotated[str, Header()] = ''",
            "from typing import Annotated\nfrom django_routehandlers import Header\n",
        ),
        ("", 'dynamic = "force-dynamic"\n'),
        ("", "revalidate = 0\n"),
    ],
)
def test_get_that_may_depend_on_who_asks_is_dynamic(
    site: Site, get: Get, settings: Any, parameters: str, head: str
) -> None:
    settings.MIDDLEWARE += [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    site.serve({"n/route.py": counted(parameters, head=head)})

    found = [get("/n") for _ in range(2)]

    assert [one.json() for one in found] == [{"runs": 1}, {"runs": 2}]
    assert [status(one) for one in found] == ["fwd=bypass; detail=dynamic"] * 2
    assert found[0].headers["Cache-Control"] == "private, no-cache, no-store, max-age=0, must-revalidate"


def test_nothing_is_kept_under_debug_unless_asked_for(site: Site, get: Get, settings: Any) -> None:
    settings.DEBUG = True
    site.serve({"n/route.py": counted()})

    assert [get("/n").json()["runs"], get("/n").json()["runs"]] == [1, 2]
    assert status(get("/n")) == "fwd=bypass; detail=disabled"
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
    assert get("/n").json() == get("/n").json()


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ("HttpResponse(n, status=201)", "status"),
        ("HttpResponse(status=204)", "status"),
        ("HttpResponse(n, status=206)", "status"),
        ("HttpResponse(n, status=404)", "status"),
        ("HttpResponse(n, status=500)", "error"),
        ("HttpResponse(n, status=301, headers={'Location': '/x'})", "status"),
        ("HttpResponse(n, headers={'Set-Cookie': 'a=1'})", "cookie"),
        ("with_cookie(HttpResponse(n))", "cookie"),
        ("HttpResponse(n, headers={'Cache-Control': 'Private'})", "cache-control"),
        ("HttpResponse(n, headers={'Cache-Control': 'nO-StOrE'})", "cache-control"),
        ("HttpResponse(n, headers={'Cache-Control': 'public, max-age=60, no-cache=\"x\"'})", "cache-control"),
        ("HttpResponse(n, headers={'Cache-Control': 'max-age=0'})", "cache-control"),
        ("HttpResponse(n, headers={'Vary': 'X-Plan'})", "vary"),
        ("HttpResponse(n, headers={'Vary': ' * '})", "vary"),
        ("StreamingHttpResponse([n])", "stream"),
        ("HttpResponse('x' * 3_000_000)", "size"),
        ("SimpleTemplateResponse('x.html')", "unrendered"),
    ],
)
def test_some_responses_are_never_kept(site: Site, get: Get, settings: Any, response: str, why: str) -> None:
    """Invariants 1 to 4, 7 and 18."""
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"x.html": "x"})]},
        }
    ]
    head = (
        "from django.http import HttpResponse, StreamingHttpResponse\n"
        "from django.template.response import SimpleTemplateResponse\n\n\n"
        "def with_cookie(response):\n    response.set_cookie('sid', 'secret')\n    return response\n\n\n"
    )
    body = re.sub(r"\bn\b", "str(len(runs))", response)
    site.serve({"n/route.py": counted(result=body, head=head)})

    found = [get("/n") for _ in range(3)]

    assert len(_module(site, "n").runs) == 3
    assert not any(
        "public" in one.headers["Cache-Control"] and "s-maxage" in one.headers["Cache-Control"] for one in found
    )
    assert status(found[0]) == f"fwd=uri-miss; detail={why}"


def test_lifetime_that_the_response_states_is_the_shorter_one_that_counts(site: Site, get: Get) -> None:
    """Invariant 8: what is told to others is what is kept."""
    result = "HttpResponse(str(len(runs)), headers={'Cache-Control': 'public, max-age=0, s-maxage=7'})"
    site.serve({"n/route.py": counted(result=result, head="from django.http import HttpResponse\n")})

    assert [get("/n").content, get("/n").content] == [b"1", b"1"]
    assert get("/n").headers["Cache-Control"] == "public, max-age=0, s-maxage=7"
    assert status(get("/n")) == "hit; ttl=7"


def test_redirect_is_kept_where_it_states_a_lifetime(site: Site, get: Get) -> None:
    result = "HttpResponse(status=308, headers={'Location': '/x', 'Cache-Control': 'public, max-age=60'})"
    site.serve({"n/route.py": counted(result=result, head="from django.http import HttpResponse\n")})

    assert (status(get("/n")), status(get("/n"))) == ("fwd=uri-miss; stored", "hit; ttl=60")
    assert (get("/n").status_code, get("/n").headers["Location"]) == (308, "/x")


def test_error_is_never_kept_and_says_so(site: Site, get: Get) -> None:
    """Invariant 8, CVE-2024-46982."""
    site.serve({"n/route.py": "revalidate = 60\n\n\nasync def GET():\n    raise RuntimeError\n"})

    response = get("/n")

    assert (response.status_code, response.headers["Cache-Control"]) == (500, "no-store")


def test_head_is_answered_from_the_entry_of_get_and_never_makes_one(site: Site, get: Get) -> None:
    """Invariant 9."""
    site.serve({"n/route.py": counted()})

    before = get("/n", method="HEAD")
    filled, after = get("/n"), get("/n", method="HEAD")

    assert (status(before), status(after)) == ("fwd=method", "hit; ttl=60")
    assert (filled.json(), after.content) == ({"runs": 2}, b"")
    assert after.headers["ETag"] == filled.headers["ETag"]


def test_head_of_a_stream_says_what_the_cache_did(site: Site, get: Get) -> None:
    source = "from django.http import FileResponse\n\n\ndef GET():\n    return FileResponse(iter([b'a']))\n"
    site.serve({"n/route.py": source})
    found = [status(get("/n", method=method)) for method in ("HEAD", "GET")]
    assert found == ["fwd=method", "fwd=uri-miss; detail=stream"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "PURGE"])
def test_another_method_never_meets_the_entry_of_get(site: Site, get: Get, method: str) -> None:
    """Invariant 9."""
    file = counted() + "".join(
        f"\n\nasync def {one}():\n    return 'other'\n" for one in ("POST", "PUT", "PATCH", "DELETE")
    )
    site.serve({"n/route.py": file})
    get("/n")

    response = get("/n", method=method)

    assert b"runs" not in response.content
    assert status(response) == ("fwd=uri-miss; detail=status" if method == "get" else "fwd=method")
    assert get("/n").json() == {"runs": 1}


def test_middleware_that_changes_a_hit_changes_no_other_hit(site: Site, get: Get, settings: Any) -> None:
    """Invariant 16."""
    settings.MIDDLEWARE += ["test_route_cache.Appending"]
    site.serve({"n/route.py": counted()})

    found = [get("/n") for _ in range(3)]

    assert {one.content for one in found} == {b'{"runs":1} and more'}
    assert [one.headers["X-Count"] for one in found] == ["1", "1", "1"]


class Appending:
    """Adds to the body and the fields of each response, and sets a cookie on the last one."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        response.write(b" and more")
        response.headers["X-Count"] = str(int(response.headers.get("X-Count", "0")) + 1)
        return response


# The key


def test_undeclared_query_parameters_make_no_difference(site: Site, get: Get) -> None:
    """Invariant 24."""
    site.serve({"n/route.py": counted()})

    assert {get(f"/n?utm_source={number}").json()["runs"] for number in range(5)} == {1}


def test_declared_query_parameters_are_part_of_the_key(site: Site, get: Get) -> None:
    """Invariant 25."""
    site.serve({"n/route.py": counted("page: int = 1, tag: list[str] = []", "[page, tag, len(runs)]")})

    found = {
        query: get(f"/n{query}").json()[2]
        for query in ("", "?page=2", "?page=02", "?page=1", "?tag=a&tag=b", "?tag=b&tag=a", "?tag=a")
    }

    assert sorted(found.values()) == [1, 2, 3, 4, 5, 6, 7]
    # Of a repeated parameter that is no list the last one counts; encodings are read.
    assert get("/n?page=9&page=2").json()[2] == found["?page=2"]
    assert get("/n?page=%32&utm=1").json()[2] == found["?page=2"]


def test_model_of_the_query_sees_its_own_fields_alone(site: Site, get: Get) -> None:
    head = (
        "from pydantic import AliasChoices, BaseModel, Field, model_validator\n\n\n"
        "class Page(BaseModel):\n"
        "    page: int = Field(1, validation_alias=AliasChoices('page', 'p'))\n"
        "    seen: list[str] = []\n\n"
        "    @model_validator(mode='before')\n"
        "    @classmethod\n"
        "    def look(cls, data):\n"
        "        return {**data, 'seen': sorted(data)}\n\n\n"
    )
    site.serve({"n/route.py": counted("query: Page", "[query.page, query.seen, len(runs)]", head=head)})

    assert get("/n?page=2&utm=1").json() == get("/n?page=2&utm=2").json() == [2, ["page"], 1]
    assert get("/n?p=3").json() == [3, ["p"], 2]
    assert get("/n?p=4").json() == [4, ["p"], 3]


def test_model_that_refuses_other_fields_refuses_them_after_a_hit_too(site: Site, get: Get) -> None:
    head = "from pydantic import BaseModel\n\n\nclass Page(BaseModel, extra='forbid'):\n    page: int = 1\n\n\n"
    site.serve({"n/route.py": counted("query: Page", head=head)})

    assert (get("/n?page=2").status_code, get("/n?page=2&x=1").status_code) == (200, 422)


def test_declared_fields_are_part_of_the_key_and_of_vary(site: Site, get: Get) -> None:
    """Invariants 4 and 5, CVE-2026-113593: an absent field is no empty one."""
    head = "from typing import Annotated\nfrom django_routehandlers import Header\n"
    site.serve(
        {"n/route.py": counted("x_plan: Annotated[str | None, Header()] = None", "[x_plan, len(runs)]", head=head)}
    )

    assert [get("/n").json(), get("/n", X_Plan="").json(), get("/n", X_Plan="pro").json()] == [
        [None, 1],
        ["", 2],
        ["pro", 3],
    ]
    assert [get("/n").json(), get("/n", X_Plan="").json(), get("/n", X_Plan="pro").json()] == [
        [None, 1],
        ["", 2],
        ["pro", 3],
    ]
    assert (get("/n").headers["Vary"], get("/n", X_Other="1").json()) == ("X-Plan", [None, 1])


def test_host_is_part_of_the_key_in_one_form(site: Site, settings: Any) -> None:
    """Invariant 22."""
    settings.ALLOWED_HOSTS = [".example.com", "[::1]"]
    site.serve({"n/route.py": counted()})

    same = ["a.example.com", "A.EXAMPLE.com", "a.example.com.", "a.example.com:80", "a.example.com.:80"]
    other = ["b.example.com", "a.example.com:8000", "[::1]"]

    assert {site.client.get("/n", headers={"Host": host}).json()["runs"] for host in same} == {1}
    assert [site.client.get("/n", headers={"Host": host}).json()["runs"] for host in other] == [2, 3, 4]


def test_host_that_is_not_allowed_is_refused_on_hits_and_misses(site: Site, get: Get, settings: Any) -> None:
    """Invariant 26, CVE-2024-34351."""
    settings.ALLOWED_HOSTS = ["testserver"]
    site.serve({"n/route.py": counted()})

    assert get("/n", Host="evil.example").status_code == 400
    assert get("/n").json() == {"runs": 1}
    assert get("/n", Host="evil.example").status_code == 400
    assert current_cache().counters.read()["fills"] == 1


def test_scheme_is_part_of_the_key(site: Site) -> None:
    """Invariant 22."""
    site.serve({"n/route.py": counted()})

    assert [site.client.get("/n", secure=secure).json()["runs"] for secure in (False, True, False, True)] == [
        1,
        2,
        1,
        2,
    ]


@pytest.mark.parametrize("parts", [("a", "b:c"), ("a:b", "c"), ("a", "%00")])
def test_segments_are_part_of_the_key(site: Site, get: Get, parts: tuple[str, str]) -> None:
    """Invariant 23."""
    site.serve({"n/[a]/[b]/route.py": counted("a, b", "[a, b]"), "f/[...path]/route.py": counted("path", "path")})
    for others in (("a", "b"), ("b", "a"), ("a:b", "c"), ("a", "b:c"), ("e\u0301", "é")):
        get(quote(f"/n/{others[0]}/{others[1]}"))
        get(quote(f"/f/{others[0]}/{others[1]}"))

    response = get(quote(f"/n/{parts[0]}/{parts[1]}", safe="/%"))

    assert response.status_code == 404 if parts[1] == "%00" else response.json() == list(parts)


def test_two_ways_to_write_a_letter_are_two_entries(site: Site) -> None:
    """Invariant 30. Django's async client sends other letters than it is given."""
    site.serve({"n/[a]/route.py": counted("a", "[a, len(runs)]")})

    assert [site.client.get(f"/n/{a}").json() for a in ("é", "e\u0301", "é")] == [["é", 1], ["e\u0301", 2], ["é", 1]]


class Speaking:
    """Sets language, time zone and context variables from fields of the request."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        found = request.headers
        tenant.set(found.get("X-Tenant", ""))
        current_user.set(found.get("X-User", ""))
        with (
            translation.override(found.get("X-Language", "en-us")),
            timezone.override(found.get("X-Zone", "UTC")),
        ):
            return self.get_response(request)


AMBIENT = """
from django.urls import get_script_prefix
from django.utils import timezone, translation

from test_route_cache import current_user, tenant

runs = []


def read():
    runs.append(1)
    return [
        translation.get_language(),
        timezone.get_current_timezone_name(),
        tenant.get("none"),
        current_user.get("none"),
        get_script_prefix(),
        len(runs),
    ]


"""


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_handler_sees_what_the_key_covers_and_nothing_else(site: Site, get: Get, settings: Any, kind: str) -> None:
    """Invariants 12 and 13."""
    settings.MIDDLEWARE += ["test_route_cache.Speaking"]
    settings.ROUTEHANDLERS = {"CACHE_CONTEXT": ["test_route_cache.tenant"]}
    site.serve({"n/route.py": AMBIENT + f"{kind} GET():\n    return read()\n"})

    first = get("/n", X_Language="de", X_Zone="Asia/Tokyo", X_Tenant="a", X_User="alice").json()

    assert first == ["de", "Asia/Tokyo", "a", "none", "/", 1]
    assert get("/n", X_Language="de", X_Zone="Asia/Tokyo", X_Tenant="a", X_User="bob").json() == first
    assert get("/n", X_Language="en", X_Zone="Asia/Tokyo", X_Tenant="a").json()[5] == 2
    assert get("/n", X_Language="de", X_Zone="UTC", X_Tenant="a").json()[5] == 3
    assert get("/n", X_Language="de", X_Zone="Asia/Tokyo", X_Tenant="b").json() == [
        "de",
        "Asia/Tokyo",
        "b",
        "none",
        "/",
        4,
    ]


def test_what_no_field_tells_apart_is_not_told_to_other_caches(site: Site, get: Get, settings: Any) -> None:
    settings.MIDDLEWARE += ["test_route_cache.Speaking"]
    settings.ROUTEHANDLERS = {"CACHE_CONTEXT": ["test_route_cache.tenant"]}
    site.serve({"n/route.py": counted()})

    assert get("/n", X_Tenant="a").headers["Cache-Control"].startswith("private")
    assert get("/n", X_Zone="Asia/Tokyo").headers["Cache-Control"].startswith("private")


@pytest.mark.parametrize("enabled", [True, False])
def test_handler_is_isolated_where_nothing_is_kept_as_well(site: Site, get: Get, settings: Any, enabled: bool) -> None:
    settings.MIDDLEWARE += ["test_route_cache.Speaking"]
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": enabled}
    site.serve({"n/route.py": AMBIENT + "def GET():\n    return read()\n"})

    assert get("/n", X_User="alice", X_Tenant="a").json()[2:4] == ["none", "none"]


def test_first_fill_runs_in_the_thread_of_the_request(site: Site, settings: Any) -> None:
    """Its database connection may have been prepared by middleware."""
    settings.MIDDLEWARE += ["test_route_cache.ThreadMark"]
    file = (
        "import threading\n\nfrom asgiref.sync import sync_to_async\n\n\n"
        "async def GET():\n    return await sync_to_async(threading.get_ident)()\n"
    )
    sync = "import threading\n\n\ndef GET():\n    return threading.get_ident()\n"
    site.serve({"a/route.py": file, "s/route.py": sync})

    for path in ("/a", "/s"):
        response = asyncio.run(site.async_client.get(path))
        assert response.headers["X-Thread"] == response.content.decode()


class ThreadMark:
    """Says in which thread sync middleware runs."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        response.headers["X-Thread"] = str(threading.get_ident())
        return response


# Freshness


def test_stale_entry_is_served_once_more_while_it_is_refreshed(site: Site, get: Get) -> None:
    site.serve({"n/route.py": counted(head="revalidate = 1\n")})
    assert get("/n").json() == {"runs": 1}
    time.sleep(1.05)

    async def twice() -> list[Any]:
        first = second = await site.async_client.get("/n")
        for _ in range(100):
            await asyncio.sleep(0.01)
            if (second := await site.async_client.get("/n")).json() != {"runs": 1}:
                break
        return [first, second]

    stale, fresh = asyncio.run(twice())

    assert (stale.json(), fresh.json()) == ({"runs": 1}, {"runs": 2})
    assert (status(stale), stale.headers["Age"]) == ("hit; ttl=0", "1")
    assert status(fresh) == "hit; ttl=1"


def test_stale_entry_is_refreshed_in_a_thread_under_wsgi(site: Site) -> None:
    site.serve({"n/route.py": counted(head="revalidate = 1\n")})
    site.client.get("/n")
    time.sleep(1.05)

    assert site.client.get("/n").json() == {"runs": 1}
    deadline = time.monotonic() + 5
    while (found := site.client.get("/n").json()) == {"runs": 1} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found == {"runs": 2}


def test_entry_beyond_its_window_is_not_served(site: Site, get: Get) -> None:
    """Invariant 38."""
    site.serve({"n/route.py": counted(head="revalidate = 1\n")})
    get("/n")
    time.sleep(2.1)

    response = get("/n")

    assert (response.json(), status(response)) == ({"runs": 2}, "fwd=stale; stored")


@pytest.mark.parametrize("failure", ["raise RuntimeError", "return HttpResponse(status=503)"])
def test_refresh_that_fails_leaves_the_entry(site: Site, failure: str) -> None:
    """Invariant 38."""
    file = (
        "from django.http import HttpResponse\n\nrevalidate = 1\nruns = []\n\n\n"
        f"def GET():\n    runs.append(1)\n    if len(runs) > 1:\n        {failure}\n    return 'here'\n"
    )
    site.serve({"n/route.py": file})
    site.client.get("/n")
    time.sleep(1.05)
    found = [site.client.get("/n")]
    _wait_for_refreshes()
    time.sleep(1.5)
    found += [site.client.get("/n"), site.client.get("/n")]

    assert [one.content for one in found] == [b'"here"'] * 3
    # Tried again after three seconds at the earliest.
    assert len(_module(site, "n").runs) == 2


def _wait_for_refreshes() -> None:
    deadline = time.monotonic() + 5
    while len(current_cache().refreshes) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_refresh_that_is_answered_with_a_404_ends_the_entry(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Invariant 14: what is gone is not served for as long as a failure would be."""
    file = (
        "from django.http import Http404\n\nrevalidate = 1\nis_gone = []\n\n\n"
        "def GET():\n    if is_gone:\n        raise Http404\n    return 'here'\n"
    )
    site.serve({"n/route.py": file})
    before = site.client.get("/n")
    _module(site, "n").is_gone.append(True)
    time.sleep(1.05)

    stale = site.client.get("/n")
    _wait_for_refreshes()

    assert [one.status_code for one in (before, stale, site.client.get("/n"))] == [200, 200, 404]
    assert [record for record in caplog.records if record.name == "django_routehandlers.cache"] == []


def test_without_background_refresh_a_stale_entry_is_a_miss(site: Site, get: Get, settings: Any) -> None:
    settings.ROUTEHANDLERS = {"BACKGROUND_REFRESH": False}
    site.serve({"n/route.py": counted(head="revalidate = 1\n")})
    first = get("/n")
    time.sleep(1.05)

    assert (get("/n").json(), first.headers["Cache-Control"]) == ({"runs": 2}, "public, s-maxage=1")


def test_until_it_is_invalidated(site: Site, get: Get) -> None:
    site.serve({"n/route.py": counted(head="revalidate = False\ntags = ['n']\n")})

    assert [get("/n").json()["runs"], get("/n").json()["runs"]] == [1, 1]
    assert (get("/n").headers["Cache-Control"], status(get("/n"))) == ("public, no-cache", "hit")
    revalidate_tag("n")
    assert get("/n").json()["runs"] == 2


# Invalidation


def test_tag_and_path_make_the_next_request_wait_for_a_fresh_entry(site: Site, get: Get) -> None:
    site.serve(
        {
            "a/[id]/route.py": counted(
                "id: int", "[id, len(runs)]", head="def tags(id):\n    return [f'a:{id}', 'a']\n\n\n"
            ),
            "b/route.py": counted(head="tags = ['b']\n"),
        }
    )
    for path in ("/a/1", "/a/2", "/b"):
        get(path)

    revalidate_tag("a:1")
    response = get("/a/1")
    assert (response.json(), status(response)) == ([1, 3], "fwd=stale; stored; detail=invalidated")
    assert (get("/a/2").json(), get("/b").json()) == ([2, 2], {"runs": 1})
    revalidate_path("/a/2")
    assert (get("/a/2").json(), get("/a/1").json()) == ([2, 4], [1, 3])
    revalidate_path("/a", below=True)
    assert (get("/a/2").json(), get("/a/1").json(), get("/b").json()) == ([2, 5], [1, 6], {"runs": 1})
    revalidate_path("/", below=True)
    assert get("/b").json() == {"runs": 2}


@pytest.mark.parametrize("value", ["a b", "é", "50%", "x;y"])
def test_path_is_given_as_reverse_writes_it(site: Site, value: str) -> None:
    site.serve({"n/[a]/route.py": counted("a", "len(runs)")})
    path = reverse("routes:n-a", kwargs={"a": value})
    before = [site.client.get(path).json(), site.client.get(path).json()]

    revalidate_path(path)

    assert (before, site.client.get(path).json()) == ([1, 1], 2)


def test_an_invalidation_beats_a_fill_that_is_under_way(site: Site) -> None:
    """Invariant 40."""
    file = (
        "import asyncio\n\ntags = ['n']\nvalue = ['old']\nstarted = asyncio.Event()\ngo_on = asyncio.Event()\n\n\n"
        "async def GET():\n    read = value[0]\n    started.set()\n    await go_on.wait()\n    return read\n"
    )
    site.serve({"n/route.py": file})

    async def race() -> list[str]:
        first = asyncio.create_task(site.async_client.get("/n"))
        module: Any = None
        for _ in range(1000):
            if (module := _module(site, "n")) and module.started.is_set():
                break
            await asyncio.sleep(0.001)
        module.value[0] = "new"
        await arevalidate_tag("n")
        # Joins the run that has read what is old.
        second = asyncio.create_task(site.async_client.get("/n"))
        await asyncio.sleep(0.05)
        module.go_on.set()
        return [(await one).json() for one in (first, second)] + [(await site.async_client.get("/n")).json()]

    assert asyncio.run(race()) == ["old", "new", "new"]


def _module(site: Site, path: str) -> Any:
    return sys.modules.get(f"{site.label()}.routes.{path}.route")


# Many at once


SLOW = """
import asyncio
import time

from django.http import HttpResponse

runs = []


{kind} GET():
    runs.append(1)
    number = len(runs)
    {wait}
    {result}
"""


def slow(seconds: float, result: str = "return number", *, kind: str = "async def") -> str:
    wait = f"await asyncio.sleep({seconds})" if kind == "async def" else f"time.sleep({seconds})"
    return SLOW.format(kind=kind, wait=wait, result=result)


def test_many_who_miss_wait_for_one_run(site: Site) -> None:
    """Invariant 32."""
    site.serve({"n/route.py": slow(0.1)})

    async def many() -> list[Any]:
        return [one.json() for one in await asyncio.gather(*(site.async_client.get("/n") for _ in range(500)))]

    assert set(asyncio.run(many())) == {1}
    assert len(_module(site, "n").runs) == 1


def test_many_threads_that_miss_wait_for_one_run(site: Site) -> None:
    """Invariant 32."""
    site.serve({"n/route.py": slow(0.2, kind="def")})
    site.client.get("/missing")
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(site.client.get("/n").json())) for _ in range(40)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (found, len(_module(site, "n").runs)) == ([1] * 40, 1)


def test_leader_that_leaves_takes_nobody_with_it(site: Site) -> None:
    """Invariant 33."""
    site.serve({"n/route.py": slow(0.2)})

    async def leave() -> list[Any]:
        leader = asyncio.create_task(site.async_client.get("/n"))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(site.async_client.get("/n")) for _ in range(20)]
        await asyncio.sleep(0.05)
        leader.cancel()
        return [(await one).json() for one in others]

    assert (asyncio.run(leave()), len(_module(site, "n").runs)) == ([1] * 20, 1)


def test_result_that_may_not_be_kept_is_never_shared(site: Site) -> None:
    """Invariant 35, CVE-2025-49826."""
    site.serve({"n/route.py": slow(0.05, "return HttpResponse(str(number), headers={'Set-Cookie': f'a={number}'})")})

    async def many() -> list[bytes]:
        return [one.content for one in await asyncio.gather(*(site.async_client.get("/n") for _ in range(50)))]

    assert len(set(asyncio.run(many()))) == 50


def test_error_of_the_leader_is_its_own(site: Site) -> None:
    """Invariant 34."""
    site.serve({"n/route.py": slow(0.05, "return number if number > 1 else 1 / 0")})

    async def many() -> list[int]:
        return [one.status_code for one in await asyncio.gather(*(site.async_client.get("/n") for _ in range(5)))]

    assert asyncio.run(many()) == [500, 200, 200, 200, 200]


@override_settings(ROUTEHANDLERS={"LOCAL_TIER": False})
def test_without_a_local_tier_every_hit_asks_the_store(site: Site, get: Get) -> None:
    site.serve({"n/route.py": counted(head="tags = ['n']\n")})
    assert [get("/n").json()["runs"], get("/n").json()["runs"]] == [1, 1]
    assert status(get("/n")).startswith("hit")
    revalidate_tag("n")
    assert get("/n").json()["runs"] == 2


# What an attacker found


def test_force_static_shows_the_host_as_the_key_has_it(site: Site, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.com"]
    head = 'dynamic = "force-static"\n'
    site.serve({"n/route.py": counted("request", "request.build_absolute_uri('/x')", head=head)})

    hosts = ["EXAMPLE.com:80", "example.com.", "example.com", "example.com:99999", "example.com:8000"]
    found = [site.client.get("/n", headers={"Host": host}) for host in hosts]

    assert [one.json() for one in found[:3]] == ["http://example.com/x"] * 3
    assert [one.status_code for one in found] == [200] * 5


def test_route_that_asks_another_one_depends_on_what_that_one_depends_on(site: Site) -> None:
    ask = "from django.test import Client\n\n\ndef GET():\n    return Client().get('/b').json()\n"
    site.serve({"a/route.py": ask, "b/route.py": counted(kind="def", head="tags = ['b']\n")})

    found = [site.client.get("/b").json(), site.client.get("/a").json(), site.client.get("/a").json()]
    revalidate_tag("b")
    found.append(site.client.get("/a").json())

    assert found == [{"runs": 1}] * 3 + [{"runs": 2}]


def test_deep_path_is_answered_at_once(site: Site) -> None:
    """Invariant 52."""
    site.serve({"files/[...path]/route.py": counted("path", "len(path)")})
    started = time.process_time()

    assert site.client.get("/files" + "/a" * 4000).json() == 4000
    assert time.process_time() - started < 1


def test_long_queries_are_counted_by_the_local_tier(site: Site) -> None:
    """Invariant 47: keys hold what clients send."""
    site.serve({"n/route.py": counted("q: str", "len(q)")})

    site.client.get("/n", {"q": "😀" + "a" * 8000})

    tier = current_cache().tier
    assert tier is not None
    assert tier.bytes_used > 4 * 8000


def test_tags_that_are_no_list_of_text_are_an_error_that_names_the_file(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for number, tags in enumerate(("f'a-{id}'", "[id]", "['']")):
        site.write(
            {f"n{number}/[id]/route.py": f"def tags(id):\n    return {tags}\n\n\ndef GET(id: int):\n    return id\n"}
        )
    site.install()

    assert [site.client.get(f"/n{number}/1").status_code for number in range(3)] == [500] * 3
    assert sum("tags(): the tags are" in str(record.exc_info) for record in caplog.records) == 3


def test_listed_segments_of_other_names_are_an_error(site: Site) -> None:
    file = (
        "dynamic_params = False\n\n\ndef generate_static_params():\n    return [{'pk': 1}]\n\n\n"
        "def GET(id: int):\n    return id\n"
    )
    site.serve({"n/[id]/route.py": file})

    assert site.client.get("/n/1").status_code == 500


@pytest.mark.parametrize("tags", [(), ("",), (["a", "b"],), (1,)])
def test_invalidation_of_no_tag_is_an_error(tags: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        revalidate_tag(*tags)


def test_databases_are_part_of_the_key(site: Site) -> None:
    """A test's database and a server's are not the same, whatever they share."""
    site.serve({"n/route.py": counted()})
    before = site.client.get("/n").json()
    name = connections.settings["default"]["NAME"]
    connections.settings["default"]["NAME"] = "another"
    try:
        other = site.client.get("/n").json()
    finally:
        connections.settings["default"]["NAME"] = name

    assert (before, other, site.client.get("/n").json()) == ({"runs": 1}, {"runs": 2}, {"runs": 1})


def test_hung_refreshes_hold_up_no_other_route(site: Site) -> None:
    hang = (
        "import threading\n\nrevalidate = 1\nruns = []\ngo_on = threading.Event()\n\n\n"
        "def GET():\n    runs.append(1)\n    if len(runs) > 1:\n        go_on.wait(20)\n    return 1\n"
    )
    fast = counted(kind="def", head="revalidate = 1\ntags = ['fast']\n")
    site.serve({"h1/route.py": hang, "h2/route.py": hang, "fast/route.py": fast})
    for path in ("/h1", "/h2", "/fast"):
        site.client.get(path)
    time.sleep(1.05)
    try:
        for path in ("/h1", "/h2", "/fast"):
            site.client.get(path)
        revalidate_tag("fast")
        started = time.monotonic()
        assert site.client.get("/fast").json() == {"runs": 2}
        assert time.monotonic() - started < 5
    finally:
        for path in ("h1", "h2"):
            _module(site, path).go_on.set()
        _wait_for_refreshes()
