"""Hooks of several middleware done at once leave what each would have left: stock Django answers the same."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest
from django.contrib import messages
from django.core.asgi import get_asgi_application as djangos_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template.response import TemplateResponse
from django.test import override_settings
from django.utils.decorators import async_only_middleware
from django.views.decorators.clickjacking import xframe_options_exempt
from pytest_django import Settings

from django_routehandlers.engine.plain_run import PlainRun
from engine_client import SEVEN, Serve, ask, body, views_served

Hook = Callable[[HttpRequest], object]


@pytest.fixture
def serve(settings: Settings) -> Iterator[Serve]:
    # In no database, whose connection stock Django leaves to a thread that has gone.
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    with views_served(settings) as make:
        yield make


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return, for each plain request so far, whether its response was a plain one as well."""
    found: list[bool] = []
    leave = PlainRun.leave

    def noted(run: PlainRun, request: HttpRequest, response: Any) -> Any:
        left = leave(run, request, response)
        found.append(left is not None)
        return left

    monkeypatch.setattr(PlainRun, "leave", noted)
    return found


def same(ours: Any, target: str, *fields: tuple[bytes, bytes]) -> tuple[Any, ...]:
    """Return status, fields in their order and content, which are those of Django's handler."""
    answers: list[tuple[Any, ...]] = []
    for application in (djangos_application(), ours):
        got = asyncio.run(ask(application, target, fields=fields))
        found = [(name.lower(), value) for name, value in got[0]["headers"]]
        # What is made at random.
        answers.append((got[0]["status"], [(n, v) for n, v in found if n != b"set-cookie"], len(found), body(got)))
    assert answers[0] == answers[1]
    return answers[1]


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


def says_more(request: HttpRequest) -> HttpResponse:
    fields = {"X-Frame-Options": "SAMEORIGIN", "Content-Length": "3", "Referrer-Policy": "no"}
    return HttpResponse("own", headers=fields)


def streams(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    return StreamingHttpResponse(parts())


def touches(hook: Hook) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(repr(hook(request)))

    return view


def sets_session(request: HttpRequest) -> None:
    request.session["a"] = 1


PLAIN = {"plain": plain, "says_more": says_more, "streams": streams}
OTHERS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "exempt": xframe_options_exempt(plain),
    "missing": lambda request: HttpResponse(status=404),
    "raises": touches(lambda request: 1 / 0),
    "user": touches(lambda request: str(request.user)),  # pyright: ignore[reportAttributeAccessIssue]
    "session": touches(sets_session),
    "message": touches(lambda request: messages.info(request, "hello")),
    "token": touches(lambda request: len(get_token(request))),
    "template": lambda request: TemplateResponse(request, "engine_nothing.html"),
    "cookie": touches(lambda request: request.COOKIES.setdefault("sessionid", "x")),
    "replaced": touches(lambda request: setattr(request, "session", None)),
    "by_vars": touches(lambda request: vars(request).__setitem__("user", "me")),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_request_gets_what_all_middleware_give(name: str, serve: Serve, left: list[bool]) -> None:
    ours = serve(**PLAIN)
    assert same(ours, name)[0] == 200
    assert left == [True]


@pytest.mark.parametrize("name", OTHERS)
def test_a_view_that_does_something_with_what_they_give_gets_their_hooks(
    name: str, serve: Serve, left: list[bool], settings: Settings
) -> None:
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"engine_nothing.html": "nothing"})]},
        }
    ]
    ours = serve(**OTHERS)
    same(ours, name)
    # A template changes nothing of what they see.
    assert left == [name in ("template", "raises")]


@pytest.mark.parametrize("fields", [[(b"cookie", b"a=1")], [(b"host", b"evil.example")]])
def test_a_request_with_cookies_or_of_another_host_goes_to_each_hook(
    fields: Sequence[tuple[bytes, bytes]], serve: Serve, left: list[bool]
) -> None:
    same(serve(**PLAIN), "plain", *fields)
    assert left == []


@async_only_middleware
def in_between(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    async def middleware(request: HttpRequest) -> Any:
        response = await get_response(request)
        response.headers["X-Between"] = str(hasattr(request, "session"))
        return response

    return middleware


BETWEEN = "test_plain_run.in_between"
STACKS = {
    "in two runs": [*SEVEN[:2], BETWEEN, *SEVEN[2:]],
    "around what others do": [*SEVEN[:3], "django.middleware.gzip.GZipMiddleware", *SEVEN[3:]],
    "without sessions": [SEVEN[0], SEVEN[2], SEVEN[6]],
    "one": SEVEN[6:],
    "users before sessions": [SEVEN[4], SEVEN[1]],
    "the other way round": SEVEN[::-1],
    "twice": [*SEVEN, *SEVEN],
}


@pytest.mark.parametrize("stack", STACKS)
def test_middleware_may_stand_in_any_order(stack: str, serve: Serve, settings: Settings) -> None:
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    settings.MIDDLEWARE = STACKS[stack]
    ours = serve(**PLAIN, **OTHERS)
    for target in ("plain", "says_more", "streams", "exempt", "missing"):
        same(ours, target)
        same(ours, target, (b"cookie", b"sessionid=x"))


@pytest.mark.parametrize(
    "values",
    [
        {"SECURE_HSTS_SECONDS": 60, "SECURE_PROXY_SSL_HEADER": ("HTTP_X_PROTO", "https")},
        {"SECURE_SSL_REDIRECT": True},
        {"SESSION_SAVE_EVERY_REQUEST": True},
        {"DISALLOWED_USER_AGENTS": []},
        {"CSRF_USE_SESSIONS": True},
        {"X_FRAME_OPTIONS": "SAMEORIGIN", "SECURE_REFERRER_POLICY": "no-referrer"},
        {"PREPEND_WWW": True},
    ],
    ids=lambda values: next(iter(values)),
)
def test_settings_say_what_they_do(values: dict[str, object], serve: Serve) -> None:
    with override_settings(**values):
        ours = serve(**PLAIN)
        for proto in (b"http", b"https"):
            same(ours, "plain", (b"x-proto", proto))


def test_settings_that_change_on_a_living_application_count_at_once(serve: Serve, left: list[bool]) -> None:
    ours = serve(**PLAIN)
    same(ours, "plain")
    with override_settings(X_FRAME_OPTIONS="SAMEORIGIN", ALLOWED_HOSTS=["other"]):
        same(ours, "plain")
    # The first reads the settings anew, hook by hook.
    same(ours, "plain")
    same(ours, "plain")
    assert left == [True, True]
