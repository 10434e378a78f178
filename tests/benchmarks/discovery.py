"""
Measure how long 10,000 route files take from the disk to the first ``reverse()``.

    python tests/benchmarks/discovery.py [--routes N]

Goals: discovered in under 2 s, and imported, bound and put into the table in under 10 s. The
files are written to a temporary directory, every one is a module with two handlers, and
nothing of them is compiled yet; the second run, in a process of its own, finds the compiled
files. Beside it stand a list of as many ``path()`` lines and the memory of the process.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver, path, reverse, set_urlconf

ROUTE = """
from datetime import date

async def GET(id: int):
    return {"id": id}

async def DELETE(request, id: int):
    return None
"""


def write(root: Path, number: int) -> None:
    """Write an app of *number* routes, in folders of a hundred."""
    for n in range(number):
        folder = root / "big" / "routes" / f"part{n // 100}" / f"item{n}" / "[id]"
        folder.mkdir(parents=True)
        (folder / "route.py").write_text(ROUTE)
    (root / "big" / "__init__.py").touch()


def memory() -> float:
    """Return the most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(what: str, call: Callable[[], object]) -> None:
    """Print how long *call* takes, and the memory after it."""
    start = time.perf_counter()
    call()
    print(f"  {what:44}{time.perf_counter() - start:>8.2f} s{memory():>9.0f} MB", flush=True)


def view(request: HttpRequest, **segments: Any) -> HttpResponse:
    """Stand for the view of every ``path()``."""
    return HttpResponse()


def measure(number: int) -> None:
    """Print the figures of one process."""
    from django.urls import include

    name = f"part{(number - 1) // 100}-item{number - 1}-id"
    settings.configure(INSTALLED_APPS=["django_routehandlers", "big"], ROOT_URLCONF="benchmark")
    sys.modules["benchmark"] = routes = type(sys)("benchmark")
    print(f"  {'start':44}{'':10}{memory():>9.0f} MB")
    # The directories are walked in ready().
    timed("set up, the folders discovered", django.setup)
    config: Any = django.apps.apps.get_app_config("django_routehandlers")
    timed("the folders discovered once more", config.discover)
    timed("imported, the table built", lambda: config.table)
    assert config.table.mistakes == ()
    routes.urlpatterns = [path("", include("django_routehandlers.urls"))]  # type: ignore[attr-defined]
    timed("first reverse()", lambda: reverse(f"routes:{name}", kwargs={"id": 1}))
    timed("first resolve()", lambda: get_resolver().resolve(f"/part0/item{number // 200}/7"))
    sys.modules["plain"] = plain = type(sys)("plain")
    lines = [(f"part{n // 100}/item{n}/<int:id>", f"part{n // 100}-item{n}-id") for n in range(number)]
    timed(
        "Django: a list of path()s",
        lambda: setattr(plain, "urlpatterns", [path(line, view, name=name) for line, name in lines]),
    )
    set_urlconf("plain")
    timed("Django: first reverse()", lambda: reverse(name, kwargs={"id": 1}))
    timed(
        "Django: first resolve(), the last of the list",
        lambda: get_resolver("plain").resolve("/" + lines[-1][0].replace("<int:id>", "7")),
    )


def main() -> None:
    """Write the files, then measure twice."""
    parser = argparse.ArgumentParser(description="Measure the start-up of many route files.")
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--below", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    number: int = arguments.routes
    if arguments.below:
        sys.path.insert(0, arguments.below)
        measure(number)
        return
    with tempfile.TemporaryDirectory() as root:
        timed(f"{number} files written", lambda: write(Path(root), number))
        for title in ("Nothing compiled", "All compiled"):
            print(f"{title}:", flush=True)
            subprocess.run([sys.executable, __file__, "--routes", str(number), "--below", root], check=True)


if __name__ == "__main__":
    main()
