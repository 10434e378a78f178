"""What GitHub runs is pinned, may do little, and tries what tox does; what contributors read names what there is."""

import re
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

from built_dist import wrong_links
from docs_blocks import read_blocks
from docs_project import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PAGES = sorted(GITHUB.glob("*.md"))
PINNED = re.compile(r"uses: (?P<action>[\w./-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def read(path: Path) -> dict[str, Any]:
    """Return a workflow; YAML 1.1 takes its key ``on`` for a truth value."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits(path: Path) -> None:
    lines = [line.strip().removeprefix("- ") for line in path.read_text(encoding="utf-8").splitlines()]
    used = [line for line in lines if line.startswith("uses: ") and not line.startswith("uses: ./")]
    assert used
    assert [line for line in used if not PINNED.match(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_may_read_and_no_more(path: Path) -> None:
    workflow = read(path)
    jobs = workflow["jobs"]
    allowed = {name: job.get("permissions", workflow["permissions"]) for name, job in jobs.items()}
    publishing = {"id-token": "write"}
    assert [name for name, rights in allowed.items() if rights not in ({"contents": "read"}, publishing)] == []
    # Who can publish runs nothing of this repository.
    for name in (name for name, rights in allowed.items() if rights == publishing):
        assert all("run" not in step and "checkout" not in step["uses"] for step in jobs[name]["steps"])
        assert jobs[name]["environment"]["name"] == "pypi"
    checkouts = [step for job in jobs.values() for step in job.get("steps", []) if "checkout@" in step.get("uses", "")]
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_value_of_an_event_gets_into_a_shell(path: Path) -> None:
    steps = [step for job in read(path)["jobs"].values() for step in job.get("steps", [])]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


def test_matrix_has_each_environment_of_tox() -> None:
    jobs = read(GITHUB / "workflows" / "tests.yml")["jobs"]
    rows = jobs["tests"]["strategy"]["matrix"]["include"]
    assert [row for row in rows if not row["env"].startswith(f"py{row['python'].replace('.', '')}-")] == []
    tried = {row["env"] for row in rows} | set(jobs["style"]["strategy"]["matrix"]["env"])
    config = (ROOT / "tox.ini").read_text(encoding="utf-8")
    names = re.search(r"^env_list =\n((?:    .+\n)+)", config, re.MULTILINE)
    assert names
    expected: set[str] = set()
    for name in names[1].split("\n")[:-1]:
        pythons, djangos = (re.findall(r"\d+", part) for part in (name.strip().partition("-")[::2]))
        expected |= {f"py{python}-django{django}" for python in pythons for django in djangos} or {name.strip()}
    assert tried == expected


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_that_a_page_for_contributors_names_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    named = re.findall(r"\b(?:tests|docs)/[\w/-]+\.(?:py|md)\b", text)
    assert [link for link in links if not (path.parent / link).is_file()] == []
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize(
    ("source", "text", "wrong"),
    [
        (None, "Read the docs and [RFC](https://rfc.example/).", []),
        (None, "Read [the docs](docs/a.md).", ["docs/a.md is relative"]),
        ("https://code.example/x", "Read [the docs](https://code.example/x/blob/main/docs/a.md).", []),
        (
            "https://code.example/x",
            "Read the docs.",
            ["1 links of the README are to lead to https://code.example/x, and 0 do: see pyproject.toml"],
        ),
        (None, "```sh\nmore\n```", ["the code is not that of the README"]),
    ],
)
def test_link_of_the_long_description_that_leads_nowhere_is_found(
    source: str | None, text: str, wrong: list[str]
) -> None:
    metadata = Message()
    if source is not None:
        metadata["Project-URL"] = f"Source, {source}"
    metadata.set_payload(text)
    assert list(wrong_links(metadata, "Read [the docs](docs/a.md) and [RFC](https://rfc.example/).")) == wrong


def test_first_green_test_is_prepared_as_the_readme_prepares_all_of_them() -> None:
    def commands(path: Path) -> str:
        return next(
            block.code
            for block in read_blocks(path.read_text(encoding="utf-8"), path.name)
            if block.language == "sh" and "--group test" in block.code
        )

    first, readme = commands(GITHUB / "CONTRIBUTING.md"), commands(ROOT / "README.md")
    assert first.splitlines()[:-1] == readme.split(" && ")[:-1]
