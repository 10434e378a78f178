"""
What is wrong with a project's routes, as values; and the one error that carries them.

A mistake is found once, as a value, wherever it is found. System checks print it, a
request or a ``reverse()`` that meets a broken tree raises it, and no mistake hides another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from django.core.exceptions import ImproperlyConfigured

from django_routehandlers.documentation import CHECKS, Section, see


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """A developer's mistake: where, what, the rule, the remedy."""

    file: str
    """Path of the file or folder that has to be changed; ``""`` for a setting."""
    line: int
    """Line in *file*, from 1; 0 where the whole file or folder is meant."""
    id: str
    """The system check's id without its prefix, such as ``E012``. Never used for another mistake."""
    where: str
    """The route id (its folders as written), the setting, or the file."""
    what: str
    """What is wrong, and the rule that it breaks."""
    remedy: str
    """The exact edit that mends it."""

    @property
    def level(self) -> Literal["error", "warning"]:
        """Whether the tree can be served all the same: ids with ``W`` are warnings."""
        return "warning" if self.id.startswith("W") else "error"

    @property
    def location(self) -> str:
        """``file:line``, as terminals and editors make clickable."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        head = f"{self.location}: {self.where}" if self.file else self.where
        return f"{head}: {self.what} {self.remedy}"


class RoutesError(ImproperlyConfigured):
    """
    The project's routes cannot be served.

    Raised by every request and every ``reverse()`` that reaches the routes while a
    mistake stands, as Django does for a URLconf that cannot be imported.
    """

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        lines = "\n".join(f"  {mistake} (routehandlers.{mistake.id})" for mistake in self.mistakes)
        super().__init__(f"The routes have {count} mistake{'s' if count != 1 else ''}:\n{lines}")
        for id in dict.fromkeys(mistake.id for mistake in self.mistakes):
            self.add_note(see(Section(CHECKS, f"routehandlers.{id}")))
