"""
Middleware of every make, which note what they see, and get in the way where a request asks for it.

The field ``X-Ask`` of a request is a list of ``phase:deed`` or ``who/phase:deed``, such as
``request:answer`` and ``inner/response:none``; ``TROUBLES`` lists the deeds.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware, RemoteUserMiddleware
from django.contrib.auth.models import AnonymousUser, Group
from django.contrib.messages import add_message
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import MiddlewareNotUsed, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import BrokenLinkEmailsMiddleware, CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from django.template.response import TemplateResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin

from engine_notes import is_on_loop, leave_trail, note

mark: ContextVar[str] = ContextVar("mark", default="")


def _raise(error: BaseException) -> Any:
    raise error


def _answer(request: HttpRequest, response: Any) -> Any:
    return HttpResponse("an answer of a middleware", status=203, headers={"X-Answer": "1"})


def _replace_session(request: HttpRequest, response: Any) -> Any:
    store = type(request.session)
    request.session = store()
    request.session["replaced"] = "yes"


def _replace_session_by_dict(request: HttpRequest, response: Any) -> Any:
    request.session = {"a": "dict"}


def _replace_user(request: HttpRequest, response: Any) -> Any:
    request.user = AnonymousUser()


def _change_session(request: HttpRequest, response: Any) -> Any:
    request.session["changed"] = request.session.get("changed", 0) + 1


def _change_urlconf(request: HttpRequest, response: Any) -> Any:
    request.urlconf = "engine_other_urls"


def _change_path(request: HttpRequest, response: Any) -> Any:
    request.path_info = "/text/"


def _add_message(request: HttpRequest, response: Any) -> Any:
    add_message(request, 20, "from a middleware", fail_silently=True)


def _replace_messages(request: HttpRequest, response: Any) -> Any:
    request._messages = []


def _delete(name: str) -> Callable[[HttpRequest, Any], Any]:
    def delete(request: HttpRequest, response: Any) -> None:
        try:
            delattr(request, name)
        except AttributeError:
            note("nothing to delete", name)

    return delete


def _exempt(request: HttpRequest, response: Any) -> Any:
    request._dont_enforce_csrf_checks = True


def _stream(request: HttpRequest, response: Any) -> Any:
    return StreamingHttpResponse(["a ", "stream"], headers={"X-Answer": "stream"})


def _template(request: HttpRequest, response: Any) -> Any:
    return TemplateResponse(request, "page.html", {"title": "of a middleware"})


def _set_fields(request: HttpRequest, response: Any) -> Any:
    response["X-Frame-Options"] = "of a middleware"
    response["Content-Length"] = "3"
    response["Cross-Origin-Opener-Policy"] = "unsafe-none"
    response.set_cookie("a", "b")
    return response


def _copy(request: HttpRequest, response: Any) -> Any:
    copy = HttpResponse(getattr(response, "content", b"streamed"), status=response.status_code)
    for name, value in response.items():
        copy[name] = value
    return copy


def _write(request: HttpRequest, response: Any) -> Any:
    Group.objects.create(name=f"group {Group.objects.count()}")


def _csrf(request: HttpRequest, response: Any) -> Any:
    request.META["CSRF_COOKIE_NEEDS_UPDATE"] = True


def _set_mark(request: HttpRequest, response: Any) -> Any:
    mark.set(mark.get() + "+")


TROUBLES: dict[str, Callable[[HttpRequest, Any], Any]] = {
    "404": lambda request, response: _raise(Http404("of a middleware")),
    "403": lambda request, response: _raise(PermissionDenied("of a middleware")),
    "400": lambda request, response: _raise(SuspiciousOperation("of a middleware")),
    "500": lambda request, response: _raise(ValueError("of a middleware")),
    "answer": _answer,
    "none": lambda request, response: None,
    "odd": lambda request, response: "no response at all",
    "json": lambda request, response: JsonResponse({"a": 1}),
    "redirect": lambda request, response: HttpResponseRedirect("/text/?there"),
    "stream": _stream,
    "template": _template,
    "session": _replace_session,
    "session-dict": _replace_session_by_dict,
    "session-changed": _change_session,
    "session-deleted": _delete("session"),
    "user": _replace_user,
    "user-deleted": _delete("user"),
    "urlconf": _change_urlconf,
    "path": _change_path,
    "message": _add_message,
    "messages": _replace_messages,
    "messages-deleted": _delete("_messages"),
    "exempt": _exempt,
    "csrf": _csrf,
    "mark": _set_mark,
    "write": _write,
    "fields": _set_fields,
    "copy": _copy,
}
"""What a middleware may do at any of its phases; returns a response in the place of another, or ``None``."""

KEEPING = frozenset(TROUBLES) - {"answer", "none", "odd", "json", "redirect", "stream", "template", "fields", "copy"}
"""The deeds that leave a response as it is."""


def _do(who: str, phase: str, request: HttpRequest, response: Any = None) -> Any:
    """Do what a request asks of one middleware at one phase; return what the phase returns."""
    note("middleware", who, phase, getattr(response, "status_code", None), mark.get(), leave_trail(phase[0]))
    asked = request.META.get("HTTP_X_ASK", "").split(",")
    result = response
    for deed in asked:
        where, _, what = deed.partition(":")
        if where in (phase, f"{who}/{phase}"):
            made = TROUBLES[what](request, result)
            result = result if what in KEEPING else made
    return result


class Hooks(MiddlewareMixin):
    """All hooks, as Django's own middleware has them."""

    who = "hooks"

    def process_request(self, request: HttpRequest) -> Any:
        note("loop", is_on_loop())
        return _do(self.who, "request", request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        note("view", getattr(view, "__qualname__", "?"), repr(args), repr(kwargs), repr(request.resolver_match))
        return _do(self.who, "view", request)

    def process_exception(self, request: HttpRequest, error: Exception) -> Any:
        note("exception", repr(error), is_on_loop())
        return _do(self.who, "exception", request)

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        response.context_data = {**(response.context_data or {}), "added": self.who}
        return _do(self.who, "template", request, response)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        return _do(self.who, "response", request, response)


class InnerHooks(Hooks):
    who = "inner"


class SyncClass:
    """A class that Django alone knows to call."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        response = _do("class", "request", request) or self.get_response(request)
        return _do("class", "response", request, response)

    def process_exception(self, request: HttpRequest, error: Exception) -> Any:
        return _do("class", "exception", request)


class ViewOnly(SyncClass):
    """A class with hooks of its own, sync ones."""

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        return _do("class", "view", request)

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        return _do("class", "template", request, response)


class AsyncClass:
    """A class that is async alone, with async hooks."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> Any:
        response = await _ado("async", "request", request)
        if response is None:
            response = await self.get_response(request)
        await asyncio.sleep(0)
        return await _ado("async", "response", request, response)

    async def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        return await _ado("async", "view", request)

    async def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        return await _ado("async", "template", request, response)

    def process_exception(self, request: HttpRequest, error: Exception) -> Any:
        return _do("async", "exception", request)


async def _ado(who: str, phase: str, request: HttpRequest, response: Any = None) -> Any:
    asked = request.META.get("HTTP_X_ASK", "")
    if any(word in asked for word in ("session", "message", "write", "template")):
        return await sync_to_async(_do)(who, phase, request, response)
    return _do(who, phase, request, response)


class BothClass(AsyncClass):
    """A class that is what it has to be."""

    sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self.is_async:
            return super().__call__(request)
        response = _do("async", "request", request) or self.get_response(request)
        return _do("async", "response", request, response)


@sync_only_middleware
def sync_function(get_response: Callable[[HttpRequest], Any]) -> Any:
    def middleware(request: HttpRequest) -> Any:
        response = _do("function", "request", request) or get_response(request)
        return _do("function", "response", request, response)

    return middleware


@async_only_middleware
def async_function(get_response: Callable[[HttpRequest], Any]) -> Any:
    async def middleware(request: HttpRequest) -> Any:
        response = await _ado("function", "request", request)
        if response is None:
            response = await get_response(request)
        return await _ado("function", "response", request, response)

    return middleware


@sync_and_async_middleware
def both_function(get_response: Callable[[HttpRequest], Any]) -> Any:
    return (async_function if iscoroutinefunction(get_response) else sync_function)(get_response)


def bare_function(get_response: Callable[[HttpRequest], Any]) -> Any:
    return sync_function(get_response)


class NotUsed:
    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        raise MiddlewareNotUsed("not here")


class NoSlashForText(CommonMiddleware):
    """Overrides an inner method."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        note("inner", "should_redirect_with_slash", is_on_loop())
        return "text" not in request.path and super().should_redirect_with_slash(request)

    def get_full_path_with_slash(self, request: HttpRequest) -> str:
        note("inner", "get_full_path_with_slash", is_on_loop())
        return super().get_full_path_with_slash(request) + "#slash"


class Temporary(CommonMiddleware):
    """Overrides data alone."""

    response_redirect_class = HttpResponseRedirect


class FramesOfOwn(XFrameOptionsMiddleware):
    def get_xframe_options_value(self, request: HttpRequest, response: Any) -> str:
        note("inner", "get_xframe_options_value", is_on_loop())
        return "SAMEORIGIN" if request.path.startswith("/page") else "DENY"


class SlowSession(SessionMiddleware):
    """Overrides hooks, and calls what it overrides."""

    def process_request(self, request: HttpRequest) -> None:
        note("inner", "session.process_request", is_on_loop())
        super().process_request(request)
        request.session["seen"] = request.session.get("seen", 0) + 1

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        note("inner", "session.process_response", is_on_loop(), request.session.modified)
        return super().process_response(request, response)


class SecurityByCall(SecurityMiddleware):
    """Overrides what calls the hooks."""

    async def __acall__(self, request: HttpRequest) -> Any:
        note("inner", "__acall__", is_on_loop())
        response = await super().__acall__(request)
        response["X-Called"] = "async"
        return response

    def __call__(self, request: HttpRequest) -> Any:
        note("inner", "__call__", is_on_loop())
        response: Any = super().__call__(request)
        return response


class SecurityByInstance(SecurityMiddleware):
    """Has a hook of an instance."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self.process_response = self._respond

    def _respond(self, request: HttpRequest, response: Any) -> Any:
        note("inner", "an instance's process_response", is_on_loop())
        response["X-Instance"] = "1"
        return response


class CsrfByOwnRules(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        note("inner", "_reject", reason, is_on_loop())
        return HttpResponse(f"rejected: {reason}", status=403)


class CsrfByHeader(CsrfViewMiddleware):
    """Overrides a hook that its class runs on the event loop for some requests."""

    def process_view(self, request: HttpRequest, callback: Any, callback_args: Any, callback_kwargs: Any) -> Any:
        note("inner", "csrf.process_view", is_on_loop())
        if "HTTP_X_TRUSTED" in request.META:
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)


class GuestUser(AuthenticationMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        note("inner", "auth.process_request", is_on_loop(), request.user.is_authenticated)


class UserByHeader(RemoteUserMiddleware):
    header = "HTTP_REMOTE_USER"


class TemporaryLocale(LocaleMiddleware):
    response_redirect_class = HttpResponseRedirect

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        note("inner", "language", request.LANGUAGE_CODE, is_on_loop())


class LoginByHeader(LoginRequiredMiddleware):
    redirect_field_name = "continue"

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> Any:
        note("inner", "handle_no_permission", is_on_loop())
        return super().handle_no_permission(request, view_func)


class ManyBrokenLinks(BrokenLinkEmailsMiddleware):
    def is_ignorable_request(self, request: HttpRequest, uri: str, domain: str, referer: str) -> bool:
        note("inner", "is_ignorable_request", uri, domain, referer, is_on_loop())
        return False
