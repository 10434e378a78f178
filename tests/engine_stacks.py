"""
Stacks of middleware, each with the settings that make it: what both applications are compared over.

A stack is a set of settings on top of ``base_settings()``. Its signals are watched by receivers that are
sync, async, or, as in most projects, by none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SECURITY = "django.middleware.security.SecurityMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN = "django.contrib.auth.middleware.LoginRequiredMiddleware"
REMOTE = "django.contrib.auth.middleware.RemoteUserMiddleware"
PERSISTENT = "django.contrib.auth.middleware.PersistentRemoteUserMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
FRAMES = "django.middleware.clickjacking.XFrameOptionsMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
UPDATE_CACHE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH_CACHE = "django.middleware.cache.FetchFromCacheMiddleware"
CACHE = "django.middleware.cache.CacheMiddleware"
CSP = "django.middleware.csp.ContentSecurityPolicyMiddleware"
FLATPAGES = "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware"
REDIRECTS = "django.contrib.redirects.middleware.RedirectFallbackMiddleware"
SITE = "django.contrib.sites.middleware.CurrentSiteMiddleware"
LINKS = "django.middleware.common.BrokenLinkEmailsMiddleware"
XVIEW = "django.contrib.admindocs.middleware.XViewMiddleware"
ACCOUNT = "allauth.account.middleware.AccountMiddleware"
OURS = "django_routehandlers.middleware.CacheControlMiddleware"

STARTPROJECT = (SECURITY, SESSION, COMMON, CSRF, AUTH, MESSAGES, FRAMES)
_CSP = (CSP,) if find_spec("django.middleware.csp") else ()
ALL = (
    UPDATE_CACHE, LINKS, SECURITY, *_CSP, GZIP, CONDITIONAL, SESSION, LOCALE, COMMON, CSRF, AUTH, PERSISTENT,
    MESSAGES, FRAMES, XVIEW, SITE, FETCH_CACHE, FLATPAGES, REDIRECTS,
)  # fmt: skip


def _own(*names: str) -> tuple[str, ...]:
    return tuple(f"engine_middleware.{name}" for name in names)


HOOKS, INNER, CLASS, VIEW, ASYNC, BOTH = _own("Hooks", "InnerHooks", "SyncClass", "ViewOnly", "AsyncClass", "BothClass")
SYNC_FUNCTION, ASYNC_FUNCTION, BOTH_FUNCTION, BARE = _own(
    "sync_function", "async_function", "both_function", "bare_function"
)
NOT_USED = "engine_middleware.NotUsed"

_CACHES: Mapping[str, Any] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "engine"},
}
_LANGUAGES = [("en", "English"), ("fr", "French"), ("de", "German"), ("zh-hans", "Chinese")]
_PANELS = ("headers.HeadersPanel", "request.RequestPanel", "sql.SQLPanel", "cache.CachePanel")
_SESSIONS = "django.contrib.sessions.backends."
_MESSAGES = "django.contrib.messages.storage."

INSTALLED_APPS = (
    "django.contrib.admin",
    "django.contrib.admindocs",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.flatpages",
    "django.contrib.messages",
    "django.contrib.redirects",
    "django.contrib.sessions",
    "django.contrib.sites",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "corsheaders",
    "debug_toolbar",
    "django_routehandlers",
    "engine_app",
)


@dataclass(frozen=True)
class Stack:
    """The middleware of one project, and its other settings."""

    middleware: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    watch: str = "none"
    """How the signals of a request are watched; see ``engine_notes.WATCHES``."""
    fields: Sequence[tuple[str, str]] = ()
    """What most requests say besides."""
    recipes: Sequence[str] = ()
    """Requests that are made more often; see ``engine_requests``."""


def _with(settings: Mapping[str, Any], *middleware: str, watch: str = "none", recipes: Sequence[str] = ()) -> Stack:
    return Stack(middleware or STARTPROJECT, settings, watch, recipes=recipes)


def _between(*extra: str, outside: Sequence[str] = (), inside: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a new project's middleware, with others in the middle, around, and within."""
    return (*outside, *STARTPROJECT[:3], *extra, *STARTPROJECT[3:], *inside)


STACKS: Mapping[str, Stack] = {
    "none": Stack(()),
    "none, watched": Stack((), watch="sync"),
    "startproject": Stack(STARTPROJECT),
    "startproject, watched": Stack(STARTPROJECT, watch="sync"),
    "startproject, watched by coroutines": Stack(STARTPROJECT, watch="async"),
    "startproject, debug": _with({"DEBUG": True}),
    "startproject, as deployed": Stack(
        STARTPROJECT,
        {
            "SECURE_HSTS_SECONDS": 60,
            "SECURE_SSL_REDIRECT": True,
            "SECURE_REDIRECT_EXEMPT": ["^text"],
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
            "USE_X_FORWARDED_HOST": True,
            "SESSION_COOKIE_SECURE": True,
            "CSRF_COOKIE_SECURE": True,
            "CSRF_TRUSTED_ORIGINS": ["https://*.example.com"],
            "X_FRAME_OPTIONS": "SAMEORIGIN",
        },
        fields=[("x-forwarded-proto", "https")],
    ),
    "www": Stack(
        STARTPROJECT,
        {"PREPEND_WWW": True, "USE_X_FORWARDED_HOST": True},
        fields=[("x-forwarded-host", "www.example.com")],
    ),
    "odd settings of common": _with(
        {"DISALLOWED_USER_AGENTS": [re.compile("^Bad")], "APPEND_SLASH": False, "ALLOWED_HOSTS": ["*"]}
    ),
    "another order": Stack((FRAMES, COMMON, CSRF, SECURITY, SESSION, MESSAGES, AUTH)),
    "no session": Stack((SECURITY, COMMON, CSRF, MESSAGES, FRAMES)),
    "all of Django's": _with(
        {
            "CACHE_MIDDLEWARE_SECONDS": 30,
            "MANAGERS": ["m@example.com"],
            "ADMINS": ["a@example.com"],
            "SECURE_CSP": {"default-src": ["'self'"], "script-src": ["'self'", "<CSP_NONCE_SENTINEL>"]},
        },
        *ALL,
    ),  # fmt: skip
    "all of Django's, watched": _with({"MANAGERS": ["m@example.com"], "DEBUG": True}, *ALL, watch="sync"),
    "locale": Stack((*STARTPROJECT[:2], LOCALE, *STARTPROJECT[2:])),
    "login required": Stack((*STARTPROJECT[:5], LOGIN, *STARTPROJECT[5:])),
    "remote user": Stack((*STARTPROJECT[:5], REMOTE, *STARTPROJECT[5:])),
    "remote user by header": Stack((*STARTPROJECT[:5], *_own("UserByHeader"), *STARTPROJECT[5:])),
    "gzip, conditional": Stack((GZIP, CONDITIONAL, *STARTPROJECT)),
    "cache": _with({"CACHE_MIDDLEWARE_SECONDS": 30}, CACHE, *STARTPROJECT),
    "fallbacks": Stack((LINKS, *STARTPROJECT, SITE, FLATPAGES, REDIRECTS, XVIEW)),
    "hooks around": Stack((HOOKS, *STARTPROJECT), watch="sync", recipes=["_asked"]),
    "hooks within": Stack((*STARTPROJECT, HOOKS), recipes=["_asked"]),
    "hooks in the middle": Stack(_between(HOOKS, inside=[INNER]), recipes=["_asked"]),
    "sync class": Stack(_between(CLASS), recipes=["_asked"]),
    "sync class around": Stack((VIEW, *STARTPROJECT, CLASS), recipes=["_asked"]),
    "async class": Stack(_between(ASYNC), recipes=["_asked"]),
    "async class around": Stack((ASYNC, *STARTPROJECT, ASYNC), recipes=["_asked"]),
    "class of both kinds": Stack((CLASS, BOTH, *STARTPROJECT, BOTH), recipes=["_asked"]),
    "sync functions": Stack(_between(BARE, outside=[SYNC_FUNCTION]), recipes=["_asked"]),
    "async function": Stack(_between(ASYNC_FUNCTION, inside=[HOOKS]), recipes=["_asked"]),
    "functions of both kinds": Stack(
        _between(BOTH_FUNCTION, BARE, outside=[BOTH_FUNCTION], inside=[BOTH_FUNCTION]), recipes=["_asked"]
    ),
    "sync and async in turns": Stack(
        (SYNC_FUNCTION, SECURITY, ASYNC_FUNCTION, SESSION, CLASS, COMMON, ASYNC, CSRF, HOOKS, AUTH, BOTH, MESSAGES),
        recipes=["_asked"],
    ),
    "not used": Stack((NOT_USED, *STARTPROJECT[:4], NOT_USED, *STARTPROJECT[4:], NOT_USED)),
    "our own": Stack((OURS, *STARTPROJECT)),
    "subclasses": Stack(
        _own("SecurityByCall", "SlowSession", "TemporaryLocale", "NoSlashForText", "CsrfByOwnRules", "GuestUser")
        + (MESSAGES,)
        + _own("FramesOfOwn")
    ),
    "subclasses, others": Stack(
        _own("ManyBrokenLinks", "SecurityByInstance")
        + (SESSION,)
        + _own("Temporary", "CsrfByHeader")
        + (AUTH,)
        + _own("LoginByHeader")
        + (FRAMES,)
    ),
    "sessions in a cache": _with({"SESSION_ENGINE": _SESSIONS + "cache"}),
    "sessions in a cache and the database": _with({"SESSION_ENGINE": _SESSIONS + "cached_db"}, watch="sync"),
    "sessions in files": _with({"SESSION_ENGINE": _SESSIONS + "file"}),
    "sessions in cookies": _with({"SESSION_ENGINE": _SESSIONS + "signed_cookies"}),
    "sessions saved each time": _with({"SESSION_SAVE_EVERY_REQUEST": True, "SESSION_EXPIRE_AT_BROWSER_CLOSE": True}),
    "CSRF in sessions": _with({"CSRF_USE_SESSIONS": True}),
    "CSRF in sessions in cookies": _with({"CSRF_USE_SESSIONS": True, "SESSION_ENGINE": _SESSIONS + "signed_cookies"}),
    "messages in sessions": _with({"MESSAGE_STORAGE": _MESSAGES + "session.SessionStorage"}, *_between(HOOKS)),
    "messages in cookies": _with({"MESSAGE_STORAGE": _MESSAGES + "cookie.CookieStorage"}),
    "atomic requests": Stack(_between(inside=[HOOKS]), {"atomic": True}, watch="sync"),
    "WhiteNoise": _with({}, SECURITY, "whitenoise.middleware.WhiteNoiseMiddleware", *STARTPROJECT[1:]),
    "CORS": _with(
        {"CORS_ALLOWED_ORIGINS": ["https://example.com"], "CORS_ALLOW_CREDENTIALS": True},
        *STARTPROJECT[:2],
        "corsheaders.middleware.CorsMiddleware",
        *STARTPROJECT[2:],
        recipes=["_cors"],
    ),
    "debug toolbar": _with({"DEBUG": True}, "debug_toolbar.middleware.DebugToolbarMiddleware", *STARTPROJECT),
    "allauth": Stack(
        (*STARTPROJECT, ACCOUNT),
        {
            "AUTHENTICATION_BACKENDS": [
                "django.contrib.auth.backends.ModelBackend",
                "allauth.account.auth_backends.AuthenticationBackend",
            ]
        },
        recipes=["_allauth"],
    ),
}
"""Name → stack. Those of Sentry's SDK are these, with the SDK patching Django around them."""

SENTRY = ("none", "startproject", "hooks in the middle", "async class", "sync class around", "sync and async in turns")
"""The stacks that Sentry's SDK is tried with."""


ROUTES: Mapping[str, str] = {
    "api/hello/route.py": "async def GET():\n    return {'hello': 'world'}\n",
    "api/echo/route.py": (
        "from pydantic import BaseModel\n\n\n"
        "class Order(BaseModel):\n    product: int\n    note: str = ''\n\n\n"
        "def GET(request, word: str = 'none'):\n    return {'word': word, 'path': request.path}\n\n\n"
        "async def POST(body: Order):\n    return body\n\n\n"
        "async def DELETE():\n    pass\n"
    ),
    "api/users/[id]/route.py": (
        "from django.contrib.auth.models import User\nfrom django.http import Http404\n\n\n"
        "async def GET(id: int, request):\n"
        "    async for user in User.objects.filter(pk=id):\n        return {'name': user.username}\n"
        "    raise Http404('nobody')\n\n\n"
        "def PUT(id: int, name: str):\n"
        "    return {'changed': User.objects.filter(pk=id).update(first_name=name)}\n"
    ),
    "api/lines/route.py": (
        "import asyncio\n\n\n"
        "async def GET(count: int = 3):\n"
        "    for number in range(count):\n        await asyncio.sleep(0)\n        yield {'number': number}\n"
    ),
    "api/broken/route.py": "async def GET():\n    raise ValueError('of a route')\n",
}
"""The project's routes: file → its text."""

TEMPLATES: Mapping[str, str] = {
    "page.html": (
        "<html><body><h1>{{ title }}</h1>{{ added }}{% for m in messages %}<p>{{ m.level_tag }} {{ m }}</p>"
        "{% endfor %}{{ user }}{% csrf_token %}</body></html>"
    ),
    "broken.html": "<html><body>{{ nothing|default:1 }}{{ explode.now }}</body></html>",
    "form.html": "<html><body><form method=post>{% csrf_token %}<input name=a></form></body></html>",
    "flatpages/default.html": "<html><body><h1>{{ flatpage.title }}</h1>{{ flatpage.content }}{{ user }}</body></html>",
    "404.html": "<html><body>not found: {{ request_path }} {{ exception }}</body></html>",
    "500.html": "<html><body>an error</body></html>",
    "broken_link.html": "",
}


def base_settings(folder: Path) -> dict[str, Any]:
    """Return the settings that all stacks share, for a project in *folder*."""
    return {
        # allauth refuses to start without its own. Each stack has another list.
        "MIDDLEWARE": [ACCOUNT],
        "DATABASES": {"default": database(folder)},
        "CACHES": dict(_CACHES),
        "TEMPLATES": [_templates()],
        "STATIC_ROOT": str(folder / "static"),
        "SESSION_FILE_PATH": str(folder / "sessions"),
        "FILE_UPLOAD_TEMP_DIR": str(folder),
        **_SETTINGS,
    }


_SETTINGS: Mapping[str, Any] = {
    "SECRET_KEY": "a key for tests alone",
    "ALLOWED_HOSTS": ["testserver", ".example.com"],
    "ROOT_URLCONF": "engine_site",
    "INSTALLED_APPS": list(INSTALLED_APPS),
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "AUTHENTICATION_BACKENDS": [
        "django.contrib.auth.backends.ModelBackend",
        "django.contrib.auth.backends.RemoteUserBackend",
    ],
    "EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
    "LANGUAGES": _LANGUAGES,
    "LANGUAGE_CODE": "en",
    "USE_TZ": True,
    "SITE_ID": 1,
    "STATIC_URL": "/static/",
    "DATA_UPLOAD_MAX_MEMORY_SIZE": 200_000,
    "FILE_UPLOAD_MAX_MEMORY_SIZE": 100_000,
    "DATA_UPLOAD_MAX_NUMBER_FIELDS": 50,
    "LOGGING_CONFIG": None,
    "ROUTEHANDLERS": {"CACHE_ENABLED": False},
    "DEBUG_TOOLBAR_CONFIG": {"SHOW_TOOLBAR_CALLBACK": "engine_compare.show_toolbar", "IS_RUNNING_TESTS": False},
    "DEBUG_TOOLBAR_PANELS": [f"debug_toolbar.panels.{name}" for name in _PANELS],
    "SILENCED_SYSTEM_CHECKS": ["debug_toolbar.W001"],
}


def _templates() -> dict[str, Any]:
    loaders = [
        ("django.template.loaders.locmem.Loader", dict(TEMPLATES)),
        "django.template.loaders.app_directories.Loader",
    ]
    processors = [
        *(f"django.template.context_processors.{name}" for name in ("debug", "request", "i18n")),
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]
    options = {"loaders": loaders, "context_processors": processors}
    return {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": options}


def database(folder: Path) -> dict[str, Any]:
    """Return the settings of the database of a project in *folder*: a file."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "db.sqlite3"),
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
