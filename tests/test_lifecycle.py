"""``deprecation`` and ``sunset`` of a route or a folder: what its responses say, and what the document does."""

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from conftest import Site
from django_routehandlers.policies.lifecycle import lifecycle_fields, moment

OLD = "from datetime import date\n\ndeprecation = date(2026, 7, 1)\nsunset = date(2027, 1, 31)\n\n\n"
FIELDS = {"Deprecation": "@1782864000", "Sunset": "Sun, 31 Jan 2027 00:00:00 GMT"}
ROUTE = "{kind} GET(number: int = 1):\n    return number\n"


def told(response: Any) -> dict[str, str]:
    return {name: response.headers[name] for name in FIELDS if name in response.headers}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2026, 7, 1), "@1782864000"),
        (datetime(2026, 7, 1, 12, tzinfo=UTC), "@1782907200"),
        (datetime(2026, 7, 1, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2))), "@1782900000"),
    ],
)
def test_deprecation_is_a_date_of_structured_fields(value: Any, expected: str) -> None:
    """RFC 9745, section 2."""
    assert lifecycle_fields(moment(value), None) == (("Deprecation", expected),)


@pytest.mark.parametrize("value", [datetime(2026, 7, 1), "2026-07-01", 1782864000, True])
def test_what_is_no_moment(value: object) -> None:
    assert moment(value) is None


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("place", ["route", "folder"])
def test_all_responses_of_a_route_say_so(site: Site, kind: str, place: str) -> None:
    route = ROUTE.format(kind=kind)
    files = {"v1/x/route.py": OLD + route} if place == "route" else {"v1/middleware.py": OLD, "v1/x/route.py": route}
    site.serve({**files, "v2/x/route.py": route})
    for method, target in (("get", "/v1/x"), ("get", "/v1/x"), ("get", "/v1/x?number=one"), ("put", "/v1/x")):
        assert told(getattr(site.client, method)(target)) == FIELDS
    etag = site.client.get("/v1/x").headers["ETag"]
    fresh = site.client.get("/v1/x", headers={"If-None-Match": etag})
    assert (fresh.status_code, told(fresh)) == (304, FIELDS)
    assert told(asyncio.run(site.async_client.get("/v1/x"))) == FIELDS  # type: ignore[arg-type]
    assert told(site.client.get("/v2/x")) == {}


def test_what_a_handler_says_itself_stays(site: Site) -> None:
    own = "from django_routehandlers import JSONResponse\n"
    answer = (
        "async def GET(request):\n    return JSONResponse(1, headers={'Sunset': 'Mon, 01 Feb 2027 00:00:00 GMT'})\n"
    )
    site.serve({"x/route.py": own + OLD + answer})
    assert told(site.client.get("/x")) == {**FIELDS, "Sunset": "Mon, 01 Feb 2027 00:00:00 GMT"}


def test_the_nearest_place_speaks_alone(site: Site) -> None:
    route = ROUTE.format(kind="async def")
    site.serve({"middleware.py": OLD, "x/route.py": "deprecation = None\n\n\n" + route, "y/route.py": route})
    assert told(site.client.get("/x")) == {"Sunset": FIELDS["Sunset"]}
    assert told(site.client.get("/y")) == FIELDS


def test_the_document_says_so(site: Site) -> None:
    route = ROUTE.format(kind="async def")
    site.serve({"v1/middleware.py": OLD, "v1/x/route.py": route, "v2/x/route.py": route})
    paths = site.client.get("/openapi.json").json()["paths"]
    assert [path for path in paths if paths[path]["get"].get("deprecated")] == ["/v1/x"]


@pytest.mark.parametrize(
    ("head", "id", "what"),
    [
        (
            "deprecation = 'soon'\n",
            "E035",
            "deprecation is 'soon'. It is a date, a datetime with a time zone, or None.",
        ),
        (
            "from datetime import datetime\n\nsunset = datetime(2027, 1, 31)\n",
            "E035",
            "sunset is datetime.datetime(2027, 1, 31, 0, 0). It is a date, a datetime with a time zone, or None.",
        ),
        (
            OLD.replace("2027", "2026"),
            "E130",
            "the route is gone (sunset) before it is deprecated (RFC 9745, section 5).",
        ),
    ],
)
def test_mistakes(site: Site, head: str, id: str, what: str) -> None:
    site.serve({"x/route.py": head + "\n\n" + ROUTE.format(kind="async def")})
    [found] = site.check()
    assert (found.id, found.msg.endswith(what)) == (f"routehandlers.{id}", True)
