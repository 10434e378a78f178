"""Throttling of routes from outside: who asks too often is told so, and everybody is told how much is left."""

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.contrib.auth.models import User

from conftest import Site
from django_routehandlers.caching.current import forget_cache
from throttle_sites import WAYS, Answer, ask

OURS = "django_routehandlers.middleware.CacheControlMiddleware"
IMPORTS = "from django_routehandlers import CORS, Throttle\n\n"
GET = "\n\nasync def GET(request):\n    return 1\n"
KEPT = "\n\nasync def GET():\n    return 1\n"
SYNC = "\n\ndef GET(request):\n    return 1\n"
Ask = Callable[..., Answer]


def make_project(site: Site, **settings: object) -> None:
    backend = "django.core.cache.backends.locmem.LocMemCache"
    site.settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": site.name}}
    site.settings.MIDDLEWARE = [OURS]
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, **settings}


@pytest.fixture(params=WAYS)
def send(request: pytest.FixtureRequest, site: Site) -> Iterator[Ask]:
    """Send a request: method, path, address and fields."""
    make_project(site)
    yield partial(ask, request.param)
    forget_cache()


def statuses(send: Ask, *requests: str, address: str = "192.0.2.1") -> list[int]:
    return [send(*one.split(), address).status for one in requests]


@pytest.mark.parametrize("handler", [GET, SYNC, KEPT])
def test_client_that_asks_too_often_is_refused_and_told_when_to_come_back(site: Site, send: Ask, handler: str) -> None:
    """A hit of the cache counts, and the answer of the cache has the fields of who asks. Invariant 2."""
    site.serve({"hello/route.py": f"throttle = '2/hour'{handler}"})

    answers = [send("GET", "/hello") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.fields["ratelimit-policy"] for answer in answers] == ['"hour";q=2;w=3600'] * 3
    left = [answer.fields["ratelimit"].rpartition(";t=") for answer in answers]
    assert [one[0] for one in left] == ['"hour";r=1', '"hour";r=0', '"hour";r=0']
    assert all(3600 <= int(one[2]) <= 3960 for one in left)
    assert all("public" not in answer.fields["cache-control"] for answer in answers)
    refused = answers[2]
    assert json.loads(refused.body) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "violated-policies": ["hour"],
    }
    wanted = {
        "content-type": "application/problem+json",
        "retry-after": left[2][2],
        "cache-control": "no-store",
        "cache-status": "django-routehandlers; fwd=bypass; detail=throttle",
    }
    assert {name: refused.fields[name] for name in wanted} == wanted
    assert send("GET", "/hello", "192.0.2.2").left == [1]


def test_folder_counts_for_all_routes_below_and_the_nearest_place_speaks_alone(site: Site, send: Ask) -> None:
    site.serve(
        {
            "api/middleware.py": "throttle = '2/hour'\n",
            "api/one/route.py": GET,
            "api/two/route.py": KEPT,
            "api/own/route.py": f"throttle = '1/hour'{GET}",
            "api/free/route.py": f"throttle = None{GET}",
            "else/route.py": GET,
        }
    )

    assert statuses(send, "GET /api/one", "GET /api/two", "GET /api/one", "GET /api/two") == [200, 200, 429, 429]
    assert statuses(send, "GET /api/own", "GET /api/own", "GET /api/free") == [200, 429, 200]
    assert not any("ratelimit" in send("GET", path).fields for path in ("/else", "/api/free"))


def test_request_that_one_limit_of_a_list_refuses_uses_none_of_the_others(site: Site, send: Ask) -> None:
    limits = "throttle = [Throttle('2/hour', name='burst'), '9/day']"
    site.serve({"hello/route.py": IMPORTS + limits + GET})

    answers = [send("GET", "/hello") for _ in range(5)]

    assert [answer.status for answer in answers] == [200, 200, 429, 429, 429]
    assert [answer.left for answer in answers] == [[1, 8], [0, 7], [0, 7], [0, 7], [0, 7]]
    assert answers[0].fields["ratelimit-policy"] == '"burst";q=2;w=3600, "day";q=9;w=86400'


def test_methods_that_are_not_named_are_not_counted_and_head_counts_as_get(site: Site, send: Ask) -> None:
    methods = "\n\nasync def POST(request):\n    return 1\n"
    named = IMPORTS + "throttle = Throttle('1/hour', methods=['POST'])"
    site.serve({"all/route.py": "throttle = '2/hour'" + GET + methods, "some/route.py": named + GET + methods})

    assert statuses(send, "OPTIONS /all", "OPTIONS /all", "GET /all", "HEAD /all", "POST /all") == [204] * 2 + [
        200,
        200,
        429,
    ]
    assert statuses(send, "GET /some", "POST /some", "GET /some", "POST /some") == [200, 200, 200, 429]


def test_preflights_are_not_counted_and_refusals_have_the_fields_of_cors(site: Site, send: Ask) -> None:
    """Invariant 83."""
    head = IMPORTS + "cors = CORS(['https://a.example'])\nthrottle = '1/hour'"
    own = "\n\nasync def OPTIONS(request):\n    return 1\n"
    methods = IMPORTS + "throttle = Throttle('1/hour', methods=['OPTIONS'])"
    site.serve({"hello/route.py": head + GET, "own/route.py": methods + GET + own})
    asked = {"Origin": "https://a.example", "Access_Control_Request_Method": "GET"}

    assert [send("OPTIONS", "/hello", **asked).status for _ in range(2)] == [204, 204]
    # That one is the route's own to answer, and its limit names OPTIONS.
    assert [send("OPTIONS", "/own", **asked).status for _ in range(2)] == [200, 429]
    answers = [send("GET", "/hello", Origin="https://a.example") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].fields["access-control-allow-origin"] == "https://a.example"


def test_what_is_told_of_limits_is_private_whatever_caches_stand_around(site: Site, send: Ask) -> None:
    """Invariant 1: a cache of the site would give the fields of one client to the next."""
    words = "def GET(request):\n    return JSONResponse(1, headers={'Cache-Control': 'public, max-age=9'})\n"
    head = "from django_routehandlers import JSONResponse\n\nthrottle = '1/minute'\n\n\n"
    around = (
        "from django.http import HttpResponse\n\npublic = True\n\n\nasync def middleware(request, call_next):\n"
        "    response = await call_next(request)\n"
        "    return response if response.status_code == 200 else HttpResponse(headers={'Cache-Control': 'public'})\n"
    )
    site.serve({"a/route.py": head + words, "b/middleware.py": around, "b/route.py": head + words})
    for path in ("/a", "/b"):
        first, second = send("GET", path), send("GET", path)
        assert [one.fields["cache-control"].split(",")[0] for one in (first, second)][0] == "private"
        assert "public" not in second.fields["cache-control"]
        assert ("retry-after" in second.fields) is (second.status == 429)


def test_users_of_two_models_are_two_clients(site: Site, send: Ask) -> None:
    guard = (
        "class Program:\n    is_authenticated, pk = True, 1\n\n\nclass Person(Program):\n    pass\n\n\n"
        "async def middleware(request, call_next):\n"
        "    request.user = Person() if request.headers.get('X-Who') == 'person' else Program()\n"
        "    return await call_next(request)\n\n\nthrottle = '1/minute'\n"
    )
    site.serve({"middleware.py": guard, "route.py": GET.lstrip()})
    answers = [send("GET", "/", X_Who=who).status for who in ("person", "program", "person", "program")]
    assert answers == [200, 200, 429, 429]


def test_a_route_and_the_folder_of_its_path_count_apart(site: Site, send: Ask) -> None:
    same = "throttle = '2/minute'\n"
    site.serve({"middleware.py": same, "route.py": IMPORTS + same + GET, "other/route.py": GET})
    assert statuses(send, "GET /", "GET /", "GET /", "GET /other") == [200, 200, 429, 200]


def test_a_key_is_any_callable(site: Site, send: Ask) -> None:
    key = "class Everybody:\n    __hash__ = None\n\n    def __call__(self, request):\n        return 'all'\n\n\n"
    site.serve({"route.py": IMPORTS + key + "throttle = Throttle('1/hour', key=Everybody())" + GET})
    assert statuses(send, "GET /", "GET /") == [200, 429]


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_function_says_who_a_client_is_and_who_is_not_counted(site: Site, send: Ask, kind: str) -> None:
    key = f"{IMPORTS}\n\n{kind} key(request):\n    return request.headers.get('X-Key')\n\n\n"
    site.serve(
        {
            "hello/route.py": key + "throttle = Throttle('1/hour', key=key)" + GET,
            "sync/route.py": key + "throttle = Throttle('1/hour', key=key)" + SYNC,
            "odd/route.py": IMPORTS + "throttle = Throttle('1/hour', key=lambda request: 7)" + GET,
        }
    )

    for path in ("/hello", "/sync"):
        assert [send("GET", path, X_Key=key).status for key in ("a", "b", "a")] == [200, 200, 429]
        assert statuses(send, f"GET {path}", f"GET {path}") == [200, 200]
        assert "ratelimit" not in send("GET", path).fields
    assert send("GET", "/odd").status == 500


def test_guard_of_a_folder_comes_first_and_may_say_who_asks(site: Site, send: Ask) -> None:
    """What it refuses is not counted; what it makes of a refusal is told how much is left."""
    guard = """
        from django.http import HttpResponse
        from types import SimpleNamespace


        async def middleware(request, call_next):
            if "X-Key" not in request.headers:
                return HttpResponse(status=401)
            request.user = SimpleNamespace(is_authenticated=True, pk=request.headers["X-Key"])
            response = await call_next(request)
            return HttpResponse("slow", status=420) if response.status_code == 429 else response
        """
    site.serve({"middleware.py": guard, "hello/route.py": f"throttle = '1/hour'{KEPT}"})

    assert statuses(send, "GET /hello", "GET /hello") == [401, 401]
    answers = [send("GET", "/hello", address, X_Key=key) for key, address in zip("aba", "xyz", strict=True)]
    assert [answer.status for answer in answers] == [200, 200, 420]
    assert answers[2].left == [0]


REPLACING = """
import copy
import io

from django.core.handlers.wsgi import WSGIRequest


{kind} middleware(request, call_next):
    other = {other}
    other.is_other = True
    return {wait}call_next(other)
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("other", ["copy.copy(request)", "WSGIRequest({**request.META, 'wsgi.input': io.BytesIO()})"])
def test_client_is_told_of_its_limits_though_a_middleware_passes_on_another_request(
    site: Site, send: Ask, kind: str, other: str
) -> None:
    """Refusals and failures too."""
    wait = "" if kind == "def" else "await "
    handler = "from django.http import Http404\n\n\ndef GET(request):\n    assert request.is_other\n    raise Http404\n"
    site.serve(
        {
            "middleware.py": REPLACING.format(kind=kind, other=other, wait=wait),
            "x/route.py": "throttle = '2/hour'\n\n\nasync def GET(request):\n    return request.is_other\n",
            "y/route.py": f"throttle = '2/hour'\n{handler}",
        }
    )
    for path, statuses in (("/x", [200, 200, 429]), ("/y", [404, 404, 429])):
        answers = [send("GET", path) for _ in range(3)]
        assert [(answer.status, answer.left) for answer in answers] == [
            (status, [left]) for status, left in zip(statuses, [1, 0, 0], strict=True)
        ]
        assert [answer.fields.get("retry-after") is not None for answer in answers] == [False, False, True]


def test_failures_of_the_route_count_and_are_told_how_much_is_left(site: Site, send: Ask) -> None:
    """Before the content is read, too."""
    handlers = "throttle = '4/hour'\n\n\nasync def GET(request):\n    raise LookupError\n"
    body = "\n\nasync def POST(body: dict):\n    return body\n"
    site.serve({"hello/route.py": handlers + body})

    answers = [send(method, "/hello") for method in ("GET", "POST", "DELETE", "PUT", "POST")]

    assert [answer.status for answer in answers] == [500, 400, 405, 405, 429]
    assert [answer.left for answer in answers] == [[3], [2], [1], [0], [0]]


@pytest.mark.django_db(transaction=True)
def test_user_has_a_count_of_its_own_wherever_it_asks_from(site: Site, send: Ask, client: object) -> None:
    sessions = "django.contrib.sessions"
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, sessions]
    site.settings.MIDDLEWARE = [
        OURS,
        f"{sessions}.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    only = IMPORTS + "throttle = Throttle('1/hour', key='user')"
    site.serve({"hello/route.py": "throttle = '1/hour'" + KEPT, "only/route.py": only + GET})
    cookies: list[str] = []
    for name in ("ann", "ben"):
        site.client.force_login(User.objects.create(username=name))
        cookies.append(f"sessionid={site.client.cookies['sessionid'].value}")
        site.client.cookies.clear()

    ann, ben = cookies
    asked = [(ann, "192.0.2.1"), (ben, "192.0.2.1"), (ann, "192.0.2.2"), ("", "192.0.2.1"), ("", "192.0.2.1")]
    assert [send("GET", "/hello", address, Cookie=one).status for one, address in asked] == [200, 200, 429, 200, 429]
    assert [send("GET", "/only", Cookie=one).status for one in ("", "", ann, ann)] == [200, 200, 200, 429]


def test_setting_counts_for_routes_that_say_nothing_and_can_be_switched_off(site: Site) -> None:
    make_project(site, THROTTLE="1/hour")
    site.serve({"one/route.py": GET, "two/route.py": GET, "free/route.py": f"throttle = None{GET}"})
    send = partial(ask, "WSGI")

    assert statuses(send, "GET /one", "GET /two", "GET /free") == [200, 429, 200]
    make_project(site, THROTTLE="1/hour", THROTTLE_ENABLED=False)
    assert statuses(send, "GET /one", "GET /two") == [200, 200]
    make_project(site, THROTTLE="often")
    assert [str(one.id) for one in site.check()] == ["routehandlers.E001"]
    forget_cache()


FORWARDED = "X_Forwarded_For"


@pytest.mark.parametrize(
    ("proxies", "first", "second", "is_one_client"),
    [
        pytest.param(0, ("192.0.2.1", "203.0.113.1"), ("192.0.2.1", "203.0.113.2"), True, id="never believed"),
        pytest.param(0, ("192.0.2.1", ""), ("192.0.2.2", ""), False, id="addresses"),
        pytest.param(1, ("10.0.0.1", "203.0.113.1"), ("10.0.0.1", "203.0.113.2"), False, id="one proxy"),
        pytest.param(1, ("10.0.0.1", "1.1.1.1, 203.0.113.1"), ("10.0.0.1", "2.2.2.2,203.0.113.1"), True, id="spoofed"),
        pytest.param(
            2, ("10.0.0.1", "1.1.1.1, 203.0.113.1, 10.0.0.9"), ("10.0.0.1", "203.0.113.1, 10.0.0.8"), True, id="two"
        ),
        pytest.param(2, ("10.0.0.1", "203.0.113.1"), ("10.0.0.1", "203.0.113.2"), True, id="fewer than there are"),
        pytest.param(1, ("10.0.0.1", "no address"), ("10.0.0.1", "none"), True, id="nonsense"),
        pytest.param(1, ("10.0.0.1", "203.0.113.1:9"), ("10.0.0.1", "203.0.113.1:8"), True, id="ports"),
        pytest.param(1, ("10.0.0.1", "[2001:db8::1]:9"), ("10.0.0.1", "2001:db8::2"), True, id="IPv6 and port"),
        pytest.param(0, ("2001:db8::1", ""), ("2001:db8::ffff:2", ""), True, id="one /64"),
        pytest.param(0, ("2001:db8::1", ""), ("2001:db8:0:1::1", ""), False, id="another /64"),
        pytest.param(0, ("192.0.2.1", ""), ("::ffff:192.0.2.1", ""), True, id="mapped"),
        pytest.param(0, ("", ""), ("", "203.0.113.2"), True, id="a socket without addresses"),
    ],
)
def test_address_of_a_client_is_what_our_own_proxies_say(
    site: Site, proxies: int, first: tuple[str, str], second: tuple[str, str], is_one_client: bool
) -> None:
    make_project(site, PROXY_COUNT=proxies)
    site.serve({"hello/route.py": f"throttle = '1/hour'{GET}"})

    sent = [(peer, {FORWARDED: named} if named else {}) for peer, named in (first, second)]
    answers = [ask("engine", "GET", "/hello", peer, **fields) for peer, fields in sent]

    assert [answer.status for answer in answers] == [200, 429 if is_one_client else 200]
