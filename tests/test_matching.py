"""Paths to routes: against a model, against Django's own way, and the odd URLs (design, section 4)."""

import os
import random
import re
from pathlib import Path

import pytest
from django.urls import Resolver404, resolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_routehandlers.routing.discovery import RoutesDirectory, discover_routes
from django_routehandlers.routing.patterns import RouteTable
from route_tables import make_table, make_urlconf, without_conflicts

SAMPLES = Path(__file__).parent / "samples"
FULL = os.environ.get("RH_PROOF") == "full"
TREES, URLS = (10_000, 1_000) if FULL else (300, 60)

Answer = tuple[str, dict[str, object]] | str | None


# The model: the rules of design, section 4, tried one route after the other. It shares no code with the package.


def kind(folder: str) -> tuple[int, str, str]:
    """Return a folder's rank, parameter and converter."""
    for rank, form in [(4, r"\[\[\.\.\.(\w+)()\]\]"), (3, r"\[\.\.\.(\w+)()\]"), (1, r"\[(\w+)=(\w+)\]")]:
        if found := re.fullmatch(form, folder):
            return rank, found[1], found[2]
    return (2, folder[1:-1], "") if folder.startswith("[") else (0, "", "")


def converted(converter: str, text: str) -> object:
    if converter == "int":
        return int(text) if re.fullmatch("[0-9]+", text) else None
    return text if re.fullmatch("[-a-zA-Z0-9_]+", text) else None


def parameters(folders: list[str], parts: list[str]) -> dict[str, object] | None:
    values: dict[str, object] = {}
    for place, folder in enumerate(folders):
        rank, name, converter = kind(folder)
        if rank == 4 or (rank == 3 and parts[place:]):
            return {**values, name: parts[place:]}
        if place >= len(parts) or (rank == 0 and folder != parts[place]):
            return None
        if rank:
            values[name] = parts[place] if rank == 2 else converted(converter, parts[place])
            if values[name] is None:
                return None
    return values if len(parts) == len(folders) else None


def model(tree: list[str], path: str, slash: bool) -> Answer:
    parts = path.removesuffix("/").split("/") if path else []
    if set(parts) & {"", ".", ".."} or "\0" in path:
        return None
    split = [[part for part in route.split("/") if part] for route in tree]
    for folders in sorted(split, key=lambda route: [(kind(folder)[0], folder) for folder in route]):
        values = parameters(folders, parts)
        if values is not None:
            return ("/" + "/".join(folders), values) if path.endswith("/") is slash or not path else "redirect"
    return None


# End of the model.


def linear(table: RouteTable, path: str) -> Answer:
    """Try the patterns one by one, as a URLconf does that lists them."""
    for pattern in table.url_patterns:
        if match := pattern.resolve(path):
            return match.func.__name__, match.kwargs
    return None


def matched(table: RouteTable, path: str) -> Answer:
    match = table.resolve(path)
    if match is None:
        return None
    return "redirect" if match.func.__name__ == "redirect" else (match.func.__name__, match.kwargs)


STATIC = ["a", "b", "1", "a-b", "a.b"]
PARTS = [*STATIC, *STATIC, "12", "007", "x", "\u0663", "\u00e9", "1\n", "a b", "%41", "", ".", "..", "...", "a\0"]


@st.composite
def folder_paths(draw: st.DrawFn) -> str:
    folders = [
        draw(st.sampled_from([*STATIC[:3], *STATIC[:3], f"[p{depth}]", f"[p{depth}=int]", f"[q{depth}=slug]"]))
        for depth in range(draw(st.integers(0, 4)))
    ]
    return "/".join([*folders, *draw(st.sampled_from([[], [], [], ["[...r]"], ["[[...r]]"]]))])


@pytest.mark.slow
@given(st.lists(folder_paths(), max_size=14), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=TREES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_trees_answer_as_the_model_and_as_django(paths: list[str], slash: bool, seed: int) -> None:
    """Invariant 90."""
    tree = without_conflicts(paths)
    table = make_table(tree, slash=slash)
    chance = random.Random(seed)
    for _ in range(URLS):
        path = "/".join(chance.choices(PARTS, k=chance.randint(0, 6))) + chance.choice(["", "/"] if slash else [""])
        expected = model(tree, path, slash)
        assert matched(table, path) == expected
        assert linear(table, path) == (None if expected == "redirect" else expected)


def sample_table(case: str) -> RouteTable:
    tree = discover_routes([RoutesDirectory("case", "case.routes", str(SAMPLES / case / "routes"))])
    assert tree.mistakes == ()
    return make_table("/".join(route.folders) for route in tree.routes)


@pytest.mark.parametrize(
    ("case", "path", "expected"),
    [
        ("next_fixed_and_dynamic", "fixed/one", ("/fixed/one", {})),
        ("next_fixed_and_dynamic", "fixed/two", ("/[id]/two", {"id": "fixed"})),
        ("next_fixed_and_dynamic", "fixed/three", None),
        ("next_fixed_and_dynamic", "fixed", None),
        ("next_dynamic_and_catch_all", "foo/x", ("/[a]/x", {"a": "foo"})),
        ("next_dynamic_and_catch_all", "foo/y", ("/[...rest]", {"rest": ["foo", "y"]})),
        ("next_dynamic_and_catch_all", "foo/x/z", ("/[...rest]", {"rest": ["foo", "x", "z"]})),
        ("next_dynamic_and_catch_all", "", None),
        ("next_static_over_dynamic", "v1/items", ("/v1/items", {})),
        ("next_static_over_dynamic", "v2/items", ("/[version]/items", {"version": "v2"})),
        ("next_all_kinds", "shop/new", ("/shop/new", {})),
        ("next_all_kinds", "shop/a", ("/shop/[slug]", {"slug": "a"})),
        ("next_all_kinds", "shop/a/b", ("/shop/[...slug]", {"slug": ["a", "b"]})),
        ("next_all_kinds", "shop/a/b/c", ("/shop/[...slug]", {"slug": ["a", "b", "c"]})),
        ("next_all_kinds", "shop/new/b", ("/shop/[...slug]", {"slug": ["new", "b"]})),
        ("next_all_kinds", "shop", None),
        ("next_optional_catch_all", "shop", ("/shop/[[...slug]]", {"slug": []})),
        ("next_optional_catch_all", "shop/a", ("/shop/[[...slug]]", {"slug": ["a"]})),
        ("next_optional_catch_all", "shop/a/b/c", ("/shop/[[...slug]]", {"slug": ["a", "b", "c"]})),
        ("next_two_dynamic", "1/2", ("/[category]/[item]", {"category": "1", "item": "2"})),
        ("next_two_dynamic", "1", None),
        ("groups", "cart", ("/(shop)/cart", {})),
        ("groups", "(shop)/cart", None),
        ("names_encoded", "_under", ("/%5Funder", {})),
        ("names_encoded", "%5Funder", None),
        ("names_encoded", "report.json", ("/report.json", {})),
        ("names_encoded", "reportxjson", None),
        ("names_encoded", "casesens", None),
        ("private", "_lib/api", None),
        ("private", "lib/api", None),
    ],
)
def test_documented_examples_answer_as_next(case: str, path: str, expected: Answer) -> None:
    """Invariant 90."""
    table = sample_table(case)
    assert matched(table, path) == linear(table, path) == expected


ODD = ["a/[...path]", "int/[id=int]", "one/[text]", "root/[[...rest]]", "static"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "/static",
        "//static",
        "static//",
        "./static",
        "static/.",
        "a/..",
        "a/../static",
        "a//b",
        "a/b//",
        "a/./b",
        "a/b/../../c",
        "one/.",
        "one/..",
        "one/",
        "one//",
        "one/a\0b",
        "a/b/\0",
        "\0",
        "root//",
        "root/.",
        "static\n",
        "int/1\n",
        "int/\n1",
        "int/-1",
        "int/+1",
        "int/1_000",
        "int/ 1",
        "int/\u0661\u0662",
        "int/\uff11",
        "int/\u00b2",
        "int/" + "9" * 5_000,
        "x" * 8_192,
        "/".join("x" * 4_096),
    ],
)
def test_odd_path_matches_nothing(path: str) -> None:
    """Invariant 93."""
    table = make_table(ODD)
    assert matched(table, path) is None
    assert linear(table, path) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("one/...", ("/one/[text]", {"text": "..."})),
        ("one/a\n", ("/one/[text]", {"text": "a\n"})),
        ("one/%2e", ("/one/[text]", {"text": "%2e"})),
        ("one/a\\b", ("/one/[text]", {"text": "a\\b"})),
        ("one/" + "\u00e9" * 4_000, ("/one/[text]", {"text": "\u00e9" * 4_000})),
        ("a/x\n/y", ("/a/[...path]", {"path": ["x\n", "y"]})),
        ("int/" + "9" * 4_000, ("/int/[id=int]", {"id": int("9" * 4_000)})),
        ("int/000", ("/int/[id=int]", {"id": 0})),
        ("a/" + "/".join("x" * 4_096), ("/a/[...path]", {"path": ["x"] * 4_096})),
        ("root/" + "/".join("x" * 4_096), ("/root/[[...rest]]", {"rest": ["x"] * 4_096})),
    ],
)
def test_odd_path_that_a_segment_can_carry_matches(path: str, expected: Answer) -> None:
    """Invariant 91: paths of 8 KB as well."""
    table = make_table(ODD)
    assert matched(table, path) == linear(table, path) == expected


def test_longer_match_that_fails_later_gives_way() -> None:
    """Invariant 90: backtracking leaves no parameter of a failed attempt behind."""
    table = make_table(["[x=int]/[y=int]/a", "[x=int]/[y]/b", "[z]/[w]/c", "[z]/[...v]", "[[...u]]"])
    assert [matched(table, path) for path in ("1/2/a", "1/2/b", "1/2/c", "1/2/d", "x", "")] == [
        ("/[x=int]/[y=int]/a", {"x": 1, "y": 2}),
        ("/[x=int]/[y]/b", {"x": 1, "y": "2"}),
        ("/[z]/[w]/c", {"z": "1", "w": "2"}),
        ("/[z]/[...v]", {"z": "1", "v": ["2", "d"]}),
        ("/[[...u]]", {"u": ["x"]}),
        ("/[[...u]]", {"u": []}),
    ]


def test_list_that_a_handler_changes_is_its_own() -> None:
    table = make_table(["docs/[[...slug]]"])
    for path in ("docs", "docs/a"):
        first, second = table.resolve(path), table.resolve(path)
        assert first is not None
        assert second is not None
        first.kwargs["slug"].append("changed")
        assert "changed" not in second.kwargs["slug"]
        assert (third := table.resolve(path)) is not None
        assert "changed" not in third.kwargs["slug"]


@pytest.mark.parametrize(("slash", "paths"), [(False, ["x/", "x/1/", "f/a/b/"]), (True, ["x", "x/1", "f/a/b", "f"])])
def test_other_form_of_the_last_slash_is_redirected(slash: bool, paths: list[str]) -> None:
    table = make_table(["x", "x/[id=int]", "f/[[...p]]"], slash=slash)
    assert [matched(table, path) for path in paths] == ["redirect"] * len(paths)


@pytest.mark.parametrize("slash", [False, True])
def test_root_has_one_form(slash: bool) -> None:
    table = make_table([""], slash=slash)
    assert [matched(table, path) for path in ("", "/", "//")] == [("/", {}), None, None]


def test_miss_in_a_urlconf_is_djangos_own() -> None:
    with pytest.raises(Resolver404) as raised:
        resolve("/nowhere", make_urlconf(make_table(["a"])))
    assert raised.value.args[0]["path"] == "nowhere"
