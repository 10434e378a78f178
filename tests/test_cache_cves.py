"""What has gone wrong in caches of others, each end to end through a route, under WSGI and under ASGI."""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.cache import caches
from django.http import HttpResponse
from django.test import AsyncClient, Client
from pytest_django import Settings

import django_routehandlers
from conftest import Site
from django_routehandlers.caching.current import current_cache
from django_routehandlers.caching.keys import digest

Get = Callable[..., Any]

NO_STORE = "private, no-cache, no-store, max-age=0, must-revalidate"
CACHE_CONTROL = "django_routehandlers.middleware.CacheControlMiddleware"

HEAD = """
    import itertools
    from typing import Annotated

    from django_routehandlers import Header, JSONResponse

    _runs = itertools.count(1)
    """


@pytest.fixture(autouse=True)
def cached_site(site: Site) -> None:
    """A store of its own, and the middleware that says on the wire what the cache does."""
    site.settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": site.name}
    }
    site.settings.MIDDLEWARE = [CACHE_CONTROL]
    site.settings.ALLOWED_HOSTS = ["testserver", "other.example"]


@pytest.fixture(params=["wsgi", "asgi"])
def get(request: pytest.FixtureRequest) -> Get:
    """Send a GET as a client of its own, with these fields and cookies."""

    def send(path: str, fields: Mapping[str, str] | None = None, *, cookies: str = "", method: str = "get") -> Any:
        sent = dict(fields or {})
        if cookies:
            sent["cookie"] = cookies
        if request.param == "wsgi":
            return getattr(Client(raise_request_exception=False), method)(path, headers=sent)
        return asyncio.run(getattr(AsyncClient(raise_request_exception=False), method)(path, headers=sent))

    return send


def answering(code: str) -> dict[str, str]:
    """Return a route whose GET answers with the number of its run, and *code* on the way."""
    return {"a/route.py": HEAD + f"\n    def GET():\n        response = JSONResponse(next(_runs))\n        {code}\n"}


def runs(get: Get, *fields: Mapping[str, str]) -> list[Any]:
    """Return what is answered to requests with these fields, one after the other."""
    return [get("/a", one).json() for one in fields]


@pytest.mark.parametrize("vary", ["*", "Accept, *", "*, Accept"])
def test_cve_2026_6907_what_varies_on_everything_is_not_stored(site: Site, get: Get, vary: str) -> None:
    """Invariant 3."""
    site.serve(answering(f"response.headers['Vary'] = {vary!r}; return response"))
    assert runs(get, {}, {}) == [1, 2]
    assert get("/a")["Cache-Control"] == NO_STORE


@pytest.mark.parametrize("vary", [" *", "* ", "\t*", ", *", "*,", " , * , ", "Accept , * "])
def test_cve_2026_48587_nor_is_it_with_blanks_around_the_star(site: Site, get: Get, vary: str) -> None:
    """Invariant 3."""
    site.serve(answering(f"response.headers['Vary'] = {vary!r}; return response"))
    assert runs(get, {}, {}) == [1, 2]


@pytest.mark.parametrize("vary", ["X-Plan", "Accept-Language", "Cookie", "accept, x-plan"])
def test_what_varies_on_a_field_that_is_not_in_the_key_is_not_stored(site: Site, get: Get, vary: str) -> None:
    """Invariant 4."""
    site.serve(answering(f"response.headers['Vary'] = {vary!r}; return response"))
    assert runs(get, {"x-plan": "a"}, {"x-plan": "b"}) == [1, 2]
    assert get("/a")["Cache-Control"] == NO_STORE


@pytest.mark.parametrize(
    "control",
    [
        "Private",
        "PRIVATE",
        "nO-StOrE",
        "No-Cache",
        'no-cache="x"',
        'private="set-cookie"',
        "public,Private",
        "max-age=60 ,  NO-STORE",
        "MAX-AGE=0",
        "s-maxage=0, max-age=60",
        'x="a, b", private',
    ],
)
def test_cve_2026_8404_a_directive_counts_in_any_case(site: Site, get: Get, control: str) -> None:
    """Invariant 2."""
    site.serve(answering(f"response.headers['Cache-Control'] = {control!r}; return response"))
    assert runs(get, {}, {}) == [1, 2]


@pytest.mark.parametrize(
    "control", ["x-private-thing=1", 'x="no-store"', "public, max-age=0, s-maxage=60", "max-age=9"]
)
def test_what_only_looks_like_a_directive_is_stored(site: Site, get: Get, control: str) -> None:
    """Invariant 2."""
    site.serve(answering(f"response.headers['Cache-Control'] = {control!r}; return response"))
    assert runs(get, {}, {}) == [1, 1]


SECRET = """
    async def GET(authorization: Annotated[str, Header()] = "nobody"):
        return authorization
    """


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Digest", "x"])
def test_cve_2026_35193_what_reads_authorization_is_not_stored(site: Site, get: Get, scheme: str) -> None:
    """Invariant 6."""
    site.serve(
        {
            "a/route.py": HEAD + SECRET,
            "request/route.py": "def GET(request): return request.headers.get('authorization')",
        }
    )
    sent: list[dict[str, str]] = [{"authorization": f"{scheme} A"}, {}, {"authorization": f"{scheme} B"}, {}]
    assert runs(get, *sent) == [f"{scheme} A", "nobody", f"{scheme} B", "nobody"]
    assert [get("/request", one).content for one in sent] == [
        f'"{scheme} A"'.encode(),
        b"",
        f'"{scheme} B"'.encode(),
        b"",
    ]
    assert {get("/a", one)["Cache-Control"] for one in sent} == {NO_STORE}


def test_cve_2026_35193_an_entry_is_not_public_for_who_authorizes(site: Site, get: Get) -> None:
    """Invariant 6: whether the answer was given at all may have hung on the field."""
    site.serve(answering("return response"))
    assert get("/a", {"authorization": "Bearer A"})["Cache-Control"] == NO_STORE
    assert get("/a", {"authorization": "Bearer A"})["Cache-Control"] == NO_STORE
    assert get("/a")["Cache-Control"].startswith("public")


@pytest.mark.parametrize("cookies", ["", "theme=dark", "sid=old"])
@pytest.mark.parametrize(
    "how", ["response.set_cookie('sid', str(number))", "response.headers['Set-Cookie'] = f'sid={number}'"]
)
def test_cve_2026_48588_a_cookie_is_not_stored_whatever_the_request_had(
    site: Site, get: Get, cookies: str, how: str
) -> None:
    """Invariant 1: nor is any trace of it in the store."""
    source = (
        HEAD
        + f"""
    def GET():
        number = f"identity{{next(_runs)}}"
        response = JSONResponse(number)
        {how}
        return response
    """
    )
    site.serve({"a/route.py": source})
    answers = [get("/a", cookies=cookies) for _ in range(2)]
    assert [one.json() for one in answers] == ["identity1", "identity2"]
    assert ["sid=identity" in f"{one.cookies}{one.headers}" for one in answers] == [True, True]
    assert "identity" not in stored(site)


def stored(site: Site) -> str:
    """Return all that the store holds."""
    return repr(vars(caches["default"])["_cache"])


def test_cve_2026_48588_a_cookie_of_a_middleware_is_for_one_client(site: Site, get: Get) -> None:
    """Invariant 16: what middleware makes of a hit does not change the next one."""
    site.settings.MIDDLEWARE = [CACHE_CONTROL, f"{__name__}.marking"]
    site.serve(answering("return response"))
    answers = [get("/a") for _ in range(3)]
    assert [one.json() for one in answers] == [1, 1, 1]
    assert len({one.cookies["mark"].value for one in answers}) == 3
    assert [(one["X-Mark"], one["Cache-Control"]) for one in answers] == [("once", NO_STORE)] * 3


def marking(get_response: Get) -> Get:
    """Middleware that sets a cookie and adds to a field."""

    def middleware(request: Any) -> Any:
        response = get_response(request)
        response.set_cookie("mark", str(id(response)) + str(next(_MARKS)))
        response.headers["X-Mark"] = f"{response.headers.get('X-Mark', '')}once"
        return response

    return middleware


_MARKS = iter(range(10**9))


def test_cve_2026_113593_an_absent_field_is_not_an_empty_one(site: Site, get: Get) -> None:
    """Invariant 5."""
    source = "\n    def GET(x_t: Annotated[str, Header()] = 'absent'): return [x_t, next(_runs)]\n"
    site.serve({"a/route.py": HEAD + source})
    assert runs(get, {}, {"x-t": ""}, {}, {"x-t": ""}) == [["absent", 1], ["", 2], ["absent", 1], ["", 2]]
    assert get("/a")["Vary"] == "X-T"


def test_cve_2026_113593_an_absent_parameter_is_not_an_empty_one(site: Site, get: Get) -> None:
    site.serve({"a/route.py": HEAD + "\n    def GET(q: str = 'absent'): return [q, next(_runs)]\n"})
    assert [get(path).json() for path in ("/a", "/a?q", "/a?q=", "/a?x", "/a")] == [
        ["absent", 1],
        ["", 2],
        ["", 2],
        ["absent", 1],
        ["absent", 1],
    ]


def test_cve_2026_35192_a_session_that_is_saved_with_each_request_reaches_nobody_else(site: Site, get: Get) -> None:
    """No client is given another's session with a cached body, and no cache downstream may keep it."""
    site.settings.SESSION_SAVE_EVERY_REQUEST = True
    site.settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    site.settings.MIDDLEWARE = [
        CACHE_CONTROL,
        "django.contrib.sessions.middleware.SessionMiddleware",
        f"{__name__}.session_of_each",
    ]
    site.serve(answering("return response"))
    answers = [get("/a", {"x-client": client}) for client in "abc"]
    assert [one.json() for one in answers] == [1, 1, 1]
    sessions = [one.cookies["sessionid"].value for one in answers]
    assert [read_session(site.settings, one) for one in sessions] == [{"client": "a"}, {"client": "b"}, {"client": "c"}]
    assert {one["Cache-Control"] for one in answers} == {NO_STORE}
    assert "sessionid" not in stored(site)


def session_of_each(get_response: Get) -> Get:
    """Middleware that keeps a name in the session."""

    def middleware(request: Any) -> Any:
        request.session["client"] = request.headers["x-client"]
        return get_response(request)

    return middleware


def read_session(settings: Settings, value: str) -> Any:
    """Return what a session cookie holds."""
    return SessionStore(value).load()


PAIRS = [
    ("/a/b/cd", "/a/bc/d"),
    ("/a/b/c?q=d", "/a/b/cd?q="),
    ("/a/b%2Fc/d", "/a/b/c%2Fd"),
    ("/a/b/c?q=1%26r=2", "/a/b/c?q=1&r=2"),
    ("/a/b/c?q=%27,%27", "/a/b/c?q=%27%2C%27&r="),
    ("/a/b/c?r=x", "/a/b/c?q=x"),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_cve_2026_6873_no_two_keys_run_together(site: Site, get: Get, pair: tuple[str, str]) -> None:
    """Invariant 23."""
    source = HEAD + "\n    def GET(rest, q: str = '-', r: str = '-'): return [rest, q, r]\n"
    site.serve({"a/[...rest]/route.py": source})
    answers = [get(path).json() for path in pair]
    assert [get(path).json() for path in reversed(pair)] == answers[::-1]
    assert answers[0] != answers[1] or "%2F" in pair[0]


def test_cve_2026_6873_digests_differ_where_keys_do() -> None:
    """Invariant 23: in the store a key is a digest of its parts."""
    keys: list[tuple[Any, ...]] = [
        ("a", "b:c"),
        ("a:b", "c"),
        ("ab", "c"),
        ("a", "bc"),
        (("a",), "b"),
        ("a", ("b",)),
        (("a", "b"),),
        ("a", None, "b"),
        ("a", "", "b"),
        ("a", b"", "b"),
        ("s1:a",),
        ("a", "s1:a"),
    ]
    assert len({digest(key) for key in keys}) == len(keys)


# Next.js

INTERNAL = {
    "x-now-route-matches": "1",
    "x-matched-path": "/a",
    "x-nextjs-data": "1",
    "x-middleware-prefetch": "1",
    "x-middleware-subrequest": "middleware:middleware:middleware:middleware:middleware",
    "x-middleware-rewrite": "/secret",
    "x-prerender-revalidate": "1",
    "x-vercel-id": "1",
    "rsc": "1",
    "next-router-prefetch": "1",
    "next-action": "1",
}


@pytest.mark.parametrize("query", ["", "?__nextDataReq=1", "?__nextLocale=en", "?_rsc=1"])
def test_cve_2024_46982_no_request_makes_a_dynamic_route_look_static(site: Site, get: Get, query: str) -> None:
    site.serve({"a/route.py": HEAD + "\n    def GET(request): return [request.headers.get('x-who'), next(_runs)]\n"})
    first = get(f"/a{query}", {**INTERNAL, "x-who": "me"})
    assert (first.json(), first["Cache-Control"]) == (["me", 1], NO_STORE)
    assert get(f"/a{query}").json() == [None, 2]


def test_cve_2024_46982_an_error_says_nothing_of_a_lifetime(site: Site, get: Get) -> None:
    """Invariant 8."""
    site.serve(answering("raise ValueError"))
    answer = get("/a", INTERNAL)
    assert (answer.status_code, answer["Cache-Control"]) == (500, "no-store")
    assert get("/a")["Cache-Control"] == "no-store"


def test_cve_2025_49826_an_empty_answer_is_not_kept_in_place_of_a_body(
    site: Site, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 7."""
    # For a while behind a result that could not be kept, nothing is: that would hide what is asked here.
    monkeypatch.setattr("django_routehandlers.caching.flights.PASS", 0.0)
    source = """
    from django.http import HttpResponse

    _statuses = iter([204, 500, 206, 304, 200])

    def GET():
        return HttpResponse("body", status=next(_statuses))
    """
    site.serve({"a/route.py": source})
    assert [get("/a").status_code for _ in range(7)] == [204, 500, 206, 304, 200, 200, 200]
    assert get("/a").content == b"body"


def test_cve_2025_29927_no_field_switches_middleware_off(site: Site, get: Get) -> None:
    """Invariants 15 and 27: a hit passes all middleware."""
    site.settings.MIDDLEWARE = [CACHE_CONTROL, f"{__name__}.members_only"]
    site.serve(answering("return response"))
    assert [get("/a", {"x-member": "1"}).status_code for _ in range(2)] == [200, 200]
    assert get("/a", INTERNAL).status_code == 403
    for value in ("1", "src/middleware", "middleware", "true"):
        assert get("/a", dict.fromkeys(INTERNAL, value)).status_code == 403


def members_only(get_response: Get) -> Get:
    """Middleware that lets some in."""

    def middleware(request: Any) -> Any:
        return get_response(request) if "x-member" in request.headers else HttpResponse(status=403)

    return middleware


@pytest.mark.parametrize("name", ["test_cve_2025_49005", "test_cve_2026_44576"])
def test_cve_2025_49005_cve_2026_44576_what_a_field_selects_is_kept_apart_and_named_in_vary(
    site: Site, get: Get, name: str
) -> None:
    """Variants of one URL, on a miss, on a hit and in a 304."""
    field = {"test_cve_2025_49005": "RSC", "test_cve_2026_44576": "Next-Router-State-Tree"}[name]
    source = f"\n    def GET(variant: Annotated[str, Header({field!r})] = 'page'): return [variant, next(_runs)]\n"
    site.serve({"a/route.py": HEAD + source})
    key = field.lower()
    assert runs(get, {key: "1"}, {}, {key: "1"}, {}) == [["1", 1], ["page", 2], ["1", 1], ["page", 2]]
    answers = [get("/a", {key: "1"}), get("/a"), get("/a", {key: "2"})]
    answers.append(get("/a", {"if-none-match": answers[1]["ETag"]}))
    assert answers[3].status_code == 304
    assert [one["Vary"] for one in answers[:3]] == [field] * 3
    assert field.lower() in answers[3]["Vary"].lower()


def test_cve_2026_44572_no_field_of_a_client_changes_a_cached_redirect(site: Site, get: Get) -> None:
    source = """
    from django.http import HttpResponse

    def GET():
        return HttpResponse(status=308, headers={"Location": "/b", "Cache-Control": "public, max-age=60"})
    """
    site.serve({"a/route.py": source})
    first = get("/a", INTERNAL)
    later = get("/a")
    assert later["Cache-Status"].startswith("django-routehandlers; hit")
    for one in (first, later):
        assert (one.status_code, one.headers["Location"], one.content) == (308, "/b", b"")
        assert not any(name.lower().startswith("x-nextjs") for name in one.headers)


def test_cve_2025_57752_cookie_and_authorization_do_not_reach_what_does_not_take_them(site: Site, get: Get) -> None:
    """The key has neither, so the handler can see neither."""
    source = """
    import contextvars

    dynamic = "force-static"

    def GET(request):
        variables = [str(one) for one in contextvars.copy_context().values()]
        return [request.COOKIES, request.headers.get("Authorization"), variables]
    """
    site.serve({"a/route.py": source})
    sent = {"authorization": "Bearer identity"}
    whole = get("/a", sent, cookies="sid=identity")
    assert whole.json()[:2] == [{}, None]
    assert b"identity" not in whole.content
    assert get("/a").content == whole.content
    assert "identity" not in stored(site)


ABSOLUTE = (
    HEAD
    + """
    dynamic = "force-static"

    def GET(request):
        return [request.build_absolute_uri("/x"), next(_runs)]
    """
)


def test_cve_2024_34351_a_host_that_is_sent_twice_gets_nothing(site: Site, get: Get) -> None:
    """Invariant 26: servers join the two with a comma, which the test client of ASGI does as well."""
    site.serve({"a/route.py": ABSOLUTE})
    for _ in range(2):
        assert get("/a", {"host": "testserver,evil.example"}).status_code == 400
        assert get("/a").json() == ["http://testserver/x", 1]


def test_cve_2024_34351_a_host_that_is_not_allowed_gets_nothing_and_fills_nothing(site: Site) -> None:
    """Invariant 26: on a hit as on a miss."""
    site.serve({"a/route.py": ABSOLUTE})

    def get(path: str, fields: Mapping[str, str] | None = None) -> Any:
        return site.client.get(path, headers=fields)

    evil = {"host": "evil.example"}
    assert get("/a", evil).status_code == 400
    assert current_cache().counters.read()["fills"] == 0
    assert get("/a").json() == ["http://testserver/x", 1]
    assert get("/a", evil).status_code == 400
    assert get("/a", {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}).json() == [
        "http://testserver/x",
        1,
    ]
    assert get("/a", {"host": "other.example"}).json() == ["http://other.example/x", 2]
    assert get("/a", {"host": "TESTSERVER:80"}).json() == ["http://testserver/x", 1]


# Invariant 27

KNOWN_SWITCHES = [
    *INTERNAL,
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "forwarded",
    "cache-control",
    "pragma",
    "purpose",
    "sec-purpose",
    "x-requested-with",
]
# Who sends them says who asks: the body is the same, but not for everybody's caches.
PERSONAL = {"authorization", "cookie"}


def mentioned_fields() -> list[str]:
    """Return every name in our source that could be one of a field."""
    found: set[str] = set()
    for file in sorted(Path(django_routehandlers.__file__).parent.rglob("*.py")):
        text = file.read_text()
        found.update(name.replace("_", "-").lower() for name in re.findall(r"\bHTTP_([A-Z_]+)\b", text))
        found.update(name.lower() for name in re.findall(r"\b[A-Za-z]+(?:-[A-Za-z]+)+\b", text))
    # Of the connection, not of the request; and the target itself.
    return sorted(found - {"host", "content-length", "transfer-encoding"})


def test_our_source_mentions_the_fields_that_the_next_test_sends() -> None:
    assert {"if-none-match", "sec-fetch-site", "accept-encoding", "x-forwarded-proto", "set-cookie"} - {
        "x-forwarded-proto"
    } <= set(mentioned_fields())


@pytest.mark.parametrize("value", ["1", "POST", "no-store", "/secret", "evil.example"])
def test_no_field_of_a_client_switches_anything(site: Site, get: Get, value: str) -> None:
    """Invariant 27, CVE-2025-29927, CVE-2026-44572: response and entry are those of the plain request."""
    site.serve({"a/[id]/route.py": HEAD + "\n    def GET(id): return [id, next(_runs)]\n"})
    plain = get("/a/hit")
    hit = get("/a/hit")
    names = sorted({*mentioned_fields(), *KNOWN_SWITCHES})
    wrong: list[str] = []
    for name in names:
        answer = get("/a/hit", {name: value})
        wrong.extend([name] * (shown(answer) != shown(hit)))
    # What does not hold is refused (RFC 9110, section 13.1.1), and nothing is answered.
    assert sorted(set(wrong)) == sorted((PERSONAL & {"authorization"}) | {"if-match"})
    # All at once, and as the first request for an entry.
    fields = dict.fromkeys((name for name in names if name not in {*PERSONAL, "if-match"}), value)
    first = get("/a/fill", fields)
    assert first.json() == ["fill", 2]
    later = get("/a/fill")
    assert shown(later) == {
        **shown(hit),
        "body": b'["fill",2]',
        "ETag": later["ETag"],
        "Content-Length": later.get("Content-Length"),
    }
    assert plain.content == get("/a/hit").content


def shown(response: Any) -> dict[str, Any]:
    """Return all of a response but its age."""
    fields = {name: value for name, value in response.headers.items() if name != "Age"}
    fields["Cache-Status"] = re.sub(r"ttl=\d+", "ttl", fields.get("Cache-Status", ""))
    fields.setdefault("Content-Length", None)
    return {"status": response.status_code, "body": response.content, **fields}
