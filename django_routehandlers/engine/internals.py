"""
Hold what we rely on within Django and asgiref against the releases that the engine was tested with.

A release may mend a hook that the engine knows a shorter form of, or do in a handler what the engine
does in its place. Until somebody has looked, that hook runs as Django wrote it, or that handler does.
"""

import hashlib
import inspect
import io
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import FunctionType
from typing import Any

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.base import BaseHandler, reset_urlconf
from django.core.handlers.exception import convert_exception_to_response
from django.db import close_old_connections, reset_queries
from django.dispatch import Signal
from django.http import HttpRequest
from django.http.response import HttpResponseBase, ResponseHeaders
from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver, get_urlconf, set_urlconf
from django.utils.connection import BaseConnectionHandler

from django_routehandlers.engine.released import RELEASED

# What the engine overrides, does in the place of, or reaches into.
_METHODS: Mapping[type, tuple[str, ...]] = {
    ASGIHandler: (
        "__call__",
        "handle",
        "listen_for_disconnect",
        "run_get_response",
        "read_body",
        "create_request",
        "send_response",
    ),
    ASGIRequest: ("__init__", "close"),
    BaseHandler: (
        "load_middleware",
        "adapt_method_mode",
        "get_response_async",
        "_get_response_async",
        "resolve_request",
    ),
    HttpRequest: ("get_host", "_get_raw_host", "_set_content_type_params", "close"),
    HttpResponseBase: ("close", "items"),
    ResponseHeaders: ("__init__", "__setitem__", "setdefault", "pop"),
    Signal: ("connect", "disconnect"),
    URLResolver: ("resolve", "_extend_tried", "_join_route"),
    URLPattern: ("resolve",),
    ResolverMatch: ("__init__",),
    BaseConnectionHandler: ("__getitem__", "all"),
    SyncToAsync: ("__call__", "thread_handler"),
    AsyncToSync: ("__call__",),
    ThreadSensitiveContext: ("__init__", "__aenter__", "__aexit__"),
}
_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    convert_exception_to_response,
    reset_urlconf,
    close_old_connections,
    reset_queries,
    get_resolver,
    get_urlconf,
    set_urlconf,
)


def unknown_internals() -> list[str]:
    """
    Return the dotted paths of what is in no release that the engine was tested with.

    What a tracer has put in the place of a function says nothing of the release. It is called where Django calls it.
    """
    return [
        f"{module}.{name}"
        for module, name, function in internals()
        if is_as_released(function, module) and digest([function]) not in RELEASED.get(f"{module}.{name}", ())
    ]


def internals() -> Iterator[tuple[str, str, Any]]:
    """Yield each function within Django and asgiref that the engine relies on: module, qualified name, the function."""
    for kind, names in _METHODS.items():
        for name in names:
            yield kind.__module__, f"{kind.__qualname__}.{name}", vars(kind).get(name)
    for function in _FUNCTIONS:
        yield function.__module__, function.__qualname__, function


def is_as_released(value: Any, module: str) -> bool:
    """Return whether a function is the one in the source of *module*, and nothing that was put in its place."""
    function = getattr(value, "__func__", value)
    if not isinstance(function, FunctionType):
        return False
    return function.__code__.co_filename == getattr(sys.modules.get(module), "__file__", None)


def as_released(kind: type, name: str) -> Any:
    """Return a method of Django's own; ``None`` where something else has been put in its place."""
    method = getattr(kind, name)
    return method if is_as_released(method, kind.__module__) else None


def is_tested(kind: type) -> bool:
    """Return whether a middleware is as in a release that the engine was tested with."""
    return class_digest(kind) in RELEASED.get(f"{kind.__module__}.{kind.__qualname__}", ())


@lru_cache(maxsize=64)
def class_digest(kind: type) -> str:
    """Return what changes when a function of a class does."""
    return digest(value for _, value in sorted(vars(kind).items(), key=lambda item: item[0]))


def digest(values: Any) -> str:
    """Return what changes when the code of one of several functions does; comments are no code."""
    parts: list[str] = []
    for function in filter(None, map(_function, values)):
        try:
            source = inspect.getsource(function)
        except (OSError, TypeError):
            # Without source, there is nothing to hold against.
            return ""
        parts.extend(_code(source))
    # Releases of Python take an f-string apart in their own ways.
    text = "".join("".join(parts).split()).replace("{{", "{").replace("}}", "}")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _function(value: Any) -> FunctionType | None:
    # Of a method of a class or of none, of a property, of a cached one.
    for name in ("__func__", "fget", "func"):
        value = getattr(value, name, value)
    inner: object = inspect.unwrap(value) if callable(value) else None
    return inner if isinstance(inner, FunctionType) else None


def _code(source: str) -> Iterator[str]:
    before = tokenize.INDENT
    for token in tokenize.generate_tokens(io.StringIO(inspect.cleandoc("\n" + source)).readline):
        is_docstring = token.type == tokenize.STRING and before in (tokenize.INDENT, tokenize.NEWLINE)
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type
            if not is_docstring:
                yield token.string
