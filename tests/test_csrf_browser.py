"""The rules for unsafe requests, in a real browser: a page of the site itself, and a form on a page of another one."""

from collections.abc import Iterator

import pytest

from browser import Browser, chromium
from servers import Server, make_project, serve

pytestmark = pytest.mark.browser

RULES = ("origin", "token", "exempt")
ROUTE = """
    csrf = {rule!r}


    async def POST():
        return {rule!r}
"""
PAGE = """
    from django.http import HttpResponse
    from django.middleware.csrf import get_token


    def GET(request, to: str = "/origin"):
        token = get_token(request)
        field = f'<input type="hidden" name="csrfmiddlewaretoken" value="{token}">'
        return HttpResponse(f'<body data-token="{token}"><form method="post" action="{to}">{field}</form>')
"""
FETCH = """
    const headers = arguments[1] ? {"X-CSRFToken": document.body.dataset.token} : {};
    return fetch(arguments[0], {method: "POST", headers}).then((response) => response.status);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A project with a route for each rule, and a page."""
    routes = {f"{rule}/route.py": ROUTE.format(rule=rule) for rule in RULES}
    home = make_project(tmp_path_factory.mktemp("csrf"), {**routes, "page/route.py": PAGE})
    with serve("runserver", home) as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser."""
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize(
    ("rule", "token", "status"),
    [
        ("origin", False, 200),
        ("token", False, 403),
        ("token", True, 200),
        ("exempt", False, 200),
    ],
)
def test_script_of_the_site_itself(site: Server, browser: Browser, rule: str, *, token: bool, status: int) -> None:
    """Invariant 59."""
    browser.open(f"http://127.0.0.1:{site.port}/page")

    assert browser.script(FETCH, f"/{rule}", token) == status


@pytest.mark.parametrize(
    ("host", "rule", "answer"),
    [
        ("127.0.0.1", "origin", '"origin"'),
        ("127.0.0.1", "token", '"token"'),
        ("127.0.0.1", "exempt", '"exempt"'),
        ("localhost", "origin", '"status":403'),
        ("localhost", "token", '"status":403'),
        ("localhost", "exempt", '"exempt"'),
    ],
)
def test_form_of_the_site_itself_and_of_another_site(
    site: Server, browser: Browser, host: str, rule: str, answer: str
) -> None:
    """Invariant 59: a form needs no leave to be sent to another site, with its cookies."""
    # Of the site to which the form is sent, so that there is a cookie.
    browser.open(f"http://127.0.0.1:{site.port}/page")
    browser.open(f"http://{host}:{site.port}/page?to=http://127.0.0.1:{site.port}/{rule}")

    browser.script("document.forms[0].submit()")

    assert answer in browser.wait_for_text("pre", answer)
