"""What a fill reads and who writes, seen by the ORM of a real database; PostgreSQL where ``DATABASE_URL`` names one."""

import contextvars
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.cache import caches
from django.core.management import call_command
from django.db import Error, IntegrityError, OperationalError, connection, connections, models, transaction
from django.db.models import Count, Exists, OuterRef, Sum
from django.test import Client, TestCase
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pytest_django import Settings

from django_routehandlers.caching.queries import Wrapper, current_recording, install
from django_routehandlers.caching.schema import cache_tables, current_schema
from django_routehandlers.caching.transactions import is_uncommitted, journal, may_be_uncommitted
from shop.models import Customer, Order, OrderLine, Product, Subscriber

PRODUCT, CUSTOMER, ORDER, LINE, SUBSCRIBER = (
    model._meta.db_table for model in (Product, Customer, Order, OrderLine, Subscriber)
)
IS_SQLITE = connection.vendor == "sqlite"


class Reads:
    """A recording that keeps what it is told."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.snapshots: list[object] = []
        self.spoilt: list[str] = []

    def read_tables(self, tables: frozenset[str], *, snapshot: object | None) -> None:
        """Keep the tables, and the transaction."""
        self.tables |= tables
        self.snapshots.append(snapshot)

    def spoil(self, reason: str) -> None:
        """Keep the reason."""
        self.spoilt.append(reason)


@contextmanager
def recorded() -> Iterator[Reads]:
    """Record the queries of a block."""
    reads = Reads()
    token = current_recording.set(reads)
    try:
        yield reads
    finally:
        current_recording.reset(token)


@pytest.fixture
def told() -> Iterator[list[set[str]]]:
    """What was written, one set for each message."""
    messages: list[set[str]] = []
    before = journal().written
    install(lambda tables: messages.append(set(tables)))
    yield messages
    install(before)


@pytest.fixture
def shop(transactional_db: None, told: list[set[str]]) -> Any:
    """One of each thing, committed; nothing is told of it."""
    product = Product.objects.create(name="Oak", slug="oak", price=1)
    customer = Customer.objects.create(name="Ann", email="ann@example.com")
    order = Order.objects.create(customer=customer)
    OrderLine.objects.create(order=order, product=product, quantity=1, price=1)
    told.clear()
    return order


@pytest.fixture
def beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any, told: list[set[str]]
) -> Iterator[Callable[[], str]]:
    """Make databases in files, with subscribers; their aliases."""
    made: list[str] = []

    def make() -> str:
        alias = f"beside_{uuid4().hex}"
        settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / alias)}
        complete = connections.configure_settings({"default": {}, alias: settings})
        monkeypatch.setitem(connections.settings, alias, complete[alias])
        made.append(alias)
        with connections[alias].schema_editor() as editor:
            editor.create_model(Subscriber)
        Subscriber.objects.using(alias).create(email="ann@example.com")
        connections[alias].close()
        told.clear()
        return alias

    with django_db_blocker.unblock():
        yield make
        for alias in made:
            connections[alias].close()


@contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back what a block writes."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def execute(sql: Any, params: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


# Reads


def raw_cursor() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from Shop_Product -- of all")
        cursor.fetchone()


READS: list[tuple[str, Callable[[], object], set[str]]] = [
    ("get", lambda: Product.objects.get(slug="oak"), {PRODUCT}),
    ("filter", lambda: list(Product.objects.filter(price__gt=0)), {PRODUCT}),
    ("first", lambda: Product.objects.first(), {PRODUCT}),
    ("count", lambda: Product.objects.count(), {PRODUCT}),
    ("exists", lambda: Product.objects.filter(name__contains="o").exists(), {PRODUCT}),
    ("aggregate", lambda: OrderLine.objects.aggregate(Sum("quantity")), {LINE}),
    ("annotate", lambda: list(Customer.objects.annotate(n=Count("orders__lines"))), {CUSTOMER, ORDER, LINE}),
    ("values", lambda: list(OrderLine.objects.values("product__name")), {LINE, PRODUCT}),
    ("dates", lambda: list(Order.objects.dates("placed", "year")), {ORDER}),
    ("in_bulk", lambda: Product.objects.in_bulk(), {PRODUCT}),
    ("iterator", lambda: list(Product.objects.iterator()), {PRODUCT}),
    ("raw", lambda: list(Product.objects.raw("SELECT * FROM shop_product")), {PRODUCT}),
    ("cursor", raw_cursor, {PRODUCT}),
    ("select_related", lambda: list(OrderLine.objects.select_related("order__customer")), {LINE, ORDER, CUSTOMER}),
    ("prefetch_related", lambda: list(Order.objects.prefetch_related("lines")), {ORDER, LINE}),
    ("lazy relation", lambda: Order.objects.get().customer.name, {ORDER, CUSTOMER}),
    ("subquery", lambda: list(Order.objects.filter(customer__in=Customer.objects.all())), {ORDER, CUSTOMER}),
    (
        "exists in a query",
        lambda: list(Order.objects.filter(Exists(OrderLine.objects.filter(order=OuterRef("pk"))))),
        {ORDER, LINE},
    ),
    (
        "union",
        lambda: list(Product.objects.order_by().values("id").union(Customer.objects.order_by().values("id"))),
        {PRODUCT, CUSTOMER},
    ),
    ("exclude", lambda: list(Customer.objects.exclude(orders__lines__quantity=9)), {CUSTOMER, ORDER, LINE}),
    (
        "many-to-many",
        lambda: list(User.objects.filter(groups__name="x")),
        {"auth_user", "auth_user_groups", "auth_group"},
    ),
    ("none", lambda: list(Product.objects.none()), set()),
    # It may ask for a setting of the session.
    ("no table", lambda: execute("SELECT 1"), {"*"}),
]


@pytest.mark.parametrize(("read", "tables"), [row[1:] for row in READS], ids=[row[0] for row in READS])
def test_tables_of_a_read_are_recorded(read: Callable[[], object], tables: set[str], shop: Order) -> None:
    with recorded() as reads:
        read()
    assert (reads.tables, set(reads.snapshots), reads.spoilt) == (tables, {None} if tables else set(), [])


async def aget() -> None:
    await Product.objects.aget(slug="oak")


async def async_for() -> None:
    async for _ in Order.objects.select_related("customer"):
        pass


async def acount() -> None:
    await OrderLine.objects.acount()


async def in_another_thread() -> None:
    def read() -> None:
        list(Customer.objects.all())
        connection.close()

    await sync_to_async(read, thread_sensitive=False)()


ASYNC_READS = [(aget, {PRODUCT}), (async_for, {ORDER, CUSTOMER}), (acount, {LINE}), (in_another_thread, {CUSTOMER})]


@pytest.mark.parametrize(("read", "tables"), ASYNC_READS)
def test_reads_of_async_code_are_recorded_in_whichever_thread_they_run(
    read: Callable[[], Any], tables: set[str], shop: Order
) -> None:
    with recorded() as reads:
        async_to_sync(read)()
    assert reads.tables == tables


def test_reads_are_recorded_in_a_fresh_context(shop: Order) -> None:
    def fill() -> Reads:
        with recorded() as reads:
            async_to_sync(aget)()
        return reads

    assert contextvars.Context().run(fill).tables == {PRODUCT}


def test_reads_of_another_context_are_not_recorded(shop: Order) -> None:
    with recorded() as reads:
        contextvars.Context().run(Product.objects.count)
    assert reads.tables == set()


def test_tables_are_recorded_before_they_are_read(shop: Order) -> None:
    """Invariant 40: versions are noted before the data is read."""
    seen: list[set[str]] = []

    def note(execute: Any, *args: Any) -> Any:
        seen.append(set(reads.tables))
        return execute(*args)

    with recorded() as reads, connection.execute_wrapper(note):
        Product.objects.count()
    assert seen == [{PRODUCT}]


def test_own_tables_are_recorded_wherever_their_names_stand(shop: Order) -> None:
    with recorded() as reads:
        execute("SELECT 'x' AS shop_customer")
    assert reads.tables == {CUSTOMER}


def test_fill_that_writes_depends_on_what_its_updates_show(shop: Order) -> None:
    with recorded() as reads:
        Product.objects.filter(stock=0).update(stock=5)
        Subscriber.objects.create(email="a@example.com")
    assert reads.tables == {PRODUCT}


def test_statement_that_may_read_anything_spoils_the_fill(shop: Order) -> None:
    with recorded() as reads, pytest.raises(Error):
        execute("CALL nothing_of_this_name()")
    assert reads.spoilt == ["statement"]


def test_reads_of_a_failing_query_are_recorded(shop: Order) -> None:
    with recorded() as reads, pytest.raises(Error):
        execute("SELECT no_such_column FROM shop_product WHERE no_such_table.x = 1")
    assert reads.tables == {PRODUCT}


# Writes


def product() -> Product:
    return Product.objects.get()


def new_product(slug: str = "new") -> Product:
    return Product(name="New", slug=slug, price=2)


def raw_many() -> None:
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE Shop_Product SET stock = %s WHERE slug = %s", [(1, "oak"), (2, "elm")])


def add_group() -> None:
    User.objects.create(username="ann").groups.add(Group.objects.create(name="staff"))


def delete_in_admin() -> None:
    user = User.objects.create_superuser("root")
    client = Client()
    client.force_login(user)
    data = {"action": "delete_selected", "_selected_action": [Subscriber.objects.create(email="x@example.com").pk]}
    journal().written(frozenset({"here"}))
    response = client.post("/admin/shop/subscriber/", data | {"post": "yes"})
    assert response.status_code == 302


WRITES: list[tuple[str, Callable[[], object], set[str]]] = [
    ("create", lambda: new_product().save(), {PRODUCT}),
    ("save", lambda: product().save(), {PRODUCT}),
    ("save of a field", lambda: product().save(update_fields=["stock"]), {PRODUCT}),
    ("update", lambda: Product.objects.update(stock=1), {PRODUCT}),
    ("update by a subquery", lambda: Order.objects.filter(lines__quantity=1).update(status="paid"), {ORDER, LINE}),
    ("bulk_create", lambda: Product.objects.bulk_create([new_product(str(n)) for n in range(3)]), {PRODUCT}),
    (
        "bulk_create with updates",
        lambda: Product.objects.bulk_create(
            [new_product("oak")], update_conflicts=True, update_fields=["price"], unique_fields=["slug"]
        ),
        {PRODUCT},
    ),
    (
        "bulk_create that ignores",
        lambda: Product.objects.bulk_create([new_product("oak")], ignore_conflicts=True),
        {PRODUCT},
    ),
    ("get_or_create", lambda: Subscriber.objects.get_or_create(email="x@example.com"), {SUBSCRIBER}),
    ("update_or_create", lambda: Subscriber.objects.update_or_create(email="x@example.com"), {SUBSCRIBER}),
    ("delete", lambda: OrderLine.objects.get().delete(), {LINE}),
    ("delete at one go", lambda: OrderLine.objects.all().delete(), {LINE}),
    ("delete with what hangs on it", lambda: Order.objects.get().delete(), {ORDER, LINE}),
    ("raw SQL", lambda: execute("UPDATE shop_product SET stock = 3"), {PRODUCT}),
    ("executemany", raw_many, {PRODUCT}),
    ("DDL", lambda: execute("CREATE TABLE beside (x int)"), {"beside"}),
]


@pytest.mark.parametrize(("write", "tables"), [row[1:] for row in WRITES], ids=[row[0] for row in WRITES])
def test_tables_of_a_write_are_told(
    write: Callable[[], object], tables: set[str], shop: Order, told: list[set[str]]
) -> None:
    try:
        write()
        assert set[str]().union(*told) == tables
    finally:
        execute("DROP TABLE IF EXISTS beside")


def test_bulk_update_is_told(shop: Order, told: list[set[str]]) -> None:
    item = product()
    item.stock = 9
    Product.objects.bulk_update([item], ["stock"])
    assert told == [{PRODUCT}]


def test_many_to_many_changes_are_told(transactional_db: None, told: list[set[str]]) -> None:
    user, group = User.objects.create(username="ann"), Group.objects.create(name="staff")
    told.clear()
    user.groups.add(group)
    user.groups.set([])
    user.groups.add(group)
    user.groups.clear()
    assert told == [{"auth_user_groups"}] * 4


def test_delete_of_a_group_is_told_with_its_memberships(transactional_db: None, told: list[set[str]]) -> None:
    group = Group.objects.create(name="staff")
    User.objects.create(username="ann").groups.add(group)
    group.permissions.add(*Permission.objects.all()[:2])
    told.clear()
    group.delete()
    assert told == [{"auth_group", "auth_user_groups", "auth_group_permissions"}]


def test_action_of_the_admin_is_told(transactional_db: None, told: list[set[str]]) -> None:
    delete_in_admin()
    after = told[told.index({"here"}) + 1 :]
    assert {SUBSCRIBER, "django_admin_log"} <= set[str]().union(*after)


def test_flush_is_told(shop: Order, told: list[set[str]]) -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert {PRODUCT, CUSTOMER, ORDER, LINE} <= set[str]().union(*told)


def test_write_of_async_code_is_told(shop: Order, told: list[set[str]]) -> None:
    async def write() -> None:
        await Product.objects.acreate(name="Elm", slug="elm", price=1)

    async_to_sync(write)()
    assert told == [{PRODUCT}]


def test_statement_that_may_write_to_anything_is_told_as_such(shop: Order, told: list[set[str]]) -> None:
    if IS_SQLITE:
        pytest.skip("SQLite has no such statement")
    execute("DO $$ BEGIN DELETE FROM shop_orderline; END $$")
    assert told == [{"*"}]


def test_composed_statement_is_told(shop: Order, told: list[set[str]]) -> None:
    if IS_SQLITE:
        pytest.skip("SQLite's driver takes text alone")
    from psycopg import sql

    execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(LINE)))
    assert told == [{LINE}]


def test_reads_are_not_told(shop: Order, told: list[set[str]]) -> None:
    list(Product.objects.select_for_update(of=()).values() if IS_SQLITE else Product.objects.all())
    execute("SELECT 1;")
    assert told == []


def test_refused_write_is_not_told(shop: Order, told: list[set[str]]) -> None:
    with pytest.raises(IntegrityError):
        new_product("oak").save()
    assert told == []


def test_write_of_which_nobody_knows_whether_it_happened_is_told(shop: Order, told: list[set[str]]) -> None:
    def lose_connection(execute: Any, *args: Any) -> Any:
        execute(*args)
        raise OperationalError("the connection was lost behind the statement")

    with connection.execute_wrapper(lose_connection), pytest.raises(OperationalError):
        Product.objects.update(stock=1)
    assert told == [{PRODUCT}]


def test_rows_before_the_one_that_was_refused_are_told(shop: Order, told: list[set[str]]) -> None:
    with connection.cursor() as cursor, pytest.raises(IntegrityError):
        cursor.executemany("UPDATE shop_product SET price = %s", [(5,), (None,)])
    assert told == [{PRODUCT}]


def test_error_of_whoever_is_told_breaks_no_write(
    shop: Order, told: list[set[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """Invariant 45: trouble with the store fails no request, and is not swallowed."""

    def fail(tables: frozenset[str]) -> None:
        raise ConnectionError("no store")

    install(fail)
    with caplog.at_level(logging.ERROR, "django_routehandlers.cache"):
        Product.objects.update(stock=7)
        with transaction.atomic():
            Customer.objects.update(name="Eve")
    assert (product().stock, Customer.objects.get().name) == (7, "Eve")
    assert [(record.levelname, record.args) for record in caplog.records] == [
        ("ERROR", (PRODUCT,)),
        ("ERROR", (CUSTOMER,)),
    ]


# Transactions


def test_writes_of_a_transaction_are_told_once_on_commit(shop: Order, told: list[set[str]]) -> None:
    """Invariant 43: an invalidation inside ``atomic()`` happens on commit."""
    with transaction.atomic():
        Product.objects.update(stock=1)
        Customer.objects.update(name="Eve")
        Product.objects.update(stock=2)
        assert told == []
    assert told == [{PRODUCT, CUSTOMER}]


def test_writes_that_are_rolled_back_are_not_told(shop: Order, told: list[set[str]]) -> None:
    """Invariant 43: an invalidation inside ``atomic()`` does not happen on rollback."""
    with rolled_back():
        Product.objects.update(stock=1)
    assert told == []


def test_next_transaction_of_a_block_that_is_used_again_is_told_anew(shop: Order, told: list[set[str]]) -> None:
    @transaction.atomic
    def change(*, fails: bool) -> None:
        Product.objects.update(stock=1)
        if fails:
            raise RuntimeError

    for fails in (False, True, False):
        try:
            change(fails=fails)
        except RuntimeError:
            told.append({"failed"})
    assert told == [{PRODUCT}, {"failed"}, {PRODUCT}]


def test_writes_behind_a_savepoint_that_is_rolled_back_are_not_told(shop: Order, told: list[set[str]]) -> None:
    with transaction.atomic():
        Product.objects.update(stock=1)
        with rolled_back():
            Customer.objects.update(name="Eve")
            with transaction.atomic():
                Order.objects.update(status="paid")
        assert (is_uncommitted(frozenset({PRODUCT})), is_uncommitted(frozenset({CUSTOMER, ORDER}))) == (True, False)
    assert told == [{PRODUCT}]


def test_table_written_before_a_savepoint_is_told_though_the_savepoint_is_rolled_back(
    shop: Order, told: list[set[str]]
) -> None:
    with transaction.atomic():
        with transaction.atomic():
            Product.objects.update(stock=1)
        with rolled_back():
            Product.objects.update(stock=2)
    assert told == [{PRODUCT}]


def test_table_written_again_behind_a_rolled_back_savepoint_is_told(shop: Order, told: list[set[str]]) -> None:
    with transaction.atomic():
        with rolled_back():
            Product.objects.update(stock=2)
        Product.objects.update(stock=3)
    assert told == [{PRODUCT}]


def test_nested_blocks_without_savepoints_are_told(shop: Order, told: list[set[str]]) -> None:
    with transaction.atomic(), transaction.atomic(savepoint=False), transaction.atomic():
        Product.objects.update(stock=1)
    assert told == [{PRODUCT}]


@dataclass(frozen=True)
class Block:
    """An atomic block: what it writes, and blocks within it."""

    steps: "tuple[str | Block, ...]"
    fails: bool

    def run(self) -> None:
        """Do as it says, in the database."""
        with suppress(LookupError), transaction.atomic():
            for step in self.steps:
                if isinstance(step, Block):
                    step.run()
                else:
                    execute(f"UPDATE {step} SET id = id")
            if self.fails:
                raise LookupError

    @property
    def committed(self) -> set[str]:
        """What is written if whatever is around it is committed."""
        steps = [step.committed if isinstance(step, Block) else {step} for step in self.steps]
        return set() if self.fails else set[str]().union(*steps)


TABLES = st.sampled_from([PRODUCT, CUSTOMER, ORDER])
BLOCKS = st.recursive(
    st.builds(Block, st.lists(TABLES, max_size=2).map(tuple), st.booleans()),
    lambda inner: st.builds(Block, st.lists(TABLES | inner, max_size=4).map(tuple), st.booleans()),
    max_leaves=12,
)


@hypothesis.settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(BLOCKS, min_size=1, max_size=3))
def test_exactly_what_is_committed_is_told_however_blocks_are_nested(
    shop: Order, told: list[set[str]], blocks: list[Block]
) -> None:
    """Invariant 43: on commit, and not on rollback."""
    told.clear()
    for block in blocks:
        block.run()
    assert told == [block.committed for block in blocks if block.committed]


def test_savepoints_by_hand_are_told(shop: Order, told: list[set[str]]) -> None:
    with transaction.atomic():
        Product.objects.update(stock=1)
        # Its name since Django 6.1.
        create = "savepoint_create" if hasattr(transaction, "savepoint_create") else "savepoint"
        savepoint = getattr(transaction, create)()
        Customer.objects.update(name="Eve")
        transaction.savepoint_rollback(savepoint)
    # What was written behind it is told for nothing: Django does not know of it either.
    assert told == [{PRODUCT, CUSTOMER}]


def test_savepoint_whose_name_was_used_before_takes_nothing_back_of_the_earlier_one(
    shop: Order, told: list[set[str]]
) -> None:
    with transaction.atomic():
        with transaction.atomic():
            Product.objects.update(stock=1)
        transaction.clean_savepoints()
        with rolled_back():
            Customer.objects.update(name="Eve")
    assert (told, product().stock) == ([{PRODUCT}], 1)


def test_savepoint_within_one_of_its_name_takes_back_its_own_writes_alone(shop: Order, told: list[set[str]]) -> None:
    with transaction.atomic(), transaction.atomic():
        Product.objects.update(stock=1)
        transaction.clean_savepoints()
        with rolled_back():
            Customer.objects.update(name="Eve")
        Order.objects.update(status="paid")
    assert (told, product().stock) == ([{PRODUCT, ORDER}], 1)


def test_callback_that_fails_on_commit_keeps_no_write_from_being_told(shop: Order, told: list[set[str]]) -> None:
    def fail() -> None:
        raise RuntimeError

    def change() -> None:
        with transaction.atomic():
            transaction.on_commit(fail)
            Product.objects.update(stock=1)

    with pytest.raises(RuntimeError):
        change()
    assert told == [{PRODUCT}]


def test_write_of_a_callback_is_told(shop: Order, told: list[set[str]]) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: Customer.objects.update(name="Eve"))
        Product.objects.update(stock=1)
    assert told == [{PRODUCT}, {CUSTOMER}]


def test_many_writes_of_a_transaction_are_one_message(shop: Order, told: list[set[str]]) -> None:
    item = product()
    with transaction.atomic():
        for _ in range(300):
            with transaction.atomic():
                item.save()
        assert len(connection.run_on_commit) == 1
    assert told == [{PRODUCT}]


def test_definition_tells_at_once_where_the_database_commits_before_it(
    shop: Order, told: list[set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As MySQL and Oracle do.
    monkeypatch.setattr(connection.features, "can_rollback_ddl", False)
    with rolled_back():
        Product.objects.update(stock=1)
        execute("CREATE TABLE beside (x int)")
    assert told == [{PRODUCT, "beside"}]


def test_write_without_autocommit_is_told_at_once(shop: Order, told: list[set[str]]) -> None:
    transaction.set_autocommit(False)
    try:
        Product.objects.update(stock=1)
        with transaction.atomic():
            Customer.objects.update(name="Eve")
        with recorded() as reads:
            Product.objects.count()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert (told, reads.spoilt) == ([{PRODUCT}, {CUSTOMER}], ["transaction"])


# Transactions by hand


@pytest.fixture
def by_hand(shop: Order) -> Iterator[None]:
    """Roll back what a test has begun and not ended."""
    yield
    connection.rollback()


BY_HAND = [
    ("BEGIN", "COMMIT"),
    ("begin transaction;", "end"),
    ("BEGIN", "COMMIT AND CHAIN"),
    ("START TRANSACTION", "COMMIT WORK"),
    ("SAVEPOINT by_hand", "RELEASE by_hand"),
]
_IN_SQLITE = ("SAVEPOINT", "RELEASE")
_NOT_IN_SQLITE = ("START", "CHAIN", "WORK")


@pytest.mark.parametrize(("begin", "end"), BY_HAND)
def test_writes_of_a_transaction_by_hand_are_told_when_made_and_again_on_commit(
    begin: str, end: str, by_hand: None, told: list[set[str]]
) -> None:
    """Invariant 43: whoever reads in between keeps what was there before, and must be told on commit."""
    if any(word in f"{begin} {end}" for word in (_NOT_IN_SQLITE if IS_SQLITE else _IN_SQLITE)):
        pytest.skip("this database has no such statement")
    execute(begin)
    Product.objects.update(stock=1)
    Customer.objects.update(name="Eve")
    told.append({"end"})
    execute(end)
    Product.objects.count()
    assert told == [{PRODUCT}, {CUSTOMER}, {"end"}, {PRODUCT, CUSTOMER}]


def test_writes_of_a_transaction_by_hand_that_is_rolled_back_are_not_told_again(
    by_hand: None, told: list[set[str]]
) -> None:
    execute("BEGIN")
    Product.objects.update(stock=1)
    execute("ROLLBACK")
    execute("BEGIN")
    execute("COMMIT")
    assert told == [{PRODUCT}]


def test_writes_outside_of_a_transaction_by_hand_are_told_once(by_hand: None, told: list[set[str]]) -> None:
    Product.objects.update(stock=1)
    execute("BEGIN")
    execute("COMMIT")
    Product.objects.update(stock=2)
    with transaction.atomic():
        Customer.objects.update(name="Eve")
    execute("BEGIN")
    execute("COMMIT")
    assert told == [{PRODUCT}, {PRODUCT}, {CUSTOMER}]


def test_transaction_by_hand_that_something_else_has_ended_is_told_by_the_next_statement(
    by_hand: None, told: list[set[str]]
) -> None:
    execute("BEGIN")
    Product.objects.update(stock=1)
    connection.commit()
    Customer.objects.update(name="Eve")
    assert told == [{PRODUCT}, {CUSTOMER}, {PRODUCT}]


def test_commit_by_hand_of_which_nobody_knows_whether_it_happened_is_told(by_hand: None, told: list[set[str]]) -> None:
    def lose_connection(execute: Any, *args: Any) -> Any:
        execute(*args)
        raise OperationalError("the connection was lost behind the statement")

    execute("BEGIN")
    Product.objects.update(stock=1)
    with connection.execute_wrapper(lose_connection), pytest.raises(OperationalError):
        execute("COMMIT")
    assert told == [{PRODUCT}, {PRODUCT}]


def test_several_statements_in_one_text_are_told(by_hand: None, told: list[set[str]]) -> None:
    if IS_SQLITE:
        pytest.skip("SQLite's driver takes one statement at a time")
    execute("BEGIN; UPDATE shop_product SET stock = 1")
    execute("UPDATE shop_customer SET name = 'Eve'; COMMIT; BEGIN; SELECT 1")
    assert (told[0], told[-1]) == ({PRODUCT}, {PRODUCT, CUSTOMER})


def test_commit_by_hand_inside_of_a_block_is_told(beside: Callable[[], str], told: list[set[str]]) -> None:
    alias = beside()
    with suppress(Error), transaction.atomic(using=alias):
        Subscriber.objects.using(alias).update(topics=[1])
        connections[alias].cursor().execute("COMMIT")
        told.append({"committed"})
    assert told[:2] == [{SUBSCRIBER}, {"committed"}]


def test_read_in_a_transaction_by_hand_spoils_the_fill(by_hand: None) -> None:
    execute("BEGIN")
    with recorded() as within:
        Product.objects.count()
    execute("COMMIT")
    with transaction.atomic():
        pass
    with recorded() as behind:
        Product.objects.count()
    assert (within.spoilt, behind.spoilt) == (["transaction"], [])


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_table_is_uncommitted_until_a_transaction_by_hand_ends(end: str, by_hand: None) -> None:
    tables = frozenset({PRODUCT})
    found: list[bool] = []
    for step in ("BEGIN", "UPDATE shop_product SET stock = 1", end):
        execute(step)
        found.append(is_uncommitted(tables))
    assert (found, may_be_uncommitted(tables)) == ([False, True, False], False)


def test_connection_that_is_closed_takes_a_transaction_by_hand_with_it(
    beside: Callable[[], str], told: list[set[str]]
) -> None:
    alias = beside()
    with connections[alias].cursor() as cursor:
        cursor.execute("BEGIN")
        Subscriber.objects.using(alias).update(topics=[1])
    was_open = is_uncommitted(frozenset({SUBSCRIBER}))
    connections[alias].close()
    is_open = is_uncommitted(frozenset({SUBSCRIBER}))
    with connections[alias].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("COMMIT")
    assert (told, was_open, is_open) == ([{SUBSCRIBER}], True, False)


def test_transactions_of_two_databases_are_told_apart(beside: Callable[[], str], told: list[set[str]]) -> None:
    one, other = beside(), beside()
    with transaction.atomic(using=one):
        Subscriber.objects.using(one).update(topics=[1])
        with transaction.atomic(using=other), recorded() as reads:
            Subscriber.objects.using(other).count()
        Subscriber.objects.using(other).update(topics=[2])
        assert (told, reads.spoilt) == ([{SUBSCRIBER}], [])
    assert told == [{SUBSCRIBER}] * 2


# What is not committed


def test_read_of_an_uncommitted_table_spoils_the_fill(shop: Order) -> None:
    with transaction.atomic():
        Product.objects.update(stock=1)
        with recorded() as reads:
            Product.objects.count()
        with recorded() as others:
            Customer.objects.count()
    assert ("uncommitted" in reads.spoilt, "uncommitted" in others.spoilt) == (True, False)


@pytest.mark.parametrize("ends", ["commit", "rollback", "close", "commit that fails"])
def test_table_is_uncommitted_until_the_transaction_ends(ends: str, beside: Callable[[], str]) -> None:
    alias = beside()
    tables = frozenset({SUBSCRIBER})
    found = [(may_be_uncommitted(tables), is_uncommitted(tables))]
    with suppress(Error), transaction.atomic(using=alias):
        Subscriber.objects.using(alias).update(topics=[1])
        found.append((may_be_uncommitted(tables), is_uncommitted(tables)))
        if ends == "rollback":
            transaction.set_rollback(True, using=alias)
        if ends == "close":
            connections[alias].close()
        if ends == "commit that fails":
            connections[alias].cursor().execute("COMMIT")
    found.append((may_be_uncommitted(tables), is_uncommitted(tables)))
    assert found == [(False, False), (True, True), (False, False)]


def test_tables_of_another_threads_transaction_are_its_own(shop: Order) -> None:
    tables = frozenset({PRODUCT})

    async def ask() -> tuple[bool, bool]:
        def look() -> tuple[bool, bool]:
            return may_be_uncommitted(tables), is_uncommitted(tables)

        return await sync_to_async(look, thread_sensitive=False)()

    with transaction.atomic():
        Product.objects.update(stock=1)
        assert async_to_sync(ask)() == (True, False)


def test_transaction_of_a_thread_that_has_died_is_over(beside: Callable[[], str]) -> None:
    alias = beside()
    tables = frozenset({SUBSCRIBER})
    held: list[Any] = []

    def begin() -> None:
        transaction.atomic(using=alias).__enter__()
        Subscriber.objects.using(alias).update(topics=[1])
        held.extend([connections[alias], may_be_uncommitted(tables)])

    thread = Thread(target=begin)
    thread.start()
    thread.join()
    abandoned, was_open = held
    assert (was_open, may_be_uncommitted(tables)) == (True, False)
    abandoned.inc_thread_sharing()
    abandoned.close()


class AroundTests(TestCase):
    """What Django's own test case makes of it: its tests run in a transaction that is never committed."""

    def test_callbacks_of_the_project_are_the_only_ones(self) -> None:
        """A project that counts its callbacks counts none of ours."""
        install(journal().written)
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            transaction.on_commit(lambda: None)
            Product.objects.create(name="Oak", slug="oak", price=1)
        assert (len(callbacks), is_uncommitted(frozenset({PRODUCT}))) == (1, True)

    def test_fill_that_reads_what_the_test_has_written_is_spoilt(self) -> None:
        install(journal().written)
        Product.objects.create(name="Oak", slug="oak", price=1)
        with recorded() as reads:
            Product.objects.count()
        with recorded() as others:
            Customer.objects.count()
        assert (reads.spoilt, others.spoilt) == (["uncommitted"], [])


@pytest.mark.parametrize("count", [1, 2])
def test_nothing_of_a_test_is_uncommitted_in_the_next(count: int, db: None, told: list[set[str]]) -> None:
    assert may_be_uncommitted(frozenset({SUBSCRIBER})) is False
    Subscriber.objects.create(email="x@example.com")
    assert is_uncommitted(frozenset({SUBSCRIBER})) is True


# Snapshots


def test_snapshot_of_a_transaction_has_a_token_of_its_own(shop: Order) -> None:
    tokens: list[object] = []
    with recorded() as reads:
        for _ in range(2):
            with transaction.atomic():
                Product.objects.count()
                with transaction.atomic():
                    Customer.objects.count()
            tokens.append(reads.snapshots[-1])
    expected = [tokens[0], tokens[0], tokens[1], tokens[1]]
    assert (reads.snapshots == expected, reads.spoilt) == (True, [])
    # PostgreSQL's own default is READ COMMITTED: each query sees what was committed before it.
    assert (tokens[0] is None, tokens[0] == tokens[1]) == ((False, False) if IS_SQLITE else (True, True))


def test_snapshot_from_before_the_fill_spoils_it(shop: Order) -> None:
    with transaction.atomic():
        if not IS_SQLITE:
            execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        Product.objects.count()
        with recorded() as reads:
            Product.objects.count()
    connection.close()
    assert reads.spoilt == ["snapshot"]


def test_fill_may_begin_in_a_transaction_that_has_seen_nothing(shop: Order) -> None:
    with transaction.atomic(), recorded() as reads:
        Product.objects.count()
    assert reads.spoilt == []


# What is known of tables


def test_tables_of_database_caches_count_for_nothing(
    transactional_db: None, told: list[set[str]], settings: Settings
) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "Cache_Table"}}
    assert cache_tables() == {"cache_table"}
    call_command("createcachetable", verbosity=0)
    told.clear()
    try:
        with recorded() as reads:
            caches["default"].set("a", 1)
            assert caches["default"].get("a") == 1
        assert (reads.tables, told) == (set(), [])
    finally:
        execute('DROP TABLE "Cache_Table"')


def test_wrapper_is_there_once_however_often_it_is_installed(shop: Order, told: list[set[str]]) -> None:
    for _ in range(3):
        install(journal().written)
    connection.close()
    connection.ensure_connection()
    assert [type(wrapper) for wrapper in connection.execute_wrappers] == [Wrapper]


def test_wrapper_outlives_the_wrapper_inside_of_which_the_connection_was_made(beside: Callable[[], str]) -> None:
    other = connections[beside()].copy()

    def pass_on(execute: Any, *args: Any) -> Any:
        return execute(*args)

    with other.execute_wrapper(pass_on), other.cursor() as cursor:
        cursor.execute("SELECT 1")
    other.close()
    assert [type(wrapper) for wrapper in other.execute_wrappers] == [Wrapper]


def test_new_models_are_known_at_once() -> None:
    class Late(models.Model):
        when = models.DateTimeField(default=timezone.now)

        class Meta:
            app_label = "shop"
            db_table = '"other"."Shop_Late"'

    try:
        assert "shop_late" in current_schema().tables
    finally:
        del apps.all_models["shop"]["late"]
        apps.clear_cache()
    assert "shop_late" not in current_schema().tables
