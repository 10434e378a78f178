"""
Use the cache of a project as one of several processes: read, write and invalidate at random, and note when.

Run in the project's folder with the job as JSON. The clock of the notes is the machine's, the same for
all of its processes.
"""

import asyncio
import fcntl
import gc
import json
import os
import random
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

Note = tuple[str, str, str, float, float, int]
"""Kind of route, name, what was done, when it began and ended, and the number that was read or written."""

NAMES = ("a", "b", "c")
KINDS = ("tag", "path", "table")


class Worker:
    """Does random things, and remembers them."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.notes: list[Note] = []
        self.lock = threading.Lock()

    def run(self) -> None:
        """Do the steps of the job, in threads and in tasks at once."""
        threads = [threading.Thread(target=self.work, args=(index,)) for index in range(self.job["threads"])]
        for thread in threads:
            thread.start()
        if self.job["tasks"]:
            asyncio.run(self.work_in_tasks())
        for thread in threads:
            thread.join()
        Path(self.job["log"]).write_text(json.dumps(self.notes))

    def steps(self, chance: random.Random) -> int:
        """Return how many steps one thread or task does."""
        return self.job["steps"] // (self.job["threads"] + self.job["tasks"])

    def work(self, index: int) -> None:
        """Do what one thread does."""
        from django.db import connections
        from django.test import Client

        client, chance = Client(), random.Random(f"{self.job['seed']}-{index}")
        for _ in range(self.steps(chance)):
            kind, name = chance.choice(KINDS), chance.choice(NAMES)
            if chance.random() < 0.2:
                self.change(kind, name)
            else:
                began = time.monotonic()
                response = client.get(f"/{kind}/{name}", headers={"host": "127.0.0.1"})
                self.note(kind, name, began, response)
            time.sleep(chance.random() * self.job["pause"])
        connections.close_all()

    async def work_in_tasks(self) -> None:
        """Do what the tasks do."""
        await asyncio.gather(*(self.work_in_task(index) for index in range(self.job["tasks"])))

    async def work_in_task(self, index: int) -> None:
        """Do what one task does."""
        from asgiref.sync import sync_to_async
        from django.test import AsyncClient

        client, chance = AsyncClient(), random.Random(f"{self.job['seed']}-task-{index}")
        for _ in range(self.steps(chance)):
            kind, name = chance.choice(KINDS), chance.choice(NAMES)
            if chance.random() < 0.2:
                await sync_to_async(self.change)(kind, name)
            else:
                began = time.monotonic()
                self.note(kind, name, began, await client.get(f"/{kind}/{name}"))
            await asyncio.sleep(chance.random() * self.job["pause"])

    def note(self, kind: str, name: str, began: float, response: Any) -> None:
        """Remember what was read."""
        assert response.status_code == 200, response.content
        with self.lock:
            self.notes.append((kind, name, "read", began, time.monotonic(), int(response.content)))

    def change(self, kind: str, name: str) -> None:
        """Write the next number, and have everybody know."""
        from django_routehandlers import revalidate_path, revalidate_tag

        began = time.monotonic()
        if kind == "table":
            number = add_to_row(name)
        else:
            number = add_to_file(f"{kind}-{name}")
            if kind == "tag":
                revalidate_tag(name)
            else:
                revalidate_path(f"/path/{name}")
        with self.lock:
            self.notes.append((kind, name, "write", began, time.monotonic(), number))


def add_to_file(name: str) -> int:
    """Add 1 to the number in a file; return it."""
    with open(f"{name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        number = int(Path(name).read_text()) + 1
        new = Path(f"{name}.new")
        new.write_text(str(number))
        new.replace(name)
    return number


def add_to_row(name: str) -> int:
    """Add 1 to the number in a row; return it once it is committed."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE pages_number SET number = number + 1 WHERE name = %s", [name])
        cursor.execute("SELECT number FROM pages_number WHERE name = %s", [name])
        return cursor.fetchone()[0]


def ask_at_once(job: dict[str, Any]) -> None:
    """Have as many threads as the job says send one request, once as many processes as it says are ready to."""
    from django.test import Client

    from django_routehandlers.caching import filling

    filling.TURN = job.get("turn", filling.TURN)
    found: list[tuple[int, str]] = []
    start = threading.Event()

    def ask() -> None:
        client = Client()
        start.wait()
        response = client.get(job["target"], headers={"host": "127.0.0.1"})
        found.append((response.status_code, response.content.decode()))

    threads = [threading.Thread(target=ask) for _ in range(job["threads"])]
    for thread in threads:
        thread.start()
    _meet(job["log"], job["meeting"], job["processes"])
    start.set()
    for thread in threads:
        thread.join()
    Path(job["log"]).write_text(json.dumps(found))


def _meet(log: str, meeting: str, processes: int) -> None:
    """Wait until so many processes have come to a place of that name."""
    Path(f"{log}.{meeting}").touch()
    deadline = time.monotonic() + 60
    while len(list(Path.cwd().glob(f"*.{meeting}"))) < processes:
        assert time.monotonic() < deadline, "the others have not come"
        time.sleep(0.01)


def refresh(job: dict[str, Any]) -> None:
    """Have stale entries refreshed in tasks until there were as many refreshes as the job says; note what is left."""
    from django.test import AsyncClient

    from django_routehandlers.caching.current import current_cache
    from django_routehandlers.engine.workers import worker_pool

    def is_open(connection: sqlite3.Connection) -> bool:
        try:
            return connection.total_changes >= 0
        except sqlite3.ProgrammingError:
            return False

    def left() -> list[int]:
        # Not its open files: SQLite closes some of those of a connection with another one of the process.
        found = [one for one in gc.get_objects() if isinstance(one, sqlite3.Connection)]
        return [threading.active_count(), sum(map(is_open, found))]

    async def run() -> dict[str, Any]:
        client = AsyncClient()
        kept: list[Any] = []
        start: list[int] = []
        deadline = time.monotonic() + job["limit"]
        while current_cache().counters.read()["refreshes"] < job["refreshes"] and time.monotonic() < deadline:
            for number in range(job["entries"]):
                response = await client.get(f"/refreshed/{number}")
                assert response.status_code == 200
                kept.extend(asyncio.all_tasks())
            start = start or left()
        await current_cache().refreshes.drain(10)
        # Threads that are kept for the next one end here; one that was lost does not.
        worker_pool().close()
        await asyncio.sleep(0.3)
        gc.collect()
        counts = dict(current_cache().counters.read())
        return {"start": start, "end": left(), **counts}

    Path(job["log"]).write_text(json.dumps(asyncio.run(run())))


def main() -> None:
    """Do the job of the command line."""
    sys.path.insert(0, os.getcwd())
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    import django

    django.setup()
    job = json.loads(sys.argv[1])
    if job["kind"] == "refresh":
        refresh(job)
    elif job["kind"] == "at once":
        ask_at_once(job)
    else:
        Worker(job).run()


if __name__ == "__main__":
    main()
