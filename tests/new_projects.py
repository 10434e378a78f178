"""What ``startproject`` and ``startapp`` write, which each process of the tests lets them write only once."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


def write_new_project(folder: Path, name: str, app: str) -> None:
    """Fill *folder* with a new project *name* that has a new app, neither changed."""
    for path, content in _files(name, app).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    # As Django makes it.
    (folder / "manage.py").chmod(0o755)


@cache
def _files(name: str, app: str) -> Mapping[str, bytes]:
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    with TemporaryDirectory() as folder:
        for command in (["-m", "django", "startproject", name, "."], ["manage.py", "startapp", app]):
            # Without bytecode, which would be of files of this folder.
            arguments = [sys.executable, "-B", *command]
            done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}
