"""
Tell which hooks of Django's own middleware wait for nothing, and for which requests.

A hook is one of ``process_request``, ``process_view`` and ``process_response``. Each rule here reads
like the source of the hook that it is about, and holds for the releases of Django that we support;
what is not named here may wait, and runs in a thread as under Django.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import trans_real

from django_routehandlers.engine.live_settings import setting
from django_routehandlers.engine.request import is_due

IsFree = Callable[..., bool]
"""Of a request, or a request and a response or a view: whether the hook waits for nothing."""

Rule = Callable[[Any], IsFree | None]
"""Of a middleware, when it is loaded: what tells requests apart; ``None``: it never waits."""

# Bytes whose hash, or whose compressed form, takes about a millisecond.
_HASHED, _COMPRESSED = 256 * 1024, 16 * 1024
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_STORES = "django.contrib.sessions.backends."
_STORAGES = "django.contrib.messages.storage."
_CACHES = "django.core.cache.backends."
# Backends of sessions that build a cache backend for each request.
_CACHED_STORES = ("cache", "cached_db")


def never(*args: object) -> bool:
    """Return that the hook may wait."""
    return False


def _always(middleware: Any) -> None:
    return None


def _told_by(is_free: IsFree) -> Rule:
    """Return the rule of a hook that *is_free* tells about, whatever the middleware is."""

    def rule(middleware: Any) -> IsFree:
        return is_free

    return rule


def _is_found(request: HttpRequest, response: Any) -> bool:
    return response.status_code != 404


# django.contrib.sessions


def _makes_session(middleware: Any) -> IsFree | None:
    module, name = middleware.SessionStore.__module__, middleware.SessionStore.__qualname__
    if not module.startswith(_STORES) or name != "SessionStore":
        return never
    if module.removeprefix(_STORES) in _CACHED_STORES:
        backend = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", "")
        return None if backend.startswith(_CACHES) else never
    return None


def _saves_session(middleware: Any) -> IsFree:
    if _makes_session(middleware) is not None:
        return never
    store: type[Any] = middleware.SessionStore
    saves_each: bool = settings.SESSION_SAVE_EVERY_REQUEST

    def is_free(request: HttpRequest, response: Any) -> bool:
        if is_due(request, "session") and not saves_each:
            return True
        session: Any = getattr(request, "session", None)
        if type(session) is not store:
            return session is None
        return not (session.modified or saves_each) or session.is_empty()

    return is_free


# django.contrib.messages


def _makes_messages(middleware: Any) -> IsFree | None:
    return None if settings.MESSAGE_STORAGE.startswith(_STORAGES) else never


def _stores_messages(middleware: Any) -> IsFree:
    def is_free(request: HttpRequest, response: Any) -> bool:
        if is_due(request, "_messages"):
            return True
        messages: Any = getattr(request, "_messages", None)
        if not type(messages).__module__.startswith(_STORAGES):
            return messages is None
        return not (messages.used or messages.added_new)

    return is_free


# django.contrib.auth


def _needs_no_login(request: HttpRequest, view: Any) -> bool:
    return not getattr(view, "login_required", True)


def _is_no_head(request: HttpRequest, view: Any) -> bool:
    # Of django.contrib.admindocs, which asks who the user is.
    return request.method != "HEAD"


# django.middleware.csrf


def _reads_secret(middleware: Any) -> IsFree:
    return never if settings.CSRF_USE_SESSIONS else _needs_no_session


def _needs_no_session(request: HttpRequest) -> bool:
    return not setting("CSRF_USE_SESSIONS")


def _needs_no_token(request: HttpRequest, view: Any) -> bool:
    return (
        request.method in _SAFE
        or getattr(view, "csrf_exempt", False)
        or getattr(request, "csrf_processing_done", False)
        or getattr(request, "_dont_enforce_csrf_checks", False)
    )


def _sets_no_secret(request: HttpRequest, response: Any) -> bool:
    return not (request.META.get("CSRF_COOKIE_NEEDS_UPDATE") and setting("CSRF_USE_SESSIONS"))


# django.middleware


def _looks_at_host(middleware: Any) -> IsFree:
    # A URL that is looked for has converters, which may be the project's own.
    return never if settings.PREPEND_WWW else _looks_for_no_url


def _looks_for_no_url(request: HttpRequest) -> bool:
    return not setting("PREPEND_WWW")


def _looks_for_no_slash(request: HttpRequest, response: Any) -> bool:
    return response.status_code != 404 or not settings.APPEND_SLASH or request.path_info.endswith("/")


def _hashes_little(request: HttpRequest, response: Any) -> bool:
    return (
        request.method != "GET" or response.streaming or response.has_header("ETag") or len(response.content) < _HASHED
    )


def _compresses_little(request: HttpRequest, response: Any) -> bool:
    return (
        response.streaming
        or response.has_header("Content-Encoding")
        or "gzip" not in request.META.get("HTTP_ACCEPT_ENCODING", "")
        or len(response.content) < _COMPRESSED
    )


def _chooses_language(middleware: Any) -> IsFree:
    # A catalog of translations is read from files once in a process.
    loaded: Mapping[str, object] | None = getattr(trans_real, "_translations", None)

    def is_free(request: HttpRequest) -> bool:
        if not settings.USE_I18N:
            return True
        is_prefixed, _ = is_language_prefix_patterns_used(getattr(request, "urlconf", settings.ROOT_URLCONF))
        language = translation.get_language_from_request(request, check_path=is_prefixed)
        return loaded is not None and language in loaded and settings.LANGUAGE_CODE in loaded

    return is_free


RULES: Mapping[str, Mapping[str, Rule]] = {
    "django.middleware.security.SecurityMiddleware": {"process_request": _always, "process_response": _always},
    "django.contrib.sessions.middleware.SessionMiddleware": {
        "process_request": _makes_session,
        "process_response": _saves_session,
    },
    "django.middleware.common.CommonMiddleware": {
        "process_request": _looks_at_host,
        "process_response": _told_by(_looks_for_no_slash),
    },
    "django.middleware.csrf.CsrfViewMiddleware": {
        "process_request": _reads_secret,
        "process_view": _told_by(_needs_no_token),
        "process_response": _told_by(_sets_no_secret),
    },
    "django.contrib.auth.middleware.AuthenticationMiddleware": {"process_request": _always},
    "django.contrib.auth.middleware.LoginRequiredMiddleware": {"process_view": _told_by(_needs_no_login)},
    "django.contrib.messages.middleware.MessageMiddleware": {
        "process_request": _makes_messages,
        "process_response": _stores_messages,
    },
    "django.middleware.clickjacking.XFrameOptionsMiddleware": {"process_response": _always},
    "django.middleware.csp.ContentSecurityPolicyMiddleware": {"process_request": _always, "process_response": _always},
    "django.middleware.http.ConditionalGetMiddleware": {"process_response": _told_by(_hashes_little)},
    "django.middleware.gzip.GZipMiddleware": {"process_response": _told_by(_compresses_little)},
    "django.middleware.locale.LocaleMiddleware": {
        "process_request": _chooses_language,
        "process_response": _told_by(_is_found),
    },
    "django.middleware.common.BrokenLinkEmailsMiddleware": {"process_response": _told_by(_is_found)},
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware": {"process_response": _told_by(_is_found)},
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware": {"process_response": _told_by(_is_found)},
    "django.contrib.admindocs.middleware.XViewMiddleware": {"process_view": _told_by(_is_no_head)},
}
"""Class of Django's → hook → rule. Classes by name: importing some of them needs their app to be installed."""
