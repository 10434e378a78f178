"""Messages of system checks, and errors, lead to the section that tells more: of a check, a setting or a subject."""

import ast
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.checks import CheckMessage, Warning, run_checks
from django.core.management import CommandError, call_command
from django.urls import reverse

import built_docs
from conftest import Site
from django_routehandlers import CORS, Problem, ServerSentEvent, Throttle, after, cached, documentation, revalidate_tag
from django_routehandlers.caching import StoreError
from django_routehandlers.conf import Config
from django_routehandlers.documentation import Section, anchor, documentation_url, linked, see
from django_routehandlers.exceptions import RoutesError
from django_routehandlers.responses import jsonable, typed
from django_routehandlers.testing import StreamError, UnexpectedResponse, call

ADDRESS = "https://docs.example/en/stable"
# Errors that the package itself answers, or makes a check's message, a 404 or another error of.
INSIDE = {
    "NoAdapter", "SegmentError", "TimeUp", "Unconvertible", "Unevaluated", "Unfillable",
    "Unkeyable", "Unreadable", "Unusable",
}  # fmt: skip
# It is answered to a client, and no mistake of a developer.
ANSWERS = {"Problem"}
# Plain errors that never reach a project: caught where they are raised for, or impossible but by a fault of ours.
CAUGHT = {
    "caching/keys.py: TypeError",
    "engine/answering.py: RuntimeError",
    "handlers/bound.py: RuntimeError",
    "handlers/text_values.py: ValueError",
    "policies/cache_status.py: ValueError",
    "policies/throttle.py: ValueError",
    "routing/url_patterns.py: ValueError",
    "testing/records.py: ValueError",
}
PLAIN = {
    "ImproperlyConfigured", "InvalidCacheBackendError", "LookupError", "RuntimeError", "SynchronousOnlyOperation",
    "TypeError", "ValueError",
}  # fmt: skip


def messages(site: Site, id: str) -> list[CheckMessage]:
    return [one for one in run_checks(tags=["routehandlers"]) if one.id == f"routehandlers.{id}"]


def test_message_of_a_check_names_its_section(site: Site) -> None:
    site.serve({"x/[order-id]/route.py": "def GET(): ..."})
    (message,) = messages(site, "E011")
    assert message.hint == "Rename [order-id] to [order_id]. See routehandlers.E011 in docs/reference/checks.md."


def test_message_about_a_setting_names_the_section_of_that_too(site: Site) -> None:
    site.serve({"x/route.py": "def GET(): ..."})
    site.settings.ROUTEHANDLERS = {"CSRF": "never", "CSFR": "token"}
    (wrong,), (unknown,) = messages(site, "E001"), messages(site, "E002")
    both = "See routehandlers.E001 in docs/reference/checks.md and CSRF in docs/reference/settings.md."
    assert wrong.hint == f'Write "origin". {both}'
    assert unknown.hint == "Did you mean 'CSRF'? See routehandlers.E002 in docs/reference/checks.md."


@pytest.mark.parametrize("setting", [one.name for one in fields(Config)])
def test_message_leads_to_each_setting_that_it_names(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documentation, "_address", lambda: ADDRESS)
    check = linked([one.name for one in fields(Config)])(
        lambda app_configs, **kwargs: [Warning("What.", hint=f"Set ROUTEHANDLERS['{setting}'].", id="routehandlers.W1")]
    )
    (message,) = check()
    assert str(message.hint).endswith(f" and {ADDRESS}/reference/settings.html#{anchor(setting)}")


@pytest.mark.parametrize(
    ("urls", "address"),
    [
        ([], None),
        (["Source, https://code.example/"], None),
        (["Source, https://code.example/", "Documentation, https://docs.example/en/stable/"], ADDRESS),
    ],
)
def test_address_of_the_metadata_is_linked_and_no_other(urls: list[str], address: str | None) -> None:
    assert documentation_url(urls) == address


def test_address_that_is_known_makes_links(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Section("reference/checks", "routehandlers.E011"), Section("reference/caching", "stats()")
    assert (
        see(*places) == "See routehandlers.E011 in docs/reference/checks.md and stats() in docs/reference/caching.md."
    )
    monkeypatch.setattr(documentation, "_address", lambda: ADDRESS)
    links = f"{ADDRESS}/reference/checks.html#routehandlers-e011 and {ADDRESS}/reference/caching.html#stats"
    assert see(*places) == f"See {links}"


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (lambda: after(cast("Any", None)), "Where it may be called in docs/reference/after.md"),
        (lambda: cached(cast("Any", object())), "Cache a function in docs/how-to/cached-functions-and-fetch.md"),
        (lambda: revalidate_tag(), "Invalidation in docs/reference/caching.md"),
        (lambda: CORS(["app.example"]), "Arguments of CORS in docs/reference/cors.md"),
        (lambda: Throttle("often"), "Arguments of Throttle in docs/reference/throttling.md"),
        (lambda: Problem(200), "Problem in docs/reference/responses.md"),
        (lambda: ServerSentEvent(1, retry=-1), "ServerSentEvent in docs/reference/responses.md"),
        (lambda: call(len), "Calls in docs/reference/testing.md"),
    ],
    ids=["after", "cached", "revalidate_tag", "CORS", "Throttle", "Problem", "ServerSentEvent", "call"],
)
def test_traceback_of_a_mistake_ends_with_where_to_read_on(wrong: Callable[[], Any], place: str) -> None:
    with pytest.raises((TypeError, ValueError, LookupError)) as caught:
        wrong()
    assert traceback.format_exception(caught.value)[-1].rstrip() == f"See {place}."


def test_routes_that_cannot_be_served_name_the_section_of_each_check(site: Site) -> None:
    site.serve({"x/[order-id]/route.py": "def GET(): ...", "y/[a-b]/route.py": "def GET(): ..."})
    with pytest.raises(RoutesError) as caught:
        reverse("routes:x")
    assert caught.value.__notes__ == ["See routehandlers.E011 in docs/reference/checks.md."]


def test_page_of_django_for_an_error_shows_where_to_read_on(site: Site) -> None:
    site.serve({"x/route.py": "from django_routehandlers import after\n\n\ndef GET(request):\n    after(None)\n"})
    site.settings.DEBUG = True
    assert "See Where it may be called in docs/reference/after.md." in site.client.get("/x").content.decode()


def test_command_that_refuses_says_where_to_read_on(site: Site) -> None:
    site.serve({"x/route.py": "def GET(): ..."})
    with pytest.raises(CommandError, match=r"See What is refused in docs/reference/commands\.md\.$"):
        call_command("start_route", "x", app="nothing")


@pytest.mark.parametrize("error", [StoreError, StreamError, UnexpectedResponse, jsonable.JSONEncodeError, typed.Misfit])
def test_error_of_our_own_has_a_note(error: type[Exception]) -> None:
    assert error("What.").__notes__ == [see(error.section)]
    assert str(error("What.")) == "What."


def test_every_class_of_errors_leads_somewhere_or_stays_inside() -> None:
    found = dict(classes_of_errors())
    told = {"Documented", "RoutesError"}
    while more := {name for name, bases in found.items() if bases & told} - told:
        told |= more
    assert {name for name in found if not name.startswith("_")} - told == INSIDE | ANSWERS


def test_every_plain_error_leads_somewhere_or_is_caught() -> None:
    assert set(plain_errors()) == CAUGHT


def classes_of_errors() -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the names of classes that are raised, with those of their bases."""
    for path in built_docs.PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = frozenset(ast.unparse(base) for base in node.bases)
                if any(re.search(r"(Error|Exception|Configured)$|^Documented$", base) for base in bases):
                    yield node.name, bases


def plain_errors() -> Iterator[str]:
    """Yield each module that raises an error of Python's or Django's without a place to read on, and that error."""
    for path in built_docs.PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Raise(ast.Call(ast.Name(name))) | ast.Return(ast.Call(ast.Name(name))) if name in PLAIN:
                    yield f"{path.relative_to(built_docs.PACKAGE)}: {name}"


def test_name_that_the_index_lacks_is_found(tmp_path: Path) -> None:
    names = built_docs.names_in_the_code() | built_docs.names_in_the_tables() | built_docs.SOUGHT
    assert {"CACHE_ENABLED", "routehandlers.E011", "show_routes", "after", "call", "revalidate", "Retry-After"} <= names
    items = "".join(f"<li>{name} (of some kind)</li>" for name in names - {"after", "call"})
    (tmp_path / "genindex.html").write_text(f"{items}<li>call()</li>", encoding="utf-8")
    assert built_docs.missing_names(tmp_path) == ["after"]


def test_heading_that_means_nothing_in_the_index_is_found(tmp_path: Path) -> None:
    items = "<li>Start</li><li>Ends (in Responses)</li><li>start_route (command)</li><li>Limits (in Handlers)</li>"
    (tmp_path / "genindex.html").write_text(items, encoding="utf-8")
    assert built_docs.bare_headings(tmp_path) == ["Ends (in Responses)", "Start"]


def test_page_without_a_way_to_the_index_is_found(tmp_path: Path) -> None:
    link = '<a class="reference internal" href="{}genindex.html">Index</a>'
    (tmp_path / "reference").mkdir()
    (tmp_path / "index.html").write_text(link.format(""), encoding="utf-8")
    (tmp_path / "reference" / "one.html").write_text(link.format("../"), encoding="utf-8")
    (tmp_path / "reference" / "two.html").write_text("<a href='one.html'>Index</a>", encoding="utf-8")
    assert built_docs.pages_without_the_index(tmp_path) == ["reference/two.html"]


def test_place_that_a_built_page_lacks_is_found(tmp_path: Path) -> None:
    for page, names in built_docs.wanted_anchors().items():
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text("".join(f'<h2 id="{name}"></h2>' for name in names), encoding="utf-8")
    assert built_docs.missing_places(tmp_path) == []
    for page, name in ("reference/settings.html", "cache-enabled"), ("reference/caching.html", "stats"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        (tmp_path / page).write_text(text.replace(f'id="{name}"', ""), encoding="utf-8")
    missing = ["reference/caching.html#stats", "reference/settings.html#cache-enabled"]
    assert built_docs.missing_places(tmp_path) == missing
