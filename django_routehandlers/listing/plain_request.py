"""
Turn a URL into the GET request of a client that sends nothing but the URL, as a server would make it.

Its entry in the cache is the one of every visitor who asks for that URL in that language.
"""

import inspect
from collections.abc import Callable
from contextvars import copy_context
from io import BytesIO
from typing import TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.middleware.locale import LocaleMiddleware
from django.urls import get_script_prefix, set_urlconf
from django.utils import timezone, translation
from django.utils.module_loading import import_string

_T = TypeVar("_T")


def make_request(path: str, *, host: str, scheme: str, query: str = "") -> WSGIRequest:
    """
    Return the request.

    Args:
        path: Behind the script prefix, with its first slash, percent-encoded.
        host: As the field ``Host`` has it, with its port unless that is the scheme's own.
        query: Behind the ``?``, percent-encoded.
    """
    name = urlsplit(f"//{host}")
    return WSGIRequest(
        {
            "HTTP_HOST": host,
            # As PEP 3333 has it: bytes, each as the character of that number.
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": get_script_prefix().rstrip("/"),
            "SERVER_NAME": name.hostname or "",
            "SERVER_PORT": str(name.port or (443 if scheme == "https" else 80)),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.input": BytesIO(),
            "wsgi.url_scheme": scheme,
        }
    )


def default_hosts() -> tuple[str, ...]:
    """Return the hosts that ``ALLOWED_HOSTS`` names, without its patterns."""
    return tuple(host for host in settings.ALLOWED_HOSTS if "*" not in host and not host.startswith("."))


def default_language() -> str | None:
    """
    Return the language of a visitor who states none; ``None``: the one that is there without ``LocaleMiddleware``.

    The two may be written differently: "en" and "en-us".
    """
    if not any(_is_locale_middleware(path) for path in settings.MIDDLEWARE):
        return None
    try:
        return translation.get_supported_language_variant(settings.LANGUAGE_CODE)
    except LookupError:
        return settings.LANGUAGE_CODE


def run_as_request(function: Callable[[], _T], *, language: str | None) -> _T:
    """Return what *function* returns where it sees the language, time zone and URLconf of a request."""

    def run() -> _T:
        if language is None:
            translation.deactivate()
        else:
            translation.activate(language)
        timezone.deactivate()
        # Django sets it for each request, to what it is in any case: it is part of the key.
        set_urlconf(settings.ROOT_URLCONF)
        return function()

    return copy_context().run(run)


def _is_locale_middleware(path: str) -> bool:
    try:
        found: object = import_string(path)
    except ImportError:
        return False
    return inspect.isclass(found) and issubclass(found, LocaleMiddleware)
