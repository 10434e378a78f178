"""
Drive an ASGI application without a server: a child of ``engine.py``, which asks it for one round at a time.

    python tests/benchmarks/engine_in_process.py FRAMEWORK/CONNECTIONS MIDDLEWARE [free]

A request is a scope, a ``receive`` that has an empty body and then waits, and a ``send`` that keeps what it gets, as
servers do. Rounds are asked for in lines of JSON, so that those of several children alternate. The process is held to
one core, the first that it may use, unless it is *free*; its parent, and with it a database, to the last.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine_apps import BODY, MAKERS, Counters
from held_cores import hold_to_core

REQUEST = {"type": "http.request", "body": b"", "more_body": False}
HEADERS = {
    "Host": "127.0.0.1:8000",
    "User-Agent": "benchmark/1.0",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
}


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes event loops: those of uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def scope_of(target: str) -> dict[str, Any]:
    """Return the scope of a GET, as uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": target,
        "raw_path": target.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def answer(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Send one request; return what the application sends."""
    loop, sent, is_asked = asyncio.get_running_loop(), list[dict[str, Any]](), False

    async def receive() -> dict[str, Any]:
        nonlocal is_asked
        if is_asked:
            await loop.create_future()
        is_asked = True
        return REQUEST

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(dict(scope), receive, send)
    return sent


async def run(app: Any, target: str, count: int, concurrency: int, rest: float) -> dict[str, float]:
    """Send *count* requests, so many at a time; return what one took; then do nothing for *rest* seconds."""
    scope, left, last = scope_of(target), count, list[dict[str, Any]]()

    async def go_on() -> None:
        nonlocal left, last
        while left > 0:
            left -= 1
            last = await answer(app, scope)

    wall, cpu = time.perf_counter(), time.process_time()
    if concurrency == 1:
        await go_on()
    else:
        await asyncio.gather(*(go_on() for _ in range(concurrency)))
    times = {"wall": (time.perf_counter() - wall) / count, "cpu": (time.process_time() - cpu) / count}
    check(target, last)
    await asyncio.sleep(rest)
    return times


def check(target: str, sent: list[dict[str, Any]]) -> None:
    """Raise an error unless the answer is what it should be."""
    body = b"".join(message.get("body", b"") for message in sent)
    if sent[0]["status"] != 200 or json.loads(body) != BODY:
        raise RuntimeError(f"{target}: {sent}")


@dataclass
class Child:
    """A process that drives an application."""

    process: "subprocess.Popen[str]"

    def ask(self, target: str, count: int, concurrency: int = 1, rest: float = 0) -> dict[str, float]:
        """Have requests sent, see ``run``; return the seconds of one, and ``Counters`` of the process."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps([target, count, concurrency, rest]), file=stdin, flush=True)
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} has ended.")
        return json.loads(line)


@contextmanager
def child(name: str, middleware: int, *, is_free: bool = False) -> Iterator[Child]:
    """Run a child, in a folder of its own, until it is not needed any more."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, __file__, name, str(middleware), *(["free"] if is_free else [])],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Child(process)
        finally:
            process.kill()
            process.communicate()


def main() -> None:
    """Answer each line of JSON with another."""
    hold_to_core(None if sys.argv[3:] else 0)
    framework, connections = sys.argv[1].split("/")
    counters = Counters()
    app = MAKERS[framework](int(sys.argv[2]), connections, counters)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        for line in sys.stdin:
            target, count, concurrency, rest = json.loads(line)
            # Outside the time of a round, which then begins like all others.
            gc.collect()
            times = runner.run(run(app, target, count, concurrency, rest))
            print(json.dumps({**times, **counters.values()}), flush=True)


if __name__ == "__main__":
    main()
