"""
Measure what throttling costs: a route with a limit against the same one without, counted in memory and on Redis.

    python tests/benchmarks/throttle.py

Sends requests to the application of the engine, in process, without a server. Each figure is the least of several
rounds that alternate; the ratio is to the route without a limit. Redis is started where it is installed.
"""

import asyncio
import gc
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.test import override_settings
from django.urls import include, path

ROUNDS = 9
CALLS = 500
HANDLER = "\n\nasync def GET(id: int):\n    return {'id': id}\n"
LIMITS = {
    "none": "",
    "one limit": "throttle = '1000000/minute'",
    "two limits": "throttle = ['900000/minute', '9000000/day']",
}
KINDS = {"dynamic": "dynamic = 'force-dynamic'\n", "cached": ""}
REDIS = "django.core.cache.backends.redis.RedisCache"
Call = Callable[[], Awaitable[int]]


def set_up(root: Path) -> None:
    """Make a project with a route for each limit, dynamic and cached."""
    for kind, head in KINDS.items():
        for name, limit in LIMITS.items():
            folder = root / "app" / "routes" / kind / name.replace(" ", "_") / "[id]"
            folder.mkdir(parents=True)
            (folder / "route.py").write_text(head + limit + HANDLER)
    (root / "app" / "__init__.py").touch()
    sys.path.insert(0, str(root))
    settings.configure(
        INSTALLED_APPS=["django_routehandlers", "app"],
        ROOT_URLCONF="benchmark",
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=["django_routehandlers.middleware.CacheControlMiddleware"],
    )
    django.setup()
    sys.modules["benchmark"] = urls = type(sys)("benchmark")
    urls.urlpatterns = [path("", include("django_routehandlers.urls"))]  # type: ignore[attr-defined]


def call_of(application: Any, target: str) -> Call:
    """Return what sends one request, and returns the status."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": target,
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "scheme": "http",
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 9),
    }

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


async def measure() -> dict[tuple[str, str], float]:
    """Return limit and kind → the least seconds that one request takes."""
    from django_routehandlers.asgi import get_asgi_application

    application = get_asgi_application()
    cases = {
        (limit, kind): call_of(application, f"/{kind}/{limit.replace(' ', '_')}/7")
        for limit in LIMITS
        for kind in KINDS
    }
    for case, call in cases.items():
        assert await call() == 200, case
    best = dict.fromkeys(cases, 1e9)
    gc.disable()
    for _ in range(ROUNDS):
        for case, call in cases.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                await call()
            best[case] = min(best[case], (time.perf_counter() - start) / CALLS)
        gc.collect()
    gc.enable()
    return best


@contextmanager
def redis_url() -> Iterator[str | None]:
    """Run a Redis server, and give its URL; ``None`` where there is none to run."""
    if (program := shutil.which("redis-server")) is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([program, "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def show(place: str, best: dict[tuple[str, str], float]) -> None:
    """Print the table of one place where it is counted."""
    print(f"\n{place:20}" + "".join(f"{kind:>12}{'ratio':>8}" for kind in KINDS))
    for limit in LIMITS:
        cells = (f"{best[limit, kind] * 1e6:>12.1f}{best[limit, kind] / best['none', kind]:>8.2f}" for kind in KINDS)
        print(f"{limit:20}" + "".join(cells))


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as root, redis_url() as url:
        set_up(Path(root))
        print(f"Microseconds for one request, and the ratio to no limit; least of {ROUNDS} rounds")
        show("in memory", asyncio.run(measure()))
        if url is not None:
            # The entries of the cache stay in memory.
            caches = {**settings.CACHES, "counts": {"BACKEND": REDIS, "LOCATION": url}}
            with override_settings(CACHES=caches, ROUTEHANDLERS={"THROTTLE_CACHE": "counts"}):
                show("on Redis", asyncio.run(measure()))


if __name__ == "__main__":
    main()
