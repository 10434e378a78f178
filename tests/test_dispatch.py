"""A request in, the bytes that come back: methods, edges, decorators, transactions."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from django.urls import resolve

from conftest import Site

Send = Callable[..., Any]


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


ALL_METHODS = "\n".join(
    f"async def {method}():\n    return HttpResponse({method!r})\n\n"
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_function_named_after_a_method_answers_it(site: Site, send: Send, method: str) -> None:
    site.serve({"x/route.py": "from django.http import HttpResponse\n\n\n" + ALL_METHODS})

    response = send(method, "/x")

    assert response.status_code == 200
    # The test client takes the body of an answer to HEAD away, as servers do.
    assert response.content.decode() == ("" if method == "HEAD" else method)


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_async_and_sync_handlers_answer_alike(site: Site, send: Send, kind: str) -> None:
    site.serve({"x/[id]/route.py": f"{kind} GET(request, id: int):\n    return {{'id': id, 'path': request.path}}\n"})

    response = send("GET", "/x/7")

    assert response.status_code == 200
    assert response.content == b'{"id":7,"path":"/x/7"}'
    assert response.headers["Content-Type"] == "application/json"


def test_sync_handler_runs_in_a_worker_thread_under_asgi_and_directly_under_wsgi(site: Site) -> None:
    site.serve(
        {
            "s/route.py": """
            import threading

            dynamic = "force-dynamic"


            def GET():
                return threading.get_ident()
            """,
            "mixed/route.py": """
            import threading

            dynamic = "force-dynamic"


            def GET():
                return threading.get_ident()


            async def POST():
                return threading.get_ident()
            """,
        }
    )
    here = threading.get_ident()

    assert site.client.get("/s").json() == here
    assert site.client.get("/mixed").json() == here
    assert asyncio.run(site.async_client.get("/s")).json() != here
    assert asyncio.run(site.async_client.get("/mixed")).json() != here
    assert asyncio.run(site.async_client.post("/mixed")).json() == here


def test_automatic_head_runs_get_with_the_method_head(site: Site, send: Send) -> None:
    """Invariant 60."""
    site.serve(
        {
            "x/route.py": """
            from django.http import HttpResponse


            def GET(request):
                return HttpResponse("body", headers={"X-Method": request.method})
            """
        }
    )

    response = send("HEAD", "/x")

    assert (response.status_code, response.headers["X-Method"], response.content) == (200, "HEAD", b"")


def test_head_never_runs_a_stream(site: Site, send: Send) -> None:
    """Invariant 66: HEAD does not iterate."""
    site.serve(
        {
            "x/route.py": """
            ran = []


            async def GET():
                ran.append(1)
                yield {"a": 1}


            async def POST():
                return ran
            """
        }
    )

    response = send("HEAD", "/x")

    assert response.status_code == 200
    assert response.getvalue() == b""
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert send("POST", "/x").json() == []


@pytest.mark.parametrize(
    ("source", "allow"),
    [
        ("async def GET(): ...\nasync def POST(): ...\n", "GET, HEAD, OPTIONS, POST"),
        ("async def POST(): ...\n", "OPTIONS, POST"),
        ("async def HEAD(): ...\n", "HEAD, OPTIONS"),
        ("def DELETE(): ...\ndef PUT(): ...\ndef PATCH(): ...\n", "DELETE, OPTIONS, PATCH, PUT"),
    ],
)
def test_automatic_options_and_405_list_what_answers(site: Site, send: Send, source: str, allow: str) -> None:
    """Invariant 60; RFC 9110, sections 9.3.7 and 15.5.6."""
    site.serve({"x/route.py": source})

    options, refused = send("OPTIONS", "/x"), send("TRACE", "/x")

    assert (options.status_code, options.content, options.headers["Allow"]) == (204, b"", allow)
    assert "Content-Type" not in options.headers
    assert (refused.status_code, refused.headers["Allow"]) == (405, allow)
    assert refused.json() == {"type": "about:blank", "title": "Method Not Allowed", "status": 405}


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "FOO", "PROPFIND", "get", "Get"])
def test_method_that_no_handler_is_named_after_is_405(site: Site, send: Send, method: str) -> None:
    """Invariant 60: names of methods are case-sensitive (RFC 9110, section 9.1)."""
    site.serve({"x/route.py": "async def GET():\n    return 1\n"})

    response = send(method, "/x", headers={"X-Secret": "s3cret"})

    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert b"s3cret" not in response.content


def test_middleware_may_override_the_method(site: Site, send: Send, settings: Any) -> None:
    site.serve({"x/route.py": "async def PUT(request):\n    return request.method\n"})
    settings.MIDDLEWARE = ["test_dispatch.method_override"]

    assert send("POST", "/x").json() == "PUT"


def method_override(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A middleware that turns POST into PUT, as method override middleware does."""

    def middleware(request: Any) -> Any:
        request.method = "PUT"
        return get_response(request)

    return middleware


def test_none_is_204_without_content(site: Site, send: Send) -> None:
    site.serve({"x/route.py": "async def DELETE():\n    return None\n"})

    response = send("DELETE", "/x")

    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response.headers


def test_generator_handler_streams_ndjson(site: Site, send: Send) -> None:
    site.serve(
        {
            "a/route.py": "async def GET():\n    yield {'n': 1}\n    yield {'n': 2}\n",
            "s/route.py": "def GET():\n    yield {'n': 1}\n    yield {'n': 2}\n",
            "mixed/route.py": "def GET():\n    yield {'n': 1}\n\n\nasync def POST():\n    yield {'n': 2}\n",
        }
    )

    for path, expected in [("/a", b'{"n":1}\n{"n":2}\n'), ("/s", b'{"n":1}\n{"n":2}\n'), ("/mixed", b'{"n":1}\n')]:
        response = send("GET", path)
        assert response.headers["Content-Type"] == "application/x-ndjson"
        assert response.getvalue() == expected


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize(
    ("statement", "status", "detail"),
    [
        ('raise Http404("No such thing.")', 404, "No such thing."),
        ("raise Http404", 404, None),
        ("raise PermissionDenied", 403, None),
        ('raise BadRequest("Bad.")', 400, "Bad."),
        ('raise SuspiciousOperation("/etc/passwd")', 400, None),
    ],
)
def test_exception_that_means_an_answer_is_a_problem(
    site: Site, send: Send, kind: str, statement: str, status: int, detail: str | None
) -> None:
    site.serve(
        {
            "x/route.py": (
                "from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation\n"
                f"from django.http import Http404\n\n\n{kind} GET():\n    {statement}\n"
            )
        }
    )

    response = send("GET", "/x")

    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json().get("detail") == detail
    assert response.json()["status"] == status


def test_method_is_judged_before_the_segments_and_those_before_the_origin(site: Site, send: Send) -> None:
    site.serve({"x/[id]/route.py": "async def PUT(id: int):\n    return id\n"})
    forged = {"Sec-Fetch-Site": "cross-site"}

    assert send("POST", "/x/a", headers=forged).status_code == 405
    assert send("PUT", "/x/a", headers=forged).status_code == 404
    assert send("PUT", "/x/1", headers=forged).status_code == 403


DECORATED = """
from functools import wraps

from asgiref.sync import iscoroutinefunction


def view_decorator(view):
    @wraps(view)
    def inner(request, *args, **kwargs):
        request.mark = "seen"
        return view(request, *args, **kwargs)

    return inner


def async_decorator(view):
    if not iscoroutinefunction(view):
        return view_decorator(view)

    @wraps(view)
    async def inner(request, *args, **kwargs):
        request.mark = "seen"
        return await view(request, *args, **kwargs)

    return inner


@{decorator}
{kind} GET(request, id: int):
    return {{"id": id, "mark": request.mark}}
"""


@pytest.mark.parametrize("decorator", ["view_decorator", "async_decorator"])
@pytest.mark.parametrize("kind", ["async def", "def"])
def test_handler_may_be_wrapped_in_a_decorator(site: Site, send: Send, kind: str, decorator: str) -> None:
    site.serve({"x/[id]/route.py": DECORATED.format(kind=kind, decorator=decorator)})

    response = send("GET", "/x/3")

    assert (response.status_code, response.json()) == (200, {"id": 3, "mark": "seen"})


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_djangos_own_decorators_work_on_handlers(site: Site, send: Send, kind: str, settings: Any) -> None:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.sessions"]
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    site.serve(
        {
            "x/route.py": f"""
            from django.contrib.auth.decorators import login_required
            from django.http import HttpResponse
            from django.views.decorators.cache import never_cache
            from django.views.decorators.vary import vary_on_headers


            @vary_on_headers("X-Plan")
            @never_cache
            {kind} GET(request):
                return HttpResponse("ok")


            @login_required
            {kind} POST(request):
                return HttpResponse("in")
            """
        }
    )

    response, anonymous = send("GET", "/x"), send("POST", "/x")

    assert response.headers["Vary"] == "X-Plan"
    assert "no-store" in response.headers["Cache-Control"]
    assert (anonymous.status_code, anonymous.headers["Location"]) == (302, "/accounts/login/?next=/x")


def test_login_not_required_on_every_handler_is_told_to_djangos_middleware(site: Site) -> None:
    site.serve(
        {
            "open/route.py": """
            from django.contrib.auth.decorators import login_not_required


            @login_not_required
            async def GET(request):
                return 1
            """,
            "closed/route.py": """
            from django.contrib.auth.decorators import login_not_required


            @login_not_required
            async def GET(request):
                return 1


            async def POST(request):
                return 1
            """,
        }
    )

    assert getattr(resolve("/open").func, "login_required", True) is False
    assert getattr(resolve("/closed").func, "login_required", True) is True


def test_handler_that_returns_what_has_no_json_form_is_an_error_that_names_it(site: Site) -> None:
    routes = site.write({"x/route.py": "async def GET():\n    return ({}, 201)\n"})
    site.install()
    site.client.raise_request_exception = True

    with pytest.raises(TypeError, match="returned a tuple") as caught:
        site.client.get("/x")

    assert str(caught.value).startswith(f"/x GET ({routes}/x/route.py): ")


@pytest.mark.django_db(transaction=True)
def test_sync_handler_honours_atomic_requests(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 57."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    site.serve(
        {
            "x/route.py": """
            from django.db import connection, transaction


            def GET():
                return connection.in_atomic_block


            @transaction.non_atomic_requests
            def POST(request):
                return connection.in_atomic_block
            """,
        }
    )

    assert site.check() == []
    assert site.client.get("/x").json() is True
    assert site.client.post("/x").json() is False


@pytest.mark.django_db(transaction=True)
def test_async_handler_under_atomic_requests_is_a_mistake(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 57."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    routes = site.write(
        {
            "x/route.py": """
            from django.db import transaction


            async def GET():
                return 1


            @transaction.non_atomic_requests
            async def POST(request):
                return 1
            """,
        }
    )
    site.install()

    (message,) = site.check()

    assert message.id == "routehandlers.E043"
    assert message.msg == (
        f"{routes}/x/route.py:4: /x: GET is async, but the database 'default' has ATOMIC_REQUESTS, "
        "which async code cannot honour."
    )
    assert message.hint == ("Make it `def GET`, or decorate it with @transaction.non_atomic_requests(using='default').")


def test_view_can_be_called_with_djangos_request_factories(site: Site) -> None:
    site.serve(
        {"a/[id]/route.py": "async def GET(id: int):\n    return id\n", "s/route.py": "def GET():\n    return 2\n"}
    )

    async def call_a() -> Any:
        a = resolve("/a/1")
        return await a.func(AsyncRequestFactory().get("/a/1"), **a.kwargs)

    s = resolve("/s")
    assert asyncio.run(call_a()).content == b"1"
    assert s.func(RequestFactory().get("/s"), **s.kwargs).content == b"2"


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_view_is_named_after_the_module_of_its_route(site: Site, kind: str) -> None:
    site.serve({"x/[id]/route.py": f"{kind} GET(id):\n    return id\n"})

    assert resolve("/x/1")._func_path == f"{site.label()}.routes.x.[id].route"


def test_response_of_a_handler_is_passed_on_as_it_is(site: Site) -> None:
    site.serve(
        {
            "x/route.py": """
            from django.http import HttpResponse

            kept = HttpResponse("kept", status=418)


            def GET():
                return kept
            """
        }
    )

    response = site.client.get("/x")

    assert (response.status_code, response.content) == (418, b"kept")


@override_settings(DEBUG=True)
def test_problems_are_problems_under_debug_too(site: Site, send: Send) -> None:
    site.serve({"x/route.py": "from django.http import Http404\n\n\nasync def GET():\n    raise Http404\n"})

    assert send("GET", "/x").headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("source", ["{}", "{}\n\nasync def POST():\n    return 1\n"])
def test_stop_iteration_of_a_sync_handler_is_an_answer(site: Site, send: Send, source: str) -> None:
    """No future takes a StopIteration: the request would wait for ever."""
    site.serve({"x/route.py": source.format("def GET():\n    return next(iter([]))\n")})

    response = send("GET", "/x")

    assert (response.status_code, response.headers["Content-Type"]) == (500, "application/problem+json")


def test_callable_object_and_bare_decorator_around_async_functions_are_awaited(site: Site, send: Send) -> None:
    site.serve(
        {
            "object/route.py": "class _Get:\n    async def __call__(self):\n        return 1\n\n\nGET = _Get()\n",
            "bare/route.py": """
            def _bare(view):
                def inner(request):
                    return view(request)

                return inner


            @_bare
            async def GET(request):
                return 2
            """,
        }
    )

    assert send("GET", "/object").json() == 1
    assert send("GET", "/bare").json() == 2


def test_message_of_djangos_own_404_is_not_told(site: Site, send: Send) -> None:
    """Invariant 64: it may name a path or a model."""
    site.serve(
        {
            "x/route.py": """
            from django.views.static import serve


            def GET(request):
                return serve(request, "missing.txt", document_root="/srv/secret")
            """
        }
    )

    assert send("GET", "/x").json() == {"type": "about:blank", "title": "Not Found", "status": 404}
