"""Fixtures: a project of its own for each test, made of the route files that the test writes."""

import importlib
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextvars import copy_context
from functools import partial
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from uuid import uuid4

import pytest
from asgiref.sync import SyncToAsync
from django.core.checks import CheckMessage
from django.db import connections
from django.test import AsyncClient, Client
from django.urls import include, path
from pytest_django import Settings

from cache_servers import RedisServer
from django_routehandlers.caching.current import forget_cache


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that is given a ``server``, and let each that a busy machine alone may fail try again."""
    for item in items:
        if isinstance(item, pytest.Function) and "server" in item.fixturenames:
            item.add_marker("servers")
        if _reads_a_clock(item):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=3))


def _reads_a_clock(item: pytest.Item) -> bool:
    """Return whether *item* waits for another process, or is of a file that holds something against the time."""
    is_marked = any(item.get_closest_marker(name) for name in ("servers", "browser", "slow"))
    return is_marked or (isinstance(item, pytest.Function) and getattr(item.module, "time", None) is time)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run each test in a context of its own."""
    # Every URLconf leaves a context variable behind, and asgiref copies all there are whenever a
    # request changes threads: behind 500 URLconfs, requests took four times as long.
    test = pyfuncitem.obj
    pyfuncitem.obj = partial(copy_context().run, test)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = test


@pytest.fixture(autouse=True)
def close_connections_of_async_code() -> Iterator[None]:
    """Close what async code has opened, in the thread in which it has: a later test must not meet it."""
    yield
    SyncToAsync.single_thread_executor.submit(_drop_connections).result()


def _drop_connections() -> None:
    for connection in connections.all(initialized_only=True):
        # Django keeps connections to a database in memory open, which would go with the last of them.
        if connection.connection is not None:
            connection.connection.close()
            connection.connection = None


class Site:
    """A project of its own: write route files, install them, send requests."""

    def __init__(self, root: Path, settings: Settings, name: str) -> None:
        self.root = root
        self.settings = settings
        self.name = name
        self.client = Client(raise_request_exception=False)
        self.async_client = AsyncClient(raise_request_exception=False)

    def write(self, files: Mapping[str, str], *, app: str = "") -> Path:
        """Write files below the ``routes/`` directory of an app; return that directory."""
        package = self.root / self.label(app)
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        routes = package / "routes"
        for name, text in files.items():
            file = routes / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text).lstrip("\n"))
        return routes

    def label(self, app: str = "") -> str:
        """Return the label of an app of this site."""
        return f"{self.name}{app}"

    def install(self, *apps: str) -> None:
        """Add the site's apps to ``INSTALLED_APPS`` and include their routes."""
        importlib.invalidate_caches()
        self.settings.INSTALLED_APPS = [*self.settings.INSTALLED_APPS, *(self.label(app) for app in apps or [""])]
        urlconf = ModuleType(f"{self.name}_urls")
        urlconf.urlpatterns = [path("", include("django_routehandlers.urls"))]
        sys.modules[urlconf.__name__] = urlconf
        self.settings.ROOT_URLCONF = urlconf.__name__

    def serve(self, files: Mapping[str, str]) -> "Site":
        """Write and install one app; return the site."""
        self.write(files)
        self.install()
        return self

    def check(self) -> list[CheckMessage]:
        """Return the messages of our system checks."""
        from django_routehandlers.checks import check_routes

        return check_routes()

    def mistakes(self) -> list[tuple[str, str]]:
        """Return each message's id, without its prefix, and its place below the site's folder."""
        found: list[tuple[str, str]] = []
        for message in self.check():
            place = message.msg.removeprefix(str(self.root) + "/").split(": ")[0]
            found.append((str(message.id).removeprefix("routehandlers."), place))
        return found


@pytest.fixture
def site(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A project that serves only what the test writes, forgotten afterwards."""
    # Every label is new: a module of an earlier test must not answer for this one.
    name = "site_" + "".join(char if char.isalnum() else "_" for char in tmp_path.name).lower()
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_routehandlers"]
    settings.ROUTEHANDLERS = {}
    settings.LOGIN_URL = "/accounts/login/"
    before = set(sys.modules)
    yield Site(tmp_path, settings, name)
    for module in set(sys.modules) - before:
        if module.startswith(name):
            del sys.modules[module]


@pytest.fixture
def own_cache(settings: Settings) -> Iterator[None]:
    """A route cache of the test's own, in memory, that is on and behind our middleware."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": uuid4().hex}}
    settings.MIDDLEWARE = ["django_routehandlers.middleware.CacheControlMiddleware"]
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
    yield
    forget_cache()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server that the tests of a file share."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis server that the test may break."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def site_redis(own_redis: RedisServer, site: Site) -> Iterator[RedisServer]:
    """A Redis server that the site's cache is in, and that the test may break."""
    backend = "django.core.cache.backends.redis.RedisCache"
    site.settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": own_redis.url}}
    site.settings.ALLOWED_HOSTS = [".example", "testserver"]
    site.settings.ROUTEHANDLERS = {"STORE_TIMEOUT": 2.0}
    yield own_redis
    forget_cache()
