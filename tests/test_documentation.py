"""Messages of system checks lead to the section that tells more."""

from dataclasses import fields
from pathlib import Path

import pytest
from django.core.checks import run_checks

import built_docs
from conftest import Site
from django_routehandlers.conf import Config
from django_routehandlers.documentation import anchor, documentation_url, see


def test_message_of_a_check_names_its_section(site: Site) -> None:
    site.serve({"x/[order-id]/route.py": "def GET(): ..."})
    (message,) = [one for one in run_checks(tags=["routehandlers"]) if one.id == "routehandlers.E011"]
    assert message.hint == "Rename [order-id] to [order_id]. See routehandlers.E011 in docs/reference/checks.md."


@pytest.mark.parametrize(
    ("urls", "sentence"),
    [
        ([], "See routehandlers.E011 in docs/reference/checks.md."),
        (["Source, https://code.example/"], "See routehandlers.E011 in docs/reference/checks.md."),
        (
            ["Source, https://code.example/", "Documentation, https://docs.example/en/stable/"],
            "See https://docs.example/en/stable/reference/checks.html#routehandlers-e011",
        ),
    ],
)
def test_address_of_the_metadata_is_linked_and_no_other(urls: list[str], sentence: str) -> None:
    assert see("routehandlers.E011", documentation_url(urls)) == sentence


def test_place_that_a_built_page_lacks_is_found(tmp_path: Path) -> None:
    headings = {
        "reference/checks.html": [f"routehandlers.{id}" for id in built_docs.ids_in_the_code()],
        "reference/settings.html": [setting.name for setting in fields(Config)],
    }
    for page, names in headings.items():
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text("".join(f'<h2 id="{anchor(name)}"></h2>' for name in names), encoding="utf-8")
    assert built_docs.missing_places(tmp_path) == []
    settings = tmp_path / "reference/settings.html"
    settings.write_text(settings.read_text(encoding="utf-8").replace('id="cache-enabled"', ""), encoding="utf-8")
    assert built_docs.missing_places(tmp_path) == ["reference/settings.html#cache-enabled"]
