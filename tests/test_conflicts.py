"""What cannot stand side by side (design, section 10), one sample directory for each case."""

import random
from pathlib import Path

import pytest

from django_routehandlers.routing.conflicts import find_conflicts
from django_routehandlers.routing.discovery import RoutesDirectory, RouteTree, discover_routes
from django_routehandlers.routing.route import Route
from django_routehandlers.routing.segments import parse_segment

SAMPLES = Path(__file__).parent / "samples"

# Sample → each conflict: its id, the folder that is named first, the other folder that the message names.
CONFLICTS = [
    ("conflict_route_groups", [("E020", "(b)/cart", "(a)/cart")]),
    ("conflict_group_and_plain", [("E020", "cart", "(a)/(b)/cart")]),
    ("conflict_dynamic_names", [("E021", "[slug]", "[id]")]),
    ("conflict_dynamic_names_below", [("E021", "posts/[slug]/comments", "posts/[id]/edit")]),
    ("conflict_dynamic_names_in_groups", [("E021", "(b)/posts/[slug]/edit", "(a)/posts/[id]")]),
    ("conflict_dynamic_names_encoded", [("E021", "a%20b/[slug]/y", "a b/[id]/x")]),
    ("conflict_catch_alls", [("E020", "[[...b]]", "[...a]")]),
    ("conflict_catch_all_names", [("E020", "x/(g)/[...b]", "x/[...a]")]),
    ("conflict_optional_catch_all_and_route", [("E020", "docs/[[...slug]]", "docs")]),
    ("conflict_optional_catch_all_at_the_root", [("E020", "[[...slug]]", "(home)")]),
    ("conflict_converter_twice", [("E020", "[b=int]", "[a=int]")]),
    ("conflict_encoded_twice", [("E020", "a%20b", "a b")]),
]

NO_CONFLICTS = [
    ("no_conflict_converters", ["[a=int]/x", "[b=int]/y", "[id=int]", "[s=slug]", "[id]"]),
    ("no_conflict_catch_all_and_route", ["docs", "docs/[...slug]"]),
    ("no_conflict_names_on_other_levels", ["a/[id]", "b/[slug]", "[x=int]/[z]", "[x]/[y]"]),
    ("no_conflict_catch_all_names", ["[id]/edit", "[...path]"]),
    (
        "no_conflict_brackets_as_text",
        ["x/%5B%5D", "x/[id]", "y/%5B...%5D", "y/[...p]", "z/%5B=int%5D", "z/[n=int]"],
    ),
]

MISPLACED = [
    (
        "misplaced_below_catch_all",
        "docs/[...slug]/edit",
        "E014",
        "/docs/[...slug]: nothing may follow the catch-all segment [...slug], which takes the rest of the path. "
        'Move "edit" beside [...slug], or read it from `slug`.',
    ),
    (
        "misplaced_below_optional_catch_all",
        "docs/[[...slug]]/[id]",
        "E014",
        "/docs/[[...slug]]: nothing may follow the catch-all segment [[...slug]], which takes the rest of the path. "
        'Move "[id]" beside [[...slug]], or read it from `slug`.',
    ),
    (
        "misplaced_name_twice",
        "shops/[id]/items/[id=int]",
        "E013",
        "/shops/[id]/items: the segment name 'id' occurs twice in one path. A parameter has one value. "
        "Rename [id=int] to [id_2=int].",
    ),
]


def discover(case: str) -> RouteTree:
    return discover_routes([RoutesDirectory("case", "case.routes", str(SAMPLES / case / "routes"))])


def route_file(case: str, folder: str) -> str:
    return str(SAMPLES / case / "routes" / folder / "route.py")


@pytest.mark.parametrize(("case", "expected"), CONFLICTS)
def test_conflict_names_both_files(case: str, expected: list[tuple[str, str, str]]) -> None:
    """Invariant 89."""
    found = [(mistake.id, mistake.file) for mistake in discover(case).mistakes]
    assert found == [(id, route_file(case, folder)) for id, folder, _ in expected]
    for mistake, (_, _, other) in zip(discover(case).mistakes, expected, strict=True):
        assert f"({route_file(case, other)})" in mistake.what


@pytest.mark.parametrize(("case", "folders"), NO_CONFLICTS)
def test_what_only_resembles_a_conflict_is_served(case: str, folders: list[str]) -> None:
    tree = discover(case)
    assert (["/".join(route.folders) for route in tree.routes], tree.mistakes) == (folders, ())


@pytest.mark.parametrize(("case", "folder", "id", "text"), MISPLACED)
def test_misplaced_segment_is_a_mistake(case: str, folder: str, id: str, text: str) -> None:
    """Invariant 89."""
    (mistake,) = discover(case).mistakes
    path = SAMPLES / case / "routes" / folder
    assert (mistake.id, mistake.file, str(mistake)) == (id, str(path), f"{path}: {text}")


@pytest.mark.parametrize("labels", [("blog", "shop"), ("shop", "blog")])
def test_url_of_two_apps_is_a_conflict(tmp_path: Path, labels: tuple[str, str]) -> None:
    """Invariant 89."""
    directories: list[RoutesDirectory] = []
    for label in labels:
        root = tmp_path / label / "routes"
        (root / "cart").mkdir(parents=True)
        (root / "cart/route.py").touch()
        directories.append(RoutesDirectory(label, f"{label}.routes", str(root)))
    (mistake,) = discover_routes(directories).mistakes
    blog, shop = (tmp_path / label / "routes/cart/route.py" for label in ("blog", "shop"))
    assert str(mistake) == (
        f"{shop}: /cart: /cart of the app shop and /cart of the app blog ({blog}) both serve /cart. "
        "A URL has one route. "
        "Serve one app below a path of its own, ROUTEHANDLERS['PREFIXES'] = {'shop': 'shop/'}; or rename or remove one."
    )


@pytest.mark.parametrize(
    ("case", "remedy"),
    [
        ("conflict_group_and_plain", "Rename or remove one; route groups do not change the URL."),
        ("conflict_catch_alls", "Rename or remove one."),
    ],
)
def test_message_of_one_app_speaks_of_groups_where_there_is_one(case: str, remedy: str) -> None:
    (mistake,) = discover(case).mistakes
    assert (mistake.remedy, "of the app" in mistake.what) == (remedy, False)


def test_message_of_two_names_says_which_to_rename() -> None:
    (mistake,) = discover("conflict_dynamic_names_below").mistakes
    assert (mistake.what, mistake.remedy) == (
        f"[slug] stands beside [id] ({route_file('conflict_dynamic_names_below', 'posts/[id]/edit')}) below /posts. "
        "The dynamic segment of one level has one name.",
        "Rename [slug] to [id], or pin a converter.",
    )


def routes_of(*paths: str) -> list[Route]:
    """Return routes as values, since not every file system keeps such folders apart."""
    return [
        Route(
            "shop", "shop.routes", "/routes", (*path.split("/"),), (*map(parse_segment, path.split("/")),), f"/{path}"
        )
        for path in paths
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("About", "about/us"),
        ("strasse", "stra\u00dfe"),
        ("a/\u00c9", "a/e\u0301"),
        ("cafe\u0301/menu", "caf\u00e9"),
        ("\u1fb3", "\u03b1\u03b9"),
    ],
)
def test_names_that_differ_only_by_case_or_unicode_form_conflict(one: str, other: str) -> None:
    """Invariant 89."""
    (mistake,) = find_conflicts(routes_of(one, other))
    assert mistake.id == "E022"
    assert {mistake.file, mistake.what.split("(")[1].split(")")[0]} == {f"/{one}", f"/{other}"}


def test_names_of_unlike_case_on_different_levels_do_not_conflict() -> None:
    assert find_conflicts(routes_of("About", "x/about", "[id]/ABOUT")) == ()


def test_folders_that_differ_by_case_are_reported_once() -> None:
    (mistake,) = find_conflicts(routes_of("About", "about/a", "about/b", "about/c"))
    assert (mistake.id, mistake.where) == ("E022", "/about/a")


def test_order_of_the_routes_does_not_change_the_conflicts() -> None:
    """Invariant 89."""
    routes = routes_of("[a]", "[b]", "About", "about", "x/[id]", "x/[slug]/y", "[...x]", "[[...y]]")
    expected = find_conflicts(routes)
    assert [mistake.id for mistake in expected] == ["E020", "E021", "E022", "E021"]
    chance = random.Random(89)
    for _ in range(100):
        chance.shuffle(routes)
        assert find_conflicts(routes) == expected
