"""Directories to routes: what is walked, what is not, and what is a mistake (design, sections 1 and 4)."""

import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.test import modify_settings
from django.urls import NoReverseMatch, resolve, reverse

from conftest import Site
from django_routehandlers.routing.discovery import RoutesDirectory, RouteTree, discover_routes
from django_routehandlers.table import app_config, current_table

SAMPLES = Path(__file__).parent / "samples"
GET = """
    def GET():
        return "here"
"""


def discover(root: Path) -> RouteTree:
    return discover_routes([RoutesDirectory("shop", "shop.routes", str(root))])


def sample(case: str) -> RouteTree:
    return discover(SAMPLES / case / "routes")


def urls(tree: RouteTree) -> list[str]:
    return ["/" + "/".join(segment.text for segment in route.segments) for route in tree.routes]


def mistakes(tree: RouteTree) -> list[tuple[str, str]]:
    """Return each mistake's id and the name of the entry that it is about."""
    return [(mistake.id, os.path.basename(mistake.file)) for mistake in tree.mistakes]


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """The empty routes directory of an app."""
    path = tmp_path / "shop/routes"
    path.mkdir(parents=True)
    return path


def write(root: Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "route.py").touch()


def test_route_group_adds_nothing_to_the_url() -> None:
    """Invariant 88."""
    tree = sample("groups")
    assert (urls(tree), tree.mistakes) == (["/", "/api/health", "/cart", "/checkout"], ())
    assert [route.id for route in tree.routes] == [
        "/(home)",
        "/api/(internal)/health",
        "/(shop)/cart",
        "/(shop)/(inner)/checkout",
    ]


def test_private_folder_holds_no_route_at_any_depth() -> None:
    """Invariant 88."""
    assert (urls(sample("private")), sample("private").mistakes) == (["/api"], ())


def test_cache_of_compiled_files_is_no_folder(routes: Path) -> None:
    """Invariant 88."""
    write(routes, "__pycache__", "a/__pycache__", "a")
    assert urls(discover(routes)) == ["/a"]


def test_encoded_name_is_decoded_once() -> None:
    assert urls(sample("names_encoded")) == ["/.well-known", "/CaseSens", "/_under", "/dash-ed", "/report.json"]


def test_only_a_file_named_route_is_a_route() -> None:
    """Invariant 88: backups, swap files and other names are none, without a word."""
    tree = sample("odd_files")
    assert urls(tree) == ["/empty", "/x"]
    assert mistakes(tree) == [
        ("W017", "routes.py"),
        ("W017", "Routes.py"),
        ("W017", "Route.py"),
        ("W017", "ROUTE.PY"),
    ]


def test_misnamed_file_is_warned_about_with_its_new_name() -> None:
    mistake = sample("odd_files").mistakes[0]
    path = SAMPLES / "odd_files/routes/near-plural/routes.py"
    assert str(mistake) == (
        f"{path}: /near-plural: routes.py is not a route: only a file named route.py is. "
        "Rename it to route.py, or give it another name."
    )


def test_directory_without_routes_is_an_empty_tree(routes: Path) -> None:
    assert discover(routes).routes == discover(routes).mistakes == ()


def test_directory_that_is_gone_is_a_mistake(routes: Path) -> None:
    routes.rmdir()
    assert mistakes(discover(routes)) == [("E015", "routes")]


def test_route_knows_its_place(routes: Path) -> None:
    write(routes, "(api)/products/[id=int]")
    (route,) = discover(routes).routes
    assert (route.app, route.package, route.root) == ("shop", "shop.routes", str(routes))
    assert (route.id, route.folders) == ("/(api)/products/[id=int]", ("(api)", "products", "[id=int]"))
    assert route.file == str(routes / "(api)/products/[id=int]/route.py")
    assert route.default_name == "products-id"
    assert [segment.text for segment in route.parameters] == ["id"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (".", "index"),
        ("api/products/[id]", "api-products-id"),
        ("(g)/files/[...path]", "files-path"),
        ("docs/[[...slug]]", "docs-slug"),
        ("(only)/(groups)", "index"),
        ("urn:isbn/[id=int]", "urn-isbn-id"),
    ],
)
def test_default_name_joins_the_segments(routes: Path, folder: str, name: str) -> None:
    write(routes, folder)
    (route,) = discover(routes).routes
    assert route.default_name == name


def test_link_inside_the_app_is_followed(routes: Path) -> None:
    """Invariant 87."""
    write(routes, "a")
    (routes.parent / "shared").mkdir()
    write(routes.parent / "shared", "", "deep")
    (routes / "b").symlink_to(routes.parent / "shared")
    (routes / "c").symlink_to("a")
    (routes / "d").mkdir()
    (routes / "d/route.py").symlink_to(routes.parent / "shared/route.py")
    tree = discover(routes)
    assert (urls(tree), tree.mistakes) == (["/a", "/b", "/b/deep", "/c", "/d"], ())


def test_link_outside_the_app_is_not_followed(routes: Path, tmp_path: Path) -> None:
    """Invariant 87."""
    write(tmp_path / "shop-outside", "x")
    (routes / "etc").symlink_to("/etc")
    (routes / "sibling").symlink_to(tmp_path / "shop-outside")
    (routes / "app").symlink_to(tmp_path / "shop")
    tree = discover(routes)
    assert tree.routes == ()
    assert mistakes(tree) == [("W018", "app"), ("W018", "etc"), ("W018", "sibling")]
    assert tree.mistakes[1].what == "the link leads to /etc, outside its app, and is not followed."


def test_routes_directory_that_is_a_link_outside_is_not_followed(routes: Path, tmp_path: Path) -> None:
    """Invariant 87."""
    routes.rmdir()
    write(tmp_path / "outside", "x")
    routes.symlink_to(tmp_path / "outside")
    tree = discover(routes)
    assert (tree.routes, mistakes(tree)) == ((), [("W018", "routes")])


def test_app_that_is_itself_a_link_is_walked(routes: Path, tmp_path: Path) -> None:
    """Invariant 87: what counts is the app, wherever it is."""
    write(routes, "a")
    (routes / "b").symlink_to("a")
    (tmp_path / "installed").symlink_to(tmp_path / "shop")
    tree = discover(tmp_path / "installed/routes")
    assert (urls(tree), tree.mistakes) == (["/a", "/b"], ())


@pytest.mark.parametrize("target", ["..", "../..", "../../a", "../../a/b", "."])
def test_link_back_to_what_holds_it_is_not_followed(routes: Path, target: str) -> None:
    """Invariant 87: loops terminate, at the first turn."""
    write(routes, "a/b")
    (routes / "a/b/loop").symlink_to(target)
    tree = discover(routes)
    assert (urls(tree), mistakes(tree)) == (["/a/b"], [("W018", "loop")])


def test_links_of_two_siblings_to_each_other_terminate(routes: Path) -> None:
    """Invariant 87."""
    write(routes, "a", "b")
    (routes / "a/to_b").symlink_to("../b")
    (routes / "b/to_a").symlink_to("../a")
    tree = discover(routes)
    assert urls(tree) == ["/a", "/a/to_b", "/b", "/b/to_a"]
    assert mistakes(tree) == [("W018", "to_a"), ("W018", "to_b")]


def test_link_to_itself_is_a_mistake(routes: Path) -> None:
    """Invariant 87."""
    write(routes, "a")
    (routes / "knot").symlink_to("knot")
    tree = discover(routes)
    assert (urls(tree), mistakes(tree)) == (["/a"], [("E015", "knot")])


def test_link_to_nothing_is_ignored_unless_it_is_the_route_file(routes: Path) -> None:
    write(routes, "a")
    (routes / "dangling").symlink_to("nowhere")
    (routes / "b").mkdir()
    (routes / "b/route.py").symlink_to("nowhere.py")
    tree = discover(routes)
    assert (urls(tree), mistakes(tree)) == (["/a"], [("E015", "route.py")])


def test_named_pipe_does_not_hang(routes: Path) -> None:
    """Invariant 87."""
    os.mkfifo(routes / "route.py")
    (mistake,) = discover(routes).mistakes
    assert str(mistake) == (
        f"{routes / 'route.py'}: /: route.py is not a regular file. Replace it by a file, or remove it."
    )


def test_folder_named_like_the_route_file_is_a_folder(routes: Path) -> None:
    write(routes, "a/route.py")
    assert urls(discover(routes)) == ["/a/route.py"]


def test_folder_that_cannot_be_read_is_a_mistake(routes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 95."""
    write(routes, "a", "b")
    scandir = os.scandir

    def scan(path: str) -> object:
        if path == str(routes / "a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    tree = discover(routes)
    assert (urls(tree), [str(mistake) for mistake in tree.mistakes]) == (
        ["/b"],
        [f"{routes / 'a'}: /a: the folder cannot be read: Permission denied. Give the server read access to it."],
    )


def test_name_that_is_not_utf8_is_a_mistake(routes: Path) -> None:
    """Invariant 89."""
    write(routes, "a")
    try:
        os.mkdir(os.fsencode(routes) + b"/b\xff")
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    (routes / os.fsdecode(b"b\xff") / "route.py").touch()
    (routes / os.fsdecode(b"notes\xff.txt")).touch()
    tree = discover(routes)
    assert urls(tree) == ["/a"]
    assert [str(mistake) for mistake in tree.mistakes] == [
        f"{routes}/b\\udcff: /: the folder's name is not UTF-8, so no URL can name it. Rename the folder."
    ]


def test_malformed_folder_hides_no_other(routes: Path) -> None:
    """Invariant 84: all mistakes of all folders are listed at once."""
    write(routes, "a", "[]", "[class]", "b/[user-id]", "c%FF", "[...x]/y")
    tree = discover(routes)
    assert urls(tree) == ["/a"]
    assert mistakes(tree) == [
        ("E014", "y"),
        ("E010", "[]"),
        ("E011", "[class]"),
        ("E011", "[user-id]"),
        ("E016", "c%FF"),
    ]


def test_deep_tree_is_walked_to_its_end(routes: Path) -> None:
    folder = "/".join("d" for _ in range(300))
    write(routes, folder)
    assert urls(discover(routes)) == ["/" + folder]


def test_discovery_imports_nothing(site: Site) -> None:
    """Invariant 96."""
    site.write({"route.py": "raise RuntimeError", "a/route.py": "raise RuntimeError", "__init__.py": "raise OSError"})
    site.install()
    before = set(sys.modules)
    assert urls(app_config().tree) == ["/", "/a"]
    assert urls(app_config().discover()) == ["/", "/a"]
    assert set(sys.modules) - before == set()
    assert not [name for name in sys.modules if name.startswith(f"{site.name}.routes")]


def test_two_apps_are_served_together(site: Site) -> None:
    site.write({"a/route.py": GET}, app="_one")
    site.write({"b/route.py": GET, "a/[id]/route.py": GET}, app="_two")
    site.install("_one", "_two")
    assert [(route.app, route.id) for route in app_config().tree.routes] == [
        (f"{site.name}_one", "/a"),
        (f"{site.name}_two", "/a/[id]"),
        (f"{site.name}_two", "/b"),
    ]
    assert [site.client.get(path).status_code for path in ("/a", "/a/1", "/b", "/c")] == [200, 200, 200, 404]


def test_prefix_keeps_two_apps_apart(site: Site) -> None:
    site.write({"route.py": GET, "a/route.py": GET}, app="_one")
    site.write({"route.py": "name = 'old'\n\n\ndef GET(): ...\n", "a/route.py": GET}, app="_two")
    site.settings.ROUTEHANDLERS = {"PREFIXES": {f"{site.name}_two": "/v2/%5Fold shop/"}}
    site.install("_one", "_two")
    # Names know nothing of prefixes, so the two apps share one, which is theirs to settle.
    assert site.mistakes() == [("W024", f"{site.name}_two/routes/a/route.py")]
    assert urls(app_config().tree) == ["/", "/a", "/v2/_old shop", "/v2/_old shop/a"]
    assert (reverse("routes:index"), reverse("routes:old")) == ("/", "/v2/_old%20shop")
    assert site.client.get("/v2/_old%20shop/a").status_code == 200


def test_app_in_a_zip_file_is_warned_about(site: Site) -> None:
    """Invariant 94."""
    archive = site.root / "apps.zip"
    label = f"{site.name}_zipped"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(f"{label}/__init__.py", "")
        zipped.writestr(f"{label}/routes/a/route.py", "def GET(): return 1")
    sys.path.insert(0, str(archive))
    try:
        site.install("_zipped")
        (message,) = site.check()
    finally:
        sys.path.remove(str(archive))
    assert (message.id, message.msg, message.hint) == (
        "routehandlers.W019",
        f"{archive / label}: {label}: the app is not in a directory (in a zip file, perhaps), "
        "so its routes cannot be read.",
        "Install the app unzipped.",
    )


def description() -> tuple[RouteTree, list[tuple[str, str]]]:
    table = current_table()
    return app_config().tree, [(one.name, one.route.file) for one in table.served]


def test_ready_twice_gives_the_same_table(site: Site) -> None:
    site.serve({"a/route.py": GET, "b/[id]/route.py": GET})
    before = description(), site.mistakes(), reverse("routes:b-id", kwargs={"id": 1})
    apps.get_app_config("django_routehandlers").ready()
    assert (description(), site.mistakes(), reverse("routes:b-id", kwargs={"id": 1})) == before
    assert site.client.get("/a").status_code == 200


def test_installed_apps_of_a_block_take_their_routes_along(site: Site) -> None:
    """Routes appear with their app and are gone with it, for requests and for ``reverse()``."""
    site.serve({"a/route.py": GET})
    site.write({"b/route.py": GET}, app="_guest")
    with pytest.raises(NoReverseMatch):
        reverse("routes:b")
    before, table = description(), current_table()
    with modify_settings(INSTALLED_APPS={"append": site.label("_guest")}):
        assert [reverse("routes:a"), reverse("routes:b")] == ["/a", "/b"]
        assert [site.client.get(path).status_code for path in ("/a", "/b")] == [200, 200]
    assert (description(), current_table() is table) == (before, True)
    assert [site.client.get(path).status_code for path in ("/a", "/b")] == [200, 404]
    assert reverse("routes:a") == "/a"
    with pytest.raises(NoReverseMatch):
        reverse("routes:b")


def test_app_that_a_block_removes_comes_back(site: Site) -> None:
    site.serve({"a/route.py": GET})
    assert reverse("routes:a") == "/a"
    before = description()
    with modify_settings(INSTALLED_APPS={"remove": site.label()}):
        assert app_config().tree.routes == ()
        with pytest.raises(NoReverseMatch):
            reverse("routes:a")
    assert description() == before
    assert (reverse("routes:a"), resolve("/a").view_name) == ("/a", "routes:a")


@pytest.fixture(autouse=True)
def forget_zip_files() -> Iterator[None]:
    """Keep no reader of an archive that is about to be deleted."""
    yield
    for path in [path for path in sys.path_importer_cache if path.endswith("apps.zip")]:
        del sys.path_importer_cache[path]
