"""Keys: two that are equal stand for the same, and none grows beyond bounds."""

from collections import Counter, OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntFlag
from functools import cached_property
from http.cookies import SimpleCookie
from itertools import combinations
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from django_routehandlers.caching.keys import digest, freeze, size_of
from django_routehandlers.caching.surroundings import zone_key
from django_routehandlers.caching.tags import DEPTH, path_tag, path_tags


class Flags(IntFlag):
    """Two flags."""

    A = 1
    B = 2


class Letter(Enum):
    """Two letters."""

    A = "a"
    B = "b"


@dataclass
class Point:
    """A dataclass, with a property that keeps what it has found."""

    x: int

    @cached_property
    def double(self) -> int:
        """Return twice the number."""
        return 2 * self.x


class Named(Point):
    """A subclass that holds more than the fields."""

    name = ""


class Money(Decimal):
    """A number that has a currency."""

    currency = ""


Pair = namedtuple("Pair", "a b")

VALUES: list[Any] = [
    None, "", "1", b"1", 1, True, 1.0, Decimal(1), Decimal("1.0"), 0, False, [], [1], (1,), {1}, frozenset({1}),
    ["a", "b"], ["a,b"], {"a": 1}, {"a": "1"}, {"b": 1, "a": 1}, {"a": 1, "b": 1}, OrderedDict(a=1), [["a"], "b"],
    ["a", ["b"]], UUID(int=1), datetime(2026, 1, 1), datetime(2026, 1, 1, fold=1), timedelta(1), Flags.A, Flags(4),
    Flags(8), Letter.A, Letter.B, Point(1), Point(2), Pair(1, 2), (1, 2), mark_safe("1"), "\ud800", "\0",
    QueryDict("tag=a&tag=z"), QueryDict("tag=b&tag=z"), QueryDict("tag=z"), MultiValueDict({"tag": ["z"]}),
]  # fmt: skip


def test_values_that_differ_have_keys_that_differ() -> None:
    """Invariant 23: whatever a function could tell apart, its key does."""
    frozen = [freeze(value) for value in VALUES]

    alike = [(one, other) for one, other in combinations(range(len(VALUES)), 2) if frozen[one] == frozen[other]]
    assert [(VALUES[one], VALUES[other]) for one, other in alike] == []
    assert len({digest((one,)) for one in frozen}) == len(VALUES)


def money(currency: str) -> Money:
    value = Money(1)
    value.currency = currency
    return value


@pytest.mark.parametrize(
    "value",
    [
        money("EUR"),
        Named(1),
        SimpleCookie("sid=ada"),
        Counter("a"),
        object(),
        len,
        SimpleLazyObject(lambda: 1),
        [object()],
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_that_may_hold_more_than_it_shows_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be part of a key"):
        freeze(value)


def test_what_a_property_has_kept_makes_no_difference() -> None:
    used = Point(1)

    assert (used.double, freeze(used)) == (2, freeze(Point(1)))


@pytest.mark.slow
@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_texts_do_not_run_together(one: list[str], other: list[str]) -> None:
    """Invariant 23, CVE-2026-6873."""
    assert (digest(tuple(one)) == digest(tuple(other))) == (one == other)


def test_size_counts_four_bytes_for_a_character() -> None:
    assert size_of(("😀" + "a" * 8000, ("b",))) > 4 * 8000


def test_zones_of_one_name_are_told_apart() -> None:
    zones = [ZoneInfo("Europe/Paris"), timezone(timedelta(hours=1), "client"), timezone(timedelta(hours=2), "client")]

    assert len({zone_key(zone) for zone in zones}) == 3


@pytest.mark.parametrize("length", [10, 1000, 30_000])
def test_path_has_a_bounded_number_of_tags(length: int) -> None:
    """Invariants 24 and 52: whoever asks for a deep path makes neither many tags nor much work."""
    assert len(path_tags("/a" * length)) <= DEPTH + 1


def test_what_is_below_a_deep_folder_is_covered() -> None:
    deep = "/a" * (DEPTH + 5)

    assert path_tag(deep, below=True) in path_tags(f"{deep}/b")
    assert path_tag("/a/b", below=True) in path_tags("/a/b/c")
    assert path_tag("/a/b", below=True) in path_tags("/a/b")
    assert path_tag("/", below=True) in path_tags("/a/b")
    assert path_tag("/a/b", below=True) not in path_tags("/a/bc")
