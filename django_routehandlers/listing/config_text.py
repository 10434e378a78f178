"""
Turn the config that folders hand down into words, with the place that says it.

Pure, and the same for every name: a new one is listed by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from typing import Any, cast

from django_routehandlers.handlers.provenance import Said


def told(config: Mapping[str, Said]) -> Mapping[str, Said]:
    """Return what a listing tells: all that somebody said, and of the rest what is not none."""
    return {name: one for name, one in config.items() if not (one.is_default and one.value is None)}


def config_cell(config: Mapping[str, Said]) -> str:
    """Return what files and settings say, in one line: ``csrf = token, max_duration = 10``; ``-`` for nothing."""
    said = (f"{name} = {value_text(one.value)}" for name, one in config.items() if not one.is_default)
    return ", ".join(said) or "-"


def config_rows(config: Mapping[str, Said], below: str) -> Iterator[tuple[str, str, str]]:
    """
    Yield name, value and who said it, for people.

    Args:
        below: Directory, with its last slash, to which paths of files are relative.
    """
    for name, said in told(config).items():
        yield name, value_text(said.value), source_text(said, below)


def config_as_json(config: Mapping[str, Said], below: str) -> dict[str, dict[str, object]]:
    """
    Return the object that ``--format json`` prints.

    Args:
        below: Directory, with its last slash, to which paths of files are relative.
    """
    return {name: {"value": _plain(one.value), "source": source_text(one, below)} for name, one in told(config).items()}


def source_text(said: Said, below: str) -> str:
    """Return who said it: ``shop/routes/middleware.py:3``, a setting, or ``default``."""
    if said.file is None:
        return said.setting or "default"
    return f"{said.file.removeprefix(below)}:{said.line}"


def value_text(value: object) -> str:
    """Return a value as its author would recognise it, without what is as by default."""
    return value if isinstance(value, str) else "none" if value is None else _text(value)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, cast('list[object]', value)))}]"
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}({', '.join(_changed(value))})"
    return repr(value)


def _changed(value: Any) -> Iterator[str]:
    for one in fields(value):
        now: object = getattr(value, one.name)
        if one.repr and now != _default(one):
            yield f"{one.name}={now!r}"


def _default(one: "Field[Any]") -> object:
    return one.default_factory() if one.default_factory is not MISSING else one.default
