"""What benchmarks of routes in one process share: a project, and the least time of calls in rounds that alternate."""

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import django
from django.conf import settings
from django.urls import include, path

ROUNDS = 9
Case = TypeVar("Case", bound=Hashable)
Call = Callable[[], Awaitable[Any]]


def set_up(
    root: Path,
    files: Mapping[str, str],
    *,
    apps: tuple[str, ...] = (),
    patterns: Callable[[], list[Any]] = list,
    **others: object,
) -> None:
    """
    Make a project with one app, and set Django up.

    Args:
        files: Path below the app's ``routes`` → source.
        apps: Further entries of ``INSTALLED_APPS``.
        patterns: Returns what stands before the routes in the URLconf; called when Django is set up.
        others: Further settings.
    """
    for name, source in files.items():
        file = root / "app" / "routes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    (root / "app" / "__init__.py").touch()
    sys.path.insert(0, str(root))
    installed = ["django_routehandlers", "app", *apps]
    settings.configure(INSTALLED_APPS=installed, ROOT_URLCONF="benchmark", ALLOWED_HOSTS=["*"], **others)
    django.setup()
    sys.modules["benchmark"] = urls = type(sys)("benchmark")
    urls.urlpatterns = [*patterns(), path("", include("django_routehandlers.urls"))]  # type: ignore[attr-defined]


def call_of(application: Any, scope: Mapping[str, Any]) -> Call:
    """Return what sends one request without content, and returns the status."""

    async def call() -> int:
        status, gone = [0], asyncio.Event()
        came = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> dict[str, Any]:
            for message in came:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]

        await application(dict(scope), receive, send)
        return status[0]

    return call


async def least_seconds(calls: Mapping[Case, Call], count: int) -> dict[Case, float]:
    """Return for each case the seconds that one call takes: the least mean of *count* calls in any round."""
    best = dict.fromkeys(calls, 1e9)
    gc.disable()
    for _ in range(ROUNDS):
        for case, call in calls.items():
            start = time.perf_counter()
            for _ in range(count):
                await call()
            best[case] = min(best[case], (time.perf_counter() - start) / count)
        gc.collect()
    gc.enable()
    return best
