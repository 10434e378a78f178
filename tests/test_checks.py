"""The system checks as `manage.py check` runs them, and what a request meets while a mistake stands."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.urls import reverse

from conftest import Site

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
            "typo/route.py": "def get(a):\n    pass\n\n\ndef GET(b):\n    pass\n",
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
    assert str(first.hint).startswith(
        "Register it before the URLconf is read, or use one of int, path, slug, str, uuid"
    )
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
