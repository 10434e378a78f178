"""
Turn a Markdown page into a project in a temporary folder, by doing what the page says.

A page is a list of fenced code blocks, and each is done in turn, in one folder:

========== ==================================================================================
block      what is done
========== ==================================================================================
any        whose first line is a comment that is a path (``# shop/routes/api/route.py``): the
           block is written to that file. ``# mysite/settings.py, at the end`` adds to it.
``python`` runs in a process of its own, after ``django.setup()`` where there is a project
``pycon``  the same, as a doctest
``sh``     runs in bash; it has to succeed
``console`` each ``$ command`` runs, and what it prints has to be the lines below it. ``...`` stands
           for any text. A command with nothing below it may print anything but has to succeed.
``text``   is a picture or a list, and nothing is done
========== ==================================================================================

A comment in the line above a block says what the block does not:

``<!-- output -->``
    The block is what the block before it printed; JSON is compared as JSON.
``<!-- serves -->``
    The block's command is a server on port 8000. It runs until the next server starts or the page ends, on a
    free port that is 8000 for the page, and is started again when a file changes: by the tests, so that ``runserver``
    runs without its own reloader.
``<!-- not run: REASON -->``
    The block is left out, and the tests list the reason.

A page begins in a new project ``mysite`` with an app ``shop``, both our package and the app installed, our middleware
first, our URLs included. ``<!-- start: empty -->`` anywhere on a page gives it an empty folder, and
``<!-- start: testproject -->`` a copy of the demo shop. Any other block is a mistake, so that none is left untried by
accident.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile

from docs_blocks import Block, read_blocks
from new_projects import write_new_project
from warm_python import WarmPython

ROOT = Path(__file__).parents[1]
TIMEOUT = 60  # seconds, for one command

_START = re.compile(r"^<!-- start: (?P<start>.*) -->$", re.MULTILINE)
_SETTINGS = re.compile(r"""["']DJANGO_SETTINGS_MODULE["'], *["'](.+?)["']""")
_SIMPLE = re.compile(r"python manage\.py [^|&;<>()$`*?\[\]{}~#\n]*")
_PATH = re.compile(r"^(?:#|//|<!--) (?P<path>[\w./\[\]()=-]+\.\w+)(?P<append>, at the end)?(?: -->)?$")

_SETUP = "import os, django\nif 'DJANGO_SETTINGS_MODULE' in os.environ: django.setup()\n"
_RUN_PYTHON = _SETUP + (
    "import sys\nname, line, code = sys.argv[1:]\n"
    "exec(compile('\\n' * int(line) + code, name, 'exec'), {'__name__': '__main__'})"
)
_RUN_DOCTEST = _SETUP + (
    "import doctest, sys\nname, line, code = sys.argv[1:]\n"
    "test = doctest.DocTestParser().get_doctest(code, {}, name, name, int(line))\n"
    "sys.exit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed)"
)


class PageError(Exception):
    """A page that does not tell the truth: the place, and what happened instead."""


def run_page(text: str, page: str, folder: Path) -> None:
    """
    Do what the page says, in *folder*, which is empty.

    Raises:
        PageError: A block did not do what the page says, or there is no rule for it.
    """
    start = _START.search(text)
    project = Project(folder)
    project.create(start["start"] if start else "project")
    try:
        for block in read_blocks(text, page):
            project.do(block)
    finally:
        project.stop_server()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Project:
    """A folder in which a page is done, block after block."""

    folder: Path
    port: int = field(default_factory=_free_port)
    server: subprocess.Popen[bytes] | WarmPython | None = None
    server_command: str = ""
    stale: bool = False
    """Whether a file has changed since the server started."""
    printed: str = ""
    """By the last block that ran."""

    def create(self, start: str) -> None:
        """Fill the folder with what a page that begins with *start* begins with."""
        # Without a terminal, curl would draw its progress into the output.
        (self.folder / ".curlrc").write_text("silent\nshow-error\n")
        if start == "testproject":
            ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3*")
            shutil.copytree(ROOT / "testproject", self.folder, ignore=ignored, dirs_exist_ok=True)
        elif start == "project":
            write_new_project(self.folder, "mysite", "shop")
            with (self.folder / "mysite/settings.py").open("a") as settings:
                settings.write('\nINSTALLED_APPS += ["django_routehandlers", "shop"]\n')
                settings.write('MIDDLEWARE.insert(0, "django_routehandlers.middleware.CacheControlMiddleware")\n')
            (self.folder / "mysite/urls.py").write_text(
                "from django.urls import include, path\n\n"
                'urlpatterns = [path("", include("django_routehandlers.urls"))]\n'
            )
        elif start != "empty":
            raise PageError(f"start: {start!r} is none of empty, project, testproject.")

    def do(self, block: Block) -> None:
        """Do one block; the table at the top of this file says what that is."""
        first = _PATH.match(block.code.partition("\n")[0])
        match block.marker, block.language:
            case "not run", _:
                if not block.reason:
                    raise PageError(f"{block.place}: no reason is given. Write <!-- not run: REASON -->.")
            case "output", language:
                _compare(block.code, self.printed, f"{block.place}: the output", as_json=language == "json")
            case "serves", "sh" | "console":
                self.serve(block.code.removeprefix("$ "), block.place)
            case "", _ if first:
                self.write(first["path"], block.code, append=bool(first["append"]))
            case "", "python" | "pycon":
                script = _RUN_PYTHON if block.language == "python" else _RUN_DOCTEST
                command = [sys.executable, "-c", script, block.page, str(block.line), block.code]
                self.printed = _checked(self.run(command), block.place)
            case "", "sh":
                self.printed = self.succeed(block.code, block.place)
            case "", "console":
                self.converse(block)
            case "", "text":
                pass
            case _:
                raise PageError(f"{block.place}: no rule for a {block.language!r} block. Say its file, or why not run.")

    def write(self, path: str, code: str, *, append: bool) -> None:
        """Write *code* to the file at *path*, or add it at its end."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a" if append else "w", encoding="utf-8") as stream:
            stream.write(f"\n{code}\n" if append else f"{code}\n")
        self.stale = True

    def converse(self, block: Block) -> None:
        """Run each command of a ``console`` block, and compare what it prints."""
        if not block.code.startswith("$ "):
            raise PageError(f"{block.place}: a console block begins with a command, '$ ...'.")
        for part in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            length = next((i for i, line in enumerate(lines, 1) if not line.endswith("\\")), len(lines))
            command, expected = "\n".join(lines[:length]), "\n".join(lines[length:])
            if expected.strip():
                self.printed = self.run(command)[1]
                _compare(expected, self.printed, f"{block.place}: $ {command}")
            else:
                self.printed = self.succeed(command, block.place)

    def succeed(self, command: str, place: str) -> str:
        """Return what *command* prints; raise when it fails."""
        return _checked(self.run(command), place)

    def run(self, command: str | list[str]) -> tuple[int, str]:
        """Return the exit status of a command, or of a line of bash, and all that it prints."""
        if self.server and self.stale:
            self.serve(self.server_command, f"$ {self.server_command}")
        with NamedTemporaryFile() as output:
            process = self.start(command, Path(output.name))
            try:
                status = process.wait(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            printed = output.read().decode(errors="replace").replace("\r\n", "\n")
        return status, re.sub(rf"\b{self.port}\b", "8000", printed)

    def start(self, command: str | list[str], output: Path) -> subprocess.Popen[bytes] | WarmPython:
        """Start a command, or a line of bash, in a session of its own; what it prints is added to *output*."""
        arguments = self.arguments(command)
        # In development mode a command would print what a user does not see.
        if arguments[0] == sys.executable and not sys.flags.dev_mode:
            return WarmPython(arguments[1:], self.folder, self.environment(), output)
        with output.open("ab") as stream:
            return subprocess.Popen(
                arguments,
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def arguments(self, command: str | list[str]) -> list[str]:
        """Return the argument list of a command, with the page's port replaced by the real one."""
        if isinstance(command, list):
            return command
        command = re.sub(r"(manage\.py runserver)(?=\s|$)(?!\s+[\d.:]+)", r"\1 --noreload 8000", command)
        command = re.sub(r"\b8000\b", str(self.port), command)
        if _SIMPLE.fullmatch(command):
            return [sys.executable, *shlex.split(command)[1:]]
        return ["bash", "-euo", "pipefail", "-c", command]

    def environment(self) -> dict[str, str]:
        """Return the variables of a user who has this Python first on PATH, and this project's settings."""
        left_out = ("DJANGO_SETTINGS_MODULE", "PYTHONDEVMODE", "PYTHONWARNINGS", "DATABASE_URL")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        port = str(self.port)
        manage = self.folder / "manage.py"
        settings = _SETTINGS.search(manage.read_text()) if manage.exists() else None
        return kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CURL_HOME": str(self.folder),
            **dict.fromkeys(("PORT", "UVICORN_PORT", "GRANIAN_PORT"), port),
            **({"DJANGO_SETTINGS_MODULE": settings[1]} if settings else {}),
        }

    def serve(self, command: str, place: str) -> None:
        """Start a server, in the place of the one before, and wait until it listens."""
        self.stop_server()
        log = self.folder / ".server.log"
        self.server = self.start(command, log)
        self.server_command = command
        self.stale = False
        deadline = time.monotonic() + TIMEOUT
        while self.server.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise PageError(f"{place}: the server did not start.\n{log.read_text(errors='replace')}")

    def stop_server(self) -> None:
        """Stop the server and what it has started."""
        if self.server is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.server.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.server.wait(timeout=5)
        self.server = None


def _checked(result: tuple[int, str], place: str) -> str:
    status, printed = result
    if status:
        raise PageError(f"{place}: exit status {status}.\n{printed}")
    return printed


def _compare(expected: str, printed: str, place: str, *, as_json: bool = False) -> None:
    if as_json:
        same = json.loads(expected) == json.loads(printed)
    else:
        wanted, got = ([line.rstrip() for line in text.strip("\n").splitlines()] for text in (expected, printed))
        pattern = re.escape("\n".join(wanted)).replace(r"\.\.\.", ".*?")
        same = re.fullmatch(pattern, "\n".join(got), re.DOTALL) is not None
    if not same:
        raise PageError(f"{place}: the page says\n{expected}\n\nand it was\n{printed}")
