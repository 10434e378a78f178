"""The README's first two ``sh`` blocks set everything up, and ``.ci/run`` runs these very lines."""

from docs_blocks import read_blocks
from docs_project import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_first_command_starts_the_demo_shop() -> None:
    commands = [block.code for block in read_blocks(README, "README.md") if block.language == "sh"]
    assert "testproject/" in commands[0]
    assert "--group demo" in commands[0]


def test_second_command_passes_the_tests() -> None:
    commands = [block.code for block in read_blocks(README, "README.md") if block.language == "sh"]
    assert "pytest" in commands[1]
    assert "--group test" in commands[1]


def test_both_commands_bring_a_pip_that_knows_dependency_groups() -> None:
    commands = [block.code for block in read_blocks(README, "README.md") if block.language == "sh"]
    for command in commands[:2]:
        assert command.index("pip install") < command.index("--group")
        assert "-U pip" in command or "--upgrade pip" in command


def test_ci_runs_both_commands_as_the_readme_has_them() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'readme_command() { python3 tests/docs_blocks.py README.md sh "$1"; }' in script
    assert 'bash -euo pipefail -c "$(readme_command 1)"' in script
    assert 'bash -euo pipefail -c "$(readme_command 2)"' in script
