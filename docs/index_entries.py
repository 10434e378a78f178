"""
Turn the reference into an index, in which names are found without JavaScript.

Nothing is written by hand. An entry is a name in the first column of a table, with what the column says it is; a
heading, with its page unless it is a name; a header field, in each section that speaks of it; the title of a how-to
guide; and each word of a term of the glossary, where those stand that people search and the pages do not say.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

# Tables of measurements, whose first columns are no names.
_FIGURES = {"reference/engine-numbers", "reference/side-by-side"}
_KINDS = {
    "argument": "argument, {page}",
    "attribute": "attribute, {page}",
    "fixture": "fixture",
    "function": "function",
    "member": "member, {page}",
    "module variable": "variable of a route file",
    "name": "{page}",
    "option": "option of {section}",
    "parameter": "parameter, {page}",
    "setting": "setting",
}
"""What the first column of a table is called, and what is said of the names in it."""
_HEADINGS = {"reference/settings": "setting", "reference/checks": "check", "reference/commands": "command"}
"""What a heading that is a name is the name of."""
_VAGUE = re.compile(
    r"(What|Where|Which|Who|When|How|In|On|Of|Before|Names that) .+|The (function|panel|table|tag that was judged|tree)"
    r"|Clients|Colour|Content|Ends|Failures|Links|Names|Numbers|Pieces|Readers|Releases|Start|Support|Tables|Time"
)
"""Headings that say nothing away from their pages."""
_NAME = re.compile(r"(?:await )?(?P<name>-{0,2}[A-Za-z_][\w.-]*)(?P<call>\(.*\))?")
_PAGE = Path(__file__).parent / "reference" / "header-fields.md"
_FIELDS = frozenset(re.findall(r"`([A-Z][A-Za-z-]*)`", _PAGE.read_text(encoding="utf-8")))
"""Which literals are header fields: those that the page about them has."""

Found = Iterator[tuple[str, nodes.Element]]


class IndexEntries(SphinxTransform):
    """Adds entries to the sections that they lead to."""

    # Before the domains read the document.
    default_priority = 700

    def apply(self, **kwargs: object) -> None:
        """Add what there is to find on this page."""
        page = self.env.docname
        if page == "glossary":
            found = _words(self.document)
        elif page.startswith("reference/") and page not in _FIGURES:
            found = iter([*_headings(self.document, page), *_rows(self.document), *_fields(self.document)])
        elif page.startswith("how-to/"):
            found = _title(self.document)
        else:
            return
        for text, place in dict.fromkeys(found):
            entry = addnodes.index(entries=[("single", text.replace(";", ","), place["ids"][0], "", None)])
            _section_of(place).insert(1, entry)


def _headings(document: nodes.document, page: str) -> Found:
    top = next(document.findall(nodes.section))
    for section in document.findall(nodes.section):
        title = section[0]
        text = title.astext()
        if text.startswith("routehandlers.") or isinstance(title[0], nodes.literal):
            kind = _HEADINGS.get(page)
        elif _VAGUE.fullmatch(text):
            continue
        else:
            kind = None if section is top else f"in {top[0].astext()}"
            text = re.sub("^The (.)", lambda the: the[1].upper(), text)
        yield f"{text} ({kind})" if kind else text, section


def _title(document: nodes.document) -> Found:
    section = next(document.findall(nodes.section))
    yield f"{section[0].astext()} (how-to guide)", section


def _rows(document: nodes.document) -> Found:
    page = next(document.findall(nodes.title)).astext()
    for table in document.findall(nodes.table):
        section, head = _section_of(table), next(table.findall(nodes.thead), None)
        column = "" if head is None else next(head.findall(nodes.entry)).astext()
        if column not in _KINDS:
            continue
        about = _KINDS[column].format(page=page, section=section[0].astext())
        for row in next(table.findall(nodes.tbody)).findall(nodes.row):
            for literal in row[0].findall(nodes.literal):
                if name := _NAME.fullmatch(literal.astext()):
                    yield f"{name['name']}{'()' if name['call'] else ''} ({about})", section


def _fields(document: nodes.document) -> Found:
    for literal in document.findall(nodes.literal):
        if (name := literal.astext().partition(": ")[0]) in _FIELDS:
            yield f"{name} (header field)", _section_of(literal)


def _words(document: nodes.document) -> Found:
    for term in document.findall(nodes.term):
        term["ids"].append(nodes.make_id(f"word-{term.astext()}"))
        for word in term.astext().split(", "):
            yield f"{word[0].upper()}{word[1:]} (glossary)", term


def _section_of(node: nodes.Node) -> nodes.section:
    while not isinstance(node, nodes.section):
        node = node.parent
    return node


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the entries to each page as it is read."""
    app.add_transform(IndexEntries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
