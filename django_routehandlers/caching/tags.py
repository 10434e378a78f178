"""
Name what an entry depends on: its path, tables, and what the project calls a tag.

Names that come with a request are gathered in a fixed number of tags: whoever asks for a million
paths must not leave a million versions in the store. Two that meet are refreshed together, which
is never wrong.
"""

import hashlib
from collections.abc import Iterable

ANY_TABLE = "table:*"
"""Tag of every entry that depends on a table: what may have written to any of them."""
EVERY_WRITE = "table:**"
"""Tag that every committed write changes. No entry depends on it: it tells whether anything was written meanwhile."""

DEPTH = 16
"""Folders of a path that have a tag; what is invalidated below a deeper one is what is below the last of these."""
_PLACES = 2**16
"""Tags that stand for all paths, as many for all folders, and as many for all tags that a function makes."""


def user_tag(tag: str) -> str:
    """Return the tag that the project calls *tag*, where its source names it."""
    return f"tag:{tag}"


def made_tag(tag: str) -> str:
    """Return the tag that the project calls *tag*, where a function has made the name."""
    return f"made:{_place(tag)}"


def every_tag(tag: str) -> tuple[str, str]:
    """Return all that ``revalidate_tag(tag)`` changes."""
    return user_tag(tag), made_tag(tag)


def table_tag(table: str) -> str:
    """Return the tag of a table, whatever its case, schema or database."""
    return f"table:{table.casefold()}"


def table_tags(tables: Iterable[str]) -> tuple[str, ...]:
    """Return the tags of an entry that depends on *tables*."""
    tags = tuple(map(table_tag, tables))
    return (ANY_TABLE, *tags) if tags else ()


def path_tag(path: str, *, below: bool = False) -> str:
    """Return the tag of the entries of *path*, without the script prefix, or of all at and below it."""
    if not below:
        return f"path:{_place(path)}"
    return f"below:{_place('/'.join(path.rstrip('/').split('/', DEPTH)[:DEPTH]))}"


def path_tags(path: str) -> list[str]:
    """Return the tags of an entry of *path*: its own, and one for each of the first folders that lead to it."""
    folders = path.rstrip("/").split("/", DEPTH)[:DEPTH]
    return [path_tag(path), *(f"below:{_place('/'.join(folders[:end]))}" for end in range(1, len(folders) + 1))]


def _place(name: str) -> int:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _PLACES
