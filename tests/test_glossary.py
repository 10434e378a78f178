"""The glossary says what the words of the documentation mean, all of them and no others."""

import re

import pytest

from docs_project import ROOT

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^(\S.*)\n: ", GLOSSARY, re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)
PAGES = {
    path: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if path.name != "glossary.md"
}
# Whoever writes a web application knows these, or they are names, not terms.
KNOWN_TO_ALL = re.findall(
    r"\w+",
    """
    API ASCII CPU DELETE GET HEAD HTML HTTP ISO JSON LTS NUL OPTIONS ORM PATCH PATH POST PUT REST RFC SCRAM SQL TRACE
    URI URL UTC UTF UUID WHATWG YAML
    """,
)


def test_terms_are_sorted_and_each_has_one_entry() -> None:
    assert sorted(set(TERMS), key=str.casefold) == TERMS


@pytest.mark.parametrize("term", TERMS)
def test_term_is_used_on_a_page(term: str) -> None:
    # Up to the ending, which a plural or a past tense changes. Some terms are settings: LOCAL_TIER. What comes behind
    # the first comma is another word for the same, which people look for.
    stem = re.escape(re.sub(r"(y|e)$", "", term.partition(", ")[0])).replace(r"\ ", r"[\s_]+")
    assert any(re.search(rf"\b{stem}", text, re.IGNORECASE) for text in PAGES.values())


def test_each_abbreviation_of_the_reference_is_explained() -> None:
    known = {*KNOWN_TO_ALL, *(word for term in TERMS for word in term.split())}
    used = {
        word
        for path, text in PAGES.items()
        if path.parent.name == "reference"
        for word in re.findall(r"\b[A-Z]{3,}\b", CODE.sub(" ", text))
    }
    assert used - known == set()
