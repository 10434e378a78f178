"""
Run Python with Django and our package imported already: most of what a short command takes is importing them.

A process that has them forks for each command. What the command sees is what a new ``python`` gives it: its
arguments, folder, environment, ``sys.path``, output.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

# No more than each of the commands needs, and nothing that reads the settings.
_IMPORTED = [
    "django.core.management.commands.runserver",
    "django.db.models",
    "django_routehandlers.autoreload",
    "django_routehandlers.explorer.checks",
    "django_routehandlers.table",
]


class WarmPython:
    """
    ``python ARGUMENTS`` in *folder*, in a session of its own; what it prints is added to the file *output*.

    The arguments begin with ``-c`` or a file. The methods are those of ``subprocess.Popen``.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path) -> None:
        self.args = arguments
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED)
        given = list(arguments), folder, dict(environment), output, _path()
        self._process = context.Process(target=_run, args=given)
        self._process.start()

    @property
    def pid(self) -> int:
        """The process, which leads its group."""
        return self._process.pid or 0

    def poll(self) -> int | None:
        """Return the exit status, or ``None`` while it runs."""
        self._process.join(0)
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Return the exit status, within *timeout* seconds."""
        self._process.join(timeout)
        if (status := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return status


@cache
def _path() -> list[str]:
    """Return where a new ``python`` looks for modules, but for the script's own folder."""
    code = "import sys; print('\\n'.join(sys.path[1:]))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()


def _run(arguments: list[str], folder: Path, environment: dict[str, str], output: Path, path: list[str]) -> None:
    # A command may start processes of its own, in the way that is usual here.
    multiprocessing.set_start_method(None, force=True)
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with output.open("ab") as stream, Path(os.devnull).open("rb") as nothing:
        for number, file in enumerate((nothing, stream, stream)):
            os.dup2(file.fileno(), number)
    if arguments[0] == "-c":
        sys.argv[:] = ["-c", *arguments[2:]]
        sys.path[:] = ["", *path]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv[:] = arguments
        sys.path[:] = [str(folder), *path]
        runpy.run_path(arguments[0], run_name="__main__")
