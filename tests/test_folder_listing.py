"""Listings and documents tell of folder middleware."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import Site
from django_routehandlers.conf import Config
from django_routehandlers.handlers import provenance
from django_routehandlers.listing.config_text import config_as_json
from show_routes_command import manage, show, write_project

PASS = "async def middleware(request, call_next):\n    return await call_next(request)\n"
FILES = {
    "shop/routes/middleware.py": f"{PASS}\n\npublic = True\n",
    "shop/routes/(staff)/middleware.py": """
        from shop.guards import key


        def timing(request, call_next):
            return call_next(request)


        middleware = [timing, key]
    """,
    "shop/guards.py": PASS.replace("middleware", "key"),
    "shop/routes/(staff)/sales/route.py": f"{PASS}\n\nasync def GET(): ...\n",
    "shop/routes/open/route.py": "async def GET(): ...\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with middleware in two folders and in a route file."""
    return write_project(tmp_path, FILES)


def test_table_has_a_column_for_middleware(project: Path) -> None:
    shown = manage(project)

    assert (shown.err, shown.status) == ("", 0)
    assert shown.cells[0] == ["METHODS", "PATH", "NAME", "KIND", "CACHE", "MIDDLEWARE", "APP", "FILE"]
    assert shown.column("MIDDLEWARE") == ["/:middleware", "/:middleware, /(staff):timing, /(staff):key, middleware"]


def test_json_lists_middleware_outermost_first(project: Path) -> None:
    listed = {row["path"]: row["middleware"] for row in json.loads(manage(project, "--format", "json").out)}

    root = {
        "name": "/:middleware",
        "kind": "async",
        "file": "shop/routes/middleware.py",
        "line": 1,
        "public": True,
    }
    staff = {"file": "shop/routes/(staff)/middleware.py", "public": False}
    own = {"file": "shop/routes/(staff)/sales/route.py", "line": 1, "public": False}
    assert listed == {
        "/open": [root],
        "/sales": [
            root,
            {"name": "/(staff):timing", "kind": "sync", "line": 4, **staff},
            {"name": "/(staff):key", "kind": "async", "line": None, **staff},
            {"name": "middleware", "kind": "async", **own},
        ],
    }


def test_explanation_of_a_url_lists_middleware(project: Path) -> None:
    shown = manage(project, "--match", "/sales").out

    assert shown.partition("Middleware\n")[2].partition("\n\n")[0].splitlines() == [
        "  /:middleware     async  public  shop/routes/middleware.py:1",
        "  /(staff):timing  sync   -       shop/routes/(staff)/middleware.py:4",
        "  /(staff):key     async  -       shop/routes/(staff)/middleware.py",
        "  middleware       async  -       shop/routes/(staff)/sales/route.py:1",
    ]


CONFIG = {
    "middleware.py": f'csrf = "token"\nmax_duration = 10\n\n\n{PASS}',
    "api/middleware.py": """
        from django_routehandlers import CORS

        cors = CORS(["https://a.example"], credentials=True)
    """,
    "api/x/route.py": """
        from datetime import date

        sunset = date(2027, 1, 31)
        max_duration = None


        async def GET(): ...
    """,
    "y/route.py": "async def POST(): ...\n",
}
CORS_TEXT = "CORS(origins=['https://a.example'], credentials=True)"


@pytest.fixture
def configured(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose files and settings each say something, seen from its own folder."""
    monkeypatch.chdir(site.root)
    site.settings.ROUTEHANDLERS = {"CORS": {"origins": "*"}}
    return site.serve(CONFIG)


def test_table_has_config_that_was_said_where_more_is_asked_for(configured: Site) -> None:
    assert "CONFIG" not in show().cells[0]
    assert show("--verbosity", "2").column("CONFIG") == [
        f"csrf = token, cors = {CORS_TEXT}, max_duration = none, sunset = 2027-01-31",
        "csrf = token, cors = CORS(origins='*'), max_duration = 10",
    ]


def test_json_and_explanation_tell_who_said_each_config(configured: Site) -> None:
    routes = f"{configured.label()}/routes"
    expected = {
        "csrf": ("token", "token", f"{routes}/middleware.py:1"),
        "cors": (CORS_TEXT, CORS_TEXT, f"{routes}/api/middleware.py:3"),
        "max_duration": (None, "none", f"{routes}/api/x/route.py:4"),
        "sunset": ("2027-01-31", "2027-01-31", f"{routes}/api/x/route.py:3"),
    }

    first, second = json.loads(show("--format", "json").out)
    explained = show("--match", "/api/x").out.partition("Config\n")[2].partition("\n\n")[0]

    assert first["config"] == {
        name: {"value": value, "source": source} for name, (value, _, source) in expected.items()
    }
    assert [re.split("  +", line.strip()) for line in explained.splitlines()] == [
        [name, text, source] for name, (_, text, source) in expected.items()
    ]
    assert second["config"]["cors"] == {"value": "CORS(origins='*')", "source": "ROUTEHANDLERS['CORS']"}


def test_config_that_folders_come_to_hand_down_is_listed_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Throttle:
        rate: int
        burst: int = 1

    monkeypatch.setattr(provenance, "INHERITED", {"throttle": None})
    place = provenance.Place("a.py", {"throttle": [Throttle(3)]}, {"throttle": 7})
    config = provenance.who_says([place], provenance.settings_say(Config()))

    assert config_as_json(config, "") == {"throttle": {"value": "[Throttle(rate=3)]", "source": "a.py:7"}}


@pytest.mark.parametrize(
    ("head", "forbidden"),
    [
        ("", "Forbidden. The request comes from another site."),
        ('csrf = "token"', "Forbidden. The request has no valid CSRF token."),
        ('csrf = "exempt"', None),
    ],
)
def test_document_tells_of_the_rule_for_unsafe_requests(site: Site, head: str, forbidden: str | None) -> None:
    site.serve({"middleware.py": f"{head or PASS}\n", "x/route.py": "async def POST() -> dict[str, str]: ...\n"})

    responses = site.client.get("/openapi.json").json()["paths"]["/x"]["post"]["responses"]

    assert responses.get("403", {}).get("description") == forbidden


@pytest.mark.parametrize(("text", "is_open"), [(PASS, True), ('csrf = "exempt"\n', False)])
def test_document_leaves_open_what_a_middleware_answers(site: Site, text: str, is_open: bool) -> None:
    site.serve({"middleware.py": text, "x/route.py": "async def GET() -> dict[str, str]: ...\n"})

    responses = site.client.get("/openapi.json").json()["paths"]["/x"]["get"]["responses"]

    assert ("content" not in responses["default"]) is is_open
