"""Projects whose route cache several processes share: what they serve, how they are set, and their workers."""

import json
import os
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cache_worker
import django_routehandlers
from servers import make_project

SETTINGS = """
    import json as _json

    DEBUG = False
    ALLOWED_HOSTS = ["*"]
    MIDDLEWARE = ["django_routehandlers.middleware.CacheControlMiddleware"]
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"terminal": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["terminal"], "level": "WARNING"},
    }
    globals().update(_json.loads((BASE_DIR / "cache.json").read_text()))
    """
ASGI = """
import os

from django_routehandlers.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_asgi_application()
"""

MODELS = """
from django.db import models


class Number(models.Model):
    name = models.TextField(primary_key=True)
    number = models.IntegerField()

    class Meta:
        db_table = "pages_number"
"""

ROUTES = {
    # Slow and fast ones, on both sides of what they read.
    "tag/[name]/route.py": """
        import asyncio
        import random
        from pathlib import Path

        revalidate = 1

        def tags(name):
            return [name]

        async def GET(name):
            await asyncio.sleep(random.choice((0, 0, 0.002, 0.03)))
            number = int(Path(f"tag-{name}").read_text())
            await asyncio.sleep(random.choice((0, 0, 0.002, 0.03, 0.1)))
            return number
        """,
    "path/[name]/route.py": """
        import random
        import time
        from pathlib import Path

        def GET(name):
            time.sleep(random.choice((0, 0, 0.002, 0.03)))
            number = int(Path(f"path-{name}").read_text())
            time.sleep(random.choice((0, 0, 0.002, 0.03, 0.1)))
            return number
        """,
    "table/[name]/route.py": """
        import random
        import time

        from django.db import connection

        revalidate = False

        def GET(name):
            time.sleep(random.choice((0, 0, 0.002, 0.03)))
            with connection.cursor() as cursor:
                cursor.execute("SELECT number FROM pages_number WHERE name = %s", [name])
                number = cursor.fetchone()[0]
            time.sleep(random.choice((0, 0, 0.002, 0.03, 0.1)))
            return number
        """,
    "slow/[seconds]/[name]/route.py": """
        import os
        import time

        def GET(seconds: float, name):
            with open(f"runs-{name}", "a") as file:
                file.write("run\\n")
            time.sleep(seconds)
            return name
        """,
}


def make_cache_project(
    root: Path, routes: Mapping[str, str] = ROUTES, *, settings: str = "", is_ours: bool = True
) -> Path:
    """
    Make a project, with the tables and files that the routes read, all numbers 0.

    Args:
        is_ours: Whether it is served by our ASGI application, or by Django's.
    """
    root.mkdir(exist_ok=True)
    home = make_project(root, routes, settings=SETTINGS + settings)
    (home / "pages" / "models.py").write_text(MODELS)
    if is_ours:
        (home / "project" / "asgi.py").write_text(ASGI)
    with sqlite3.connect(home / "db.sqlite3") as database:
        database.execute("CREATE TABLE pages_number (name TEXT PRIMARY KEY, number INTEGER)")
        database.executemany("INSERT INTO pages_number VALUES (?, 0)", [(name,) for name in cache_worker.NAMES])
    database.close()
    for name in cache_worker.NAMES:
        (home / f"tag-{name}").write_text("0")
        (home / f"path-{name}").write_text("0")
    configure(home)
    return home


def configure(home: Path, redis: str | None = None, **routehandlers: Any) -> None:
    """Set the store, and settings of ours, for the processes that start from now on."""
    backend = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if redis is not None:
        backend = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis}
    (home / "cache.json").write_text(json.dumps({"CACHES": {"default": backend}, "ROUTEHANDLERS": routehandlers}))


def run_workers(home: Path, jobs: Sequence[dict[str, Any]], *, limit: float = 600) -> list[Any]:
    """Run a process for each job, all at once; return what each has noted."""
    where = str(Path(django_routehandlers.__file__).parent.parent)
    path = "" if where in sysconfig.get_paths().values() else where
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    processes: list[subprocess.Popen[str]] = []
    for number, job in enumerate(jobs):
        text = json.dumps({**job, "log": str(home / f"worker-{number}.json")})
        processes.append(
            subprocess.Popen(
                [sys.executable, cache_worker.__file__, text],
                cwd=home,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    found: list[Any] = []
    try:
        for number, process in enumerate(processes):
            output, _ = process.communicate(timeout=limit)
            assert (process.returncode, output) == (0, ""), output[-4000:]
            found.append(json.loads((home / f"worker-{number}.json").read_text()))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return found
