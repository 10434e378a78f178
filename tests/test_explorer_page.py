"""The page that explores the routes, in a real browser: with a mouse, with a keyboard, as a screen reader has it."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from selenium.webdriver.common.keys import Keys

from browser import Browser, chromium
from servers import Server, make_project, serve

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\\\"document.title='run'\\\">"
ROUTES = {
    "api/middleware.py": 'csrf = "token"\n\ndef middleware(request, call_next): return call_next(request)\n',
    "api/echo/[id]/route.py": f"""
        from typing import Annotated

        from django_routehandlers import Cookie, Header, JSONResponse
        from pydantic import BaseModel

        class Thing(BaseModel):
            name: str
            size: int

        def GET(id: int, q: str = ""): return id

        def PUT(id: int, theme: Annotated[str, Cookie()] = "none", key: Annotated[str, Cookie("__Host-key")] = "none"):
            return [theme, key]

        def POST(id: str, body: Thing, q: str = "", plan: Annotated[str, Header("X-Plan")] = ""):
            '''{HOSTILE}'''
            return JSONResponse([id, body.name, body.size, q, plan, "{HOSTILE}"], status=201)
    """,
    "api/files/[[...path]]/route.py": "def GET(path) -> list[str]: return path",
    "api/photos/route.py": """
        from typing import Annotated

        from django.core.files.uploadedfile import UploadedFile
        from django_routehandlers import Form

        async def POST(photo: UploadedFile, title: Annotated[str, Form()]): return [photo.name, photo.size, title]
    """,
    "lines/route.py": """
        import time

        def GET():
            try:
                for number in range(10_000):
                    yield {"line": number}
                    time.sleep(0.02)
            finally:
                print("the producer was closed")
    """,
    "guarded/route.py": """
        security = {"type": "http", "scheme": "bearer"}

        def GET(request): return request.headers.get("Authorization", "none")
    """,
    "events/route.py": """
        from collections.abc import Iterator

        from django_routehandlers import ServerSentEvent

        def GET() -> Iterator[ServerSentEvent]:
            yield ServerSentEvent("one", event="tick")
            yield ServerSentEvent("two")
    """,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A project under DEBUG, whose server shows the page."""
    home = make_project(tmp_path_factory.mktemp("explorer"), ROUTES)
    with serve("runserver", home) as server:
        yield server


@pytest.fixture(scope="module")
def a_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The one browser of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(a_browser: Browser) -> Iterator[Browser]:
    """The browser, whose console has to stay silent: no error, nothing that the policy forbids."""
    a_browser.resize(1280, 900)
    a_browser.complaints()
    yield a_browser
    assert a_browser.complaints() == []
    assert a_browser.driver.title != "run"


def open_page(browser: Browser, site: Server, **query: str) -> None:
    """Open the page."""
    browser.open(f"http://127.0.0.1:{site.port}/_routes/?{urlencode(query)}")


def open_form(browser: Browser, site: Server, route: str, method: str) -> None:
    """Open the form of a method of a route."""
    open_page(browser, site, route=f"pages:{route}", method=method)
    browser.find("#send")


def fill_in(browser: Browser, label: str, text: str) -> None:
    """Type into the control of a label."""
    source = """return [...document.querySelectorAll("label")]
      .find((found) => found.firstChild.textContent.trim() === arguments[0])?.control"""
    control: Any = browser.script(source, label)
    if control.get_attribute("type") != "file":
        control.clear()
    control.send_keys(text)


def send(browser: Browser, headline: str) -> None:
    """Press Send, and wait for the headline of the result."""
    browser.find("#send .primary").click()
    browser.wait_for_text("#headline", headline)


def test_a_method_is_chosen_and_sent_without_leaving_the_tree(browser: Browser, site: Server) -> None:
    open_page(browser, site)
    browser.script("document.body.dataset.stays = 'yes'")
    browser.find(".tree a[data-method=POST][href*='echo']").click()
    browser.wait_for_text(".panel h2", "POST /api/echo/<id>")
    assert json.loads(browser.find("#content").get_attribute("value") or "") == {"name": "text", "size": 1}
    fill_in(browser, "id", "é ?#")
    fill_in(browser, "q", "a&b")
    fill_in(browser, "X-Plan", "gold")
    # The folder's rule asks for a token, which the page has as any page of the site.
    send(browser, "201 Created after")
    browser.wait_for_text("#headline", "whole after")
    assert json.loads(browser.texts("pre")[0])[:5] == ["é ?#", "text", 1, "a&b", "gold"]
    assert "onerror" in browser.texts("pre")[0]
    assert browser.texts(".sent") == ["/api/echo/%C3%A9%20%3F%23?q=a%26b"]
    assert "content-type" in browser.texts("dt")
    assert browser.script("return document.body.dataset.stays") == "yes"
    assert [one.get_attribute("data-method") for one in browser.all(".tree [aria-current]")] == ["POST"]
    browser.driver.back()
    browser.wait_for_text(".panel h2", "What is served")


def test_a_url_is_asked_for_and_sent_from_the_answer(browser: Browser, site: Server) -> None:
    open_page(browser, site)
    browser.find("#match").send_keys("/api/echos/7", Keys.ENTER)
    browser.wait_for_text(".panel h2", "No route answers /api/echos/7")
    assert any("/api/echo/<id>" in row for row in browser.texts(".answer tr"))
    browser.find("#match").clear()
    browser.find("#match").send_keys("/api/echo/7?q=x", Keys.ENTER)
    browser.wait_for_text(".panel h2", "/api/echo/<id> answers /api/echo/7")
    browser.find(".answer a[data-method=GET]").click()
    send(browser, "200 OK after")
    assert browser.texts(".sent") == ["/api/echo/7?q=x"]
    assert browser.texts(".cache-status")[0].startswith("Cache-Status: ")


def marked(browser: Browser) -> list[str]:
    """Return the text of what the tree marks as the one that the panel is about, up to its path."""
    return [text.split(" takes")[0].split()[-1] for text in browser.texts(".tree [aria-current]")]


def test_the_tree_marks_the_route_that_answers_and_a_near_miss_leads_on(browser: Browser, site: Server) -> None:
    open_page(browser, site, match="/api/echo/7")
    browser.wait(lambda: marked(browser) == ["/api/echo/<id>"], "the mark")
    open_page(browser, site, match="/api/echos/7")
    browser.find(".panel h2")
    assert marked(browser) == []
    browser.find(".answer th a").click()
    browser.wait_for_text(".panel h2", "GET /api/echo/<id>")
    assert [one.get_attribute("data-method") for one in browser.all(".tree [aria-current]")] == ["GET"]


def test_the_tree_is_cut_down_to_the_routes_that_have_each_word(browser: Browser, site: Server) -> None:
    open_page(browser, site)
    whole = len([one for one in browser.all(".leaf") if one.is_displayed()])
    browser.find(".tree summary").click()
    browser.find("#words").send_keys("ECHO put")
    browser.wait_for_text("#count", f"1 of {whole} routes")
    shown = [one.text for one in browser.all(".tree .folder") if one.is_displayed()]
    assert shown == ["api", "echo", "[id]"]
    browser.find("#words").send_keys("x", Keys.ENTER)
    browser.wait_for_text("#count", f"0 of {whole} routes")
    browser.find("#words").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    browser.wait(lambda: browser.texts("#count") == [""], "the whole tree")
    assert len([one for one in browser.all(".leaf") if one.is_displayed()]) == whole
    assert browser.find(".panel h2").text == "What is served"


def test_a_stream_is_shown_line_by_line_until_it_is_stopped(browser: Browser, site: Server) -> None:
    open_form(browser, site, "/lines", "GET")
    browser.find("#send .primary").click()
    browser.wait(lambda: len(browser.texts(".lines li")) > 2, "three lines")
    browser.find("#stop").click()
    browser.wait_for_text("#headline", "stopped")
    assert browser.texts(".lines li")[:2] == ['{"line":0}', '{"line":1}']
    assert browser.script("return document.activeElement.textContent") == "Send"
    site.wait_for_log("the producer was closed")


def test_events_are_shown_line_by_line(browser: Browser, site: Server) -> None:
    open_form(browser, site, "/events", "GET")
    send(browser, "3 lines")
    assert browser.texts(".lines li") == ["event: tick", "data: one", "data: two"]


def test_an_optional_catch_all_may_be_left_out(browser: Browser, site: Server) -> None:
    open_form(browser, site, "/api/files/[[...path]]", "GET")
    send(browser, "200 OK after")
    assert browser.texts(".sent") == ["/api/files"]
    fill_in(browser, "path", "a b/c")
    browser.find("#send .primary").click()
    browser.wait(lambda: browser.texts(".sent") == ["/api/files/a%20b/c"], "the second answer")


def test_a_file_and_a_value_are_sent_as_a_form(browser: Browser, site: Server, tmp_path: Any) -> None:
    (tmp_path / "oak.txt").write_text("12345")
    open_form(browser, site, "/api/photos", "POST")
    fill_in(browser, "photo", str(tmp_path / "oak.txt"))
    fill_in(browser, "title", "Oak")
    send(browser, "whole after")
    assert json.loads(browser.texts("pre")[0]) == ["oak.txt", 5, "Oak"]


def test_a_cookie_is_sent_for_its_url_alone_and_gone_afterwards(browser: Browser, site: Server) -> None:
    open_form(browser, site, "/api/echo/[id]", "PUT")
    for label, text in {"id": "7", "theme": "dark", "__Host-key": "sesame"}.items():
        fill_in(browser, label, text)
    send(browser, "200 OK after")
    browser.wait_for_text("#headline", "whole after")
    assert json.loads(browser.texts("pre")[0]) == ["dark", "sesame"]
    kept = browser.driver.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]
    assert {one["name"] for one in kept} <= {"csrftoken"}
    fill_in(browser, "theme", "two words")
    send(browser, "theme cannot be a cookie: no spaces")


@pytest.mark.parametrize("is_seen_by_scripts", [True, False])
def test_a_cookie_that_the_browser_has_is_not_replaced(
    browser: Browser, site: Server, *, is_seen_by_scripts: bool
) -> None:
    open_form(browser, site, "/api/echo/[id]", "PUT")
    own = {"name": "theme", "value": "own", "path": "/", "httpOnly": not is_seen_by_scripts}
    fill_in(browser, "id", "7")
    fill_in(browser, "theme", "dark")
    browser.driver.add_cookie(own)
    try:
        if is_seen_by_scripts:
            send(browser, "theme is a cookie that the browser has already")
        open_form(browser, site, "/api/echo/[id]", "PUT")
        fill_in(browser, "id", "7")
        assert not browser.find('[data-name="theme"]').is_enabled()
        send(browser, "200 OK after")
        browser.wait_for_text("#headline", "whole after")
        assert json.loads(browser.texts("pre")[0]) == ["own", "none"]
    finally:
        browser.driver.delete_cookie("theme")


@pytest.mark.parametrize("typed", ["sesame", "bearer sesame", ""])
def test_credentials_are_sent_with_their_scheme(browser: Browser, site: Server, typed: str) -> None:
    open_form(browser, site, "/guarded", "GET")
    fill_in(browser, "Authorization", typed)
    send(browser, "200 OK after")
    browser.wait_for_text("#headline", "whole after")
    sent = {"sesame": "Bearer sesame", "": "none"}.get(typed, typed)
    assert json.loads(browser.texts("pre")[0]) == sent


def test_a_segment_that_is_missing_is_asked_for(browser: Browser, site: Server) -> None:
    open_form(browser, site, "/api/echo/[id]", "GET")
    send(browser, "id is part of the URL: fill it in.")
    assert browser.script("return document.activeElement.dataset.name") == "id"


def test_the_keyboard_reaches_all_and_its_focus_is_seen(browser: Browser, site: Server) -> None:
    open_page(browser, site)
    seen: list[str] = []
    for _ in range(8):
        active = browser.driver.switch_to.active_element
        active.send_keys(Keys.TAB)
        source = """const one = document.activeElement, style = getComputedStyle(one);
          return [one.textContent.trim() || one.id, style.outlineStyle]"""
        name, outline = browser.script(source)
        seen.append(name)
        assert outline == "solid", name
    assert seen[:4] == ["Skip to the answer", "Routes", "match", "Explain"]
    folder = browser.find(".tree summary")
    folder.send_keys(Keys.ENTER)
    assert browser.script("return document.querySelector('.tree details').open") is False


def test_a_link_to_a_part_of_the_page_leaves_what_was_typed(browser: Browser, site: Server) -> None:
    open_form(browser, site, "/api/echo/[id]", "GET")
    fill_in(browser, "q", "kept")
    browser.script("document.querySelector('.send').dataset.stays = 'yes'; document.querySelector('.skip').focus()")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.wait(lambda: browser.script("return location.hash") == "#panel", "the fragment")
    # An answer of the server would be there by then.
    browser.script("return fetch('?only=panel').then((response) => response.text()).then(() => null)")
    assert browser.script("return document.querySelector('.send').dataset.stays") == "yes"
    assert browser.find('[data-name="q"]').get_attribute("value") == "kept"


def test_what_has_the_focus_is_not_covered(browser: Browser, site: Server) -> None:
    """As WCAG 2.2 asks for, 2.4.11: the field above the tree stays while the tree scrolls."""
    browser.resize(1280, 340)
    open_page(browser, site)
    source = """const links = [...document.querySelectorAll(".tree a.method")];
      links.at(-1).focus();
      return links.toReversed().map((link) => {
        link.focus();
        return link.getBoundingClientRect().top - document.querySelector(".filter").getBoundingClientRect().bottom;
      });"""
    assert min(browser.script(source)) >= 0
    assert browser.script("return document.querySelector('.tree').scrollHeight") > 600


def test_the_way_back_on_a_phone_leads_to_where_the_panel_was_opened(browser: Browser, site: Server) -> None:
    browser.resize(360, 400)
    open_page(browser, site)
    link = browser.find(".tree a[data-method=GET][href*='lines']")
    link.click()
    browser.wait_for_text(".panel h2", "GET /lines")
    browser.find(".back a").click()
    source = "return [document.activeElement.textContent, document.activeElement.getBoundingClientRect().top]"
    text, top = browser.script(source)
    assert text == "GET /lines"
    assert 0 <= top < 400


def accessible(browser: Browser) -> list[tuple[str, str]]:
    """Return role and name of all that a screen reader is told of."""
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]


def test_a_screen_reader_has_landmarks_and_a_name_for_each_control(browser: Browser, site: Server) -> None:
    open_form(browser, site, "/api/echo/[id]", "POST")
    browser.find(".more summary").click()
    told = accessible(browser)
    roles = {role for role, _ in told}
    assert {"banner", "navigation", "main", "search", "list", "listitem", "heading", "group"} <= roles
    assert ("navigation", "Folders of routes") in told
    assert ("link", "GET /api/echo/<id>") in told
    assert ("textbox", "id required") in told
    widgets = {"textbox", "searchbox", "combobox", "button", "link", "DisclosureTriangle"}
    assert [role for role, name in told if role in widgets and not name.strip()] == []
    assert browser.script("return document.documentElement.lang") == "en"
    ids: list[str] = browser.script("return [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert sorted(ids) == sorted(set(ids))


# As WCAG 2.2 works it out, for each element that shows text of its own.
CONTRAST = """
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const linear = (value) => ((value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = (color) => {
      const [red, green, blue] = numbers(color).slice(0, 3).map(linear);
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ground = (one) => {
      const color = getComputedStyle(one).backgroundColor;
      return numbers(color)[3] === 0 ? ground(one.parentElement) : color;
    };
    const ratio = (one) => {
      const pair = [getComputedStyle(one).color, ground(one)].map(luminance).sort((a, b) => b - a);
      return (pair[0] + 0.05) / (pair[1] + 0.05);
    };
    const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return [...document.querySelectorAll("body *")]
      .filter((one) => one.checkVisibility() && hasText(one))
      .map((one) => [one.textContent.trim().slice(0, 30), ratio(one)])
      .filter(([, found]) => found < 4.5);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa_and_fits_a_phone(browser: Browser, site: Server, scheme: str) -> None:
    browser.prefer(scheme)
    browser.resize(360, 740)
    for query in ({}, {"match": "/api/echo/7"}, {"route": "pages:/api/echo/[id]", "method": "POST"}):
        open_page(browser, site, **query)
        assert browser.script(CONTRAST) == []
        assert browser.script("return document.documentElement.scrollWidth <= innerWidth")


def test_a_link_without_a_fragment_shows_its_answer_on_a_phone(browser: Browser, site: Server) -> None:
    browser.resize(360, 300)
    open_page(browser, site, match="/api/echo/7")
    source = "return document.querySelector('.panel h2').getBoundingClientRect().top"
    browser.wait(lambda: 0 <= browser.script(source) < 300, "the answer")


def test_it_reads_without_javascript(browser: Browser, site: Server) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_page(browser, site)
        browser.find("#match").send_keys("/api/echo/7", Keys.ENTER)
        assert browser.find(".panel h2").text == "/api/echo/<id> answers /api/echo/7"
        browser.find(".answer a[data-method=POST]").click()
        browser.wait(lambda: "Sending needs JavaScript." in browser.find(".panel").text, "the form")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
