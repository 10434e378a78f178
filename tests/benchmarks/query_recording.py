"""
Measure what watching the queries of a project costs each of them.

    python tests/benchmarks/query_recording.py

Goal: a query that is neither recorded nor a write costs at most 5 microseconds more.

Queries are those of the ORM on SQLite in memory, where they are as cheap as queries get. Each figure
is the processor time of one call: the median of the rounds, which alternate between a connection
with our wrapper and one without, with the least and the most; "adds" is the median of the
differences, round by round. The wrapper alone is called with a function that does nothing.
"""

import gc
import time
from collections.abc import Callable
from statistics import median

import django
from django.conf import settings

ROUNDS = 25
CALLS = 500
SAVES = 10_000


def set_up() -> None:
    """Make a project with a database in memory."""
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def measure(call: Callable[[], object], count: int = CALLS) -> float:
    """Return the processor seconds of one call."""
    start = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - start) / count


def show(title: str, call: Callable[[], object], switch: Callable[[bool], None]) -> None:
    """Print what a call takes with and without the wrapper."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for is_on in times:
            switch(is_on)
            measure(call, 20)
            gc.collect()
            gc.disable()
            times[is_on].append(measure(call))
            gc.enable()
    adds = median(one - other for one, other in zip(times[True], times[False], strict=True))
    cells = "".join(f"{value * 1e6:>9.2f}" for value in (median(times[True]), min(times[True]), max(times[True]), adds))
    print(f"{title:52}{cells}")


def save_many(count: int) -> tuple[float, int]:
    """Return the seconds of one transaction of *count* saves, and how often anybody was told."""
    from django.contrib.auth.models import Group
    from django.db import transaction

    from django_routehandlers.caching.queries import install

    told: list[frozenset[str]] = []
    install(told.append)
    group = Group.objects.get()
    start = time.process_time()
    with transaction.atomic():
        for _ in range(count):
            with transaction.atomic():
                group.save()
    return time.process_time() - start, len(told)


class Reads:
    """A recording that keeps nothing."""

    def read_tables(self, tables: frozenset[str], *, snapshot: object | None) -> None:
        """Be told, as a fill is."""

    def spoil(self, reason: str) -> None:
        """Be told, as a fill is."""


def watch(is_on: bool) -> None:
    """Put the wrapper in, or take it out."""
    from django.db import connection

    from django_routehandlers.caching.queries import Wrapper, current_recording

    connection.execute_wrappers[:] = [Wrapper()] if is_on else []
    current_recording.set(None)


def record(is_on: bool) -> None:
    """Put the wrapper in and record, or take it out."""
    from django_routehandlers.caching.queries import current_recording

    watch(is_on)
    current_recording.set(Reads() if is_on else None)


def show_all(sql: str) -> None:
    """Print a line for each kind of query."""
    from django.contrib.auth.models import Group
    from django.db import connection, transaction

    group = Group.objects.get()
    context = {"connection": connection, "cursor": None}

    def alone() -> None:
        for wrapper in connection.execute_wrappers:
            wrapper(lambda *args: None, sql, (), False, context)

    def get() -> None:
        Group.objects.get(pk=group.pk)

    def many_parameters() -> None:
        list(Group.objects.filter(id__in=range(400)).values_list("id"))

    def update() -> None:
        Group.objects.update(name="staff")

    def save() -> None:
        with transaction.atomic():
            group.save()

    print(f"{'Microseconds of processor time':52}{'median':>9}{'least':>9}{'most':>9}{'adds':>9}")
    show(f"the wrapper alone, a read of {len(sql)} characters", alone, watch)
    show("the wrapper alone, a read, recorded", alone, record)
    show("get", get, watch)
    show("get, recorded", get, record)
    show("read with 400 parameters", many_parameters, watch)
    show("read with 400 parameters, recorded", many_parameters, record)
    show("update", update, watch)
    with transaction.atomic():
        show("get, in a transaction", get, watch)
        show("update, in a transaction", update, watch)
        show("save, in a transaction with savepoints", save, watch)


def main() -> None:
    """Print the tables."""
    set_up()
    from django.contrib.auth.models import Group, Permission

    from django_routehandlers.caching.queries import install
    from django_routehandlers.caching.statements import read_statement

    install(lambda tables: None)
    Group.objects.create(name="staff")
    sql = str(Permission.objects.filter(group__name="x", content_type__app_label="auth").query)
    show_all(sql)
    watch(True)
    texts = [f"{sql} -- {number}" for number in range(2000)]
    seconds = [measure(lambda: read_statement(texts.pop()), 200) for _ in range(5)]
    print(f"\nA text of {len(sql)} characters is read for the first time in {median(seconds) * 1e6:.0f} µs")
    for count in (SAVES // 4, SAVES):
        seconds_of_all, told = save_many(count)
        print(
            f"{count:,} saves, each behind a savepoint: {seconds_of_all / count * 1e6:.1f} µs each, told {told} times"
        )


if __name__ == "__main__":
    main()
