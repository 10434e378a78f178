"""
Settings of the demo shop.

Environment: ``DATABASE_URL`` (SQLite beside this project without it), ``SECRET_KEY``,
``DEBUG`` (``1`` or ``0``; on without it, and off where ``serve.py`` starts the shop).
"""

import os
from pathlib import Path

import dj_database_url
import django

BASE_DIR = Path(__file__).resolve().parent.parent

# Good for a demo on one's own machine alone: whoever knows this key can forge a session.
SECRET_KEY = os.environ.get("SECRET_KEY", "demo-only-not-a-secret")
DEBUG = os.environ.get("DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_routehandlers",
    "shop",
    "support",
]

ROUTEHANDLERS = {
    "PREFIXES": {"support": "support/"},
    "OPENAPI_INFO": {"title": "The Wood Shop", "version": "1.0.0"},
    # The page to read and try the API, which is there under DEBUG alone unless this says otherwise.
    "OPENAPI_UI": True,
    # The page that explores the routes, at /_routes/: without DEBUG for staff users alone.
    "EXPLORER": True,
}

MIDDLEWARE = [
    # First, where it sees what all others have made of a response.
    "django_routehandlers.middleware.CacheControlMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

if "DATABASE_URL" in os.environ:
    DATABASES = {"default": dj_database_url.config()}
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
if DATABASES["default"].get("ENGINE") == "django.db.backends.sqlite3":
    # Readers do not wait for a writer (WAL), and a writer waits for the one before it instead of failing.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# There is no mail server: the terminal shows what would be sent.
_TERMINAL = "django.core.mail.backends.console.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _TERMINAL}}
else:
    EMAIL_BACKEND = _TERMINAL

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
LOGIN_URL = "admin:login"

# Without DEBUG Django only mails errors; a demo on a terminal prints them.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"require_debug_false": {"()": "django.utils.log.RequireDebugFalse"}},
    "handlers": {
        "terminal": {"class": "logging.StreamHandler", "level": "ERROR", "filters": ["require_debug_false"]},
    },
    "root": {"handlers": ["terminal"]},
}

# What opens shop/routes/api/(staff)/: of a demo, and known to everybody.
STAFF_KEYS = os.environ.get("STAFF_KEYS", "oak-and-ash").split(",")

# Other shops that may read our stock from the browser, see shop/routes/api/stock/route.py.
PARTNER_ORIGINS = ["https://partner.example", "http://localhost:3000"]

# What opens shop/routes/api/(apps)/: tokens that are signed with one of these, by the "kid" of their header. Of a
# demo, and known to everybody.
JWT_KEYS = {
    "2026-10": "demo-only-not-a-secret-of-last-month-and-as-long-as-a-real-one-has-to-be",
    "2026-11": "demo-only-not-a-secret-of-this-month-and-as-long-as-a-real-one-has-to-be",
}
JWT_ISSUER = "https://id.wood-shop.example"
JWT_AUDIENCE = "wood-shop"

# The key that fill_shop gives to the user "partner", which opens shop/routes/api/(partners)/: known to everybody too.
DEMO_API_KEY = "woodshop_demo-only-not-a-secret"
