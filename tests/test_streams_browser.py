"""
Streams as a real browser reads them: the demo shop's pages, and ``EventSource``.

The shop's page is as ``serve.py`` serves it, another as a guide has it. For ``EventSource`` there is a project whose
routes end or break off as often as the tests like, and tell who connected when, and with what id.
"""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from browser import Browser, chromium
from docs_blocks import read_blocks
from docs_project import ROOT, Project
from servers import Server, make_project, serve
from shop_server import running_shop

pytestmark = pytest.mark.browser

RETRY = 0.3  # seconds
SETTINGS = """
    LOGGING = {"version": 1, "handlers": {}}
"""
NUMBERS = """
    import time
    from typing import Annotated

    from django_routehandlers import EventStreamResponse, Header, ServerSentEvent

    CONNECTIONS = []


    # Three events for each connection, then the stream ends in one way or the other.
    async def numbers(how, first):
        yield ServerSentEvent(retry=RETRY, comment="nobody sees this")
        for number in range(first, first + 3):
            yield ServerSentEvent({"number": number}, event="number", id=str(number))
        if how == "raises":
            raise RuntimeError("do not tell")


    async def GET(how, last_event_id: Annotated[int | None, Header()] = None):
        CONNECTIONS.append((last_event_id, time.time()))
        first = 0 if last_event_id is None else last_event_id + 1
        return EventStreamResponse(numbers(how, first)) if first < 9 else None


    def POST(how):
        found = list(CONNECTIONS)
        CONNECTIONS.clear()
        return found
    """.replace("RETRY", str(int(RETRY * 1000)))
TEXTS = """
    from collections.abc import AsyncIterator
    from typing import Annotated

    from django_routehandlers import Header, ServerSentEvent

    IDS = ["Größe 4", "木の椅子", "🪑"]


    async def GET(last_event_id: Annotated[str | None, Header()] = None) -> AsyncIterator[ServerSentEvent[str]]:
        yield ServerSentEvent(f"{last_event_id}", event="last", retry=10)
        following = dict(zip([None, *IDS], [*IDS, IDS[0]]))
        yield ServerSentEvent("one\\ntwo\\r\\nthree\\r\\r\\nfünf\\u2028: 木\\n", id=following[last_event_id])
    """
PAGE = """
    from django.http import HttpResponse

    async def GET():
        return HttpResponse('<!doctype html><link rel="icon" href="data:,"><title>Empty</title>')
    """
LISTEN = """
    window.source = new EventSource(arguments[0]);
    window.heard = [];
    for (const name of arguments[1]) {
      source.addEventListener(name, (event) => heard.push([event.type, event.lastEventId, event.data]));
    }
    """
# The moments at which the page has drawn a further line into a list.
WATCH = """
    const list = document.getElementById(arguments[0]);
    window.drawn = [];
    new MutationObserver(
      () => drawn.push([performance.now(), list.children.length, document.getElementById("bar").value])
    ).observe(list, { childList: true });
    """
# A body in pieces of one byte, so that each character and each line is cut somewhere.
IN_BYTES = """
    const bytes = new TextEncoder().encode(arguments[0]);
    window.fetch = async () => new Response(new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
        controller.close();
      },
    }));
    """


@pytest.fixture(scope="module")
def a_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The one browser of this file: it takes a second to start."""
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(a_browser: Browser) -> Iterator[Browser]:
    """The browser, whose console has to stay silent: no error, nothing that the policy forbids."""
    a_browser.complaints()
    yield a_browser
    a_browser.driver.get("about:blank")
    assert a_browser.complaints() == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the demo shop."""
    with running_shop(tmp_path_factory.mktemp("shop"), debug=False) as url:
        yield url


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A project of event streams."""
    routes = {"numbers/[how]/route.py": NUMBERS, "texts/route.py": TEXTS, "empty/route.py": PAGE}
    with serve("uvicorn-httptools", make_project(tmp_path_factory.mktemp("events"), routes, settings=SETTINGS)) as one:
        yield one


def post(url: str, value: object = None) -> Any:
    """Return what a POST of JSON answers."""
    data = b"" if value is None else json.dumps(value).encode()
    headers = {"Content-Type": "application/json"} if data else {}
    with urlopen(Request(url, data, headers, method="POST"), timeout=20) as response:
        return json.loads(response.read())


# The demo shop's pages


def test_the_catalogue_shows_what_is_found_while_it_is_typed(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/catalogue")
    browser.wait_for_text("#found", "12 of 36 products")
    browser.find("[name=text]").send_keys("oak t")
    browser.wait_for_text("#found", "1 product")
    assert browser.texts("#products li") == ["Oak Table480.90 €40 in stock"]


def test_the_page_shows_lines_while_they_arrive(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/live")
    browser.script(WATCH, "products")
    browser.find("#count").click()
    browser.wait_for_text("#counted", "36 of 36 products counted")
    drawn = browser.script("return drawn")
    assert [(lines, bar) for _, lines, bar in drawn] == [(number, number) for number in range(1, 37)]
    # It takes 0.06 s to count one: the first of them stood there for more than a second before the last came.
    assert drawn[-1][0] - drawn[0][0] > 1500
    assert len({round(moment / 50) for moment, _, _ in drawn}) > 18


def test_who_stops_the_counting_keeps_what_has_been_counted(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/live")
    browser.find("#count").click()
    browser.wait(lambda: browser.all("#products li"), "a line")
    browser.find("#stop").click()
    said = browser.wait_for_text("#counted", "Stopped")
    assert said == f"Stopped, {len(browser.all('#products li'))} products counted"
    assert len(browser.all("#products li")) < 36
    assert [browser.find(button).is_enabled() for button in ("#count", "#stop")] == [True, False]


def test_lines_are_whole_wherever_the_network_cuts_them(browser: Browser, shop: str) -> None:
    lines = [{"product": f"stühle-木-🪑-{number}", "stock": number, "done": number, "total": 2} for number in (1, 2)]
    browser.open(f"{shop}/live")
    browser.script(IN_BYTES, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    browser.find("#count").click()
    browser.wait_for_text("#counted", "2 of 2")
    assert browser.texts("#products li span:first-child") == ["stühle-木-🪑-2", "stühle-木-🪑-1"]


def test_an_error_in_the_middle_is_shown_behind_what_came_before(browser: Browser, shop: str) -> None:
    line = {"product": "oak-chair", "stock": 1, "done": 1, "total": 2}
    error = {"error": {"type": "about:blank", "title": "Internal Server Error", "status": 500}}
    browser.open(f"{shop}/live")
    browser.script(IN_BYTES, f"{json.dumps(line)}\n{json.dumps(error)}\n")
    browser.find("#count").click()
    assert browser.wait_for_text("#counted", "Broken off") == "Broken off (Internal Server Error), 1 products counted"


def test_an_order_appears_when_it_is_placed_and_once(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/live")
    browser.wait_for_text("#listening", "Listening")
    first = browser.wait(lambda: browser.texts("#orders li span:first-child"), "the newest order")
    order = {"customer": 2, "lines": [{"product": 3, "quantity": 1}]}
    numbers = [post(f"{shop}/api/orders", order)["id"] for _ in range(3)]
    expected = [f"No. {number}" for number in reversed(numbers)] + first
    browser.wait(lambda: browser.texts("#orders li span:first-child") == expected, f"{expected}")
    browser.find("#order").click()
    browser.wait(lambda: len(browser.all("#orders li")) == len(expected) + 1, "an order of one's own")


def test_who_does_not_listen_gets_no_orders(browser: Browser, shop: str) -> None:
    browser.open(f"{shop}/live")
    browser.wait(lambda: browser.all("#orders li"), "the newest order")
    browser.find("#listen").click()
    assert browser.wait_for_text("#listening", "Not listening")
    number = post(f"{shop}/api/orders", {"customer": 2, "lines": [{"product": 3, "quantity": 1}]})["id"]
    time.sleep(1)
    assert f"No. {number}" not in browser.texts("#orders li span:first-child")
    browser.find("#listen").click()
    browser.wait_for_text("#orders li span:first-child", f"No. {number}")


# The page of docs/how-to/progress-in-the-browser.md


@pytest.fixture(scope="module")
def how_to(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the project that the guide makes."""
    project = Project(tmp_path_factory.mktemp("how-to"))
    project.create("project")
    page = ROOT / "docs" / "how-to" / "progress-in-the-browser.md"
    try:
        for block in read_blocks(page.read_text(encoding="utf-8"), page.name):
            project.do(block)
            if block.marker == "serves":
                break
        yield f"http://127.0.0.1:{project.port}"
    finally:
        project.stop_server()


def test_the_page_of_the_guide_shows_lines_while_they_arrive(browser: Browser, how_to: str) -> None:
    browser.open(f"{how_to}/recount")
    browser.script(WATCH, "shelves")
    browser.find("#start").click()
    browser.wait_for_text("#said", "Counted")
    drawn = browser.script("return drawn")
    assert [(lines, bar) for _, lines, bar in drawn] == [(number, number) for number in range(1, 7)]
    # Between two of them the job works for 0.2 s.
    assert drawn[-1][0] - drawn[0][0] > 800
    assert browser.texts("#shelves li") == ["Ash", "Birch", "Cherry", "Maple", "Oak", "Walnut"]


def test_the_page_of_the_guide_says_what_went_wrong(browser: Browser, how_to: str) -> None:
    browser.open(f"{how_to}/recount")
    browser.find("#start").click()
    browser.wait(lambda: browser.all("#shelves li"), "a line")
    browser.find("#stop").click()
    assert browser.wait_for_text("#said", "Stopped") == "Stopped"
    browser.script(IN_BYTES, '{"error": {"title": "Internal Server Error", "status": 500}}\n')
    browser.find("#start").click()
    assert browser.wait_for_text("#said", "Not") == "Not counted: Internal Server Error"


# EventSource


def listen(browser: Browser, server: Server, path: str, *names: str) -> None:
    """Open an ``EventSource`` that keeps what it hears of events with these names."""
    base = f"http://127.0.0.1:{server.port}"
    browser.open(f"{base}/empty")
    browser.script(LISTEN, f"{base}{path}", names)


def wait_until_closed(browser: Browser) -> list[list[Any]]:
    """Return what was heard, once the browser does not connect again."""
    browser.wait(lambda: browser.script("return source.readyState === EventSource.CLOSED"), "the end")
    return browser.script("return heard")


NUMBERS_HEARD = [["number", str(number), f'{{"number":{number}}}'] for number in range(9)]


@pytest.mark.parametrize("how", ["ends", "raises"])
def test_a_browser_goes_on_behind_the_last_event_until_it_is_answered_204(
    browser: Browser, server: Server, how: str
) -> None:
    listen(browser, server, f"/numbers/{how}", "number")
    assert wait_until_closed(browser) == NUMBERS_HEARD
    connections = post(f"http://127.0.0.1:{server.port}/numbers/{how}")
    assert [last for last, _ in connections] == [None, 2, 5, 8]
    time.sleep(3 * RETRY)
    assert post(f"http://127.0.0.1:{server.port}/numbers/{how}") == []


def test_a_browser_waits_as_long_as_retry_says(browser: Browser, server: Server) -> None:
    listen(browser, server, "/numbers/ends", "number")
    wait_until_closed(browser)
    moments = [moment for _, moment in post(f"http://127.0.0.1:{server.port}/numbers/ends")]
    pauses = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
    # Without retry Chromium waits for 3 s.
    assert [RETRY <= pause < RETRY + 1.5 for pause in pauses] == [True] * 3


def test_the_problem_that_ends_a_stream_comes_as_an_event_named_error(browser: Browser, server: Server) -> None:
    listen(browser, server, "/numbers/raises", "error")
    problem = '{"type":"about:blank","title":"Internal Server Error","status":500}'
    told = [["error", number, problem] for number in ("2", "5", "8")]
    heard = wait_until_closed(browser)
    # EventSource names its own events so, too: they have no data.
    assert [event for event in heard if event[2] is not None] == told
    assert [event for event in heard if event[2] is None] != []
    post(f"http://127.0.0.1:{server.port}/numbers/raises")


def test_ids_and_lines_of_any_language_survive(browser: Browser, server: Server) -> None:
    ids = ["Größe 4", "木の椅子", "🪑"]
    text = "one\ntwo\nthree\n\nfünf\u2028: 木\n"
    expected: list[list[str]] = []
    for last, following in zip([None, *ids], [*ids, ids[0]], strict=True):
        expected += [["last", last or "", f"{last}"], ["message", following, text]]
    listen(browser, server, "/texts", "last", "message")
    browser.wait(lambda: browser.script("return heard.length >= 8"), "four connections")
    assert browser.script("source.close(); return heard.slice(0, 8)") == expected
