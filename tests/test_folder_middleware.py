"""A request to a route below `middleware.py` files: who runs, in which order, in which thread, and what comes back."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.core.signals import got_request_exception
from django.test import AsyncRequestFactory
from django.urls import resolve

from conftest import Site

Send = Callable[..., Any]

ROUTE = """
dynamic = "force-dynamic"


async def GET(request):
    return {"notes": getattr(request, "notes", [])}
"""


@pytest.fixture(params=["WSGI", "ASGI"])
def send(request: pytest.FixtureRequest, site: Site) -> Send:
    """Send one request, under WSGI and under ASGI."""
    if request.param == "WSGI":
        return lambda method, path, **extra: site.client.generic(method, path, **extra)
    return lambda method, path, **extra: asyncio.run(_send(site, method, path, extra))


async def _send(site: Site, method: str, path: str, extra: dict[str, Any]) -> Any:
    response: Any = await site.async_client.generic(method, path, **extra)
    if response.streaming:
        # Read on the loop that made it, as a server does.
        content = b"".join([part async for part in response])
        response.streaming_content = iter([content])
    return response


def noting(word: str, kind: str = "async def", *, name: str = "middleware") -> str:
    """Return a middleware that notes *word* on the request, and in a field of the response."""
    wait = "await " if kind == "async def" else ""
    return f"""
{kind} {name}(request, call_next):
    request.notes = [*getattr(request, "notes", []), {word!r}]
    response = {wait}call_next(request)
    response.headers["X-Notes"] = f"{{response.headers.get('X-Notes', '')}} {word}".strip()
    return response
"""


KINDS = [
    pytest.param(("async def", "async def", "async def"), id="all async"),
    pytest.param(("def", "def", "def"), id="all sync"),
    pytest.param(("async def", "def", "async def"), id="sync within async"),
    pytest.param(("def", "async def", "def"), id="async within sync"),
]


@pytest.mark.parametrize("handler", ["async def", "def"])
@pytest.mark.parametrize("kinds", KINDS)
def test_middleware_runs_from_the_root_to_the_leaf_and_then_the_routes_own(
    site: Site, send: Send, kinds: tuple[str, str, str], handler: str
) -> None:
    root, leaf, own = kinds
    site.serve(
        {
            "middleware.py": noting("root", root),
            "a/(group)/middleware.py": noting("group", leaf),
            "a/(group)/b/route.py": noting("own", own) + ROUTE.replace("async def", handler),
        }
    )

    response = send("GET", "/a/b")

    assert response.json() == {"notes": ["root", "group", "own"]}
    assert response.headers["X-Notes"] == "own group root"


def test_list_of_functions_is_outermost_first(site: Site, send: Send) -> None:
    functions = noting("f", name="f") + noting("g", "def", name="g")
    site.serve(
        {
            "middleware.py": functions + "\nmiddleware = [f, g]\n",
            "x/route.py": functions.replace("'f'", "'h'").replace("'g'", "'i'") + "\nmiddleware = (f, g)\n" + ROUTE,
        }
    )

    assert send("GET", "/x").json() == {"notes": ["f", "g", "h", "i"]}


def test_groups_give_siblings_middleware_of_their_own(site: Site, send: Send) -> None:
    site.serve(
        {
            "(one)/middleware.py": noting("one"),
            "(one)/a/route.py": ROUTE,
            "(two)/middleware.py": noting("two"),
            "(two)/b/route.py": ROUTE,
            "c/route.py": ROUTE,
            "_private/middleware.py": "raise RuntimeError\n",
        }
    )

    assert [send("GET", path).json()["notes"] for path in ("/a", "/b", "/c")] == [["one"], ["two"], []]


def test_middleware_of_one_app_is_around_no_route_of_another(site: Site) -> None:
    site.write({"middleware.py": noting("first"), "a/route.py": ROUTE}, app="one")
    site.write({"b/route.py": ROUTE}, app="two")
    site.install("one", "two")

    assert [site.client.get(path).json()["notes"] for path in ("/a", "/b")] == [["first"], []]


CALLABLES = """
import functools


class Slow:
    async def __call__(self, request, call_next):
        request.notes = [*getattr(request, "notes", []), "slow"]
        return await call_next(request)


class Quick:
    def __call__(self, request, call_next):
        request.notes = [*getattr(request, "notes", []), "quick"]
        return call_next(request)


async def noting(word, request, call_next):
    request.notes = [*getattr(request, "notes", []), word]
    return await call_next(request)


def plainly(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)

    return call


@plainly
async def decorated(request, call_next):
    return await noting("decorated", request, call_next)


middleware = [Slow(), Quick(), functools.partial(noting, "partial"), functools.partial(Slow()), decorated]
"""


def test_any_callable_will_do(site: Site, send: Send) -> None:
    site.serve({"middleware.py": CALLABLES, "x/route.py": ROUTE})

    assert send("GET", "/x").json() == {"notes": ["slow", "quick", "partial", "slow", "decorated"]}


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/a/7", 405),
        ("OPTIONS", "/a/7", 204),
        ("GET", "/a/x", 404),
        ("HEAD", "/a/7", 200),
        ("BREW", "/a/7", 405),
    ],
)
def test_middleware_is_around_answers_that_no_handler_gives(
    site: Site, send: Send, kind: str, method: str, path: str, status: int
) -> None:
    site.serve({"a/middleware.py": noting("a", kind), "a/[id]/route.py": "def GET(id: int):\n    return id\n"})

    response = send(method, path)

    assert (response.status_code, response.headers["X-Notes"]) == (status, "a")


def test_middleware_is_around_neither_the_slash_redirect_nor_what_no_route_has(site: Site, send: Send) -> None:
    site.serve({"middleware.py": noting("a"), "a/route.py": ROUTE})

    redirect, missing = send("GET", "/a/"), send("GET", "/b")

    assert (redirect.status_code, redirect.headers["Location"]) == (308, "/a")
    assert missing.status_code == 404
    assert "X-Notes" not in redirect.headers
    assert "X-Notes" not in missing.headers


@pytest.mark.parametrize(
    ("returned", "status", "content"),
    [
        ('{"ok": True}', 200, b'{"ok":true}'),
        ("None", 204, b""),
        ('HttpResponse("no", status=418)', 418, b"no"),
        ('(line for line in ["a", "b"])', 200, b'"a"\n"b"\n'),
        ("Point(1)", 200, b'{"x":1}'),
    ],
)
@pytest.mark.parametrize("kind", ["async def", "def"])
def test_middleware_returns_what_a_handler_may_return_and_nothing_within_runs(
    site: Site, send: Send, kind: str, returned: str, status: int, content: bytes
) -> None:
    text = f"""
from django.http import HttpResponse
from pydantic.dataclasses import dataclass


@dataclass
class Point:
    x: int


{kind} middleware(request, call_next):
    return {returned}
"""
    site.serve({"middleware.py": text, "x/route.py": "def GET(request):\n    raise RuntimeError\n"})

    response = send("GET", "/x")

    body = b"".join(response.streaming_content) if response.streaming else response.content
    assert (response.status_code, body) == (status, content)


@pytest.mark.parametrize(
    ("kind", "returned", "what"),
    [
        ("async def", "(1, 2)", "a tuple"),
        ("def", "object()", "an object"),
        ("async def", "call_next(request)", "a coroutine"),
    ],
)
def test_impossible_result_is_an_error_that_names_the_middleware(
    site: Site, send: Send, caplog: pytest.LogCaptureFixture, kind: str, returned: str, what: str
) -> None:
    site.serve(
        {"a/middleware.py": f"{kind} guard(request, call_next):\n    return {returned}\n\n\nmiddleware = guard\n"}
        | {"a/route.py": ROUTE}
    )

    assert send("GET", "/a").status_code == 500
    (error,) = [record.exc_info[1] for record in caplog.records if record.exc_info]
    file = site.root / site.label() / "routes/a/middleware.py"
    assert str(error).startswith(f"middleware /a:guard ({file}): returned {what}.")


CATCHING = """
async def middleware(request, call_next):
    try:
        return await call_next(request)
    except LookupError as error:
        return {"caught": str(error)}
"""
SYNC_CATCHING = CATCHING.replace("async ", "").replace("await ", "")


@pytest.mark.parametrize("handler", ["async def", "def"])
@pytest.mark.parametrize("text", [CATCHING, SYNC_CATCHING], ids=["async", "sync"])
def test_unexpected_exception_is_raised_by_call_next(site: Site, send: Send, text: str, handler: str) -> None:
    signals: list[object] = []
    got_request_exception.connect(signals.append, weak=False, dispatch_uid="test")
    site.serve({"middleware.py": text, "x/route.py": f"{handler} GET(request):\n    raise LookupError('gone')\n"})
    try:
        assert send("GET", "/x").json() == {"caught": "gone"}
    finally:
        got_request_exception.disconnect(dispatch_uid="test")
    assert signals == []


@pytest.mark.parametrize("handler", ["async def", "def"])
@pytest.mark.parametrize("kinds", KINDS)
def test_exception_that_nobody_catches_is_logged_and_signalled_once_and_a_500_problem(
    site: Site, send: Send, caplog: pytest.LogCaptureFixture, kinds: tuple[str, str, str], handler: str
) -> None:
    signals: list[object] = []

    def receive(**kwargs: Any) -> None:
        signals.append(kwargs["request"].path)

    got_request_exception.connect(receive, weak=False, dispatch_uid="test")
    site.serve(
        {
            "middleware.py": noting("root", kinds[0]),
            "x/middleware.py": noting("leaf", kinds[1]),
            "x/route.py": noting("own", kinds[2]) + f"\n\n{handler} GET(request):\n    raise LookupError('gone')\n",
        }
    )
    try:
        response = send("GET", "/x")
    finally:
        got_request_exception.disconnect(dispatch_uid="test")

    assert response.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    assert signals == ["/x"]
    assert [record.getMessage() for record in caplog.records] == ["Internal Server Error: /x"]


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("error", ["LookupError('gone')", "StopIteration"])
def test_exception_of_a_middleware_itself_is_a_500_problem(site: Site, send: Send, kind: str, error: str) -> None:
    site.serve({"middleware.py": f"{kind} middleware(request, call_next):\n    raise {error}\n", "x/route.py": ROUTE})

    response = send("GET", "/x")

    assert response.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        ("Http404('No such thing.')", 404),
        ("PermissionDenied('Not you.')", 403),
        ("BadRequest('What?')", 400),
        ("SuspiciousOperation('x')", 400),
    ],
)
@pytest.mark.parametrize("by", ["handler", "middleware"])
@pytest.mark.parametrize("kind", ["async def", "def"])
def test_expected_refusal_is_a_response_for_those_around_it(
    site: Site, send: Send, raised: str, status: int, by: str, kind: str
) -> None:
    head = "from django.core.exceptions import *\nfrom django.http import Http404\n\n\n"
    refusing = head + f"{kind} middleware(request, call_next):\n    raise {raised}\n"
    files = {"middleware.py": noting("around", kind), "x/route.py": ROUTE}
    if by == "handler":
        files["x/route.py"] = head + f"{kind} GET(request):\n    raise {raised}\n"
    else:
        files["x/middleware.py"] = refusing
    site.serve(files)

    response = send("GET", "/x")

    assert (response.status_code, response.json()["status"]) == (status, status)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Notes"] == "around"


def test_invalid_input_and_forged_requests_are_responses_too(site: Site, send: Send) -> None:
    site.serve({"middleware.py": noting("around"), "x/route.py": "async def POST(number: int):\n    return number\n"})

    invalid = send("POST", "/x?number=one")
    forged = send("POST", "/x?number=1", headers={"Sec-Fetch-Site": "cross-site"})

    assert [(one.status_code, one.headers["X-Notes"]) for one in (invalid, forged)] == [
        (422, "around"),
        (403, "around"),
    ]


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_refusal_is_logged_once(site: Site, send: Send, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    caplog.set_level(logging.WARNING)
    route = "from django.core.exceptions import PermissionDenied\n\n\ndef GET(request):\n    raise PermissionDenied\n"
    site.serve({"middleware.py": noting("a", kind), "x/middleware.py": noting("b", kind), "x/route.py": route})

    send("GET", "/x")

    assert [record.getMessage() for record in caplog.records] == ["Forbidden (Permission denied): /x"]


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_call_next_may_be_called_again_and_with_another_request(site: Site, send: Send, kind: str) -> None:
    text = """
    import copy

    calls = []


    async def middleware(request, call_next):
        first = await call_next(request)
        other = copy.copy(request)
        other.notes = ["other"]
        second = await call_next(other)
        second.headers["X-First"] = first.content.decode()
        return second
    """
    if kind == "def":
        text = text.replace("async ", "").replace("await ", "")
    site.serve({"middleware.py": text, "x/route.py": ROUTE})

    response = send("GET", "/x")

    assert (response.json(), response.headers["X-First"]) == ({"notes": ["other"]}, '{"notes":[]}')


def test_middleware_sees_what_the_route_matched_and_may_read_the_content(site: Site, send: Send) -> None:
    site.serve(
        {
            "middleware.py": """
            def middleware(request, call_next):
                response = call_next(request)
                response.headers["X-Seen"] = f"{request.resolver_match.kwargs} {request.body!r}"
                return response
            """,
            "x/[id]/route.py": "async def POST(id: int, body: dict):\n    return body\n",
        }
    )

    response = send("POST", "/x/7", data='{"a":1}', content_type="application/json")

    assert response.json() == {"a": 1}
    assert response.headers["X-Seen"] == "{'id': '7'} b'{\"a\":1}'"


WHERE = """
import threading

{kind} {name}(request, call_next):
    request.threads = [*getattr(request, "threads", []), threading.get_ident()]
    return {wait}call_next(request)
"""


def where(kind: str) -> str:
    """Return a middleware that notes its thread on the request."""
    wait = "await " if kind == "async def" else ""
    return WHERE.format(kind=kind, name="middleware", wait=wait)


@pytest.mark.parametrize(
    ("kinds", "handler", "threads"),
    [
        (("async def", "async def"), "async def", "LLL"),
        (("async def", "async def"), "def", "LLW"),
        (("def", "def"), "def", "WWW"),
        (("def", "def"), "async def", "WWL"),
        (("def", "async def"), "def", "WLW"),
        (("async def", "def"), "async def", "LWL"),
        (("async def", "def"), "def", "LWW"),
    ],
)
def test_sync_middleware_runs_in_the_requests_thread_and_async_on_the_loop(
    site: Site, kinds: tuple[str, str], handler: str, threads: str
) -> None:
    """Invariant 54."""
    route = f"""
import threading


{handler} GET(request):
    return [*request.threads, threading.get_ident()]
"""
    site.serve({"middleware.py": where(kinds[0]), "x/middleware.py": where(kinds[1]), "x/route.py": route})

    async def ask() -> str:
        loop, found = threading.get_ident(), (await site.async_client.get("/x")).json()
        workers = set(found) - {loop}
        assert len(workers) <= 1
        return "".join("L" if one == loop else "W" for one in found)

    assert asyncio.run(ask()) == threads
    # Under WSGI all of it runs in the one thread that there is, but for what is awaited.
    assert len(site.client.get("/x").json()) == 3


@pytest.mark.parametrize(
    ("kinds", "handler", "hops"),
    [
        (("async def", "async def"), "async def", 0),
        (("async def", "async def"), "def", 1),
        (("def", "def"), "def", 1),
        (("def", "def"), "async def", 1),
        (("async def", "def"), "def", 1),
        (("def", "async def"), "async def", 1),
    ],
)
def test_chain_makes_the_fewest_changes_of_threads(
    site: Site, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, str], handler: str, hops: int
) -> None:
    """Under ASGI: from the loop to the request's thread. Back again costs no thread."""
    count = 0
    inner = SyncToAsync.__call__

    async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        return await inner(self, *args, **kwargs)

    route = f"{handler} GET(request):\n    return 1\n"
    site.serve({"middleware.py": where(kinds[0]), "x/middleware.py": where(kinds[1]), "x/route.py": route})
    request = AsyncRequestFactory().get("/x")

    async def ask() -> None:
        match = resolve("/x")
        if asyncio.iscoroutinefunction(match.func):
            await match.func(request)
        else:
            # As Django calls a sync view.
            await sync_to_async(match.func, thread_sensitive=True)(request)

    resolve("/x")
    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    asyncio.run(ask())

    assert count == hops


@pytest.mark.parametrize(
    ("kinds", "handler", "is_async"),
    [(("def", "def"), "def", False), (("async def", "def"), "def", True), (("def", "async def"), "async def", False)],
)
def test_view_is_what_its_outermost_middleware_is(
    site: Site, kinds: tuple[str, str], handler: str, is_async: bool
) -> None:
    route = f"{handler} GET(request):\n    return 1\n"
    site.serve({"middleware.py": where(kinds[0]), "x/middleware.py": where(kinds[1]), "x/route.py": route})

    assert asyncio.iscoroutinefunction(resolve("/x").func) is is_async


@pytest.mark.parametrize("handler", ["async def", "def"])
@pytest.mark.parametrize("kinds", KINDS)
def test_context_variable_of_a_middleware_is_seen_within_and_after(
    site: Site, send: Send, kinds: tuple[str, str, str], handler: str
) -> None:
    """Invariant 58."""
    (site.root / "speaker.py").write_text("from contextvars import ContextVar\n\nname = ContextVar('name')\n")
    outer = """
from speaker import name

{kind} middleware(request, call_next):
    name.set("outer")
    response = {wait}call_next(request)
    response.headers["X-After"] = name.get()
    return response
"""
    inner = outer.replace('name.set("outer")', 'name.set(name.get() + " inner")').replace("X-After", "X-Within")
    route = f"""
from speaker import name


{handler} GET(request):
    name.set(name.get() + " handler")
    return name.get()
"""
    waits = {"async def": "await ", "def": ""}
    site.serve(
        {
            "middleware.py": outer.format(kind=kinds[0], wait=waits[kinds[0]]),
            "x/middleware.py": inner.format(kind=kinds[1], wait=waits[kinds[1]]),
            "x/route.py": route,
        }
    )

    response = send("GET", "/x")

    assert response.json() == "outer inner handler"
    assert response.headers["X-Within"] == "outer inner handler"
    assert response.headers["X-After"] == "outer inner handler"


def test_language_that_a_middleware_activates_is_gone_at_the_next_request(site: Site, send: Send) -> None:
    """Invariant 58."""
    text = "from django.utils.translation import get_language\n\n\nasync def GET(request):\n    return get_language()\n"
    site.serve(
        {
            "(de)/middleware.py": """
            from django.utils import translation


            async def middleware(request, call_next):
                with translation.override("de"):
                    return await call_next(request)
            """,
            "(de)/a/route.py": text,
            "b/route.py": text,
        }
    )

    assert [send("GET", path).json() for path in ("/a", "/b", "/a", "/b")] == ["de", "en-us", "de", "en-us"]


def test_middleware_of_a_client_that_leaves_is_cancelled_and_its_finally_runs(site: Site) -> None:
    """Invariant 61."""
    site.serve(
        {
            "middleware.py": """
            events = []


            async def middleware(request, call_next):
                try:
                    return await call_next(request)
                except Exception:
                    events.append("swallowed")
                finally:
                    events.append("finally")
            """,
            "x/route.py": """
            import asyncio


            async def GET(request):
                await asyncio.sleep(60)
            """,
        }
    )

    async def leave() -> None:
        task = asyncio.create_task(resolve("/x").func(AsyncRequestFactory().get("/x")))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())

    assert sys.modules[f"{site.name}.routes.middleware"].events == ["finally"]


def test_async_middleware_below_a_sync_one_is_cancelled_too(site: Site) -> None:
    """Invariant 61."""
    site.serve(
        {
            "middleware.py": where("def"),
            "x/middleware.py": """
            events = []


            async def middleware(request, call_next):
                try:
                    return await call_next(request)
                finally:
                    events.append("finally")
            """,
            "x/route.py": "import asyncio\n\n\nasync def GET(request):\n    await asyncio.sleep(60)\n",
        }
    )

    async def leave() -> None:
        call = sync_to_async(resolve("/x").func, thread_sensitive=True)
        task = asyncio.create_task(call(AsyncRequestFactory().get("/x")))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())

    assert sys.modules[f"{site.name}.routes.x.middleware"].events == ["finally"]


def test_middleware_may_cut_short_what_is_within(site: Site, send: Send) -> None:
    """Invariant 61: what is within is cancelled, and its ``finally`` runs."""
    text = """
    import asyncio

    from django_routehandlers import JSONResponse


    async def middleware(request, call_next):
        try:
            async with asyncio.timeout(0.05):
                return await call_next(request)
        except TimeoutError:
            return JSONResponse({"ended": request.ended}, status=504)
    """
    route = """
    import asyncio


    async def GET(request):
        try:
            await asyncio.sleep(60)
        finally:
            request.ended = True
    """
    site.serve({"middleware.py": text, "x/route.py": route})

    response = send("GET", "/x")

    assert (response.status_code, response.json()) == (504, {"ended": True})


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_template_of_a_handler_is_rendered_behind_the_middleware(site: Site, send: Send, kind: str) -> None:
    """As Django renders it: behind the view, with what template middleware has added."""
    site.settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [site.root]}]
    (site.root / "page.html").write_text("Hello, {{ name }}.")
    wait = "await " if kind == "async def" else ""
    text = f"""
{kind} middleware(request, call_next):
    response = {wait}call_next(request)
    response.context_data["name"] = "Ada"
    response.headers["ETag"] = '"page"'
    return response
"""
    route = """
    from django.template.response import TemplateResponse


    def GET(request):
        return TemplateResponse(request, "page.html", {})
    """
    site.serve({"middleware.py": text, "x/route.py": route})

    response = send("GET", "/x")

    assert (response.content, response.headers["ETag"]) == (b"Hello, Ada.", '"page"')
