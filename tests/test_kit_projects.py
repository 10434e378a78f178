"""The test kit in projects of others: with pytest-xdist, Django's test runner in parallel, and schemathesis."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from docs_project import ROOT, Project

pytestmark = [pytest.mark.slow, pytest.mark.servers]

Write = Callable[[str, str], None]

COUNT = """
    from shop.models import Visit

    N = []


    def GET():
        N.append(1)
        return {"ran": len(N), "visits": Visit.objects.count()}
    """
ME = """
    csrf = "token"


    async def GET(user):
        return user.username


    async def PUT(request, name: str = ""):
        return name
    """
MODELS = """
    from django.db import models


    class Visit(models.Model):
        pass
    """
FIXTURES = """
    import asyncio

    import pytest
    from django_routehandlers.testing import assert_cors_refused


    @pytest.mark.parametrize("number", range(4))
    def test_cache_is_of_the_test(number, route_client, route_cache, db):
        path = "routes:api-count"
        route_cache.assert_miss(route_client.get(path))
        route_cache.assert_hit(route_client.get(path))
        assert (route_cache.hits, route_cache.misses, route_cache.stored) == (1, 1, 1)


    def test_async_client_and_hops(aroute_client, assert_num_hops, settings):
        settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]

        async def work():
            await aroute_client.options("/api/me")
            async with assert_num_hops(3) as hops:
                await aroute_client.options("/api/me")
            return hops.names

        common = "django.middleware.common.CommonMiddleware."
        signal, *hooks = asyncio.run(work())
        assert signal.endswith("sync_send")
        assert hooks == [f"{common}process_request", f"{common}process_response"]


    def test_page_is_asked_for_a_token(browser_client, abrowser_client):
        assert browser_client().put("/api/me").problem.status == 403
        page = abrowser_client(origin="https://evil.example")
        response = asyncio.run(page.get("/api/me"))
        assert_cors_refused(response, "https://evil.example")
    """
CASES = """
    from django.contrib.auth.models import User
    from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings

    from django_routehandlers.testing import RouteTestMixin, acall, assert_num_hops, call, route_handler
    from shop.models import Visit


    class NoDatabaseTest(RouteTestMixin, SimpleTestCase):
        def test_method(self):
            self.assertEqual(self.route_client.delete("/api/me").problem.status, 405)

        async def test_hops(self):
            self.assertEqual((await acall(route_handler("routes:api-me", "PUT"), name="ada")).json(), "ada")
            async with assert_num_hops(0):
                pass


    class RowsOfATransactionTest(RouteTestMixin, TestCase):
        @classmethod
        def setUpTestData(cls):
            cls.user = User.objects.create(username="ada")

        def test_user(self):
            self.route_client.force_login(self.user)
            self.assertContains(self.route_client.get("routes:api-me"), "ada")

        async def test_user_in_async_code(self):
            await self.aroute_client.aforce_login(self.user)
            self.assertEqual((await self.aroute_client.get("routes:api-me")).parse(str), "ada")

        def test_rows_of_the_test_are_never_stored(self):
            cache = self.use_route_cache()
            Visit.objects.create()
            self.assertEqual(self.route_client.get("/api/count").json()["visits"], 1)
            cache.assert_not_stored("/api/count")
            with self.assertRaisesRegex(AssertionError, "uncommitted.*TransactionTestCase"):
                cache.assert_hit(self.route_client.get("/api/count"))
            self.assertEqual(call(route_handler("routes:api-count")).json()["visits"], 1)


    @override_settings(ROUTEHANDLERS={"CACHE_ENABLED": False, "MAX_CACHED_BODY": 1000})
    class CommittedTest(RouteTestMixin, TransactionTestCase):
        def test_write_ends_the_entry(self):
            cache = self.use_route_cache()
            self.route_client.get("/api/count")
            cache.assert_hit(self.route_client.get("/api/count"))
            Visit.objects.create()
            cache.assert_not_stored("/api/count")
            response = self.route_client.get("/api/count")
            cache.assert_miss(response)
            self.assertEqual(response.json()["visits"], 1)

        def test_cache_is_off_where_nobody_asked_for_one(self):
            self.assertIn("detail=disabled", self.client.get("/api/count").headers["Cache-Status"])

        def test_settings_of_the_class_stay(self):
            from django.conf import settings

            self.use_route_cache()
            ours = {"CACHE_ENABLED": True, "THROTTLE_CACHE": None}
            self.assertEqual(settings.ROUTEHANDLERS, {"MAX_CACHED_BODY": 1000, **ours})
    """
CONTRACT = """
    import pytest
    from config.asgi import application
    from django_routehandlers.testing import contract_schema
    from hypothesis import settings

    schema = contract_schema().include(path="/api/products/{id}")


    @pytest.mark.django_db
    @schema.parametrize()
    @settings(max_examples=3)
    def test_products(case):
        case.call_and_validate()


    engine = contract_schema(application, host="localhost").include(path="/api/health")


    @pytest.mark.django_db(transaction=True)
    @engine.parametrize()
    @settings(max_examples=3)
    def test_health_on_the_engine(case):
        case.call_and_validate()
    """


def write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text).lstrip("\n"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with tests for pytest, and for Django's runner."""
    project = Project(tmp_path_factory.mktemp("kit"))
    project.create("project")
    for name, text in {
        "shop/routes/api/count/route.py": COUNT,
        "shop/routes/api/me/route.py": ME,
        "shop/models.py": MODELS,
        "shop/test_fixtures.py": FIXTURES,
        "shop/tests.py": CASES,
        "pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = mysite.settings\n",
    }.items():
        write(project.folder, name, text)
    status, printed = project.run("python manage.py makemigrations shop")
    assert status == 0, printed
    return project


def test_fixtures_work_in_two_processes_of_xdist(project: Project) -> None:
    status, printed = project.run("python -m pytest -q -p no:schemathesis -n 2 shop/test_fixtures.py")
    assert (status, "6 passed" in printed) == (0, True), printed


@pytest.mark.parametrize("options", ["", " --parallel 2"], ids=["one process", "two processes"])
def test_cases_of_django_work(project: Project, options: str) -> None:
    status, printed = project.run(f"python manage.py test shop.tests{options}")
    assert (status, "Ran 8 tests" in printed) == (0, True), printed


def test_contract_of_the_demo_shop_holds(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "testproject", tmp_path, ignore=shutil.ignore_patterns("*.sqlite3*"), dirs_exist_ok=True)
    write(tmp_path, "test_contract.py", CONTRACT)
    write(tmp_path, "pytest.ini", "[pytest]\nDJANGO_SETTINGS_MODULE = config.settings\npythonpath = .\n")
    status, printed = Project(tmp_path).run("python -m pytest -q test_contract.py")
    # GET, PUT and DELETE of a product, and one on the engine.
    assert (status, "4 passed" in printed) == (0, True), printed


def test_production_imports_none_of_the_kit(project: Project) -> None:
    code = """
        import sys
        import django

        django.setup()
        from django.core.handlers.asgi import ASGIHandler
        from django.core.management import call_command
        from django_routehandlers.asgi import get_asgi_application

        get_asgi_application()
        call_command("check")
        call_command("show_routes")
        # Of Django's test client, an independent part of Django.
        kit = ("django_routehandlers.testing", "pytest", "_pytest", "schemathesis", "django.test")
        assert [name for name in sys.modules if name.startswith(kit)] == []
        """
    command = [sys.executable, "-c", dedent(code)]
    done = subprocess.run(command, cwd=project.folder, env=project.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
