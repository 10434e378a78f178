"""Pictures of the documentation can be read by everybody, and load nothing."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs_project import ROOT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "explanation").glob("*.svg")), ids=lambda path: path.name)
def test_picture_tells_its_title_and_description_in_light_and_dark(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    picture = ElementTree.fromstring(text)
    named = {str(element.get("id")): element for element in picture.iter() if element.get("id")}
    labels = [named[id] for id in str(picture.get("aria-labelledby")).split()]
    assert [label.tag for label in labels] == [f"{SVG}title", f"{SVG}desc"]
    assert all((label.text or "").strip() for label in labels)
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"(?:href|src|url\()[^#]*https?:", text) == []
    assert f"{SVG}script" not in {element.tag for element in picture.iter()}
