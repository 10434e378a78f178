"""
Measure what an idle event stream costs: threads and memory of one uvicorn worker that holds thousands.

    python tests/benchmarks/idle_streams.py [--streams 5000] [--peer-streams 500]

Each stream has sent one event, then nothing but its heartbeats. Ours is a route under our ASGI
application; Django's is a view with a ``StreamingHttpResponse`` under Django's own. Both have the
seven middleware classes of a new project. Memory is what the process grows by for each stream
(resident, from ``/proc``); leaked is what is left once all clients have gone. Linux only.
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application as get_stock_application
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django_middleware import DEFAULT_MIDDLEWARE

HEARTBEAT = 15  # seconds
BATCH = 20  # requests that are on their way at once
SETTLE = 2  # seconds until what ends has ended
PACKAGES = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
ROUTE = """
import asyncio
from django_routehandlers import EventStreamResponse, ServerSentEvent

async def feed():
    yield ServerSentEvent("hello")
    await asyncio.Event().wait()

async def GET(request):
    return EventStreamResponse(feed())
"""


# In the server


async def _feed() -> AsyncIterator[str]:
    yield "data: hello\n\n"
    while True:
        await asyncio.sleep(HEARTBEAT)
        yield ":\n\n"


async def plain(request: HttpRequest) -> StreamingHttpResponse:
    """Stream events as a Django view does."""
    return StreamingHttpResponse(_feed(), content_type="text/event-stream")


async def state(request: HttpRequest) -> JsonResponse:
    """Tell how many tasks and threads there are beside those of this request."""
    if request.GET:
        gc.collect()
    return JsonResponse({"tasks": len(asyncio.all_tasks()), "threads": threading.active_count()})


def _application(get_application: Any) -> Any:
    settings.configure(
        SECRET_KEY="measured",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="idle_urls",
        MIDDLEWARE=DEFAULT_MIDDLEWARE,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django_routehandlers",
            "app",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    )
    django.setup()
    sys.modules["idle_urls"] = urls = type(sys)("idle_urls")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("plain", plain),
        path("state", state),
        path("", include("django_routehandlers.urls")),
    ]
    return get_application()


def ours() -> Any:
    """Return the project under our ASGI application."""
    from django_routehandlers.asgi import get_asgi_application

    return _application(get_asgi_application)


def stock() -> Any:
    """Return the project under Django's ASGI application."""
    return _application(get_stock_application)


# In the client


class Worker:
    """A uvicorn worker that is measured."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self._port = port

    def ask(self, target: str) -> socket.socket:
        """Send a GET; return the connection."""
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return connection

    def state(self, query: str = "") -> dict[str, int]:
        """Return the worker's tasks and threads."""
        with self.ask(f"/state{query}") as connection:
            return json.loads(_read_to(connection, b"}").rpartition(b"\r\n\r\n")[2])

    def status(self, field: str) -> int:
        """Return a number from the worker's ``/proc/<pid>/status``; sizes are in KB."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))

    def stop(self) -> float:
        """End the worker with SIGTERM; return the seconds that it took, at most ten."""
        start = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return time.monotonic() - start


@contextmanager
def serve(application: str) -> Iterator[Worker]:
    """Run a worker in a folder that holds the app of one route."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        route = Path(folder, "app", "routes", "feed", "route.py")
        route.parent.mkdir(parents=True)
        route.write_text(ROUTE)
        Path(folder, "app", "__init__.py").touch()
        command = [sys.executable, "-m", "uvicorn", "--factory", "--lifespan", "off", "--log-level", "critical"]
        command += ["--fd", str(listener.fileno()), f"{Path(__file__).stem}:{application}"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, *PACKAGES])}
        process = subprocess.Popen(command, cwd=folder, env=environment, pass_fds=[listener.fileno()])
        worker = Worker(process, listener.getsockname()[1])
        try:
            worker.state()
            yield worker
        finally:
            worker.stop()


def open_streams(worker: Worker, target: str, count: int, stack: ExitStack) -> list[socket.socket]:
    """Open streams, each of which has sent its first event."""
    found: list[socket.socket] = []
    while len(found) < count:
        batch = [stack.enter_context(worker.ask(target)) for _ in range(min(BATCH, count - len(found)))]
        for connection in batch:
            _read_to(connection, b"data: hello")
        found += batch
    return found


def _read_to(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError(f"closed after {received!r}")
        received += part
    return received


def measure(application: str, target: str, count: int) -> dict[str, float]:
    """Return what *count* idle streams cost, and what is left of them."""
    with serve(application) as worker:
        with ExitStack() as warm:
            open_streams(worker, target, 100, warm)
        time.sleep(SETTLE)
        before, memory = worker.state("?collect=1"), worker.status("VmRSS")
        with ExitStack() as stack:
            start = time.monotonic()
            open_streams(worker, target, count, stack)
            opened = time.monotonic() - start
            time.sleep(SETTLE)
            found = {
                "streams": count,
                "threads": worker.status("Threads"),
                "KB each": (worker.status("VmRSS") - memory) / count,
                "ms to open each": opened / count * 1000,
            }
        time.sleep(SETTLE + count / 2000)
        after = worker.state()
        found |= {f"{name} leaked": after[name] - before[name] for name in before}
        with ExitStack() as stack:
            open_streams(worker, target, min(count, 100), stack)
            found["s to stop with 100 open"] = worker.stop()
    return found


def main() -> None:
    """Print the costs of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--peer-streams", type=int, default=500)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # The worker inherits it.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for name, target, count in (("ours", "/feed", options.streams), ("stock", "/plain", options.peer_streams)):
        found = measure(name, target, count)
        print(name, *(f"{figure:g} {label}" for label, figure in found.items()), sep="\n    ", flush=True)


if __name__ == "__main__":
    main()
