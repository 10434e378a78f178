"""``etag()``, ``last_modified()`` and ``require_precondition``: preconditions are judged before the handler runs."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from conftest import Site

GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
OURS = "django_routehandlers.middleware.CacheControlMiddleware"
CHANGED = datetime(2026, 11, 26, 8, 0, 0, 500_000, tzinfo=UTC)
DATE = "Thu, 26 Nov 2026 08:00:00 GMT"
EARLIER, LATER = "Thu, 26 Nov 2026 07:59:59 GMT", "Thu, 26 Nov 2026 08:00:01 GMT"
"""One second before ``CHANGED``, and one after it."""

DOCUMENT = """
    from datetime import UTC, datetime
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
