"""The wheel holds the package and nothing else; the source distribution what builds and tests it."""

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from built_dist import README, read_metadata, wrong_links

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "django_routehandlers"
SOURCES = {
    str(path.relative_to(ROOT))
    for path in PACKAGE.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
}
FILES_OF_METADATA = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the source distribution, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_the_package_and_its_metadata_only(built: Path) -> None:
    with wheel(built) as archive:
        names = set(archive.namelist())
    (info,) = {name.split("/")[0] for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names == SOURCES | {f"{info}/{name}" for name in FILES_OF_METADATA}
    assert "django_routehandlers/py.typed" in names


def test_wheel_brings_the_plugin_of_pytest_and_no_other(built: Path) -> None:
    with wheel(built) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        text = archive.read(name).decode()
    assert text.split() == ["[pytest11]", "routehandlers", "=", "django_routehandlers.testing.plugin"]


def test_links_of_the_long_description_lead_somewhere_on_an_index(built: Path) -> None:
    for path in built.iterdir():
        assert list(wrong_links(read_metadata(path), README.read_text(encoding="utf-8"))) == []


def test_wheel_asks_for_no_django_with_known_faults(built: Path) -> None:
    with wheel(built) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    assert [requirement.name for requirement in requirements] == [
        "asgiref",
        "django",
        "orjson",
        "pydantic",
        "typing-extensions",
        "httpx2",
        "pyyaml",
    ]
    assert [str(one.marker) for one in requirements if one.marker] == ['extra == "fetch"', 'extra == "yaml"']
    django = requirements[1].specifier
    versions = ["5.2.18", "5.2.19", "5.2.20", "6.0", "6.0.9", "6.0.10", "6.1", "6.1.2", "6.1.3", "6.2"]
    assert list(django.filter(versions)) == ["5.2.19", "5.2.20", "6.0.10", "6.1.3"]


def test_source_distribution_holds_package_tests_demo_and_documentation(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tops = {name.split("/")[0] for name in names}
    expected = {"django_routehandlers", "docs", "testproject", "tests", "tox.ini", "CHANGELOG.md"}
    # hatchling adds these: the metadata, what it needs, and the rules by which it left files out.
    assert tops == expected | {"PKG-INFO", "pyproject.toml", "README.md", "LICENSE", ".gitignore"}
    assert names >= SOURCES
    assert not [name for name in names if name.endswith((".pyc", ".sqlite3")) or "__pycache__" in name]
