"""``Problem``: a short way to answer an error from anywhere in a route."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.http.response import BadHeaderError

from conftest import Site
from django_routehandlers import Problem
from servers import make_project, serve

CLOSED = {
    "type": "https://shop.example/closed",
    "title": "Closed",
    "status": 409,
    "detail": "The basket is closed.",
    "since": "2026-11-01",
}
RAISE = """raise Problem(
        409, "The basket is closed.", type="https://shop.example/closed", title="Closed",
        headers={"Retry-After": "5"}, since=date(2026, 11, 1),
    )"""
IMPORTS = "from datetime import date\nfrom django_routehandlers import Problem\n"
KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


@pytest.fixture(params=["WSGI", "ASGI"])
def get(request: pytest.FixtureRequest, site: Site) -> Callable[[str], Any]:
    """Send one GET, under WSGI and under ASGI."""
    if request.param == "WSGI":
        return lambda path: site.client.get(path)
    return lambda path: asyncio.run(site.async_client.get(path))


def problem_of(response: Any) -> tuple[int, str, str, dict[str, object]]:
    """Return what the client is told: status, media type, ``Retry-After`` and the members."""
    fields = response.headers
    return response.status_code, fields["Content-Type"], fields.get("Retry-After", ""), json.loads(response.content)


@KINDS
@pytest.mark.parametrize("place", ["handler", "cached", "input", "middleware", "folder"])
def test_a_problem_is_answered_wherever_it_is_raised(
    site: Site, get: Callable[[str], Any], kind: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    guard = f"{IMPORTS}{kind} middleware(request, call_next):\n    {RAISE}\n"
    route = f"{kind} GET(request):\n    pass\n"
    files = {
        "handler": {"x/route.py": f"{IMPORTS}{kind} GET(request):\n    {RAISE}\n"},
        "cached": {"x/route.py": f"{IMPORTS}{kind} GET():\n    {RAISE}\n"},
        "input": {
            "x/route.py": f"from typing import Annotated\nfrom pydantic import AfterValidator\n{IMPORTS}"
            f"def judge(value):\n    {RAISE}\n{kind} GET(page: Annotated[int, AfterValidator(judge)]):\n    pass\n"
        },
        "middleware": {"x/route.py": guard + route},
        "folder": {"x/route.py": route, "middleware.py": guard},
    }
    site.serve(files[place])

    with caplog.at_level(logging.WARNING):
        response = get("/x?page=1")

    assert problem_of(response) == (409, "application/problem+json", "5", CLOSED)
    assert [(one.levelname, one.exc_info) for one in caplog.records] == [("WARNING", None)]


@KINDS
def test_middleware_may_catch_a_problem_of_its_own_and_sees_that_of_a_handler_as_a_response(
    site: Site, get: Callable[[str], Any], kind: str
) -> None:
    wait = "await " if kind == "async def" else ""
    site.serve(
        {
            "middleware.py": f"{kind} middleware(request, call_next):\n    response = {wait}call_next(request)\n"
            "    response.headers['Retry-After'] = str(response.status_code)\n    return response\n",
            "x/route.py": f"{IMPORTS}{kind} GET():\n    {RAISE}\n",
        }
    )
    assert problem_of(get("/x")) == (409, "application/problem+json", "409", CLOSED)


def test_one_that_says_only_its_status_is_about_blank() -> None:
    response = Problem(410).response()
    assert json.loads(response.content) == {"type": "about:blank", "title": "Gone", "status": 410}


def test_a_problem_of_the_server_is_logged_as_a_response_and_never_stored(
    site: Site, get: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    site.serve({"x/route.py": f"{IMPORTS}async def GET():\n    raise Problem(503, 'Later.')\n"})
    with caplog.at_level(logging.WARNING):
        response = get("/x")
    assert (response.status_code, response.headers["Cache-Control"]) == (503, "no-store")
    records = [(one.name, one.levelname, one.exc_info, one.getMessage()) for one in caplog.records]
    assert records == [("django.request", "ERROR", None, "Service Unavailable: /x")]


@pytest.mark.usefixtures("own_cache")
def test_a_problem_is_never_kept_and_what_was_kept_stays_while_the_server_fails(site: Site) -> None:
    """Invariant 64."""
    site.serve(
        {
            "x/route.py": f"{IMPORTS}runs = []\n\nasync def GET(fail: int):\n    runs.append(1)\n"
            "    raise Problem(fail, run=len(runs))\n"
        }
    )
    assert [site.client.get(f"/x?fail={status}").json()["run"] for status in (404, 404, 503, 503)] == [1, 2, 3, 4]


@pytest.mark.parametrize("status", [200, 399, 600, True, "409", None])
def test_a_status_that_is_no_error_is_refused_where_it_is_written(status: Any) -> None:
    with pytest.raises(ValueError, match=r"is .*\. It is a whole number from 400 to 599"):
        Problem(status, "No.")


BAD_FIELDS: list[tuple[Any, Any]] = [
    *(
        (name, "a")
        for name in ("", "X A", "X-A:", " X-A", "X-Ä", "X-A\r\nSet-Cookie", "X-A\0", "X(A)", "X\t", b"X-A", None)
    ),
    *(("X-A", value) for value in ("a\r\nSet-Cookie: b=c", "a\n b", "a\rb", "a\0b", "a\vb", "a\x7f", b"a\nb", "ж\n")),
    ("Content-Length", "7"),
    ("transfer-encoding", "chunked"),
]


@pytest.mark.parametrize(("name", "value"), BAD_FIELDS)
def test_a_field_that_http_cannot_send_is_refused_where_it_is_written(name: Any, value: Any) -> None:
    """Invariant 53. RFC 9110, sections 5.5 and 5.6.2."""
    with pytest.raises(BadHeaderError, match=r"^Problem\(409, headers=…\) .*(field|has)") as error:
        Problem(409, headers={"X-Good": "a", name: value})
    assert repr(name) in str(error.value)
    assert "\n" not in str(error.value)


def test_whatever_else_a_field_may_hold_is_sent() -> None:
    given: dict[str, Any] = {
        "x!#$%&'*+-.^_`|~9": " a\t",
        "X-Number": 7,
        "X-Bytes": b"\xe9",
        "X-Text": "é",
        "X-None": "",
    }
    sent = Problem(409, headers=given).response().headers
    assert {name: sent[name] for name in given} == {
        "x!#$%&'*+-.^_`|~9": "a",
        "X-Number": "7",
        "X-Bytes": "é",
        "X-Text": "é",
        "X-None": "",
    }


ANY_FIELD = """
from django_routehandlers import Problem

FIELDS = {fields!r}


async def GET(number: int):
    raise Problem(409, headers=dict([FIELDS[number]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uvicorn-h11", "uvicorn-httptools", "gunicorn"])
def test_no_field_of_a_problem_injects_another_or_leaves_a_client_without_an_answer(tmp_path: Path, kind: str) -> None:
    """Invariant 53."""
    fields = [*BAD_FIELDS, ("X-A", " a\t"), ("X-A", "é"), ("X-A", "ж")]
    settings = "DEBUG = False\nALLOWED_HOSTS = ['127.0.0.1']\n"
    home = make_project(tmp_path, {"x/route.py": ANY_FIELD.format(fields=fields)}, settings=settings)
    with serve(kind, home) as server:
        replies = [server.send("GET", f"/x?number={number}") for number in range(len(fields))]
    assert [reply.status for reply in replies] == [*[500] * len(BAD_FIELDS), 409, 409, 409]
    assert all(reply.body and reply["set-cookie"] is None for reply in replies)


def test_a_member_without_a_json_form_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError):
        Problem(409, lock=object())


def test_a_problem_that_is_raised_again_and_again_is_a_response_of_its_own_each_time() -> None:
    problem = Problem(409)
    first, second = problem.response(), problem.response()
    first.headers["X-A"] = "a"
    assert "X-A" not in second.headers


@KINDS
def test_before_the_first_line_of_a_stream_it_is_a_response_and_after_it_the_last_line(
    site: Site, get: Callable[[str], Any], kind: str
) -> None:
    site.serve(
        {
            "x/route.py": f"{IMPORTS}{kind} GET(lines: int):\n    for number in range(lines):\n        yield number\n"
            f"    {RAISE}\n"
        }
    )
    assert problem_of(get("/x?lines=0")) == (409, "application/problem+json", "5", CLOSED)

    async def ask() -> tuple[list[bytes], Exception | None]:
        chunks: list[bytes] = []
        try:
            response: Any = await site.async_client.get("/x?lines=1")
            async for chunk in response:
                chunks.append(chunk)
        except Problem as problem:
            return chunks, problem
        return chunks, None

    chunks, broken_off = asyncio.run(ask())
    assert broken_off is not None
    assert [json.loads(line) for line in b"".join(chunks).splitlines()] == [0, {"error": CLOSED}]


def test_a_view_outside_routes_fails_with_it_as_with_any_exception(site: Site) -> None:
    from django.urls import path

    def view(request: object) -> HttpResponse:
        raise Problem(409, "The basket is closed.")

    site.serve({"x/route.py": "def GET():\n    pass\n"})
    sys.modules[f"{site.name}_urls"].urlpatterns.append(path("plain", view))
    site.settings.ROOT_URLCONF = f"{site.name}_urls"
    assert site.client.get("/plain").status_code == 500


def test_the_name_needs_no_app_registry() -> None:
    code = "from django_routehandlers import Problem; print(Problem(409, 'Closed.'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("409 Conflict: Closed.\n", "")
