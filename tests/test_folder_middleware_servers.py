"""Folder middleware over real sockets: the same answers on every server, and clients that leave."""

from collections.abc import Iterator

import pytest

from servers import Server, make_project, poll, serve, use_engine

pytestmark = pytest.mark.slow
SETTINGS = """
    DEBUG = False
    ALLOWED_HOSTS = ["127.0.0.1"]
    MIDDLEWARE = ["django_routehandlers.middleware.CacheControlMiddleware", *MIDDLEWARE]
"""
NOTING = """
{kind} middleware(request, call_next):
    try:
        response = {wait}call_next(request)
        response.headers["X-{name}"] = f"{{response.status_code}} {{response.streaming}}"
        return response
    finally:
        print("finally {name}", flush=True)
"""
ROUTES = {
    "middleware.py": NOTING.format(kind="async def", wait="await ", name="Async"),
    "sync/middleware.py": NOTING.format(kind="def", wait="", name="Sync"),
    "sync/async/middleware.py": NOTING.format(kind="async def", wait="await ", name="Inner"),
}
ROUTE = """
    import asyncio

    from django.core.exceptions import PermissionDenied


    async def GET():
        return {"kept": True}


    async def POST(request, body: dict):
        return body


    async def PUT(request):
        print("waiting", flush=True)
        await asyncio.sleep(30)


    async def PATCH(request):
        for number in range(3):
            yield number


    async def DELETE(request):
        raise PermissionDenied("Not this.")
"""
FOLDERS = ("async", "sync/route", "sync/async/route")
ASGI = ("engine", "uvicorn-h11", "granian")


@pytest.fixture(scope="module", params=[*ASGI, "gunicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A project with folder middleware of both kinds; ``engine`` is uvicorn with our own application."""
    routes = {**ROUTES, **{f"{folder}/route.py": ROUTE for folder in FOLDERS}}
    home = make_project(tmp_path_factory.mktemp("servers"), routes, settings=SETTINGS)
    kind = request.param
    if kind == "engine":
        kind = "uvicorn-httptools"
        use_engine(home)
    with serve(kind, home) as running:
        yield running


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(
    ("method", "status", "streams", "body"),
    [
        ("GET", 200, False, b'{"kept":true}'),
        ("POST", 200, False, b'{"a":1}'),
        ("PATCH", 200, True, b"0\n1\n2\n"),
        ("DELETE", 403, False, b'{"type":"about:blank","title":"Forbidden","status":403,"detail":"Not this."}'),
        ("REPORT", 405, False, b'{"type":"about:blank","title":"Method Not Allowed","status":405}'),
    ],
)
def test_every_layer_sees_every_answer_on_every_server(
    server: Server, folder: str, method: str, status: int, *, streams: bool, body: bytes
) -> None:
    content = b'{"a":1}' if method == "POST" else b""
    for _ in range(2):
        reply = server.send(method, f"/{folder}", "Content-Type: application/json", body=content)

        seen = [reply[name] for name in ("X-Async", "X-Sync", "X-Inner")]
        layers = {"async": 1, "sync/route": 2, "sync/async/route": 3}[folder]
        assert (reply.status, reply.body) == (status, body)
        assert seen == [f"{status} {streams}"] * layers + [None] * (3 - layers)
        assert (reply["Cache-Control"] or "").startswith(("private", "no-store"))


@pytest.mark.parametrize("server", ASGI, indirect=True)
@pytest.mark.parametrize("folder", FOLDERS)
def test_layers_of_a_client_that_leaves_run_to_their_end(server: Server, folder: str) -> None:
    """Invariant 61."""
    layers = {"async": ["Async"], "sync/route": ["Sync", "Async"], "sync/async/route": ["Inner", "Sync", "Async"]}
    before = server.log.count("finally"), server.log.count("waiting")
    connection = server.connect()
    connection.sendall(f"PUT /{folder} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
    _wait(server, "waiting", before[1] + 1)
    connection.close()

    _wait(server, "finally", before[0] + len(layers[folder]))


def _wait(server: Server, word: str, count: int) -> None:
    poll(lambda: server.log.count(word) >= count or None, limit=5, what=f"{word} {count} times", on=server)
