"""A project made by ``django-admin startproject`` serves a route file under every server."""

from pathlib import Path

import pytest

from servers import KINDS, make_project, serve

pytestmark = pytest.mark.servers

HELLO = """
    async def GET():
        return {"hello": "world"}
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_project_with_two_lines_added_serves_its_first_route(kind: str, tmp_path: Path) -> None:
    home = make_project(tmp_path, {"api/hello/route.py": HELLO})
    with serve(kind, home) as server:
        reply = server.send("GET", "/api/hello")
    assert (reply.status, reply["content-type"], reply.body) == (200, "application/json", b'{"hello":"world"}')
