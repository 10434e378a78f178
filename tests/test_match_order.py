"""The order in which routes are tried, as one list (design, section 4)."""

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_routehandlers.routing.discovery import RoutesDirectory, RouteTree, discover_routes

# The precedence contract: each of these is tried before all below it.
IN_MATCH_ORDER = [
    "",
    "%5Fb",
    "a",
    "a/b",
    "a/b/c",
    "a/b/[x=int]",
    "a/b/[x]",
    "a/c",
    "a/[id=int]",
    "a/[id=int]/b",
    "a/[id=uuid]",
    "a/[other=slug]",
    "a/[id]",
    "a/[id]/edit",
    "a/[id]/[part]",
    "a/[id]/[...rest]",
    "a/[...rest]",
    "a.b",
    "about",
    "b/[[...rest]]",
    "é",
    "[v=int]",
    "[v=int]/a",
    "[v]",
    "[v]/a/[[...rest]]",
    "[v]/[w=int]",
    "[v]/[w]",
    "[v]/[...rest]",
    "[...rest]",
]


def write(root: Path, folders: list[str]) -> RoutesDirectory:
    """Make route files in the order given."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "route.py").touch()
    return RoutesDirectory("shop", "shop.routes", str(root))


def folders_of(tree: RouteTree) -> list[str]:
    return ["/".join(route.folders) for route in tree.routes]


@pytest.mark.parametrize("seed", range(10))
def test_routes_are_tried_in_the_order_of_the_contract(tmp_path: Path, seed: int) -> None:
    """Invariant 90."""
    folders = IN_MATCH_ORDER.copy()
    random.Random(seed).shuffle(folders)
    assert folders_of(discover_routes([write(tmp_path / "shop/routes", folders)])) == IN_MATCH_ORDER


def test_last_place_belongs_to_the_optional_catch_all(tmp_path: Path) -> None:
    folders = ["[[...rest]]", "x/[[...rest]]", "[v]/[[...rest]]", "[v=int]/[[...rest]]"]
    directory = write(tmp_path / "shop/routes", folders)
    expected = ["x/[[...rest]]", "[v=int]/[[...rest]]", "[v]/[[...rest]]", "[[...rest]]"]
    assert folders_of(discover_routes([directory])) == expected


def test_route_group_does_not_change_the_order(tmp_path: Path) -> None:
    directory = write(tmp_path / "shop/routes", ["(z)/a", "(a)/c", "b", "(a)/[id]", "(0)/[...rest]"])
    expected = ["(z)/a", "b", "(a)/c", "(a)/[id]", "(0)/[...rest]"]
    assert folders_of(discover_routes([directory])) == expected


def test_order_of_apps_does_not_change_the_order(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop/routes", ["[...rest]", "b"])
    blog = RoutesDirectory("blog", "blog.routes", write(tmp_path / "blog/routes", ["a", "[id]"]).path)
    expected = ["a", "b", "[id]", "[...rest]"]
    assert [folders_of(discover_routes(order)) for order in ([shop, blog], [blog, shop])] == [expected, expected]


def digest(tree: RouteTree) -> str:
    return hashlib.sha256(repr((tree.routes, tree.mistakes)).encode()).hexdigest()


@pytest.mark.slow
def test_order_of_a_listing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 89: 1,000 shuffled listings, one tree; routes, mistakes and their order."""
    mistaken = ["[w]", "(g)/a", "a/[id]/[id]", "A", "x/[...a]", "x/[[...b]]", "[]", "y/[1]", "a/[name]/c"]
    directory = write(tmp_path / "shop/routes", [*IN_MATCH_ORDER, *mistaken])
    (tmp_path / "shop/routes/a/routes.py").touch()
    chance = random.Random(89)
    scandir = os.scandir

    class Shuffled:
        def __init__(self, path: str) -> None:
            with scandir(path) as listing:
                self.entries = list(listing)
            chance.shuffle(self.entries)

        def __enter__(self) -> Iterator[Any]:
            return iter(self.entries)

        def __exit__(self, *exc: object) -> None:
            pass

    expected = discover_routes([directory])
    ids = [mistake.id for mistake in expected.mistakes]
    assert sorted(ids) == ["E010", "E011", "E013", *["E020"] * 2, *["E021"] * 2, "E022", "W017"]
    monkeypatch.setattr(os, "scandir", Shuffled)
    assert {digest(discover_routes([directory])) for _ in range(1000)} == {digest(expected)}
