"""``@cached``: what is kept of functions, by what key, for how long, and what callers get."""

import asyncio
import functools
import inspect
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from socket import socket
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.http import HttpResponse
from django.test import override_settings
from django.utils import timezone, translation
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, computed_field
from pytest_django import Settings
from typing_extensions import TypedDict

from conftest import Site
from django_routehandlers.caching.cached import cached
from django_routehandlers.caching.current import current_cache, forget_cache
from django_routehandlers.caching.invalidation import arevalidate_tag, revalidate_tag

TENANT: ContextVar[str] = ContextVar("tenant")
Call = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("own_cache")


@dataclass
class Probe:
    """A function that counts its runs, and how it is called."""

    kind: str
    runs: list[Any] = field(default_factory=list)

    def wrap(self, function: Call | None = None, **options: Any) -> Call:
        """Return a cached function, sync or async, that counts; it returns what *function* does, or the count."""
        runs = self.runs

        def run(*args: Any) -> Any:
            runs.append(args)
            return len(runs) if function is None else function(*args)

        if self.kind == "sync":

            @cached(**options)
            def called(*args: Any) -> Any:
                return run(*args)

            return called

        @cached(**options)
        async def acalled(*args: Any) -> Any:
            await asyncio.sleep(0)
            return run(*args)

        return async_to_sync(acalled)


@pytest.fixture(params=["sync", "async"])
def probe(request: pytest.FixtureRequest) -> Probe:
    return Probe(request.param)


# What is kept, by what key


def test_result_is_kept_by_its_arguments(probe: Probe) -> None:
    function = probe.wrap(lambda number: number * 2)

    assert [function(1), function(2), function(1), function(2)] == [2, 4, 2, 4]
    assert probe.runs == [(1,), (2,)]


def test_decorator_is_written_with_arguments_or_without() -> None:
    runs: list[str] = []

    @cached
    def bare() -> int:
        runs.append("bare")
        return 1

    @cached()
    def called() -> int:
        runs.append("called")
        return 2

    assert [bare(), bare(), called(), called()] == [1, 1, 2, 2]
    assert runs == ["bare", "called"]


def test_function_keeps_its_name_its_signature_and_whether_it_is_async() -> None:
    @cached(revalidate=5)
    def plain(x: int, *, y: str = "a") -> int:
        """Say what it does."""
        return x

    @cached
    async def waits(x: int) -> int:
        return x

    assert (plain.__name__, plain.__doc__, plain.__module__) == ("plain", "Say what it does.", __name__)
    assert str(inspect.signature(plain)) == "(x: int, *, y: str = 'a') -> int"
    assert [inspect.iscoroutinefunction(function) for function in (plain, waits)] == [False, True]


def test_arguments_are_one_key_however_they_are_passed() -> None:
    runs: list[tuple[int, int]] = []

    @cached
    def add(x: int, y: int = 2) -> int:
        runs.append((x, y))
        return x + y

    assert [add(1), add(x=1), add(1, 2), add(1, y=2), add(y=2, x=1)] == [3] * 5
    assert runs == [(1, 2)]


class Size(Enum):
    SMALL = 1


@dataclass(frozen=True)
class Point:
    x: int


class Text(str):
    """Not quite a str."""


ARGUMENTS = [1, True, 1.0, "1", b"1", Decimal(1), Decimal("1.0"), [1], (1,), {1}, frozenset({1}), {1: 1}, {"1": 1}]
ARGUMENTS += [0, -0.0, 0.0, False, None, "", "None", [], (), {}, [[]], [None], ("a", "b:c"), ("a:b", "c"), ["a", "b:c"]]
ARGUMENTS += [Size.SMALL, Point(1), Point(2), date(2026, 1, 1), datetime(2026, 1, 1), timedelta(1)]
ARGUMENTS += [UUID(int=1), "00000000-0000-0000-0000-000000000001", math.inf, "inf", "é", "e\u0301", "\ud800"]


def test_different_arguments_have_results_of_their_own() -> None:
    @cached
    def show(value: object) -> str:
        return f"{type(value).__name__} {value!r}"

    expected = [f"{type(value).__name__} {value!r}" for value in ARGUMENTS]
    assert [show(value) for value in ARGUMENTS] == expected
    assert [show(value) for value in ARGUMENTS] == expected


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def typed(value: Any) -> Any:
    """Return *value* in a form that is equal only for values of the same types."""
    match value:
        case list() | tuple():
            return type(value), [typed(one) for one in value]
        case dict():
            return dict, [(typed(name), typed(one)) for name, one in value.items()]
        case _:
            return type(value), repr(value)


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_VALUES, _VALUES), min_size=2, max_size=6))
def test_distinct_arguments_never_share_a_result(pairs: list[tuple[Any, Any]]) -> None:
    """Invariant 23: the key is injective."""
    runs: list[object] = []

    @cached
    def show(first: Any, second: Any) -> int:
        runs.append((first, second))
        return len(runs)

    results = [show(*pair) for pair in pairs]
    again = [show(*pair) for pair in pairs]

    assert again == results
    forms = [typed(pair) for pair in pairs]
    assert [[one == other for other in forms] for one in forms] == [
        [one == other for other in results] for one in results
    ]


def test_functions_of_one_name_in_several_calls_of_a_factory_share_nothing() -> None:
    """Invariant 23: what a function sees of the one around it is in no key, so each has entries of its own."""

    def make(number: int) -> Callable[[], int]:
        @cached
        def inner() -> int:
            return number

        return inner

    one, two = make(1), make(2)

    assert [one(), two(), one(), two()] == [1, 2, 1, 2]


def test_arguments_that_are_many_do_not_fill_memory(settings: Settings) -> None:
    """Invariant 24: what is kept is bounded in bytes."""
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "LOCAL_TIER_SIZE": 100_000}

    @cached
    def echo(text: str) -> str:
        return text

    for number in range(1000):
        echo(f"{number:01000}")

    tier = current_cache().tier
    assert tier is not None
    assert 0 < tier.bytes_used <= 100_000


def test_method_of_a_dataclass_is_kept_by_its_fields() -> None:
    runs: list[int] = []

    @dataclass
    class Shop:
        number: int

        @cached
        def name(self, suffix: str) -> str:
            runs.append(self.number)
            return f"{self.number}{suffix}"

    assert [Shop(1).name("a"), Shop(2).name("a"), Shop(1).name("a"), Shop(1).name("b")] == ["1a", "2a", "1a", "1b"]
    assert runs == [1, 2, 1]


def test_static_method_is_decorated_below_staticmethod() -> None:
    class Shop:
        @staticmethod
        @cached
        def name(number: int) -> str:
            return f"shop {number}"

    assert [Shop.name(1), Shop().name(1)] == ["shop 1"] * 2


@pytest.mark.parametrize("is_enabled", [True, False])
def test_argument_that_cannot_be_part_of_a_key_is_refused(settings: Settings, is_enabled: bool) -> None:
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": is_enabled}

    class Shop:
        @cached
        def name(self) -> str:
            return ""

    @cached
    def count(first: int, groups: object) -> int:
        return 1

    with pytest.raises(TypeError) as refused:
        count(1, object())
    with pytest.raises(TypeError) as refused_self:
        Shop().name()

    rule = "cannot be part of a key: what it holds cannot be told. Pass what identifies it: "
    rule += "text, a number, a date, an id, or a list, dict or dataclass of these."
    here = f"{__name__}.test_argument_that_cannot_be_part_of_a_key_is_refused.<locals>"
    assert str(refused.value) == f"{here}.count(): the argument `groups`: a value of type object {rule}"
    shop = f"{Shop.__qualname__}"
    assert str(refused_self.value) == (
        f"{here}.Shop.name(): the argument `self`: a value of type {shop} {rule} "
        "Or make the class a dataclass, or a function of it."
    )


def test_wrong_arguments_are_refused_as_by_the_function() -> None:
    @cached
    def double(x: int) -> int:
        return 2 * x

    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        double()  # type: ignore[call-arg]


def test_arguments_that_the_caller_changes_later_fill_no_other_key() -> None:
    """Invariant 23: a run that is under way goes on with the arguments of its key."""
    goes_on = asyncio.Event()

    @cached
    async def total(numbers: list[int]) -> int:
        await goes_on.wait()
        return sum(numbers)

    async def scenario() -> list[int]:
        numbers = [1]
        task = asyncio.ensure_future(total(numbers))
        await asyncio.sleep(0)
        numbers.append(10)
        goes_on.set()
        return [await task, await total([1]), await total([1, 10])]

    assert asyncio.run(scenario()) == [1, 1, 11]


def test_function_changes_no_argument_of_its_caller(probe: Probe) -> None:
    function = probe.wrap(lambda numbers: numbers.pop())
    numbers = [1, 2]

    assert [function(numbers), function(numbers)] == [2, 2]
    assert numbers == [1, 2]


# What is decorated


class Callable_:
    def __call__(self) -> int:
        return 1


def _numbers() -> Iterator[int]:
    yield 1


async def _anumbers() -> Any:
    yield 1


def _nothing() -> None:
    pass


async def _atags() -> list[str]:
    return []


untyped: Any = cached
untyped_nothing: Any = _nothing
WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "class": (lambda: untyped(Point), TypeError, "is no function written with `def`"),
    "callable": (lambda: untyped(Callable_()), TypeError, "is no function written with `def`"),
    "partial": (lambda: untyped(functools.partial(print, 1)), TypeError, "is no function written with `def`"),
    "bound method": (lambda: untyped(Callable_().__call__), TypeError, "is no function written with `def`"),
    "builtin": (lambda: untyped(len), TypeError, "is no function written with `def`"),
    "staticmethod": (lambda: untyped(staticmethod(_nothing)), TypeError, "Write @cached below @staticmethod."),
    "classmethod": (lambda: untyped(classmethod(untyped_nothing)), TypeError, "Write @cached below @classmethod."),
    "generator": (lambda: untyped(_numbers), TypeError, "_numbers() is a generator, which returns no value"),
    "async generator": (lambda: untyped(_anumbers), TypeError, "_anumbers() is a generator, which returns no value"),
    "revalidate=True": (lambda: untyped(revalidate=True)(_nothing), ValueError, "_nothing(): revalidate is True."),
    "revalidate=-1": (lambda: untyped(revalidate=-1)(_nothing), ValueError, "_nothing(): revalidate is -1."),
    "revalidate text": (lambda: untyped(revalidate="60")(_nothing), ValueError, "_nothing(): revalidate is '60'."),
    "tags text": (lambda: untyped(tags="products")(_nothing), TypeError, "_nothing(): the tags are 'products'."),
    "tags numbers": (lambda: untyped(tags=[1])(_nothing), TypeError, "_nothing(): the tags are [1]."),
    "async tags": (lambda: untyped(tags=_atags)(_nothing), TypeError, "a plain function that returns one."),
    "tags of other": (lambda: untyped(tags=lambda id: [])(_nothing), TypeError, "for its tags takes `id`, which"),
    "depends_on text": (lambda: untyped(depends_on="a")(_nothing), TypeError, "_nothing(): depends_on is 'a'."),
    "depends_on app": (lambda: untyped(depends_on=[1])(_nothing), TypeError, "_nothing(): depends_on is [1]."),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_cached_is_refused_when_it_is_decorated(case: str) -> None:
    decorate, kind, message = WRONG[case]

    with pytest.raises(kind) as refused:
        decorate()

    assert message in str(refused.value)


# What results are kept


class Money(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: Decimal = Field(alias="wert", serialization_alias="betrag")
    note: str | None = None

    @computed_field
    @property
    def shown(self) -> str:
        return f"{self.amount} €"


class Special(Money):
    more: int = 0


class Row(TypedDict):
    id: int
    day: date


_T = TypeVar("_T")


class Page(BaseModel, Generic[_T]):
    items: list[_T]


class Tree(BaseModel):
    children: "list[Tree]" = []


ANNOTATED: dict[str, tuple[Any, Any]] = {
    "None": (None, None),
    "datetime": (datetime, datetime(2026, 1, 2, 3, 4, 5, 6)),
    "aware": (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
    "UUID": (UUID, UUID(int=7)),
    "Decimal": (Decimal, Decimal("1.10")),
    "bytes": (bytes, b"\xff\x00"),
    "list of bytes": (list[bytes], [b"\xff"]),
    "NaN": (float, math.nan),
    "infinity": (float | None, -math.inf),
    "enum": (Size, Size.SMALL),
    "tuple": (tuple[int, str], (1, "a")),
    "set": (set[date], {date(2026, 1, 1)}),
    "frozenset": (frozenset[int], frozenset({1, 2})),
    "int keys": (dict[int, str], {1: "a"}),
    "counter": (Counter[str], Counter("aab")),
    "dataclass": (Point, Point(3)),
    "list of dataclasses": (list[Point], [Point(3), Point(4)]),
    "typed dict": (Row, {"id": 1, "day": date(2026, 1, 1)}),
    "model": (Money, Money(wert=Decimal("2.50"))),
    "generic": (Page[Money], Page[Money](items=[Money(wert=Decimal(1), note="n")])),
    "recursive": (Tree, Tree(children=[Tree(), Tree(children=[Tree()])])),
    "text annotation": ("list[Point | None]", [Point(1), None]),
    "text inside": (list["Point"], [Point(1)]),
    "union": (int | str, "5"),
    "timedelta": (timedelta, timedelta(days=1, microseconds=3)),
}


def annotate(value: Any, annotation: Any, runs: list[int] | None = None) -> Callable[[], Any]:
    """Return a cached function with that return annotation."""

    def function() -> Any:
        if runs is not None:
            runs.append(1)
        return value

    if annotation is not inspect.Signature.empty:
        function.__annotations__["return"] = annotation
    else:
        function.__annotations__.clear()
    return cached(function)


@pytest.mark.parametrize("case", ANNOTATED)
def test_result_comes_back_as_the_annotation_says(case: str) -> None:
    annotation, value = ANNOTATED[case]
    runs: list[int] = []
    function = annotate(value, annotation, runs)

    results = [function(), function()]

    assert [(type(one), str(one)) for one in results] == [(type(value), str(value))] * 2
    assert runs == [1]


JSON_VALUES = [None, True, 0, -1, 2**53, 1.5, -0.0, "", "é\u2028", [], [1, [2.0, None]], {}, {"a": {"b": [True]}}]


@pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
def test_result_without_annotation_is_kept_as_json(value: Any) -> None:
    runs: list[int] = []
    function = annotate(value, inspect.Signature.empty, runs)

    assert [repr(function()), repr(function())] == [repr(value)] * 2
    assert runs == [1]


UNKEPT = [
    (1,),
    {1: "a"},
    {"a": {1}},
    [datetime(2026, 1, 1)],
    b"a",
    Decimal(1),
    math.nan,
    UUID(int=1),
    Size.SMALL,
    Point(1),
    Money(wert=Decimal(1)),
    2**70,
    "\ud800",
    Text("a"),
    mark_safe("<b>"),
    Counter("a"),
    object(),
    len,
]


@pytest.mark.parametrize("value", UNKEPT, ids=[f"{number} {type(one).__name__}" for number, one in enumerate(UNKEPT)])
def test_result_that_json_would_change_is_refused_without_annotation(value: Any) -> None:
    function = annotate(value, inspect.Signature.empty)

    with pytest.raises(TypeError) as refused:
        function()

    assert str(refused.value).startswith(f"{__name__}.annotate.<locals>.function(): a")
    assert str(refused.value).endswith(
        "Annotate what the function returns, as in `-> list[date]`, or return a dict, a list, text or numbers."
    )


CHANGED: dict[str, tuple[Any, Any]] = {
    "another type": (int, "5"),
    "text that reads as a date": (datetime | str, "2026-01-01T00:00:00"),
    "tuple as sequence": (Sequence[int], (1, 2)),
    "subclass": (Money, Special(wert=Decimal(1))),
    "subclass inside": (list[Money], [Special(wert=Decimal(1), more=3)]),
    "safe text": (str, mark_safe("<b>")),
    "counter as dict": (dict[str, int], Counter("a")),
    "dates in a bare list": (list, [date(2026, 1, 1)]),
    "NaN in a model": (Page[float | None], Page[float | None](items=[math.nan])),
}


@pytest.mark.parametrize("case", CHANGED)
def test_result_that_its_annotation_would_change_is_refused(case: str) -> None:
    annotation, value = CHANGED[case]
    function = annotate(value, annotation)

    with pytest.raises(TypeError) as refused:
        function()

    assert " cannot be kept: " in str(refused.value)
    assert str(refused.value).endswith("Return what the annotation names, or annotate what is returned.")


@pytest.mark.parametrize("annotation", [inspect.Signature.empty, list, object], ids=repr)
def test_rows_of_the_database_are_refused_with_a_remedy(annotation: Any) -> None:
    remedy = "Return dicts, such as list(queryset.values()), or pydantic models of the fields that are needed."
    values = {"a Group": Group(name="a"), "a QuerySet": Group.objects.all()}

    for name, value in values.items():
        for returned in (value, [value]):
            with pytest.raises(TypeError) as refused:
                annotate(returned, annotation)()
            assert str(refused.value) == f"{__name__}.annotate.<locals>.function(): {name} cannot be kept. {remedy}"


@pytest.mark.parametrize("annotation", [Group, list[Group]], ids=["model", "list"])
def test_annotation_of_rows_is_refused_with_a_remedy(annotation: Any) -> None:
    with pytest.raises(TypeError) as refused:
        annotate([], annotation)()

    assert "function(): the return annotation has no JSON form: " in str(refused.value)
    assert str(refused.value).endswith("or pydantic models of the fields that are needed.")


def test_annotation_whose_names_are_missing_is_refused() -> None:
    with pytest.raises(TypeError) as refused:
        annotate(1, "Missing")()

    assert str(refused.value) == (
        f"{__name__}.annotate.<locals>.function(): the return annotation has no JSON form: name 'Missing' is not "
        "defined. Import it, or define it, where the function's module sees it."
    )


def test_response_and_coroutine_are_refused() -> None:
    @cached
    def forgets():
        return asyncio.sleep(0)

    with pytest.raises(TypeError, match=r"forgets\(\): returned a coroutine, which has not run yet."):
        _ = forgets()
    with pytest.raises(TypeError, match=r"function\(\): a response cannot be kept."):
        annotate(HttpResponse(), inspect.Signature.empty)()


def test_result_that_cannot_be_kept_is_refused_where_nothing_is_kept_as_well(settings: Settings) -> None:
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": False}

    with pytest.raises(TypeError, match="cannot be kept"):
        annotate((1,), inspect.Signature.empty)()


def test_every_caller_gets_a_result_of_its_own(probe: Probe) -> None:
    """Invariant 16: what is kept is bytes, and what one caller does to its result no other sees."""
    function = probe.wrap(lambda: {"items": [1]})

    for _ in range(3):
        result = function()
        assert result == {"items": [1]}
        result["items"].append(2)
    assert probe.runs == [()]


def test_caller_changes_nothing_of_what_the_function_itself_holds(probe: Probe) -> None:
    """Invariant 16: the run that fills returns a copy, as a hit does."""
    own = {"items": [1]}
    function = probe.wrap(lambda: own)

    function()["items"].append(2)

    assert own == {"items": [1]}


def test_entry_that_no_longer_reads_is_no_result(settings: Settings) -> None:
    """Invariant 17: what an older version has written is a miss, never an error."""
    versions: list[Any] = [str, list[int]]

    def load(value: Any) -> Any:
        def price() -> Any:
            return value

        price.__qualname__ = "price"
        price.__annotations__["return"] = versions.pop(0)
        return cached(revalidate=False)(price)

    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "BUILD_ID": "pinned"}

    assert load("ten")() == "ten"
    newer = load([10])
    assert [newer(), newer()] == [[10], [10]]


def test_result_over_the_limit_is_returned_but_not_kept(settings: Settings, probe: Probe) -> None:
    """Invariant 18."""
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "MAX_CACHED_BODY": 100}
    function = probe.wrap(lambda: "a" * 200)

    assert [function(), function()] == ["a" * 200] * 2
    assert len(probe.runs) == 2


# For how long


def test_default_lifetime_is_that_of_the_settings(settings: Settings, probe: Probe) -> None:
    function = probe.wrap()
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "DEFAULT_REVALIDATE": 0}

    assert [function(), function()] == [1, 2]


def test_revalidate_0_is_never_kept_and_takes_any_argument(probe: Probe) -> None:
    function = probe.wrap(lambda value: len(probe.runs), revalidate=0)
    value = object()

    assert [function(value), function(value)] == [1, 2]
    assert probe.runs == [(value,), (value,)]


def test_stale_result_is_returned_once_more_while_it_is_made_anew(probe: Probe) -> None:
    function = probe.wrap(revalidate=1)
    assert function() == 1
    time.sleep(1.05)

    assert function() == 1
    wait_until(lambda: len(probe.runs) == 2)
    wait_until(lambda: function() == 2)
    assert len(probe.runs) == 2


def test_stale_result_is_made_anew_on_the_loop_of_its_caller() -> None:
    loops: list[object] = []

    @cached(revalidate=1)
    async def count() -> int:
        loops.append(asyncio.get_running_loop())
        return len(loops)

    async def scenario() -> list[int]:
        first = await count()
        await asyncio.sleep(1.05)
        stale = await count()
        await current_cache().refreshes.drain(5)
        assert set(loops) == {asyncio.get_running_loop()}
        return [first, stale, await count()]

    assert asyncio.run(scenario()) == [1, 1, 2]


def test_refresh_of_a_function_that_is_dynamic_by_now_drops_what_was_kept(probe: Probe) -> None:
    """Invariant 14: once it depends on what may not be kept, nothing older is returned for it."""
    never = Probe("sync")
    dynamic = never.wrap(revalidate=0)
    is_dynamic: list[bool] = []
    function = probe.wrap(
        lambda: f"dynamic {sync_call(dynamic)}" if is_dynamic else "static", revalidate=1, depends_on=None
    )
    assert function() == "static"
    is_dynamic.append(True)
    time.sleep(1.05)
    function()
    wait_until(lambda: len(probe.runs) == 2)
    time.sleep(0.05)

    assert [function(), function()] == ["dynamic 2", "dynamic 3"]


def test_background_refresh_can_be_switched_off(settings: Settings, probe: Probe) -> None:
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "BACKGROUND_REFRESH": False}
    function = probe.wrap(revalidate=1)
    assert function() == 1
    time.sleep(1.05)

    assert [function(), function()] == [2, 2]


# What ends it sooner


def test_tag_ends_a_result(probe: Probe) -> None:
    function = probe.wrap(revalidate=False, tags=["prices"])
    assert [function(), function()] == [1, 1]

    revalidate_tag("other")
    assert function() == 1
    revalidate_tag("prices")
    assert [function(), function()] == [2, 2]


def test_tags_may_be_a_function_of_the_arguments() -> None:
    runs: list[tuple[int, str]] = []

    @cached(tags=lambda id: [f"product-{id}", "products"])
    def price(id: int, currency: str = "EUR") -> int:
        runs.append((id, currency))
        return len(runs)

    assert [price(1), price(2), price(1, "USD")] == [1, 2, 3]
    revalidate_tag("product-1")
    assert [price(2), price(1), price(1, "USD")] == [2, 4, 5]
    revalidate_tag("products")
    assert [price(1), price(2)] == [6, 7]


def test_tags_may_be_a_function_of_any_arguments() -> None:
    @cached(tags=lambda **given: [f"{name}={value}" for name, value in given.items()])
    def price(id: int, currency: str = "EUR") -> str:
        return uuid4().hex

    first = price(1)
    assert price(1) == first
    revalidate_tag("currency=EUR")
    assert price(1) != first


def test_function_for_tags_that_returns_no_tags_is_refused() -> None:
    @cached(tags=lambda id: "products")
    def price(id: int) -> int:
        return id

    with pytest.raises(TypeError, match=r"price\(\): the tags are 'products'\. They are a list of str"):
        price(1)


@pytest.mark.django_db(transaction=True)
def test_write_to_a_table_that_was_read_ends_a_result(probe: Probe) -> None:
    function = probe.wrap(lambda: Group.objects.count())
    if probe.kind == "async":
        function = in_thread(lambda: Group.objects.count(), probe)
    assert [function(), function()] == [0, 0]

    Group.objects.create(name="a")
    assert [function(), function()] == [1, 1]
    Permission.objects.update(name="another table")
    assert function() == 1
    assert len(probe.runs) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("depends_on", "counts"),
    [(None, [0, 0]), ([Group], [0, 2]), (["AUTH_GROUP"], [0, 2])],
    ids=["None", "model", "name"],
)
def test_tables_may_be_named(depends_on: Any, counts: list[int]) -> None:
    total: list[int] = [0]

    @cached(depends_on=depends_on)
    def count() -> int:
        return total[0]

    found = [count()]
    total[0] = 2
    Group.objects.create(name="a")
    found.append(count())

    assert found == counts


@pytest.mark.django_db(transaction=True)
def test_uncommitted_rows_are_seen_by_the_transaction_alone() -> None:
    @cached
    def names() -> list[str]:
        return list(Group.objects.order_by("name").values_list("name", flat=True))

    assert names() == []
    with transaction.atomic():
        Group.objects.create(name="a")
        assert names() == ["a"]
        with ThreadPoolExecutor(1) as other:
            assert other.submit(closing(names)).result() == []
        transaction.set_rollback(True)
    assert names() == []


def test_result_made_of_what_was_there_before_an_invalidation_is_not_kept() -> None:
    """Invariant 40: an invalidation beats the run that is under way."""
    row = ["old"]
    has_read, goes_on = asyncio.Event(), asyncio.Event()

    @cached(tags=["row"])
    async def read() -> str:
        value = row[0]
        has_read.set()
        await goes_on.wait()
        return value

    async def scenario() -> list[str]:
        fill = asyncio.ensure_future(read())
        await has_read.wait()
        row[0] = "new"
        await arevalidate_tag("row")
        late = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        goes_on.set()
        return [await fill, await late, await read()]

    assert asyncio.run(scenario()) == ["old", "new", "new"]


# One run for many callers


def test_five_hundred_threads_share_one_run() -> None:
    """Invariant 32."""
    runs: list[int] = []

    @cached
    def slow() -> str:
        runs.append(1)
        time.sleep(0.3)
        return "made"

    with ThreadPoolExecutor(500) as threads:
        results = list(threads.map(lambda _: slow(), range(500)))

    assert results == ["made"] * 500
    assert runs == [1]


def test_five_hundred_tasks_share_one_run() -> None:
    """Invariant 32."""
    runs: list[int] = []

    @cached
    async def slow() -> str:
        runs.append(1)
        await asyncio.sleep(0.2)
        return "made"

    async def scenario() -> list[str]:
        return await asyncio.gather(*(slow() for _ in range(500)))

    assert asyncio.run(scenario()) == ["made"] * 500
    assert runs == [1]


def test_caller_that_is_cancelled_takes_nobody_with_it() -> None:
    """Invariant 33."""
    runs: list[int] = []

    @cached
    async def slow() -> str:
        runs.append(1)
        await asyncio.sleep(0.1)
        return "made"

    async def scenario() -> list[str | BaseException]:
        calls = [asyncio.ensure_future(slow()) for _ in range(20)]
        await asyncio.sleep(0.02)
        calls[0].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    first, *others = asyncio.run(scenario())
    assert isinstance(first, asyncio.CancelledError)
    assert others == ["made"] * 19
    assert runs == [1]


def test_exception_is_raised_to_each_caller_and_never_kept(probe: Probe) -> None:
    """Invariant 34."""
    faults = [ValueError("one"), ValueError("two")]

    def fail() -> str:
        if faults:
            raise faults.pop(0)
        return "made"

    function = probe.wrap(fail)

    for message in ("one", "two"):
        with pytest.raises(ValueError, match=message):
            function()
    assert function() == "made"


def test_those_who_wait_for_a_run_that_fails_run_their_own() -> None:
    """Invariant 34."""
    runs: list[int] = []

    @cached
    async def fragile() -> str:
        runs.append(1)
        number = len(runs)
        await asyncio.sleep(0.05)
        if number == 1:
            raise ValueError("the first")
        return "made"

    async def scenario() -> list[str | BaseException]:
        return await asyncio.gather(*(fragile() for _ in range(5)), return_exceptions=True)

    first, *others = asyncio.run(scenario())
    assert repr(first) == "ValueError('the first')"
    assert others == ["made"] * 4


def test_result_that_may_not_be_kept_is_shared_with_nobody() -> None:
    """Invariant 35."""
    numbers: list[int] = []

    @cached(revalidate=0)
    async def secret() -> int:
        numbers.append(1)
        return len(numbers)

    @cached
    async def page() -> int:
        found = await secret()
        await asyncio.sleep(0.05)
        return found

    async def scenario() -> list[int]:
        return await asyncio.gather(*(page() for _ in range(50)))

    assert sorted(asyncio.run(scenario())) == list(range(1, 51))


def test_function_that_calls_itself_with_the_same_arguments_does_not_wait_for_itself(probe: Probe) -> None:
    def twice() -> int:
        return len(probe.runs) if len(probe.runs) > 1 else sync_call(again)

    if probe.kind == "sync":
        again = function = probe.wrap(twice)
    else:
        runs = probe.runs

        @cached
        async def again() -> int:
            runs.append(())
            return len(runs) if len(runs) > 1 else await again()

        function = async_to_sync(again)

    began = time.monotonic()
    assert [function(), function()] == [2, 2]
    assert time.monotonic() - began < 5


def test_function_that_calls_itself_with_others_keeps_each(probe: Probe) -> None:
    runs: list[int] = []

    @cached
    def fibonacci(n: int) -> int:
        runs.append(n)
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(40) == 102334155
    assert sorted(runs) == list(range(41))


# What it sees


def test_language_and_time_zone_are_seen_and_keyed(probe: Probe) -> None:
    """Invariant 13."""
    function = probe.wrap(lambda: f"{translation.get_language()} {timezone.get_current_timezone_name()}")
    seen: list[str] = []
    for _ in range(2):
        for language, zone in (("de", "Europe/Berlin"), ("fr", "Europe/Berlin"), ("de", "Asia/Tokyo")):
            with translation.override(language), timezone.override(zone):
                seen.append(function())

    assert seen == ["de Europe/Berlin", "fr Europe/Berlin", "de Asia/Tokyo"] * 2
    assert len(probe.runs) == 3


@pytest.mark.parametrize("is_enabled", [True, False])
def test_context_variable_that_is_not_named_is_not_seen(settings: Settings, probe: Probe, is_enabled: bool) -> None:
    """Invariant 13: what is in no key is not there, cached or not."""
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": is_enabled}
    function = probe.wrap(lambda: TENANT.get("nobody"))

    TENANT.set("acme")
    assert [function(), function()] == ["nobody"] * 2


def test_context_variable_that_is_named_is_seen_and_keyed(settings: Settings, probe: Probe) -> None:
    """Invariant 13."""
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "CACHE_CONTEXT": [f"{__name__}.TENANT"]}
    function = probe.wrap(lambda: TENANT.get("nobody"))
    seen: list[str] = []
    for tenant in ("acme", "globex", "acme"):
        TENANT.set(tenant)
        seen.append(function())

    assert seen == ["acme", "globex", "acme"]
    assert len(probe.runs) == 2


def test_context_variable_without_a_form_for_keys_keeps_nothing(settings: Settings, probe: Probe) -> None:
    """Invariant 13."""
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "CACHE_CONTEXT": [f"{__name__}.TENANT"]}
    function = probe.wrap(lambda: TENANT.get().name)
    seen: list[str] = []
    for tenant in ("acme", "globex"):
        TENANT.set(SimpleNamespace(name=tenant))  # type: ignore[arg-type]
        seen.append(function())

    assert seen == ["acme", "globex"]


def test_nothing_is_kept_where_the_cache_is_off(settings: Settings, probe: Probe) -> None:
    settings.ROUTEHANDLERS = {}
    function = probe.wrap()

    with override_settings(DEBUG=True):
        assert [function(), function()] == [1, 2]


# On an event loop


def test_sync_function_is_kept_on_an_event_loop_too(settings: Settings) -> None:
    runs: list[int] = []

    @cached
    def load() -> int:
        runs.append(1)
        return len(runs)

    async def scenario() -> list[int]:
        return [load(), load(), await sync_to_async(load)()]

    assert asyncio.run(scenario()) == [1, 1, 1]


def test_event_loop_does_not_wait_for_a_run_that_waits_for_the_loop() -> None:
    has_begun = threading.Event()
    calls: list[int] = []

    async def wait() -> str:
        await asyncio.sleep(0.2)
        return "waited"

    @cached
    def load() -> str:
        calls.append(1)
        if len(calls) > 1:
            return "alone"
        has_begun.set()
        return async_to_sync(wait)()

    async def scenario() -> list[str]:
        other = asyncio.ensure_future(sync_to_async(load)())
        await asyncio.to_thread(has_begun.wait)
        return [load(), await other, load()]

    began = time.monotonic()
    assert asyncio.run(scenario()) == ["alone", "waited", "waited"]
    assert time.monotonic() - began < 5


@pytest.mark.django_db(transaction=True)
def test_event_loop_asks_no_database_for_the_result_of_a_sync_function(settings: Settings) -> None:
    backend = "django.core.cache.backends.db.DatabaseCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "kept_of_functions"}}
    call_command("createcachetable", verbosity=0)
    probe = Probe("sync")
    load = probe.wrap(tags=["loaded"])

    @cached
    async def page() -> list[int]:
        return [load(), load()]

    async def scenario() -> list[int]:
        return [load(), *(await page()), await sync_to_async(load)(), load()]

    try:
        assert asyncio.run(scenario()) == [1, 2, 3, 4, 4]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE kept_of_functions")


# What the store does


MODULE_RUNS = Counter[str]()


@cached
def module_function(name: str) -> datetime:
    MODULE_RUNS[name] += 1
    return datetime(2026, 1, MODULE_RUNS[name])


def test_result_is_found_in_the_store_by_another_process() -> None:
    name = uuid4().hex
    first = module_function(name)
    # Nothing is left of what this process has in memory.
    forget_cache()

    assert module_function(name=name) == first == datetime(2026, 1, 1)
    assert MODULE_RUNS[name] == 1


def test_other_build_finds_nothing_of_this_one(settings: Settings) -> None:
    name = uuid4().hex
    for build in ("one", "two"):
        settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "BUILD_ID": build}
        module_function(name)

    assert MODULE_RUNS[name] == 2


def test_store_that_is_down_costs_no_result(settings: Settings, probe: Probe) -> None:
    """Invariant 45."""
    with socket() as unused:
        unused.bind(("127.0.0.1", 0))
        location = f"redis://127.0.0.1:{unused.getsockname()[1]}"
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}}
        function = probe.wrap(lambda: "made", tags=["a"])
        outer = Probe("sync").wrap(lambda: sync_call(function) if probe.kind == "sync" else "made")
        began = time.monotonic()
        results = [function(), function(), outer(), outer()]

    assert results == ["made"] * 4
    # Far from what one call of a client without a time limit takes, and far above what a busy machine does.
    assert time.monotonic() - began < 5


# What is called while something else is filled


@pytest.mark.parametrize("is_hit", [True, False], ids=["hit", "miss"])
def test_tags_of_an_inner_function_end_the_outer_one(probe: Probe, is_hit: bool) -> None:
    inner = Probe("sync")
    price = inner.wrap(revalidate=False, tags=["price"])
    page = probe.wrap(lambda: f"costs {sync_call(price)}", revalidate=False)
    if is_hit:
        price()

    assert [page(), page()] == ["costs 1"] * 2
    revalidate_tag("price")
    assert page() == "costs 2"


def test_tags_of_an_inner_function_that_has_just_failed_end_the_outer_one() -> None:
    """Invariant 40: behind a failure everybody runs alone for a while, and depends on no less."""
    faults = [1]
    amounts = [1]

    @cached(revalidate=False, tags=["price"])
    def price() -> int:
        if faults:
            faults.pop()
            raise ValueError
        return amounts[0]

    @cached(revalidate=False)
    def page() -> int:
        return price()

    with pytest.raises(ValueError):  # noqa: PT011 - it has no message
        price()
    assert page() == 1
    amounts[0] = 2
    revalidate_tag("price")
    assert page() == 2


def test_lifetime_of_an_inner_function_shortens_that_of_the_outer_one(probe: Probe, settings: Settings) -> None:
    settings.ROUTEHANDLERS = {"CACHE_ENABLED": True, "BACKGROUND_REFRESH": False}
    inner = Probe("sync")
    price = inner.wrap(revalidate=1)
    page = probe.wrap(lambda: sync_call(price), revalidate=False)

    assert [page(), page()] == [1, 1]
    time.sleep(1.05)
    assert page() == 2


def test_outer_function_is_not_kept_where_the_inner_one_never_is(probe: Probe) -> None:
    inner = Probe("sync")
    price = inner.wrap(revalidate=0)
    page = probe.wrap(lambda: sync_call(price), revalidate=False)

    assert [page(), page(), page()] == [1, 2, 3]


@pytest.mark.django_db(transaction=True)
def test_tables_of_an_inner_function_end_the_outer_one() -> None:
    @cached(revalidate=False)
    def count() -> int:
        return Group.objects.count()

    @cached(revalidate=False)
    def named() -> int:
        return 1

    @cached(revalidate=False)
    def page() -> list[int]:
        return [count(), named()]

    assert [page(), page()] == [[0, 1]] * 2
    Group.objects.create(name="a")
    assert page() == [1, 1]


@pytest.mark.parametrize("edge", ["WSGI", "ASGI"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_route_depends_on_what_it_calls(site: Site, monkeypatch: pytest.MonkeyPatch, edge: str, kind: str) -> None:
    site.settings.ROUTEHANDLERS = {"CACHE_ENABLED": True}
    inner = Probe("sync")
    price = inner.wrap(revalidate=False, tags=["price"])

    @cached(revalidate=False, tags=["aprice"])
    async def aprice() -> int:
        return price() * 10

    helpers = ModuleType("price_helpers")
    vars(helpers).update(price=price, aprice=aprice)
    monkeypatch.setitem(sys.modules, "price_helpers", helpers)
    call = "price_helpers.price()" if kind == "sync" else "await price_helpers.aprice()"
    define = "def" if kind == "sync" else "async def"
    site.serve({"page/route.py": f"import price_helpers\nrevalidate = False\n\n\n{define} GET():\n    return {call}\n"})

    def get() -> bytes:
        if edge == "WSGI":
            return site.client.get("/page").content

        async def send() -> bytes:
            return (await site.async_client.get("/page")).content

        return asyncio.run(send())

    first, second = (b"1", b"2") if kind == "sync" else (b"10", b"20")
    assert [get(), get()] == [first] * 2
    revalidate_tag("price")
    assert [get(), get()] == [second] * 2
    assert len(inner.runs) == 2


def sync_call(function: Call) -> Any:
    """Call a sync cached function within a run, in whatever it runs."""
    return function()


def in_thread(function: Call, probe: Probe) -> Call:
    """Return an async cached function that counts, and asks the database in a thread."""

    @cached
    async def ask() -> Any:
        probe.runs.append(())
        return await sync_to_async(function)()

    return async_to_sync(ask)


def closing(function: Call) -> Call:
    """Return *function* for a thread of its own, which leaves no connection behind."""

    def run() -> Any:
        try:
            return function()
        finally:
            connections.close_all()

    return run


def wait_until(is_done: Callable[[], bool]) -> None:
    """Wait for a refresh in the background."""
    deadline = time.monotonic() + 5
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
