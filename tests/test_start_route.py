"""``manage.py start_route`` writes a route file that passes the checks and the linters as written, and answers."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.apps import apps
from django.core.management import CommandError, CommandParser, call_command
from django.urls import register_converter
from django.urls.converters import REGISTERED_CONVERTERS, get_converters

from conftest import Site
from django_routehandlers.apps import RouteHandlersConfig
from django_routehandlers.management.commands.start_route import Command
from django_routehandlers.scaffold.errors import CannotStart
from django_routehandlers.scaffold.file import create_file
from django_routehandlers.scaffold.parameters import TYPES
from docs_project import ROOT, Project
from show_routes_command import Shown

GOLDEN = Path(__file__).parent / "typing" / "started_route.py"
MORE = "See What is refused in docs/reference/commands.md.\n"
EVERY_METHOD = "GET,POST,PUT,PATCH,DELETE"
TITLES = ("path", "types", "methods")
MATRIX = [
    ("/", (), "GET"),
    ("/", (), EVERY_METHOD),
    ("api/orders", (), "GET,POST"),
    ("api/orders/[id]", (), "GET,PUT,DELETE"),
    ("api/orders/[id]/items/[item_id]", (), "PATCH"),
    ("files/[...path]", (), "GET"),
    ("files/[...path]", ("path=int",), "GET,DELETE"),
    ("docs/[[...slug]]", ("slug=date",), EVERY_METHOD),
    ("(shop)/[id=int]/[slug=slug]/[key=uuid]/[text=str]", (), EVERY_METHOD),
    ("[day]/[moment]/[hour]/[price]", ("day=date", "moment=datetime", "hour=time", "price=Decimal"), EVERY_METHOD),
    ("[date]/[datetime]/[time]", ("date=date", "datetime=datetime", "time=time"), EVERY_METHOD),
    ("[date]/[datetime]/[time]", ("date=datetime", "datetime=date", "time=date"), "GET,POST"),
    ("[JSONResponse]/[Literal]/[BaseModel]/[UUID]", ("UUID=UUID",), EVERY_METHOD),
    ("things/[ThingsBody]/[ThingsBody_]", (), EVERY_METHOD),
    ("[str]/[int]/[dict]/[object]/[list_id]", (), EVERY_METHOD),
    ("[GET]/[POST]", (), EVERY_METHOD),
    ("[a_long_name_of_a_segment_id]/[another_long_name]/[one_more_name_uuid]", (), EVERY_METHOD),
    ("a-folder/with-a-name/that-goes-on/and-on/until-no-line/could-ever/hold-it", (), EVERY_METHOD),
    ('2fa/"it\'s"/%5Fnext/a.b', (), EVERY_METHOD),
    ("über/[größe]", (), EVERY_METHOD),
]
ANNOTATED_CONVERTERS = {"yyyy": int, "odd": complex, "bare": None}


@pytest.fixture
def shop(site: Site) -> Site:
    """A project with one app, which has no routes."""
    site.write({})
    site.install()
    return site


def start(*arguments: str) -> Shown:
    """Run the command in this process; what it wrote is served afterwards."""
    out, err = StringIO(), StringIO()
    status = 0
    try:
        call_command("start_route", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        err.write(f"{error}\n")
        status = error.returncode
    cast("RouteHandlersConfig", apps.get_app_config("django_routehandlers")).forget()
    return Shown(out.getvalue(), err.getvalue(), status)


def typed(types: tuple[str, ...]) -> list[str]:
    """Return types as the command takes them."""
    return [f"--type={one}" for one in types]


def files(site: Site) -> list[str]:
    """Return every file and folder of the site but bytecode, below its folder."""
    found = (path for path in site.root.rglob("*") if "__pycache__" not in path.parts)
    return sorted(str(path.relative_to(site.root / site.name)) for path in found if path != site.root / site.name)


def without_place(shown: Shown, site: Site) -> str:
    """Return what a refusal says, with paths as they are below the site's folder."""
    assert (shown.out, shown.status) == ("", 1)
    return shown.err.replace(f"{site.root}/{site.name}/", "")


# What is written


def test_file_has_the_methods_and_segments_asked_for(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.root)
    shown = start("api/orders/[id]/[...parts]", "--methods", "delete, get")
    file = f"{shop.name}/routes/api/orders/[id]/[...parts]/route.py"
    assert (shown.out, shown.err) == (
        f"{file}\n  URL   /api/orders/<id>/<path:parts>\n  Name  routes:api-orders-id-parts\n",
        "",
    )
    assert (
        (shop.root / file).read_text()
        == '''\
"""GET and DELETE of /api/orders/[id]/[...parts]."""


async def GET(id: int, parts: list[str]) -> dict[str, int | list[str]]:
    """Return the segments of the URL."""
    return {"id": id, "parts": parts}


async def DELETE(id: int, parts: list[str]) -> None:
    """Answer 204, with no content."""
'''
    )


def test_file_is_the_one_that_the_type_checkers_read(shop: Site) -> None:
    """Pyright is strict about ``tests/typing``; after a change, write the output of the dry run there."""
    shown = start("orders/[id]/[day]/[uuid]", "--type=day=date", f"--methods={EVERY_METHOD}", "--dry-run")
    assert shown.out == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(TITLES, MATRIX)
def test_file_passes_the_checks_as_written(path: str, types: tuple[str, ...], methods: str, shop: Site) -> None:
    shown = start(path, "--methods", methods, *typed(types))
    assert (shown.err, shop.check()) == ("", [])


@pytest.mark.parametrize("length", [79, 88, 120])
def test_files_pass_ruff_as_written(length: int, shop: Site, tmp_path: Path) -> None:
    """Every rule but those of names and folders, which are URLs here, and of segments, unused or many."""
    if find_spec("ruff") is None:
        reason = "needs ruff, which is not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    for number, (path, types, methods) in enumerate(MATRIX):
        file = tmp_path / "written" / str(number) / "route.py"
        file.parent.mkdir(parents=True)
        file.write_text(start(path, "--methods", methods, *typed(types), "--dry-run").out, encoding="utf-8")
    ignored = "A002,ARG001,CPY001,D203,D213,INP001,N801,N802,N803,PLC2401,PLR0913,PLR0917"
    for arguments in (["format", "--check"], ["check", "--quiet", "--select=ALL", f"--ignore={ignored}"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", f"--line-length={length}"]
        # Ruff takes a package in the current folder for the project's own, and sorts its imports apart.
        run = subprocess.run([*command, "written"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stdout + run.stderr


def test_dry_run_prints_the_file_and_writes_nothing(shop: Site) -> None:
    before = files(shop)
    printed = start("[id]", "--dry-run").out
    assert files(shop) == before
    start("[id]")
    assert (shop.root / shop.name / "routes/[id]/route.py").read_text() == printed


@pytest.mark.parametrize("path", ["api/[id]", "/api/[id]", "api/[id]/", "/api/[id]/route.py"])
def test_slashes_at_the_ends_and_the_file_change_nothing(path: str, shop: Site) -> None:
    start(path)
    assert files(shop) == ["__init__.py", "routes", "routes/api", "routes/api/[id]", "routes/api/[id]/route.py"]


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        ("[id]/[pk]/[order_id]", "id: int, pk: int, order_id: int"),
        ("[uuid]/[order_uuid]", "uuid: UUID, order_uuid: UUID"),
        ("[slug]/[ids]/[grid]", "slug: str, ids: str, grid: str"),
        ("[id=uuid]/[name=slug]", "id: UUID, name: str"),
        ("[...id]", "id: list[str]"),
    ],
)
def test_type_of_a_segment_follows_from_its_name_or_its_converter(path: str, signature: str, shop: Site) -> None:
    assert f"async def DELETE({signature}) -> None:" in start(path, "--methods=DELETE", "--dry-run").out


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("[id]", "Body"),
        ("api/orders/[id]", "OrdersBody"),
        ("orders/(open)/order-items.json", "OrderItemsJsonBody"),
        ("2fa", "Body"),
        ("über", "Body"),
        ("a-name-that-is-too-long-for-a-class", "Body"),
        ("[Body]/[Body_]", "Body__"),
    ],
)
def test_model_is_named_after_the_last_static_folder(path: str, name: str, shop: Site) -> None:
    shop.settings.ROUTEHANDLERS = {"PREFIXES": {shop.name: "prefix/"}}
    assert f"class {name}(BaseModel):" in start(path, "--methods=PUT", "--dry-run").out


def test_type_is_named_in_any_case_of_letters_and_the_last_one_counts(shop: Site) -> None:
    shown = start("[id]", "--type=id=date", "--type=id=DECIMAL", "--dry-run")
    assert "async def GET(id: Decimal) -> dict[str, Decimal]:" in shown.out


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [("yyyy", "int", "year"), ("odd", "object", 'f"{year}"'), ("bare", "object", 'f"{year}"')],
)
def test_converter_of_the_project_says_what_it_gives(name: str, kind: str, value: str, shop: Site) -> None:
    class Converter:
        regex = "[0-9]{4}"

        def to_python(self, value: str) -> Any:
            return complex(value) if name == "odd" else int(value)

        def to_url(self, value: object) -> str:
            return str(value)

    if gives := ANNOTATED_CONVERTERS[name]:
        Converter.to_python.__annotations__["return"] = gives
    else:
        del Converter.to_python.__annotations__["return"]
    register_converter(Converter, name)
    try:
        start(f"[year={name}]")
        text = (shop.root / shop.name / f"routes/[year={name}]/route.py").read_text()
        assert (f"GET(year: {kind})" in text, f'{{"year": {value}}}' in text) == (True, True)
        assert (shop.check(), shop.client.get("/2026").status_code) == ([], 200)
    finally:
        del REGISTERED_CONVERTERS[name]
        get_converters.cache_clear()  # pyright: ignore[reportFunctionMemberAccess]


@pytest.mark.parametrize(("arguments", "text"), [([], "async def GET():"), (["--sync"], "\ndef GET():")])
def test_handlers_are_async_unless_sync_is_asked_for(arguments: list[str], text: str, shop: Site) -> None:
    assert text.replace("():", "() -> dict[str, str]:") in start("/", *arguments, "--dry-run").out


def test_handlers_are_sync_where_a_database_has_atomic_requests(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An async handler would be the error E043 there."""
    from django.db import connections

    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    start("/")
    text = (shop.root / shop.name / "routes/route.py").read_text()
    assert ("\ndef GET() -> dict[str, str]:" in text, shop.check()) == (True, [])


def test_options_are_listed_in_the_reference() -> None:
    parser = CommandParser()
    Command().add_arguments(parser)
    options = [
        action.option_strings[-1] for action in parser._actions if action.option_strings and action.dest != "help"
    ]
    page = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    part = page.split("## `start_route`")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(--[\w-]+)` \|", part, re.MULTILINE) == options


def test_types_are_listed_in_the_reference() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    listed = page.split("| type | import |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE) == list(TYPES)


# What it answers


@pytest.mark.parametrize(
    ("path", "types", "url", "expected"),
    [
        ("/", (), "/", {"hello": "world"}),
        ("[id]", (), "/7", {"id": 7}),
        ("[id]", (), "/" + "9" * 30, {"id": int("9" * 30)}),
        ("docs/[[...slug]]", (), "/docs", {"slug": []}),
        ("[...n]", ("n=int",), "/1/2", {"n": [1, 2]}),
        (
            "[date]/[datetime]/[time]/[price]/[uuid]",
            ("date=date", "datetime=datetime", "time=time", "price=Decimal"),
            "/2026-01-02/2026-01-02T03:04:05Z/03:04/1.50/00000000-0000-4000-8000-000000000000",
            {
                "date": "2026-01-02",
                "datetime": "2026-01-02T03:04:05Z",
                "time": "03:04:00",
                "price": "1.50",
                "uuid": "00000000-0000-4000-8000-000000000000",
            },
        ),
    ],
)
def test_get_answers_the_segments(path: str, types: tuple[str, ...], url: str, expected: object, shop: Site) -> None:
    start(path, *typed(types))
    response = shop.client.get(url)
    assert (response.status_code, response.json()) == (200, expected)


def test_methods_with_a_body_answer_it(shop: Site) -> None:
    start("orders/[id]", f"--methods={EVERY_METHOD}")
    calls = (shop.client.post, shop.client.put, shop.client.patch)
    responses = [call("/orders/7", {"name": "Oak"}, content_type="application/json") for call in calls]
    assert [(response.status_code, response.json()) for response in responses] == [
        (201, {"name": "Oak"}),
        (200, {"name": "Oak"}),
        (200, {"name": "Oak"}),
    ]


def test_body_is_checked(shop: Site) -> None:
    start("orders", "--methods=POST")
    assert shop.client.post("/orders", {"name": 1}, content_type="application/json").status_code == 422


def test_delete_answers_204(shop: Site) -> None:
    start("[id]", "--methods=DELETE")
    response = shop.client.delete("/7")
    assert (response.status_code, response.content) == (204, b"")


# Where it is written, and served


def test_app_may_be_left_out_where_only_one_has_routes(site: Site) -> None:
    site.write({}, app="_a")
    site.write({"b/route.py": "def GET(): ...\n"}, app="_b")
    site.install("_a", "_b")
    start("new")
    assert (site.root / site.label("_b") / "routes/new/route.py").is_file()


def test_app_is_named_where_several_could_hold_the_route(site: Site) -> None:
    site.write({}, app="_a")
    site.write({}, app="_b")
    site.install("_a", "_b")
    a, b = site.label("_a"), site.label("_b")
    shown = start("new")
    assert shown.err == (
        "--app is missing, and more than one app could hold the route. Name one. "
        f"Apps of this project: {a}, {b}.\n{MORE}"
    )
    start("new", "--app", a)
    assert (site.root / a / "routes/new/route.py").is_file()


def test_url_and_name_are_those_that_the_project_serves(shop: Site) -> None:
    shop.settings.ROUTEHANDLERS = {"PREFIXES": {shop.name: "shop/v1"}, "TRAILING_SLASH": True}
    shown = start("[[...slug]]", "--name", "pages")
    assert shown.out.splitlines()[1:] == ["  URL   /shop/v1/[<path:slug>/]", "  Name  routes:pages"]
    assert shop.client.get("/shop/v1/a/").json() == {"slug": ["a"]}


@pytest.mark.parametrize("prefix", ["{shop}", "[shop]"])
def test_prefix_that_is_a_mistake_is_left_out(prefix: str, shop: Site) -> None:
    """As it is for the app's other routes; a check reports it."""
    shop.settings.ROUTEHANDLERS = {"PREFIXES": {shop.name: prefix}}
    assert start("x").out.splitlines()[1] == "  URL   /x"


def test_project_that_includes_no_routes_is_told(shop: Site) -> None:
    urls = sys.modules[shop.settings.ROOT_URLCONF]
    urls.urlpatterns = []
    shop.settings.ROOT_URLCONF = urls.__name__
    assert start("/").err == (
        "No URLconf includes the routes, so none answers. "
        'Add path("", include("django_routehandlers.urls")) to urlpatterns.\n'
    )


@pytest.mark.slow
def test_new_project_gets_its_first_route_from_manage_py(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.create("project")
    run = project.run('python manage.py start_route "api/orders/[id]" --methods GET,PUT && python manage.py check')
    assert run == (
        0,
        "shop/routes/api/orders/[id]/route.py\n"
        "  URL   /api/orders/<id>\n"
        "  Name  routes:api-orders-id\n"
        "System check identified no issues (0 silenced).\n",
    )


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["api/_lib/[id]"], "/api/_lib/[id]: _lib is a private folder, in which nothing is a route. "),
        (["api/..//x"], "/api/..//x: the static segment '..' cannot be served: "),
        (["api//x"], "/api//x: the static segment '' cannot be served: "),
        (["a\0b"], "/a\\x00b: the static segment 'a\\x00b' cannot be served: "),
        (["api/{id}"], "/api/{id}: '{id}' is no segment. "),
        (["[id]/[id]"], "/[id]/[id]: the segment name 'id' occurs twice in one path. "),
        (["[...id]/x"], "/[...id]/x: nothing may follow the catch-all segment [...id], "),
        (
            ["api/[__debug__]"],
            "routes/api/[__debug__]/route.py: the file would not be served, and was removed again.\n",
        ),
        (["x" * 300], f"/{'x' * 300}: the folders cannot be made: File name too long. "),
        (["[id=yyyy]"], "/[id=yyyy]: the path converter 'yyyy' is not registered. Use one of int, slug, str, uuid.\n"),
        (["[id=path]"], "/[id=path]: the path converter 'path' spans segments. Use one of int, slug, str, uuid.\n"),
        (["[body]", "--methods=POST,PUT"], "/[body]: POST and PUT would take the body as `body`, "),
        (["/", "--methods=GET,TRACE"], "--methods: no route answers TRACE. Methods: GET, POST, PUT, PATCH, DELETE.\n"),
        (["/", "--methods=HEAD,OPTIONS"], "--methods: HEAD and OPTIONS follow from the other methods. "),
        (["/", "--methods=,"], "--methods: a route answers at least one method. "),
        (["[id]", "--type=id"], "--type id: a type is given as NAME=TYPE. Types: "),
        (["[id]", "--type=id=float"], "--type id=float: float is no type that is known here. Types: "),
        (["[id]", "--type=key=int"], "--type key=int: /[id] has no segment 'key'. Segments: id.\n"),
        (["[id=int]", "--type=id=str"], "--type id=str: the path converter of [id=int] gives int. "),
        (["/", "--name=a:b"], "--name a:b: a URL name is printable text without "),
        (["/", "--name="], "--name : a URL name is printable text without "),
        (["/", "--app=auth"], "--app auth: the app is an installed package ("),
        (["/", "--app=django_routehandlers"], "--app django_routehandlers: the app is an installed package ("),
        (["/", "--app=shop"], "--app shop: no installed app has this label. Apps of this project: "),
        (["routes.txt"], "routes/routes.txt/route.py: the file cannot be written: "),
        (["old"], "routes/old/route.py: the file exists already, and is not overwritten. "),
        (["(group)/old"], "/(group)/old: the route would conflict with another one.\nroutes/old/route.py: /old: "),
        (["[slug]/x"], "/[slug]/x: [slug] stands beside [key] (routes/[key]/route.py) below /. "),
        (["Old"], "'old' and 'Old' (routes/Old/route.py) differ only by case or Unicode form. "),
        (
            ["one-two"],
            "/one-two: /one/two (routes/one/two/route.py) has the URL name 'one-two' and the same segments. ",
        ),
        (["three", "--name=one-two"], "/three: /one/two (routes/one/two/route.py) has the URL name 'one-two' and "),
        (["linked/x"], "/linked/x: a folder on the way to routes/linked/x/route.py is a link. "),
    ],
)
def test_what_cannot_be_served_is_refused_and_nothing_changes(arguments: list[str], message: str, site: Site) -> None:
    routes = site.write(
        {
            "old/route.py": "def GET(): ...\n",
            "[key]/route.py": "def GET(): ...\n",
            "one/two/route.py": "def GET(): ...\n",
        }
    )
    (routes / "routes.txt").write_text("")
    (routes / "linked").symlink_to(routes / "old")
    site.install()
    before = files(site)
    shown = start(*arguments)
    assert message in without_place(shown, site)
    assert files(site) == before


def test_app_that_is_not_in_a_directory_is_refused(shop: Site) -> None:
    apps.get_app_config(shop.name).path = str(shop.root / "apps.zip" / shop.name)
    assert start("/", "--app", shop.name).err.startswith(f"--app {shop.name}: the app is not in a directory (")


def test_project_without_an_app_of_its_own_is_told_how_to_get_one(site: Site) -> None:
    assert start("/").err == (
        "INSTALLED_APPS has no app of this project. Make one with `manage.py startapp`, and add it there.\n" + MORE
    )


def test_mistake_in_another_file_is_no_reason_to_refuse(site: Site) -> None:
    site.serve({"broken/route.py": "def GET(\n"})
    assert start("whole").status == 0


def test_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "route.py"
    file.write_text("theirs")
    with pytest.raises(
        CannotStart, match=r"route\.py: the file cannot be written: File exists\. Nothing was changed\."
    ):
        create_file(str(file), "ours", lambda: None)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("route.py", "theirs")]


def test_file_is_written_where_the_file_system_has_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: object, target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("django_routehandlers.scaffold.file.os", SimpleNamespace(link=link, getpid=os.getpid))
    file = tmp_path / "a" / "route.py"
    create_file(str(file), "ours", lambda: None)
    assert [(path.name, path.read_text()) for path in file.parent.iterdir()] == [("route.py", "ours")]


def test_folder_that_somebody_else_fills_meanwhile_stays(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "route.py"

    def prove() -> None:
        (tmp_path / "a" / "theirs.py").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_file(str(file), "ours", prove)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["a", "a/theirs.py"]
