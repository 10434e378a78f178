"""Cache-Status: what is written, and that a strict reader of structured fields reads the same."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_routehandlers.policies.cache_status import CacheStatus, append_cache_status

PARAMETER = re.compile(
    r""";[ ]*(?P<key>[a-z*][a-z0-9_.*-]*)
    (=(?:(?P<integer>-?[0-9]{1,15})|(?P<token>[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*)
    |"(?P<string>(?:[ !#-\[\]-~]|\\["\\])*)"))?""",
    re.VERBOSE,
)


def read(member: str) -> tuple[str, dict[str, Any]]:
    """Read one member as RFC 9651, section 4.2.3, does."""
    name, _, _ = member.partition(";")
    rest, parameters = member[len(name) :], {}
    while rest:
        found = PARAMETER.match(rest)
        assert found is not None, f"{rest!r} is no parameter"
        value: Any = True
        if found["integer"] is not None:
            value = int(found["integer"])
        elif found["token"] is not None:
            value = found["token"]
        elif found["string"] is not None:
            value = re.sub(r"\\(.)", r"\1", found["string"])
        parameters[found["key"]] = value
        rest = rest[found.end() :]
    return name, parameters


@pytest.mark.parametrize(
    ("status", "member"),
    [
        (CacheStatus(hit=True), "django-routehandlers; hit"),
        (CacheStatus(hit=True, ttl=41), "django-routehandlers; hit; ttl=41"),
        (CacheStatus(hit=True, ttl=-3), "django-routehandlers; hit; ttl=-3"),
        (CacheStatus(fwd="uri-miss", stored=True), "django-routehandlers; fwd=uri-miss; stored"),
        (CacheStatus(fwd="vary-miss", ttl=0, stored=True), "django-routehandlers; fwd=vary-miss; ttl=0; stored"),
        (CacheStatus(fwd="uri-miss", collapsed=True), "django-routehandlers; fwd=uri-miss; collapsed"),
        (CacheStatus(fwd="stale"), "django-routehandlers; fwd=stale"),
        (CacheStatus(fwd="method"), "django-routehandlers; fwd=method"),
        (CacheStatus(fwd="request"), "django-routehandlers; fwd=request"),
        (CacheStatus(fwd="bypass", detail="dynamic"), "django-routehandlers; fwd=bypass; detail=dynamic"),
        (CacheStatus(fwd="bypass", detail="a b"), 'django-routehandlers; fwd=bypass; detail="a b"'),
        (CacheStatus(fwd="bypass", detail='"\\'), 'django-routehandlers; fwd=bypass; detail="\\"\\\\"'),
        (CacheStatus(fwd="bypass", detail="1st"), 'django-routehandlers; fwd=bypass; detail="1st"'),
        (CacheStatus(fwd="bypass", detail=""), 'django-routehandlers; fwd=bypass; detail=""'),
        (CacheStatus(fwd="bypass", detail="a;b,c"), 'django-routehandlers; fwd=bypass; detail="a;b,c"'),
        (CacheStatus(hit=True, ttl=10**20), "django-routehandlers; hit; ttl=999999999999999"),
        (CacheStatus(hit=True, ttl=-(10**20)), "django-routehandlers; hit; ttl=-999999999999999"),
    ],
    ids=str,
)
def test_member_as_it_is_written(status: CacheStatus, member: str) -> None:
    assert str(status) == member


@given(
    st.sampled_from(["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale"]),
    st.none() | st.integers(-(10**15) + 1, 10**15 - 1),
    st.booleans(),
    st.booleans(),
    st.none() | st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)),
)
def test_strict_reader_reads_what_was_meant(
    fwd: Any, ttl: int | None, stored: bool, collapsed: bool, detail: str | None
) -> None:
    """Invariant 53: whatever detail says, it stays one value of one member."""
    status = CacheStatus(fwd=fwd, ttl=ttl, stored=stored, collapsed=collapsed, detail=detail)

    expected = {"fwd": fwd, "ttl": ttl, "stored": stored or None, "collapsed": collapsed or None, "detail": detail}
    assert read(str(status)) == (
        "django-routehandlers",
        {key: value for key, value in expected.items() if value is not None},
    )


@pytest.mark.parametrize("detail", ["a\r\nSet-Cookie: x=y", "a\n", "\0", "\x7f", "\u00e9", "\u2028"])
def test_detail_that_the_field_cannot_hold_is_refused(detail: str) -> None:
    """Invariant 53."""
    with pytest.raises(ValueError, match="Use printable ASCII"):
        CacheStatus(fwd="bypass", detail=detail)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"hit": True, "fwd": "stale"},
        {"hit": True, "stored": True},
        {"hit": True, "collapsed": True},
    ],
    ids=str,
)
def test_contradictions_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match="CacheStatus: "):
        CacheStatus(**arguments)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, "django-routehandlers; hit"),
        ("", "django-routehandlers; hit"),
        (" ", "django-routehandlers; hit"),
        ("OriginCache; hit; ttl=30", "OriginCache; hit; ttl=30, django-routehandlers; hit"),
        ("A; fwd=uri-miss, B; hit", "A; fwd=uri-miss, B; hit, django-routehandlers; hit"),
    ],
)
def test_cache_nearer_to_the_origin_comes_first(field: str | None, expected: str) -> None:
    """RFC 9211, section 2."""
    assert append_cache_status(field, CacheStatus(hit=True)) == expected
