"""
Measure how long many routes take from their files to the first request that they could answer.

    python tests/benchmarks/loading.py [--routes N] [--rounds N] [--install]

Each route is a module of its own with two functions, a GET and a DELETE of one typed segment. The same functions
are the routes of FastAPI, where it is installed or ``--install`` is given, and, as views, of a list of ``path()``;
*import* only imports them: what Python itself takes. Every measurement is a process of its own; the rows take turns,
and of each step the least time counts. The time is that of the processor, the memory what the process holds
afterwards. What the frameworks take for themselves is not in it.
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from peers import add_option, reachable

ROUTE = """
from datetime import date

async def GET(id: int):
    return {"id": id}

async def DELETE(request, id: int):
    return None
"""
# FastAPI knows the request by its annotation.
PEER = ROUTE.replace("from datetime import date", "from starlette.requests import Request").replace(
    "(request,", "(request: Request,"
)
VIEW = """
from datetime import date

from django.http import HttpRequest, JsonResponse

async def view(request, id):
    return JsonResponse({"id": id} if request.method == "GET" else None, safe=False)
"""
ROWS = {
    "compiled": "route files, compiled before",
    "new": "route files, never compiled",
    "path": "Django: `path()`, compiled before",
    "fastapi": "FastAPI, compiled before",
    "import": "only imported, compiled before",
}
Step = Callable[[], object]


def write(root: Path, number: int) -> None:
    """Write an app of *number* routes, in folders of a hundred, and as many modules of each peer."""
    for n in range(number):
        folder = root / "big" / "routes" / place(n) / "[id]"
        folder.mkdir(parents=True)
        (folder / "route.py").write_text(ROUTE)
        for package, text in (("path", VIEW), ("fastapi", PEER), ("import", ROUTE)):
            part = root / f"of_{package}" / f"part{n // 100}"
            part.mkdir(parents=True, exist_ok=True)
            (part / f"item{n}.py").write_text(text)
            (part / "__init__.py").touch()
    (root / "big" / "__init__.py").touch()


def steps_of_routes(number: int) -> Iterator[tuple[str, Step]]:
    """Yield the steps of the start-up with route files; the first is not counted."""
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.urls import get_resolver, include, path, reverse

    import django_routehandlers.openapi.document  # noqa: F401 - what takes no longer with more routes

    settings.configure(
        INSTALLED_APPS=["django_routehandlers", "big"],
        MIDDLEWARE=["django_routehandlers.middleware.CacheControlMiddleware"],
        ROOT_URLCONF="benchmark",
        SECRET_KEY="of no use",
    )
    sys.modules["benchmark"] = urls = type(sys)("benchmark")
    urls.urlpatterns = [path("", include("django_routehandlers.urls"))]  # type: ignore[attr-defined]
    django.setup()
    config: Any = django.apps.apps.get_app_config("django_routehandlers")
    yield "discovered", config.discover
    yield "imported, bound, in the table", lambda: config.table
    assert not config.table.mistakes
    assert len(config.table.served) == number
    yield "system checks", lambda: call_command("check")
    yield "first reverse()", lambda: reverse("routes:part0-item0-id", kwargs={"id": 1})
    yield "first resolve()", lambda: get_resolver().resolve(f"/{place(number // 2)}/7")


def steps_of_paths(number: int) -> Iterator[tuple[str, Step]]:
    """Yield the steps of the start-up with a list of ``path()``."""
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.urls import get_resolver, path, reverse

    settings.configure(ROOT_URLCONF="benchmark", SECRET_KEY="of no use")
    sys.modules["benchmark"] = urls = type(sys)("benchmark")
    django.setup()

    def build() -> None:
        urls.urlpatterns = [  # type: ignore[attr-defined]
            path(f"{place(n)}/<int:id>", imported("path", n).view, name=f"item{n}") for n in range(number)
        ]

    yield "imported, in a list", build
    yield "system checks", lambda: call_command("check")
    yield "first reverse()", lambda: reverse("item0", kwargs={"id": 1})
    yield "first resolve()", lambda: get_resolver().resolve(f"/{place(number // 2)}/7")


def steps_of_fastapi(number: int) -> Iterator[tuple[str, Step]]:
    """Yield the steps of the start-up with FastAPI."""
    from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

    app = FastAPI(openapi_url=None)

    def build() -> None:
        for n in range(number):
            module, target = imported("fastapi", n), f"/{place(n)}/{{id}}"
            app.get(target)(module.GET)
            app.delete(target, status_code=204)(module.DELETE)

    yield "imported, added to the application", build


def steps_of_imports(number: int) -> Iterator[tuple[str, Step]]:
    """Yield the one step of modules that nobody looks into."""
    yield "imported", lambda: [imported("import", n) for n in range(number)]


def place(n: int) -> str:
    """Return the folders of a route, in which a hundred are together."""
    return f"part{n // 100}/item{n}"


def imported(package: str, n: int) -> Any:
    """Return the module of a peer."""
    return importlib.import_module(f"of_{package}.part{n // 100}.item{n}")


STEPS = {"path": steps_of_paths, "fastapi": steps_of_fastapi, "import": steps_of_imports}


def memory() -> int:
    """Return the bytes of memory that this process holds: Linux counts pages."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(row: str, number: int) -> None:
    """Print what each step of a row takes: seconds of the processor, and bytes."""
    for name, step in STEPS.get(row, steps_of_routes)(number):
        held, start = memory(), time.process_time()
        step()
        print(name, time.process_time() - start, memory() - held, sep="\t")


def environment(root: Path, row: str) -> dict[str, str]:
    """Return the environment of a process that finds compiled files, or that finds none and leaves none."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if row == "new":
        # A place without any, so that those beside the sources stay for the other rows.
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        env["PYTHONPYCACHEPREFIX"] = str(root / "none")
    env["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, sys.path)])
    return env


def run(root: Path, row: str, number: int) -> dict[str, tuple[float, int]]:
    """Return what each step of a row takes, in a process of its own."""
    command = [sys.executable, __file__, "--routes", str(number), "--row", row]
    done = subprocess.run(command, env=environment(root, row), check=True, capture_output=True, text=True)
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 2]
    return {name: (float(seconds), int(held)) for name, seconds, held in lines}


def compare(number: int, rounds: int, rows: list[str]) -> None:
    """Measure all rows, in turn."""
    best: dict[str, dict[str, tuple[float, int]]] = {row: {} for row in rows}
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory), number)
        for row in rows:
            run(Path(directory), row, number)
        for row in rows * rounds:
            for step, found in run(Path(directory), row, number).items():
                best[row][step] = min(best[row].get(step, found), found)
        # Before the files are removed, which takes its time.
        show(number, rounds, best)


def show(number: int, rounds: int, best: dict[str, dict[str, tuple[float, int]]]) -> None:
    """Print the table; ratios are of the first row."""
    print(f"{number} routes, {rounds} rounds, Python {sys.version.split()[0]}:\n")
    print("|  | step | s | µs a route | of ours | bytes a route |\n| --- | --- | ---: | ---: | ---: | ---: |")
    ours = sum(seconds for seconds, _ in next(iter(best.values())).values())
    for row, steps in best.items():
        whole = sum(seconds for seconds, _ in steps.values()), sum(held for _, held in steps.values())
        for step, (seconds, held) in {**steps, "**all**": whole}.items() if len(steps) > 1 else steps.items():
            of_ours, each = seconds / ours, seconds / number * 1e6
            print(f"| {ROWS[row]} | {step} | {seconds:.2f} | {each:.0f} | {of_ours:.2f} | {held // number:,} |")


def main() -> None:
    """Measure one row, or all of them in processes of their own."""
    parser = argparse.ArgumentParser(description="Measure the start-up of many routes.")
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    add_option(parser)
    arguments = parser.parse_args()
    if arguments.row:
        measure(arguments.row, arguments.routes)
        return
    with reachable({"fastapi": "fastapi"}, install=arguments.install) as found:
        rows = [row for row in ROWS if row != "fastapi" or row in found]
        compare(arguments.routes, arguments.rounds, rows)


if __name__ == "__main__":
    main()
