"""
Measure an async GET with one int segment: our view, a plain Django view, django-ninja.

    python tests/benchmarks/dispatch.py [--install]

All three answer the same JSON object. ``view`` calls the view that the URLconf resolves to,
with the arguments that it resolves; ``ASGI`` sends the request through Django's ASGI handler
without middleware, URL matching included. Each figure is the least of several rounds that
alternate. django-ninja is left out where it is not installed; ``--install`` puts it into a
temporary directory for this run.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpRequest, JsonResponse
from django.urls import path, resolve
from peers import add_option, reachable
from rounds import ROUNDS, Call, least_seconds, set_up

CALLS = {"view": 3000, "ASGI": 500}
BODY = b'{"id":7,"name":"Oak Chair"}'
ROUTE = """
async def GET(id: int):
    return {"id": id, "name": "Oak Chair"}
"""


async def plain_view(request: HttpRequest, id: int) -> JsonResponse:
    """Answer as a Django view does."""
    return JsonResponse({"id": id, "name": "Oak Chair"}, json_dumps_params={"separators": (",", ":")})


def ninja_urls() -> Any:
    """Return the URLs of the same endpoint in django-ninja."""
    from ninja import NinjaAPI  # pyright: ignore[reportMissingImports]

    api = NinjaAPI(openapi_url=None)

    @api.get("/items/{id}")
    async def item(request: HttpRequest, id: int) -> dict[str, object]:
        return {"id": id, "name": "Oak Chair"}

    return api.urls


def make(root: Path, *, ninja: bool) -> dict[str, str]:
    """Make a project with one app of one route; return each peer's URL."""
    peers = {"Django": "/plain/items/7", "django_routehandlers": "/ours/items/7"}
    if ninja:
        peers["django-ninja"] = "/ninja/items/7"

    def patterns() -> list[Any]:
        others = [path("ninja/", ninja_urls())] if ninja else []
        return [path("plain/items/<int:id>", plain_view), *others]

    set_up(root, {"ours/items/[id]/route.py": ROUTE}, patterns=patterns)
    return peers


def scope_of(target: str) -> dict[str, Any]:
    """Return the scope of a GET."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": target,
        "raw_path": target.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
    }


def view_call(target: str) -> Call:
    """Return what calls the view of *target* with a request that is ready."""
    match = resolve(target)
    request = ASGIRequest(scope_of(target), sys.stdin.buffer)

    async def call() -> object:
        return await match.func(request, *match.args, **match.kwargs)

    return call


def asgi_call(target: str) -> Call:
    """Return what sends a request through the ASGI handler, and returns its body."""
    handler = ASGIHandler()

    async def call() -> object:
        events = [{"type": "http.request", "body": b"", "more_body": False}]
        body: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return events.pop() if events else await asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            body.append(message.get("body", b""))

        await handler(scope_of(target), receive, send)  # type: ignore[arg-type] - a plain dict is a scope
        return b"".join(body)

    return call


async def measure(peers: dict[str, str]) -> dict[tuple[str, str], float]:
    """Return the least time of each peer, called both ways."""
    calls = {("view", peer): view_call(target) for peer, target in peers.items()}
    calls |= {("ASGI", peer): asgi_call(target) for peer, target in peers.items()}
    for (way, peer), call in calls.items():
        answer: Any = await call()
        body = answer if way == "ASGI" else answer.content
        # django-ninja writes a space behind each comma and colon.
        assert body.replace(b": ", b":").replace(b", ", b",") == BODY, (peer, body)
    best: dict[tuple[str, str], float] = {}
    for way, count in CALLS.items():
        best |= await least_seconds({key: call for key, call in calls.items() if key[0] == way}, count)
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure one GET through our view and its peers.")
    add_option(parser)
    wants_ninja: bool = parser.parse_args().install
    with reachable({"ninja": "django-ninja"}, install=wants_ninja) as found, tempfile.TemporaryDirectory() as root:
        peers = make(Path(root), ninja="ninja" in found)
        best = asyncio.run(measure(peers))
    print(f"Microseconds for one async GET with an int segment, least of {ROUNDS} rounds\n")
    print(f"{'':24}{'view':>10}{'ratio':>8}{'ASGI':>10}{'ratio':>8}")
    for peer in peers:
        row = "".join(
            f"{best[way, peer] * 1e6:>10.1f}{best[way, peer] / best[way, 'Django']:>8.2f}" for way in ("view", "ASGI")
        )
        print(f"{peer:24}{row}")


if __name__ == "__main__":
    main()
