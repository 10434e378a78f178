"""
What is wanted of the cache, what a run makes, and the steps between the two, as values.

A step is something that may wait. Whoever drives the steps, in a thread or on an event loop,
does it and sends back what comes of it.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from django_routehandlers.caching.flights import Landing
from django_routehandlers.caching.keys import Key, digest
from django_routehandlers.caching.recording import Recording
from django_routehandlers.caching.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Terms:
    """How long an entry may be used, and what ends that sooner."""

    lifetime: float | None
    """Seconds; ``None`` until it is invalidated."""
    tags: tuple[str, ...]
    follows_tables: bool
    """Whether it also ends when a table changes that its maker read."""
    tables: frozenset[str] = frozenset()
    """Tables that it depends on without having been seen to read them."""
    names: tuple[str, ...] = ()
    """What the project calls its tags, for those who look at the entry."""


@dataclass(slots=True)
class Wanted:
    """An entry that somebody asks for."""

    key: Key
    terms: Terms
    surroundings: Surroundings
    outer: Recording | None = None
    """The fill that asks."""
    _name: str = ""

    @property
    def is_within_itself(self) -> bool:
        """Whether the fill that asks is, or is part of, the one of this entry: to wait for it would be for ever."""
        return self.outer is not None and self.outer.is_within(self.key)

    @property
    def name(self) -> str:
        """The name of the entry in the store."""
        self._name = self._name or digest(self.key)
        return self._name


@dataclass(frozen=True, slots=True)
class Made:
    """What a run has made."""

    result: Any
    """What the caller gets."""
    value: bytes | None
    """What may be kept; ``None`` where nothing may."""
    why_not: str | None = None
    """Why nothing may be kept."""
    lifetime: float | None = None
    """Seconds that the result itself states as its freshness lifetime; ``None`` where it states none."""
    decoded: Any = None
    """What readers make of the value."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A step that may ask the store."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """A step that lets others go on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """The step that runs what makes the entry."""

    recording: Recording


Step = Ask | Pause | Run
Steps = Generator[Step, Any, Landing]
