"""The work in django-bolt, under its own server, in one process, without log and compression."""

import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import orjson

from beside.orders_msgspec import Order, Placed, place
from beside.project import POOL, columns, set_up
from beside.work import NDJSON, RECORDS


async def lines() -> AsyncIterator[bytes]:
    """Write the lines."""
    for one in RECORDS:
        yield orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE)


def api_of(middleware: int, routes: int) -> Any:
    """Return the API: of the work, or of so many routes."""
    from django.views.decorators.csrf import csrf_exempt
    from django_bolt import BoltAPI  # pyright: ignore[reportMissingImports]
    from django_bolt.responses import StreamingResponse  # pyright: ignore[reportMissingImports]

    api = BoltAPI(enable_logging=False, compression=False, django_middleware=bool(middleware))

    async def small() -> dict[str, Any]:
        return {"id": 7, "name": "Oak Chair"}

    for target in [f"/many/{n}" for n in range(routes)] or ["/json"]:
        api.get(target)(small)

    @api.post("/orders")
    @csrf_exempt
    async def orders(body: Order) -> Placed:
        return place(body)

    @api.get("/row")
    async def row() -> dict[str, Any]:
        return await columns().aget(pk=7)

    @api.get("/cached")
    async def cached() -> dict[str, Any]:
        return {"products": [row async for row in columns()]}

    @api.get("/lines")
    async def stream() -> Any:
        return StreamingResponse(lines(), media_type=NDJSON)

    return api


def serve(port: int, middleware: int, routes: int) -> None:
    """Be its server."""
    from django.core.management import call_command

    # What keeps it silent: it logs each request that this logger does not refuse, whatever enable_logging says.
    logging = {"version": 1, "disable_existing_loggers": False, "loggers": {"django.server": {"level": "ERROR"}}}
    # It has a thread for each request: connections that threads keep would soon be too many.
    set_up(middleware, POOL, list, ["django_bolt"], BOLT_API=["beside_bolt:api"], LOGGING=logging)
    sys.modules["beside_bolt"] = module = type(sys)("beside_bolt")
    module.api = api_of(middleware, routes)  # type: ignore[attr-defined]
    options = {"host": "127.0.0.1", "port": port, "processes": 1, "no_admin": True, "skip_checks": True}
    with open(os.devnull, "w") as nowhere:
        call_command("runbolt", **options, stdout=nowhere)
