"""
Turn a Markdown page into its fenced code blocks; ``docs_project`` says what is done with each.

Needs nothing but Python: ``python tests/docs_blocks.py README.md sh 2`` prints a page's second ``sh`` block.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"^ *(?P<ticks>```+|~~~+) *(?P<language>[^`\s]*)[^`]*$")
_MARKER = re.compile(r"^\s*<!-- (?P<name>output|serves|not run)(?:: (?P<reason>.+))? -->\s*$")
_DIRECTIVE = re.compile(r"^\{[\w-]+\}$")


class Block(NamedTuple):
    """One fenced code block."""

    page: str
    line: int
    """Of the opening fence, from 1."""
    language: str
    code: str
    marker: str
    """``"output"``, ``"serves"``, ``"not run"`` or ``""``."""
    reason: str
    """Why it is not run."""

    @property
    def place(self) -> str:
        """``page:line``."""
        return f"{self.page}:{self.line}"


def read_blocks(text: str, page: str) -> list[Block]:
    """Return the code blocks of a page's *text*; MyST directives, such as a note, are none."""
    blocks: list[Block] = []
    lines = iter(enumerate(text.splitlines(), start=1))
    above = ""
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence is None:
            above = line if line.strip() else above
            continue
        code = "\n".join(_until_closed(lines, fence["ticks"]))
        if not _DIRECTIVE.match(fence["language"]):
            marker = _MARKER.match(above)
            name, reason = (marker["name"], marker["reason"] or "") if marker else ("", "")
            blocks.append(Block(page, number, fence["language"], textwrap.dedent(code), name, reason))
        above = ""
    return blocks


def _until_closed(lines: Iterator[tuple[int, str]], ticks: str) -> Iterator[str]:
    for _, line in lines:
        if line.strip().startswith(ticks) and not line.strip().strip(ticks[0]):
            return
        yield line


if __name__ == "__main__":
    name, language, number = sys.argv[1:]
    wanted = [
        block for block in read_blocks(Path(name).read_text(encoding="utf-8"), name) if block.language == language
    ]
    print(wanted[int(number) - 1].code)
