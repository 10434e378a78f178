"""
The document held against a running server, by programs that were written by others.

``schemathesis`` asks every operation, with data that fits and data that does not; a client that
``openapi-typescript`` made of the document is type-checked, and calls the server. The short form
sends some 400 requests to a server, ``RH_PROOF=full`` ten times as many.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from urllib.request import urlopen

import pytest
from openapi_spec_validator import validate

from docs_project import ROOT
from openapi_routes import ROUTES
from servers import make_project, run, serve
from shop_server import running_shop

pytestmark = pytest.mark.slow

LIMIT = 600 if os.environ.get("RH_PROOF") == "full" else 120  # seconds
EXAMPLES = 100 if os.environ.get("RH_PROOF") == "full" else 6
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
PACKAGES = {"openapi-fetch": "0.17.0", "openapi-typescript": "7.13.0", "typescript": "5.9.3"}
CHECK_JS = ("node_modules/.bin/tsc", "--allowJs", "--checkJs", "--strict", "--noEmit", "--target", "es2022")
# Where a redirect leads is no answer of the operation.
HOOKS = """
    import schemathesis

    @schemathesis.hook
    def before_call(context, case, kwargs):
        kwargs["allow_redirects"] = False

    @schemathesis.serializer("application/x-ndjson", "application/jsonl")
    def lines(context, value):
        return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    """
CLIENT = """
    import createClient from "openapi-fetch";
    import type { components, paths } from "./schema.js";

    type Product = components["schemas"]["ProductOut"];

    const client = createClient<paths>({ baseUrl: process.argv[2] });

    const added = await client.POST("/api/products", { body: { name: "Elm Chair", price: "149.90", stock: 3 } });
    if (added.error !== undefined) throw new Error(JSON.stringify(added.error));

    const path = { id: added.data.id };
    const found = await client.GET("/api/products/{id}", { params: { path } });
    const product: Product | undefined = found.data;

    const listed = await client.GET("/api/products", { params: { query: { limit: 1 } } });
    const names: string[] = (listed.data ?? []).map((one) => one.name);

    // @ts-expect-error: a name is text
    const wrong = await client.POST("/api/products", { body: { name: 1, price: "1" } });
    const faults = wrong.error && "errors" in wrong.error ? wrong.error.errors : undefined;

    const pointers = faults?.map((one) => one.pointer);

    console.log(JSON.stringify({ product, names, status: wrong.response.status, pointers }));
    """


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with handlers of all kinds."""
    home = make_project(tmp_path_factory.mktemp("kinds"), ROUTES)
    run(["manage.py", "migrate", "--verbosity", "0"], home)
    return home


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the demo shop as it is served without DEBUG."""
    with running_shop(tmp_path_factory.mktemp("shop"), debug=False) as url:
        yield url


def ask_all(url: str, folder: Path, *arguments: str) -> None:
    """Let schemathesis ask every operation of the document; fail with what it found."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--no-color"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--workers", "1"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--generation-deterministic"),
        *("--request-timeout", "20", *arguments),
    ]
    (folder / "hooks.py").write_text(dedent(HOOKS))
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks"}
    # In a folder of its own, where it keeps what it found.
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


@pytest.mark.parametrize("kind", ["uvicorn-httptools", "gunicorn"])
def test_no_answer_of_any_kind_of_handler_is_undocumented(project: Path, tmp_path: Path, kind: str) -> None:
    with serve(kind, project) as server:
        ask_all(f"http://127.0.0.1:{server.port}", tmp_path)
        assert "Internal Server Error" not in server.log


def test_document_of_the_demo_shop_is_valid(shop: str) -> None:
    validate(json.loads(fetch(f"{shop}/openapi.json")))


def test_no_answer_of_the_demo_shop_is_undocumented(shop: str, tmp_path: Path) -> None:
    # Without a limit the orders have no end. test_shop.py holds them against what they declare.
    ask_all(shop, tmp_path, "--exclude-path", "/api/orders/live")


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client's packages; skipped without node and its package manager."""
    need_programs("node", "npm")
    folder = tmp_path_factory.mktemp("client")
    package = {"private": True, "type": "module", "dependencies": PACKAGES}
    (folder / "package.json").write_text(json.dumps(package))
    quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
    execute(["npm", "install", *quiet], folder)
    return folder


def test_client_of_the_document_type_checks_and_calls_the_demo_shop(node_folder: Path, tmp_path: Path) -> None:
    with running_shop(tmp_path, debug=False) as shop:
        (node_folder / "openapi.json").write_bytes(fetch(f"{shop}/openapi.json"))
        execute(["node_modules/.bin/openapi-typescript", "openapi.json", "-o", "schema.d.ts"], node_folder)
        (node_folder / "client.ts").write_text(dedent(CLIENT))
        options = ["--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom"]
        (node_folder / "node.d.ts").write_text("declare const process: { argv: string[] };\n")
        execute(["node_modules/.bin/tsc", *options, "client.ts", "node.d.ts"], node_folder)
        said = json.loads(execute(["node", "client.js", shop], node_folder))
    product = said["product"]
    assert (product["name"], product["price"], product["stock"]) == ("Elm Chair", "149.90", 3)
    assert (len(said["names"]), said["status"], said["pointers"]) == (1, 422, ["#/name"])


def test_page_of_the_demo_shop_is_held_against_the_types_of_the_document(node_folder: Path) -> None:
    scripts = ROOT / "testproject" / "shop" / "static" / "shop"
    run(["manage.py", "export_openapi", "--output", str(node_folder / "shop.json")], ROOT / "testproject")
    execute(["node_modules/.bin/openapi-typescript", "shop.json", "--output", "schema.d.ts"], node_folder)
    (node_folder / "api.js").write_text((scripts / "api.js").read_text())
    page = (scripts / "catalogue.js").read_text()
    (node_folder / "catalogue.js").write_text(page)
    assert page.count("product.price") == page.count("in_stock:") == page.count('get("/api/search"') == 1
    execute([*CHECK_JS, "catalogue.js"], node_folder)
    for right, wrong in (("product.price", "product.cost"), ("in_stock:", "stock:"), ("/api/search", "/api/find")):
        (node_folder / "wrong.js").write_text(page.replace(right, wrong))
        done = subprocess.run([*CHECK_JS, "wrong.js"], cwd=node_folder, capture_output=True, text=True, timeout=LIMIT)
        assert "wrong.js(" in done.stdout, wrong


def test_client_of_all_kinds_of_handlers_type_checks(node_folder: Path, project: Path) -> None:
    run(["manage.py", "export_openapi", "--output", str(node_folder / "kinds.json")], project)
    execute(["node_modules/.bin/openapi-typescript", "kinds.json", "-o", "kinds.d.ts"], node_folder)
    execute(["node_modules/.bin/tsc", "--strict", "--noEmit", "kinds.d.ts"], node_folder)


def fetch(url: str) -> bytes:
    """Return the body of a GET."""
    with urlopen(url, timeout=20) as response:
        return response.read()


def need_programs(*names: str) -> None:
    """Skip the test where a program is missing; with ``CI=true``, fail it."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI has to install {', '.join(missing)}")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def execute(command: list[str], folder: Path) -> str:
    """Run a program in *folder*; return what it prints, and fail with that where it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout
