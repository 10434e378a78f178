"""``manage.py prerender_routes`` fills the cache, so that the first visitor's request is a hit."""

import asyncio
import os
import pty
import subprocess
import sys
import threading
import time
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest
from django.core.management import CommandError, call_command
from django.urls import include, path

from cache_servers import RedisServer
from conftest import Site
from django_routehandlers.caching.current import forget_cache
from show_routes_command import Shown, write_project

COUNTED = """
    from itertools import count

    _runs = count(1)


    def GET():
        return next(_runs)
"""
PRODUCT = """
    from itertools import count

    _runs = count(1)


    async def generate_static_params():
        return [{"id": 1}, {"id": "2"}]


    async def GET(id: int):
        return [id, next(_runs)]
"""


def test_first_request_after_it_is_a_hit(site_redis: RedisServer, site: Site) -> None:
    """Of another process: this one's memory is forgotten in between, and the handlers do not run again."""
    site.serve({"about/route.py": COUNTED, "products/[id]/route.py": PRODUCT})
    assert prerender() == Shown("3 stored, 0 already fresh, 0 not stored, 0 failed.\n", "", 0)
    forget_cache()
    answers = [site.client.get(url, secure=True) for url in ("/about", "/products/1", "/products/2")]
    assert [answer.json() for answer in answers] == [1, [1, 1], [2, 2]]
    assert [answer["Cache-Status"].partition(";")[2].partition("=")[0] for answer in answers] == [" hit; ttl"] * 3


def test_first_request_to_an_event_loop_is_a_hit(site_redis: RedisServer, site: Site) -> None:
    site.serve({"products/[id]/route.py": PRODUCT})
    prerender()
    forget_cache()
    answer = asyncio.run(site.async_client.get("/products/2", secure=True))
    assert (answer.json(), answer["Cache-Status"].startswith("django-routehandlers; hit")) == ([2, 2], True)


def test_each_url_is_told_where_that_is_asked_for(site_redis: RedisServer, site: Site) -> None:
    site.serve({"about/route.py": COUNTED, "products/[id]/route.py": PRODUCT})
    assert prerender("--verbosity", "2").out.splitlines() == [
        "stored  https://testserver/about",
        "stored  https://testserver/products/1",
        "stored  https://testserver/products/2",
        "3 stored, 0 already fresh, 0 not stored, 0 failed.",
    ]
    assert prerender("--verbosity", "0") == Shown("", "", 0)


def test_what_is_fresh_is_left_alone(site_redis: RedisServer, site: Site) -> None:
    site.serve({"about/route.py": COUNTED})
    prerender()
    assert prerender().out == "0 stored, 1 already fresh, 0 not stored, 0 failed.\n"
    assert site.client.get("/about", secure=True).json() == 1


def test_what_is_fresh_is_filled_anew_by_force(site_redis: RedisServer, site: Site) -> None:
    site.serve({"caf%C3%A9/route.py": COUNTED})
    prerender()
    assert prerender("--force").out == "1 stored, 0 already fresh, 0 not stored, 0 failed.\n"
    answer = site.client.get("/café", secure=True)
    assert (answer.json(), answer["Cache-Status"].startswith("django-routehandlers; hit")) == (2, True)


def test_what_is_stale_is_filled_anew(site_redis: RedisServer, site: Site) -> None:
    """Not served once more while it is refreshed, as a visitor's would be."""
    site.serve({"about/route.py": "revalidate = 1\n" + dedent(COUNTED)})
    prerender()
    time.sleep(1.1)
    assert prerender().out.startswith("1 stored")
    forget_cache()
    assert site.client.get("/about", secure=True).json() == 2


def test_entries_are_those_of_host_scheme_and_language(site_redis: RedisServer, site: Site) -> None:
    site.settings.LANGUAGES = [("en", "English"), ("de", "German")]
    site.settings.MIDDLEWARE = [*site.settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    site.serve({"about/route.py": COUNTED})
    options = ["--host", "a.example", "--host", "b.example:8080", "--scheme", "http"]
    assert prerender(*options, "--language", "de", "--language", "en").out.startswith("4 stored")
    forget_cache()

    def is_hit(host: str, language: str, *, secure: bool = False) -> bool:
        headers = {"Host": host, "Accept-Language": language}
        answer = site.client.get("/about", headers=headers, secure=secure)
        return answer["Cache-Status"].startswith("django-routehandlers; hit")

    assert is_hit("a.example", "de")
    assert is_hit("b.example:8080", "en")
    assert not is_hit("b.example", "en")
    assert not is_hit("a.example", "en", secure=True)


@pytest.mark.parametrize("code", ["en", "en-us", "de"])
@pytest.mark.parametrize("middleware", [[], ["django.middleware.locale.LocaleMiddleware"]], ids=["no locale", "locale"])
def test_language_is_by_default_that_of_a_visitor_who_states_none(
    site_redis: RedisServer, site: Site, code: str, middleware: list[str]
) -> None:
    """With ``LocaleMiddleware`` it is one of LANGUAGES, and without it LANGUAGE_CODE as it is written."""
    site.settings.LANGUAGE_CODE = code
    site.settings.MIDDLEWARE = [*site.settings.MIDDLEWARE, *middleware]
    site.serve({"about/route.py": COUNTED})
    prerender()
    forget_cache()
    assert site.client.get("/about", secure=True)["Cache-Status"].startswith("django-routehandlers; hit")


def test_handler_sees_the_language_of_its_entry(site_redis: RedisServer, site: Site) -> None:
    site.settings.MIDDLEWARE = [*site.settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    site.serve({"a/route.py": "from django.utils import translation\ndef GET(): return translation.get_language()\n"})
    prerender("--language", "de")
    assert site.client.get("/a", headers={"Accept-Language": "de"}, secure=True).json() == "de"


@pytest.mark.parametrize(
    ("arguments", "urls"),
    [
        (["--app", "{b}"], ["/docs"]),
        (["--path", "/products"], ["/products/1", "/products/2"]),
        (["--path", "products/2"], ["/products/2"]),
        (["--path", "/products/<"], ["/products/1", "/products/2"]),
        (["--path", "/(site)"], ["/about"]),
        (["--app", "{a}", "--path", "/docs"], []),
    ],
    ids=["app", "path", "url", "pattern", "group", "both"],
)
def test_filters_leave_what_passes_all_of_them(
    site_redis: RedisServer, site: Site, arguments: list[str], urls: list[str]
) -> None:
    site.write({"(site)/about/route.py": COUNTED, "products/[id]/route.py": PRODUCT}, app="a")
    site.write({"docs/route.py": COUNTED}, app="b")
    site.install("a", "b")
    labels = {"a": site.label("a"), "b": site.label("b")}
    lines = prerender("--verbosity", "2", *(argument.format(**labels) for argument in arguments)).out.splitlines()
    assert lines[:-1] == [f"stored  https://testserver{url}" for url in urls]


SEGMENTS = """
    def generate_static_params():
        return {params}


    def GET({name}): return {name}
"""


@pytest.mark.parametrize(
    ("folder", "params", "urls"),
    [
        ("[id=int]", [{"id": 7}], ["/7"]),
        ("[name]", [{"name": "a b"}, {"name": "é"}, {"name": "100%"}], ["/a%20b", "/%C3%A9", "/100%25"]),
        ("[...path]", [{"path": ["a", "b"]}, {"path": ("c",)}], ["/a/b", "/c"]),
        ("[[...path]]", [{}, {"path": []}, {"path": ["a"]}], ["/", "/a"]),
        ("[id]", [{"id": 1}, {"id": "1"}], ["/1"]),
    ],
)
def test_segments_become_urls(
    site_redis: RedisServer, site: Site, folder: str, params: list[dict[str, object]], urls: list[str]
) -> None:
    """Each once, and answered with the entry."""
    name = folder.strip("[].").partition("=")[0]
    site.serve({f"{folder}/route.py": SEGMENTS.format(params=params, name=name)})
    shown = prerender("--verbosity", "2")
    assert (shown.err, shown.out.splitlines()[:-1]) == ("", [f"stored  https://testserver{url}" for url in urls])
    forget_cache()
    for url in urls:
        assert site.client.get(url, secure=True)["Cache-Status"].startswith("django-routehandlers; hit")


@pytest.mark.parametrize(
    ("folder", "params"),
    [
        ("[id=int]", {"id": "x"}),
        ("[id]", {"id": "a/b"}),
        ("[id]", {"id": ""}),
        ("[id]", {"id": ".."}),
        ("[id]", {"id": ["1"]}),
        ("[...id]", {"id": "1"}),
        ("[...id]", {"id": []}),
    ],
)
def test_segments_that_are_no_url_of_the_route_have_failed(
    site_redis: RedisServer, site: Site, folder: str, params: dict[str, object]
) -> None:
    site.serve({f"{folder}/route.py": SEGMENTS.format(params=[params], name="id")})
    shown = prerender()
    assert (shown.out, shown.status) == ("0 stored, 0 already fresh, 0 not stored, 1 failed.\n", 1)
    first, last = shown.err.splitlines()
    assert first.endswith(f"generate_static_params() lists {params!r}, which is no URL of the route")
    assert last == "1 of the URLs has failed."


@pytest.mark.parametrize("params", [{"key": "1"}, {"id": "1", "key": "2"}, {}])
def test_segments_of_other_names_have_failed(site_redis: RedisServer, site: Site, params: dict[str, object]) -> None:
    site.serve({"[id]/route.py": SEGMENTS.format(params=[params], name="id")})
    shown = prerender()
    assert (shown.out, shown.status) == ("0 stored, 0 already fresh, 0 not stored, 1 failed.\n", 1)
    assert "It returns a list of dicts, one for each URL, with the segments id." in shown.err


# Closing a stream is the end of a request, at which Django looks after its connections.
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def GET(q: str): ...", "/x: it needs the query parameter q"),
        (
            "from typing import Annotated\nfrom django_routehandlers import Header\n"
            "def GET(plan: Annotated[str, Header()]): ...",
            "/x: it needs the field Plan",
        ),
        (
            "from pydantic import BaseModel\nclass Paging(BaseModel):\n    page: int\ndef GET(query: Paging): ...",
            "/x: it needs a query string",
        ),
        ("from django.http import Http404\ndef GET():\n    raise Http404", "{url}: it answers 404"),
        (
            "from django.http import HttpResponse\ndef GET():\n    r = HttpResponse()\n    r.set_cookie('a', 'b')\n"
            "    return r",
            "{url}: it sets a cookie",
        ),
        (
            "from django.http import HttpResponse\ndef GET(): return HttpResponse(headers={'Vary': 'Cookie'})",
            "{url}: its Vary names a field that is no part of the key",
        ),
        (
            "from django.http import HttpResponse\n"
            "def GET(): return HttpResponse(headers={'Cache-Control': 'no-store'})",
            "{url}: its Cache-Control forbids it",
        ),
        (
            "from django.http import StreamingHttpResponse\ndef GET(): return StreamingHttpResponse([b'a'])",
            "{url}: it streams",
        ),
        ("def GET(): return 'x' * 2_100_000", "{url}: its body is larger than MAX_CACHED_BODY"),
    ],
    ids=["query", "field", "model", "404", "cookie", "vary", "no-store", "stream", "size"],
)
def test_what_is_not_stored_has_a_reason(site_redis: RedisServer, site: Site, text: str, line: str) -> None:
    site.serve({"x/route.py": text + "\n"})
    shown = prerender()
    expected = f"not stored  {line.format(url='https://testserver/x')}"
    assert shown == Shown(f"{expected}\n0 stored, 0 already fresh, 1 not stored, 0 failed.\n", "", 0)


def test_route_without_segments_known_ahead_is_not_stored(site_redis: RedisServer, site: Site) -> None:
    site.serve({"[id]/route.py": "def GET(id): return id\n"})
    assert prerender().out.splitlines()[0] == "not stored  /<id>: it has no generate_static_params()"


def test_route_that_is_dynamic_is_no_concern(site_redis: RedisServer, site: Site) -> None:
    site.serve({"a/route.py": "def GET(request): return 1\n", "b/route.py": "def POST(): return 1\n"})
    assert prerender() == Shown("0 stored, 0 already fresh, 0 not stored, 0 failed.\n", "", 0)


def test_handler_that_raises_keeps_no_other_from_being_filled(site_redis: RedisServer, site: Site) -> None:
    """Exit status 1, and the error."""
    site.serve({"a/route.py": "def GET(): return 1 / 0\n", "b/route.py": COUNTED})
    assert prerender() == Shown(
        "1 stored, 0 already fresh, 0 not stored, 1 failed.\n",
        "failed  https://testserver/a: ZeroDivisionError: division by zero\n1 of the URLs has failed.\n",
        1,
    )


def test_traceback_of_the_handler_is_shown_where_it_is_asked_for(site_redis: RedisServer, site: Site) -> None:
    site.serve({"a/route.py": "def GET(): return 1 / 0\n"})
    assert "    def GET(): return 1 / 0\n" in prerender("--traceback").err


def test_segments_that_cannot_be_listed_have_failed(site_redis: RedisServer, site: Site) -> None:
    site.serve({"[id]/route.py": "def generate_static_params(): return 1 / 0\ndef GET(id): return id\n"})
    shown = prerender()
    assert shown.err.splitlines()[0] == ("failed  /<id>: generate_static_params(): ZeroDivisionError: division by zero")
    assert shown.status == 1


def test_segments_that_do_not_fit_the_handler_have_failed(site_redis: RedisServer, site: Site) -> None:
    site.serve({"[id]/route.py": "def generate_static_params(): return [{'id': 'x'}]\ndef GET(id: int): return id\n"})
    assert prerender().err.splitlines()[0] == (
        "failed  https://testserver/x: 404: its segments do not fit the annotations of GET"
    )


def test_urls_are_those_of_every_place_that_includes_the_routes(site_redis: RedisServer, site: Site) -> None:
    site.serve({"about/route.py": COUNTED})
    sys.modules[site.settings.ROOT_URLCONF].urlpatterns = [
        path("v1/", include("django_routehandlers.urls")),
        path("<slug:tenant>/", include("django_routehandlers.urls")),
    ]
    assert prerender("--verbosity", "2").out.splitlines()[:-1] == [
        "stored  https://testserver/v1/about",
        "not stored  /<slug:tenant>/about: the URLconf in front of it takes parameters",
    ]


def test_slash_at_the_end_is_written_where_urls_have_it(site_redis: RedisServer, site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"TRAILING_SLASH": True, "STORE_TIMEOUT": 2.0}
    site.serve({"about/route.py": COUNTED})
    assert prerender("--verbosity", "2").out.splitlines()[0] == "stored  https://testserver/about/"


@pytest.mark.django_db
def test_entry_depends_on_the_tables_that_the_handler_reads(site_redis: RedisServer, site: Site) -> None:
    text = """
        from django.contrib.auth.models import Group


        def GET():
            return [group.name for group in Group.objects.all()]
    """
    site.serve({"groups/route.py": text})
    prerender()
    call_command("revalidate", "--all", verbosity=0)
    assert prerender().out.startswith("1 stored")


def test_store_of_one_process_is_refused(site: Site) -> None:
    site.serve({"about/route.py": COUNTED})
    assert prerender() == Shown(
        "",
        "CACHES['default'] is in the memory of each process, which no other process reaches. The entries would end "
        "with this command. Have CACHES name a cache that processes share, such as Redis, and say which one in "
        "ROUTEHANDLERS['CACHE'].\n",
        1,
    )


def test_cache_that_is_off_is_refused(site_redis: RedisServer, site: Site) -> None:
    site.settings.DEBUG = True
    site.serve({"about/route.py": COUNTED})
    assert prerender() == Shown(
        "",
        "The route cache is off, as it is under DEBUG unless told otherwise. Run this with the settings of the "
        "server, or set ROUTEHANDLERS['CACHE_ENABLED'] = True.\n",
        1,
    )


@pytest.mark.parametrize(
    ("hosts", "arguments", "message"),
    [
        (
            [".example", "*"],
            [],
            "ALLOWED_HOSTS names no host in full, so the URLs have none. Say it: --host shop.example.",
        ),
        (["a.example"], ["--host", "b.example"], "b.example is no host of this project. Invalid HTTP_HOST header: "),
        (["*"], ["--host", "a b"], "a b is no host of this project. Invalid HTTP_HOST header: "),
    ],
    ids=["none", "foreign", "malformed"],
)
def test_host_that_no_visitor_can_have_is_refused(
    site_redis: RedisServer, site: Site, hosts: list[str], arguments: list[str], message: str
) -> None:
    site.settings.ALLOWED_HOSTS = hosts
    site.serve({"about/route.py": COUNTED})
    shown = prerender(*arguments)
    assert (shown.out, shown.err[: len(message)], shown.status) == ("", message, 1)


def test_language_that_no_visitor_can_have_is_refused(site_redis: RedisServer, site: Site) -> None:
    site.settings.LANGUAGES = [("en", "English"), ("de", "German")]
    message = "fr is none of the project's LANGUAGES: en, de.\n"
    assert prerender("--language", "fr") == Shown("", message, 1)


def test_unknown_app_names_those_with_routes(site_redis: RedisServer, site: Site) -> None:
    site.serve({"about/route.py": COUNTED})
    message = f"No installed app shpo has routes. Apps that have: {site.label()}.\n"
    assert prerender("--app", "shpo") == Shown("", message, 1)


def test_routes_with_errors_are_not_filled(site_redis: RedisServer, site: Site) -> None:
    site.serve({"about/route.py": COUNTED, "b/route.py": "1 / 0\n"})
    shown = prerender()
    assert (shown.out, shown.status) == ("", 1)
    assert shown.err.startswith("The routes have 1 mistake:\n")


def test_routes_that_no_urlconf_includes_are_not_filled(site_redis: RedisServer, site: Site) -> None:
    site.serve({"about/route.py": COUNTED})
    sys.modules[site.settings.ROOT_URLCONF].urlpatterns = []
    message = (
        "No URLconf includes the routes, so none answers. "
        'Add path("", include("django_routehandlers.urls")) to urlpatterns.\n'
    )
    assert prerender() == Shown("", message, 1)


@pytest.mark.slow
def test_store_that_does_not_answer_is_an_error(site_redis: RedisServer, site: Site) -> None:
    site.serve({"about/route.py": COUNTED})
    site_redis.stop()
    shown = prerender()
    assert (shown.out, shown.status) == ("", 1)
    assert shown.err.startswith("The store of the route cache cannot be reached. ")


def test_store_that_answers_after_a_while_is_waited_for(site_redis: RedisServer, site: Site) -> None:
    site.serve({"about/route.py": COUNTED})
    site_redis.stop()
    later = threading.Timer(0.5, site_redis.start)
    later.start()
    assert prerender().out == "1 stored, 0 already fresh, 0 not stored, 0 failed.\n"
    later.join()


def test_store_that_takes_nothing_for_a_while_is_waited_for(site_redis: RedisServer, site: Site) -> None:
    """What the memory of this process alone has kept meanwhile does not pass for stored."""
    site.serve({"about/route.py": COUNTED})
    prerender("--host", "a.example")
    site_redis.set_maxmemory("1mb")
    later = threading.Timer(0.5, site_redis.set_maxmemory, ["0"])
    later.start()
    assert prerender("--host", "b.example").out == "1 stored, 0 already fresh, 0 not stored, 0 failed.\n"
    later.join()
    forget_cache()
    answer = site.client.get("/about", headers={"Host": "b.example"}, secure=True)
    assert answer["Cache-Status"].startswith("django-routehandlers; hit")


def test_progress_is_drawn_on_a_terminal(own_redis: RedisServer, tmp_path: Path) -> None:
    """And erased before each line, and at the end."""
    files = {"shop/routes/a/route.py": "def GET(): return 1\n", "shop/routes/b/route.py": "def GET(): return 1 / 0\n"}
    project = write_project(tmp_path / "project", files)
    manage = project / "manage.py"
    caches = (
        f'{{"default": {{"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "{own_redis.url}"}}}}'
    )
    settings = f'SECRET_KEY="x", ROUTEHANDLERS={{"STORE_TIMEOUT": 2.0}}, ALLOWED_HOSTS=["a.example"], CACHES={caches}'
    manage.write_text(manage.read_text().replace('SECRET_KEY="x"', settings))
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-B", "manage.py", "prerender_routes"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "60"},
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    _, errors = run.communicate(timeout=60)
    printed = os.read(ours, 65536).decode().replace("\r\n", "\n")
    os.close(ours)
    assert run.returncode == 1
    assert "failed  https://a.example/b: ZeroDivisionError: division by zero" in errors.decode()
    blank = "\r" + " " * 59 + "\r"
    assert printed == (
        f"\r{'[........................] 0/2 /a':<59}"
        f"\r{'[############............] 1/2 /b':<59}{blank}{blank}"
        "1 stored, 0 already fresh, 0 not stored, 1 failed.\n"
    )


def prerender(*arguments: str) -> Shown:
    """Run the command in this process."""
    out, err = StringIO(), StringIO()
    try:
        call_command("prerender_routes", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return Shown(out.getvalue(), f"{err.getvalue()}{error}\n", error.returncode)
    return Shown(out.getvalue(), err.getvalue(), 0)
