"""What watches Django calls each request by the template of its route, not by the URL of one client."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ANSWERS = [
    ("GET", "api/items/<id>", 200),
    ("POST", "api/items/<id>", 500),
    ("DELETE", "api/items/<id>", 405),
    ("GET", "api/lines/<id>", 200),
    ("GET", "api/cached/<id>", 200),
    ("GET", "api/cached/<id>", 200),
]


def watch(watcher: str, server: str, folder: Path) -> list[list[object]]:
    """Return each answer of the project that ``monitored_site.py`` is, and what it is called."""
    command = [sys.executable, str(TESTS / "monitored_site.py"), watcher, server, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [[method, status, names] for method, _path, status, names in json.loads(done.stdout)]


@pytest.mark.servers
@pytest.mark.parametrize("server", ["engine", "stock", "wsgi"])
def test_sentry_calls_transactions_and_errors_by_the_route(server: str, tmp_path: Path) -> None:
    *found, none = watch("sentry", server, tmp_path)
    expected: list[list[object]] = []
    for method, route, status in ANSWERS:
        name = "/v1/" + route.replace("<", "{").replace(">", "}")
        kinds = ["event", "transaction"] if status == 500 else ["transaction"]
        expected.append([method, status, [[kind, name] for kind in kinds]])
    assert (found, none[1]) == (expected, 404)


@pytest.mark.servers
@pytest.mark.parametrize("server", ["engine", "stock", "wsgi"])
def test_opentelemetry_calls_spans_by_the_route(server: str, tmp_path: Path) -> None:
    *found, none = watch("opentelemetry", server, tmp_path)
    routes = [(method, f"v1/{route}", status) for method, route, status in ANSWERS]
    assert found == [[method, status, [[f"{method} {route}", route]]] for method, route, status in routes]
    assert none == ["GET", 404, [["GET", None]]]
