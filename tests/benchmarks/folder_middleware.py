"""
Measure what folder middleware costs: a route with none, one and three, async and sync, not cached and cached.

    python tests/benchmarks/folder_middleware.py

Calls the view that the URLconf resolves to on an event loop, as the engine does. Each figure is the
least of several rounds that alternate; the ratio is to the same route without middleware.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from dispatch import scope_of
from django.core.handlers.asgi import ASGIRequest
from django.urls import resolve
from rounds import ROUNDS, least_seconds, set_up

CALLS = 2000
COUNTS = (0, 1, 3)
ROUTES = {
    "dynamic": 'dynamic = "force-dynamic"\n\n\n{kind} GET(id: int):\n    return {{"id": id}}\n',
    "cached": '{kind} GET(id: int):\n    return {{"id": id}}\n',
}
MIDDLEWARE = "{kind} one(request, call_next):\n    return {wait}call_next(request)\n\n\nmiddleware = [one] * {count}\n"
KINDS = {"async": ("async def", "await "), "sync": ("def", "")}


def make(root: Path) -> list[tuple[str, str, int]]:
    """Make a project with a route for each kind, policy and number; return these."""
    cases = [(kind, policy, count) for kind in KINDS for policy in ROUTES for count in COUNTS]
    files: dict[str, str] = {}
    for kind, policy, count in cases:
        word, wait = KINDS[kind]
        files[f"{kind}/{policy}/n{count}/[id]/route.py"] = ROUTES[policy].format(kind=word)
        if count:
            text = MIDDLEWARE.format(kind=word, wait=wait, count=count) + "public = True\n"
            files[f"{kind}/{policy}/n{count}/[id]/middleware.py"] = text
    set_up(root, files)
    return cases


def call_of(kind: str, policy: str, count: int) -> Any:
    """Return what answers one request to the route."""
    target = f"/{kind}/{policy}/n{count}/7"
    match = resolve(target)
    request = ASGIRequest(scope_of(target), sys.stdin.buffer)
    view: Any = match.func
    if not asyncio.iscoroutinefunction(view):
        # As Django does it.
        view = sync_to_async(view, thread_sensitive=True)

    async def call() -> Any:
        return await view(request, *match.args, **match.kwargs)

    return call


async def measure(cases: list[tuple[str, str, int]]) -> dict[tuple[str, str, int], float]:
    """Return the least seconds that one call of each case takes."""
    calls = {case: call_of(*case) for case in cases}
    for case, call in calls.items():
        response = await call()
        assert response.content == b'{"id":7}', case
    return await least_seconds(calls, CALLS)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as root:
        cases = make(Path(root))
        best = asyncio.run(measure(cases))
    print(f"Microseconds for one GET through the view, and the ratio to no middleware; least of {ROUNDS} rounds\n")
    print(f"{'':20}" + "".join(f"{count:>10}{'ratio':>8}" for count in COUNTS))
    for kind in KINDS:
        for policy in ROUTES:
            times = [best[kind, policy, count] for count in COUNTS]
            cells = "".join(f"{one * 1e6:>10.1f}{one / times[0]:>8.2f}" for one in times)
            print(f"{kind + ', ' + policy:20}{cells}")


if __name__ == "__main__":
    main()
