"""
What Next.js does with the responses of route handlers, row by row, and where we differ.

Source: https://nextjs.org/docs/14/app/building-your-application/routing/route-handlers#caching and
https://nextjs.org/docs/app/api-reference/file-conventions/route-segment-config.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from conftest import Site
from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.invalidation import revalidate_path, revalidate_tag

PUBLIC = "public, s-maxage=60, stale-while-revalidate=60"
NO_STORE = "private, no-cache, no-store, max-age=0, must-revalidate"
HIT = "django-routehandlers; hit"

COUNTS = """
    import itertools

    _runs = itertools.count(1)
    """
COUNTING = (
    COUNTS
    + """
    def GET():
        return next(_runs)
    """
)


@pytest.fixture(autouse=True)
def cached_site(site: Site) -> Iterator[None]:
    """A store of its own, and the middleware that says on the wire what the cache does."""
    site.settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": site.name}
    }
    site.settings.MIDDLEWARE = ["django_routehandlers.middleware.CacheControlMiddleware"]
    yield
    current_cache().refreshes.close()


def bodies(site: Site, *targets: str) -> list[Any]:
    """Return what a GET of each target answers, as JSON."""
    return [site.client.get(target).json() for target in targets]


def wait_for(ask: Callable[[], object], value: object, *, limit: float = 5) -> float:
    """Ask until the answer is *value*; return the seconds that it took."""
    start = time.monotonic()
    while (found := ask()) != value:
        assert time.monotonic() - start < limit, f"{found!r}, not {value!r}"
        time.sleep(0.01)
    return time.monotonic() - start


# What makes a GET dynamic


@pytest.mark.parametrize(
    "handler",
    [
        "def GET(): return next(_runs)",
        "async def GET(): return next(_runs)",
        "def GET(): return [time.time(), next(_runs)]",
        "def GET(): return [random.random(), next(_runs)]",
        "def GET(): return [uuid.uuid4(), next(_runs)]",
    ],
)
def test_a_get_that_takes_nothing_of_the_client_is_cached(site: Site, handler: str) -> None:
    """As in Next 14, clocks and random numbers too: they are no data of the request."""
    site.serve({"a/route.py": COUNTS + f"\n    import random, time, uuid\n\n    {handler}\n"})
    first, second = site.client.get("/a"), site.client.get("/a")
    assert (first.content, first["Cache-Control"]) == (second.content, second["Cache-Control"])
    assert second["Cache-Control"] == PUBLIC
    assert second["Cache-Status"].startswith(HIT)


def test_segments_and_params_are_part_of_the_key(site: Site) -> None:
    site.serve({"a/[id]/route.py": COUNTS + "\n    def GET(id, params): return [id, params, next(_runs)]\n"})
    assert bodies(site, "/a/x", "/a/y", "/a/x") == [
        ["x", {"id": "x"}, 1],
        ["y", {"id": "y"}, 2],
        ["x", {"id": "x"}, 1],
    ]


@pytest.mark.parametrize(
    "handler",
    [
        "def GET(request): return next(_runs)",
        "async def GET(request): return next(_runs)",
        "def GET(request): return [request.headers.get('x-a'), next(_runs)]",
        "def GET(request): return [request.GET.get('q'), next(_runs)]",
        "def GET(request): return [request.COOKIES.get('a'), next(_runs)]",
        "def GET(a: Annotated[str, Cookie()] = ''): return next(_runs)",
        "def GET(authorization: Annotated[str, Header()] = ''): return next(_runs)",
    ],
)
def test_a_get_that_takes_the_request_or_what_tells_the_client_is_dynamic(site: Site, handler: str) -> None:
    """
    Difference: an unused ``request`` leaves a GET static in Next 14. With us the signature decides, so that it cannot
    happen that a branch reads what the key does not hold (``try``/``except`` does not hide it, either).
    """
    imports = "\n    from typing import Annotated\n\n    from django_routehandlers import Cookie, Header\n\n"
    site.serve({"a/route.py": imports + COUNTS + f"\n    {handler}\n"})
    first, second = site.client.get("/a"), site.client.get("/a")
    assert first.content != second.content
    assert second["Cache-Control"] == NO_STORE
    assert second["Cache-Status"] == "django-routehandlers; fwd=bypass; detail=dynamic"


def test_a_post_beside_get_changes_nothing(site: Site) -> None:
    """Difference: in Next 14 any other method in the file makes the GET dynamic."""
    site.serve({"a/route.py": COUNTING + "\n    def POST(): return next(_runs)\n"})
    assert bodies(site, "/a") == [1]
    assert site.client.post("/a").json() == 2
    assert bodies(site, "/a") == [1]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_another_method_is_never_answered_from_the_entry_and_never_fills_it(site: Site, method: str) -> None:
    site.serve({"a/route.py": COUNTING})
    before = getattr(site.client, method)("/a").status_code
    assert bodies(site, "/a") == [1]
    assert getattr(site.client, method)("/a").status_code == before == (204 if method == "options" else 405)


# Segment config


@pytest.mark.parametrize("config", ['dynamic = "force-dynamic"', "revalidate = 0"])
def test_force_dynamic_and_a_lifetime_of_zero_are_never_cached(site: Site, config: str) -> None:
    site.serve({"a/route.py": COUNTING + f"\n    {config}\n"})
    assert bodies(site, "/a", "/a") == [1, 2]
    assert site.client.get("/a")["Cache-Control"] == NO_STORE


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", PUBLIC),
        ("revalidate = 60", PUBLIC),
        ("revalidate = 60 * 10", "public, s-maxage=600, stale-while-revalidate=600"),
        ("revalidate = False", "public, no-cache"),
        ('dynamic = "error"', PUBLIC),
        ('dynamic = "force-static"', PUBLIC),
    ],
)
def test_a_cached_response_says_for_how_long(site: Site, config: str, said: str) -> None:
    """
    Differences: Next 14 says nothing. Next 16 offers the rest of a year as ``stale-while-revalidate``, and a year
    where there is no limit, which caches that no invalidation reaches would keep.
    """
    site.serve({"a/route.py": COUNTING + f"\n    {config}\n"})
    assert [site.client.get("/a")["Cache-Control"] for _ in range(2)] == [said, said]


def test_force_static_shows_neither_fields_nor_cookies_nor_query(site: Site) -> None:
    source = """
        dynamic = "force-static"

        def GET(request):
            return {
                "url": request.build_absolute_uri(),
                "query": request.GET,
                "cookies": request.COOKIES,
                "fields": sorted(request.headers),
                "user": hasattr(request, "user"),
                "session": hasattr(request, "session"),
                "method": request.method,
            }
        """
    site.settings.MIDDLEWARE = [
        *site.settings.MIDDLEWARE,
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    site.settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    site.serve({"a/route.py": source})
    site.client.cookies.load("who=me")
    response = site.client.get("/a?who=me", headers={"x-who": "me", "authorization": "Bearer me"})
    assert response.json() == {
        "url": "http://testserver/a",
        "query": {},
        "cookies": {},
        "fields": ["Host"],
        "user": False,
        "session": False,
        "method": "GET",
    }
    assert Client().get("/a").content == response.content


def test_error_on_a_dynamic_get_is_found_before_anything_is_served(site: Site) -> None:
    site.serve({"a/route.py": 'dynamic = "error"\n\n\ndef GET(request):\n    return 1\n'})
    assert [id for id, _ in site.mistakes()] == ["E058"]


@pytest.mark.parametrize(
    "config", ['dynamic = "sometimes"', "revalidate = -1", "revalidate = 1.5", "revalidate = True"]
)
def test_a_config_that_means_nothing_is_an_error(site: Site, config: str) -> None:
    """Difference: Next 14 ignores an unknown ``dynamic``."""
    site.serve({"a/route.py": f"{config}\n\n\ndef GET():\n    return 1\n"})
    assert [id for id, _ in site.mistakes()] == ["E035"]


def test_the_query_string_is_ignored_unless_it_is_declared(site: Site) -> None:
    site.serve(
        {
            "plain/route.py": COUNTING,
            "paged/route.py": COUNTS + "\n    def GET(page: int = 1): return [page, next(_runs)]\n",
        }
    )
    assert bodies(site, "/plain", "/plain?utm_source=a", "/plain?q=%zz&q") == [1, 1, 1]
    assert bodies(site, "/paged?page=2", "/paged?page=3", "/paged?page=2&utm_source=a") == [[2, 1], [3, 2], [2, 1]]


SEGMENTS = """
    def generate_static_params():
        return [{"id": "known"}, {"id": "%C3%A4 b"}]

    def GET(id):
        return [id, next(_runs)]
    """


def test_segments_that_are_not_listed_are_made_on_demand(site: Site) -> None:
    site.serve({"a/[id]/route.py": COUNTS + SEGMENTS})
    assert bodies(site, "/a/known", "/a/other", "/a/known", "/a/other") == [
        ["known", 1],
        ["other", 2],
        ["known", 1],
        ["other", 2],
    ]
    assert bodies(site, "/a/%25C3%25A4%20b", "/a/%C3%A4%20b") == [["%C3%A4 b", 3], ["ä b", 4]]


def test_segments_that_are_not_listed_are_404_without_dynamic_params(site: Site) -> None:
    """Difference: the answer is a problem, not a page."""
    site.serve({"a/[id]/route.py": COUNTS + SEGMENTS + "\n    dynamic_params = False\n"})
    assert bodies(site, "/a/known", "/a/known") == [["known", 1], ["known", 1]]
    response = site.client.get("/a/other")
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


# Staleness


def test_what_is_stale_is_served_once_more_while_it_is_refreshed(site: Site) -> None:
    """Difference: Next serves it however old it is; we for as long again as it was fresh."""
    site.serve({"a/route.py": COUNTING + "\n    revalidate = 1\n"})
    assert bodies(site, "/a", "/a") == [1, 1]
    time.sleep(1.1)
    stale = site.client.get("/a")
    assert (stale.json(), stale["Cache-Status"]) == (1, f"{HIT}; ttl=0")
    wait_for(lambda: bodies(site, "/a"), [2])


def test_what_is_older_than_its_window_is_waited_for(site: Site) -> None:
    """Invariant 38."""
    site.serve({"a/route.py": COUNTING + "\n    revalidate = 1\n"})
    assert bodies(site, "/a") == [1]
    time.sleep(2.1)
    assert bodies(site, "/a") == [2]


SLOW = """
    import asyncio
    import itertools

    revalidate = 1
    _runs = itertools.count(1)

    async def GET():
        run = next(_runs)
        await asyncio.sleep(0.1 if run == 1 else 0.6)
        return run
    """


@pytest.mark.parametrize("is_async", [False, True])
def test_a_slow_refresh_keeps_nobody_waiting_and_runs_once(site: Site, is_async: bool) -> None:
    site.serve({"a/route.py": SLOW})

    async def ask() -> list[Any]:
        first = (await site.async_client.get("/a")).json()
        await asyncio.sleep(1.1)
        start = time.monotonic()
        stale = [(await site.async_client.get("/a")).json() for _ in range(20)]
        waited = time.monotonic() - start
        await asyncio.sleep(0.8)
        return [first, set(stale), waited < 0.5, (await site.async_client.get("/a")).json()]

    def ask_in_threads() -> list[Any]:
        first = bodies(site, "/a")[0]
        time.sleep(1.1)
        start = time.monotonic()
        stale = bodies(site, *["/a"] * 20)
        waited = time.monotonic() - start
        time.sleep(0.8)
        return [first, set(stale), waited < 0.5, *bodies(site, "/a")]

    assert (asyncio.run(ask()) if is_async else ask_in_threads()) == [1, {1}, True, 2]


def test_twenty_first_requests_in_parallel_run_the_handler_once(site: Site) -> None:
    site.serve({"a/route.py": SLOW})

    async def ask() -> list[bytes]:
        responses = await asyncio.gather(*(site.async_client.get("/a") for _ in range(20)))
        return [response.content for response in responses]

    assert asyncio.run(ask()) == [b"1"] * 20


@pytest.mark.slow
def test_a_refresh_that_fails_keeps_the_last_good_body_and_is_tried_again_later(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Next's interval, ``min(max(revalidate, 3), 30)`` seconds: three here."""
    source = """
        import itertools
        import time

        revalidate = 1
        _runs = itertools.count(1)
        _times = []

        def GET():
            run = next(_runs)
            _times.append(time.monotonic())
            if run == 2:
                raise ValueError("not now")
            return [run, [round(one - _times[0], 1) for one in _times]]
        """
    site.serve({"a/route.py": source})
    assert bodies(site, "/a") == [[1, [0.0]]]
    time.sleep(1.1)
    deadline = time.monotonic() + 8
    while (body := bodies(site, "/a")[0])[0] == 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run, times = body
    assert run == 3
    assert times[2] - times[1] == pytest.approx(3.1, abs=0.3)
    assert [record.message for record in caplog.records if record.name == "django_routehandlers.cache"] == [
        "A refresh has failed. The last entry is kept, and the refresh is tried again later."
    ]


# What is stored


@pytest.mark.parametrize("status", [201, 202, 204, 205, 206, 302, 303, 307, 400, 403, 404, 410, 500, 503])
def test_only_a_200_is_stored(site: Site, status: int) -> None:
    """Difference: Next stores everything below 400, and 404."""
    site.serve(
        {
            "a/route.py": COUNTS
            + f"""
    from django.http import HttpResponse

    def GET():
        return HttpResponse(str(next(_runs)), status={status})
    """
        }
    )
    first, second = site.client.get("/a"), site.client.get("/a")
    assert [first.status_code, second.status_code] == [status, status]
    assert (first.content, second.content) == ((b"1", b"2") if status != 204 else (first.content, second.content))
    assert second["Cache-Control"] == NO_STORE
    why = "error" if status >= 500 else "status"
    assert second["Cache-Status"] == f"django-routehandlers; fwd=uri-miss; detail={why}"


@pytest.mark.parametrize(("raised", "status"), [("Http404", 404), ("PermissionDenied", 403), ("ValueError", 500)])
def test_what_is_raised_is_not_stored(site: Site, raised: str, status: int) -> None:
    """Difference: Next stores its ``notFound()``. Invariant 8: a 500 says nothing of a lifetime."""
    source = """
    from django.core.exceptions import PermissionDenied
    from django.http import Http404

    _next = []

    def GET():
        if not _next:
            _next.append(1)
            raise RAISED
        return "there"
    """
    site.serve({"a/route.py": source.replace("RAISED", raised)})
    first = site.client.get("/a")
    assert (first.status_code, first["Cache-Control"]) == (status, "no-store" if status == 500 else NO_STORE)
    assert bodies(site, "/a") == ["there"]


def test_a_cookie_is_never_stored(site: Site) -> None:
    """Difference: Next stores ``Set-Cookie`` and sends it to everybody."""
    source = """
    from django_routehandlers import JSONResponse

    def GET():
        run = next(_runs)
        response = JSONResponse(run)
        response.set_cookie("sid", str(run))
        return response
    """
    site.serve({"a/route.py": COUNTS + source})
    responses = [Client().get("/a") for _ in range(3)]
    assert [(one.json(), one.cookies["sid"].value, one["Cache-Control"]) for one in responses] == [
        (1, "1", NO_STORE),
        (2, "2", NO_STORE),
        (3, "3", NO_STORE),
    ]


@pytest.mark.parametrize(
    "handler",
    [
        "def GET(): return NDJSONResponse([next(_runs)])",
        "def GET():\n        yield next(_runs)",
        "async def GET():\n        yield next(_runs)",
        "def GET(): return StreamingHttpResponse([str(next(_runs))])",
    ],
)
def test_a_streamed_body_is_never_stored(site: Site, handler: str) -> None:
    """Difference: Next drains it once and sends it whole from then on. Invariant 77."""
    imports = """
    from django.http import StreamingHttpResponse

    from django_routehandlers import NDJSONResponse
    """
    site.serve({"a/route.py": COUNTS + imports + f"\n    {handler}\n"})
    assert [b"".join(site.client.get("/a").streaming_content).strip() for _ in range(2)] == [b"1", b"2"]


def test_a_head_that_comes_first_does_not_fill(site: Site) -> None:
    """Invariant 9: and later it is answered from the entry."""
    site.serve({"a/route.py": COUNTING})
    head = site.client.head("/a")
    assert (head.status_code, head.content) == (200, b"")
    get = site.client.get("/a")
    assert get.json() == 2
    later = site.client.head("/a")
    assert later["Cache-Status"].startswith(HIT)
    assert (later.content, later["ETag"], later["Content-Type"]) == (b"", get["ETag"], get["Content-Type"])


@pytest.mark.parametrize(
    ("written", "is_stored", "said"),
    [
        ("public, max-age=0, s-maxage=30", True, "public, max-age=0, s-maxage=30"),
        ("max-age=30", True, "max-age=30"),
        ("private", False, "private"),
        ("no-store", False, "no-store"),
        ("max-age=0", False, "max-age=0"),
    ],
)
def test_the_cache_control_of_the_handler_has_the_last_word(
    site: Site, written: str, is_stored: bool, said: str
) -> None:
    source = f"""
    from django_routehandlers import JSONResponse

    def GET():
        return JSONResponse(next(_runs), headers={{"Cache-Control": {written!r}}})
    """
    site.serve({"a/route.py": COUNTS + source})
    responses = [site.client.get("/a") for _ in range(2)]
    assert [one.json() for one in responses] == ([1, 1] if is_stored else [1, 2])
    assert [one["Cache-Control"] for one in responses] == [said, said]


# Invalidation


def test_revalidate_path_means_exactly_its_path(site: Site) -> None:
    """Difference: without any effect on route handlers in Next 14."""
    site.serve({"a/route.py": COUNTING, "a/b/route.py": COUNTING, "ab/route.py": COUNTING})
    before = bodies(site, "/a?x", "/a/b", "/ab")
    revalidate_path("/a")
    assert before == [1, 1, 1]
    response = site.client.get("/a")
    assert (response.json(), response["Cache-Status"]) == (
        2,
        "django-routehandlers; fwd=stale; stored; detail=invalidated",
    )
    assert bodies(site, "/a/b", "/ab") == [1, 1]


def test_revalidate_path_means_all_below_where_that_is_asked_for(site: Site) -> None:
    """Next's ``revalidatePath("/api", "layout")``."""
    site.serve(dict.fromkeys(("a/route.py", "a/b/route.py", "a/b/[c]/route.py", "ab/route.py"), COUNTING))
    paths = ("/a", "/a/b", "/a/b/x", "/ab")
    assert bodies(site, *paths) == [1, 1, 1, 1]
    revalidate_path("/a/", below=True)
    assert bodies(site, *paths) == [2, 2, 2, 1]
    revalidate_path("/", below=True)
    assert bodies(site, *paths) == [3, 3, 3, 2]


def test_an_unknown_path_is_no_error_and_changes_nothing(site: Site) -> None:
    site.serve({"a/route.py": COUNTING})
    assert bodies(site, "/a") == [1]
    revalidate_path("/nowhere")
    assert bodies(site, "/a") == [1]


@pytest.mark.parametrize("path", ["a", "", "/a?x=1", "https://example.org/a#b"])
def test_what_is_no_path_is_an_error(site: Site, path: str) -> None:
    """Difference: Next says nothing."""
    with pytest.raises(ValueError, match="is no path of a URL"):
        revalidate_path(path)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_may_invalidate(site: Site, is_async: bool) -> None:
    """A GET that takes the request as well as a POST; the next request waits for a fresh body."""
    how = "async def {}(request): await arevalidate_tag('numbers')" if is_async else None
    how = how or "def {}(request): revalidate_tag('numbers')"
    source = f"""
    from django_routehandlers import arevalidate_tag, revalidate_tag

    {how.format("GET")}

    {how.format("POST")}
    """
    site.serve({"a/route.py": COUNTING + "\n    tags = ['numbers']\n", "bump/route.py": source})
    assert bodies(site, "/a", "/a") == [1, 1]
    assert site.client.get("/bump").status_code == 204
    assert bodies(site, "/a", "/a") == [2, 2]
    assert site.client.post("/bump").status_code == 204
    assert bodies(site, "/a", "/a") == [3, 3]


def test_revalidate_tag_makes_the_next_request_wait_for_a_fresh_body(site: Site) -> None:
    """As Next 16's ``{"expire": 0}``; a tag may be a function of the segments."""
    source = COUNTS + "\n    def tags(id): return [f'item-{id}']\n\n    def GET(id): return [id, next(_runs)]\n"
    site.serve({"a/[id]/route.py": source})
    assert bodies(site, "/a/1", "/a/2") == [["1", 1], ["2", 2]]
    revalidate_tag("item-1")
    assert bodies(site, "/a/1", "/a/2") == [["1", 3], ["2", 2]]


# Conditional requests


def test_a_client_that_has_the_body_gets_a_304(site: Site) -> None:
    """Difference: Next has no entity tags. Invariant 19: a 304 repeats what the 200 says."""
    site.serve({"a/route.py": COUNTING})
    whole = site.client.get("/a")
    for sent in (whole["ETag"], f"W/{whole['ETag']}", f'"other", {whole["ETag"]}', "*"):
        answer = site.client.get("/a", headers={"if-none-match": sent})
        assert (answer.status_code, answer.content, answer["ETag"], answer["Cache-Control"]) == (
            304,
            b"",
            whole["ETag"],
            PUBLIC,
        )
    assert "Last-Modified" not in whole
    assert site.client.get("/a", headers={"if-none-match": '"other"'}).json() == 1


def test_an_entity_tag_of_the_handler_is_kept(site: Site) -> None:
    source = """
    from django_routehandlers import JSONResponse

    def GET():
        return JSONResponse(next(_runs), headers={"ETag": '"mine"'})
    """
    site.serve({"a/route.py": COUNTS + source})
    assert [site.client.get("/a")["ETag"] for _ in range(2)] == ['"mine"', '"mine"']
    assert site.client.get("/a", headers={"if-none-match": '"mine"'}).status_code == 304


@pytest.mark.parametrize("sent", ["no-cache", "no-store", "max-age=0"])
def test_a_client_cannot_have_the_handler_run(site: Site, sent: str) -> None:
    """Invariant 20: as in Next."""
    site.serve({"a/route.py": COUNTING})
    assert [site.client.get("/a", headers={"cache-control": sent, "pragma": sent}).json() for _ in range(2)] == [1, 1]
