"""What the engine relies on within Django and asgiref, and what it does where that is not as it was tested with."""

import logging
from typing import Any

import pytest
from django.contrib.messages.middleware import MessageMiddleware
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin
from pytest_django import Settings

import released
from django_routehandlers.asgi import RouteASGIHandler, get_asgi_application
from django_routehandlers.checks import check_engine
from django_routehandlers.engine.hooks import hook_of, is_known
from django_routehandlers.engine.internals import unknown_internals
from django_routehandlers.engine.known_hooks import never
from django_routehandlers.engine.released import RELEASED

HANDLE = "django.core.handlers.asgi.ASGIHandler.handle"
FRAME_OPTIONS = "django.middleware.clickjacking.XFrameOptionsMiddleware"


async def view(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


def test_the_installed_releases_are_known() -> None:
    assert unknown_internals() == []
    assert {name: value for name, value in released.digests().items() if value not in RELEASED.get(name, ())} == {}


def test_the_table_keeps_what_was_known() -> None:
    assert released.merged({"a": ("1",)}, {"a": "2", "b": "3"}) == {"a": ("1", "2"), "b": ("3",)}


def test_an_unknown_release_is_served_by_djangos_own_handler_which_the_log_says(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    # django.setup() would take the handler of caplog away.
    settings.LOGGING_CONFIG = None
    monkeypatch.setitem(RELEASED, HANDLE, ("of another release",))
    with caplog.at_level(logging.WARNING, "django_routehandlers"):
        application = get_asgi_application()
    assert type(application) is ASGIHandler
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert HANDLE in caplog.text
    assert [message.id for message in check_engine() if HANDLE in message.msg] == ["routehandlers.W072"]


def test_what_a_tracer_has_wrapped_is_no_unknown_release(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ASGIHandler.__call__

    async def traced(self: ASGIHandler, *args: Any) -> None:
        await before(self, *args)

    monkeypatch.setattr(ASGIHandler, "__call__", traced)
    assert unknown_internals() == []
    assert type(get_asgi_application()) is RouteASGIHandler


def test_a_middleware_of_an_unknown_release_keeps_its_threads(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    assert is_known(XFrameOptionsMiddleware(view))
    monkeypatch.setitem(RELEASED, FRAME_OPTIONS, ("of another release",))
    settings.MIDDLEWARE = [FRAME_OPTIONS]
    assert not is_known(XFrameOptionsMiddleware(view))
    assert [message.id for message in check_engine()] == ["routehandlers.I070", "routehandlers.W073"]


def test_a_subclass_is_known_while_it_overrides_values_alone() -> None:
    class WithValue(CsrfViewMiddleware):
        colour = "blue"

    class WithMethod(CsrfViewMiddleware):
        def _origin_verified(self, request: HttpRequest) -> bool:
            return True

    assert is_known(WithValue(view))
    assert not is_known(WithMethod(view))


@pytest.mark.parametrize("kind", [CsrfViewMiddleware, MiddlewareMixin])
def test_a_method_that_was_replaced_makes_a_class_unknown(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    name = "__init__" if kind is MiddlewareMixin else "_check_token"
    before = vars(kind)[name]
    monkeypatch.setattr(kind, name, lambda *args: before(*args))
    assert not is_known(CsrfViewMiddleware(view))


def test_a_hook_that_was_replaced_on_an_instance_makes_it_unknown() -> None:
    middleware = XFrameOptionsMiddleware(view)
    vars(middleware)["process_response"] = lambda request, response: response
    assert not is_known(middleware)


def test_storages_of_others_are_made_in_a_thread(settings: Settings) -> None:
    settings.MESSAGE_STORAGE = "shop.storage.OwnStorage"
    hook = hook_of(MessageMiddleware(view), "process_request")
    assert hook is not None
    assert hook.is_free is never
