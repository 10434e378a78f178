"""The demo shop's server: what it prints is what curl gets."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest

from shop_server import running_shop

pytestmark = pytest.mark.servers

SERVE = Path(__file__).resolve().parent.parent / "testproject" / "serve.py"
TRIALS = 17
START_LIMIT = 60  # seconds


@contextmanager
def serve(database: Path, *arguments: str) -> Iterator[list[tuple[str, str]]]:
    """Run the server on a database of its own; give each printed line with its answer; stop it as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, str(SERVE), *arguments],
        env=os.environ | {"DATABASE_URL": f"sqlite:///{database}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(START_LIMIT, process.kill)
    watchdog.start()
    try:
        trials = _read_trials(process.stdout)
        assert len(trials) == TRIALS, process.communicate()[1]
        yield trials
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=20)
        assert (process.returncode, rest, complaints) == (0, "", "")
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def _read_trials(output: IO[str]) -> list[tuple[str, str]]:
    """Read the blocks that the server prints: a title, a curl line, its answer, an empty line."""
    trials: list[tuple[str, str]] = []
    block: list[str] = []
    for line in output:
        if line.strip():
            block.append(line.rstrip("\n"))
            continue
        if block[0].startswith("# "):
            trials.append((block[1], "\n".join(block[2:])))
        block = []
        if len(trials) == TRIALS:
            break
    return trials


def run(command: str) -> str:
    """Return what a shell prints; the line ends of header fields are CRLF."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.stdout.replace("\r\n", "\n").rstrip("\n")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_printed_line_answers_as_printed_at_every_start(tmp_path: Path) -> None:
    database = tmp_path / "shop.sqlite3"
    for _start in range(2):
        with serve(database) as trials:
            assert [(command, run(command)) for command, _ in trials] == trials


def test_the_port_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with serve(tmp_path / "shop.sqlite3", "--port", str(port)) as trials:
        assert [f"http://127.0.0.1:{port}/" in command for command, _ in trials] == [True] * TRIALS
        with urlopen(f"http://127.0.0.1:{port}/api/health", timeout=20) as response:
            assert response.read() == b'{"database":true,"products":36}'


def test_the_page_of_the_api_is_there_without_debug(tmp_path: Path) -> None:
    with serve(tmp_path / "shop.sqlite3") as trials:
        base = trials[1][0].removeprefix("curl -s ").removesuffix("/api/products/1")
        with urlopen(f"{base}/openapi/", timeout=20) as response:
            assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_the_explorer_opens_with_the_login_that_is_printed_at_each_start(tmp_path: Path) -> None:
    passwords: list[str] = []
    for _start in range(2):
        with running_shop(tmp_path, debug=False) as base:
            log = (tmp_path / "log").read_text()
            found = re.search(r"log in as (\S+), password (\S+), at (\S+)", log)
            assert found is not None, log
            name, password, login = found.groups()
            assert f"Explore its routes in a browser: {base}/_routes/\n" in log
            jar = CookieJar()
            browser = build_opener(HTTPCookieProcessor(jar))
            with pytest.raises(HTTPError, match="404"):
                browser.open(f"{base}/_routes/", timeout=20)
            browser.open(login, timeout=20).close()
            token = next(cookie.value or "" for cookie in jar if cookie.name == "csrftoken")
            form = urlencode(
                {"username": name, "password": password, "csrfmiddlewaretoken": token, "next": "/_routes/"}
            )
            with browser.open(login, form.encode(), timeout=20) as page:
                assert (page.url, page.status) == (f"{base}/_routes/", 200)
        passwords.append(password)
    assert passwords[0] != passwords[1]


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, str(SERVE), "--port", str(port)], capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Port {port} cannot be used: Address already in use.\n"
