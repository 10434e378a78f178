"""
A site with a view of each kind, which say what they see of their request.

Imported as the project's URLconf, once Django is set up.
"""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import messages
from django.contrib.auth import aauthenticate, alogin, alogout, authenticate, login, logout
from django.contrib.auth.decorators import login_not_required, login_required, permission_required
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token, rotate_token
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, include, path, re_path, reverse
from django.utils import timezone, translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.clickjacking import xframe_options_exempt, xframe_options_sameorigin
from django.views.decorators.common import no_append_slash
from django.views.decorators.csrf import csrf_exempt, csrf_protect, ensure_csrf_cookie, requires_csrf_token
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import condition, require_POST, require_safe
from django.views.decorators.vary import vary_on_cookie, vary_on_headers
from django.views.generic import TemplateView

from engine_middleware import mark
from engine_notes import is_on_loop, leave_trail, note

GIVEN = ("session", "user", "auser", "_messages")
"""What middleware of Django's gives a request, and the engine may give it when somebody asks."""
ENGINES_OWN = {"_engine_gifts", "_engine_lock"}
"""Where it keeps that until then."""


def facts(request: HttpRequest) -> dict[str, Any]:
    """Return what can be seen of a request without waiting."""
    try:
        host: Any = request.get_host()
    except Exception as error:
        host = repr(error)
    try:
        link: Any = reverse("echo")
    except NoReverseMatch:
        link = None
    session: Any = getattr(request, "session", None)
    return {
        "kind": type(request).__name__ if isinstance(request, ASGIRequest) else repr(type(request)),
        "method": request.method,
        "path": [request.path, request.path_info, request.get_full_path(), get_script_prefix(), link],
        "host": [host, request.scheme, request.is_secure(), request.get_port() if isinstance(host, str) else None],
        "META": {name: repr(value) for name, value in sorted(request.META.items())},
        "headers": sorted(request.headers),
        "GET": repr(request.GET),
        "COOKIES": request.COOKIES,
        "content": [request.content_type, repr(request.content_params), request.encoding],
        "language": [getattr(request, "LANGUAGE_CODE", None), translation.get_language()],
        "zone": timezone.get_current_timezone_name(),
        "urlconf": [get_urlconf(), getattr(request, "urlconf", None)],
        "match": repr(request.resolver_match),
        "mark": mark.get(),
        "trail": leave_trail("v"),
        "on loop": is_on_loop(),
        "names": sorted(
            {*vars(request), *(name for name in GIVEN if hasattr(request, name))} - {"_engine_gifts", "_engine_lock"}
        ),
        "session": type(session).__name__ + str(getattr(session, "session_key", None)),
        "messages": type(getattr(request, "_messages", None)).__name__ == "NoneType",
    }


def content(request: HttpRequest) -> dict[str, Any]:
    """Return what can be read of a request's content."""
    found: dict[str, Any] = {}
    if request.META.get("HTTP_X_READ") == "stream":
        found["read"] = repr([request.read(5), request.read(3), request.readline()])
    try:
        found["POST"] = repr(request.POST)
        found["FILES"] = {
            name: [
                [file.name, file.size, file.content_type, repr(file.read()[:64]), type(file).__name__] for file in files
            ]
            for name, files in request.FILES.lists()
        }
    except Exception as error:
        found["refused"] = repr(error)
    try:
        found["body"] = [len(request.body), repr(request.body[:200])]
    except Exception as error:
        found["unread"] = repr(error)
    return found


def echo(request: HttpRequest) -> HttpResponse:
    seen = facts(request) | content(request)
    if hasattr(request, "user"):
        seen["user"] = [str(request.user), type(request.user).__name__, request.user.is_authenticated]
    if hasattr(request, "session"):
        seen["session"] = dict(request.session.items())
    note("seen", seen)
    return JsonResponse({"path": request.path, "content": content(request)})


async def aecho(request: HttpRequest) -> HttpResponse:
    seen = facts(request) | content(request)
    if hasattr(request, "auser"):
        user = await request.auser()
        seen["user"] = [str(user), type(user).__name__, user.is_authenticated]
    if hasattr(request, "session") and hasattr(request.session, "aitems"):
        seen["session"] = dict(await request.session.aitems())
    note("seen", seen)
    await asyncio.sleep(0)
    return JsonResponse({"path": request.path, "content": content(request)})


async def text(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"text in {translation.get_language()}", content_type="text/plain")


def sync_text(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"text in {translation.get_language()}, mark {mark.get()}")


async def large(request: HttpRequest, size: int) -> HttpResponse:
    return HttpResponse(b"0123456789abcdef" * (size // 16))


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "page.html", {"title": "a page"})


def template_page(request: HttpRequest) -> HttpResponse:
    response = TemplateResponse(request, "page.html", {"title": "of a template"})
    response.add_post_render_callback(lambda response: note("rendered", is_on_loop()))
    return response


async def atemplate_page(request: HttpRequest) -> HttpResponse:
    # What the template shows of the user and the session has to be there.
    if hasattr(request, "auser"):
        request.user = await request.auser()
    return TemplateResponse(request, "form.html", {"title": "of a template, async"})


class _Explodes:
    @property
    def now(self) -> str:
        raise ValueError("in a template")


def broken_template(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "broken.html", {"explode": _Explodes()})


async def missing_template(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "missing.html")


class ClassView(View):
    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return JsonResponse({"get": sorted(kwargs.items()), "url": request.build_absolute_uri()})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return JsonResponse({"post": request.POST.dict()}, status=201)


class AsyncClassView(View):
    async def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return JsonResponse({"get": sorted(kwargs.items())})

    async def delete(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return HttpResponse(status=204)


@method_decorator(never_cache, name="dispatch")
class Page(TemplateView):
    template_name = "page.html"


ERRORS = {
    "404": Http404("nothing here"),
    "403": PermissionDenied("not you"),
    "400": BadRequest("nonsense"),
    "suspicious": SuspiciousOperation("hm"),
    "500": ValueError("a fault"),
    "exit": KeyError("a key"),
    "unicode": UnicodeError("what"),
}


def fail(request: HttpRequest, kind: str) -> HttpResponse:
    raise type(ERRORS[kind])(*ERRORS[kind].args)


async def afail(request: HttpRequest, kind: str) -> HttpResponse:
    await asyncio.sleep(0)
    raise type(ERRORS[kind])(*ERRORS[kind].args)


def odd(request: HttpRequest, kind: str) -> Any:
    return _odd(kind)


async def aodd(request: HttpRequest, kind: str) -> Any:
    return _odd(kind)


def _odd(kind: str) -> Any:
    if kind == "coroutine":
        made = text(HttpRequest())
        made.close()
        return made
    return {"none": None, "text": "text", "number": 7, "template-none": _RendersNone()}[kind]


class _RendersNone(HttpResponse):
    def render(self) -> None:
        return None


def status(request: HttpRequest, code: int) -> HttpResponse:
    return HttpResponse(b"" if code in (204, 304) else b"body", status=code)


async def astatus(request: HttpRequest, code: int) -> HttpResponse:
    response = HttpResponse("body", status=code, reason="Odd")
    response["X-Latin"] = "caf\xe9"
    response["X-Encoded"] = "\u2603"
    response.set_cookie("one", "1", max_age=60, httponly=True)
    response.set_signed_cookie("two", "2", salt="x")
    response.delete_cookie("three")
    return response


def not_modified(request: HttpRequest) -> HttpResponse:
    return HttpResponseNotModified()


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for number in range(3):
            note("part", number, is_on_loop(), mark.get())
            yield b"part %d\n" % number
        note("ended")

    response = StreamingHttpResponse(parts())
    response._resource_closers.append(lambda: note("closed"))
    return response


async def astream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        try:
            for number in range(3):
                note("part", number, is_on_loop(), mark.get())
                await asyncio.sleep(0)
                yield f"part {number}\n"
        finally:
            note("ended")

    return StreamingHttpResponse(parts(), content_type="text/plain")


async def large_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([b"x" * 100_000, b"", b"y" * 70_000])


def breaking_stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        yield b"one"
        raise ValueError("in a stream")

    return StreamingHttpResponse(parts())


async def abreaking_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        raise ValueError("in a stream")

    return StreamingHttpResponse(parts())


async def endless_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            for _ in range(3):
                yield b"on and on"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            note("cancelled")
            raise
        finally:
            note("ended")

    return StreamingHttpResponse(parts())


async def endless(request: HttpRequest) -> HttpResponse:
    note("waits")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        note("cancelled")
        raise
    finally:
        note("ended")
    return HttpResponse()


async def stubborn(request: HttpRequest) -> HttpResponse:
    """Answer, though the client has left."""
    note("waits")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        note("cancelled")
    return HttpResponse("too late")


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(b"z" * 150_000), as_attachment=True, filename="caf\xe9.bin")


async def disk_file(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(__file__).open("rb"))  # noqa: ASYNC230 - the response closes it


def sign_in(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, username=request.POST.get("name"), password=request.POST.get("password"))
    if user is None:
        return HttpResponse("who?", status=401)
    login(request, user)
    messages.success(request, f"Welcome, {user}")
    return redirect("echo")


async def asign_in(request: HttpRequest) -> HttpResponse:
    name = request.POST.get("name") or request.GET.get("name")
    user = await aauthenticate(request, username=name, password=request.POST.get("password", f"{name}'s"))
    if user is None:
        return HttpResponse("who?", status=401)
    await alogin(request, user)
    return HttpResponseRedirect("/echo/")


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("/page/")


async def asign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse("bye")


@login_required
def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"for {request.user} only")


@login_required
async def aprivate(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"for {(await request.auser()).get_username()} only")


@permission_required("auth.add_group", raise_exception=True)
def permitted(request: HttpRequest) -> HttpResponse:
    return HttpResponse("permitted")


@login_not_required
def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse("public")


async def lazy_user(request: HttpRequest) -> HttpResponse:
    """Touch what may not be touched on an event loop."""
    return HttpResponse(f"{request.user.is_authenticated}")


def form(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        messages.info(request, "got " + request.POST.get("a", "nothing"))
        return redirect("page")
    return render(request, "form.html")


async def aform(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        messages.warning(request, "got " + request.POST.get("a", "nothing"), extra_tags="x", fail_silently=True)
        return HttpResponse("thanks")
    return HttpResponse(get_token(request))


def say(request: HttpRequest) -> HttpResponse:
    messages.add_message(request, messages.INFO, "x" * int(request.GET.get("size", "3")), fail_silently=True)
    return HttpResponse("said")


async def asay(request: HttpRequest) -> HttpResponse:
    messages.error(request, "said by a coroutine", fail_silently=True)
    return HttpResponse("said")


def hear(request: HttpRequest) -> HttpResponse:
    return JsonResponse([str(message) for message in messages.get_messages(request)], safe=False)


async def ahear(request: HttpRequest) -> HttpResponse:
    return JsonResponse([str(message) for message in messages.get_messages(request)], safe=False)


def session(request: HttpRequest, deed: str) -> HttpResponse:
    store: Any = request.session
    if deed == "set":
        store["number"] = store.get("number", 0) + 1
    elif deed == "nested":
        store.setdefault("list", []).append(1)
    elif deed == "delete":
        store.pop("number", None)
    elif deed == "flush":
        store.flush()
    elif deed == "cycle":
        store.cycle_key()
    elif deed == "expire":
        store.set_expiry(0 if "soon" in request.GET else 300)
    elif deed == "test":
        store.set_test_cookie()
    return JsonResponse({"number": store.get("number"), "list": store.get("list"), "empty": store.is_empty()})


async def asession(request: HttpRequest, deed: str) -> HttpResponse:
    store: Any = request.session
    if deed == "set":
        await store.aset("number", await store.aget("number", 0) + 1)
    elif deed == "flush":
        await store.aflush()
    elif deed == "cycle":
        await store.acycle_key()
    elif deed == "delete":
        await store.apop("number", None)
    elif deed == "save":
        await store.asave()
    elif deed == "lazy":
        store["number"] = 70
    return JsonResponse({"number": await store.aget("number")})


def broken_session(request: HttpRequest) -> HttpResponse:
    request.session["number"] = 1
    return HttpResponse("a fault", status=500)


def lost_session(request: HttpRequest) -> HttpResponse:
    """Change a session that somebody deletes meanwhile."""
    request.session["number"] = 1
    request.session.save()
    request.session["number"] = 2
    type(request.session)(request.session.session_key).delete()
    return HttpResponse("lost")


def write(request: HttpRequest) -> HttpResponse:
    group = Group.objects.create(name=f"group {Group.objects.count()}")
    transaction.on_commit(lambda: note("committed"))
    if "fail" in request.GET:
        raise ValueError("after a write")
    if "error" in request.GET:
        return HttpResponse(status=503)
    return JsonResponse({"group": group.pk, "atomic": transaction.get_connection().in_atomic_block})


async def awrite(request: HttpRequest) -> HttpResponse:
    group = await Group.objects.acreate(name=f"group {await Group.objects.acount()}")
    await User.objects.filter(username="ada").aupdate(last_name=group.name)
    if "fail" in request.GET:
        raise ValueError("after a write")
    return JsonResponse([name async for name in Group.objects.values_list("name", flat=True)], safe=False)


@transaction.non_atomic_requests
def free_write(request: HttpRequest) -> HttpResponse:
    Group.objects.create(name=f"group {Group.objects.count()}")
    raise ValueError("after a write")


def mixed(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(async_to_sync(_count)()))


async def amixed(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(await sync_to_async(Group.objects.count)()) + mark.get())


async def _count() -> list[int]:
    return [await Group.objects.acount(), await User.objects.acount()]


def use_cache(request: HttpRequest) -> HttpResponse:
    cache.add("number", 0)
    return HttpResponse(str(cache.incr("number")))


async def ause_cache(request: HttpRequest) -> HttpResponse:
    await cache.aset("name", "value")
    return HttpResponse(str(await cache.aget("name")) + str(await cache.aget("number")))


async def change_urlconf(request: HttpRequest) -> HttpResponse:
    request.urlconf = "engine_other_urls"
    raise Http404("elsewhere")


def change_language(request: HttpRequest) -> HttpResponse:
    translation.activate("fr")
    timezone.activate("Asia/Tokyo")
    mark.set("of a view")
    return HttpResponse("changed")


def rotate(request: HttpRequest) -> HttpResponse:
    rotate_token(request)
    return HttpResponse(get_token(request))


def close(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("closes")
    response._resource_closers.append(lambda: note("closed", is_on_loop()))
    return response


class _Closing(HttpResponse):
    def close(self) -> None:
        note("own close", is_on_loop())
        super().close()


async def aclose(request: HttpRequest) -> HttpResponse:
    return _Closing("closes")


def bad_close(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("closes")
    response._resource_closers.insert(0, lambda: 1 / 0)
    return response


def callable_field(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("fields", headers={"X-Frame-Options": "ALLOW", "content-length": "6", "eTag": '"abc"'})
    response["VARY"] = "Accept"
    del response["Content-Type"]
    return response


class CallableView:
    def __call__(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("an object")


class AsyncCallableView:
    async def __call__(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("an object")


def bad_field(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("x")
    response["X-Bad"] = request.GET.get("value", "a\r\nb")
    return response


def json_body(request: HttpRequest) -> HttpResponse:
    try:
        return JsonResponse({"got": json.loads(request.body)})
    except ValueError:
        raise BadRequest("no JSON") from None


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(f"refused: {exception}", status=403)


def last_modified(request: HttpRequest) -> Any:
    return timezone.make_aware(timezone.datetime(2020, 1, 1))


_decorated = [
    path("exempt/", csrf_exempt(echo), name="exempt"),
    path("a/exempt/", csrf_exempt(aecho)),
    path("protect/", csrf_protect(echo)),
    path("a/protect/", csrf_protect(aecho)),
    path("ensure/", ensure_csrf_cookie(text)),
    path("requires/", requires_csrf_token(page)),
    path("frames/exempt/", xframe_options_exempt(text)),
    path("frames/same/", xframe_options_sameorigin(text)),
    path("cached/", cache_page(30)(sync_text)),
    path("a/control/", cache_control(max_age=5, public=True)(text)),
    path("vary/", vary_on_headers("X-A", "Cookie")(vary_on_cookie(text))),
    path("gzip/", gzip_page(page)),
    path("post/", require_POST(text)),
    path("safe/", require_safe(echo)),
    path("condition/", condition(etag_func=lambda request: '"e"', last_modified_func=last_modified)(sync_text)),
    path("sensitive/", sensitive_post_parameters("password")(form)),
    path("unslashed", no_append_slash(text)),
]

urlpatterns = [
    path("echo/", echo, name="echo"),
    path("a/echo/", aecho, name="aecho"),
    path("text/", text),
    path("sync/", sync_text),
    path("large/<int:size>/", large),
    path("page/", page, name="page"),
    path("template/", template_page),
    path("a/template/", atemplate_page),
    path("template/broken/", broken_template),
    path("a/template/missing/", missing_template),
    path("class/<int:pk>/", ClassView.as_view(), {"extra": True}),
    path("a/class/<slug:slug>/", AsyncClassView.as_view(), name="aclass"),
    path("view/", Page.as_view(extra_context={"title": "generic"})),
    path("object/", CallableView()),
    path("a/object/", AsyncCallableView()),
    path("fail/<kind>/", fail),
    path("a/fail/<kind>/", afail),
    path("odd/<kind>/", odd),
    path("a/odd/<kind>/", aodd),
    path("status/<int:code>/", status),
    path("a/status/<int:code>/", astatus),
    path("unmodified/", not_modified),
    path("stream/", stream),
    path("a/stream/", astream),
    path("a/stream/large/", large_stream),
    path("stream/breaking/", breaking_stream),
    path("a/stream/breaking/", abreaking_stream),
    path("a/stream/endless/", endless_stream),
    path("a/endless/", endless),
    path("a/stubborn/", stubborn),
    path("file/", file),
    path("a/file/", disk_file),
    path("accounts/login/", csrf_exempt(sign_in), name="login"),
    path("a/login/", csrf_exempt(asign_in)),
    path("logout/", sign_out),
    path("a/logout/", asign_out),
    path("private/", private),
    path("a/private/", aprivate),
    path("permitted/", permitted),
    path("public/", public),
    path("a/lazy/", lazy_user),
    path("form/", form),
    path("a/form/", aform),
    path("say/", say),
    path("a/say/", asay),
    path("hear/", hear),
    path("a/hear/", ahear),
    path("session/broken/", broken_session),
    path("session/lost/", lost_session),
    path("session/<deed>/", session),
    path("a/session/<deed>/", asession),
    path("write/", csrf_exempt(write)),
    path("a/write/", csrf_exempt(awrite)),
    path("write/free/", free_write),
    path("mixed/", mixed),
    path("a/mixed/", amixed),
    path("cache/", use_cache),
    path("a/cache/", ause_cache),
    path("urlconf/", change_urlconf),
    path("language/", change_language),
    path("rotate/", rotate),
    path("close/", close),
    path("a/close/", aclose),
    path("close/bad/", bad_close),
    path("fields/", callable_field),
    path("fields/bad/", bad_field),
    path("json/", csrf_exempt(json_body)),
    re_path(r"^optional/(?P<word>\w+)?/?$", lambda request, word=None: HttpResponse(repr(word))),
    path("i18n/", include("django.conf.urls.i18n")),
    *_decorated,
    path("", include("django_routehandlers.urls")),
]
if settings.USE_I18N:
    urlpatterns += i18n_patterns(
        path("translated/", text), path("translated/echo/", aecho), prefix_default_language=False
    )
if "allauth.account" in settings.INSTALLED_APPS:
    urlpatterns += [path("allauth/", include("allauth.account.urls"))]
if "debug_toolbar" in settings.INSTALLED_APPS:
    urlpatterns += [path("__debug__/", include("debug_toolbar.urls"))]
