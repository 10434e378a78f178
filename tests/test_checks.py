"""The system checks as `manage.py check` runs them, and what a request meets while a mistake stands."""

import importlib
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.urls import reverse
from django.urls.converters import REGISTERED_CONVERTERS, get_converters

from conftest import Site
from django_routehandlers.table import current_table

GOOD = "async def GET():\n    return 1\n"


def test_sound_project_has_no_messages(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.serve({"x/route.py": GOOD})

    call_command("check", "--tag", "routehandlers")

    assert capsys.readouterr().out == "System check identified no issues (0 silenced).\n"


def test_check_lists_every_mistake_of_every_file_at_once(site: Site) -> None:
    """Invariant 84: one bad file lists all bad files."""
    site.serve(
        {
            "good/route.py": GOOD,
            "bad/route.py": "def GET(:\n    pass\n",
            "none/route.py": "import nothing_of_this_name\n",
            "raises/route.py": "import os\n\n1 / 0\n",
            "typo/route.py": "def get(a):\n    pass\n\n\ndef GET(req):\n    pass\n",
            "[x/route.py": GOOD,
        }
    )

    with pytest.raises(SystemCheckError):
        call_command("check")

    name = site.label()
    assert sorted(site.mistakes()) == [
        ("E010", f"{name}/routes/[x"),
        ("E030", f"{name}/routes/bad/route.py:1"),
        ("E030", f"{name}/routes/none/route.py:1"),
        ("E030", f"{name}/routes/raises/route.py:3"),
        ("E032", f"{name}/routes/typo/route.py:1"),
        ("E040", f"{name}/routes/typo/route.py:5"),
    ]


def test_message_says_where_what_rule_and_remedy(site: Site) -> None:
    routes = site.write({"a/route.py": GOOD, "(g)/a/route.py": GOOD})
    site.install()

    (message,) = site.check()

    assert message.id == "routehandlers.E020"
    assert message.msg == (
        f"{routes}/a/route.py: /a: /a and /(g)/a ({routes}/(g)/a/route.py) both serve /a. A URL has one route."
    )
    assert message.hint == "Rename or remove one; route groups do not change the URL."


def test_request_and_reverse_raise_all_mistakes_while_one_stands(site: Site) -> None:
    """Promise P6: a bad route file is never served around."""
    site.serve({"good/route.py": GOOD, "bad/route.py": "1 / 0\n", "none/route.py": ""})
    site.client.raise_request_exception = True

    with pytest.raises(ImproperlyConfigured) as caught:
        site.client.get("/good")
    assert str(caught.value).splitlines()[0] == "The routes have 2 mistakes:"
    with pytest.raises(ImproperlyConfigured):
        reverse("routes:good")


def test_warning_keeps_nothing_from_being_served(site: Site) -> None:
    site.serve({"good/route.py": GOOD, "routes.py": ""})

    assert [id for id, _ in site.mistakes()] == ["W017"]
    assert site.client.get("/good").status_code == 200


def test_routes_that_no_urlconf_includes_are_a_warning(site: Site, settings: Any) -> None:
    site.serve({"x/route.py": GOOD})
    settings.ROOT_URLCONF = "django.contrib.auth.urls"

    (message,) = site.check()

    assert message.id == "routehandlers.W050"
    assert message.hint == 'Add `path("", include("django_routehandlers.urls"))` to urlpatterns, as the last entry.'


def test_two_routes_with_one_name_and_the_same_segments_are_a_mistake(site: Site) -> None:
    site.serve({"a-b/route.py": GOOD, "a/b/route.py": GOOD, "a/[b]/route.py": "async def GET(b):\n    return b\n"})

    assert [id for id, _ in site.mistakes()] == ["E023"]


def test_name_of_a_file_settles_which_is_meant(site: Site) -> None:
    site.serve({"a-b/route.py": GOOD, "a/b/route.py": GOOD + '\n\nname = "nested"\n'})

    assert site.check() == []
    assert (reverse("routes:a-b"), reverse("routes:nested")) == ("/a-b", "/a/b")


@pytest.mark.parametrize(
    ("prefixes", "what"),
    [
        ({"nobody": "x/"}, "ROUTEHANDLERS['PREFIXES']['nobody']: no installed app has this label."),
        ({"auth": "[x]/"}, "ROUTEHANDLERS['PREFIXES']['auth']: '[x]/' is not static."),
        ({"auth": "x]/"}, None),
    ],
)
def test_prefixes_are_static_and_name_installed_apps(
    site: Site, settings: Any, prefixes: dict[str, str], what: str | None
) -> None:
    settings.ROUTEHANDLERS = {"PREFIXES": prefixes}
    site.serve({"x/route.py": GOOD})

    (message,) = site.check()

    assert message.id == "routehandlers.E003"
    if what is not None:
        assert message.msg == what


def test_unknown_converter_is_a_mistake(site: Site) -> None:
    site.serve({"[a=nope]/route.py": GOOD, "x/[p=path]/route.py": GOOD})

    first, second = site.check()

    assert (first.id, second.id) == ("routehandlers.E012", "routehandlers.E012")
    assert str(first.hint).startswith("Register it before the URLconf is read, or use one of int, slug, str, uuid")
    assert second.hint == "Rename the folder to [...p]."


def test_reverse_at_the_top_level_of_a_route_file_is_a_mistake_that_names_reverse_lazy(site: Site) -> None:
    site.serve(
        {
            "x/route.py": "from django.urls import reverse\n\nhome = reverse('routes:x')\n\n\n" + GOOD,
            "y/route.py": "from django.urls import reverse_lazy\n\nhome = reverse_lazy('routes:y')\n\n\n" + GOOD,
        }
    )

    (message,) = site.check()

    assert message.id == "routehandlers.E030"
    assert message.msg.startswith(f"{site.root}/{site.label()}/routes/x/route.py:3: /x: the file cannot be imported: ")
    assert "use reverse_lazy()" in message.msg


def test_file_that_failed_is_imported_again_when_what_it_needs_is_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.serve({"good/route.py": GOOD, "flaky/route.py": f"import {site.label()}_late\n\n\n" + GOOD})
    monkeypatch.setattr("django_routehandlers.apps.RETRY_AFTER", 0.0)

    assert site.client.get("/good").status_code == 500
    (site.root / f"{site.label()}_late.py").touch()

    assert site.client.get("/good").status_code == 200
    assert site.client.get("/flaky").status_code == 200


def test_refused_routes_are_logged_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.serve({"bad/route.py": ""})

    for _ in range(3):
        site.client.get("/bad")

    records = [record for record in caplog.records if record.name == "django_routehandlers"]
    assert [record.getMessage().splitlines()[0] for record in records] == ["The routes have 1 mistake:"]


def test_converter_that_the_urlconf_registers_is_known_to_checks(site: Site) -> None:
    site.write({"y/[y=four_digits]/route.py": "async def GET(y):\n    return y\n"})
    (site.root / f"{site.label()}_urls.py").write_text(
        "from django.urls import include, path, register_converter\n"
        "from django.urls.converters import IntConverter\n\n\n"
        "class FourDigits(IntConverter):\n    regex = '[0-9]{4}'\n\n\n"
        "register_converter(FourDigits, 'four_digits')\n"
        "urlpatterns = [path('', include('django_routehandlers.urls'))]\n"
    )
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS, site.label()]
    site.settings.ROOT_URLCONF = f"{site.label()}_urls"
    try:
        assert site.check() == []
        assert site.client.get("/y/2026").json() == 2026
    finally:
        REGISTERED_CONVERTERS.pop("four_digits", None)
        get_converters.cache_clear()  # pyright: ignore[reportFunctionMemberAccess]


def test_urlconf_without_the_app_says_what_to_add(site: Site) -> None:
    site.settings.INSTALLED_APPS = ["django.contrib.contenttypes"]

    with pytest.raises(ImproperlyConfigured) as caught:
        current_table()

    assert str(caught.value) == (
        "The URLconf includes django_routehandlers.urls, but 'django_routehandlers' is not in INSTALLED_APPS. "
        "Add it there."
    )


def test_optional_catch_all_and_route_of_one_name_are_a_mistake(site: Site) -> None:
    site.serve({"docs/[[...slug]]/route.py": "async def GET(slug):\n    return slug\n", "docs-slug/route.py": GOOD})

    assert [id for id, _ in site.mistakes()] == ["E023"]


def test_variable_that_a_loop_leaves_behind_names_no_route(site: Site) -> None:
    site.serve({"x/route.py": "for name in ('a', 'b'):\n    pass\n\n\n" + GOOD})

    assert site.check() == []
    assert reverse("routes:x") == "/x"


def test_converter_and_name_the_wrong_way_round_are_recognised(site: Site) -> None:
    site.serve({"x/[int=id]/route.py": "async def GET(int):\n    return int\n"})

    (message,) = site.check()

    assert (message.id, message.hint) == ("routehandlers.E012", "Rename the folder to [id=int].")


@pytest.mark.parametrize("folder", ["route", "rotues", "Routes", "router"])
def test_folder_that_is_nearly_named_routes_is_warned_about(site: Site, folder: str) -> None:
    routes = site.write({"x/route.py": GOOD})
    routes.rename(routes.with_name(folder))
    site.install()

    (message,) = site.check()

    assert message.id == "routehandlers.W021"
    assert message.msg == (
        f"{routes.with_name(folder)}: {site.label()}: {folder}/ holds route files, "
        "but only a folder named routes is served."
    )
    assert message.hint == "Rename it to routes."


def test_routes_of_the_project_package_that_is_no_app_are_warned_about(site: Site) -> None:
    routes = site.write({"x/route.py": GOOD}, app="_project")
    (routes.parent / "urls.py").write_text("urlpatterns = []\n")
    importlib.import_module(f"{site.name}_project.urls")
    site.settings.ROOT_URLCONF = f"{site.name}_project.urls"
    site.settings.INSTALLED_APPS = [*site.settings.INSTALLED_APPS]

    (message,) = site.check()

    assert message.id == "routehandlers.W021"
    assert message.hint == "Add it there, or move the folder into an installed app."
