"""
What the wire says of a route's response, once every middleware has had its say.

The view here leaves an outcome as routes do. Behind whole stacks, and with a cache downstream that
serves several users, nobody ever gets what was made, or allowed, for somebody else.
"""

import asyncio
import gzip
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.utils.cache import add_never_cache_headers, patch_cache_control
from django.utils.functional import SimpleLazyObject
from django.views.decorators.vary import vary_on_headers

from django_routehandlers.handlers.functions import is_coroutine_function
from django_routehandlers.middleware import CacheControlMiddleware
from django_routehandlers.policies.cache_control import PRIVATE
from django_routehandlers.policies.cache_status import CacheStatus
from django_routehandlers.policies.outcome import CacheOutcome, is_routed, leave_outcome, outcome_of

OURS = "django_routehandlers.middleware.CacheControlMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
STACK = [
    "django.middleware.security.SecurityMiddleware",
    GZIP,
    CONDITIONAL,
    SESSION,
    LOCALE,
    COMMON,
    CSRF,
    AUTHENTICATION,
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

PUBLIC = "public, s-maxage=60, stale-while-revalidate=600"
HIT = CacheOutcome(
    is_public=True, lifetime=60, window=600, age=19, status=CacheStatus(hit=True, ttl=41), varies_on=frozenset()
)
DYNAMIC = CacheOutcome(is_public=False, status=CacheStatus(fwd="bypass", detail="dynamic"))
BODY = b'{"name": "oak table"}' * 20

Change = Callable[[HttpRequest, HttpResponse], HttpResponse | None]


Fields = Mapping[str, str]


def make_response(request: HttpRequest, outcome: CacheOutcome = HIT, view: Fields | None = None) -> HttpResponse:
    """Answer as the view of a route does."""
    response = HttpResponse(BODY, content_type="application/json", headers={"ETag": '"v1"', **(view or {})})
    leave_outcome(request, response, outcome)
    return response


def answer(
    change: Change | None = None, outcome: CacheOutcome = HIT, headers: Fields | None = None, view: Fields | None = None
) -> HttpResponseBase:
    """Send one request through the middleware; *change* is what another one makes of the response."""

    def inner(request: HttpRequest) -> HttpResponse:
        response = make_response(request, outcome, view)
        return response if change is None else change(request, response) or response

    response = CacheControlMiddleware(inner)(RequestFactory().get("/x", headers=headers))
    assert isinstance(response, HttpResponseBase)
    return response


def said(response: Any) -> dict[str, str]:
    """Return what a response says to caches."""
    return {
        name: response.headers[name] for name in ("Cache-Control", "Age", "Cache-Status") if name in response.headers
    }


# --- What is written ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (HIT, {"Cache-Control": PUBLIC, "Age": "19", "Cache-Status": "django-routehandlers; hit; ttl=41"}),
        (
            replace(HIT, window=0, age=None, status=CacheStatus(fwd="uri-miss", stored=True)),
            {"Cache-Control": "public, s-maxage=60", "Cache-Status": "django-routehandlers; fwd=uri-miss; stored"},
        ),
        (
            replace(HIT, lifetime=None, status=CacheStatus(hit=True)),
            {"Cache-Control": "public, no-cache", "Age": "19", "Cache-Status": "django-routehandlers; hit"},
        ),
        (
            replace(HIT, age=-300),
            {"Cache-Control": PUBLIC, "Age": "0", "Cache-Status": "django-routehandlers; hit; ttl=41"},
        ),
        (
            DYNAMIC,
            {"Cache-Control": PRIVATE, "Cache-Status": "django-routehandlers; fwd=bypass; detail=dynamic"},
        ),
    ],
    ids=["hit", "miss", "until invalidated", "clock stepped back", "dynamic"],
)
def test_outcome_is_what_the_wire_says(outcome: CacheOutcome, expected: dict[str, str]) -> None:
    """Invariants 8 and 19: the lifetime that is advertised is the one that is stored, and Age is never below 0."""
    assert said(answer(outcome=outcome)) == expected


def test_without_the_middleware_the_wire_says_private() -> None:
    request = RequestFactory().get("/x")

    assert said(make_response(request)) == {"Cache-Control": PRIVATE}
    assert said(make_response(request, DYNAMIC)) == {}


@pytest.mark.parametrize("words", ["public, max-age=10", "max-age=10", "private, max-age=10", "no-store"])
@pytest.mark.parametrize("outcome", [HIT, DYNAMIC], ids=["cached", "dynamic"])
def test_words_of_the_handler_stay(words: str, outcome: CacheOutcome) -> None:
    assert answer(outcome=outcome, view={"Cache-Control": words}).headers["Cache-Control"] == words


def test_vary_is_not_invented() -> None:
    assert "Vary" not in answer().headers


def test_status_of_a_cache_nearer_to_the_origin_comes_first() -> None:
    response = answer(view={"Cache-Status": "Upstream; hit"})

    assert response.headers["Cache-Status"] == "Upstream; hit, django-routehandlers; hit; ttl=41"


def test_field_that_is_part_of_the_key_is_named() -> None:
    """Invariant 4: without its name in Vary, a cache downstream would give one plan's body to the other."""
    response = answer(outcome=replace(HIT, varies_on=frozenset({"x-plan", "accept"})), view={"Vary": "X-Plan, Origin"})

    assert (response.headers["Cache-Control"], response.headers["Vary"]) == (PUBLIC, "X-Plan, Origin, accept")


# --- What takes the public away ----------------------------------------------------------------


def touch_session(request: HttpRequest, response: HttpResponse) -> None:
    request.session = SessionStore()
    request.session.get("cart")


def modify_session(request: HttpRequest, response: HttpResponse) -> None:
    request.session = SessionStore()
    request.session.modified = True


def look_at_lazy_user(request: HttpRequest, response: HttpResponse) -> None:
    request.user = SimpleLazyObject(lambda: User(pk=1))
    assert request.user.is_authenticated


def set_user(request: HttpRequest, response: HttpResponse) -> None:
    request.user = User(pk=1)


def set_header(name: str, value: str) -> Change:
    return lambda request, response: response.headers.__setitem__(name, value)


def set_status(status: int) -> Change:
    def change(request: HttpRequest, response: HttpResponse) -> None:
        response.status_code = status

    return change


def set_remote_user(request: HttpRequest, response: HttpResponse) -> None:
    request.META["REMOTE_USER"] = "ada"


WITHDRAWN: dict[str, tuple[Change | None, dict[str, str]]] = {
    "a cookie was set": (lambda _, response: response.set_cookie("sid", "A"), {}),
    "a cookie was deleted": (lambda _, response: response.delete_cookie("sid"), {}),
    "a Set-Cookie field": (set_header("Set-Cookie", "sid=A"), {}),
    "Vary: *": (set_header("Vary", "*"), {}),
    "Vary: padded *": (set_header("Vary", " * "), {}),
    "Vary: * among names": (set_header("Vary", "Origin, *"), {}),
    "Vary: Cookie": (set_header("Vary", "Accept-Encoding, Cookie"), {}),
    "Vary: Authorization": (set_header("Vary", "AUTHORIZATION"), {}),
    "Vary beyond the key": (set_header("Vary", "X-Plan"), {}),
    "Authorization: Bearer": (None, {"Authorization": "Bearer x"}),
    "Authorization: Basic": (None, {"Authorization": "Basic eDp5"}),
    "Authorization of no scheme": (None, {"Authorization": ""}),
    "REMOTE_USER": (set_remote_user, {}),
    "session accessed": (touch_session, {}),
    "session modified": (modify_session, {}),
    "user of another kind": (set_user, {}),
    "lazy user looked at": (look_at_lazy_user, {}),
    "status 203": (set_status(203), {}),
    "status 206": (set_status(206), {}),
    "status 302": (set_status(302), {}),
    "status 404": (set_status(404), {}),
    "status 500": (set_status(500), {}),
    "language of a cookie": (set_header("Vary", "Accept-Language"), {"Cookie": "django_language=de"}),
}


@pytest.mark.parametrize(("change", "headers"), WITHDRAWN.values(), ids=WITHDRAWN)
@pytest.mark.parametrize("words", [None, "public, s-maxage=99", "max-age=99", "Public, no-cache"])
def test_response_that_may_depend_on_who_asks_loses_its_public(
    change: Change | None, headers: dict[str, str], words: str | None
) -> None:
    """Invariants 1, 3, 4, 6, 7 and 8, CVE-2026-6907, CVE-2026-48587, CVE-2026-35193, CVE-2026-48588."""
    view = None if words is None else {"Cache-Control": words}

    assert answer(change, headers=headers, view=view).headers["Cache-Control"] == PRIVATE


@pytest.mark.parametrize("name", ["cookie", "authorization"])
def test_field_that_names_the_client_is_never_public_though_the_key_has_it(name: str) -> None:
    """Invariant 6."""
    outcome = replace(HIT, varies_on=frozenset({name}))

    assert answer(outcome=outcome).headers["Cache-Control"] == PRIVATE
    assert answer(outcome=outcome, view={"Vary": name}).headers["Cache-Control"] == PRIVATE


@pytest.mark.parametrize("words", ["private, max-age=10", "no-store", "Private"])
def test_stricter_words_of_the_handler_stay_beside_a_cookie(words: str) -> None:
    response = answer(lambda _, response: response.set_cookie("sid", "A"), view={"Cache-Control": words})

    assert response.headers["Cache-Control"] == words


@pytest.mark.parametrize("name", ["CDN-Cache-Control", "Edge-CDN-Cache-Control", "Surrogate-Control"])
def test_field_for_some_caches_alone_goes_with_the_public(name: str) -> None:
    """RFC 9213: such a cache reads this field, and would never see that the other says private."""
    view = {name: "max-age=99"}

    assert answer(view=view).headers[name] == "max-age=99"
    assert name not in answer(touch_session, view=view).headers


def keep_session(request: HttpRequest, response: HttpResponse) -> None:
    request.session = SessionStore()
    request.user = SimpleLazyObject(lambda: pytest.fail("nobody asked who it is"))


KEPT: dict[str, tuple[Change | None, dict[str, str]]] = {
    "a session that nobody looked at": (keep_session, {}),
    "cookies of the client": (None, {"Cookie": "theme=dark; sessionid=abc"}),
    "a language cookie where the language is not asked for": (None, {"Cookie": "django_language=de"}),
    "Accept-Language": (set_header("Vary", "accept-language"), {"Accept-Language": "de"}),
    "Accept-Encoding and Origin": (set_header("Vary", "Accept-Encoding, ORIGIN"), {"Origin": "https://a.example"}),
    "Cache-Control: no-cache of the client": (None, {"Cache-Control": "no-cache", "Pragma": "no-cache"}),
    "status 301": (set_status(301), {}),
    "status 308": (set_status(308), {}),
}


@pytest.mark.parametrize(("change", "headers"), KEPT.values(), ids=KEPT)
def test_response_that_is_for_everybody_keeps_its_public(change: Change | None, headers: dict[str, str]) -> None:
    assert answer(change, headers=headers).headers["Cache-Control"] == PUBLIC


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda _, response: add_never_cache_headers(response),
            {"max-age=0", "no-cache", "no-store", "must-revalidate", "private"},
        ),
        (lambda _, response: patch_cache_control(response, private=True), {"private"}),
        (
            lambda _, response: patch_cache_control(response, no_store=True, private=True, max_age=0),
            {"no-store", "private", "max-age=0"},
        ),
    ],
    ids=["never_cache", "private", "no-store"],
)
def test_what_another_middleware_says_is_not_overruled(change: Change, words: set[str]) -> None:
    assert set(said(answer(change))["Cache-Control"].split(", ")) == words


def test_cookie_takes_the_public_of_a_dynamic_handler_too() -> None:
    """CVE-2026-48588."""
    public = {"Cache-Control": "public, max-age=9"}
    response = answer(lambda _, response: response.set_cookie("sid", "A"), DYNAMIC, view=public)

    assert response.headers["Cache-Control"] == PRIVATE


def test_stream_keeps_its_own_words() -> None:
    def inner(request: HttpRequest) -> StreamingHttpResponse:
        words = {"Cache-Control": "no-store, no-transform", "ETag": '"v1"'}
        response = StreamingHttpResponse(iter([b"1\n"]), headers=words)
        leave_outcome(request, response, DYNAMIC)
        return response

    response: Any = CacheControlMiddleware(inner)(RequestFactory().get("/x", headers={"If-None-Match": '"v1"'}))

    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store, no-transform")
    assert b"".join(response) == b"1\n"


# --- Responses of others -----------------------------------------------------------------------


def test_response_of_a_view_that_is_no_route_is_left_alone() -> None:
    plain = HttpResponse("x", headers={"ETag": '"v1"', "Cache-Control": "public, max-age=9"})
    plain.set_cookie("sid", "A")
    before = dict(plain.items())

    found = CacheControlMiddleware(lambda request: plain)(RequestFactory().get("/x", headers={"If-None-Match": '"v1"'}))

    assert (found, dict(plain.items())) == (plain, before)


@pytest.mark.parametrize("outcome", [HIT, DYNAMIC], ids=["cached", "dynamic"])
def test_response_that_took_the_place_of_the_views_is_private(outcome: CacheOutcome) -> None:
    """Invariant 8: what is not stored is not advertised, nor is it a hit."""
    assert said(answer(lambda *_: HttpResponse("maintenance"), outcome)) == {"Cache-Control": PRIVATE}


def test_response_that_took_the_place_of_the_views_keeps_its_words() -> None:
    other = HttpResponse("moved", status=302, headers={"Cache-Control": "max-age=5"})

    assert said(answer(lambda *_: other)) == {"Cache-Control": "max-age=5"}


def test_copy_of_the_views_response_is_not_public_for_a_client_that_is_known() -> None:
    def copy(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        touch_session(request, response)
        return HttpResponse(response.content, headers=dict(response.items()))

    assert said(answer(copy, view={"Cache-Control": "public, max-age=9"})) == {"Cache-Control": PRIVATE}


def test_outcome_of_another_request_is_none_of_this_one() -> None:
    """A response that one request kept must not be public for the next, whatever that one is."""
    first, second = RequestFactory().get("/x"), RequestFactory().get("/x")
    kept = make_response(first)
    make_response(second, DYNAMIC)

    assert (outcome_of(first, kept), outcome_of(second, kept)) == (HIT, None)


def test_request_that_no_route_answered_has_no_outcome() -> None:
    request, response = RequestFactory().get("/x"), make_response(RequestFactory().get("/y"))

    assert (is_routed(request), outcome_of(request, response)) == (False, None)


@pytest.mark.parametrize("etag", [None, '"v2"'])
def test_304_for_another_response_is_none_of_ours(etag: str | None) -> None:
    def replace_it(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return HttpResponse(status=304, headers={} if etag is None else {"ETag": etag})

    assert said(answer(replace_it)) == {"Cache-Control": PRIVATE}


def test_304_is_none_of_ours_where_the_view_left_no_entity_tag() -> None:
    request = RequestFactory().get("/x")
    leave_outcome(request, HttpResponse("x"), HIT)

    assert outcome_of(request, HttpResponse(status=304)) is None


@pytest.mark.parametrize(
    "say",
    [
        lambda response: response.headers.setdefault("Cache-Control", "private, max-age=0"),
        lambda response: response.has_header("Cache-Control") or add_never_cache_headers(response),
        lambda response: patch_cache_control(response, private=True),
    ],
    ids=["setdefault", "never", "patch"],
)
def test_word_of_a_middleware_that_looks_whether_there_is_one_counts(say: Callable[[HttpResponse], object]) -> None:
    def get_response(request: HttpRequest) -> HttpResponse:
        response = make_response(request)
        say(response)
        return response

    response = CacheControlMiddleware(get_response)(RequestFactory().get("/x"))

    assert "public" not in response.headers["Cache-Control"]
    assert "private" in response.headers["Cache-Control"]


def test_without_a_middleware_that_waits_for_it_a_public_response_is_private() -> None:
    assert make_response(RequestFactory().get("/x")).headers["Cache-Control"] == PRIVATE


def test_words_of_a_handler_that_did_not_know_all_are_taken_back() -> None:
    outcome = CacheOutcome(is_public=False, status=CacheStatus(fwd="bypass", detail="context"), keeps_words=False)

    def get_response(request: HttpRequest) -> HttpResponse:
        fields = {"Cache-Control": "public, s-maxage=60", "CDN-Cache-Control": "public, max-age=60"}
        response = HttpResponse("of one tenant", headers=fields)
        leave_outcome(request, response, outcome)
        return response

    response = CacheControlMiddleware(get_response)(RequestFactory().get("/x"))

    assert (response.headers["Cache-Control"], "CDN-Cache-Control" in response.headers) == (PRIVATE, False)


@pytest.mark.parametrize(("vary", "is_public"), [("", False), ("Accept-Language", True)])
def test_language_that_no_field_tells_is_private(vary: str, is_public: bool) -> None:
    outcome = CacheOutcome(is_public=True, lifetime=60, status=CacheStatus(hit=True), is_translated=True)

    def get_response(request: HttpRequest) -> HttpResponse:
        response = HttpResponse("auf Deutsch", headers={"Vary": vary} if vary else {})
        leave_outcome(request, response, outcome)
        return response

    response = CacheControlMiddleware(get_response)(RequestFactory().get("/x"))

    assert ("public" in response.headers["Cache-Control"]) is is_public


def test_entity_tag_of_the_entry_is_not_that_of_a_body_that_was_changed() -> None:
    def get_response(request: HttpRequest) -> HttpResponse:
        response = make_response(request)
        response.content = b"a banner, and " + response.content
        return response

    request = RequestFactory().get("/x", headers={"If-None-Match": '"v1"'})
    response = CacheControlMiddleware(get_response)(request)

    assert (response.status_code, "ETag" in response.headers) == (200, False)


# --- Conditional requests ----------------------------------------------------------------------

DATE = "Wed, 25 Nov 2026 10:00:00 GMT"
LATER = "Wed, 25 Nov 2026 11:00:00 GMT"


@pytest.mark.parametrize(
    ("conditions", "etag", "status"),
    [
        ({}, '"v1"', 200),
        ({"If-None-Match": '"v1"'}, '"v1"', 304),
        ({"If-None-Match": 'W/"v1"'}, '"v1"', 304),
        ({"If-None-Match": '"v1"'}, 'W/"v1"', 304),
        ({"If-None-Match": 'W/"v1"'}, 'W/"v1"', 304),
        ({"If-None-Match": '"v0", "v1"'}, '"v1"', 304),
        ({"If-None-Match": "*"}, '"v1"', 304),
        ({"If-None-Match": '"v0"'}, '"v1"', 200),
        ({"If-None-Match": "v1"}, '"v1"', 200),
        ({"If-None-Match": '"v0"', "If-Modified-Since": LATER}, '"v1"', 200),
        ({"If-None-Match": '"v1"', "If-Modified-Since": "Wed, 25 Nov 2020 10:00:00 GMT"}, '"v1"', 304),
        ({"If-Modified-Since": DATE}, '"v1"', 304),
        ({"If-Modified-Since": "soon"}, '"v1"', 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_condition(conditions: dict[str, str], etag: str, status: int, method: str) -> None:
    """Invariant 19: If-None-Match comes before If-Modified-Since, is weak, and knows the star."""

    def inner(request: HttpRequest) -> HttpResponse:
        return make_response(request, view={"ETag": etag, "Last-Modified": DATE})

    response: Any = CacheControlMiddleware(inner)(RequestFactory().generic(method, "/x", headers=conditions))

    assert (response.status_code, response.content) == (status, b"" if status == 304 else BODY)


def test_304_keeps_every_field_that_does_not_speak_of_the_content() -> None:
    """Invariants 19 and 82: the fields of RFC 9110, section 15.4.5, and those of CORS and of other middleware."""
    fields = {
        "Vary": "Origin",
        "Date": DATE,
        "Expires": LATER,
        "Content-Location": "/x.json",
        "Access-Control-Allow-Origin": "https://a.example",
        "X-Request-Id": "7",
    }

    def decorate(request: HttpRequest, response: HttpResponse) -> None:
        others = {"Content-Language": "en", "Content-Length": "1", "Content-Encoding": "x"}
        for name, value in {**fields, **others}.items():
            response.headers[name] = value

    response = answer(decorate, headers={"If-None-Match": '"v1"'})

    assert response.status_code == 304
    assert dict(response.items()) == {
        **fields,
        "ETag": '"v1"',
        "Cache-Control": PUBLIC,
        "Age": "19",
        "Cache-Status": "django-routehandlers; hit; ttl=41",
    }


def test_304_keeps_cookies_and_so_is_private() -> None:
    response = answer(lambda _, response: response.set_cookie("sid", "A"), headers={"If-None-Match": '"v1"'})

    assert (response.status_code, response.headers["Cache-Control"]) == (304, PRIVATE)
    assert response.cookies["sid"].value == "A"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_unsafe_method_has_no_304(method: str) -> None:
    request = RequestFactory().generic(method, "/x", headers={"If-None-Match": '"v1"'})

    response: Any = CacheControlMiddleware(lambda request: make_response(request, DYNAMIC))(request)

    assert response.status_code == 200


@pytest.mark.parametrize("status", [201, 301, 404, 500])
def test_status_other_than_200_has_no_304(status: int) -> None:
    assert answer(set_status(status), headers={"If-None-Match": '"v1"'}).status_code == status


@pytest.mark.filterwarnings("ignore:Precondition Failed")
def test_412_is_no_hit_and_not_public() -> None:
    response = answer(headers={"If-Match": '"v0"'}, view={"CDN-Cache-Control": "max-age=9"})

    assert (response.status_code, said(response)) == (412, {"Cache-Control": PRIVATE})
    assert "CDN-Cache-Control" not in response.headers


# --- Whole stacks ------------------------------------------------------------------------------


class Backend:
    """Accounts without a database."""

    def get_user(self, pk: int) -> User:
        return account(pk)


def account(pk: int) -> User:
    return User(pk=pk, username=f"user {pk}", password="unusable")


def session_of(pk: int) -> str:
    """Return the ``Cookie`` field of somebody who has logged in."""
    session = SessionStore()
    session[SESSION_KEY] = str(pk)
    session[BACKEND_SESSION_KEY] = f"{__name__}.Backend"
    session[HASH_SESSION_KEY] = account(pk).get_session_auth_hash()
    session.save()
    return f"sessionid={session.session_key}"


def stamp(get_response: Any) -> Any:
    """Set a cookie, as middleware that counts visitors does."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.set_cookie("visitor", "1")
        return response

    return middleware


def token_guard(get_response: Any) -> Any:
    """Let in whoever has the right cookie, and tell nobody that it matters."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.COOKIES.get("token") != "right":
            return HttpResponse("forbidden", status=403)
        request.user = account(1)
        return get_response(request)

    return middleware


def failing(get_response: Any) -> Any:
    """Fail after the view."""

    def middleware(request: HttpRequest) -> HttpResponse:
        get_response(request)
        raise ValueError("boom")

    return middleware


def token_view(request: HttpRequest) -> HttpResponse:
    get_token(request)
    return make_response(request)


@vary_on_headers("X-Plan")
def plan_view(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(request.headers.get("X-Plan", "none"))
    leave_outcome(request, response, HIT)
    return response


def keyed_plan_view(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(request.headers.get("X-Plan", "none"))
    leave_outcome(request, response, replace(HIT, age=None, varies_on=frozenset({"x-plan"})))
    return response


def language_view(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(request.LANGUAGE_CODE)
    leave_outcome(request, response, replace(HIT, age=None))
    return response


def guarded_view(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("for members", headers={"ETag": '"m"'})
    leave_outcome(request, response, replace(HIT, age=None))
    return response


def plain_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


async def async_view(request: HttpRequest) -> HttpResponse:
    response = make_response(request)
    response.headers["X-Thread"] = str(threading.get_ident())
    return response


URLS = (
    path("x", make_response),
    path("token", token_view),
    path("plan", plan_view),
    path("keyed", keyed_plan_view),
    path("language", language_view),
    path("guarded", guarded_view),
    path("plain", plain_view),
    path("async", async_view),
)
Ask = Callable[..., Any]


@pytest.fixture
def project(settings: Any) -> Any:
    settings.ROOT_URLCONF = URLS
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Backend"]
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    settings.LOGIN_URL = "/login"
    return settings


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, project: Any) -> Ask:
    """Send a GET to the project, in either mode."""

    def ask_sync(path: str, **asked: str) -> Any:
        return prepared(Client(raise_request_exception=False), asked).get(path, headers=spelled(asked))

    def ask_async(path: str, **asked: str) -> Any:
        client = prepared(AsyncClient(raise_request_exception=False), asked)
        # Each in a context of its own: a language that a request activated is not the next one's.
        return Context().run(asyncio.run, client.get(path, headers=spelled(asked)))

    return ask_sync if request.param == "sync" else ask_async


def prepared(client: Any, asked: Mapping[str, str]) -> Any:
    """Return the client, with its cookies where it keeps them: Django 5.2 takes no ``Cookie`` field beside those."""
    for part in asked.get("Cookie", "").split("; ") if "Cookie" in asked else []:
        name, _, value = part.partition("=")
        client.cookies[name] = value
    return client


def spelled(asked: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in asked.items() if name != "Cookie"}


def test_anonymous_hit_is_public_behind_the_usual_middleware(ask: Ask, project: Any) -> None:
    project.MIDDLEWARE = [OURS, *STACK]

    response = ask("/x", Cookie="theme=dark")

    assert said(response) == {"Cache-Control": PUBLIC, "Age": "19", "Cache-Status": "django-routehandlers; hit; ttl=41"}
    assert response.headers["Vary"] == "Accept-Language, Accept-Encoding"


STACKS = {
    "all": STACK,
    "gzip": [GZIP],
    "conditional": [CONDITIONAL],
    "conditional around gzip": [CONDITIONAL, GZIP],
    "none": [],
}


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"'])
@pytest.mark.parametrize("middleware", STACKS.values(), ids=STACKS)
def test_client_that_has_the_body_gets_a_304_behind_any_middleware(
    ask: Ask, project: Any, middleware: list[str], etag: str
) -> None:
    """Invariant 19: also one that ConditionalGetMiddleware made, or whose entity tag GZipMiddleware made weak."""
    project.MIDDLEWARE = [OURS, *middleware]
    first = ask("/x", Accept_Encoding="gzip")
    body = gzip.decompress(first.content) if "Content-Encoding" in first.headers else first.content

    second = ask("/x", If_None_Match=etag, Accept_Encoding="gzip")

    assert (body, second.status_code, second.content) == (BODY, 304, b"")
    assert said(second) == said(first)
    assert set(second.headers.get("Vary", "").lower().split(", ")) >= set(
        first.headers.get("Vary", "").lower().split(", ")
    ) - {""}


def test_304_of_another_middleware_may_stand_for_a_compressed_body(ask: Ask, project: Any) -> None:
    """A cache freshens its entry with the fields of a 304, and would serve a compressed body to everybody."""
    project.MIDDLEWARE = [OURS, GZIP, CONDITIONAL]

    assert ask("/x", If_None_Match='"v1"').headers["Vary"] == "accept-encoding"


def test_session_that_a_guard_reads_makes_it_private(ask: Ask, project: Any) -> None:
    """Invariant 15."""
    project.MIDDLEWARE = [OURS, *STACK, LOGIN_REQUIRED]

    assert ask("/x").status_code == 302
    response = ask("/x", Cookie=session_of(1))

    assert (response.status_code, response.content) == (200, BODY)
    assert response.headers["Cache-Control"] == PRIVATE
    assert "Cookie" in response.headers["Vary"]


def test_304_for_a_client_that_a_guard_let_in_is_private(ask: Ask, project: Any) -> None:
    """A cache downstream would freshen its entry with the fields of this 304."""
    project.MIDDLEWARE = [OURS, *STACK, LOGIN_REQUIRED]

    response = ask("/x", Cookie=session_of(1), If_None_Match='"v1"')

    assert (response.status_code, response.headers["Cache-Control"]) == (304, PRIVATE)


def test_guard_that_tells_nobody_what_it_reads_makes_it_private(ask: Ask, project: Any) -> None:
    project.MIDDLEWARE = [OURS, f"{__name__}.token_guard"]

    response = ask("/x", Cookie="token=right")

    assert (response.status_code, response.headers["Cache-Control"]) == (200, PRIVATE)


def test_cookie_of_another_middleware_makes_it_private(ask: Ask, project: Any) -> None:
    """Invariant 1."""
    project.MIDDLEWARE = [OURS, *STACK, f"{__name__}.stamp"]

    assert ask("/x").headers["Cache-Control"] == PRIVATE


def test_session_that_is_saved_every_time_makes_it_private(ask: Ask, project: Any) -> None:
    """CVE-2026-35192: the cookie of one session must not reach the next client."""
    project.MIDDLEWARE = [OURS, *STACK]
    project.SESSION_SAVE_EVERY_REQUEST = True

    response = ask("/x", Cookie=session_of(1))

    assert ("sessionid" in response.cookies, response.headers["Cache-Control"]) == (True, PRIVATE)


def test_csrf_token_makes_it_private(ask: Ask, project: Any) -> None:
    """Invariant 59."""
    project.MIDDLEWARE = [OURS, *STACK]

    response = ask("/token")

    assert ("csrftoken" in response.cookies, response.headers["Cache-Control"]) == (True, PRIVATE)


def test_vary_of_a_decorator_beyond_the_key_makes_it_private(ask: Ask, project: Any) -> None:
    """Invariant 4."""
    project.MIDDLEWARE = [OURS, *STACK]

    assert [ask("/plan", X_Plan=plan).headers["Cache-Control"] for plan in ("a", "b")] == [PRIVATE, PRIVATE]


def test_error_of_another_middleware_is_neither_public_nor_a_hit(ask: Ask, project: Any) -> None:
    """Invariant 8, CVE-2024-46982: the view's outcome says nothing of the page for the error."""
    project.MIDDLEWARE = [OURS, f"{__name__}.failing"]
    project.DEBUG = False

    response = ask("/x")

    assert (response.status_code, said(response)) == (500, {"Cache-Control": PRIVATE})


def test_plain_view_says_nothing_to_caches(ask: Ask, project: Any) -> None:
    project.MIDDLEWARE = [OURS, *STACK]

    assert said(ask("/plain")) == {}


@pytest.mark.parametrize("outcome", [HIT, DYNAMIC], ids=["cached", "dynamic"])
def test_sync_and_async_say_the_same(project: Any, outcome: CacheOutcome) -> None:
    async def inner(request: HttpRequest) -> HttpResponse:
        return make_response(request, outcome)

    middleware: Any = CacheControlMiddleware(inner)
    response = asyncio.run(middleware(RequestFactory().get("/x")))

    assert said(response) == said(answer(outcome=outcome))


def test_async_mode_never_leaves_the_loop() -> None:
    """No thread hop: the call ends at its first step, with nothing that had to be waited for."""

    async def inner(request: HttpRequest) -> HttpResponse:
        return make_response(request)

    middleware: Any = CacheControlMiddleware(inner)
    call: Coroutine[Any, None, HttpResponse] = middleware(RequestFactory().get("/x"))
    with pytest.raises(StopIteration) as end:
        call.send(None)

    assert end.value.value.headers["Cache-Control"] == PUBLIC
    assert [is_coroutine_function(middleware), is_coroutine_function(CacheControlMiddleware(make_response))] == [
        True,
        False,
    ]


def test_async_view_runs_in_the_thread_of_the_loop(project: Any) -> None:
    project.MIDDLEWARE = [OURS]

    async def run() -> tuple[str, str]:
        response = await AsyncClient().get("/async")
        return response.headers["X-Thread"], response.headers["Cache-Control"]

    assert asyncio.run(run()) == (str(threading.get_ident()), PUBLIC)


# --- A cache downstream ------------------------------------------------------------------------


@dataclass
class Stored:
    """A response in a cache."""

    body: bytes
    fields: dict[str, str]
    asked: dict[str, str]
    time: float


@dataclass
class SharedCache:
    """A cache that serves several users, as little as RFC 9111 asks of it: what it may store, it stores."""

    ask: Ask
    now: float = 0
    stored: dict[str, list[Stored]] = field(default_factory=dict)
    passed_on: int = 0

    def get(self, url: str, **asked: str) -> bytes:
        """Answer a request from the cache where it may, else from the origin."""
        found = next((entry for entry in self.stored.get(url, []) if self._matches(entry, asked)), None)
        if found is not None and self._is_fresh(found):
            return found.body
        tag = {} if found is None or "etag" not in found.fields else {"If_None_Match": found.fields["etag"]}
        response = self.ask(url, **asked, **tag)
        self.passed_on += 1
        fields = {name.lower(): value for name, value in response.headers.items()}
        if response.status_code == 304 and found is not None:
            found.fields.update(fields)
            found.time = self.now
            return found.body
        if self._may_store(response.status_code, fields, asked):
            entry = Stored(response.content, fields, asked, self.now)
            self.stored.setdefault(url, []).insert(0, entry)
        return response.content

    def _may_store(self, status: int, fields: Mapping[str, str], asked: Mapping[str, str]) -> bool:
        control = directives(fields)
        allowed_beside_authorization = {"public", "s-maxage", "must-revalidate"} & control.keys()
        return (
            status == 200
            and not {"private", "no-store"} & control.keys()
            and "*" not in fields.get("vary", "")
            and ("Authorization" not in asked or bool(allowed_beside_authorization))
            and bool({"public", "s-maxage", "max-age"} & control.keys())
        )

    def _matches(self, entry: Stored, asked: Mapping[str, str]) -> bool:
        names = [name.strip().replace("-", "_").lower() for name in entry.fields.get("vary", "").split(",")]
        now, then = ({name.lower(): value for name, value in fields.items()} for fields in (asked, entry.asked))
        return all(now.get(name) == then.get(name) for name in names)

    def _is_fresh(self, entry: Stored) -> bool:
        control = directives(entry.fields)
        age = self.now - entry.time + int(entry.fields.get("age", 0))
        return "no-cache" not in control and age < int(control.get("s-maxage", control.get("max-age", "0")))


def directives(fields: Mapping[str, str]) -> dict[str, str]:
    parts = [part.strip().partition("=") for part in fields.get("cache-control", "").split(",") if part.strip()]
    return {name: value for name, _, value in parts}


@pytest.fixture
def downstream(ask: Ask) -> SharedCache:
    return SharedCache(ask)


def test_cache_downstream_serves_what_is_public_for_as_long_as_it_may(downstream: SharedCache, project: Any) -> None:
    """Invariants 8 and 19: the time in the route cache counts, as Age."""
    project.MIDDLEWARE = [OURS, *STACK]

    bodies = [downstream.get("/x") for downstream.now in (0, 20, 40)]
    assert (bodies, downstream.passed_on) == ([BODY] * 3, 1)
    # 60 seconds in all, 19 of which had passed; then it asks, with the entity tag.
    bodies = [downstream.get("/x") for downstream.now in (41, 81, 82)]
    assert (bodies, downstream.passed_on) == ([BODY] * 3, 3)


def test_cache_downstream_keeps_nothing_of_what_a_guard_allowed(downstream: SharedCache, project: Any) -> None:
    """Invariant 15: two users and a stranger, in all orders."""
    project.MIDDLEWARE = [OURS, *STACK, LOGIN_REQUIRED]
    clients = [{"Cookie": session_of(1)}, {"Cookie": session_of(2)}, {}]
    orders = [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)]

    served = [(who, downstream.get("/guarded", **clients[who])) for order in orders for who in order]

    assert served == [(who, b"" if who == 2 else b"for members") for order in orders for who in order]
    assert (downstream.stored, downstream.passed_on) == ({}, len(served))


def test_cache_downstream_never_gives_away_what_a_token_allowed(downstream: SharedCache, project: Any) -> None:
    """Invariant 6: RFC 9111, section 3.5, would let it store a public response to Authorization."""
    project.MIDDLEWARE = [OURS, f"{__name__}.token_guard"]

    assert downstream.get("/guarded", Cookie="token=right", Authorization="Bearer 1") == b"for members"
    assert downstream.get("/guarded") == b"forbidden"
    assert downstream.get("/guarded", Cookie="token=right") == b"for members"
    assert downstream.get("/guarded") == b"forbidden"


def test_cache_downstream_tells_the_values_of_keyed_fields_apart(downstream: SharedCache, project: Any) -> None:
    """Invariant 4."""
    project.MIDDLEWARE = [OURS, *STACK]

    plans = ["a", "b", "a", "b"]
    assert [downstream.get("/keyed", X_Plan=plan) for plan in plans] == [b"a", b"b", b"a", b"b"]
    assert (downstream.get("/keyed"), downstream.passed_on) == (b"none", 3)


def test_cache_downstream_never_mixes_languages(downstream: SharedCache, project: Any) -> None:
    """Invariant 13: a client that chose its language by cookie fills nothing for those that did not."""
    project.MIDDLEWARE = [OURS, *STACK]

    assert downstream.get("/language", Accept_Language="en", Cookie="django_language=de") == b"de"
    assert downstream.get("/language", Accept_Language="en") == b"en"
    assert downstream.get("/language", Accept_Language="de") == b"de"
    assert (downstream.get("/language", Accept_Language="en"), downstream.passed_on) == (b"en", 3)
