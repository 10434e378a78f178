"""An unhandled exception: Django reports what it always reports, the client is told nothing."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.http import HttpResponse
from django.urls import get_urlconf, reverse

from conftest import Site

BOOM = """
class Secret(Exception):
    pass


{kind} GET(request, id):
    raise Secret("/etc/secret")
"""

KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


@pytest.fixture(params=["WSGI", "ASGI"])
def get(request: pytest.FixtureRequest, site: Site) -> Callable[[str], Any]:
    """Send one GET, under WSGI and under ASGI."""
    if request.param == "WSGI":
        return lambda path: site.client.get(path)
    return lambda path: asyncio.run(site.async_client.get(path))


@KINDS
def test_unhandled_exception_is_a_500_problem_that_tells_nothing(
    site: Site, get: Callable[[str], Any], kind: str
) -> None:
    """Invariant 64."""
    site.serve({"x/[id]/route.py": BOOM.format(kind=kind)})

    response = get("/x/1")

    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}


@KINDS
def test_unhandled_exception_is_signalled_and_logged_once(
    site: Site, get: Callable[[str], Any], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.serve({"x/[id]/route.py": BOOM.format(kind=kind)})
    signalled: list[str] = []

    def receive(sender: object, request: Any, **kwargs: object) -> None:
        signalled.append(request.path)

    got_request_exception.connect(receive)
    try:
        with caplog.at_level(logging.ERROR, "django.request"):
            get("/x/1")
    finally:
        got_request_exception.disconnect(receive)

    assert signalled == ["/x/1"]
    (record,) = caplog.records
    assert (record.getMessage(), record.levelname) == ("Internal Server Error: /x/1", "ERROR")
    assert record.exc_info is not None
    assert record.exc_info[0] is not None
    assert record.exc_info[0].__name__ == "Secret"


@KINDS
def test_process_exception_of_a_middleware_sees_the_exception_and_may_answer(
    site: Site, get: Callable[[str], Any], kind: str, settings: Any
) -> None:
    """Invariant 15: the project's middleware always runs."""
    settings.MIDDLEWARE = ["test_failures.Teapot"]
    site.serve({"x/[id]/route.py": BOOM.format(kind=kind)})

    response = get("/x/1")

    assert (response.status_code, response.content) == (418, b"Secret")


class Teapot:
    """A middleware that answers every exception itself."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)

    def process_exception(self, request: Any, exception: Exception) -> HttpResponse:
        return HttpResponse(type(exception).__name__, status=418)


def test_technical_page_is_shown_under_debug(site: Site, get: Callable[[str], Any], settings: Any) -> None:
    settings.DEBUG = True
    site.serve({"x/[id]/route.py": BOOM.format(kind="async def")})

    response = get("/x/1")

    assert response.status_code == 500
    assert b"Secret at /x/1" in response.content
    assert response.headers["Content-Type"].startswith("text/")


def test_pages_of_the_rest_of_the_project_stay(site: Site, get: Callable[[str], Any]) -> None:
    """A route that failed must not leave its URLconf to the next request."""
    site.serve({"x/[id]/route.py": BOOM.format(kind="async def")})

    get("/x/1")
    elsewhere = get("/elsewhere")

    assert elsewhere.status_code == 404
    assert elsewhere.headers["Content-Type"].startswith("text/html")


def test_reverse_in_the_response_phase_still_works_after_a_failure(
    site: Site, get: Callable[[str], Any], settings: Any
) -> None:
    settings.MIDDLEWARE = ["test_failures.reversing"]
    site.serve({"x/[id]/route.py": BOOM.format(kind="def")})

    assert get("/x/1").headers["X-Reversed"] == "/x/2"


def reversing(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A middleware that reverses a URL after the view."""

    def middleware(request: Any) -> Any:
        response = get_response(request)
        response.headers["X-Reversed"] = reverse("routes:x-id", kwargs={"id": 2})
        return response

    return middleware


def test_urlconf_of_a_request_is_kept_for_its_error_handlers(site: Site) -> None:
    site.serve({"x/[id]/route.py": BOOM.format(kind="def")})

    site.client.get("/x/1")

    assert get_urlconf() is None


@pytest.mark.parametrize(
    ("statement", "logger", "message"),
    [
        ("raise PermissionDenied", "django.request", "Forbidden (Permission denied): /x"),
        ('raise BadRequest("odd")', "django.request", "odd: /x"),
        ('raise SuspiciousOperation("odd")', "django.security.SuspiciousOperation", "odd"),
        ("raise Http404", "django.request", "Not Found: /x"),
    ],
)
def test_log_records_are_those_that_django_writes(
    site: Site, caplog: pytest.LogCaptureFixture, statement: str, logger: str, message: str
) -> None:
    site.serve(
        {
            "x/route.py": (
                "from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation\n"
                f"from django.http import Http404\n\n\nasync def GET():\n    {statement}\n"
            )
        }
    )

    with caplog.at_level(logging.WARNING):
        site.client.get("/x")

    records = [(record.name, record.getMessage()) for record in caplog.records if record.name.startswith(logger)]
    assert (logger, message) in records
