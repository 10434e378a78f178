"""
Measure what CORS costs: a route with a policy against one without, and django-cors-headers where it is installed.

    python tests/benchmarks/cors.py

Sends requests to the application of the engine, in process, without a server. Each figure is the least of several
rounds that alternate; the ratio is to the route without a policy.
"""

import asyncio
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dispatch import scope_of
from django.test import override_settings
from rounds import ROUNDS, Call, call_of, least_seconds, set_up

CALLS = 1000
ORIGIN = "https://app.example.com"
HANDLER = "async def GET(id: int):\n    return {'id': id}\n"
DYNAMIC = "dynamic = 'force-dynamic'\n"
POLICY = "from django_routehandlers import CORS\n\ncors = CORS({arguments})\n"
EXACT = POLICY.format(arguments=f"[{ORIGIN!r}, 'https://b.example'], credentials=True")
PATTERN = POLICY.format(arguments=r"origin_regexes=[r'https://[a-z]+\.example\.com']")
POLICIES = {"none": "", "exact": EXACT, "pattern": PATTERN, "star": POLICY.format(arguments='"*"')}
OURS = ["django_routehandlers.middleware.CacheControlMiddleware"]
THEIRS = "corsheaders.middleware.CorsMiddleware"


def make(root: Path) -> None:
    """Make a project with a route for each policy, dynamic and cached."""
    files = {
        f"{kind}/{name}/[id]/route.py": policy + head + "\n\n" + HANDLER
        for kind, head in (("dynamic", DYNAMIC), ("cached", ""))
        for name, policy in POLICIES.items()
    }
    theirs = ("corsheaders",) if find_spec("corsheaders") else ()
    others = {"CORS_ALLOWED_ORIGINS": [ORIGIN, "https://b.example"], "CORS_ALLOW_CREDENTIALS": True}
    set_up(root, files, apps=theirs, MIDDLEWARE=OURS, **others)


def call_from_page(application: Any, target: str, method: str) -> Call:
    """Return what sends one request of a page of another origin, and returns the status."""
    fields = [(b"host", b"localhost"), (b"origin", ORIGIN.encode())]
    if method == "OPTIONS":
        fields.append((b"access-control-request-method", b"GET"))
    return call_of(application, {**scope_of(target), "method": method, "headers": fields})


def calls() -> dict[tuple[str, str], Call]:
    """Return row and column → what sends its request."""
    from django_routehandlers.asgi import get_asgi_application

    found: dict[tuple[str, str], Call] = {}
    ours = get_asgi_application()
    for name in POLICIES:
        for kind in ("dynamic", "cached"):
            found[name, kind] = call_from_page(ours, f"/{kind}/{name}/7", "GET")
        found[name, "preflight"] = call_from_page(ours, f"/dynamic/{name}/7", "OPTIONS")
    if find_spec("corsheaders"):
        with override_settings(MIDDLEWARE=[THEIRS, *OURS]):
            theirs = get_asgi_application()
        for kind in ("dynamic", "cached"):
            found["django-cors-headers", kind] = call_from_page(theirs, f"/{kind}/none/7", "GET")
        found["django-cors-headers", "preflight"] = call_from_page(theirs, "/dynamic/none/7", "OPTIONS")
    return found


async def measure() -> dict[tuple[str, str], float]:
    """Return the least seconds that one request of each case takes."""
    cases = calls()
    for case, call in cases.items():
        assert await call() in (200, 204), case
    return await least_seconds(cases, CALLS)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as root:
        make(Path(root))
        best = asyncio.run(measure())
    print(f"Microseconds for one request, and the ratio to no policy; least of {ROUNDS} rounds\n")
    columns = ("dynamic", "cached", "preflight")
    print(f"{'':20}" + "".join(f"{column:>12}{'ratio':>8}" for column in columns))
    for row in dict.fromkeys(name for name, _ in best):
        cells = "".join(
            f"{best[row, column] * 1e6:>12.1f}{best[row, column] / best['none', column]:>8.2f}" for column in columns
        )
        print(f"{row:20}{cells}")


if __name__ == "__main__":
    main()
