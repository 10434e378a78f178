"""
Measure a typed POST over loopback: ours, django-ninja, FastAPI and Litestar under one server.

    python tests/benchmarks/typed_post.py [--install] [--rounds N]

A JSON body of 200 bytes becomes a pydantic model of five fields, and a handler answers another
with one field more. Each peer runs in a process of its own under uvicorn (one worker, httptools,
no access log), with no middleware; those of Django once more with the seven classes that
``startproject`` names. All servers run throughout, and each round asks each of them in turn,
over eight connections that stay open; the client is a process of its own, so that two cores are needed.

``µs`` is the time between two answers, the median of the rounds, with the least and the most;
``CPU`` is what the server's process used of it, as the kernel counts (Linux only). ``ratio`` is to
ours with as many middleware, the median over the rounds. Peers that are not installed are left
out; ``--install`` puts them into a temporary directory for this run.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from django_middleware import DEFAULT_MIDDLEWARE
from peer_servers import Peer, running
from peers import add_option, reachable
from pydantic import BaseModel
from socket_clients import LENGTH, Client

CONNECTIONS = 8
REQUESTS = 1000  # to each server in each round
PACKAGES = {"ninja": "django-ninja", "fastapi": "fastapi", "litestar": "litestar"}
PRODUCT = {
    "name": "Oak Table",
    "description": "A table for eight, of solid oak, oiled, and made to be handed on to those who come after.",
    "price": 449.5,
    "stock": 12,
    "tags": ["oak", "table", "furniture", "dining room"],
}
BODY = json.dumps(PRODUCT, separators=(",", ":")).encode()
ROUTE = """
from typed_post import ProductIn, ProductOut

async def POST(body: ProductIn) -> ProductOut:
    return ProductOut(id=7, **dict(body))
"""


class ProductIn(BaseModel):
    """What is sent."""

    name: str
    description: str
    price: float
    stock: int
    tags: list[str]


class ProductOut(ProductIn):
    """What is answered."""

    id: int


def django_app(patterns: Callable[[], list[Any]], apps: list[str], middleware: list[str]) -> Any:
    """Return the ASGI application of a project."""
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application

    needed = [f"django.contrib.{name}" for name in ("contenttypes", "auth", "sessions", "messages")]
    settings.configure(
        INSTALLED_APPS=[*needed, *apps],
        MIDDLEWARE=middleware,
        ROOT_URLCONF="benchmark",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of no use",
    )
    django.setup()
    sys.modules["benchmark"] = urls = type(sys)("benchmark")
    urls.urlpatterns = patterns()  # type: ignore[attr-defined]
    return get_asgi_application()


def ours(middleware: list[str]) -> Any:
    """Return an application with one route."""

    def patterns() -> list[Any]:
        from django.urls import include, path

        return [path("", include("django_routehandlers.urls"))]

    root = Path.cwd()
    folder = root / "app" / "routes" / "products"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "route.py").write_text(ROUTE)
    (root / "app" / "__init__.py").touch()
    sys.path.insert(0, str(root))
    return django_app(patterns, ["django_routehandlers", "app"], middleware)


def ninja(middleware: list[str]) -> Any:
    """Return the same in django-ninja."""

    def patterns() -> list[Any]:
        from django.http import HttpRequest
        from django.urls import path
        from ninja import NinjaAPI  # pyright: ignore[reportMissingImports]

        api = NinjaAPI(openapi_url=None)

        @api.post("/products", response=ProductOut)
        async def create(request: HttpRequest, body: ProductIn) -> ProductOut:
            return ProductOut(id=7, **dict(body))

        return [path("", api.urls)]

    return django_app(patterns, [], middleware)


def fastapi(_middleware: list[str]) -> Any:
    """Return the same in FastAPI."""
    from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

    app = FastAPI(openapi_url=None)

    @app.post("/products")
    async def create(body: ProductIn) -> ProductOut:
        return ProductOut(id=7, **dict(body))

    return app


def litestar(_middleware: list[str]) -> Any:
    """Return the same in Litestar."""
    from litestar import Litestar, post  # pyright: ignore[reportMissingImports]

    @post("/products", status_code=200)
    async def create(data: ProductIn) -> ProductOut:
        return ProductOut(id=7, **dict(data))

    return Litestar([create], openapi_config=None)


MAKERS: dict[str, Callable[[list[str]], Any]] = {"ours": ours, "ninja": ninja, "fastapi": fastapi, "litestar": litestar}


def ask(peer: Peer, count: int) -> None:
    """Send *count* requests, and keep what one took."""
    before, start = peer.cpu_seconds(), time.perf_counter()
    answers = asyncio.run(send_all(peer.port, count))
    peer.wall.append((time.perf_counter() - start) / count)
    after = peer.cpu_seconds()
    if before is not None and after is not None:
        peer.cpu.append((after - before) / count)
    head, _, body = answers[-1].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), (peer.name, head, body)
    content = body if LENGTH.search(head) else body.split(b"\r\n")[1]
    assert json.loads(content) == {"id": 7, **PRODUCT}, (peer.name, body)


async def send_all(port: int, count: int) -> list[bytes]:
    """Send *count* requests over several connections; return the answers as they came."""
    lines = [
        "POST /products HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        "Accept: */*",
    ]
    request = "\r\n".join([*lines, "", ""]).encode() + BODY
    left, answers = [count], list[bytes]()
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: Client(request, left, answers), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(client.closed for client in clients))
    assert len(answers) == count
    return answers


def serve(name: str, port: int, middleware: int) -> None:
    """Be the server of a peer."""
    import uvicorn

    # Routes import the models from here; the application and they must mean the same classes.
    sys.modules["typed_post"] = sys.modules["__main__"]
    app = MAKERS[name](DEFAULT_MIDDLEWARE[:middleware])
    uvicorn.run(app, port=port, http="httptools", lifespan="off", log_level="warning", access_log=False)


def show(peers: list[Peer], rounds: int) -> None:
    """Print the table."""
    print(f"Body of {len(BODY)} bytes, {CONNECTIONS} connections, {rounds} rounds of {REQUESTS} requests\n")
    print(f"{'':12}{'middleware':>12}{'µs':>9}{'least':>9}{'most':>9}{'ratio':>8}{'CPU':>9}{'ratio':>8}")
    for peer in peers:
        base = next(one for one in peers if one.name == "ours" and one.middleware == peer.middleware)
        cells = "".join(f"{value * 1e6:>9.0f}" for value in (median(peer.wall), min(peer.wall), max(peer.wall)))
        cells += f"{ratio(peer.wall, base.wall):>8.2f}"
        if peer.cpu:
            cells += f"{median(peer.cpu) * 1e6:>9.0f}{ratio(peer.cpu, base.cpu):>8.2f}"
        print(f"{peer.name:12}{peer.middleware:>12}{cells}")


def ratio(times: list[float], base: list[float]) -> float:
    """Return the median of the ratios, round by round."""
    return median(one / other for one, other in zip(times, base, strict=True))


def main() -> None:
    """Serve one peer, or measure all."""
    parser = argparse.ArgumentParser(description="Measure a typed POST over loopback, beside its peers.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--middleware", type=int, help=argparse.SUPPRESS)
    add_option(parser)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.port, arguments.middleware)
        return
    with ExitStack() as stack:
        found = stack.enter_context(reachable(PACKAGES, install=arguments.install))
        servers = [(name, 0) for name in ["ours", *found]] + [(name, 7) for name in ("ours", "ninja")]
        peers = [
            stack.enter_context(running(name, middleware, __file__))
            for name, middleware in servers
            if name == "ours" or name in found
        ]
        for number in range(arguments.rounds + 1):
            for peer in peers:
                ask(peer, REQUESTS)
                if not number:  # The first round warms up.
                    peer.wall.clear()
                    peer.cpu.clear()
        show(peers, arguments.rounds)


if __name__ == "__main__":
    main()
