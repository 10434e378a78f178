"""Settings: read once, cleared by an override, every mistake reported."""

from typing import Any

import pytest
from django.test import override_settings
from django.utils.translation import gettext_lazy

from django_routehandlers.conf import Config, get_config, read_config

_LIFETIME = "a whole number of seconds or False"


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
            {"PALETTE": 1},
            [
                (
                    "E002",
                    "ROUTEHANDLERS['PALETTE']",
                    "is not a setting.",
                    "Known settings: TRAILING_SLASH, PREFIXES, OPENAPI_PATH, OPENAPI_UI_PATH, OPENAPI_UI, "
                    "OPENAPI_INFO, EXPLORER_PATH, EXPLORER, VALIDATE_RESPONSES, MAX_OPEN_STREAMS, STREAM_SEND_TIMEOUT, "
                    "CONTENT_RECEIVE_TIMEOUT, STREAM_HEARTBEAT, "
                    "CACHE_ENABLED, CACHE, DEFAULT_REVALIDATE, CACHE_CONTEXT, BUILD_ID, LOCAL_TIER, LOCAL_TIER_SIZE, "
                    "MAX_CACHED_BODY, BACKGROUND_REFRESH, STORE_TIMEOUT, CORS, SECURITY, CSRF, THROTTLE, "
                    "THROTTLE_ENABLED, THROTTLE_CACHE, THROTTLE_FAILURE, PROXY_COUNT, WORKER_THREADS, "
                    "MAX_DURATION, MAX_OVERDUE_THREADS.",
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
        (
            {"OPENAPI_PATH": 1, "OPENAPI_UI_PATH": False, "EXPLORER_PATH": 2, "OPENAPI_UI": None},
            [
                (
                    "E001",
                    f"ROUTEHANDLERS['{name}']",
                    f"must be a URL path or None, not {value}.",
                    f'Write "{example}" or None.',
                )
                for name, value, example in (
                    ("OPENAPI_PATH", "1", "openapi.json"),
                    ("OPENAPI_UI_PATH", "False", "openapi/"),
                    ("EXPLORER_PATH", "2", "_routes/"),
                )
            ]
            + [("E001", "ROUTEHANDLERS['OPENAPI_UI']", "must be True or False, not None.", "Write True or False.")],
        ),
        *(
            (
                {"OPENAPI_INFO": value},
                [("E001", "ROUTEHANDLERS['OPENAPI_INFO']", what, 'Write {"title": "Shop", "version": "1.0.0"}.')],
            )
            for value, what in (
                ("Shop", "must be a dict of the Info Object's members, not 'Shop'."),
                ({1: "Shop"}, "must be a dict of the Info Object's members, not {1: 'Shop'}."),
                ({"version": 2.1}, "must have text as its version, not 2.1."),
            )
        ),
        ({"OPENAPI_PATH": None, "OPENAPI_INFO": {"title": gettext_lazy("Shop")}}, []),
        (
            {"MAX_OPEN_STREAMS": 0.5, "STREAM_HEARTBEAT": True, "STREAM_SEND_TIMEOUT": 0},
            [
                (
                    "E001",
                    "ROUTEHANDLERS['MAX_OPEN_STREAMS']",
                    "must be a number of streams or None, not 0.5.",
                    "Write 10_000 or None.",
                ),
                *(
                    (
                        "E001",
                        f"ROUTEHANDLERS['{name}']",
                        f"must be a number of seconds or None, not {value}.",
                        "Write 15 or None.",
                    )
                    for name, value in (("STREAM_HEARTBEAT", "True"), ("STREAM_SEND_TIMEOUT", "0"))
                ),
            ],
        ),
        ({"MAX_OPEN_STREAMS": None, "STREAM_HEARTBEAT": 0.5, "STREAM_SEND_TIMEOUT": None}, []),
        *(
            ({name: value}, [("E001", f"ROUTEHANDLERS['{name}']", f"must be {what}, not {value!r}.", remedy)])
            for name, value, what, remedy in (
                ("CACHE_ENABLED", "yes", "True, False or None", "Write True, False or None."),
                ("LOCAL_TIER", None, "True or False", "Write True or False."),
                ("BACKGROUND_REFRESH", 1, "True or False", "Write True or False."),
                ("CACHE", None, "an alias among CACHES", 'Write "default".'),
                ("BUILD_ID", "", "text or None", "Write the id of the commit that is deployed, or None."),
                ("DEFAULT_REVALIDATE", True, _LIFETIME, "Write 60, 0 for never, or False."),
                ("DEFAULT_REVALIDATE", -1, _LIFETIME, "Write 60, 0 for never, or False."),
                ("DEFAULT_REVALIDATE", 1.5, _LIFETIME, "Write 60, 0 for never, or False."),
                ("DEFAULT_REVALIDATE", 2**31, _LIFETIME, "Write 60, 0 for never, or False."),
                ("LOCAL_TIER_SIZE", None, "a number of bytes", "Write 2 * 1024 * 1024."),
                ("MAX_CACHED_BODY", 0, "a number of bytes", "Write 2 * 1024 * 1024."),
                ("STORE_TIMEOUT", None, "a number of seconds above 0", "Write 0.04."),
                ("CACHE_CONTEXT", "shop.tenant", "a list of dotted paths", 'Write ["shop.tenants.current_tenant"].'),
                ("CACHE_CONTEXT", ["tenant"], "a list of dotted paths", 'Write ["shop.tenants.current_tenant"].'),
            )
        ),
        (
            {
                "CACHE_ENABLED": True,
                "CACHE": "routes",
                "DEFAULT_REVALIDATE": False,
                "CACHE_CONTEXT": ("shop.tenants.current_tenant",),
                "BUILD_ID": "4f2a",
                "LOCAL_TIER": False,
                "STORE_TIMEOUT": 1,
            },
            [],
        ),
    ],
)
def test_mistakes_in_settings(value: Any, mistakes: list[tuple[str, str, str, str]]) -> None:
    found = [(mistake.id, mistake.where, mistake.what, mistake.remedy) for mistake in read_config(value)[1]]

    assert found == mistakes


def test_value_of_the_wrong_type_counts_as_not_set() -> None:
    assert read_config({"TRAILING_SLASH": "yes"})[0] == Config()
