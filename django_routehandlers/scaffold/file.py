"""Turn the text of a route file into the file, wholly or not at all."""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

from django_routehandlers.scaffold.errors import CannotStart

Proof = TypeVar("Proof")


def create_file(path: str, text: str, prove: Callable[[], Proof]) -> Proof:
    """
    Write *text* to a new file, and return what *prove* returns once the file is there.

    Nobody reads a part of the text. Whatever fails, the file and the folders made for it are removed again.

    Args:
        prove: Runs with the file in place; what it raises is raised.

    Raises:
        CannotStart: The file exists, or cannot be written.
    """
    file = Path(path)
    with ExitStack() as undo:
        try:
            for folder in reversed([folder for folder in file.parents if not folder.exists()]):
                folder.mkdir()
                undo.callback(_remove, folder)
            _place(file, text)
            undo.callback(file.unlink)
        except OSError as error:
            raise CannotStart(f"{path}: the file cannot be written: {error.strerror}. Nothing was changed.") from error
        proof = prove()
        undo.pop_all()
    return proof


def _place(file: Path, text: str) -> None:
    # The autoreloader looks at names that end in ".py" only.
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        try:
            # Unlike a rename, a link fails where the file exists by now.
            os.link(draft, file)
        except FileExistsError:
            raise
        except OSError:
            # The file system has no hard links.
            draft.rename(file)
    finally:
        with suppress(OSError):
            draft.unlink()


def _remove(folder: Path) -> None:
    # Importing the file has left its bytecode; what anybody else has put there stays.
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()
