"""What is wrong with `throttle` and what goes with it is said before a request comes, and shown by listings."""

import json

import pytest
from django.core.checks import run_checks

from conftest import Site
from django_routehandlers import Throttle
from show_routes_command import show

GET = "\n\nasync def GET(request):\n    return 1\n\n\nasync def POST(request):\n    return 1\n"
IMPORT = "from django_routehandlers import Throttle\n\n"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
REDIS = "django.core.cache.backends.redis.RedisCache"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"rate": "often"}, 'Throttle(\'often\'): it is no rate. Write "100/minute", or "20/10 seconds".'),
        ({"rate": "0/minute"}, "Throttle('0/minute'): it is no rate."),
        ({"rate": 5}, "Throttle(5): it is no rate."),
        ({"rate": "1/day", "key": "address"}, "Throttle(key=…): 'address' names no client."),
        ({"rate": "1/day", "key": lambda: "all"}, "Throttle(key=…): <function"),
        ({"rate": "1/day", "name": 'a "b"'}, "Throttle(name=…): 'a \"b\"' cannot be sent."),
        ({"rate": "1/day", "methods": "POST"}, "Throttle(methods=…): 'POST' is no list of methods."),
        ({"rate": "1/day", "methods": ["post"]}, "Throttle(methods=…): 'post' is no method in capitals."),
    ],
)
def test_argument_that_means_nothing_is_an_error_where_it_is_written(arguments: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        Throttle(**arguments)  # type: ignore[arg-type]
    assert str(raised.value).startswith(what)


@pytest.mark.parametrize(
    ("rate", "name", "quota", "period"),
    [
        ("100/minute", "minute", 100, 60),
        ("20/10 seconds", "10 seconds", 20, 10),
        ("5 / 2 days", "2 days", 5, 172800),
        ("1/1 hour", "1 hours", 1, 3600),
    ],
)
def test_rate_is_requests_and_a_period(rate: str, name: str, quota: int, period: int) -> None:
    limit = Throttle(rate)
    assert (limit.name, limit.quota, limit.period) == (name, quota, period)


@pytest.mark.parametrize(
    ("head", "others", "messages"),
    [
        pytest.param("throttle = '9/hour'", {}, ["W113"], id="each process counts for itself"),
        pytest.param("throttle = None", {}, [], id="none"),
        pytest.param("throttle = '9/hour'", {"BACKEND": REDIS}, [], id="Redis"),
        pytest.param("throttle = '9/hour'", {"ROUTEHANDLERS": {"THROTTLE_CACHE": "no"}}, ["E110"], id="no such cache"),
        pytest.param("throttle = Throttle('9/hour', key='user')", {"BACKEND": REDIS}, ["W114"], id="no users"),
        pytest.param("throttle = '9/hour'", {"BACKEND": REDIS, "USE_X_FORWARDED_HOST": True}, ["W115"], id="a proxy"),
        pytest.param(
            "throttle = '9/hour'",
            {"BACKEND": REDIS, "USE_X_FORWARDED_HOST": True, "ROUTEHANDLERS": {"PROXY_COUNT": 1}},
            [],
            id="a proxy that is counted",
        ),
    ],
)
def test_what_makes_limits_mean_little_is_warned_about(
    site: Site, head: str, others: dict[str, object], messages: list[str]
) -> None:
    site.settings.MIDDLEWARE = []
    site.settings.CACHES = {"default": {"BACKEND": LOCMEM, "LOCATION": "redis://127.0.0.1:1"}}
    for name, value in others.items():
        if name == "BACKEND":
            site.settings.CACHES = {"default": {"BACKEND": value, "LOCATION": "redis://127.0.0.1:1"}}
        else:
            setattr(site.settings, name, value)
    site.serve({"x/route.py": IMPORT + head + GET})

    found = run_checks(tags=["routehandlers"], include_deployment_checks=True)

    assert [str(one.id).removeprefix("routehandlers.") for one in found] == messages


def test_listings_and_the_document_tell_of_limits(site: Site) -> None:
    limits = "throttle = [Throttle('5/minute', methods=['POST'], key='ip'), '100/day']\n"
    only = "throttle = Throttle('5/minute', methods=['POST'])"
    site.serve({"api/middleware.py": IMPORT + limits, "api/x/route.py": GET, "y/route.py": IMPORT + only + GET})

    rows = {row["path"]: row["throttle"] for row in json.loads(show("--format", "json").out)}
    minute = {"name": "minute", "quota": 5, "period": 60, "key": "ip", "methods": ["POST"], "place": "/api"}
    day = {"name": "day", "quota": 100, "period": 86400, "key": None, "methods": None, "place": "/api"}
    assert rows["/api/x"] == [minute, day]
    paths = site.client.get("/openapi.json").json()["paths"]
    told = {(path, method) for path, one in paths.items() for method in one if "429" in one[method]["responses"]}
    assert told == {("/api/x", "get"), ("/api/x", "post"), ("/y", "post")}
    refusal = paths["/y"]["post"]["responses"]["429"]
    assert sorted(refusal["headers"]) == ["RateLimit", "RateLimit-Policy", "Retry-After"]
    assert "application/problem+json" in refusal["content"]
