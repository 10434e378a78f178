"""What the documentation tells nginx to do: nginx takes it, and requests come through as the page says."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path

import pytest

from docs_blocks import Block, read_blocks
from docs_project import ROOT, Project

pytestmark = pytest.mark.servers

PAGE = "docs/how-to/deploying.md"
BLOCKS = {page: read_blocks((ROOT / page).read_text(encoding="utf-8"), page) for page in [PAGE]}
CONFIGS = [
    block
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for block in read_blocks(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    if block.language == "nginx"
]
ROUTE = """
import asyncio

async def GET():
    yield 1
    await asyncio.sleep(60)

async def POST():
    pass
"""


@pytest.fixture(scope="module")
def nginx() -> str:
    """Return the program, which lies where only root looks; without it, say so."""
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
    found = shutil.which("nginx", path=path)
    if found is None:
        assert os.environ.get("CI") != "true", "nginx is not installed."
        pytest.skip("nginx is not installed.")
    return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``shop.example.pem`` and ``shop.example.key``."""
    folder = tmp_path_factory.mktemp("certificate")
    files = ["-out", folder / "shop.example.pem", "-keyout", folder / "shop.example.key"]
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=shop.example"]
    subprocess.run(["openssl", "req", *options, *files], check=True, capture_output=True)
    return folder


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def write_config(text: str, folder: Path, certificate: Path, ports: dict[str, int]) -> Path:
    """Write *text* as servers of an nginx that keeps its files in *folder*, on *ports* in the place of its own."""
    (folder / "cache").mkdir()
    if "server {" not in text:
        text = f"server {{\n{text}\n}}\n"
    text = text.replace("/etc/ssl/", f"{certificate}/").replace("/var/cache/nginx", str(folder / "cache"))
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{ports['app']}")
    for name in ("80", "443"):
        text = re.sub(rf"listen {name}\b", f"listen 127.0.0.1:{ports[name]}", text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    file = folder / "nginx.conf"
    main = f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
    file.write_text(f"{main}http {{\naccess_log off;\n{temporary}{text}\n}}\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("block", [pytest.param(block, id=block.page) for block in CONFIGS])
def test_configuration_of_a_page_passes_nginx_t(block: Block, nginx: str, certificate: Path, tmp_path: Path) -> None:
    ports = {"80": free_port(), "443": free_port(), "app": free_port()}
    file = write_config(block.code, tmp_path, certificate, ports)
    done = subprocess.run([nginx, "-t", "-c", file, "-p", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


@pytest.fixture(scope="module")
def port(nginx: str, certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port at which the page's nginx serves the page's project over TLS."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.create("project")
    for block in BLOCKS[PAGE]:
        if block.code.startswith(("# mysite/asgi.py", "# mysite/settings.py")):
            project.do(block)
    project.write("shop/routes/api/probe/route.py", ROUTE, append=False)
    project.serve("uvicorn --port 8000 mysite.asgi:application", "uvicorn")
    (block,) = [block for block in CONFIGS if block.page == PAGE]
    folder = tmp_path_factory.mktemp("nginx")
    ports = {"80": free_port(), "443": free_port(), "app": project.port}
    file = write_config(block.code, folder, certificate, ports)
    process = subprocess.Popen([nginx, "-c", file, "-p", folder])
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", ports["443"]), timeout=1):
            break
        time.sleep(0.05)
    yield ports["443"]
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=10)
    project.stop_server()


def ask(port: int, method: str, **fields: str) -> tuple[HTTPSConnection, HTTPResponse]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    connection.request(method, "/api/probe", headers={"Host": "shop.example", **fields})
    return connection, connection.getresponse()


def test_line_of_a_stream_passes_nginx_before_the_next_one_is_there(port: int) -> None:
    connection, response = ask(port, "GET")
    assert (response.status, response.readline()) == (200, b"1\n")
    connection.close()


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://shop.example", 204), ("http://shop.example", 403), ("https://other.example", 403)],
)
def test_origin_is_compared_with_the_scheme_that_the_client_sees(port: int, origin: str, status: int) -> None:
    # The client's own X-Forwarded-Proto does not count.
    connection, response = ask(port, "POST", Origin=origin, **{"X-Forwarded-Proto": "http"})
    assert response.status == status
    connection.close()
