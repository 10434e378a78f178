"""Cached until the data changes: what a fill reads is recorded, and a committed write to it ends the entry."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import TestCase

from conftest import Site
from django_routehandlers import revalidate_tag

Get = Callable[[str], HttpResponse]

LIST = """
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group

{head}


{handler}
"""
NAMES = "Group.objects.order_by('name').values_list('name', flat=True)"
ASYNC = f"async def GET():\n    return [name async for name in {NAMES}]"
SYNC = f"def GET():\n    return list({NAMES})"


def listing(handler: str = SYNC, head: str = "revalidate = False") -> str:
    return LIST.format(head=head, handler=handler)


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(params=["WSGI", "ASGI"])
def get(site: Site, request: pytest.FixtureRequest) -> Get:
    def send(path: str) -> Any:
        return site.client.get(path) if request.param == "WSGI" else asyncio.run(site.async_client.get(path))

    return send


def status(response: Any) -> str:
    return response.headers["Cache-Status"].removeprefix("django-routehandlers; ")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("handler", [ASYNC, SYNC])
def test_committed_write_to_a_table_that_was_read_ends_the_entry(site: Site, get: Get, handler: str) -> None:
    site.serve({"groups/route.py": listing(handler)})
    Group.objects.create(name="a")

    assert [get("/groups").json(), status(get("/groups"))] == [["a"], "hit"]
    Group.objects.create(name="b")
    assert [get("/groups").json(), status(get("/groups"))] == [["a", "b"], "hit"]
    Group.objects.filter(name="a").update(name="c")
    assert get("/groups").json() == ["b", "c"]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_group WHERE name = 'b'")
    assert get("/groups").json() == ["c"]


@pytest.mark.django_db(transaction=True)
def test_write_to_another_table_or_one_that_is_rolled_back_changes_nothing(site: Site, get: Get) -> None:
    site.serve({"groups/route.py": listing()})
    get("/groups")

    ContentType.objects.create(app_label="x", model="y")
    with transaction.atomic():
        Group.objects.create(name="a")
        transaction.set_rollback(True)

    assert status(get("/groups")) == "hit"


@pytest.mark.django_db(transaction=True)
def test_write_counts_when_it_is_committed(site: Site) -> None:
    """Invariant 43. Until then its own thread sees what nobody else may see."""
    site.serve({"groups/route.py": listing()})
    site.client.get("/groups")

    with transaction.atomic():
        Group.objects.create(name="a")
        inside = site.client.get("/groups")
    after = site.client.get("/groups")

    assert (inside.json(), status(inside)) == (["a"], "fwd=bypass; detail=uncommitted")
    assert (after.json(), status(after)) == (["a"], "fwd=stale; stored; detail=invalidated")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("head", "is_fresh"), [("depends_on = None", False), ("depends_on = ['auth_group']", True)])
def test_file_may_say_what_it_depends_on(site: Site, get: Get, head: str, is_fresh: bool) -> None:
    site.serve({"groups/route.py": listing(head=f"{head}\nrevalidate = False\ntags = ['groups']")})
    get("/groups")
    Group.objects.create(name="a")

    assert get("/groups").json() == (["a"] if is_fresh else [])
    revalidate_tag("groups")
    assert get("/groups").json() == ["a"]


@pytest.mark.django_db(transaction=True)
def test_models_that_the_file_names_are_tables(site: Site, get: Get) -> None:
    site.serve(
        {
            "groups/route.py": listing(
                "def GET():\n    return Read.count()", "from test_cache_tables import Read\ndepends_on = [Group]"
            )
        }
    )
    before = get("/groups").json()
    Group.objects.create(name="a")

    assert (before, get("/groups").json()) == (0, 1)


class Read:
    """Reads where no query of ours is seen."""

    @staticmethod
    def count() -> int:
        connection.ensure_connection()
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("SELECT count(*) FROM auth_group")
            return cursor.fetchone()[0]


class TestInsideATransaction(TestCase):
    """A test of a project's own, whose transaction is never committed."""

    @pytest.fixture(autouse=True)
    def use_site(self, site: Site) -> None:
        counted = "runs = []\ntags = ['n']\n\n\ndef GET():\n    runs.append(1)\n    return len(runs)\n"
        site.serve({"groups/route.py": listing(), "n/route.py": counted})
        self.site = site

    def test_request_sees_what_the_test_has_written(self) -> None:
        assert self.site.client.get("/groups").json() == []
        Group.objects.create(name="a")
        assert self.site.client.get("/groups").json() == ["a"]
        Group.objects.create(name="b")
        assert self.site.client.get("/groups").json() == ["a", "b"]

    def test_invalidation_counts_at_once(self) -> None:
        before = self.site.client.get("/n").json()
        revalidate_tag("n")
        assert (before, self.site.client.get("/n").json()) == (1, 2)

    def test_next_test_sees_nothing_of_it(self) -> None:
        assert self.site.client.get("/groups").json() == []


@pytest.mark.django_db(transaction=True)
def test_invalidation_counts_on_commit_and_not_on_rollback(site: Site) -> None:
    """Invariant 43."""
    site.serve({"n/route.py": "runs = []\ntags = ['n']\n\n\ndef GET():\n    runs.append(1)\n    return len(runs)\n"})
    found = [site.client.get("/n").json()]

    with transaction.atomic():
        revalidate_tag("n")
        transaction.set_rollback(True)
    found.append(site.client.get("/n").json())
    with transaction.atomic():
        revalidate_tag("n")
        found.append(site.client.get("/n").json())
    found.append(site.client.get("/n").json())

    assert found == [1, 1, 1, 2]
