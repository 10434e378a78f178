"""Put each framework into an environment of its own, at the current versions, and tell which those are."""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from beside.frameworks import ROOT, SHOWN, packages

VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


class LeftOut(Exception):
    """Why something is not compared."""


@dataclass(frozen=True)
class Environment:
    """Where a framework is installed."""

    name: str
    python: Path
    """The program that its servers are started by."""
    directory: Path
    versions: dict[str, str]

    @property
    def path(self) -> list[str]:
        """Folders that its servers import from."""
        return [str(ROOT)] if self.name == "ours" else []


def here(name: str) -> Environment:
    """Return the environment that this process runs in."""
    try:
        versions = {package: version(package) for package in SHOWN[name]}
    except PackageNotFoundError as error:
        raise LeftOut(f"{error.name} is not installed here") from None
    return Environment(name, Path(sys.executable), ROOT, versions)


def install(name: str, cache: Path) -> Environment:
    """
    Make an environment, or bring the one of an earlier run up to date.

    Args:
        cache: The folder that has all of them.
    """
    directory = cache / name
    directory.mkdir(parents=True, exist_ok=True)
    return install_from_npm(name, directory) if name == "next" else install_from_pip(name, directory)


def install_from_pip(name: str, directory: Path) -> Environment:
    """Install packages of Python."""
    python = directory / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(directory, with_pip=False, symlinks=sys.platform != "win32")
    # By the pip of this process: to install pip itself into each takes as long as all the rest.
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", "--upgrade", *packages()[name]])
    return Environment(name, python, directory, json.loads(run([python, "-c", VERSIONS, *SHOWN[name]])))


def install_from_npm(name: str, directory: Path) -> Environment:
    """Install packages of Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise LeftOut("there is no Node")
    (directory / "package.json").write_text('{"name": "beside", "private": true}')
    run(["npm", "install", "--silent", "--no-audit", "--no-fund", *packages()[name]], directory)
    found = {one: directory / "node_modules" / one / "package.json" for one in SHOWN[name]}
    versions: dict[str, Any] = {one: json.loads(file.read_text())["version"] for one, file in found.items()}
    node = run(["node", "--version"]).strip().removeprefix("v")
    return Environment(name, Path(sys.executable), directory, {"Node": node, **versions})


def run(command: Iterable[str | Path], directory: Path | None = None) -> str:
    """Run a program; return what it prints."""
    done = subprocess.run([*command], cwd=directory, capture_output=True, text=True)
    if done.returncode:
        # The last line says what is missing; those before it are of the resolver.
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise LeftOut(f"it cannot be installed ({lines[-1] if lines else done.returncode})")
    return done.stdout
