"""
Measure, in process, what typed input and output cost.

    python tests/benchmarks/binding.py

Goals: binding and encoding add at most 15 microseconds to an untyped handler, for a model of
five fields and a body of 200 bytes; one hundred rows of ten fields become JSON within 1.3
times the bare ``orjson.dumps`` of the same rows as dicts.

``view`` calls the view that the URLconf resolves to with requests that are ready; ``ASGI`` sends
the requests through Django's ASGI handler without middleware. Each figure is the processor time
of this process, so that others on the machine count less: the median of the rounds, which
alternate, with the least and the most. What a row adds is the median of its differences to the
first row, round by round.
"""

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median
from textwrap import dedent
from typing import Any

import django
import orjson
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.urls import include, path, resolve

ROUNDS = 25
CALLS = 400
BODY = orjson.dumps(
    {
        "name": "Oak Table",
        "description": "A table for eight, of solid oak, oiled, and made to be handed on to those who come after.",
        "price": 449.5,
        "stock": 12,
        "tags": ["oak", "table", "furniture", "dining room"],
    }
)
MODELS = """
from dataclasses import dataclass
from datetime import date
from pydantic import BaseModel


class Product(BaseModel):
    name: str
    description: str
    price: float
    stock: int
    tags: list[str]


class Row(BaseModel):
    id: int
    name: str
    sku: str
    category: str
    price: float
    rating: float
    stock: int
    active: bool
    added: date
    note: str | None


@dataclass
class DataRow:
    id: int
    name: str
    sku: str
    category: str
    price: float
    rating: float
    stock: int
    active: bool
    added: date
    note: str | None


DICTS = [
    {
        "id": n, "name": f"Oak Table {n}", "sku": f"OT-{n:05}", "category": "Tables", "price": 449.5 + n,
        "rating": 4.25, "stock": n, "active": n % 7 > 0, "added": date(2026, 11, 1 + n % 28),
        "note": None if n % 2 else "made to order",
    }
    for n in range(100)
]
ROWS = [Row(**row) for row in DICTS]
DATA_ROWS = [DataRow(**row) for row in DICTS]
"""
ROUTES = {
    "untyped": """
        from django.http import HttpResponse
        async def POST():
            return HttpResponse(CONTENT, content_type="application/json")
        """,
    "one response": """
        from django.http import HttpResponse
        RESPONSE = HttpResponse(CONTENT, content_type="application/json")
        async def POST():
            return RESPONSE
        """,
    "body only": """
        from django.http import HttpResponse
        async def POST(body: Product):
            return HttpResponse(CONTENT, content_type="application/json")
        """,
    "result only": """
        PRODUCT = Product.model_validate_json(CONTENT)
        async def POST() -> Product:
            return PRODUCT
        """,
    "typed": """
        async def POST(body: Product) -> Product:
            return body
        """,
    "dicts": "async def POST(): return DICTS",
    "models": "async def POST() -> list[Row]: return ROWS",
    "dataclasses": "async def POST() -> list[DataRow]: return DATA_ROWS",
    "dataclasses, not annotated": "async def POST(): return DATA_ROWS",
}
Send = Callable[[str, int], Awaitable[float]]


def set_up(root: Path) -> None:
    """Make a project with one app that has the routes, without middleware."""
    for name, source in ROUTES.items():
        file = root / "app" / "routes" / folder_of(name) / "route.py"
        file.parent.mkdir(parents=True)
        file.write_text(f"from app.data import *\nCONTENT = {BODY!r}\n{dedent(source)}\n")
    (root / "app" / "__init__.py").touch()
    (root / "app" / "data.py").write_text(MODELS)
    sys.path.insert(0, str(root))
    settings.configure(INSTALLED_APPS=["django_routehandlers", "app"], ROOT_URLCONF="benchmark", ALLOWED_HOSTS=["*"])
    django.setup()
    sys.modules["benchmark"] = urls = type(sys)("benchmark")
    urls.urlpatterns = [path("", include("django_routehandlers.urls"))]  # type: ignore[attr-defined]


def folder_of(name: str) -> str:
    """Return the folder, and the URL, of a route."""
    return name.replace(",", "").replace(" ", "-")


def scope_of(name: str) -> dict[str, Any]:
    """Return the scope of a POST of the body."""
    target = f"/{folder_of(name)}"
    fields = {"host": "localhost", "content-type": "application/json", "content-length": str(len(BODY))}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": target,
        "raw_path": target.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
    }


async def by_view(name: str, count: int) -> float:
    """Return the processor seconds that one of *count* calls of the view takes."""
    match = resolve(f"/{folder_of(name)}")
    requests = [ASGIRequest(scope_of(name), BytesIO(BODY)) for _ in range(count)]
    response: Any = None
    start = time.process_time()
    # Not kept: fresh memory for each body takes as long as the body.
    for request in requests:
        response = await match.func(request, *match.args, **match.kwargs)
    seconds = (time.process_time() - start) / count
    assert response.status_code == 200, response.content
    return seconds


async def by_asgi(name: str, count: int) -> float:
    """Return the processor seconds that one of *count* requests through the ASGI handler takes."""
    handler = ASGIHandler()
    statuses: set[int] = set()
    pending = asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        statuses.add(message.get("status", 200))

    async def ask() -> None:
        events = [{"type": "http.request", "body": BODY, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return events.pop() if events else await asyncio.shield(pending)

        await handler(scope_of(name), receive, send)  # type: ignore[arg-type] - a plain dict is a scope

    start = time.process_time()
    for _ in range(count):
        await ask()
    seconds = (time.process_time() - start) / count
    assert statuses == {200}, (name, statuses)
    return seconds


async def bare(name: str, count: int) -> float:
    """Return the processor seconds that one of *count* calls takes without any of us: what the libraries below need."""
    from app import data  # pyright: ignore[reportMissingImports]

    calls: dict[str, Callable[[], object]] = {
        "orjson.dumps": lambda: orjson.dumps(data.DICTS),
        "pydantic": lambda: data.Product.__pydantic_serializer__.to_json(data.Product.model_validate_json(BODY)),
    }
    call = calls[name]
    start = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - start) / count


@dataclass(frozen=True)
class Table:
    """Seconds of each row, round by round; the first row is the one that the others are held against."""

    title: str
    rows: dict[str, list[float]]

    def show(self) -> None:
        """Print a line for each row."""
        base, *_ = self.rows.values()
        print(f"\n{self.title:34}{'median':>9}{'least':>9}{'most':>9}{'adds':>9}{'ratio':>8}")
        for name, times in self.rows.items():
            adds = median(one - other for one, other in zip(times, base, strict=True))
            ratio = median(one / other for one, other in zip(times, base, strict=True))
            cells = "".join(f"{value * 1e6:>9.1f}" for value in (median(times), min(times), max(times), adds))
            print(f"{name:34}{cells}{ratio:>8.2f}")


async def measure(cases: dict[str, tuple[Send, str]], count: int) -> dict[str, list[float]]:
    """Return the seconds of each case, in rounds that alternate."""
    for send, name in cases.values():
        await send(name, 20)
    times: dict[str, list[float]] = {title: [] for title in cases}
    for _ in range(ROUNDS):
        for title, (send, name) in cases.items():
            gc.collect()
            gc.disable()
            times[title].append(await send(name, count))
            gc.enable()
    return times


async def show_all() -> None:
    """Measure and print all tables."""
    names = ("untyped", "one response", "body only", "result only", "typed")
    for way, send in (("view", by_view), ("ASGI", by_asgi)):
        cases: dict[str, tuple[Send, str]] = {f"{way}, {name}": (send, name) for name in names}
        cases["pydantic alone, there and back"] = (bare, "pydantic")
        Table(f"Five fields, {len(BODY)} bytes", await measure(cases, CALLS)).show()
    names = ("untyped", "dicts", "models", "dataclasses", "dataclasses, not annotated")
    rows = await measure(
        {"orjson.dumps of the dicts": (bare, "orjson.dumps"), **{name: (by_view, name) for name in names}}, CALLS // 4
    )
    views = rows.pop("untyped")
    Table("100 rows of ten fields, view", rows).show()
    # What any view costs is no part of making JSON.
    for name in names[1:]:
        rows[name] = [one - other for one, other in zip(rows[name], views, strict=True)]
    Table("the same, less an untyped view", rows).show()


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as root:
        set_up(Path(root))
        print(f"Microseconds of processor time, median of {ROUNDS} rounds that alternate")
        asyncio.run(show_all())


if __name__ == "__main__":
    main()
