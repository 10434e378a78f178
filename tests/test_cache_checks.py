"""The system checks of the route cache: config of route files, settings, middleware, deployment."""

from pathlib import Path

import pytest
from django.core.checks import Error, Warning, run_checks

from conftest import Site
from django_routehandlers.middleware import CacheControlMiddleware

CACHED = "def GET(): ...\n"
DYNAMIC = "def GET(request): ...\n"
OURS = "django_routehandlers.middleware.CacheControlMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"


class OwnCacheControl(CacheControlMiddleware):
    """A project's own."""


class NoCacheControl:
    """A middleware of another kind."""


@pytest.mark.parametrize(
    ("text", "line", "what", "hint"),
    [
        (
            'dynamic = "static"\n' + CACHED,
            1,
            'E035: dynamic is \'static\'. It is "auto" or "force-dynamic" or "force-static" or "error".',
            'Write `dynamic = "force-static"`.',
        ),
        (
            CACHED + "revalidate = -1\n",
            2,
            "E035: revalidate is -1. "
            "It is a whole number of seconds, 0 for never, or False for until it is invalidated.",
            "Write `revalidate = 60`, or name it `_revalidate` if it is yours.",
        ),
        (
            CACHED + 'tags = "products"\n',
            2,
            "E035: tags is 'products'. It is a list of str, or a plain function of the segments that returns one.",
            'Write `tags = ["products"]`, or name it `_tags` if it is yours.',
        ),
        (
            CACHED + "depends_on = [1]\n",
            2,
            "E035: depends_on is [1]. It is None, or a list of models and names of tables.",
            "Write `depends_on = [Product]`, or name it `_depends_on` if it is yours.",
        ),
        (
            CACHED + "dynamic_params = False\n",
            2,
            "E059: `dynamic_params = False` needs generate_static_params().",
            "Add it.",
        ),
        (
            CACHED + "def generate_static_params(): return []\n",
            2,
            "E059: the route has no dynamic segments that generate_static_params() could list.",
            "Remove it.",
        ),
        (
            'dynamic = "error"\n' + DYNAMIC,
            1,
            'E058: `dynamic = "error"`, but GET is dynamic: takes the request.',
            "Take it out of GET, or remove `dynamic`.",
        ),
        (
            'dynamic = "force-static"\ndef GET(user): ...\n',
            1,
            'E061: `dynamic = "force-static"`, but GET cannot be cached: takes the user.',
            "Take it out of GET, or remove `dynamic`.",
        ),
        (
            DYNAMIC + "revalidate = 60\n",
            2,
            "W060: `revalidate` has no effect: nothing of this route is cached, since GET takes the request.",
            "Remove `revalidate`.",
        ),
    ],
    ids=["dynamic", "revalidate", "tags", "depends_on", "params", "segments", "error", "force-static", "no effect"],
)
def test_config_of_a_file_that_is_wrong_is_reported(site: Site, text: str, line: int, what: str, hint: str) -> None:
    """With its place, the rule, and the remedy."""
    routes = site.serve({"x/route.py": text}).root / site.label() / "routes"
    id, _, rest = what.partition(": ")
    kind = Error if id.startswith("E") else Warning
    assert site.check() == [kind(f"{routes}/x/route.py:{line}: /x: {rest}", hint=hint, id=f"routehandlers.{id}")]


@pytest.mark.parametrize("name", ["revalidate", "tags", "depends_on", "dynamic_params", "generate_static_params"])
def test_config_of_a_route_that_is_not_cached_is_warned_about(site: Site, name: str) -> None:
    values = {
        "revalidate": "revalidate = 60",
        "tags": 'tags = ["a"]',
        "depends_on": "depends_on = None",
        "dynamic_params": "dynamic_params = True",
        "generate_static_params": "def generate_static_params(): return []",
    }
    site.serve({"[id]/route.py": f"{values[name]}\ndef GET(request, id): ...\n"})
    assert [message.id for message in site.check()] == ["routehandlers.W060"]


@pytest.mark.parametrize(
    "middleware",
    [[OURS, COMMON], [f"{__name__}.OwnCacheControl", COMMON]],
    ids=["first", "subclass"],
)
def test_middleware_that_is_first_is_right(site: Site, middleware: list[str]) -> None:
    site.settings.MIDDLEWARE = middleware
    site.serve({"x/route.py": CACHED})
    assert site.check() == []


@pytest.mark.parametrize(
    "middleware",
    [[], [COMMON], [f"{__name__}.NoCacheControl"], ["nothing.of.this.Name"]],
    ids=["none", "other", "alike", "broken"],
)
def test_middleware_that_is_missing_is_warned_about(site: Site, middleware: list[str]) -> None:
    site.settings.MIDDLEWARE = middleware
    site.serve({"x/route.py": CACHED})
    assert site.check() == [
        Warning(
            f"MIDDLEWARE: routes are cached, but {OURS} is missing, so no response says so: no other cache keeps any.",
            hint=f'Add "{OURS}" as the first entry.',
            id="routehandlers.W062",
        )
    ]


def test_middleware_that_is_not_first_is_warned_about(site: Site) -> None:
    site.settings.MIDDLEWARE = [COMMON, f"{__name__}.OwnCacheControl"]
    site.serve({"x/route.py": CACHED})
    assert site.check() == [
        Warning(
            f"MIDDLEWARE: {__name__}.OwnCacheControl is not the first entry, so it does not see what those before it "
            "do.",
            hint="Move it to the beginning.",
            id="routehandlers.W062",
        )
    ]


def test_middleware_that_is_there_twice_is_warned_about(site: Site) -> None:
    site.settings.MIDDLEWARE = [OURS, COMMON, OURS]
    site.serve({"x/route.py": CACHED})
    assert site.check() == [
        Warning(
            f"MIDDLEWARE: {OURS} is there 2 times, and says everything as often.",
            hint="Leave the first one alone.",
            id="routehandlers.W062",
        )
    ]


@pytest.mark.parametrize(
    ("text", "routehandlers"),
    [(DYNAMIC, {}), (CACHED, {"CACHE_ENABLED": False}), (CACHED, {"DEFAULT_REVALIDATE": 0})],
    ids=["dynamic", "off", "never by default"],
)
def test_middleware_is_not_missed_where_nothing_is_cached(
    site: Site, text: str, routehandlers: dict[str, object]
) -> None:
    site.settings.MIDDLEWARE = []
    site.settings.ROUTEHANDLERS = routehandlers
    site.serve({"x/route.py": text})
    assert site.check() == []


def test_alias_that_caches_lack_is_an_error(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"CACHE": "routes"}
    site.settings.CACHES = {
        name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"} for name in ("other", "default")
    }
    site.serve({"x/route.py": DYNAMIC})
    assert site.check() == [
        Error(
            "ROUTEHANDLERS['CACHE']: 'routes' is no alias of CACHES.",
            hint="Use one of 'default', 'other', or add it to CACHES.",
            id="routehandlers.E064",
        )
    ]


def test_context_variable_that_is_none_is_an_error(site: Site) -> None:
    (site.root / "tenants.py").write_text("from contextvars import ContextVar\n\nright = ContextVar('a')\nwrong = 1\n")
    site.settings.ROUTEHANDLERS = {"CACHE_CONTEXT": ["tenants.right", "tenants.wrong", "tenants.missing"]}
    site.serve({"x/route.py": DYNAMIC})
    hint = "Write the dotted path of a contextvars.ContextVar at the top level of a module."
    assert site.check() == [
        Error(
            "ROUTEHANDLERS['CACHE_CONTEXT']: 'tenants.wrong' is of type int, no contextvars.ContextVar.",
            hint=hint,
            id="routehandlers.E065",
        ),
        Error(
            "ROUTEHANDLERS['CACHE_CONTEXT']: 'tenants.missing' cannot be imported: "
            'Module "tenants" does not define a "missing" attribute/class.',
            hint=hint,
            id="routehandlers.E065",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "backend", "routehandlers", "is_warned"),
    [
        (CACHED, "django.core.cache.backends.locmem.LocMemCache", {}, True),
        (CACHED, "django.core.cache.backends.filebased.FileBasedCache", {}, False),
        (CACHED, "nothing.of.this.Name", {}, False),
        (CACHED, "django.core.cache.backends.locmem.LocMemCache", {"CACHE_ENABLED": False}, False),
        (CACHED, "django.core.cache.backends.locmem.LocMemCache", {"CACHE": "other"}, False),
        (DYNAMIC, "django.core.cache.backends.locmem.LocMemCache", {}, False),
    ],
    ids=["own", "shared", "broken", "off", "unknown", "dynamic"],
)
def test_cache_of_each_process_is_warned_about_before_it_is_deployed(
    site: Site, tmp_path: Path, text: str, backend: str, routehandlers: dict[str, object], *, is_warned: bool
) -> None:
    """Invariant 44: an invalidation in one process does not reach its siblings."""
    site.settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path / "cache")}}
    site.settings.ROUTEHANDLERS = routehandlers
    site.serve({"x/route.py": text})
    expected = Warning(
        "CACHES['default']: each process of the server has a cache of its own, so an invalidation in one reaches no "
        "other.",
        hint="Use a cache that processes share, such as Redis, and name it in ROUTEHANDLERS['CACHE']. If the server "
        "is one process, silence routehandlers.W063. See routehandlers.W063 in docs/reference/checks.md and CACHE in "
        "docs/reference/settings.md.",
        id="routehandlers.W063",
    )
    found = run_checks(tags=["routehandlers"], include_deployment_checks=True)
    assert [message for message in found if message.id != "routehandlers.E064"] == ([expected] if is_warned else [])
    assert "routehandlers.W063" not in [message.id for message in run_checks(tags=["routehandlers"])]
