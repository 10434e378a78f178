"""Settings: read once, cleared by an override, every mistake reported."""

from typing import Any

import pytest
from django.test import override_settings

from django_routehandlers.conf import Config, get_config, read_config


def test_defaults() -> None:
    assert (Config().TRAILING_SLASH, dict(Config().PREFIXES)) == (False, {})


def test_override_counts_at_once_and_goes_away_again() -> None:
    before = get_config()

    with override_settings(ROUTEHANDLERS={"TRAILING_SLASH": True}):
        assert get_config().TRAILING_SLASH is True

    assert get_config() == before


@pytest.mark.parametrize(
    ("value", "mistakes"),
    [
        ({}, []),
        ({"TRAILING_SLASH": True, "PREFIXES": {"shop": "shop/"}}, []),
        ([], [("E001", "ROUTEHANDLERS", "must be a dict, not list.", "Write ROUTEHANDLERS = {…}.")]),
        (
            {"TRAILING_SLASHES": True},
            [("E002", "ROUTEHANDLERS['TRAILING_SLASHES']", "is not a setting.", "Did you mean 'TRAILING_SLASH'?")],
        ),
        (
            {"COLOUR": 1},
            [
                (
                    "E002",
                    "ROUTEHANDLERS['COLOUR']",
                    "is not a setting.",
                    "Known settings: TRAILING_SLASH, PREFIXES.",
                )
            ],
        ),
        (
            {"TRAILING_SLASH": "yes"},
            [
                (
                    "E001",
                    "ROUTEHANDLERS['TRAILING_SLASH']",
                    "must be True or False, not 'yes'.",
                    "Write True or False.",
                )
            ],
        ),
        (
            {"PREFIXES": ["shop"], "TRAILING_SLASH": 1},
            [
                (
                    "E001",
                    "ROUTEHANDLERS['PREFIXES']",
                    "must map app labels to URL paths, not ['shop'].",
                    'Write {"shop": "shop/"}.',
                ),
                ("E001", "ROUTEHANDLERS['TRAILING_SLASH']", "must be True or False, not 1.", "Write True or False."),
            ],
        ),
    ],
)
def test_mistakes_in_settings(value: Any, mistakes: list[tuple[str, str, str, str]]) -> None:
    found = [(mistake.id, mistake.where, mistake.what, mistake.remedy) for mistake in read_config(value)[1]]

    assert found == mistakes


def test_value_of_the_wrong_type_counts_as_not_set() -> None:
    assert read_config({"TRAILING_SLASH": "yes"})[0] == Config()
