"""
Nobody is ever given what was made for somebody else, and the store holds nothing of anybody.

64 clients, each with an identity in every place of a request where one can be, ask routes that
echo whatever they can get hold of. The short form sends 4,000 requests, ``RH_PROOF=full`` 50,000.
"""

import asyncio
import json
import os
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.core.cache import caches
from django.test import AsyncClient
from pytest_django import Settings

from cache_clients import Connection
from cache_projects import configure, make_cache_project
from cache_servers import RedisServer
from conftest import Site
from servers import Reply, serve

FULL = os.environ.get("RH_PROOF") == "full"
REQUESTS = 50_000 if FULL else 4_000
CLIENTS = 64
TENANTS = ("acme", "globex", "initech")
LANGUAGES = ("en", "de", "fr")
HOSTS = ("one.example", "two.example")

IDENTITY = re.compile(r"idn[0-9a-f]{12}")
ONCE = re.compile(r"onc[0-9a-f]{12}")

MIDDLEWARE = '''
    import uuid
    from contextvars import ContextVar

    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.http import HttpResponse

    current_tenant = ContextVar("current_tenant")
    current_user = ContextVar("current_user")


    def enter(request):
        current_tenant.set(request.headers.get("X-Tenant", ""))
        current_user.set(request.headers.get("X-User", ""))

    def leave(request, response):
        response.headers["X-You-Are"] = request.headers.get("X-User", "")
        if "sid" in request.COOKIES:
            response.set_cookie("seen", request.COOKIES["sid"])
        return response


    def identify(get_response):
        """Set the tenant, which is part of the key, and the user, who is not."""
        if iscoroutinefunction(get_response):

            async def middleware(request):
                enter(request)
                return leave(request, await get_response(request))

            return markcoroutinefunction(middleware)

        def middleware(request):
            enter(request)
            return leave(request, get_response(request))

        return middleware


    identify.sync_capable = identify.async_capable = True


    class Backend:
        """As many users as there are numbers."""

        def get_user(self, number):
            from django.contrib.auth.models import User

            return User(pk=int(number), username=f"idn{int(number):012x}")

        async def aget_user(self, number):
            return self.get_user(number)
    '''

ECHO = """
    import contextvars
    import uuid
    from typing import Annotated

    from APP.identities import current_tenant, current_user
    from django.contrib.auth.decorators import login_not_required
    from django.utils.translation import get_language
    from django_routehandlers import Cookie, Header, JSONResponse, arevalidate_tag, revalidate_path


    def surroundings():
        variables = {}
        for variable, value in contextvars.copy_context().items():
            variables[variable.name] = repr(value)[:2000]
        return {
            "tenant": current_tenant.get(None),
            "user": current_user.get(None),
            "language": get_language(),
            "variables": variables,
            "once": "onc" + uuid.uuid4().hex[:12],
        }
    """

CACHED = ("plain", "threaded", "fields", "query", "tagged", "static", "members")
"""Folders whose routes keep what they answer."""
UNKEPT = ("cookie", "private", "vary", "request", "personal", "failing")
"""Folders whose routes answer each client for itself."""

HANDLERS: Mapping[str, str] = {
    "plain": """
        async def GET(name):
            return {"name": name, **surroundings()}
        """,
    "threaded": """
        revalidate = 1

        def GET(name):
            return {"name": name, **surroundings()}
        """,
    "fields": """
        revalidate = 1

        async def GET(name, x_plan: Annotated[str, Header()] = ""):
            return {"name": name, "plan": x_plan, **surroundings()}
        """,
    "query": """
        def GET(name, page: int = 1):
            return {"name": name, "page": page, **surroundings()}
        """,
    "tagged": """
        def tags(name):
            return ["all", f"tag-{name}"]

        async def GET(name):
            return {"name": name, **surroundings()}
        """,
    "static": """
        dynamic = "force-static"

        def GET(request, name):
            shown = {key: repr(value) for key, value in (*vars(request).items(), ("META", request.META))}
            return {"name": name, "host": request.get_host(), "shown": shown, **surroundings()}
        """,
    "members": """
        async def GET(name):
            return {"name": name, **surroundings()}
        """,
    "cookie": """
        async def GET(name):
            response = JSONResponse({"name": name, **surroundings()})
            response.set_cookie("made", "onc" + uuid.uuid4().hex[:12])
            return response
        """,
    "private": """
        async def GET(name):
            return JSONResponse({"name": name, **surroundings()}, headers={"Cache-Control": "Private"})
        """,
    "vary": """
        def GET(name):
            return JSONResponse({"name": name, **surroundings()}, headers={"Vary": "Accept, Cookie"})
        """,
    "request": """
        async def GET(request, name):
            who = (await request.auser()).get_username()
            return {"name": name, "who": who, "fields": dict(request.headers), **surroundings()}
        """,
    "personal": """
        def GET(name, sid: Annotated[str, Cookie()] = "", authorization: Annotated[str, Header()] = ""):
            return {"name": name, "sid": sid, "authorization": authorization, **surroundings()}
        """,
    "failing": """
        async def GET(name):
            return JSONResponse({"name": name, **surroundings()}, status=404)
        """,
}
INVALIDATING = """
    async def POST(name):
        await arevalidate_tag(f"tag-{name}", "all")

    def PUT(name):
        revalidate_path(f"/plain/{name}")
    """


def routes(app: str) -> dict[str, str]:
    """Return the route files, by path below ``routes``."""
    head = dedent(ECHO.replace("APP", app))
    found = {f"{name}/[name]/route.py": head + dedent(handler) for name, handler in HANDLERS.items()}
    found["invalidate/[name]/route.py"] = head + dedent(INVALIDATING)
    return {name: _open(source) if name[:7] != "members" else source for name, source in found.items()}


def _open(source: str) -> str:
    """Return a route file that asks nobody to log in."""
    return re.sub(
        r"^(async )?def (?=[A-Z]+\()", lambda found: f"@login_not_required\n{found[0]}", source, flags=re.MULTILINE
    )


def session_of(number: int, app: str) -> str:
    """Return the cookie of a client that has logged in."""
    user = User(pk=number, username="")
    session = {
        "_auth_user_id": str(number),
        "_auth_user_backend": f"{app}.identities.Backend",
        "_auth_user_hash": user.get_session_auth_hash(),
    }
    return signing.dumps(session, compress=True, salt="django.contrib.sessions.backends.signed_cookies")


@dataclass
class Sent:
    """A request, with the identities that only its own answer may hold."""

    method: str
    target: str
    fields: dict[str, str]
    host: str
    tenant: str
    language: str
    plan: str
    page: int
    user: int | None
    identities: frozenset[str]


@dataclass
class Answer:
    """What came back, from whatever kind of server."""

    status: int
    fields: Sequence[tuple[str, str]]
    body: bytes


Send = Callable[[int, Sent], Awaitable[Answer]]


def make_request(chance: random.Random, client: int, app: str) -> Sent:
    """Return a request with a new identity in a few places, and some that others share."""
    folder, name = chance.choice((*CACHED, *CACHED, *UNKEPT)), chance.choice("abcd")
    new = [f"idn{chance.getrandbits(48):012x}" for _ in range(6)]
    plan, page = chance.choice(("", "basic", "gold")), chance.randrange(1, 4)
    tenant, language = chance.choice(TENANTS), chance.choice(LANGUAGES)
    fields = {"X-User": new[0], "X-Tenant": tenant, "Accept-Language": language}
    if plan:
        fields["X-Plan"] = plan
    cookies = {"sid": new[1], "theme": new[2]} if chance.random() < 0.6 else {}
    user = None
    if chance.random() < 0.4:
        user = client + 1
        cookies["sessionid"] = session_of(user, app)
        new.append(f"idn{user:012x}")
    if cookies:
        fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    if chance.random() < 0.4:
        fields["Authorization"] = chance.choice(("Bearer", "Basic")) + f" {new[3]}"
    if chance.random() < 0.4:
        fields[chance.choice(("User-Agent", "Referer", "Origin", "X-Forwarded-For", "X-Anything", "Range"))] = new[4]
    target = f"/{folder}/{name}?page={page}" + (f"&utm_source={new[5]}" if chance.random() < 0.5 else "")
    method = "GET"
    if chance.random() < 0.02:
        method, target = chance.choice((("POST", f"/invalidate/{name}"), ("PUT", f"/invalidate/{name}")))
        fields.pop("Origin", None)
    elif chance.random() < 0.05:
        method = "HEAD"
    host = chance.choice(HOSTS)
    return Sent(method, target, fields, host, tenant, language, plan, page, user, frozenset(new))


@dataclass
class Judge:
    """Looks at each answer, and remembers what may come only once."""

    seen: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def look(self, sent: Sent, answer: Answer) -> None:
        """Note what is wrong with an answer."""
        head = "\n".join(f"{name}: {value}" for name, value in answer.fields)
        folder = sent.target.split("/")[1]
        foreign = set(IDENTITY.findall(head + answer.body.decode())) - sent.identities
        if foreign:
            self.fault(sent, f"has {foreign}")
        status = next((value for name, value in answer.fields if name.lower() == "cache-status"), "none")
        self.counts[f"{folder} {'hit' if '; hit' in status else 'other'}"] += 1
        if folder == "invalidate" or (folder == "members" and sent.user is None):
            if answer.status != (204 if folder == "invalidate" else 302):
                self.fault(sent, f"has the status {answer.status}")
            return
        if answer.status != (404 if folder == "failing" else 200):
            self.fault(sent, f"has the status {answer.status}: {answer.body[:300]!r}")
        elif sent.method == "GET":
            self.look_at_body(sent, folder, json.loads(answer.body))
        self.look_at_fields(sent, folder, answer)

    def look_at_body(self, sent: Sent, folder: str, body: dict[str, Any]) -> None:
        """Note what is of another tenant, language, host, plan, page, or run."""
        wanted: dict[str, Any] = {"tenant": sent.tenant, "language": sent.language}
        if folder == "fields":
            wanted["plan"] = sent.plan
        if folder == "query":
            wanted["page"] = sent.page
        if folder == "static":
            wanted["host"] = sent.host
        if folder not in ("request", "personal"):
            wanted["user"] = None
        if folder == "request":
            wanted["who"] = "" if sent.user is None else f"idn{sent.user:012x}"
        if folder == "personal":
            sid = SimpleCookie(sent.fields.get("Cookie", "")).get("sid")
            wanted["sid"] = "" if sid is None else sid.value
            wanted["authorization"] = sent.fields.get("Authorization", "")
        found = {name: body[name] for name in wanted}
        if found != wanted:
            self.fault(sent, f"has {found}, not {wanted}")
        if folder not in ("request", "personal") and IDENTITY.search(json.dumps(body)):
            self.fault(sent, f"saw an identity: {json.dumps(body)[:2000]}")
        if folder in UNKEPT:
            self.once(sent, body["once"])

    def look_at_fields(self, sent: Sent, folder: str, answer: Answer) -> None:
        """Note a cookie that came before, and words that let caches share what is for one client."""
        control = ""
        for name, value in answer.fields:
            for one in ONCE.findall(value):
                self.once(sent, one)
            control = value if name.lower() == "cache-control" else control
        personal = folder in (*UNKEPT, "members") or "Authorization" in sent.fields or "Cookie" in sent.fields
        if personal and "public" in control:
            self.fault(sent, f"is {control}")

    def once(self, sent: Sent, token: str) -> None:
        """Note a token that came before."""
        if token in self.seen:
            self.fault(sent, f"has {token} again")
        self.seen.add(token)

    def fault(self, sent: Sent, what: str) -> None:
        """Note what is wrong."""
        self.faults.append(f"{sent.method} {sent.target} {what}")


async def hunt(send: Send, judge: Judge, *, requests: int, seed: str, app: str) -> None:
    """Have all clients send their share of the requests, each its own one after the other."""

    async def visit(number: int) -> None:
        chance = random.Random(f"{seed}-{number}")
        for _ in range(requests // CLIENTS):
            sent = make_request(chance, number, app)
            judge.look(sent, await send(number, sent))

    await asyncio.gather(*(visit(number) for number in range(CLIENTS)))


def assert_all_was_tried(judge: Judge) -> None:
    """See that the hunt has been one: routes that keep were hit, and those that do not were not."""
    assert judge.faults[:5] == []
    assert {name for name in CACHED if judge.counts[f"{name} hit"] < 10} == set()
    assert {name for name in UNKEPT if judge.counts[f"{name} hit"]} == set()
    assert {name for name in UNKEPT if judge.counts[f"{name} other"] < 10} == set()


@pytest.mark.slow
def test_nothing_leaks_in_process_and_from_memory(site: Site, settings: Settings) -> None:
    """Invariants 1, 4, 6, 13, 15 and 35."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": site.name}}
    settings.USE_I18N, settings.LOGIN_URL = True, "/login"
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.AUTHENTICATION_BACKENDS = [f"{site.name}.identities.Backend"]
    settings.MIDDLEWARE = [
        "django_routehandlers.middleware.CacheControlMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        f"{site.name}.identities.identify",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    site.write(routes(site.name))
    (site.root / site.name / "identities.py").write_text(dedent(MIDDLEWARE))
    settings.ROUTEHANDLERS = {"CACHE_CONTEXT": [f"{site.name}.identities.current_tenant"]}
    site.install()
    clients = [AsyncClient() for _ in range(CLIENTS)]

    async def send(number: int, sent: Sent) -> Answer:
        # The test client of ASGI has one host, and sends its own field of cookies: Django 5.2 joins two with a comma.
        sent.host, client = "testserver", clients[number]
        client.cookies.load(sent.fields.get("Cookie", ""))
        fields = {name: value for name, value in sent.fields.items() if name != "Cookie"}
        response = await getattr(client, sent.method.lower())(sent.target, headers=fields)
        client.cookies.clear()
        cookies = [("set-cookie", one.OutputString()) for one in response.cookies.values()]
        return Answer(response.status_code, [*response.headers.items(), *cookies], response.content)

    judge = Judge()
    asyncio.run(hunt(send, judge, requests=REQUESTS // 2, seed="memory", app=site.name))
    assert_all_was_tried(judge)
    assert IDENTITY.findall(repr(vars(caches["default"])["_cache"])) == []


SETTINGS = """
    USE_I18N = True
    MIDDLEWARE = [
        "django_routehandlers.middleware.CacheControlMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "pages.identities.identify",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    SECRET_KEY = "of the hunt"
    SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    AUTHENTICATION_BACKENDS = ["pages.identities.Backend"]
    LOGIN_URL = "/login"
    """


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of routes that echo."""
    home = make_cache_project(tmp_path_factory.mktemp("leaks"), routes("pages"), settings=SETTINGS)
    (home / "pages" / "identities.py").write_text(dedent(MIDDLEWARE))
    return home


@pytest.mark.slow
@pytest.mark.parametrize("has_tier", [True, False])
def test_nothing_leaks_from_two_processes_with_redis(
    home: Path, redis: RedisServer, settings: Settings, has_tier: bool
) -> None:
    """Invariants 1, 4, 6, 13, 15 and 35: and the store itself holds nothing of anybody."""
    settings.SECRET_KEY = "of the hunt"
    redis.flush()
    context = ["pages.identities.current_tenant"]
    configure(home, redis.url, CACHE_CONTEXT=context, LOCAL_TIER=has_tier, STORE_TIMEOUT=5)
    judge = Judge()
    with serve("uvicorn-httptools", home) as first, serve("uvicorn-h11", home) as second:
        connections = [[Connection(server.port) for server in (first, second)] for _ in range(CLIENTS)]
        chance = random.Random(1)

        async def send(number: int, sent: Sent) -> Answer:
            connection = chance.choice(connections[number])
            lines = [f"{name}: {value}" for name, value in sent.fields.items()]
            if sent.method == "PUT":
                lines.append("Content-Length: 0")
            reply: Reply = await connection.ask(sent.target, lines, method=sent.method, host=sent.host)
            return Answer(reply.status, reply.fields, reply.body)

        async def all_of_it() -> None:
            await hunt(send, judge, requests=REQUESTS // 2, seed=f"redis-{has_tier}", app="pages")
            for pair in connections:
                for one in pair:
                    one.close()

        asyncio.run(all_of_it())
    assert_all_was_tried(judge)
    dumped = dump(redis)
    assert len(dumped) > 50
    assert [one for one in dumped if IDENTITY.search(one)] == []
    # Of what is kept the store holds one each; of what is not, none.
    assert judge.seen.isdisjoint(token for one in dumped for token in ONCE.findall(one))


def dump(redis: RedisServer) -> list[str]:
    """Return every key of the server with its value."""
    from redis import Redis

    with Redis.from_url(redis.url) as client:
        keys = list(client.scan_iter(count=1000))
        return [f"{key!r} {client.get(key)!r}" for key in keys]
