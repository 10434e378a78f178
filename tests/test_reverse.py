"""Names and parameters to URLs, and back (design, section 4)."""

import uuid
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import RequestFactory
from django.urls import NoReverseMatch, register_converter, resolve, reverse
from django.urls.converters import REGISTERED_CONVERTERS, get_converters
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import Site
from route_tables import make_table, make_urlconf

TREE = ["", "one/[text]", "two/[text]/[other]", "all/[...path]", "docs/[[...slug]]", "int/[id=int]", "uuid/[id=uuid]"]
TREE += ["slug/[s=slug]", "100%/[text]/%25s/[...path]"]
URLCONFS = {
    (prefix, slash): make_urlconf(make_table(TREE, slash=slash), prefix)
    for prefix in ("", "v1/")
    for slash in (False, True)
}
URLCONF = URLCONFS["", False]

# Text in which what has a meaning in URLs, expressions and templates is frequent.
TEXTS = st.text(st.sampled_from("/%?#;&=+ .:@~\\$^(){}[]|*'\"<>\r\n\t\0aZ0\u00e9\u65e5\U0001f600\ud800")) | st.text()


def can_be_carried(text: str) -> bool:
    """Return whether one segment of a URL can be this text."""
    has_utf8 = not any(0xD800 <= ord(char) < 0xE000 for char in text)
    return text not in ("", ".", "..") and "/" not in text and "\0" not in text and has_utf8


def way_back(url: str, urlconf: Any) -> tuple[str, dict[str, Any]]:
    """Decode the URL as servers do, for WSGI and for ASGI; return the view's name and its parameters."""
    path = RequestFactory().get(url).path_info
    assert path == unquote(url)
    match = resolve(path, urlconf)
    return match.view_name, match.kwargs


def reversed_url(name: str, kwargs: dict[str, Any], urlconf: Any = URLCONF) -> str | None:
    """Return the URL; ``None`` where there is none."""
    try:
        return reverse(f"routes:{name}", urlconf, kwargs=kwargs)
    except NoReverseMatch:
        return None


def ways_back(name: str, kwargs: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return where the URL leads in each URLconf in which there is one."""
    urls = [(reversed_url(name, kwargs, urlconf), urlconf) for urlconf in URLCONFS.values()]
    return [way_back(url, urlconf) for url, urlconf in urls if url is not None]


def exactly(name: str, kwargs: dict[str, Any], *, carried: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """Return where it has to lead: to the same values in every URLconf, or nowhere where no URL can carry them."""
    return [(f"routes:{name}", kwargs)] * len(URLCONFS) if carried else []


@given(TEXTS)
@example("..")
@example("a\n")
@example("%2F")
@example("100%")
@example("%(text)s")
def test_dynamic_segment_round_trips(text: str) -> None:
    """Invariant 92."""
    kwargs = {"text": text}
    assert ways_back("one-text", kwargs) == exactly("one-text", kwargs, carried=can_be_carried(text))


@given(TEXTS, TEXTS)
def test_two_dynamic_segments_round_trip(text: str, other: str) -> None:
    """Invariant 92."""
    kwargs = {"text": text, "other": other}
    carried = can_be_carried(text) and can_be_carried(other)
    assert ways_back("two-text-other", kwargs) == exactly("two-text-other", kwargs, carried=carried)


@given(st.lists(TEXTS))
@example(["a\n", "\n"])
def test_catch_all_segment_round_trips(path: list[str]) -> None:
    """Invariant 92."""
    carried = bool(path) and all(map(can_be_carried, path))
    assert ways_back("all-path", {"path": path}) == exactly("all-path", {"path": path}, carried=carried)


@given(st.lists(TEXTS))
@example([])
def test_optional_catch_all_segment_round_trips(slug: list[str]) -> None:
    """Invariant 92."""
    carried = all(map(can_be_carried, slug))
    assert ways_back("docs-slug", {"slug": slug}) == exactly("docs-slug", {"slug": slug}, carried=carried)


@given(TEXTS, st.lists(TEXTS, min_size=1))
def test_static_percent_signs_disturb_no_parameter(text: str, path: list[str]) -> None:
    """Invariant 92."""
    carried = all(map(can_be_carried, [text, *path]))
    kwargs = {"text": text, "path": path}
    assert ways_back("100%-text-%s-path", kwargs) == exactly("100%-text-%s-path", kwargs, carried=carried)


@given(st.integers())
def test_int_converter_round_trips(id: int) -> None:
    """Invariant 92."""
    assert ways_back("int-id", {"id": id}) == exactly("int-id", {"id": id}, carried=id >= 0)


@given(st.uuids())
def test_uuid_converter_round_trips(id: uuid.UUID) -> None:
    """Invariant 92."""
    assert ways_back("uuid-id", {"id": id}) == exactly("uuid-id", {"id": id})


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("slug-s", {"s": "a b"}),
        ("slug-s", {"s": "a\n"}),
        ("uuid-id", {"id": "no-uuid"}),
        ("int-id", {"id": "1\n"}),
        ("int-id", {"id": "\u0661"}),
        ("int-id", {"id": "1/2"}),
        ("all-path", {"path": ""}),
        ("all-path", {"path": "a//b"}),
        ("all-path", {}),
        ("one-text", {}),
        ("one-text", {"text": "a", "other": "b"}),
        ("nowhere", {}),
    ],
)
def test_what_would_not_resolve_is_not_reversed(name: str, kwargs: dict[str, Any]) -> None:
    """Invariant 92."""
    assert {reversed_url(name, kwargs, urlconf) for urlconf in URLCONFS.values()} == {None}


@pytest.mark.parametrize(
    ("name", "kwargs", "url"),
    [
        ("index", {}, "/"),
        ("one-text", {"text": "a b"}, "/one/a%20b"),
        ("one-text", {"text": "50% off?#;+&=:@"}, "/one/50%25%20off%3F%23;+&=:@"),
        ("one-text", {"text": "caf\u00e9"}, "/one/caf%C3%A9"),
        ("one-text", {"text": 5}, "/one/5"),
        ("all-path", {"path": ["a", "b c"]}, "/all/a/b%20c"),
        ("all-path", {"path": ("a", 1)}, "/all/a/1"),
        ("all-path", {"path": "a/b c"}, "/all/a/b%20c"),
        ("docs-slug", {}, "/docs"),
        ("docs-slug", {"slug": []}, "/docs"),
        ("docs-slug", {"slug": ["a"]}, "/docs/a"),
        ("100%-text-%s-path", {"text": "x", "path": ["y"]}, "/100%25/x/%25s/y"),
    ],
)
def test_url_is_encoded_once(name: str, kwargs: dict[str, Any], url: str) -> None:
    assert reversed_url(name, kwargs) == url


def test_url_has_the_slash_and_the_prefix_of_its_urlconf() -> None:
    urls = [
        (reversed_url("docs-slug", {}, urlconf), reversed_url("one-text", {"text": "a"}, urlconf))
        for urlconf in URLCONFS.values()
    ]
    assert urls == [
        ("/docs", "/one/a"),
        ("/docs/", "/one/a/"),
        ("/v1/docs", "/v1/one/a"),
        ("/v1/docs/", "/v1/one/a/"),
    ]


def test_positional_arguments_fill_the_segments_in_order() -> None:
    assert reverse("routes:two-text-other", URLCONF, args=["a", "b"]) == "/two/a/b"
    assert reverse("routes:docs-slug", URLCONF, args=[["a", "b"]]) == "/docs/a/b"


ODD_FOLDERS = [
    "100%",
    "%%",
    "%s",
    "%%28id%29s",
    "%25",
    "%2525",
    "%zz",
    "a b",
    "a+b",
    "$x",
    "x$",
    "^x",
    "x^",
    "%28a%29",
    "%28%3FP%29",
    "%5Bid%5D",
    "x{2}",
    "x{0}",
    "a.b",
    "...",
    "a|b",
    "a*",
    "a?",
    "?a=b",
    "#a",
    "a;b",
    "a&b",
    "~a",
    "@a",
    "a:b",
    "'a'",
    '"a"',
    "a\tb",
    "a\nb",
    "-",
    "%5Fx",
    "%2Ewell-known",
    "caf\u00e9",
    "\u65e5\u672c",
    "\U0001f600",
]


@pytest.mark.parametrize("slash", [False, True])
@pytest.mark.parametrize("folder", ODD_FOLDERS)
def test_odd_static_text_resolves_and_reverses(folder: str, slash: bool) -> None:
    """Invariant 92."""
    table = make_table([folder, f"{folder}/[id]", f"x/{folder}/[[...rest]]"], slash=slash)
    wanted: list[tuple[str, dict[str, Any]]] = []
    found: list[tuple[str, dict[str, Any]]] = []
    for prefix in ("", "v1/", "<int:version>/"):
        urlconf = make_urlconf(table, prefix)
        above = {"version": 7} if "version" in prefix else {}
        for one in table.served:
            parameters = {segment.text: [] if segment.takes_rest else "%s" for segment in one.route.parameters}
            name, kwargs = f"routes:{one.name}", {**above, **parameters}
            wanted.append((name, kwargs))
            found.append(way_back(reverse(name, urlconf, kwargs=kwargs), urlconf))
    assert found == wanted


class Year:
    """Four digits."""

    regex = "[0-9]{4}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return f"{value:04d}"


class Day:
    """A date of the ISO form."""

    regex = r"(\d{4})-(?:\d\d)-\d\d"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


class Light:
    """One of two words."""

    regex = "red|green"

    def to_python(self, value: str) -> str:
        return value.upper()

    def to_url(self, value: str) -> str:
        return value.lower()


class Careless:
    """Takes and gives anything."""

    regex = ".*"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


@pytest.fixture
def converters() -> Iterator[None]:
    """Path converters of the project's own."""
    for name, converter in {"year": Year, "day": Day, "light": Light, "careless": Careless}.items():
        register_converter(converter, name)
    yield
    for name in ("year", "day", "light", "careless"):
        del REGISTERED_CONVERTERS[name]
    get_converters.cache_clear()  # type: ignore[attr-defined]


def test_odd_static_text_is_no_mistake_of_a_urlconf() -> None:
    table = make_table(ODD_FOLDERS)
    assert [message for one in table.url_patterns for message in one.check()] == []


@pytest.mark.parametrize(
    ("name", "kwargs", "url"),
    [
        ("y-v", {"v": 12}, "/y/0012"),
        ("y-v", {"v": 12345}, None),
        ("d-v", {"v": date(2026, 11, 22)}, "/d/2026-11-22"),
        ("l-v", {"v": "RED"}, "/l/red"),
        ("l-v", {"v": "BLUE"}, None),
        ("c-v", {"v": "a b"}, "/c/a%20b"),
        ("c-v", {"v": "a/b"}, None),
        ("c-v", {"v": "/"}, None),
        ("c-v", {"v": ""}, None),
        ("c-v", {"v": ".."}, None),
        ("c-v", {"v": "\0"}, None),
        ("c-v-w", {"v": "a", "w": "b"}, "/c/a/b"),
    ],
)
@pytest.mark.usefixtures("converters")
def test_registered_converter_round_trips_or_is_not_reversed(
    name: str, kwargs: dict[str, Any], url: str | None
) -> None:
    """Invariant 92."""
    urlconf = make_urlconf(
        make_table(["y/[v=year]", "d/[v=day]", "l/[v=light]", "c/[v=careless]", "c/[v=careless]/[w=careless]"])
    )
    assert reversed_url(name, kwargs, urlconf) == url
    if url is not None:
        assert way_back(url, urlconf) == (f"routes:{name}", kwargs)


@pytest.mark.parametrize("path", ["y/12345", "y/123", "y/1234\n", "d/2026-02-30", "l/redgreen", "l/blue", "c/", "c/a/"])
@pytest.mark.usefixtures("converters")
def test_registered_converter_has_to_match_the_whole_segment(path: str) -> None:
    table = make_table(["y/[v=year]", "d/[v=day]", "l/[v=light]", "c/[v=careless]"])
    match = table.resolve(path)
    assert match is None or match.func.__name__ == "redirect"
    assert [pattern.resolve(path) for pattern in table.url_patterns] == [None] * 4


def test_routes_on_disk_round_trip_below_a_prefix(site: Site) -> None:
    """Invariant 92."""
    get = "def GET(): return 1"
    site.write({"100%/route.py": get, "a b/[id]/route.py": get, "docs/[[...slug]]/route.py": get})
    site.settings.ROUTEHANDLERS = {"PREFIXES": {site.label(): "50% off/"}, "TRAILING_SLASH": True}
    site.install()
    assert site.mistakes() == []
    urls = [
        reverse("routes:100%"),
        reverse("routes:a b-id", kwargs={"id": "%s #1"}),
        reverse("routes:docs-slug"),
        reverse("routes:docs-slug", kwargs={"slug": ["%", "?"]}),
    ]
    assert urls == [
        "/50%25%20off/100%25/",
        "/50%25%20off/a%20b/%25s%20%231/",
        "/50%25%20off/docs/",
        "/50%25%20off/docs/%25/%3F/",
    ]
    assert [site.client.get(url).status_code for url in urls] == [200] * 4
