"""The test kit: clients, calls of handlers, the route cache of a test, pages of other origins, changes of threads."""

import asyncio
import unittest
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import Http404, HttpResponse
from django.test import RequestFactory, SimpleTestCase
from django.urls import NoReverseMatch
from pydantic import BaseModel

from conftest import Site
from django_routehandlers import after
from django_routehandlers.asgi import get_asgi_application
from django_routehandlers.testing import (
    AsyncBrowserClient,
    AsyncRouteClient,
    BrowserClient,
    ReceivedProblem,
    RouteClient,
    RouteTestMixin,
    UnexpectedResponse,
    acall,
    assert_cors_allowed,
    assert_cors_refused,
    assert_num_hops,
    call,
    contract_schema,
    route_cache,
    route_handler,
)
from django_routehandlers.testing.browsers import browser_fields
from engine_client import ask

PRODUCTS = """
    from typing import Annotated

    from django_routehandlers import Header, JSONResponse
    from pydantic import BaseModel


    class Product(BaseModel):
        name: str
        price: int = 0


    {kind} GET(request, limit: int = 10):
        return [{{"name": f"Oak {{limit}}", "price": 1}}]


    {kind} POST(body: Product):
        return JSONResponse(body, status=201)
"""
PRODUCT = """
    from django.http import Http404

    {kind} GET(request, id: int):
        if id == 404:
            raise Http404("Gone.")
        if id == 500:
            raise ValueError("broken")
        return {{"name": "Oak", "price": id}}


    {kind} DELETE(id: int):
        pass
"""
STREAM = """
    from django_routehandlers import EventStreamResponse, ServerSentEvent


    {kind} GET(request, below: int = 3):
        for number in range(below):
            yield number


    {kind} POST():
        return EventStreamResponse([ServerSentEvent({{"percent": 50}}, event="progress")])
"""


class Product(BaseModel):
    name: str
    price: int = 0


Ask = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def kit(request: pytest.FixtureRequest, site: Site) -> Ask:
    """Ask routes with one of the two clients, of handlers of its kind: ``kit("get", "/products")``."""
    kind = "def" if request.param == "sync" else "async def"
    files = {"products/route.py": PRODUCTS, "products/[id]/route.py": PRODUCT, "stream/route.py": STREAM}
    site.serve({name: text.format(kind=kind) for name, text in files.items()})
    client: Any = RouteClient() if request.param == "sync" else AsyncRouteClient()

    def send(method: str, *args: Any, **kwargs: Any) -> Any:
        answer = getattr(client, method)(*args, **kwargs)
        return asyncio.run(_awaited(answer)) if request.param == "async" else answer

    return send


async def _awaited(answer: Any) -> Any:
    response = await answer
    if response.streaming:
        read = response.lines if "ndjson" in response["Content-Type"] else response.events
        found = await read()
        response.lines = response.events = lambda limit=None: found[:limit]
    return response


# Clients


def test_client_sends_json_that_our_encoder_writes_and_parses_what_comes_back(kit: Ask) -> None:
    response = kit("post", "/products", json=Product(name="Elm", price=3))
    assert response.parse(Product, status=201) == response.parse(Product) == Product(name="Elm", price=3)
    assert kit("get", "/products", {"limit": 7}).parse(list[Product]) == [Product(name="Oak 7", price=1)]
    # Django's own attributes are all there.
    assert (response.json(), response.status_code) == ({"name": "Elm", "price": 3}, 201)
    assert (response.resolver_match.url_name, response.problem) == ("products", None)
    # null is JSON, and a mistake is none of the client's.
    assert kit("post", "/products", json=None).status_code == 422


def test_client_asks_by_url_name_and_params_or_by_path(kit: Ask) -> None:
    assert kit("get", "routes:products-id", params={"id": 7}).json()["price"] == 7
    assert kit("get", "/products/7").json()["price"] == 7
    assert kit("delete", "routes:products-id", params={"id": 7}).status_code == 204
    assert kit("head", "routes:products").content == b""
    assert kit("options", "routes:products").headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert kit("put", "routes:products").problem.status == kit("patch", "/products").problem.status == 405
    with pytest.raises(NoReverseMatch):
        kit("get", "routes:products-id")
    with pytest.raises(TypeError, match="params= is for the URL name"):
        kit("get", "/products", params={"id": 7})
    with pytest.raises(TypeError, match="two contents"):
        kit("post", "/products", {"name": "Elm"}, json={"name": "Elm"})


def test_client_follows_the_redirect_of_a_slash_too_many(kit: Ask) -> None:
    response = kit("get", "/products/7/", follow=True)
    assert (response.redirect_chain, response.parse(Product).price) == ([("/products/7", 308)], 7)
    response = kit("post", "/products/", json=Product(name="Elm"), follow=True)
    assert (response.redirect_chain, response.parse(Product).name) == ([("/products", 308)], "Elm")


def test_problem_is_read_with_its_errors(kit: Ask) -> None:
    problem = kit("post", "/products?", json={"price": "x"}).problem
    assert (problem.status, [one["pointer"] for one in problem.errors]) == (422, ["#/name", "#/price"])
    assert kit("get", "/products/404").problem == ReceivedProblem(title="Not Found", status=404, detail="Gone.")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"title": 1, "status": "x", "balance": 30}', ReceivedProblem(status=400, members={"balance": 30})),
        (b"{", None),
    ],
)
def test_problem_of_others_is_read_as_rfc_9457_says(
    site: Site, content: bytes, expected: ReceivedProblem | None
) -> None:
    answer = f"HttpResponse({content!r}, 'application/problem+json', 400)"
    site.serve({"a/route.py": f"from django.http import HttpResponse\ndef GET(request):\n    return {answer}\n"})
    assert RouteClient().get("/a").problem == expected


def test_exception_of_a_handler_is_raised_as_djangos_client_does(kit: Ask) -> None:
    with pytest.raises(ValueError, match="broken"):
        kit("get", "/products/500")


def test_stream_is_read_from_its_response(kit: Ask) -> None:
    assert kit("get", "/stream").lines(2) == [0, 1]
    (event,) = kit("post", "/stream").events()
    assert (event.type, event.json()) == ("progress", {"percent": 50})


def test_response_that_is_not_what_was_expected_says_what_it_is(kit: Ask) -> None:
    for response, arguments, message in (
        (
            kit("get", "/products/404"),
            {},
            "GET /products/404: the status is 404, and one of success was expected.*Gone",
        ),
        (kit("get", "/products"), {"status": 201}, "the status is 200, and 201 was expected"),
        (kit("get", "/products"), {}, "the content is no Product: 1 validation error.*Oak 10"),
        (kit("delete", "/products/7"), {}, "the media type is '', and JSON was expected"),
        (kit("get", "/stream"), {}, "it is a stream"),
    ):
        with pytest.raises(UnexpectedResponse, match=f"(?s){message}"):
            response.parse(Product, **arguments)


def test_client_logs_in_and_keeps_cookies_as_djangos_does(site: Site, db: None) -> None:
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "django.contrib.sessions"]
    site.settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    site.serve({"me/route.py": "def GET(user):\n    return user.username\n"})
    client = RouteClient()
    assert client.get("/me").parse(str) == ""
    client.force_login(User.objects.create(username="ada"))
    assert client.get("/me").parse(str) == "ada"


# Calls

INPUTS = """
    from datetime import date
    from typing import Annotated, Literal

    from django.contrib.auth.models import User
    from django.core.files.uploadedfile import UploadedFile
    from django.http import Http404
    from django_routehandlers import Cookie, Form, Header, after
    from pydantic import BaseModel


    class Item(BaseModel):
        name: str


    class Page(BaseModel):
        size: int = 10
        tags: list[str] = []


    DONE = []


    {kind} GET(id: int, query: Page, x_plan: Annotated[list[str], Header()] = [], theme: Annotated[str, Cookie()] = ""):
        return [id, query.size, query.tags, x_plan, theme]


    {kind} POST(id: int, user: User, body: list[Item], day: date = None, only: Annotated[list[bool] | None, 1] = None):
        after(DONE.append, id)
        return [id, user.username, [one.name for one in body], day, only]


    {kind} PUT(id: int, photo: UploadedFile, title: Annotated[str, Form()]) -> list[str | int]:
        return [title, photo.name, photo.size]


    {kind} PATCH(request, id: int, text: Annotated[str, Form()] = "") -> list[str]:
        return [request.method, text, request.user.username]


    {kind} DELETE(id: int, body: str):
        if body == "gone":
            raise Http404(body)
        return 3.0 if body == "three" else object()
"""


@pytest.fixture(params=["def", "async def"])
def inputs(request: pytest.FixtureRequest, site: Site) -> Callable[..., Any]:
    """Call a handler by its method: with ``call()``, and with ``acall()``, which have to agree."""
    site.serve({"items/[id]/route.py": INPUTS.format(kind=request.param), "tree/[[...path]]/route.py": CATCH_ALL})

    def run(method: str, *, of: str = "routes:items-id", **given: Any) -> Any:
        handler = route_handler(of, method)
        response, other = call(handler, **given), asyncio.run(acall(handler, **given))
        assert (response.status_code, response.content) == (other.status_code, other.content)
        return response

    return run


CATCH_ALL = "def GET(request, path: list[str]):\n    return path\n"


def test_call_gives_a_handler_each_kind_of_input(inputs: Callable[..., Any]) -> None:
    page: dict[str, Any] = {"size": 5, "tags": ["a", "b"]}
    assert inputs("GET", id=3, query=page, x_plan=["a", "b"], theme="dark").json() == [
        3,
        5,
        ["a", "b"],
        ["a", "b"],
        "dark",
    ]
    assert inputs("GET", id="3").json() == [3, 10, [], [], ""]
    user = User(username="ada")
    body = [Product(name="Elm")]
    assert inputs("POST", id=3, user=user, body=[{"name": "Elm"}], day=date(2026, 1, 2), only=[True, False]).json() == [
        *(3, "ada", ["Elm"], "2026-01-02", [True, False])
    ]
    assert inputs("POST", id=3, user=user, body=body).json() == [3, "ada", ["Elm"], None, None]
    photo = SimpleUploadedFile("sea.png", b"12345")
    assert call(route_handler("routes:items-id", "PUT"), id=3, photo=photo, title="Sea").json() == ["Sea", "sea.png", 5]
    assert inputs("PATCH", id=3, text="a&b").json() == ["PATCH", "a&b", ""]
    assert inputs("GET", of="routes:tree-path").json() == []
    assert inputs("GET", of="routes:tree-path", path=["a", 1]).json() == ["a", "1"]


def test_call_gives_a_handler_what_its_preconditions_were_judged_by(site: Site) -> None:
    source = "def etag(id: int):\n    return '7'\n\n\n{} PUT(id: int, etag: str | None):\n    return [id, etag]\n"
    site.serve({"a/[id]/route.py": source.format("def"), "b/[id]/route.py": source.format("async def")})
    for name in ("routes:a-id", "routes:b-id"):
        put = route_handler(name, "PUT")
        assert (call(put, id=1, etag="6").json(), call(put, id=1).json()) == ([1, "6"], [1, None])


def test_call_does_after_what_the_handler_deferred(inputs: Callable[..., Any], site: Site) -> None:
    inputs("POST", id=3, user=User(username="ada"), body=[])
    module = import_module(f"{site.label()}.routes.items.[id].route")
    assert module.DONE == [3, 3]
    assert module.POST is route_handler("routes:items-id", "POST")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_call_of_a_cached_get_says_why_it_may_not_defer(site: Site, kind: str) -> None:
    source = f"from django_routehandlers import after\n\n\n{kind} GET():\n    after(print)\n"
    site.serve({"a/route.py": source})
    with pytest.raises(RuntimeError, match=r"after\(\) was called by a cached GET"):
        call(route_handler("routes:a"))
    with pytest.raises(RuntimeError, match="no request is being answered"):
        after(print)


def test_call_takes_a_request_in_the_place_of_inputs(inputs: Callable[..., Any]) -> None:
    request = RequestFactory().patch("/x", "text=b", content_type="application/x-www-form-urlencoded")
    assert call(route_handler("routes:items-id", "PATCH"), request=request, id=3).json() == ["PATCH", "b", ""]
    with pytest.raises(TypeError, match="text and request= are both given"):
        inputs("PATCH", request=request, id=3, text="c")


def test_call_answers_inputs_that_do_not_fit_as_a_client_would_be(inputs: Callable[..., Any]) -> None:
    assert inputs("GET", id="x").problem.status == 404
    assert inputs("POST", id=3, body=[]).problem.status == 401
    problem = inputs("POST", id=3, user=User(username="ada"), body=[{}], day="x").problem
    assert [one.get("pointer") or one["parameter"] for one in problem.errors] == ["day", "#/0/name"]


def test_call_raises_what_the_handler_raises_and_what_is_wrong_with_the_call(inputs: Callable[..., Any]) -> None:
    with pytest.raises(Http404, match="gone"):
        inputs("DELETE", id=3, body="gone")
    with pytest.raises(TypeError, match="object"):
        inputs("DELETE", id=3, body="an object")
    assert inputs("DELETE", id=3, body="three").parse(float) == 3.0
    with pytest.raises(TypeError, match="it has no input 'page'"):
        inputs("DELETE", id=3, page=1)
    with pytest.raises(TypeError, match=r"the segment \[id\] has no value. Give id="):
        inputs("DELETE")
    with pytest.raises(LookupError, match="defines no HEAD. It defines GET, POST"):
        route_handler("routes:items-id", "HEAD")
    with pytest.raises(LookupError, match="There are routes:items-id, routes:tree-path"):
        route_handler("items")
    with pytest.raises(LookupError, match="is no handler of a route"):
        call(print)


def test_call_runs_a_stream_and_leaves_the_cache_alone(site: Site) -> None:
    files = {
        "s/route.py": "def GET():\n    yield 1\n    yield 2\n",
        "c/route.py": "N = []\ndef GET():\n    N.append(1)\n    return len(N)\n",
    }
    site.serve(files)
    assert call(route_handler("routes:s")).lines(1) == [1]
    with route_cache():
        assert [call(route_handler("routes:c")).json() for _ in range(2)] == [1, 2]


# The route cache


COUNTED = """
    N = []
    tags = ["count"]


    {kind} GET(page: int = 1):
        N.append(page)
        return len(N)
"""


@pytest.fixture
def counted(site: Site) -> Site:
    """A cached route whose answer is how often it ran; the cache is off, as under DEBUG."""
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": False}
    return site.serve(
        {"count/route.py": COUNTED.format(kind="async def"), "live/route.py": "def GET(request):\n    pass\n"}
    )


def test_route_cache_is_on_empty_and_of_one_test(counted: Site) -> None:
    client = RouteClient()
    for _ in range(2):
        with route_cache() as cache:
            cache.assert_not_stored("/count")
            first, second = client.get("/count?utm=1"), client.get("/count?utm=2")
            cache.assert_miss(first)
            cache.assert_hit(second)
            cache.assert_bypassed(client.get("/live"))
            cache.assert_stored("/count?utm=3")
            cache.assert_stored("routes:count")
            # By another scheme it is another URL.
            cache.assert_not_stored("/count", secure=True)
            cache.assert_not_stored("/count?page=2")
            cache.assert_not_stored("/count?page=x")
            cache.assert_not_stored("/live")
            assert (cache.hits, cache.misses, cache.stored) == (1, 1, 1)
        # Off again, as the settings have it.
        assert client.get("/count").json() != client.get("/count").json()


@pytest.mark.parametrize(
    ("check", "path", "message"),
    [
        ("assert_hit", "/count", "GET /count: a hit was expected, and it is .*fwd=uri-miss; stored"),
        ("assert_hit", "/live", "it is .*bypass; detail=dynamic. Its GET is dynamic: takes the request\\.$"),
        ("assert_miss", "/live", "a miss was expected"),
        ("assert_bypassed", "/count", "to pass the cache by"),
        ("assert_hit", "/nowhere", "no route answered"),
    ],
)
def test_route_cache_says_what_it_did_instead(counted: Site, check: str, path: str, message: str) -> None:
    with route_cache() as cache, pytest.raises(AssertionError, match=message):
        getattr(cache, check)(RouteClient().get(path))


def test_route_cache_says_why_nothing_is_stored(counted: Site) -> None:
    with route_cache() as cache:
        with pytest.raises(AssertionError, match="has no entry for it: nothing was stored\\.$"):
            cache.assert_stored("/count")
        RouteClient().get("/count")
        with pytest.raises(AssertionError, match="has an entry for it, which is fresh"):
            cache.assert_not_stored("/count")
        with pytest.raises(AssertionError, match="its route is dynamic: takes the request"):
            cache.assert_stored("/live")


@pytest.mark.parametrize("path", ["/nowhere", "/openapi.json"])
@pytest.mark.parametrize("check", ["assert_stored", "assert_not_stored"])
def test_route_cache_knows_nothing_of_what_no_route_answers(counted: Site, check: str, path: str) -> None:
    with route_cache() as cache, pytest.raises(AssertionError, match=f"GET {path}: no route answers it"):
        getattr(cache, check)(path)


@pytest.mark.django_db
@pytest.mark.parametrize(("config", "is_told"), [("", True), ("depends_on = None", False)])
def test_route_cache_tells_of_rows_that_are_not_committed(site: Site, config: str, is_told: bool) -> None:
    count = "from django.contrib.auth.models import User\n{}\ndef GET():\n    return User.objects.count()\n"
    site.serve({"users/route.py": count.format(config)})
    User.objects.create(username="ada")
    with route_cache() as cache:
        if is_told:
            RouteClient().get("/users")
        with pytest.raises(AssertionError) as failure:
            cache.assert_stored("/users")
    assert ("If it shows rows of auth_user, these are not committed" in str(failure.value)) is is_told
    assert ("TransactionTestCase" in str(failure.value)) is is_told


def test_route_cache_tells_of_a_304(counted: Site) -> None:
    counted.settings.MIDDLEWARE = ["django_routehandlers.middleware.CacheControlMiddleware"]
    with route_cache() as cache:
        etag = RouteClient().get("/count").headers["ETag"]
        response = RouteClient().get("/count", headers={"If-None-Match": etag})
        assert response.status_code == 304
        cache.assert_hit(response)


# Other origins

CORS_ROUTE = """
    from django_routehandlers import CORS, JSONResponse

    cors = CORS(["https://app.example.com"], credentials=True)
    {extra}


    def GET(request):
        return JSONResponse({{"a": 1}}, headers={{"X-Sent": ",".join(sorted(request.headers))}})


    def PUT(request):
        return dict(request.headers)
"""


@pytest.fixture(params=["sync", "async"])
def page(request: pytest.FixtureRequest, site: Site) -> Ask:
    """Ask as a page does: ``page(origin, method, path)``."""
    site.settings.ALLOWED_HOSTS = ["testserver", "api.example.com", "localhost"]
    site.settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    site.serve({"a/route.py": CORS_ROUTE.format(extra=""), "token/route.py": CORS_ROUTE.format(extra='csrf = "token"')})

    def send(page: str | None, verb: str, path: str, **options: Any) -> Any:
        host = options.pop("host", "testserver")
        if request.param == "sync":
            return getattr(BrowserClient(page, host=host), verb)(path, **options)
        return asyncio.run(_awaited(getattr(AsyncBrowserClient(page, host=host), verb)(path, **options)))

    return send


APP = "https://app.example.com"


def test_page_of_an_allowed_origin_reads_and_writes(page: Ask) -> None:
    response = page(APP, "get", "/a", host="api.example.com")
    assert_cors_allowed(response, APP, credentials=True)
    sent = page(APP, "put", "/a", host="api.example.com").json()
    fields = ("Host", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")
    assert [sent.get(name) for name in fields] == ["api.example.com", APP, f"{APP}/", "same-site", "cors", "empty"]
    # What the test says itself stands.
    assert page(APP, "put", "/a", headers={"Sec-Fetch-Site": "none"}).json()["Sec-Fetch-Site"] == "none"


def test_page_of_a_stranger_is_refused(page: Ask) -> None:
    evil = "https://evil.example"
    assert_cors_refused(page(evil, "get", "/a"), evil)
    assert page(evil, "put", "/a").problem.status == 403
    with pytest.raises(UnexpectedResponse, match="https://evil.example is refused: .*-Origin is None"):
        assert_cors_allowed(page(evil, "get", "/a"), evil)
    with pytest.raises(UnexpectedResponse, match="a page of https://app.example.com is allowed"):
        assert_cors_refused(page(APP, "get", "/a"), APP)
    with pytest.raises(UnexpectedResponse, match="the request's Origin is 'https://evil.example'"):
        assert_cors_allowed(page(evil, "get", "/a"), APP)


def test_page_of_the_site_itself_passes_and_is_asked_for_a_token_where_that_is_the_rule(page: Ask) -> None:
    assert page(None, "put", "/a").status_code == 200
    assert page(None, "put", "/token").status_code == 403


def test_preflight_is_judged_by_what_it_asks_for(page: Ask) -> None:
    allowed = page(APP, "preflight", "routes:a", origin=APP, method="PUT", request_headers=["Content-Type"])
    assert_cors_allowed(allowed, APP, credentials=True)
    for options, why in (
        ({"method": "DELETE"}, "Access-Control-Allow-Methods does not name DELETE|status of a preflight"),
        ({"method": "PUT", "request_headers": ["X-Own", "Authorization"]}, "does not name x-own|status of a preflight"),
        ({"method": "PUT", "origin": "https://evil.example"}, "Origin is"),
    ):
        response = page(APP, "preflight", "/a", **{"origin": APP, **options})
        assert_cors_refused(response, options.get("origin", APP))
        with pytest.raises(UnexpectedResponse, match=why):
            assert_cors_allowed(response, APP)


def test_nothing_is_known_of_a_page_that_did_not_ask(page: Ask) -> None:
    with pytest.raises(UnexpectedResponse, match="nobody knows .* the request's Origin is 'https://evil.example'"):
        assert_cors_refused(page("https://evil.example", "get", "/a"), APP)
    with pytest.raises(UnexpectedResponse, match="the request's Origin is None"):
        assert_cors_refused(page(None, "get", "/a"), APP)


@pytest.mark.parametrize(
    "origin", ["https://a.example/", "https://a.example:443", "https://A.example", " https://a.b", ""]
)
def test_an_origin_that_no_browser_sends_is_a_mistake(origin: str) -> None:
    for check in (
        BrowserClient,
        partial(assert_cors_allowed, HttpResponse()),
        partial(assert_cors_refused, HttpResponse()),
    ):
        with pytest.raises(ValueError, match=r"Write 'https|Write scheme"):
            check(origin)


def test_a_response_that_a_browser_gives_to_the_page_is_not_refused_for_its_vary() -> None:
    response = HttpResponse(headers={"Access-Control-Allow-Origin": APP})
    with pytest.raises(UnexpectedResponse, match="is allowed"):
        assert_cors_refused(response, APP)


def test_a_preflight_names_methods_as_they_are_sent(page: Ask) -> None:
    response = page(APP, "preflight", "/a", origin=APP, method="PUT")
    assert_cors_allowed(response, APP)
    response.headers["Access-Control-Allow-Methods"] = "put"
    assert_cors_refused(response, APP)


@pytest.mark.parametrize(
    ("fields", "credentials", "why"),
    [
        ({"Access-Control-Allow-Origin": APP, "Vary": "*"}, False, None),
        ({"Access-Control-Allow-Origin": "*"}, False, None),
        ({"Access-Control-Allow-Origin": "*"}, True, "Access-Control-Allow-Origin is '*'"),
        ({"Access-Control-Allow-Origin": APP, "Vary": "Accept, Origin"}, False, None),
        ({"Access-Control-Allow-Origin": APP, "Vary": "Origin"}, True, "Allow-Credentials is not 'true'"),
        ({"Access-Control-Allow-Origin": APP}, False, "Vary does not name Origin"),
        ({}, False, "Access-Control-Allow-Origin is None"),
    ],
)
def test_response_by_hand_is_judged_as_fetch_does(fields: dict[str, str], credentials: bool, why: str | None) -> None:
    response = HttpResponse(headers=fields)
    if why is None:
        assert_cors_allowed(response, APP, credentials=credentials)
    else:
        with pytest.raises(UnexpectedResponse, match=why.replace("*", r"\*")):
            assert_cors_allowed(response, APP, credentials=credentials)


@pytest.mark.parametrize(
    ("origin", "target", "method", "expected"),
    [
        (APP, "https://app.example.com:443", "GET", "same-origin -"),
        (APP, "https://app.example.com", "POST", f"same-origin {APP}"),
        (APP, "https://api.example.com", "GET", f"same-site {APP}"),
        (APP, "https://app.example.com:8443", "GET", f"same-site {APP}"),
        (APP, "https://shop.example.org", "GET", f"cross-site {APP}"),
        ("http://app.example.com", "https://app.example.com", "GET", "cross-site http://app.example.com"),
        ("null", "https://app.example.com", "GET", "cross-site null"),
        # A browser says nothing of where it comes from to a server that anybody may read along.
        ("http://app.example.com", "http://app.example.com", "POST", "- http://app.example.com"),
        ("http://localhost:3000", "http://localhost:8000", "GET", "same-site http://localhost:3000"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:8000", "GET", "same-site http://127.0.0.1:3000"),
        ("http://10.0.0.1", "http://127.0.0.1", "GET", "cross-site http://10.0.0.1"),
    ],
)
def test_fields_are_those_of_a_browser(origin: str, target: str, method: str, expected: str) -> None:
    fields = browser_fields(origin, target, method)
    assert f"{fields.get('Sec-Fetch-Site', '-')} {fields.get('Origin', '-')}" == expected


# Changes of threads


def helper() -> None:
    """Stand for what has to run in a thread."""


def test_hops_are_counted_and_named() -> None:
    unpatched = SyncToAsync.__call__

    async def work() -> None:
        async with assert_num_hops(1) as hops:
            await sync_to_async(helper)()
            await sync_to_async(helper, thread_sensitive=False)()
        assert hops.names == [f"{__name__}.helper"]
        with pytest.raises(AssertionError, match=rf"1 changes of threads, and 0 expected.\n1. {__name__}.helper"):
            async with assert_num_hops(0):
                await sync_to_async(helper)()
        with pytest.raises(ZeroDivisionError), assert_num_hops(5):
            _ = 1 / 0

    asyncio.run(work())
    assert SyncToAsync.__call__ is unpatched


def test_hops_of_blocks_that_overlap_are_counted_apart() -> None:
    unpatched = SyncToAsync.__call__

    async def work() -> None:
        first, second = assert_num_hops(2), assert_num_hops(2)
        first.__enter__()
        await sync_to_async(helper)()
        second.__enter__()
        await sync_to_async(helper)()
        first.__exit__(None, None, None)
        await sync_to_async(helper)()
        second.__exit__(None, None, None)
        assert (len(first.names), len(second.names)) == (2, 2)

    asyncio.run(work())
    # What is left counts nothing, and calls what was there before.
    SyncToAsync.__call__ = unpatched


@pytest.mark.parametrize(("kind", "hops"), [("async def", 0), ("def", 1)])
def test_hops_of_a_request_on_the_engine_are_those_of_its_handler(site: Site, kind: str, hops: int) -> None:
    site.serve({"a/route.py": f"{kind} GET(request):\n    return 1\n"})
    application = get_asgi_application()

    async def work() -> None:
        await ask(application, "a")
        async with assert_num_hops(hops):
            await ask(application, "a")

    asyncio.run(work())


def test_hops_of_a_client_are_counted_in_sync_code(site: Site) -> None:
    route = "from asgiref.sync import sync_to_async\nasync def GET(request):\n    await sync_to_async(len)('')\n"
    site.serve({"a/route.py": route})
    RouteClient().get("/a")
    with assert_num_hops(1) as hops:
        RouteClient().get("/a")
    assert hops.names == ["builtins.len"]


# Test cases, and the contract


def test_mixin_gives_a_test_case_clients_and_a_cache_that_end_with_it(counted: Site) -> None:
    class CountTest(RouteTestMixin, SimpleTestCase):
        def runTest(self) -> None:
            cache = self.use_route_cache()
            assert self.route_client.get("/count").parse(int) == 1
            cache.assert_hit(asyncio.run(_awaited(self.aroute_client.get("routes:count"))))
            assert self.route_client is self.route_client

    result = unittest.TestResult()
    CountTest().run(result)
    assert (result.testsRun, result.failures, result.errors) == (1, [], [])
    assert RouteClient().get("/count").json() != RouteClient().get("/count").json()


def test_contract_is_asked_by_a_host_of_the_project(site: Site, db: None) -> None:
    site.settings.ALLOWED_HOSTS = ["api.example.com"]
    site.settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    site.serve({"a/route.py": "def GET(request) -> str:\n    return request.get_host()\n"})
    for given, host in ({}, "testserver"), ({"host": "api.example.com"}, "api.example.com"):
        site.settings.ALLOWED_HOSTS = [host]
        (operation,) = (one.ok() for one in contract_schema(**given).get_all_operations())
        response = operation.Case().call_and_validate()
        assert (response.status_code, response.json()) == (200, host)
    with pytest.raises(ImproperlyConfigured, match=r"ALLOWED_HOSTS is \['api.example.com'\]"):
        contract_schema(host="other.example.com")


def test_contract_finds_an_answer_that_is_not_in_the_document(site: Site, db: None) -> None:
    route = "from django.http import HttpResponse\ndef GET(request) -> str:\n    return HttpResponse(status=418)\n"
    site.serve({"a/route.py": route})
    site.settings.ROUTEHANDLERS = {"VALIDATE_RESPONSES": False}
    (operation,) = (one.ok() for one in contract_schema().get_all_operations())
    # Answers that are no success are problems, the document says.
    with pytest.raises(BaseExceptionGroup, match="1 distinct failure") as found:
        operation.Case().call_and_validate()
    assert [type(error).__name__ for error in found.value.exceptions] == ["UndefinedContentType"]
