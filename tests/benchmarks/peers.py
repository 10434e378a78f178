"""Put packages that are compared, and that the tests do not need, within reach of one run."""

import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


def add_option(parser: ArgumentParser) -> None:
    """Add the option that ``reachable`` takes."""
    parser.add_argument("--install", action="store_true", help="install the peers that are missing, for this run")


@contextmanager
def reachable(packages: dict[str, str], *, install: bool) -> Iterator[list[str]]:
    """
    Give the modules of *packages* that can be imported, and name those that are left out.

    Args:
        packages: Module → the name of the package that has it.
        install: Whether what is missing is installed first, into a directory that lasts for this run.
    """
    with tempfile.TemporaryDirectory() as directory:
        missing = [package for module, package in packages.items() if find_spec(module) is None]
        if install and missing:
            command = [sys.executable, "-m", "pip", "install", "-q", "--target", directory, *missing]
            subprocess.run(command, check=True)
            # Behind all others: what a peer shares with us, such as Django, stays what it was.
            sys.path.append(directory)
        found = [module for module in packages if find_spec(module) is not None]
        for module in packages.keys() - set(found):
            print(f"{packages[module]} is left out: it is not installed (see --install).")
        yield found
        if directory in sys.path:
            sys.path.remove(directory)
