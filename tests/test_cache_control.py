"""Cache-Control and Vary as values: tables of what is written, and what a careful cache makes of it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_routehandlers.policies.cache_control import (
    LONGEST,
    PRIVATE,
    CacheControl,
    parse_cache_control,
    public_cache_control,
    vary_names,
)


@pytest.mark.parametrize(
    ("field", "directives"),
    [
        ("", ()),
        (" , ,, ", ()),
        ("private", (("private", None),)),
        ("Private , nO-StOrE", (("private", None), ("no-store", None))),
        ("max-age=60", (("max-age", "60"),)),
        ("MAX-AGE=60,\tx=Y", (("max-age", "60"), ("x", "Y"))),
        ('max-age="60"', (("max-age", "60"),)),
        ('no-cache="Set-Cookie, X"', (("no-cache", "Set-Cookie, X"),)),
        (r'x="a\"b\\c, private"', (("x", 'a"b\\c, private'),)),
        ('x="", y=', (("x", ""), ("y", ""))),
        ("x-private-thing=1", (("x-private-thing", "1"),)),
        ("a=b=c", (("a", "b=c"),)),
        ('x="no end, private', (("x", ""), ('"no end', None), ("private", None))),
        ("max-age=1, max-age=2", (("max-age", "1"), ("max-age", "2"))),
    ],
)
def test_directives_are_read(field: str, directives: tuple[tuple[str, str | None], ...]) -> None:
    assert parse_cache_control(field) == CacheControl(directives)


@pytest.mark.parametrize(
    ("field", "is_forbidden"),
    [
        ("private", True),
        ("Private", True),
        ("PRIVATE, max-age=60", True),
        (" private ", True),
        ("max-age=60,private", True),
        ('private="X-Name"', True),
        ("no-store", True),
        ("nO-StOrE", True),
        ("public, no-store", True),
        ("no-cache", True),
        ("No-Cache", True),
        ('no-cache="x"', True),
        ('public, max-age=60, no-cache="Set-Cookie, X"', True),
        ("no-cache=", True),
        ("max-age=0", True),
        ("Max-Age=0", True),
        ("s-maxage=0", True),
        ("max-age=60, s-maxage=0", True),
        ("public, max-age=60, S-MaxAge=0", True),
        ("max-age=00", True),
        ("max-age=-1", True),
        ("max-age=soon", True),
        ("max-age", True),
        ("max-age=60, max-age=0", True),
        ('x="no end, private', True),
        (PRIVATE, True),
        ("", False),
        ("public", False),
        ("max-age=60", False),
        ("public, max-age=0, s-maxage=60", False),
        ("s-maxage=60, max-age=soon", False),
        ("x-private-thing=1", False),
        ("x-no-store, my-private", False),
        ('x="private, no-store"', False),
        ("must-revalidate, max-age=60", False),
        ("stale-while-revalidate=0, s-maxage=60", False),
    ],
)
def test_opt_out_counts_in_any_spelling_and_nothing_else_does(field: str, is_forbidden: bool) -> None:
    """Invariant 2, CVE-2026-8404: directives are words in any case, not parts of words or of quoted strings."""
    assert parse_cache_control(field).forbids_storing is is_forbidden


@given(st.sampled_from(["private", "no-store", "no-cache", "max-age=0", "s-maxage=0"]), st.data())
def test_opt_out_counts_in_any_case_and_place(directive: str, data: st.DataObject) -> None:
    """Invariant 2, CVE-2026-8404."""
    spelling = "".join(data.draw(st.sampled_from([char.lower(), char.upper()])) for char in directive)
    others = data.draw(st.lists(st.sampled_from(["public", "max-age=60", 'x="a, b"', "", "y=1"]), max_size=4))
    place = data.draw(st.integers(0, len(others)))
    comma = data.draw(st.sampled_from([",", ", ", " ,\t"]))

    field = comma.join([*others[:place], spelling, *others[place:]])

    assert parse_cache_control(field).forbids_storing is True


@pytest.mark.parametrize(
    ("field", "shared", "own"),
    [
        ("", None, None),
        ("public", None, None),
        ("max-age=60", 60, 60),
        ("max-age=60, s-maxage=10", 10, 60),
        ("s-maxage=10", 10, None),
        ("max-age=5, max-age=60", 5, 5),
        ("s-maxage=60, S-MAXAGE=5, max-age=1", 5, 1),
        ('max-age="60"', 60, 60),
        ("max-age='60'", 0, 0),
        ("max-age=60s", 0, 0),
        ("max-age=1.5", 0, 0),
        ("max-age=+60", 0, 0),
        ("max-age=-60", 0, 0),
        ("max-age=6 0", 0, 0),
        ("max-age=\u0661", 0, 0),
        ("max-age=\u00b2", 0, 0),
        ("max-age=", 0, 0),
        ("max-age", 0, 0),
        ("max-age=60, s-maxage=soon", 0, 60),
        ("max-age=0060", 60, 60),
        ("max-age=2147483648", LONGEST, LONGEST),
        ("max-age=9999999999", LONGEST, LONGEST),
        ("max-age=" + "9" * 5000, LONGEST, LONGEST),
        ("max-age=" + "0" * 5000 + "7", 7, 7),
        ("max-age=" + "0" * 5000, 0, 0),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else repr(value),
)
def test_freshness_lifetime(field: str, shared: int | None, own: int | None) -> None:
    """RFC 9111, section 4.2.1: ``s-maxage`` first, the smallest of several, and 0 for what is no number."""
    value = parse_cache_control(field)

    assert (value.freshness_lifetime(), value.freshness_lifetime(shared=False)) == (shared, own)


def test_seconds_of_any_directive() -> None:
    value = parse_cache_control("max-age=1, stale-while-revalidate=30, Stale-If-Error=x")

    names = ("stale-while-revalidate", "stale-if-error", "s-maxage")
    assert [value.seconds(name) for name in names] == [30, 0, None]


def test_directive_is_found_by_its_name() -> None:
    value = parse_cache_control("Must-Revalidate, max-age=1")

    assert [name in value for name in ("must-revalidate", "max-age", "revalidate", "public")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", True),
        ("max-age=60", True),
        ("public, no-cache", True),
        ("no-cache", True),
        ('private="X-Name", max-age=60', True),
        ("Private", False),
        ("max-age=60, private", False),
        ("public, NO-STORE", False),
        (PRIVATE, False),
    ],
)
def test_caches_of_others_may_store_it(field: str, expected: bool) -> None:
    assert parse_cache_control(field).lets_others_store is expected


@given(st.text(alphabet='ab-=", \\\t09', max_size=60))
def test_any_field_is_read(field: str) -> None:
    names = [name for name, _ in parse_cache_control(field).directives]

    assert all(name == name.strip().lower() for name in names)


@pytest.mark.parametrize("part", ['"\\"', '"', "a,", '="a', "\\", '"a"', " "])
def test_reading_takes_time_in_proportion_to_the_length(part: str) -> None:
    """Invariant 52: a quadratic reading of 400,000 characters would take minutes."""
    start = time.perf_counter()
    parse_cache_control(part * (400_000 // len(part)))

    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("lifetime", "window", "field"),
    [
        (60, 600, "public, s-maxage=60, stale-while-revalidate=600"),
        (60, 0, "public, s-maxage=60"),
        (None, 0, "public, no-cache"),
        (None, 600, "public, no-cache"),
        (31_536_000, 1, "public, s-maxage=31536000, stale-while-revalidate=1"),
    ],
)
def test_public_field(lifetime: int | None, window: int, field: str) -> None:
    assert public_cache_control(lifetime, window) == field


@pytest.mark.parametrize("value", ["60\r\nSet-Cookie: a=b", "60", 1.5])
def test_public_field_takes_whole_numbers_alone(value: object) -> None:
    """Invariant 53: no text gets into the field."""
    with pytest.raises(ValueError, match="format code 'd'"):
        public_cache_control(value, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="format code 'd'"):
        public_cache_control(60, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("", frozenset()),
        (" , ", frozenset()),
        ("Accept-Language", frozenset({"accept-language"})),
        ("Origin,ACCEPT-ENCODING ,\torigin", frozenset({"origin", "accept-encoding"})),
        ("*", None),
        (" * ", None),
        ("\t*", None),
        ("*, Foo", None),
        ("Foo, *", None),
        (", *", None),
        ("*,", None),
        ("Foo,*,Bar", None),
        ("Accept-Encoding, *", None),
        ("X*", frozenset({"x*"})),
        ("**", frozenset({"**"})),
        ('"*"', frozenset({'"*"'})),
        ("Foo Bar", frozenset({"foo bar"})),
    ],
)
def test_vary_names(field: str, names: frozenset[str] | None) -> None:
    """Invariant 3, CVE-2026-6907, CVE-2026-48587: a star counts wherever it stands, and however it is padded."""
    assert vary_names(field) == names


def test_star_on_a_line_of_its_own_counts() -> None:
    """Invariant 3, CVE-2026-6907."""
    lines = ["Accept-Encoding", "*"]

    assert vary_names(", ".join(lines)) is None
