"""What the models say of their tables, above all which ones the database itself changes with others."""

from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.apps import apps
from django.db import connection, models
from django.test.utils import isolate_apps

from django_routehandlers.caching.queries import install
from django_routehandlers.caching.schema import Schema, current_schema, read_schema, table_name
from django_routehandlers.caching.transactions import journal
from shop.models import Order, Product

needs_cascades = pytest.mark.skipif(django.VERSION < (6, 1), reason="the database cascades since Django 6.1")


@isolate_apps("shop")
def define(*actions: str) -> list[type[models.Model]]:
    """Return a chain of models, each of which refers to the one before by an action."""
    chain: list[type[models.Model]] = []
    for index, action in enumerate(("", *actions)):
        fields: dict[str, Any] = {"__module__": "shop.models", "Meta": type("Meta", (), {"app_label": "shop"})}
        if action:
            default: dict[str, Any] = {"db_default": 1} if action == "DB_SET_DEFAULT" else {}
            fields["on"] = models.ForeignKey(chain[-1], getattr(models, action), null=True, **default)
        chain.append(type(f"M{index}", (models.Model,), fields))
    return chain


def cascades(*actions: str) -> dict[str, frozenset[str]]:
    """Return the cascades of a chain of models, without the label of their app."""
    found = read_schema(define(*actions)).cascades or {}
    return {
        table.removeprefix("shop_"): frozenset(name.removeprefix("shop_") for name in names)
        for table, names in found.items()
    }


@needs_cascades
@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["DB_CASCADE"], {"m0": {"m1"}}),
        (["DB_CASCADE", "DB_CASCADE"], {"m0": {"m1", "m2"}, "m1": {"m2"}}),
        (["DB_CASCADE", "DB_SET_NULL"], {"m0": {"m1", "m2"}, "m1": {"m2"}}),
        # Rows that are changed, not deleted, take no others with them.
        (["DB_SET_NULL", "DB_CASCADE"], {"m0": {"m1"}, "m1": {"m2"}}),
        (["DB_SET_DEFAULT"], {"m0": {"m1"}}),
        (["DB_CASCADE", "DO_NOTHING"], {"m0": {"m1"}}),
    ],
)
def test_database_changes_tables_with_others(actions: list[str], expected: dict[str, set[str]]) -> None:
    assert cascades(*actions) == expected


def test_cascades_of_django_need_nothing() -> None:
    assert cascades("CASCADE", "SET_NULL", "PROTECT") == {}


@needs_cascades
@isolate_apps("shop")
def test_cascades_may_go_in_a_circle() -> None:
    class Circle(models.Model):
        of = models.ForeignKey("self", models.DB_CASCADE, null=True)

        class Meta:
            app_label = "shop"

    assert read_schema([Circle]) == Schema(frozenset({"shop_circle"}), {"shop_circle": frozenset({"shop_circle"})})


def test_tables_written_with_others() -> None:
    schema = Schema(frozenset("abcd"), {"a": frozenset("bc"), "d": frozenset("c")})
    assert schema.written_with(frozenset("ad")) == frozenset("abcd")
    assert schema.written_with(frozenset("b")) == frozenset("b")
    assert Schema().written_with(frozenset("a")) == frozenset("a")


@pytest.fixture
def family(transactional_db: None) -> Iterator[list[type[models.Model]]]:
    """A model and one that refers to it, with their tables."""
    chain = define("DB_CASCADE")
    for model in chain:
        apps.all_models["shop"][model._meta.model_name or ""] = model
    apps.clear_cache()
    with connection.schema_editor() as editor:
        for model in chain:
            editor.create_model(model)
    yield chain
    with connection.schema_editor() as editor:
        for model in reversed(chain):
            editor.delete_model(model)
    for model in chain:
        del apps.all_models["shop"][model._meta.model_name or ""]
    apps.clear_cache()


@needs_cascades
def test_delete_that_the_database_carries_on_is_told_with_what_it_takes_along(
    family: list[type[models.Model]],
) -> None:
    parent, child = (model._default_manager for model in family)
    child.create(on=parent.create())
    told: list[frozenset[str]] = []
    before = journal().written
    install(told.append)
    try:
        parent.all().delete()
    finally:
        install(before)
    assert (told, child.count()) == ([{"shop_m0", "shop_m1"}], 0)


def test_tables_of_the_project_are_known_with_those_between_them() -> None:
    expected = {Product._meta.db_table, Order._meta.db_table, "auth_user_groups"}
    assert expected <= current_schema().tables


@pytest.mark.parametrize(
    ("db_table", "name"),
    [
        ("shop_product", "shop_product"),
        ("Shop_Product", "shop_product"),
        ('"shop"."Product"', "product"),
        ('shop"."product', "product"),
        ("[dbo].[Product]", "product"),
        ("order lines", "order lines"),
    ],
)
def test_name_of_a_table_is_that_of_statements(db_table: str, name: str) -> None:
    assert table_name(db_table) == name
