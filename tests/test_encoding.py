"""Values become JSON bytes, or one line of NDJSON."""

import dataclasses
import functools
import json
import uuid
from collections import namedtuple
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import orjson
import pydantic
import pytest
from django.contrib.contenttypes.models import ContentType
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, RootModel, field_serializer

from django_routehandlers.responses.encoding import encode_json, encode_line
from django_routehandlers.responses.jsonable import JSONEncodeError

# characters() holds lone surrogates, text() alone does not.
TEXT = st.text(st.characters())
SCALARS = st.none() | st.booleans() | st.integers() | st.integers(-(2**80), 2**80) | TEXT
SCALARS |= st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)

Point = namedtuple("Point", "x y")


class Size(StrEnum):
    LARGE = "large"


class Level(IntEnum):
    HIGH = 3


class Huge(Enum):
    COUNT = 2**70


class Late(datetime):
    """A subclass, as tools that freeze the time have one."""


@dataclasses.dataclass
class Line:
    name: str
    price: Decimal
    _cost: int = 1


@dataclasses.dataclass(slots=True)
class Slotted:
    a: int
    b: int = dataclasses.field(init=False)


@dataclasses.dataclass
class BelowSlotted(Slotted):
    c: object = None

    @functools.cached_property
    def total(self) -> int:
        return 7


class Product(BaseModel):
    id: int
    price: Decimal = Decimal("1.50")
    note: Any = None


class Basket(RootModel[list[Product]]):
    pass


class Measure(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="constants")

    value: float


@pydantic.dataclasses.dataclass
class Shouted:
    name: str

    @field_serializer("name")
    def shout(self, name: str) -> str:
        return name.upper()


class PlainBelowShouted(Shouted):
    pass


def nested(depth: int, leaf: object) -> object:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


def refusal(value: object) -> str:
    with pytest.raises(JSONEncodeError) as caught:
        encode_json(value)
    return str(caught.value)


@given(VALUES)
def test_json_reads_back_as_the_standard_library_writes_it(value: object) -> None:
    """Invariants 71 and 72: any text, integers of any size."""
    assert json.loads(encode_json(value)) == json.loads(json.dumps(value))


@given(VALUES)
def test_a_line_is_one_line_however_it_is_split(value: object) -> None:
    """Invariant 71."""
    line = encode_line(value)
    assert (line.split(b"\n")[1:], len(line.decode().splitlines())) == ([b""], 1)
    assert json.loads(line) == json.loads(encode_json(value))


@given(VALUES)
def test_values_are_written_alike_beside_one_that_orjson_refuses(value: object) -> None:
    """Invariant 73: the slow way and the fast way are one encoder."""
    assert encode_json([value, 2**70]) == b"[" + encode_json(value) + b",1180591620717411303424]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(float("nan"), b"null", id="nan"),
        pytest.param([float("inf"), -float("inf")], b"[null,null]", id="infinity"),
        pytest.param({float("nan"): 1}, b'{"null":1}', id="nan-name"),
        pytest.param(Measure(value=float("nan")), b'{"value":null}', id="model-that-allows-nan"),
        pytest.param([Measure(value=float("inf")), 2**70], b'[{"value":null},%d]' % 2**70, id="model-slow"),
    ],
)
def test_nan_and_infinity_are_null(value: object, expected: bytes) -> None:
    """Invariant 72."""
    assert encode_json(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(2**64 - 1, b"18446744073709551615", id="largest-native"),
        pytest.param(2**64, b"18446744073709551616", id="above-64-bits"),
        pytest.param(-(2**63) - 1, b"-9223372036854775809", id="below-64-bits"),
        pytest.param({2**64: 1}, b'{"18446744073709551616":1}', id="name"),
        pytest.param({2**64: 1, "18446744073709551616": 2}, b'{"%d":1,"%d":2}' % (2**64, 2**64), id="two-names"),
        pytest.param(Huge.COUNT, b"%d" % 2**70, id="enum"),
        pytest.param({Huge.COUNT: 1}, b'{"%d":1}' % 2**70, id="enum-name"),
        pytest.param({"note": Product(id=2**70)}, b'{"note":{"id":%d,"price":"1.50","note":null}}' % 2**70, id="model"),
        pytest.param(Line("a", 2**70), b'{"name":"a","price":%d}' % 2**70, id="dataclass"),  # type: ignore[arg-type]
    ],
)
def test_integers_of_any_size_are_written_in_full(value: object, expected: bytes) -> None:
    """Invariant 72."""
    assert encode_json(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("\ud800", rb'"\ud800"', id="value"),
        pytest.param({"\ud800": 1, 2: "é"}, rb'{"\ud800":1,"2":' + '"é"}'.encode(), id="name"),
        pytest.param([{"a": ("\udfff",)}], rb'[{"a":["\udfff"]}]', id="nested"),
        pytest.param(Product(id=1, note="\ud800"), rb'{"id":1,"price":"1.50","note":"\ud800"}', id="model"),
    ],
)
def test_lone_surrogates_are_escaped(value: object, expected: bytes) -> None:
    """Invariant 71."""
    assert encode_json(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC), b'"2020-01-02T03:04:05.000006Z"', id="datetime"),
        pytest.param(datetime(2020, 1, 2, 3, 4, 5, 999999), b'"2020-01-02T03:04:05.999999"', id="naive-datetime"),
        pytest.param(Late(2020, 1, 2, tzinfo=UTC), b'"2020-01-02T00:00:00Z"', id="datetime-subclass"),
        pytest.param(date(2020, 1, 2), b'"2020-01-02"', id="date"),
        pytest.param(time(1, 2, 3, 4), b'"01:02:03.000004"', id="time"),
        pytest.param(time(1, 2, tzinfo=UTC), b'"01:02:00Z"', id="time-with-offset"),
        pytest.param(timedelta(days=1, seconds=2, microseconds=3), b'"P1DT2.000003S"', id="timedelta"),
        pytest.param(uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"', id="uuid"),
        pytest.param(Decimal("1.50"), b'"1.50"', id="decimal"),
        pytest.param({Decimal("1.50"): Decimal("NaN")}, b'{"1.50":"NaN"}', id="decimal-name"),
        pytest.param([Size.LARGE, Level.HIGH], b'["large",3]', id="enum"),
        pytest.param({1: 2, None: 3, 1.5: 4, Size.LARGE: 5}, b'{"1":2,"null":3,"1.5":4,"large":5}', id="names"),
        pytest.param({"a": gettext_lazy("Hello")}, b'{"a":"Hello"}', id="lazy-translation"),
        pytest.param({lazystr("a"): lazystr("b")}, b'{"a":"b"}', id="lazy-name"),
        pytest.param(Point(1, Decimal(2)), b'[1,"2"]', id="namedtuple"),
        pytest.param((1, ()), b"[1,[]]", id="tuple"),
        pytest.param(Line("a", Decimal(2)), b'{"name":"a","price":"2"}', id="dataclass"),
        pytest.param({"a": [Basket([Product(id=1)])]}, b'{"a":[[{"id":1,"price":"1.50","note":null}]]}', id="model"),
        pytest.param(Line("a", Product(id=1)), b'{"name":"a","price":{"id":1,"price":"1.50","note":null}}', id="both"),  # type: ignore[arg-type]
        pytest.param(Product(id=1, note=lazystr("b")), b'{"id":1,"price":"1.50","note":"b"}', id="lazy-in-model"),
        pytest.param([Shouted("a")], b'[{"name":"A"}]', id="pydantic-dataclass"),
        pytest.param(orjson.Fragment(b"[1]"), b"[1]", id="fragment"),
    ],
)
def test_each_type_has_its_form(value: object, expected: bytes) -> None:
    """Invariant 72, on the fast way and on the slow one."""
    assert (encode_json(value), encode_json([2**70, value])) == (expected, b"[%d,%b]" % (2**70, expected))


def test_a_slot_that_was_never_set_is_left_out() -> None:
    assert encode_json(Slotted(1)) == b'{"a":1}'


def test_the_slots_of_a_parent_class_are_written_and_cached_properties_are_not() -> None:
    value = BelowSlotted(1, c=2)
    assert (value.total, encode_json(value)) == (7, b'{"a":1,"c":2}')


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            {"a": [1, {2}]},
            "At #/a/1: A set has no order. Use a list, such as sorted(values).",
            id="set",
        ),
        pytest.param(
            [b"x"],
            "At #/0: Bytes are not text. Decode them, or encode them as base64.",
            id="bytes",
        ),
        pytest.param(
            {"a/b": {"~": object()}},
            "At #/a~1b/~0: object has no JSON form. Use a dict, a list, a str or a number in its place.",
            id="unknown",
        ),
        pytest.param(
            [Line("a", object())],  # type: ignore[arg-type]
            "At #/0/price: object has no JSON form. Use a dict, a list, a str or a number in its place.",
            id="in-dataclass",
        ),
        pytest.param(
            {"a": Product},
            "At #/a: Product is a class. Use an instance of it.",
            id="class",
        ),
        pytest.param(
            {(1, 2): 3},
            "At #/(1, 2): A name in a JSON object is a string, and tuple has no form as one. Use a str.",
            id="tuple-name",
        ),
        pytest.param(
            {"\ud800": {1}},
            "At #/\\ud800: A set has no order. Use a list, such as sorted(values).",
            id="below-a-surrogate",
        ),
        pytest.param(
            {"a": ContentType.objects.all()},
            "At #/a: A QuerySet is a question to the database, not its answer. Use a list of dicts, such as "
            "[row async for row in queryset.values()], or list(queryset.values()) in a def handler.",
            id="queryset",
        ),
        pytest.param(
            [ContentType(model="a")],
            "At #/0: ContentType is a Django model, which does not say what of it may be shown. "
            "Use a pydantic model, or a dict of the fields to show.",
            id="model-instance",
        ),
        pytest.param(
            [(letter for letter in "ab")],
            "At #/0: A generator is not a value. Make it a list, or stream it with NDJSONResponse.",
            id="generator",
        ),
        pytest.param(
            10**5000,
            "At #: The integer has more digits than Python writes out. Use a str.",
            id="integer-of-5000-digits",
        ),
    ],
)
def test_a_refusal_points_to_the_value_and_says_what_to_use(value: object, message: str) -> None:
    assert refusal(value) == message


def test_a_refusal_inside_a_pydantic_model_says_what_to_use() -> None:
    assert refusal([Product(id=1, note=ContentType(model="a"))]) == (
        "At #/0: ContentType is a Django model, which does not say what of it may be shown. "
        "Use a pydantic model, or a dict of the fields to show."
    )


def test_what_pydantic_cannot_serialize_is_a_refusal() -> None:
    assert refusal({"a": RootModel[bytes](b"\xff")}) == (
        "At #/a: pydantic.root_model.RootModel[bytes] cannot be serialized by pydantic. "
        "'utf-8' codec can't decode byte 0xff in position 0: invalid utf-8"
    )


def test_a_coroutine_is_refused() -> None:
    async def rows() -> AsyncIterator[int]:
        yield 1

    async def count() -> int:
        return 1

    coroutine = count()
    assert (refusal({"a": coroutine}), refusal([rows()])) == (
        "At #/a: A coroutine has not run yet. Await it.",
        "At #/0: A generator is not a value. Make it a list, or stream it with NDJSONResponse.",
    )
    coroutine.close()


@pytest.mark.parametrize("leaf", [1, 2**70, "\ud800"])
def test_254_levels_are_written(leaf: object) -> None:
    assert encode_json(nested(254, leaf)) == b"[" * 254 + encode_json(leaf) + b"]" * 254


@pytest.mark.parametrize("leaf", [1, 2**70, "\ud800"])
@pytest.mark.parametrize("depth", [255, 100_000])
def test_deeper_values_are_refused(depth: int, leaf: object) -> None:
    """Invariant 72: no crash, whatever the depth."""
    assert refusal(nested(depth, leaf)) == "At #/0/0/0: The value nests deeper than 254 levels, or holds itself."


def test_a_value_that_holds_itself_is_refused() -> None:
    value: dict[str, object] = {}
    value["a"] = value
    assert refusal(value) == "At #/a/a/a: The value nests deeper than 254 levels, or holds itself."


def test_a_line_escapes_what_readers_take_for_line_breaks() -> None:
    """Invariant 71."""
    assert encode_line({"\u2028": "a\u0085b\u2029\n\r\x0b\x1cé"}) == (
        rb'{"\u2028":"a\u0085b\u2029\n\r\u000b\u001c' + 'é"}\n'.encode()
    )


@pytest.mark.parametrize("line_break", [b"\n", b"\r", b"\r\n"])
def test_a_fragment_with_line_breaks_is_put_on_one_line(line_break: bytes) -> None:
    line = encode_line([orjson.Fragment(b'{%b"a":1}' % line_break)])
    assert line == b'[{%b"a":1}]\n' % (b" " * len(line_break))


def test_names_of_models_are_aliases() -> None:
    class Named(BaseModel):
        unit_price: int = pydantic.Field(alias="unitPrice")
        odd: object = None

    value = Named(unitPrice=1)
    assert encode_json([value]) == b'[{"unitPrice":1,"odd":null}]'
    assert encode_json([value, 2**70]) == b'[{"unitPrice":1,"odd":null},1180591620717411303424]'
