"""Run ``show_routes`` as its users do: in this process, or as ``manage.py`` of a project in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from textwrap import dedent

from django.core.management import CommandError, call_command

MANAGE = """
    import sys
    from django.conf import settings
    from django.core.management import execute_from_command_line

    settings.configure(INSTALLED_APPS=["django_routehandlers", *{apps!r}], ROOT_URLCONF="urls", SECRET_KEY="x")
    execute_from_command_line(sys.argv)
"""
CACHED = {
    "policy": "cached",
    "why": None,
    "revalidate": 60,
    "tags": [],
    "depends_on": "auto",
    "force_static": False,
    "static_params": False,
    "dynamic_params": True,
}
"""What JSON says of a GET that is cached by default."""
URLS = """
    from django.urls import include, path

    urlpatterns = [path("", include("django_routehandlers.urls"))]
"""


@dataclass
class Shown:
    """What a run of the command left behind."""

    out: str
    err: str
    status: int

    @property
    def cells(self) -> list[list[str]]:
        """The lines of the table, each as the cells that two or more spaces part."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.out.splitlines()]

    def column(self, heading: str) -> list[str]:
        """The cells below a heading of the table."""
        place = self.cells[0].index(heading)
        return [line[place] for line in self.cells[1:]]


def show(*arguments: str) -> Shown:
    """Run the command in this process."""
    out, err = StringIO(), StringIO()
    try:
        call_command("show_routes", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return Shown(out.getvalue(), f"{err.getvalue()}{error}\n", error.returncode)
    except SystemExit as stop:
        return Shown(out.getvalue(), err.getvalue(), int(stop.code or 0))
    return Shown(out.getvalue(), err.getvalue(), 0)


def write_project(folder: Path, files: Mapping[str, str], *, urls: str = URLS) -> Path:
    """Write a project whose files are given by path; each first folder is an app. Return its folder."""
    apps = sorted({name.partition("/")[0] for name in files})
    for name, text in {"manage.py": MANAGE.format(apps=apps), "urls.py": urls, **files}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    for app in apps:
        (folder / app / "__init__.py").touch()
    return folder


def manage(project: Path, *arguments: str, **environment: str) -> Shown:
    """Run ``manage.py show_routes`` in a process of its own, both of its streams pipes."""
    # An installed wheel is found without help; the checkout must not come before it.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    run = subprocess.run(
        [sys.executable, "-B", "manage.py", "show_routes", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    return Shown(run.stdout, run.stderr, run.returncode)
