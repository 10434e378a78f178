"""Outside the routes, programs get problems and people get Django's pages."""

import json

import pytest
from django.http import Http404, HttpResponse
from django.test import Client, RequestFactory
from django.urls import Resolver404, path
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from django_routehandlers.views import handler404, handler500

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
NOT_FOUND = {"type": "about:blank", "title": "Not Found", "status": 404}
SERVER_ERROR = {"type": "about:blank", "title": "Internal Server Error", "status": 500}


def fail(request: object) -> HttpResponse:
    raise ValueError("secret")


class URLConf:
    urlpatterns = [path("fail", fail)]
    handler404 = "django_routehandlers.views.handler404"
    handler500 = "django_routehandlers.views.handler500"


def not_found(accept: str | None) -> HttpResponse:
    headers = {} if accept is None else {"Accept": accept}
    return handler404(RequestFactory().get("/missing", headers=headers), Resolver404({"path": "missing"}))


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/problem+json",
        "application/*",
        "application/json, text/plain, */*",
        "text/html;q=0.5, application/json",
        "application/json, text/html",
        "APPLICATION/JSON; q=1.0",
    ],
)
def test_a_client_that_prefers_json_gets_a_problem(accept: str) -> None:
    response = not_found(accept)
    assert (response.status_code, dict(response.items()), json.loads(response.content)) == (
        404,
        {"Content-Type": "application/problem+json", "Vary": "Accept"},
        NOT_FOUND,
    )


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        BROWSER,
        "text/html",
        "text/*",
        "image/png",
        "text/html, application/json;q=0.9",
        "application/json;q=0",
        "application/json;q=0, text/html;q=0.1",
    ],
)
def test_any_other_client_gets_djangos_page(accept: str | None) -> None:
    response = not_found(accept)
    assert (response.status_code, dict(response.items()), b"<h1>Not Found</h1>" in response.content) == (
        404,
        {"Content-Type": "text/html; charset=utf-8", "Vary": "Accept"},
        True,
    )


@given(st.text(st.characters(min_codepoint=1, max_codepoint=255)))
@example("text/html;" * 2000)
@example("text/html; q*=klingon''%E2")
@example("application/json; q=nan, ;;;=, a/b/c, /, application/json;charset*=utf-8''%ff")
def test_no_accept_field_is_too_odd(accept: str) -> None:
    assert not_found(accept).status_code == 404


def test_the_message_of_a_404_outside_the_routes_is_not_told() -> None:
    """Invariant 64: Django shows it under DEBUG alone, and some views put a path into it."""
    request = RequestFactory().get("/", headers={"Accept": "application/json"})
    assert json.loads(handler404(request, Http404("No such page.")).content) == NOT_FOUND


def test_a_500_is_a_problem_that_tells_nothing() -> None:
    """Invariant 64."""
    response = handler500(RequestFactory().get("/", headers={"Accept": "application/json"}))
    assert (response.status_code, dict(response.items()), json.loads(response.content)) == (
        500,
        {"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Vary": "Accept"},
        SERVER_ERROR,
    )


def test_a_500_is_djangos_page_for_a_browser() -> None:
    response = handler500(RequestFactory().get("/", headers={"Accept": BROWSER}))
    assert (response.status_code, response["Vary"], b"<h1>Server Error (500)</h1>" in response.content) == (
        500,
        "Accept",
        True,
    )


@pytest.mark.parametrize(("url", "problem"), [("/missing", NOT_FOUND), ("/fail", SERVER_ERROR)])
def test_a_project_may_name_them_in_its_urlconf(url: str, problem: dict[str, object], settings: Settings) -> None:
    settings.ROOT_URLCONF = URLConf
    response = Client(raise_request_exception=False).get(url, headers={"Accept": "application/json"})
    assert json.loads(response.content) == problem
