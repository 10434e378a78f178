"""
Measure what throttling costs: a route with a limit against the same one without, counted in memory and on Redis.

    python tests/benchmarks/throttle.py

Sends requests to the application of the engine, in process, without a server. Each figure is the least of several
rounds that alternate; the ratio is to the route without a limit. Redis is started where it is installed.
"""

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dispatch import scope_of
from django.conf import settings
from django.test import override_settings
from rounds import ROUNDS, call_of, least_seconds, set_up

CALLS = 500
HANDLER = "\n\nasync def GET(id: int):\n    return {'id': id}\n"
LIMITS = {
    "none": "",
    "one limit": "throttle = '1000000/minute'",
    "two limits": "throttle = ['900000/minute', '9000000/day']",
}
KINDS = {"dynamic": "dynamic = 'force-dynamic'\n", "cached": ""}
REDIS = "django.core.cache.backends.redis.RedisCache"


def make(root: Path) -> None:
    """Make a project with a route for each limit, dynamic and cached."""
    files = {
        f"{kind}/{name.replace(' ', '_')}/[id]/route.py": head + limit + HANDLER
        for kind, head in KINDS.items()
        for name, limit in LIMITS.items()
    }
    set_up(root, files, MIDDLEWARE=["django_routehandlers.middleware.CacheControlMiddleware"])


async def measure() -> dict[tuple[str, str], float]:
    """Return limit and kind → the least seconds that one request takes."""
    from django_routehandlers.asgi import get_asgi_application

    application = get_asgi_application()
    cases = {
        (limit, kind): call_of(application, scope_of(f"/{kind}/{limit.replace(' ', '_')}/7"))
        for limit in LIMITS
        for kind in KINDS
    }
    for case, call in cases.items():
        assert await call() == 200, case
    return await least_seconds(cases, CALLS)


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
        make(Path(root))
        print(f"Microseconds for one request, and the ratio to no limit; least of {ROUNDS} rounds")
        show("in memory", asyncio.run(measure()))
        if url is not None:
            # The entries of the cache stay in memory.
            caches = {**settings.CACHES, "counts": {"BACKEND": REDIS, "LOCATION": url}}
            with override_settings(CACHES=caches, ROUTEHANDLERS={"THROTTLE_CACHE": "counts"}):
                show("on Redis", asyncio.run(measure()))


if __name__ == "__main__":
    main()
