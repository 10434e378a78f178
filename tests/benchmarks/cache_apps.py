"""
Make the projects and the ASGI applications that ``cache_hits.py`` compares: ours, Django's and Litestar's.

Each answers the same JSON of one row: from bytes that are ready, from the database, or from its cache.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django_middleware import DEFAULT_MIDDLEWARE

REDIS_PORT = "BENCHMARK_REDIS_PORT"
OURS = "django_routehandlers.middleware.CacheControlMiddleware"
MIDDLEWARE: dict[int, list[str]] = {
    0: [],
    1: [OURS],
    7: DEFAULT_MIDDLEWARE,
    8: [OURS, *DEFAULT_MIDDLEWARE],
}
ROW = {"id": 7, "name": "Oak Chair"}
BODY = b'{"id":7,"name":"Oak Chair"}'
SECONDS = 3600  # for which entries are fresh
MODELS = """
from django.db import models

class Item(models.Model):
    name = models.CharField(max_length=100)
"""
READS = """
from app.models import Item

revalidate = {revalidate}

async def GET(id: int):
    return await Item.objects.values("id", "name").aget(pk=id)
"""
READS_SYNC = """
from app.models import Item

revalidate = {revalidate}

def GET(id: int):
    return Item.objects.values("id", "name").get(pk=id)
"""
PREBUILT = """
from cache_apps import BODY
from django.http import HttpResponse

dynamic = "force-dynamic"

{kind} GET(id: int):
    return HttpResponse(BODY, content_type="application/json")
"""
ROUTES = {
    "hit": READS.format(revalidate=SECONDS),
    "hit-sync": READS_SYNC.format(revalidate=SECONDS),
    "uncached": READS.format(revalidate=0),
    "uncached-sync": READS_SYNC.format(revalidate=0),
    "prebuilt": PREBUILT.format(kind="async def"),
    "prebuilt-sync": PREBUILT.format(kind="def"),
}


def caches(redis: int | None) -> dict[str, Any]:
    """Return the setting ``CACHES``: of this process, or a Redis server's on that port."""
    backend = "redis.RedisCache" if redis else "locmem.LocMemCache"
    location = f"redis://127.0.0.1:{redis}/0" if redis else ""
    return {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location}}


def set_up(root: Path, middleware: int = 0, redis: int | None = None, *, local_tier: bool = True) -> None:
    """
    Make a project in *root*, with a database of one row.

    Args:
        middleware: How many, see ``MIDDLEWARE``.
        redis: Port of the Redis server that keeps the cache; ``None``: the memory of this process.
    """
    import django
    from django.conf import settings

    for name, text in ROUTES.items():
        folder = root / "app" / "routes" / name / "[id]"
        folder.mkdir(parents=True)
        (folder / "route.py").write_text(text)
    (root / "app" / "__init__.py").touch()
    (root / "app" / "models.py").write_text(MODELS)
    sys.path.insert(0, str(root))
    settings.configure(
        INSTALLED_APPS=[
            *(f"django.contrib.{name}" for name in ("contenttypes", "auth", "sessions", "messages")),
            "django_routehandlers",
            "app",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(root / "db.sqlite3")}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        CACHES=caches(redis),
        MIDDLEWARE=MIDDLEWARE[middleware],
        ROUTEHANDLERS={"LOCAL_TIER": local_tier},
        ROOT_URLCONF="benchmark",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of no use",
    )
    django.setup()
    sys.modules["benchmark"] = urls = type(sys)("benchmark")
    urls.urlpatterns = url_patterns()  # type: ignore[attr-defined]
    fill_database()


def fill_database() -> None:
    """Make the table and its row."""
    from django.apps import apps
    from django.db import connection

    model = apps.get_model("app", "Item")
    with connection.schema_editor() as editor:
        editor.create_model(model)
    model._default_manager.create(**ROW)
    connection.close()


def url_patterns() -> list[Any]:
    """Return our routes, and the same as views of Django with ``cache_page``."""
    from django.apps import apps
    from django.http import HttpRequest, JsonResponse
    from django.urls import include, path
    from django.views.decorators.cache import cache_page

    rows = apps.get_model("app", "Item")._default_manager.values("id", "name")
    compact = {"separators": (",", ":")}

    def view(request: HttpRequest, id: int) -> JsonResponse:
        return JsonResponse(rows.get(pk=id), json_dumps_params=compact)

    async def aview(request: HttpRequest, id: int) -> JsonResponse:
        return JsonResponse(await rows.aget(pk=id), json_dumps_params=compact)

    return [
        path("cache-page-sync/<int:id>", cache_page(SECONDS)(view)),
        path("cache-page/<int:id>", cache_page(SECONDS)(aview)),
        path("", include("django_routehandlers.urls")),
    ]


def django_app(middleware: int) -> Any:
    """Return the project under Django's ASGI handler."""
    from django.core.asgi import get_asgi_application

    set_up(Path.cwd(), middleware)
    return get_asgi_application()


def redis_app(middleware: int) -> Any:
    """Return the same with its cache in Redis, on the port that the environment names."""
    from django.core.asgi import get_asgi_application

    set_up(Path.cwd(), middleware, int(os.environ[REDIS_PORT]))
    return get_asgi_application()


def our_app(middleware: int) -> Any:
    """Return the project under our ASGI handler."""
    from django_routehandlers.asgi import get_asgi_application

    set_up(Path.cwd(), middleware)
    return get_asgi_application()


def litestar_app(_middleware: int) -> Any:
    """Return the same in Litestar, which keeps responses in the memory of its process."""
    from litestar import Litestar, Response, get  # pyright: ignore[reportMissingImports]

    @get("/hit/{id:int}", cache=SECONDS)
    async def hit(id: int) -> dict[str, object]:
        return {**ROW, "id": id}

    @get("/prebuilt/{id:int}")
    async def prebuilt(id: int) -> Response:
        return Response(BODY, media_type="application/json")

    return Litestar([hit, prebuilt], openapi_config=None)


MAKERS: dict[str, Callable[[int], Any]] = {
    "django": django_app,
    "redis": redis_app,
    "ours": our_app,
    "litestar": litestar_app,
}
