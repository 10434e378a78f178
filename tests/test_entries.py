"""Entries: for how long a store keeps them."""

import pytest

from django_routehandlers.caching.entries import Entry


@pytest.mark.parametrize(
    ("lifetime", "window", "expected"),
    [(60.0, 60.0, 120), (0.5, 0.0, 1), (None, 0.0, 30 * 86400), (40 * 86400.0, 40 * 86400.0, 30 * 86400)],
)
def test_an_entry_is_kept_no_longer_than_the_versions_that_it_has(
    lifetime: float | None, window: float, expected: int
) -> None:
    """Each build leaves its entries behind: nobody asks for them, and they have to end."""
    entry = Entry(
        value=b"",
        created=0.0,
        lifetime=lifetime,
        window=window,
        versions=(),
        tables=frozenset(),
        names=(),
        age_at=0.0,
        age=0.0,
    )
    assert entry.kept_for == expected
