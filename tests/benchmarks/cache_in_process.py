"""
Measure hits of the route cache within one process: a child of ``cache_hits.py``, which prints JSON.

    python tests/benchmarks/cache_in_process.py STORE [PORT]

Requests are made beforehand. A call goes through the middleware, the URLconf and the view, and its
response is made what the server gets. ``view`` is the view alone.
"""

import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from cache_apps import BODY, MIDDLEWARE, set_up
from dispatch import scope_of
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.test import RequestFactory, override_settings
from django.urls import resolve

ROUNDS = 40
LEVELS = ("view", 0, 1, 8)
"""The view alone, or all of it, with so many middleware."""
ROUTES = ("prebuilt", "hit", "uncached")
Times = list[tuple[float, float]]
"""Seconds for one call, by the clock and by the processor."""


def count_of(level: str | int, route: str) -> int:
    """Return how many calls are made in a row: fewer where each hops to threads."""
    return 10 if level == 8 or route == "uncached" else 40


def timed(seconds: Callable[[], float], start: float, count: int) -> float:
    """Return the seconds for each of *count* calls since *start*."""
    return (seconds() - start) / count


async def on_loop(level: str | int, handler: ASGIHandler, target: str, count: int) -> tuple[float, float]:
    """Call on an event loop."""
    requests = [ASGIRequest(scope_of(target), BytesIO()) for _ in range(count)]
    match, sent = resolve(target), list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    wall, cpu = time.perf_counter(), time.process_time()
    if level == "view":
        for request in requests:
            await match.func(request, **match.kwargs)
    else:
        for request in requests:
            await handler.send_response(await handler.get_response_async(request), send)
    times = timed(time.perf_counter, wall, count), timed(time.process_time, cpu, count)
    assert not sent or sent[-1]["body"] == BODY, (target, sent)
    return times


def in_thread(level: str | int, handler: WSGIHandler, target: str, count: int) -> tuple[float, float]:
    """Call where no event loop runs."""
    environ = RequestFactory().get(target, headers={"host": "localhost"}).environ
    requests = [WSGIRequest({**environ, "wsgi.input": BytesIO()}) for _ in range(count)]
    match, bodies = resolve(target), list[bytes]()
    wall, cpu = time.perf_counter(), time.process_time()
    if level == "view":
        for request in requests:
            match.func(request, **match.kwargs)
    else:
        for request in requests:
            response = handler.get_response(request)
            list(response.items())
            bodies.append(b"".join(response))
    times = timed(time.perf_counter, wall, count), timed(time.process_time, cpu, count)
    assert not bodies or bodies[-1] == BODY, (target, bodies)
    return times


Call = Callable[[str | int, Any, str, int], tuple[float, float]]


def measure(call: Call, handlers: dict[str | int, Any], suffix: str) -> dict[str, Times]:
    """Return the times of each level and route, in rounds that alternate."""
    found: dict[str, Times] = {}
    for number in range(ROUNDS + 2):
        for level in LEVELS:
            for route in ROUTES:
                times = call(level, handlers[level], f"/{route}{suffix}/7", count_of(level, route))
                if number > 1:  # The first rounds warm up.
                    found.setdefault(f"{level} {route}", []).append(times)
        gc.collect()
    return found


def main() -> None:
    """Measure, and print all times."""
    store, port = sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else None
    with tempfile.TemporaryDirectory() as root:
        set_up(Path(root), redis=port, local_tier=not store.endswith("no tier"))
        asynchronous: dict[str | int, Any] = {"view": None}
        synchronous: dict[str | int, Any] = {"view": None}
        for count, middleware in MIDDLEWARE.items():
            with override_settings(MIDDLEWARE=middleware):
                asynchronous[count], synchronous[count] = ASGIHandler(), WSGIHandler()
        gc.disable()
        with asyncio.Runner() as runner:
            found = {"loop": measure(lambda *call: runner.run(on_loop(*call)), asynchronous, "")}
        found["thread"] = measure(in_thread, synchronous, "-sync")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
