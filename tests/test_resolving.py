"""A URL is resolved as Django resolves it: the same match, or the same list of what was tried."""

from types import ModuleType
from typing import Any, ClassVar

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, URLResolver, include, path, re_path
from django.urls.resolvers import RegexPattern
from django.utils import translation
from django.utils.translation import gettext_lazy
from django.views import View

from django_routehandlers.engine.resolving import resolve
from django_routehandlers.engine.static_matches import StaticMatches


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


def test_what_is_remembered_of_a_path_is_the_match_that_django_finds() -> None:
    root = URLResolver(RegexPattern(r"^/"), PATTERNS)
    static = StaticMatches(root)
    for language in ("en", "de", "en"):
        for url in URLS * 2:
            with translation.override(language):
                assert described(lambda: static.resolve(url)) == described(lambda: root.resolve(url))  # noqa: B023


def test_a_view_cannot_change_what_is_remembered() -> None:
    static = StaticMatches(URLResolver(RegexPattern(r"^/"), [path("other", view), path("plain", view, {"a": 1})]))
    for _ in range(3):
        match = static.resolve("/plain")
        assert (match.kwargs, match.extra_kwargs, len(match.tried or ())) == ({"a": 1}, {"a": 1}, 2)
        match.kwargs["a"] = match.extra_kwargs["a"] = 2
        match.namespaces.append("mine")
        (match.tried or []).clear()
    assert static.resolve("/plain").namespaces == []


def test_a_path_is_looked_up_again_where_the_answer_may_have_changed() -> None:
    """A converter of the project's own, a translated route, another view, or a pattern in the place of another."""

    class Known:
        regex = "[a-z]+"
        names: ClassVar[set[str]] = set()

        def to_python(self, value: str) -> str:
            if value not in self.names:
                raise ValueError
            return value

    own = path("<str:name>", view, name="own")
    vars(own.pattern)["converters"] = {"name": Known()}
    last = path("last", view, name="last")
    patterns = [own, path(gettext_lazy("Monday"), view, name="monday"), last]
    static = StaticMatches(URLResolver(RegexPattern(r"^/"), patterns))
    assert static.resolve("/last").url_name == "last"
    Known.names.add("last")
    assert static.resolve("/last").url_name == "own"
    del patterns[0]
    assert static.resolve("/last").url_name == "last"
    with translation.override("de"):
        assert static.resolve("/Montag").url_name == "monday"
    with pytest.raises(Resolver404):
        static.resolve("/Montag")
    del patterns[0]
    assert static.resolve("/last").func is view
    last.callback = Page.as_view()
    assert static.resolve("/last").func is last.callback
    patterns.insert(0, path("last", view, name="first"))
    assert static.resolve("/last").url_name == "first"


def test_a_project_remembers_no_more_paths_than_it_has_patterns() -> None:
    root = URLResolver(RegexPattern(r"^/"), [*PATTERNS, re_path("", view)])
    static = StaticMatches(root)
    for number in range(50):
        for url in (f"/{number}", f"/plain/{number}", f"/deep/{number}/", f"/{number}/called"):
            static.resolve(url)
    assert len(static._known) == 0
    static.resolve("/plain")
    static.resolve("/deep/called")
    assert set(static._known) == {"/plain", "/deep/called"}


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
