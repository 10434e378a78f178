"""
Serve what ``engine.py`` compares over loopback, and ask it: under uvicorn, and django-bolt under its own server.

    python tests/benchmarks/engine_over_socket.py --serve FRAMEWORK/CONNECTIONS --port N --middleware N

A server is one process, held to the first core; the client is another, held to the last. Connections are opened
before the time begins, and stay open; each asks again as soon as it has its answer.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from contextlib import AbstractContextManager
from typing import Any

from engine_apps import BODY, MAKERS, Counters, set_up
from engine_in_process import HEADERS, loop_factory
from engine_rows import Row
from held_cores import hold_to_core
from peer_servers import Peer, running
from socket_clients import LENGTH, Client


class HeldClient(Client):
    """A connection that asks nothing before it is told to."""

    def connection_made(self, transport: Any) -> None:
        """Wait."""
        self.transport = transport


async def send_all(peer: Peer, target: str, count: int, connections: int) -> tuple[float, float | None, bytes]:
    """Send *count* GETs; return the seconds by the clock and of the server's process, and the last answer."""
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in HEADERS.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    left, answers = [count], list[bytes]()
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: HeldClient(request, left, answers), "127.0.0.1", peer.port))[1]
        for _ in range(connections)
    ]
    before, start = peer.cpu_seconds(), time.perf_counter()
    for client in clients:
        client.next()
    await asyncio.gather(*(client.closed for client in clients))
    wall, after = time.perf_counter() - start, peer.cpu_seconds()
    if len(answers) != count:
        raise RuntimeError(f"{peer.name}: {len(answers)} answers to {count} requests")
    return wall, None if before is None or after is None else after - before, answers[-1]


def ask(row: Row, peer: Peer, count: int, connections: int) -> float:
    """Send *count* requests, and keep what one took; return it."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        wall, cpu, last = runner.run(send_all(peer, row.target, count, connections))
    row.wall.append(wall / count)
    row.cpu += [] if cpu is None else [cpu / count]
    head, _, body = last.partition(b"\r\n\r\n")
    content = body if LENGTH.search(head) else body.split(b"\r\n")[1]
    has_middleware = b"\r\nx-frame-options:" in head.lower()
    if not head.startswith(b"HTTP/1.1 200 ") or json.loads(content) != BODY or has_middleware != bool(row.middleware):
        raise RuntimeError(f"{row.name}: {last!r}")
    return wall / count


def server(row: Row) -> AbstractContextManager[Peer]:
    """Return a context in which the server of *row* runs."""
    return running(*row.process, __file__)


def serve_bolt(port: int, middleware: int) -> None:
    """Be django-bolt's server, without its log."""
    from django.core.management import call_command
    from django_bolt import BoltAPI  # pyright: ignore[reportMissingImports]

    # What keeps it silent: it logs each request that this logger does not refuse, whatever enable_logging says.
    logging = {"version": 1, "disable_existing_loggers": False, "loggers": {"django.server": {"level": "ERROR"}}}
    extra = {"INSTALLED_APPS": ["django_bolt"], "BOLT_API": ["benchmark_bolt:api"], "LOGGING": logging}
    set_up(middleware, "", Counters(), **extra)
    api = BoltAPI(enable_logging=False, compression=False, django_middleware=bool(middleware))

    @api.get("/hello")
    async def hello() -> dict[str, Any]:
        return {"id": 7, "name": "Oak Chair"}

    sys.modules["benchmark_bolt"] = module = type(sys)("benchmark_bolt")
    module.api = api  # type: ignore[attr-defined]
    options = {"host": "127.0.0.1", "port": port, "processes": 1, "no_admin": True, "skip_checks": True}
    with open(os.devnull, "w") as nowhere:
        call_command("runbolt", **options, stdout=nowhere)


def serve(framework: str, connections: str, port: int, middleware: int) -> None:
    """Be the server of a row."""
    hold_to_core(0)
    if framework == "bolt":
        serve_bolt(port, middleware)
        return
    import uvicorn

    app = MAKERS[framework](middleware, connections, Counters())
    uvicorn.run(app, port=port, loop="auto", http="httptools", log_level="warning", access_log=False)


def main() -> None:
    """Be a server."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--middleware", type=int, required=True)
    arguments = parser.parse_args()
    serve(*arguments.serve.split("/"), port=arguments.port, middleware=arguments.middleware)


if __name__ == "__main__":
    main()
