"""
Be a project that Sentry or OpenTelemetry watches, ask it, and print as JSON what each of them calls the requests.

    python tests/monitored_site.py {sentry,opentelemetry} {engine,stock,wsgi} FOLDER

Both change Django for good, so each project has a process of its own. FOLDER is empty.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from asgi_requests import Request

REQUESTS = (
    ("GET", "/v1/api/items/7"),
    ("POST", "/v1/api/items/7"),
    ("DELETE", "/v1/api/items/8"),
    ("GET", "/v1/api/lines/9"),
    ("GET", "/v1/api/cached/1"),
    ("GET", "/v1/api/cached/1"),
    ("GET", "/v1/none"),
)
ROUTES = {
    "cached/[id]": "async def GET(id: int):\n    return id\n",
    "items/[id]": "async def GET(request, id: int):\n    return id\n\n\ndef POST(id: int):\n    raise ValueError(id)\n",
    "lines/[id]": "async def GET(id: int):\n    for number in range(id):\n        yield number\n",
}


def write_project(folder: Path) -> None:
    """Write the routes into *folder*, and set Django up, but for its apps."""
    from django.conf import settings

    for name, text in ROUTES.items():
        (folder / "app/routes/api" / name).mkdir(parents=True)
        (folder / "app/routes/api" / name / "route.py").write_text(text)
    (folder / "app/__init__.py").touch()
    sys.path.insert(0, str(folder))
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_routehandlers", "app"],
        MIDDLEWARE=["django_routehandlers.middleware.CacheControlMiddleware"],
        ROOT_URLCONF="monitored_urls",
        ALLOWED_HOSTS=["testserver"],
        SECRET_KEY="of no use",
        LOGGING_CONFIG=None,
    )


def watch_by_sentry() -> Callable[[], list[Any]]:
    """Start Sentry; return what gives, and forgets, the names that it has sent."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    sent: list[Any] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            found = [(item.type, item.payload.json) for item in envelope.items]
            sent.extend([kind, event["transaction"]] for kind, event in found if kind in ("event", "transaction"))

    sentry_sdk.init(dsn="https://key@sentry.example/1", transport=Kept, traces_sample_rate=1.0)

    def take() -> list[Any]:
        sentry_sdk.flush()
        taken = sorted(sent)
        sent.clear()
        return taken

    return take


def watch_by_opentelemetry() -> Callable[[], list[Any]]:
    """Start OpenTelemetry; return what gives, and forgets, the names of its spans, and their routes."""
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    DjangoInstrumentor().instrument(tracer_provider=provider, middleware_position=1)

    def take() -> list[Any]:
        spans = exporter.get_finished_spans()
        exporter.clear()
        return [[span.name, (span.attributes or {}).get("http.route")] for span in spans]

    return take


def ask_wsgi(application: Any, method: str, path: str) -> int:
    """Return the status of an answer, when all of it has come."""
    from wsgiref.util import setup_testing_defaults

    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": "testserver", "wsgi.input": BytesIO()}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    answer = application(environ, lambda status, _fields, _error=None: statuses.append(status))
    list(answer)
    answer.close()
    return int(statuses[0].split()[0])


def make_asker(server: str) -> Callable[[str, str], int]:
    """Return what asks the application that *server* names."""
    if server == "wsgi":
        from django.core.wsgi import get_wsgi_application

        application: Any = get_wsgi_application()
        return lambda method, path: ask_wsgi(application, method, path)
    if server == "engine":
        from django_routehandlers.asgi import get_asgi_application
    else:
        from django.core.asgi import get_asgi_application
    application = get_asgi_application()
    return lambda method, path: asyncio.run(Request(path, method=method).run(application)).status


def main(watcher: str, server: str, folder: str) -> None:
    """Ask all, and print the names."""
    write_project(Path(folder))
    take = watch_by_sentry() if watcher == "sentry" else watch_by_opentelemetry()
    from django.urls import include, path

    urls = ModuleType("monitored_urls")
    sys.modules[urls.__name__] = urls
    ask = make_asker(server)
    urls.urlpatterns = [path("v1/", include("django_routehandlers.urls"))]  # type: ignore[attr-defined]
    print(json.dumps([[method, path, ask(method, path), take()] for method, path in REQUESTS]))


if __name__ == "__main__":
    main(*sys.argv[1:])
