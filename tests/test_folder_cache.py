"""Cached routes behind folder middleware: it runs on each hit, and what it may have decided is for one client."""

import asyncio
import sys
import time
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from conftest import Site

pytestmark = pytest.mark.usefixtures("own_cache")

PRIVATE = "private, no-cache, no-store, max-age=0, must-revalidate"
PUBLIC = "public, s-maxage=60, stale-while-revalidate=60"
GUARD = """
from django.core.exceptions import PermissionDenied

calls = []


{kind} middleware(request, call_next):
    calls.append(request.method)
    if request.headers.get("X-Key") != "open":
        raise PermissionDenied
    return {wait}call_next(request)
"""
ROUTE = """
runs = []


async def GET():
    runs.append(1)
    return {"runs": len(runs)}
"""
KEY = {"X-Key": "open"}
Ask = Callable[..., Any]
PASS = "async def middleware(request, call_next):\n    return await call_next(request)\n"


@pytest.fixture(params=["WSGI", "ASGI"])
def ask(request: pytest.FixtureRequest, site: Site) -> Ask:
    """Send a GET, under WSGI and under ASGI."""
    if request.param == "WSGI":
        return site.client.get
    return lambda path, **extra: asyncio.run(site.async_client.get(path, **extra))


def guard(kind: str = "async def", more: str = "") -> str:
    """Return a guard that wants a key."""
    return GUARD.format(kind=kind, wait="await " if kind == "async def" else "") + more


KINDS = pytest.mark.parametrize("kind", ["async def", "def"])
HANDLERS = pytest.mark.parametrize("handler", ["async def", "def"])


@KINDS
@HANDLERS
def test_guard_decides_on_every_hit(site: Site, ask: Ask, kind: str, handler: str) -> None:
    site.serve({"middleware.py": guard(kind), "x/route.py": ROUTE.replace("async def", handler)})

    answers = [ask("/x", headers=headers) for headers in (KEY, KEY, {}, KEY, {"X-Key": "OPEN"})]

    assert [(one.status_code, one.json().get("runs")) for one in answers] == [
        (200, 1),
        (200, 1),
        (403, None),
        (200, 1),
        (403, None),
    ]
    assert answers[3].headers["Cache-Status"].startswith("django-routehandlers; hit")


@KINDS
def test_what_a_guard_lets_one_client_have_is_private(site: Site, ask: Ask, kind: str) -> None:
    site.serve({"middleware.py": guard(kind), "x/route.py": ROUTE})

    answers = [ask("/x", headers=headers) for headers in (KEY, KEY, {})]

    assert [one.headers["Cache-Control"] for one in answers] == [PRIVATE] * 3
    assert answers[2].headers["Cache-Status"] == "django-routehandlers; fwd=bypass; detail=middleware"
    assert "ETag" not in answers[2].headers


def test_entity_tag_age_and_304_stay(site: Site, ask: Ask) -> None:
    site.serve({"middleware.py": guard(), "x/route.py": ROUTE})
    first = ask("/x", headers=KEY)

    again = ask("/x", headers={**KEY, "If-None-Match": first.headers["ETag"]})
    refused = ask("/x", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.headers["Age"], again.headers["Cache-Control"]) == (304, "0", PRIVATE)
    assert again.headers["ETag"] == first.headers["ETag"]
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, PUBLIC, id="no middleware"),
        pytest.param({"middleware.py": PASS}, PRIVATE, id="says nothing"),
        pytest.param({"middleware.py": PASS + "\n\npublic = False\n"}, PRIVATE, id="says no"),
        pytest.param({"middleware.py": PASS + "\n\npublic = True\n"}, PUBLIC, id="public"),
        pytest.param(
            {"middleware.py": PASS + "\n\npublic = True\n", "x/middleware.py": PASS}, PRIVATE, id="one of two"
        ),
        pytest.param(
            {"middleware.py": PASS, "x/middleware.py": PASS + "\n\npublic = True\n"}, PRIVATE, id="the inner one"
        ),
        pytest.param(
            dict.fromkeys(("middleware.py", "x/middleware.py"), PASS + "\n\npublic = True\n"), PUBLIC, id="both"
        ),
        pytest.param({"middleware.py": 'csrf = "exempt"\n'}, PUBLIC, id="config alone"),
    ],
)
def test_route_is_public_only_where_all_its_middleware_say_so(
    site: Site, ask: Ask, files: dict[str, str], expected: str
) -> None:
    site.serve({**files, "x/route.py": ROUTE})

    assert [ask("/x").headers["Cache-Control"] for _ in range(2)] == [expected] * 2


def test_middleware_of_a_routes_own_makes_it_private(site: Site, ask: Ask) -> None:
    site.serve({"middleware.py": PASS + "\n\npublic = True\n", "x/route.py": PASS + ROUTE})

    assert [ask("/x").headers["Cache-Control"] for _ in range(2)] == [PRIVATE] * 2


WORDS = """
from django.http import HttpResponse

dynamic = {dynamic!r}


async def GET():
    response = HttpResponse("x")
    response.headers["Cache-Control"] = "public, max-age=99"
    response.headers["CDN-Cache-Control"] = "max-age=99"
    return response
"""


@pytest.mark.parametrize("ours", [True, False], ids=["with CacheControlMiddleware", "without"])
@pytest.mark.parametrize("dynamic", ["auto", "force-dynamic"])
def test_words_of_a_handler_do_not_make_a_guarded_response_public(
    site: Site, ask: Ask, settings: Any, dynamic: str, ours: bool
) -> None:
    if not ours:
        settings.MIDDLEWARE = []
    site.serve({"a/middleware.py": guard(), "a/route.py": WORDS.format(dynamic=dynamic)})

    for _ in range(2):
        response = ask("/a", headers=KEY)
        assert (response.headers["Cache-Control"], "CDN-Cache-Control" in response.headers) == (PRIVATE, False)


def test_words_that_keep_others_out_stay(site: Site, ask: Ask) -> None:
    words = WORDS.format(dynamic="auto").replace("public, max-age=99", "private, max-age=9")
    site.serve({"a/middleware.py": guard(), "a/route.py": words})

    assert ask("/a", headers=KEY).headers["Cache-Control"] == "private, max-age=9"


@pytest.mark.parametrize(("public", "expected"), [("False", PRIVATE), ("True", "public, max-age=5")])
def test_response_of_a_middleware_itself_is_public_only_where_it_says_that_it_is(
    site: Site, ask: Ask, public: str, expected: str
) -> None:
    text = f"""
from django.http import HttpResponse

public = {public}


async def middleware(request, call_next):
    return HttpResponse("closed", headers={{"Cache-Control": "public, max-age=5"}})
"""
    site.serve({"middleware.py": text, "x/route.py": ROUTE})

    response = ask("/x")

    assert (response.content, response.headers["Cache-Control"]) == (b"closed", expected)


GREETING = """
{public}


async def middleware(request, call_next):
    response = await call_next(request)
    response.content = response.content + request.headers.get("X-Name", "").encode()
    return response
"""


@pytest.mark.parametrize("public", ["", "public = True"])
def test_content_that_a_middleware_changes_loses_its_entity_tag_and_stays_out_of_the_cache(
    site: Site, ask: Ask, public: str
) -> None:
    site.serve({"middleware.py": GREETING.format(public=public), "x/route.py": ROUTE})
    tag = ask("/x").headers["ETag"]

    ada = ask("/x", headers={"X-Name": "Ada", "If-None-Match": tag})

    assert (ada.status_code, ada.content, "ETag" in ada.headers) == (200, b'{"runs":1}Ada', False)
    assert ask("/x").content == b'{"runs":1}'
    assert ask("/x").headers["ETag"] == tag


def test_copy_of_a_response_with_other_content_loses_the_entity_tag(site: Site, ask: Ask) -> None:
    text = """
    from django.http import HttpResponse


    async def middleware(request, call_next):
        response = await call_next(request)
        return HttpResponse(request.headers["X-Name"], headers=response.headers)
    """
    site.serve({"middleware.py": text, "x/route.py": ROUTE})

    assert "ETag" not in ask("/x", headers={"X-Name": "Ada"}).headers


def test_entity_tag_of_the_middleware_itself_stays(site: Site, ask: Ask) -> None:
    text = GREETING.format(public="").replace(
        "    return response", '    response.headers["ETag"] = \'"own"\'\n    return response'
    )
    site.serve({"middleware.py": text, "x/route.py": ROUTE})

    response = ask("/x", headers={"X-Name": "Ada"})

    assert response.headers["ETag"] == '"own"'
    assert ask("/x", headers={"X-Name": "Ada", "If-None-Match": '"own"'}).status_code == 304


@pytest.mark.parametrize("how", ["retry", "first of two", "copy", "another"])
def test_what_a_middleware_does_with_call_next_makes_nothing_public(site: Site, ask: Ask, how: str) -> None:
    bodies = {
        "retry": "await call_next(request)\n    return await call_next(request)",
        "first of two": "first = await call_next(request)\n    await call_next(request)\n    return first",
        "copy": "return await call_next(copy.copy(request))",
        "another": "other = RequestFactory().get(request.path)\n    return await call_next(other)",
    }
    head = "import copy\n\nfrom django.test import RequestFactory\n\n\nasync def middleware(request, call_next):\n    "
    site.serve({"middleware.py": head + bodies[how] + "\n", "x/route.py": ROUTE})

    answers = [ask("/x") for _ in range(3)]

    assert [one.headers["Cache-Control"] for one in answers] == [PRIVATE] * 3
    assert [one.content for one in answers] == [b'{"runs":1}'] * 3
    assert answers[2].headers["Cache-Status"].startswith("django-routehandlers; hit")
    assert ask("/x", headers={"If-None-Match": answers[2].headers["ETag"]}).status_code == 304


@KINDS
@HANDLERS
def test_stale_entry_is_refreshed_behind_the_back_of_a_thread(site: Site, kind: str, handler: str) -> None:
    """Under WSGI the event loop of an async middleware ends with the request, and a refresh must not."""
    wait = "await asyncio.sleep(0.1)" if handler == "async def" else "time.sleep(0.1)"
    text = f"""
import asyncio
import time

revalidate = 1
runs = []


{handler} GET():
    {wait}
    runs.append(1)
    return {{"runs": len(runs)}}
"""
    site.serve({"middleware.py": guard(kind), "x/route.py": text})
    assert site.client.get("/x", headers=KEY).json() == {"runs": 1}
    time.sleep(1.1)

    assert site.client.get("/x", headers=KEY).json() == {"runs": 1}
    module = sys.modules[f"{site.name}.routes.x.route"]
    ends = time.monotonic() + 5
    while len(module.runs) < 2 and time.monotonic() < ends:
        time.sleep(0.01)
    assert len(module.runs) == 2


@KINDS
def test_cached_handler_sees_nothing_that_a_middleware_has_set(site: Site, ask: Ask, kind: str) -> None:
    """Invariant 58: what the key does not cover cannot be read."""
    (site.root / "speaker.py").write_text("from contextvars import ContextVar\n\nname = ContextVar('name')\n")
    wait = "await " if kind == "async def" else ""
    text = f"from speaker import name\n\n\n{kind} middleware(request, call_next):\n    name.set('Ada')\n"
    site.serve(
        {
            "middleware.py": f"{text}    return {wait}call_next(request)\n",
            "x/route.py": "from speaker import name\n\n\ndef GET():\n    return name.get('nobody')\n",
        }
    )

    assert ask("/x").json() == "nobody"


def test_prerendering_fills_entries_that_the_guard_still_guards(site: Site, ask: Ask, settings: Any) -> None:
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(site.root / "cache")}}
    site.serve({"middleware.py": guard(), "x/route.py": ROUTE})
    printed = StringIO()

    call_command("prerender_routes", scheme="http", host=["testserver"], stdout=printed)

    assert printed.getvalue().endswith("0 already fresh, 0 not stored, 0 failed.\n")
    assert ask("/x").status_code == 403
    response = ask("/x", headers=KEY)
    assert (response.json(), response.headers["Cache-Control"]) == ({"runs": 1}, PRIVATE)
    assert response.headers["Cache-Status"].startswith("django-routehandlers; hit")
