"""The work as route handlers, which are the files of ``shop/routes``."""

import sys
from pathlib import Path
from typing import Any

from beside.project import KEPT, POOL, set_up

ROUTE = (Path(__file__).parent / "shop" / "routes" / "json" / "route.py").read_text()
CACHE_CONTROL = "django_routehandlers.middleware.CacheControlMiddleware"


def patterns() -> list[Any]:
    """Return the URLconf."""
    from django.urls import include, path

    return [path("", include("django_routehandlers.urls"))]


def write_routes(number: int) -> str:
    """Write an app of so many routes into the current directory; return its name."""
    for n in range(number):
        folder = Path("many_routes", "routes", "many", str(n))
        folder.mkdir(parents=True)
        (folder / "route.py").write_text(ROUTE)
    Path("many_routes", "__init__.py").touch()
    sys.path.insert(0, str(Path.cwd()))
    return "many_routes"


def make(key: str, middleware: int, routes: int) -> Any:
    """Return the project on our engine, or on Django's own."""
    apps = ["django_routehandlers", *([write_routes(routes)] if routes else [])]
    # Connections are what the documentation of each engine advises; the first middleware is what our README does.
    connections = KEPT if key == "ours" else POOL
    set_up(middleware, connections, patterns, apps, [CACHE_CONTROL])
    if key == "ours":
        from django_routehandlers.asgi import get_asgi_application
    else:
        from django.core.asgi import get_asgi_application
    return get_asgi_application()
