"""The host of a request, in the one form that is part of the key, and never one that the project refuses."""

from typing import Any

import pytest
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.test import RequestFactory

from django_routehandlers.handlers.host import normal_host


def request_to(host: str, **fields: str) -> HttpRequest:
    return RequestFactory().get("/", headers={"host": host, **fields})


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("Shop.Example", "http", "shop.example"),
        ("shop.example.", "http", "shop.example"),
        ("shop.example:80", "http", "shop.example"),
        ("shop.example:443", "https", "shop.example"),
        ("shop.example:80", "https", "shop.example:80"),
        ("[::1]:8000", "http", "[::1]:8000"),
        ("[::1]", "http", "[::1]"),
    ],
)
def test_all_spellings_of_a_host_have_one_form(settings: Any, host: str, scheme: str, expected: str) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    assert [normal_host(request_to(host), scheme) for _ in range(2)] == [expected, expected]


def test_host_that_is_not_allowed_is_refused_each_time(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["shop.example"]

    for _ in range(3):
        with pytest.raises(DisallowedHost):
            normal_host(request_to("evil.example"), "http")


@pytest.mark.parametrize("is_in_place", [True, False])
def test_host_that_is_not_allowed_any_more_is_refused(settings: Any, is_in_place: bool) -> None:
    settings.ALLOWED_HOSTS = ["shop.example", "old.example"]
    for _ in range(2):
        normal_host(request_to("old.example"), "http")

    if is_in_place:
        settings.ALLOWED_HOSTS.remove("old.example")
    else:
        settings.ALLOWED_HOSTS = ["shop.example"]

    with pytest.raises(DisallowedHost):
        normal_host(request_to("old.example"), "http")


def test_host_that_debug_alone_allows_is_refused_without_it(settings: Any) -> None:
    settings.ALLOWED_HOSTS = []
    settings.DEBUG = True
    assert [normal_host(request_to("localhost"), "http") for _ in range(2)] == ["localhost", "localhost"]

    settings.DEBUG = False

    with pytest.raises(DisallowedHost):
        normal_host(request_to("localhost"), "http")


def test_forwarded_host_counts_where_django_takes_it(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    request = request_to("inner.example", **{"x-forwarded-host": "shop.example"})
    found = [normal_host(request, "http") for _ in range(2)]

    settings.USE_X_FORWARDED_HOST = True

    assert (found, normal_host(request, "http")) == (["inner.example"] * 2, "shop.example")


def test_request_that_has_a_host_of_its_own_is_asked(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    normal_host(request_to("shop.example"), "http")
    request: Any = request_to("shop.example")
    request.get_host = lambda: "tenant.example"

    assert normal_host(request, "http") == "tenant.example"
