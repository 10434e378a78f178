"""Every code block of the README and of ``docs/`` does what the page says."""

from pathlib import Path

import pytest

from docs_blocks import Block, read_blocks
from docs_project import ROOT, PageError, run_page

SAMPLE = Path(__file__).parent / "samples" / "docs" / "good.md"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
NOT_RUN = [block for page, text in PAGES.items() for block in read_blocks(text, page) if block.marker == "not run"]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if read_blocks(text, page)])
def test_page_tells_the_truth(page: str, tmp_path: Path) -> None:
    run_page(PAGES[page], page, tmp_path)


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in NOT_RUN])
def test_block_that_is_not_run_says_why(block: Block) -> None:
    assert block.reason
    pytest.skip(block.reason)


@pytest.mark.slow
def test_sample_page_passes(tmp_path: Path) -> None:
    run_page(SAMPLE.read_text(encoding="utf-8"), "good.md", tmp_path)


@pytest.mark.parametrize(
    ("page", "line"),
    [
        pytest.param("```python\nprint(1)\n```\n<!-- output -->\n```text\n2\n```", 7, id="output of Python"),
        pytest.param("```sh\necho '[1]'\n```\n<!-- output -->\n```json\n[2]\n```", 7, id="JSON"),
        pytest.param("```pycon\n>>> 1 + 1\n3\n```", 3, id="doctest"),
        pytest.param("```console\n$ echo one\ntwo\n```", 3, id="output of a command"),
        pytest.param("```console\n$ printf '1\\n2\\n3\\n'\n1\n...\n4\n```", 3, id="output with an ellipsis"),
        pytest.param("```console\n$ echo one\n$ echo two\none\n```", 3, id="output of another command"),
        pytest.param("```python\nmissing\n```", 3, id="Python that fails"),
        pytest.param("```sh\nfalse\ntrue\n```", 3, id="command that fails"),
        pytest.param("```console\n$ false\n```", 3, id="command without output that fails"),
        pytest.param("```console\necho one\n```", 3, id="no command"),
        pytest.param("<!-- serves -->\n```sh\npython -m no_such_server\n```", 4, id="server that does not start"),
        pytest.param("<!-- not run -->\n```sh\nls\n```", 4, id="no reason"),
        pytest.param("```\nls\n```", 3, id="no language"),
        pytest.param("```html\n<p>\n```", 3, id="no rule"),
    ],
)
def test_page_with_a_false_statement_fails_at_its_line(page: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(PageError, match=rf"^false\.md:{line}: "):
        run_page(f"<!-- start: empty -->\n\n{page}\n", "false.md", tmp_path)


@pytest.mark.slow
def test_sample_page_with_another_answer_fails(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    assert text.count('{"hello":"world"}') == 1
    with pytest.raises(PageError, match=r"^good\.md:88: \$ curl .*\n.*moon(.*\n)+.*world"):
        run_page(text.replace('{"hello":"world"}', '{"hello":"moon"}'), "good.md", tmp_path)


def test_page_in_an_empty_folder_begins_with_nothing(tmp_path: Path) -> None:
    run_page("<!-- start: empty -->\n\n```console\n$ ls\n$ echo *\n*\n```\n", "empty.md", tmp_path)


def test_block_is_read_with_its_line_and_without_the_indentation_of_its_list() -> None:
    text = "1.  <!-- not run: why -->\n\n    ```sh\n    if true; then\n        ls\n    fi\n    ```\n"
    code = "if true; then\n    ls\nfi"
    assert read_blocks(text, "page.md") == [Block("page.md", 3, "sh", code, "", "")]


def test_block_inside_a_longer_fence_belongs_to_it() -> None:
    text = "<!-- not run: a sample -->\n````markdown\n```sh\nls\n```\n````\n"
    assert read_blocks(text, "page.md") == [
        Block("page.md", 2, "markdown", "```sh\nls\n```", "not run", "a sample"),
    ]
