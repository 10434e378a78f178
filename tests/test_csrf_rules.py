"""The rule by which a route judges unsafe requests: of the route file, of a folder, or of the settings."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient, Client

from conftest import Site
from django_routehandlers.conf import read_config

FORGED = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
TOKEN = "a" * 32
ROUTE = "{head}\n\n\n{kind} POST(request):\n    return 'done'\n\n\n{kind} GET(request):\n    return 'read'\n"
Ask = Callable[..., Any]
KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


def route(head: str = "", kind: str = "async def") -> str:
    """Return a route file."""
    return ROUTE.format(head=head, kind=kind)


@pytest.fixture(params=["WSGI", "ASGI"])
def ask(request: pytest.FixtureRequest, site: Site) -> Ask:
    """Send a request as a browser does that Django's check looks at: method, path, cookie and all else."""
    if request.param == "WSGI":
        return lambda method, path, cookie="", **extra: _ask(Client, method, path, cookie, extra)

    def send(method: str, path: str, cookie: str = "", **extra: Any) -> Any:
        return asyncio.run(_ask(AsyncClient, method, path, cookie, extra))

    return send


def _ask(kind: Any, method: str, path: str, cookie: str, extra: dict[str, Any]) -> Any:
    client = kind(enforce_csrf_checks=True, raise_request_exception=False)
    if cookie:
        client.cookies["csrftoken"] = cookie
    return client.generic(method, path, **extra)


@pytest.mark.parametrize(
    ("files", "setting", "expected"),
    [
        pytest.param({"x/route.py": ""}, None, "origin", id="nothing"),
        pytest.param({"x/route.py": 'csrf = "exempt"'}, None, "exempt", id="route"),
        pytest.param({"x/route.py": 'csrf = "token"'}, None, "token", id="token"),
        pytest.param({"x/route.py": ""}, "token", "token", id="setting"),
        pytest.param({"x/route.py": 'csrf = "origin"'}, "exempt", "origin", id="route before setting"),
        pytest.param({"middleware.py": 'csrf = "token"', "x/route.py": ""}, "exempt", "token", id="folder"),
        pytest.param(
            {"middleware.py": 'csrf = "token"', "x/middleware.py": 'csrf = "exempt"', "x/route.py": ""},
            None,
            "exempt",
            id="inner folder",
        ),
        pytest.param(
            {"x/middleware.py": 'csrf = "exempt"', "x/route.py": 'csrf = "token"'}, None, "token", id="route of folder"
        ),
        pytest.param(
            {"y/middleware.py": 'csrf = "exempt"', "y/route.py": "", "x/route.py": ""}, None, "origin", id="sibling"
        ),
        pytest.param(
            {"rules.py": 'csrf = "exempt"', "x/route.py": "from rules import csrf"}, None, "exempt", id="import"
        ),
        pytest.param({"x/route.py": "from django.views.decorators import csrf"}, None, "origin", id="module"),
    ],
)
def test_nearest_place_speaks_alone(
    site: Site, ask: Ask, files: dict[str, str], setting: str | None, expected: str
) -> None:
    rules = files.pop("rules.py", None)
    if rules:
        (site.root / "rules.py").write_text(rules)
    site.settings.ROUTEHANDLERS = {} if setting is None else {"CSRF": setting}
    site.serve({name: route(text) if name.endswith("route.py") else text + "\n" for name, text in files.items()})

    forged = ask("POST", "/x", headers=FORGED).status_code
    plain = ask("POST", "/x").status_code

    assert {(403, 200): "origin", (200, 200): "exempt", (403, 403): "token"}[forged, plain] == expected


@pytest.mark.parametrize("value", ["tokens", None, True, ["origin"]])
def test_rule_that_there_is_not_is_a_mistake_in_the_settings(value: Any) -> None:
    config, (mistake,) = read_config({"CSRF": value})

    assert (mistake.id, mistake.where, mistake.remedy) == ("E001", "ROUTEHANDLERS['CSRF']", 'Write "origin".')
    assert mistake.what == f'must be "origin", "token" or "exempt", not {value!r}.'
    assert config.CSRF == "origin"


@pytest.mark.parametrize("middleware", [[], ["django.middleware.csrf.CsrfViewMiddleware"]], ids=["without", "with"])
@KINDS
def test_token_is_djangos_own_check(site: Site, ask: Ask, kind: str, middleware: list[str]) -> None:
    """Invariant 59."""
    site.settings.MIDDLEWARE = middleware
    site.serve({"x/route.py": route('csrf = "token"', kind)})
    form = {"data": f"csrfmiddlewaretoken={TOKEN}", "content_type": "application/x-www-form-urlencoded"}

    assert ask("POST", "/x", TOKEN, headers={"X-CSRFToken": TOKEN}).status_code == 200
    assert ask("POST", "/x", TOKEN, **form).status_code == 200
    assert ask("POST", "/x", TOKEN, headers={"X-CSRFToken": "b" * 32}).status_code == 403
    assert ask("POST", "/x", TOKEN).status_code == 403
    assert ask("POST", "/x", headers={"X-CSRFToken": TOKEN}).status_code == 403
    assert ask("POST", "/x", TOKEN, headers={"X-CSRFToken": TOKEN, "Origin": "https://evil.example"}).status_code == 403
    assert ask("GET", "/x", headers=FORGED).status_code == 200


@KINDS
def test_missing_token_is_a_403_problem_logged_with_its_reason(
    site: Site, ask: Ask, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    site.settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    site.serve({"x/route.py": route('csrf = "token"', kind)})

    response = ask("POST", "/x")

    detail = "The request has no valid CSRF token, or comes from another origin."
    assert response.json() == {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": detail}
    # As Django's middleware says it.
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("django.security.csrf", "Forbidden (CSRF cookie not set.): /x"),
    ]


@KINDS
def test_a_forged_request_is_logged_with_the_reason(
    site: Site, ask: Ask, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    site.serve({"x/route.py": route(kind=kind)})

    assert ask("POST", "/x", headers=FORGED).status_code == 403
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("django.request", "Forbidden (The request comes from another origin, which is not trusted): /x"),
    ]


@pytest.mark.parametrize("rule", ["token", "origin"])
@KINDS
def test_405_and_404_come_before_the_rule_and_401_and_422_behind_it(site: Site, ask: Ask, rule: str, kind: str) -> None:
    text = f"csrf = {rule!r}\n\n\n{kind} POST(request, id: int, number: int):\n    return number\n"
    site.serve({"x/[id]/route.py": text})

    asked = [("PUT", "/x/1"), ("POST", "/x/one"), ("POST", "/x/1")]

    assert [ask(method, path, headers=FORGED).status_code for method, path in asked] == [405, 404, 403]


def test_folder_middleware_is_around_the_refusal(site: Site, ask: Ask) -> None:
    text = """
    csrf = "token"


    async def middleware(request, call_next):
        response = await call_next(request)
        response.headers["X-Seen"] = str(response.status_code)
        return response
    """
    site.serve({"middleware.py": text, "x/route.py": route()})

    assert ask("POST", "/x").headers["X-Seen"] == "403"


@pytest.mark.django_db(transaction=True)
@KINDS
def test_token_in_the_session_is_read_in_a_thread(site: Site, ask: Ask, kind: str) -> None:
    """Invariant 55: the session is in the database, which the event loop must not wait for."""
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, "django.contrib.sessions"]
    site.settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ]
    site.settings.CSRF_USE_SESSIONS = True
    site.serve({"x/route.py": route('csrf = "token"', kind)})

    assert ask("POST", "/x", TOKEN, headers={"X-CSRFToken": TOKEN}).status_code == 403


def test_form_that_the_check_has_read_is_read_by_the_handler_as_well(site: Site, ask: Ask) -> None:
    text = """
    from typing import Annotated

    from django_routehandlers import Form

    csrf = "token"


    async def POST(name: Annotated[str, Form()]):
        return name
    """
    site.serve({"x/route.py": text})
    content = f"csrfmiddlewaretoken={TOKEN}&name=Ada"

    response = ask("POST", "/x", TOKEN, data=content, content_type="application/x-www-form-urlencoded")

    assert response.json() == "Ada"


def test_trusted_origins_hold_for_the_token_too(site: Site, ask: Ask, settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    site.serve({"x/route.py": route('csrf = "token"')})
    headers = {"X-CSRFToken": TOKEN, "Origin": "https://app.example"}

    assert ask("POST", "/x", TOKEN, headers=headers).status_code == 200


def test_decorator_without_effect_is_warned_about(site: Site) -> None:
    imported = "from django.views.decorators.csrf import csrf_exempt\n\n\n"
    decorated = imported + "@csrf_exempt\nasync def POST(request):\n    pass\n"
    site.serve({"x/route.py": decorated})
    [found] = site.check()
    assert (found.id, found.hint) == (
        "routehandlers.W104",
        'Remove it, and write `csrf = "exempt"` where nothing is to be checked.',
    )


@pytest.mark.parametrize("file", ["a/route.py", "a/middleware.py"])
@pytest.mark.parametrize("value", ["True", "False", "None"])
def test_exemption_as_djangos_views_have_it_is_named_in_every_file(site: Site, file: str, value: str) -> None:
    handler = "async def POST():\n    pass\n"
    text = f"csrf_exempt = {value}\n" + ("\n\n" + handler if file == "a/route.py" else "")
    site.serve({"a/b/route.py": handler, file: text})

    (message,) = site.check()

    assert message.id == "routehandlers.E127"
    assert message.msg == (
        f"{site.root}/{site.label()}/routes/{file}:1: /a: csrf_exempt is {value}. It has no effect: "
        "the rule `csrf` says how unsafe requests are judged."
    )
    assert message.hint == ('Write `csrf = "exempt"` where nothing is to be checked, else remove it.')


def test_function_of_that_name_is_a_helper(site: Site) -> None:
    source = "from django.views.decorators.csrf import csrf_exempt\n\n\nasync def GET():\n    pass\n"
    helper = "def csrf_exempt():\n    pass\n\n\nasync def GET():\n    pass\n"
    site.serve({"a/route.py": source, "b/route.py": helper})

    assert site.check() == []
