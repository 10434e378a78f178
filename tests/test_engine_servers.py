"""The engine under each ASGI server: views of every kind, uploads, clients that leave, connections kept alive."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

from servers import HOST, REPLY_LIMIT, Server, make_project, poll, run, serve

SERVERS = ("uvicorn-httptools", "uvicorn-h11", "granian", "hypercorn", "daphne")

VIEWS = """
    import asyncio
    import threading

    from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import include, path
    from django.views.decorators.csrf import csrf_exempt

    from django.contrib.auth.models import User
    from django_routehandlers.engine.workers import worker_pool

    ended = []


    async def on_loop(request):
        return JsonResponse({"thread": threading.current_thread() is not threading.main_thread() and "other"})


    def in_thread(request):
        return JsonResponse({"session": request.session.get("seen", 0), "users": User.objects.count()})


    async def count(request):
        seen = await request.session.aget("seen", 0) + 1
        await request.session.aset("seen", seen)
        return JsonResponse({"seen": seen, "users": await User.objects.acount()})


    @csrf_exempt
    def upload(request):
        return JsonResponse({"size": sum(file.size for file in request.FILES.values())})


    async def stream(request):
        async def parts():
            try:
                for number in range(100_000):
                    yield b"%d\\n" % number
                    await asyncio.sleep(0.01)
            finally:
                ended.append(True)

        return StreamingHttpResponse(parts())


    async def waits(request):
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)


    async def left(request):
        return JsonResponse({"ended": len(ended), "lent": worker_pool().lent})


    urlpatterns = [
        path("loop", on_loop),
        path("thread", in_thread),
        path("count", count),
        path("upload", upload),
        path("stream", stream),
        path("waits", waits),
        path("left", left),
        path("", include("django_routehandlers.urls")),
    ]
"""

ASGI = """
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

    from django_routehandlers.asgi import get_asgi_application

    application = get_asgi_application()
"""


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server of each kind, with a new project's settings and a database."""
    home = make_project(
        tmp_path_factory.mktemp("engine"),
        {"route/route.py": "async def GET(request):\n    return 1\n"},
        settings='ROUTEHANDLERS = {"CONTENT_RECEIVE_TIMEOUT": 2}\n',
    )
    for name, text in {"urls.py": VIEWS, "asgi.py": ASGI}.items():
        write(home / "project" / name, text)
    run_manage(home, "migrate", "-v0")
    with serve(request.param, home) as started:
        yield started


def write(file: Path, text: str) -> None:
    file.write_text(dedent(text).lstrip("\n"))


def run_manage(home: Path, *arguments: str) -> None:
    run(["manage.py", *arguments], home)


def asked(server: Server, target: str) -> object:
    status, body = server.get(target)
    assert status == 200, server.log
    return json.loads(body)


@pytest.mark.slow
@pytest.mark.servers
def test_views_of_every_kind_answer(server: Server) -> None:
    assert asked(server, "/loop")
    assert asked(server, "/thread") == {"session": 0, "users": 0}
    assert asked(server, "/count") == {"seen": 1, "users": 0}
    assert asked(server, "/route") == 1
    assert server.get("/nowhere")[0] == 404


@pytest.mark.slow
@pytest.mark.servers
def test_a_session_goes_from_request_to_request(server: Server) -> None:
    reply = server.send("GET", "/count")
    cookie = (reply["set-cookie"] or "").partition(";")[0]
    again = server.send("GET", "/count", f"Cookie: {cookie}")
    assert json.loads(again.body) == {"seen": 2, "users": 0}


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("size", [1, 3_000_000])
def test_content_arrives_whole(server: Server, size: int) -> None:
    """Invariant 50: below what is kept in memory, and above."""
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"a" * size + b"\r\n--x--\r\n"
    reply = server.send("POST", "/upload", "Content-Type: multipart/form-data; boundary=x", body=part)
    assert json.loads(reply.body) == {"size": size}


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("target", ["/stream", "/waits"])
def test_who_leaves_ends_the_view(server: Server, target: str) -> None:
    """Invariants 61 and 66: and no thread is left behind."""
    before = asked(server, "/left")
    assert isinstance(before, dict)
    with socket.create_connection((HOST, server.port), timeout=REPLY_LIMIT) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n\r\n".encode())
        if target == "/stream":
            assert client.recv(100)
        else:
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(100)
    after = {"ended": before["ended"] + 1, "lent": 0}
    poll(lambda: asked(server, "/left") == after or None, limit=5, what="the end", on=server)


@pytest.mark.slow
@pytest.mark.servers
def test_a_connection_serves_many_requests(server: Server) -> None:
    with socket.create_connection((HOST, server.port), timeout=REPLY_LIMIT) as client:
        stream = client.makefile("rb")
        for target in ("/loop", "/thread", "/nowhere", "/route", "/loop"):
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n\r\n".encode())
            head = b"".join(iter(stream.readline, b"\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            assert len(stream.read(length)) == length
            assert head.split()[1] == (b"404" if target == "/nowhere" else b"200")


@pytest.mark.slow
@pytest.mark.servers
def test_clients_that_are_slow_or_silent_keep_nobody_waiting(server: Server) -> None:
    """Invariant 51."""
    head = f"POST /upload HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nContent-Length: 1000\r\n\r\n".encode()
    took: list[float] = []
    with ExitStack() as stack:
        slow, silent = ([stack.enter_context(server.connect()) for _ in range(count)] for count in (100, 20))
        for client in (*slow, *silent):
            client.sendall(head)
        for number in range(100):
            if number % 20 == 0:
                for client in slow:
                    client.sendall(b"a")
            start = time.monotonic()
            assert asked(server, "/thread" if number % 2 else "/loop")
            took.append(time.monotonic() - start)
            time.sleep(0.03)
        # daphne hands a request on when its content is there.
        if server.kind != "daphne":
            for client in silent:
                answer = client.recv(1000).lower()
                assert answer.startswith(b"http/1.1 408")
                assert b"connection: close" in answer
            slow[-1].sendall(b"a" * 995)
            assert slow[-1].recv(1000).startswith(b"HTTP/1.1 200")
    # With a thread each, or one after the other, they would wait for seconds.
    assert sorted(took)[98] < 1
