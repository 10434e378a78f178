"""
Make the ASGI applications that ``engine.py`` compares: one project on our engine and on stock Django, and its peers.

All answer the same small JSON object. The project has it as a route handler, as a plain async view and as an
endpoint of django-ninja; below ``more/`` are the views of the other cases. Nothing of Django is imported for a
peer that is not made of it: what a process holds costs each garbage collection.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

POSTGRESQL_PORT = "BENCHMARK_POSTGRESQL_PORT"
POSTGRESQL_USER = "benchmark"
POSTGRESQL_PASSWORD = "of-no-use"
POSTGRESQL_TRUSTED = "trusted"
"""A user that needs no password."""
BODY = {"id": 7, "name": "Oak Chair"}
SYNC_ONLY = "engine_apps.sync_only"
SECONDS = 0.1  # for which the view of ``threads`` sleeps
MODELS = """
from django.db import models

class Item(models.Model):
    name = models.CharField(max_length=100)
"""
ROUTES = {
    "hello": """
async def GET(request) -> dict:
    return {"id": 7, "name": "Oak Chair"}
""",
    "row": """
from app.models import Item

async def GET(request) -> dict:
    return await Item.objects.values("id", "name").aget(pk=7)
""",
}
CONNECTIONS: dict[str, dict[str, Any]] = {
    "kept": {"CONN_MAX_AGE": None},
    "checked": {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True},
    "each": {"CONN_MAX_AGE": 0},
    "trusted": {"CONN_MAX_AGE": 0, "USER": POSTGRESQL_TRUSTED},
    "pool": {"OPTIONS": {"pool": True}},
}
"""How a project keeps its connections to PostgreSQL."""


@dataclass
class Counters:
    """What a process has opened so far."""

    connections: int = 0
    threads: int = 0
    """Threads that have run a sync view."""
    most_threads: int = 0
    """Threads of the process, at most, while a sync view ran."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: threading.local = field(default_factory=threading.local)

    def values(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in ("connections", "threads", "most_threads")}

    def count_connection(self, **_signal: object) -> None:
        """Count one connection more."""
        with self._lock:
            self.connections += 1

    def count_thread(self) -> None:
        """Count the thread that calls, once."""
        with self._lock:
            self.most_threads = max(self.most_threads, threading.active_count())
            # Not by its number, which the next thread may get.
            if not hasattr(self._known, "is_counted"):
                self._known.is_counted = True
                self.threads += 1


def sync_only(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Be the middleware of a third party that knows nothing of async."""

    def middleware(request: Any) -> Any:
        response = get_response(request)
        response["X-Third-Party"] = "1"
        return response

    return middleware


def middleware_of(count: int) -> list[str]:
    """Return the setting for 0 or 7 classes, and for 8 and 9: a sync one before the seven, or behind them."""
    from django_middleware import DEFAULT_MIDDLEWARE

    sets = {0: [], 7: DEFAULT_MIDDLEWARE, 8: [SYNC_ONLY, *DEFAULT_MIDDLEWARE], 9: [*DEFAULT_MIDDLEWARE, SYNC_ONLY]}
    return sets[count]


def database_of(connections: str, root: Path) -> dict[str, Any]:
    """Return the database of a project: on PostgreSQL, or a file that nothing is written to."""
    if not connections:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(root / "db.sqlite3")}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": POSTGRESQL_USER,
        "PASSWORD": POSTGRESQL_PASSWORD,
        "HOST": "127.0.0.1",
        "PORT": os.environ[POSTGRESQL_PORT],
        **CONNECTIONS[connections],
    }


def set_up(middleware: int, connections: str, counters: Counters, **extra: Any) -> None:
    """Make the project in the current directory."""
    import django
    from django.conf import settings

    root = Path.cwd()
    for name, text in ROUTES.items():
        folder = root / "app" / "routes" / name
        folder.mkdir(parents=True)
        (folder / "route.py").write_text(text)
    (root / "app" / "__init__.py").touch()
    (root / "app" / "models.py").write_text(MODELS)
    sys.path.insert(0, str(root))
    needed = [f"django.contrib.{name}" for name in ("contenttypes", "auth", "sessions", "messages")]
    settings.configure(
        INSTALLED_APPS=[*needed, "django_routehandlers", "app", *extra.pop("INSTALLED_APPS", ())],
        DATABASES={"default": database_of(connections, root)},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        MIDDLEWARE=middleware_of(middleware),
        ROOT_URLCONF="benchmark",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of no use",
        **extra,
    )
    django.setup()
    sys.modules["benchmark"] = urls = type(sys)("benchmark")
    urls.urlpatterns = url_patterns(counters)  # type: ignore[attr-defined]
    from django.db.backends.signals import connection_created

    connection_created.connect(counters.count_connection, weak=False)


def url_patterns(counters: Counters) -> list[Any]:
    """Return the URLconf: what is measured most comes first, our routes last, as the README tells."""
    from django.http import HttpRequest, JsonResponse
    from django.urls import include, path

    async def plain(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"id": 7, "name": "Oak Chair"})

    ninja = [path("ninja/", ninja_urls())] if find_spec("ninja") else []
    more = path("more/", include(more_patterns(counters)))
    return [path("plain", plain), *ninja, more, path("", include("django_routehandlers.urls"))]


def more_patterns(counters: Counters) -> list[Any]:
    """Return the views of the cases ``database``, ``threads`` and ``sync``."""
    from django.apps import apps
    from django.http import HttpRequest, JsonResponse
    from django.urls import path

    rows = apps.get_model("app", "Item")._default_manager.values("id", "name")

    def sync(request: HttpRequest) -> JsonResponse:
        return JsonResponse(BODY)

    def sleep(request: HttpRequest) -> JsonResponse:
        counters.count_thread()
        time.sleep(SECONDS)
        return JsonResponse(BODY)

    async def session(request: HttpRequest) -> JsonResponse:
        await request.session.aset("seen", True)
        return JsonResponse(BODY)

    async def row(request: HttpRequest) -> JsonResponse:
        return JsonResponse(await rows.aget(pk=7))

    def row_sync(request: HttpRequest) -> JsonResponse:
        counters.count_thread()
        return JsonResponse(rows.get(pk=7))

    views = {"sync": sync, "sleep": sleep, "session": session, "row": row, "row-sync": row_sync}
    return [path(name, view) for name, view in views.items()]


def ninja_urls() -> Any:
    """Return the URLs of the endpoint in django-ninja."""
    from django.http import HttpRequest
    from ninja import NinjaAPI  # pyright: ignore[reportMissingImports]

    api = NinjaAPI(openapi_url=None)

    @api.get("/hello")
    async def hello(request: HttpRequest) -> dict[str, object]:
        return {"id": 7, "name": "Oak Chair"}

    return api.urls


def ours(middleware: int, connections: str, counters: Counters) -> Any:
    """Return the project on our engine."""
    from django_routehandlers.asgi import get_asgi_application

    set_up(middleware, connections, counters)
    return get_asgi_application()


def stock(middleware: int, connections: str, counters: Counters) -> Any:
    """Return the same project on Django's own."""
    from django.core.asgi import get_asgi_application

    set_up(middleware, connections, counters)
    return get_asgi_application()


def bare(*_settings: object) -> Any:
    """Return an ASGI function that does nothing else: the price of the method itself."""
    content = b'{"id":7,"name":"Oak Chair"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": content})

    return app


def starlette(*_settings: object) -> Any:
    """Return the same in Starlette."""
    from starlette.applications import Starlette  # pyright: ignore[reportMissingImports]
    from starlette.responses import JSONResponse  # pyright: ignore[reportMissingImports]
    from starlette.routing import Route  # pyright: ignore[reportMissingImports]

    async def hello(request: object) -> Any:
        return JSONResponse({"id": 7, "name": "Oak Chair"})

    return Starlette(routes=[Route("/hello", hello)])


def fastapi(*_settings: object) -> Any:
    """Return the same in FastAPI, which is faster with the annotation ``-> dict`` than without."""
    from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

    app = FastAPI(openapi_url=None)

    @app.get("/hello")
    async def hello() -> dict:
        return {"id": 7, "name": "Oak Chair"}

    return app


def litestar(*_settings: object) -> Any:
    """Return the same in Litestar."""
    from litestar import Litestar, get  # pyright: ignore[reportMissingImports]

    @get("/hello")
    async def hello() -> dict[str, Any]:
        return {"id": 7, "name": "Oak Chair"}

    return Litestar([hello], openapi_config=None)


MAKERS: dict[str, Callable[[int, str, Counters], Any]] = {
    "ours": ours,
    "stock": stock,
    "bare": bare,
    "starlette": starlette,
    "fastapi": fastapi,
    "litestar": litestar,
}
