"""A URL is resolved as Django resolves it: the same match, or the same list of what was tried."""

from types import ModuleType
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, URLResolver, include, path, re_path
from django.urls.resolvers import RegexPattern
from django.utils import translation
from django.views import View

from django_routehandlers.engine.resolving import resolve


def view(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
    raise NotImplementedError


class Page(View):
    """A view that is a class."""


class Called:
    """A view that is an object."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        raise NotImplementedError


def module(name: str, patterns: list[Any], app_name: str | None = None) -> ModuleType:
    urls = ModuleType(name)
    urls.urlpatterns = patterns
    if app_name is not None:
        urls.app_name = app_name
    return urls


INNER = module("inner", [path("", view, name="root"), path("<slug:slug>/", view, {"kind": "inner"}, name="slug")], "in")
DEEP = module(
    "deep",
    [
        path("<int:number>/", include(INNER), {"kind": "deep"}),
        re_path(r"^(\d+)/(?P<word>[a-z]+)$", view, name="mixed"),
        re_path(r"^([x-z])/", include([re_path(r"^([0-9])$", view), re_path(r"^page$", Page.as_view())])),
        path("called", Called()),
    ],
    "deep",
)
PATTERNS = [
    path("plain", view, name="plain"),
    path("plain/<path:rest>", view, {"default": 1}),
    path("deep/", include(DEEP, namespace="other")),
    path("empty/", include([])),
    path("<str:org>/", include(DEEP)),
    *i18n_patterns(path("translated", view, name="translated"), path("deep/", include(INNER))),
    path("routes/", include("django_routehandlers.urls")),
    path("last/<uuid:id>", view),
]
URLS = [
    *("/", "/plain", "/plain/a/b", "/plain/", "", "x", "//", "/a\nb", "/%", "/ä", "/empty/", "/empty/x"),
    *("/deep/", "/deep/7/", "/deep/7/slug/", "/deep/7/no slug/", "/deep/1/word", "/deep/called"),
    *("/deep/x/1", "/deep/x/page", "/deep/x/2/3", "/acme/7/", "/acme/7/slug/", "/acme/1/word", "/acme/z/9", "/acme"),
    *("/en/translated", "/de/translated", "/en/deep/slug/", "/de/deep/", "/xx/deep/"),
    *("/routes/", "/routes/openapi.json", "/routes/nothing", "/last/1"),
    "/last/00000000-0000-0000-0000-000000000000",
]


def described(find: Any) -> object:
    """Return all that there is to a match, or to a miss."""
    try:
        match = find()
    except Resolver404 as error:
        return error.args
    return vars(match)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("url", URLS)
def test_a_match_is_the_one_that_django_finds(url: str, language: str) -> None:
    root = URLResolver(RegexPattern(r"^/"), PATTERNS)
    with translation.override(language):
        assert described(lambda: resolve(root, url)) == described(lambda: root.resolve(url))


def test_an_error_of_a_converter_goes_on() -> None:
    class Strange:
        regex = ".+"

        def to_python(self, value: str) -> object:
            raise LookupError(value)

    route = path("x/<str:a>", view)
    vars(route.pattern)["converters"] = {"a": Strange()}
    root = URLResolver(RegexPattern(r"^/"), [route])
    for find in (lambda: resolve(root, "/x/1"), lambda: root.resolve("/x/1")):
        with pytest.raises(LookupError):
            find()
