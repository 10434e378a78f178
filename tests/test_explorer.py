"""The page that explores the routes, as it is served: who is shown it, what it draws, and what it explains."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client, RequestFactory
from django.test.utils import override_script_prefix
from django.urls import include, path, reverse
from pytest_django import Settings

from conftest import Site
from django_routehandlers.explorer import views
from django_routehandlers.explorer.checks import check_explorer
from test_openapi_document import set_urlconf

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
PAGE = Path(views.__file__).parent / "page"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
ROUTES = {
    "middleware.py": """
        from django_routehandlers import CORS

        cors = CORS(["https://app.example"])
        csrf = "token"
        max_duration = 2.5
        throttle = "100/minute"
        require_precondition = True
        security = {"type": "http", "scheme": "bearer"}

        async def middleware(request, call_next):
            return await call_next(request)
    """,
    "things/route.py": """
        from typing import Annotated

        from django_routehandlers import Cookie, Header
        from pydantic import BaseModel, Field

        class Thing(BaseModel):
            name: Annotated[str, Field(min_length=6)]
            size: Annotated[int, Field(ge=3)]
            parts: "list[Thing]" = []

        def GET(page: int = 1): return page

        async def POST(
            body: Thing,
            plan: Annotated[str, Header("X-Plan")],
            tags: list[str] = [],
            theme: Annotated[str, Cookie()] = "s3cret",
        ):
            '''Add a <b>thing</b>.

            More.
            '''
    """,
    "things/[id]/route.py": "def GET(id: int): return id\ndef DELETE(id: int): ...",
    "docs/[[...slug]]/route.py": "def GET(slug): return slug",
}


@pytest.fixture
def shown(site: Site) -> Site:
    """A site whose routes have all that folders hand down, with the page as under DEBUG."""
    site.settings.DEBUG = True
    return site.serve(ROUTES)


def ask(site: Site, **query: str) -> str:
    """Return the part of the page that answers a query, its tags left out, its text as it is read."""
    response = site.client.get(f"/_routes/?{urlencode({**query, 'only': 'panel'})}")
    assert response.status_code == 200
    return text_of(response.content.decode())


def text_of(html: str) -> str:
    """Return the text of some HTML, in one line."""
    texts: list[str] = []
    reader = HTMLParser()
    reader.handle_data = texts.append  # type: ignore[method-assign]
    reader.feed(html)
    return " ".join(" ".join(texts).split())


def test_a_text_that_is_no_text_is_shown_escaped(site: Site) -> None:
    """Of half a surrogate pair, which Python takes and UTF-8 does not."""
    site.settings.DEBUG = True
    site.serve({"x/route.py": 'def GET(page: str = "a\\ud800b"):\n    "Doc \\ud800 string."\n'})
    assert "\\ud800" in ask(site, route=f"{site.label()}:/x", method="GET")


def test_page_is_a_404_without_debug_for_all_but_staff_where_it_is_on(site: Site) -> None:
    site.serve({"x/route.py": "def GET() -> int: return 1"})
    assert site.client.get("/_routes/").status_code == 404
    site.settings.ROUTEHANDLERS = {"EXPLORER": True}
    users = {
        "nobody": (None, False),
        "anonymous": (AnonymousUser(), False),
        "plain": (User(username="u"), False),
        "gone": (User(username="g", is_staff=True, is_active=False), False),
        "staff": (User(username="s", is_staff=True), True),
    }
    for name, (user, is_shown) in users.items():
        for view, values in ((views.page, {}), (views.asset, {"name": "explorer.css"})):
            request = RequestFactory().get("/_routes/")
            if user is not None:
                request.user = user
            try:
                status = view(request, **values).status_code
            except views.Http404:
                status = 404
            assert status == (200 if is_shown else 404), name


def test_nothing_is_added_to_the_urls_while_it_is_off(site: Site) -> None:
    from django_routehandlers.urls import urlpatterns

    site.serve({"x/route.py": "def GET() -> int: return 1"})
    assert urlpatterns[-1].url_patterns == []
    for setting in ({"EXPLORER": True}, {"EXPLORER": True, "EXPLORER_PATH": "tools/tree/"}):
        site.settings.ROUTEHANDLERS = setting
        assert str(urlpatterns[-1].url_patterns[0].pattern) == setting.get("EXPLORER_PATH", "_routes/")
    site.settings.ROUTEHANDLERS = {"EXPLORER": True, "EXPLORER_PATH": None}
    assert urlpatterns[-1].url_patterns == []


@pytest.mark.parametrize("is_own_entry", [False, True], ids=["with the routes", "entry of its own"])
def test_url_without_its_slash_leads_to_the_page_only_who_may_see_it(site: Site, *, is_own_entry: bool) -> None:
    """A redirect by ``APPEND_SLASH`` would tell everybody that something is there."""
    site.settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *site.settings.MIDDLEWARE]
    site.serve({"x/route.py": "def GET() -> int: return 1"})
    if is_own_entry:
        own = path("_routes/", include("django_routehandlers.explorer.urls"))
        set_urlconf(site, own, path("", include("django_routehandlers.urls")))
    for setting in ({}, {"EXPLORER": True}):
        site.settings.ROUTEHANDLERS = setting | ({"EXPLORER_PATH": None} if is_own_entry else {})
        assert [site.client.get(f"/_routes{end}").status_code for end in ("", "/", "?match=/x")] == [404, 404, 404]
    site.settings.DEBUG = True
    if not is_own_entry:
        response = site.client.get("/_routes?match=/x")
        assert (response.status_code, response["Location"]) == (302, "/_routes/?match=/x")
        assert site.client.get("/_routes", follow=True).status_code == 200


def test_page_and_files_have_a_strict_policy_and_nothing_inline(shown: Site) -> None:
    names = re.findall(r'(?:href|src)="(/[^"?#]*)"', shown.client.get("/_routes/").content.decode())
    assert names == [f"/_routes/{name}" for name in ("explorer.svg", "common.css", "explorer.css", "explorer.js")]
    for url in ("/_routes/", *names):
        response = shown.client.get(url)
        assert (response.status_code, response["Content-Security-Policy"]) == (200, POLICY), url
        assert response["X-Content-Type-Options"] == "nosniff"
    for query in ("", "?match=/things/1", "?route=" + shown.label() + ":/things&method=POST"):
        response = shown.client.get(f"/_routes/{query}")
        assert response["Cache-Control"] == "private, no-store"
        inline = r"<style|style=|<script(?! type=\"module\" src=)|\son\w+=|=.https?://"
        assert re.findall(inline, response.content.decode()) == []


def test_page_is_served_over_asgi_and_answers_get_and_head_alone(shown: Site) -> None:
    assert async_to_sync(shown.async_client.get)("/_routes/").status_code == 200
    assert (shown.client.head("/_routes/").status_code, shown.client.head("/_routes/").content) == (200, b"")
    response = shown.client.post("/_routes/")
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
    assert reverse("routes:explorer:page") == "/_routes/"


def test_tree_draws_each_folder_with_methods_inputs_rules_and_line(shown: Site) -> None:
    tree = text_of(shown.client.get("/_routes/").content.decode())
    things = re.search(r"things GET.*?\[id\]", tree)
    assert things is not None
    for part in (
        "POST /things",
        "cached 60 s",
        "/:middleware",
        "CORS",
        "CSRF token",
        "limit 2.5 s",
        "throttle 100/minute",
        "precondition required",
        "security",
        "takes page, plan, tags, theme, body",
        "route.py:11",
    ):
        assert part in things[0], part
    assert "[id] GET /things/<id> DELETE /things/<id>" in tree
    assert "[[...slug]] GET /docs[/<path:slug>]" in tree


def test_rules_and_inputs_of_a_route_are_told_without_values(shown: Site) -> None:
    told = ask(shown, route=f"{shown.label()}:/things", method="POST")
    for part in (
        "Add a <b>thing</b>.",
        "body: Thing content, application/json",
        "plan: str field X-Plan",
        "theme: str = … cookie",
        "Middleware /:middleware, async",
        "CORS answers https://app.example",
        "CSRF token",
        "Time limit 2.5 s",
        "throttle 100/minute, ",
    ):
        assert part in told, part
    assert "s3cret" not in told


def test_form_has_a_control_for_each_input_and_a_template_of_the_content(shown: Site) -> None:
    response = shown.client.get(f"/_routes/?route={shown.label()}:/things&method=POST")
    html = response.content.decode()
    assert re.findall(r'data-name="([^"]*)"', html) == ["tags", "X-Plan", "Authorization", "theme"]
    template = re.search(r'<textarea id="content"[^>]*>\n(.*?)</textarea>', html, re.DOTALL)
    assert template is not None
    assert text_of(template[1]) == '{ "name": "textxx", "size": 3 }'
    assert "The credentials. Bearer is put in front where it is missing." in html
    assert "Other methods: GET" in text_of(html)
    # The rule of the folder asks for a token: the page is given one, as any page of the site.
    assert 'data-token-field="X-CSRFTOKEN"' in html
    assert "csrftoken" in response.cookies
    assert "data-token" not in shown.client.get(f"/_routes/?route={shown.label()}:/things&method=GET").content.decode()


@pytest.mark.parametrize(
    ("security", "names"),
    [
        ('{"type": "apiKey", "in": "query", "name": "key"}', ["key"]),
        ('{"type": "apiKey", "in": "header", "name": "x-plan"}', ["X-Plan"]),
        ('{"type": "apiKey", "in": "cookie", "name": "sid"}', ["X-Plan", "sid"]),
        ('{"type": "mutualTLS"}', ["X-Plan"]),
    ],
)
def test_form_has_a_control_for_what_a_401_asks_for(site: Site, security: str, names: list[str]) -> None:
    site.settings.DEBUG = True
    code = """
        from typing import Annotated
        from django_routehandlers import Header
        security = SECURITY
        def GET(plan: Annotated[str, Header("X-Plan")]): ...
    """
    site.serve({"x/route.py": code.replace("SECURITY", security)})
    html = site.client.get(f"/_routes/?route={site.label()}:/x&method=GET").content.decode()
    assert re.findall(r'data-name="([^"]*)"', html) == ([*names, "X-Plan"] if names == ["key"] else names)


def test_cookie_that_the_browser_has_is_left_to_it(shown: Site) -> None:
    """Django reads the browser's own, of the shorter path; and a default of a cookie may be a key."""
    url = f"/_routes/?route={shown.label()}:/things&method=POST"
    html = shown.client.get(url).content.decode()
    assert ("disabled" in html, "s3cret" in html) == (False, False)
    shown.client.cookies["theme"] = "dark"
    html = shown.client.get(url).content.decode()
    assert re.findall(r'data-name="(\w+)" value="" disabled', html) == ["theme"]
    assert "The browser has this cookie and sends its own value" in html
    assert "dark" not in html.partition("<h2")[2]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("/things/7", "/things/<id> answers /things/7"),
        ("/things/7", "GET sync, line 1 id = 7 (int)"),
        ("/things?page=2", "Inputs Method Input From GET page: int = … query POST plan: str field X-Plan"),
        ("/things/7", "Middleware Name Kind File /:middleware async"),
        ("/things/7", "Config Name Value Said by csrf token"),
        ("/things/7", "max_duration 2.5"),
        ("http://other.example/things/7", "/things/<id> answers /things/7"),
        ("/things/7/", "/things/7/ answers 308 to /things/7, which /things/<id> answers"),
        ("/things/x", "/things/<id> matches /things/x, and answers 404: id = 'x' does not fit int"),
        ("/thing/7", "No route answers /thing/7"),
        ("//things", "Segment 1 is empty, which no route matches."),
        ("/openapi.json", "another pattern of the URLconf does"),
    ],
)
def test_url_is_explained_as_show_routes_does(shown: Site, url: str, told: str) -> None:
    assert told in ask(shown, match=url)


def test_near_misses_say_why_not(shown: Site) -> None:
    assert re.search(r"Why not another Route Why not .*/things/<id> .*thing", ask(shown, match="/thing/7"))


def test_explained_url_fills_the_form(shown: Site) -> None:
    html = shown.client.get("/_routes/", {"match": "/things/7?page=2", "only": "panel"}).content.decode()
    link = re.search(r'data-method="GET" href="([^"#]*)', html)
    assert link is not None
    form = shown.client.get("/_routes/" + link[1].replace("&amp;", "&")).content.decode()
    assert re.search(r'data-name="id" value="7"', form)


@pytest.mark.usefixtures("own_cache")
def test_entry_in_the_memory_of_the_server_is_told(site: Site) -> None:
    site.settings.DEBUG = True
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
    site.serve({"x/route.py": "def GET(): return 1"})
    assert "Entry none for http://testserver/x" in ask(site, match="/x")
    assert "unknown: the URL has no host that can be read" in ask(site, match="http://[/x")
    site.client.get("/x")
    assert "Entry fresh, 0 s old, for 60 s: http://testserver/x" in ask(site, match="/x")


def test_names_of_folders_docstrings_and_urls_are_text(site: Site) -> None:
    site.settings.DEBUG = True
    site.serve({"(<b>&)/a/route.py": "def GET(q: str = '<i>'):\n    '''<script>alert(1)</script>'''"})
    for query in ({}, {"match": '"><img src=x>'}, {"route": f"{site.label()}:/(<b>&)/a", "method": "GET"}):
        html = site.client.get("/_routes/", query).content.decode()
        assert re.findall(r"<b>|<img|<script>|<i>", html) == [], query


def test_what_is_no_route_is_a_404(shown: Site) -> None:
    for query in ({"route": "x:/nope"}, {"route": f"{shown.label()}:/things", "method": "PATCH"}):
        assert shown.client.get("/_routes/", query).status_code == 404
    assert shown.client.get(f"/_routes/?route={shown.label()}:/things&method=GET&at=99999999999").status_code == 200


def test_page_may_be_anywhere_and_below_a_script_prefix(site: Site) -> None:
    site.settings.DEBUG = True
    site.serve(ROUTES)
    set_urlconf(
        site,
        path("own/", include("django_routehandlers.explorer.urls")),
        path("v<int:version>/", include("django_routehandlers.urls")),
    )
    assert site.client.get("/own/explorer.js").status_code == 200
    html = site.client.get("/own/", {"route": f"{site.label()}:/things/[id]", "method": "GET"}).content.decode()
    assert re.findall(r'data-name="(\w+)"', html) == ["version", "id", "Authorization"]
    assert 'data-path="/v{version}/things/{id}"' in html
    with override_script_prefix("/app/"):
        assert (
            'data-base="/app"'
            in site.client.get(
                "/own/", {"route": f"{site.label()}:/things/[id]", "method": "GET", "url": "/app/v1/things/7"}
            ).content.decode()
        )


def ids() -> list[str]:
    """Return the ids of the explorer's checks that have something to say."""
    return [str(message.id).removeprefix("routehandlers.") for message in check_explorer()]


def test_route_that_has_the_url_keeps_it_and_a_check_says_so(site: Site) -> None:
    site.settings.DEBUG = True
    site.serve({"[[...all]]/route.py": "def GET(all) -> list[str]: return all"})
    assert site.client.get("/_routes/").status_code == 308
    assert site.client.get("/_routes/explorer.css").json() == ["_routes", "explorer.css"]
    assert ids() == ["W140"]
    assert "[[...all]]" in check_explorer()[0].msg
    site.settings.DEBUG = False
    assert ids() == []


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"EXPLORER_PATH": "no-slash"}, ["E140"]),
        ({"EXPLORER_PATH": "/slash/"}, ["E140"]),
        ({"EXPLORER_PATH": "a/../"}, ["E140"]),
        ({"EXPLORER_PATH": "openapi/"}, ["W140"]),
        ({"EXPLORER_PATH": None, "EXPLORER": True}, []),
        ({"EXPLORER_PATH": "tools/", "EXPLORER": False}, []),
        ({"EXPLORER": True}, ["W141"]),
    ],
)
def test_settings_are_checked(site: Site, setting: dict[str, object], expected: list[str]) -> None:
    site.settings.DEBUG = True
    site.settings.MIDDLEWARE = []
    site.settings.ROUTEHANDLERS = setting
    site.serve({"x/route.py": "def GET() -> int: return 1"})
    assert ids() == expected
    site.settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware", AUTHENTICATION]
    assert ids() == [id for id in expected if id != "W141"]


def test_form_of_each_method_of_the_demo_shop_is_made(settings: Settings, client: Client) -> None:
    settings.DEBUG = True
    links = re.findall(r'href="([^"#]*route=[^"#]*)', client.get("/_routes/").content.decode())
    assert len(links) > 30
    for link in links:
        response = client.get(f"/_routes/{link.replace('&amp;', '&')}")
        assert (response.status_code, 'id="send"' in response.content.decode()) == (200, True), link


def test_tree_is_made_once_for_a_table(shown: Site) -> None:
    shown.client.get("/_routes/")
    made = views._tree.cache_info().misses
    shown.client.get("/_routes/?match=/things")
    assert views._tree.cache_info().misses == made


@pytest.mark.parametrize("file", sorted(PAGE.glob("*.js")), ids=lambda file: file.name)
def test_script_is_short_and_parses_no_text_of_a_response_as_html(file: Path) -> None:
    script = file.read_text()
    assert script.count("\n") < 300
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script) == []
    assert ("DOMParser" in script) == (file.name == "explorer.js")
