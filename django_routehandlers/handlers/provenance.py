"""
Tell where the config of a route that folders hand down was said, for listings.

What it is, ``nearest()`` decides alone; this only remembers the place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django_routehandlers.conf import SETTING, Config
from django_routehandlers.handlers.folders import INHERITED, nearest


@dataclass(frozen=True, slots=True)
class Place:
    """A route file, or a ``middleware.py``, and what it says."""

    file: str
    config: Mapping[str, Any]
    """Those of ``INHERITED`` that it says."""
    lines: Mapping[str, int]
    """Name → line on which it does."""


@dataclass(frozen=True, slots=True)
class Said:
    """A value that holds for a route, and who said it."""

    value: Any
    file: str | None = None
    """Path of the file; ``None`` where none did."""
    line: int = 0
    setting: str | None = None
    """The setting; ``None`` where a file did, or where it is the default."""

    @property
    def is_default(self) -> bool:
        """Whether nobody said it."""
        return self.file is None and self.setting is None


def who_says(places: Sequence[Place], settings: Mapping[str, Said]) -> Mapping[str, Said]:
    """
    Return for each name of ``INHERITED`` the value that holds.

    Args:
        places: The route file, then those of its folders, the outermost first.
        settings: What ``settings_say()``, which speak last.
    """
    speaking = [dict.fromkeys(one.config, one) for one in places]
    if not any(speaking):
        return settings
    found = {name: nearest(name, speaking, None) for name in INHERITED}
    own = {name: Said(one.config[name], one.file, one.lines[name]) for name, one in found.items() if one is not None}
    return {**settings, **own}


def settings_say(config: Config) -> Mapping[str, Said]:
    """Return for each name of ``INHERITED`` what holds where no file says anything: the name in capitals."""
    defaults, said = Config(), dict[str, Said]()
    for name in INHERITED:
        value: Any = getattr(config, name.upper(), None)
        is_set = value != getattr(defaults, name.upper(), None)
        said[name] = Said(value, setting=f"{SETTING}[{name.upper()!r}]" if is_set else None)
    return said
