"""
Django's autoreloader and route files, in a real ``runserver`` process.

Each test edits folders of its own. Before it does, it waits until the reloader has seen what is
to change: what changes earlier, the polling reloader takes for the first state.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.autoreload import StatReloader, autoreload_started

from conftest import Site
from servers import Server, make_project, poll, run, serve, write_route

pytestmark = pytest.mark.servers

RELOAD_LIMIT = 30  # seconds until a change shows
LOGGING = """
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django.utils.autoreload": {"level": "DEBUG", "handlers": ["console"], "propagate": False}},
    }
    INSTALLED_APPS += ["bare"]

    from django.utils.autoreload import StatReloader

    StatReloader.SLEEP_TIME = 0.1  # seconds from one look at all files to the next; else 1
"""
START = "Watching for file changes"


def answer(text: str) -> str:
    """Return a route file that answers *text*."""
    return f"""
        async def GET():
            return "{text}"
        """


class Development:
    """A project that a developer works on while ``runserver`` serves it."""

    def __init__(self, home: Path, server: Server) -> None:
        self.home = home
        self.server = server
        self.routes = home / "pages" / "routes"

    def write(self, name: str, source: str) -> Path:
        """Write a file below ``pages/routes``."""
        write_route(self.home, name, source)
        return self.routes / name

    def wait_until_watched(self, *paths: Path) -> None:
        """Wait until the process that runs now has looked at every path."""
        lines = [f"File {path} first seen" for path in paths]
        poll(
            lambda: all(line in self.server.log.rpartition(START)[2] for line in lines) or None,
            limit=RELOAD_LIMIT,
            what=f"the reloader to look at {paths}",
            on=self.server,
        )

    def wait_for(self, target: str, status: int, text: str | None = None) -> None:
        """Wait until *target* answers with *status*, and with *text* as JSON where it is given."""
        expected = None if text is None else f'"{text}"'.encode()

        def is_so() -> bool | None:
            try:
                got = self.server.get(target)
            except (OSError, ValueError):
                # Between two processes nobody listens.
                return None
            return (got[0] == status and expected in (None, got[1])) or None

        poll(is_so, limit=RELOAD_LIMIT, what=f"{target} to answer {status} {text}", on=self.server)


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """A project with a few routes, served by ``runserver`` with its autoreloader."""
    names = ("edited", "broken", "removed", "old", "quiet", "guarded")
    routes = {f"{name}/route.py": answer(f"{name} at first") for name in names}
    home = make_project(tmp_path_factory.mktemp("autoreload"), routes)
    run(["manage.py", "startapp", "bare"], home)
    with (home / "project" / "settings.py").open("a") as settings:
        settings.write("\n".join(line.removeprefix("    ") for line in LOGGING.splitlines()))
    with serve("runserver-reload", home) as server:
        yield Development(home, server)


def test_an_edited_route_file_answers_anew(development: Development) -> None:
    """Invariant 86."""
    development.wait_for("/edited", 200, "edited at first")
    development.wait_until_watched(development.routes / "edited" / "route.py")
    development.write("edited/route.py", answer("edited since"))
    development.wait_for("/edited", 200, "edited since")


def test_a_new_route_file_in_a_new_folder_answers(development: Development) -> None:
    """Invariant 86."""
    development.wait_for("/new/deep", 404)
    development.wait_until_watched(development.routes)
    development.write("new/deep/route.py", answer("new"))
    development.wait_for("/new/deep", 200, "new")


def test_a_route_file_that_comes_after_its_folder_answers(development: Development) -> None:
    """Invariant 86."""
    development.wait_until_watched(development.routes)
    (development.routes / "later").mkdir()
    development.wait_until_watched(development.routes / "later")
    development.write("later/route.py", answer("later"))
    development.wait_for("/later", 200, "later")


def test_a_removed_route_file_is_404(development: Development) -> None:
    """Invariant 86."""
    development.wait_for("/removed", 200, "removed at first")
    development.wait_until_watched(development.routes / "removed")
    (development.routes / "removed" / "route.py").unlink()
    development.wait_for("/removed", 404)


def test_a_middleware_file_that_comes_is_edited_and_goes_is_heard(development: Development) -> None:
    """Invariant 86."""
    folder = development.routes / "guarded"
    guard = "def middleware(request, call_next):\n    return {!r}\n"
    development.wait_for("/guarded", 200, "guarded at first")
    development.wait_until_watched(folder)
    development.write("guarded/middleware.py", guard.format("kept out"))
    development.wait_for("/guarded", 200, "kept out")
    development.wait_until_watched(folder, folder / "middleware.py")
    development.write("guarded/middleware.py", guard.format("still kept out"))
    development.wait_for("/guarded", 200, "still kept out")
    development.wait_until_watched(folder)
    (folder / "middleware.py").unlink()
    development.wait_for("/guarded", 200, "guarded at first")


def test_a_renamed_folder_moves_its_url(development: Development) -> None:
    """Invariant 86."""
    development.wait_for("/old", 200, "old at first")
    development.wait_until_watched(development.routes)
    (development.routes / "old").rename(development.routes / "renamed")
    development.wait_for("/renamed", 200, "old at first")
    development.wait_for("/old", 404)


def test_the_first_routes_folder_of_an_app_starts_to_answer(development: Development) -> None:
    """Invariant 86."""
    development.wait_until_watched(development.home / "bare")
    # One at a time, as a person makes them: no single change is a folder with a route in it.
    routes = development.home / "bare" / "routes"
    for folder in (routes, routes / "first"):
        folder.mkdir()
        development.wait_until_watched(folder)
    write_route(development.home, "first/route.py", answer("first"), app="bare")
    development.wait_for("/first", 200, "first")


def test_a_syntax_error_is_printed_with_its_place_and_the_server_comes_back(development: Development) -> None:
    """Invariants 84 and 86."""
    development.wait_for("/broken", 200, "broken at first")
    file = development.routes / "broken" / "route.py"
    development.wait_until_watched(file)
    development.write("broken/route.py", "async def GET():\n    return (\n")
    development.server.wait_for_log(f"(routehandlers.E030) {file}:2: /broken: the file cannot be imported: SyntaxError")
    development.wait_until_watched(file)
    development.write("broken/route.py", answer("mended"))
    development.wait_for("/broken", 200, "mended")


def test_a_stray_file_in_a_routes_folder_does_not_restart_the_server(development: Development) -> None:
    """Invariant 86."""
    development.wait_for("/quiet", 200, "quiet at first")
    folder = development.routes / "quiet"
    development.wait_until_watched(folder, development.home / "pages")
    starts = development.server.log.count(START)
    for stray in (folder / ".route.py.swp", folder / "__pycache__" / "x.pyc", development.home / "pages" / "x.txt"):
        seen = development.server.log.count(f"{stray.parent} notified as changed")
        stray.parent.mkdir(exist_ok=True)
        if stray.parent.name == "__pycache__":
            development.wait_until_watched(stray.parent)
        stray.touch()
        poll(
            lambda folder=stray.parent, seen=seen: (
                development.server.log.count(f"{folder} notified as changed") > seen or None
            ),
            limit=RELOAD_LIMIT,
            what=f"the reloader to look at {stray}",
            on=development.server,
        )
    assert development.server.get("/quiet") == (200, b'"quiet at first"')
    assert development.server.log.count(START) == starts


def test_a_route_that_came_while_the_project_was_imported_reloads_it(site: Site) -> None:
    """Invariant 86."""
    site.serve({"here/route.py": "def GET(): return 1"})
    site.write({"there/route.py": "def GET(): return 2"})
    with pytest.raises(SystemExit) as exit:
        autoreload_started.send(sender=StatReloader())
    assert exit.value.code == 3
