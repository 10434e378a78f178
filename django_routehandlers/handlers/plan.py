"""The plan that fills the parameters of one handler: made once, at start-up, and run by each request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from django_routehandlers.handlers.content import Content, FormBody
from django_routehandlers.handlers.inputs import Group, Input, UserInput, source_of
from django_routehandlers.handlers.invalid import Entry, invalid
from django_routehandlers.handlers.segment_values import SegmentInput
from django_routehandlers.responses.problems import Refusal


@dataclass(frozen=True, slots=True)
class Plan:
    """How the parameters of one handler are filled, in the order in which a request is judged."""

    request: str | None = None
    """The keyword that takes the request; ``""`` where it is the first parameter; ``None`` where none does."""
    segments: tuple[SegmentInput, ...] = ()
    """What the URL fills, ``params`` included: a misfit is 404."""
    user: UserInput | None = None
    values: tuple[Input | Group, ...] = ()
    """What the query string, header fields and cookies fill, in the order of the signature."""
    content: Content | None = None
    """What the request's content fills."""
    given: frozenset[str] = frozenset()
    """What the route fills from its own functions."""

    def read_segments(self, segments: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the parameters that the URL fills.

        Raises:
            Http404: A segment does not fit its annotation.
        """
        return {one.name: one.read(segments) for one in self.segments}

    def take_user(self, user: Any, values: dict[str, Any]) -> None:
        """
        Put the user among *values*.

        Raises:
            Refusal: 401: the handler needs a user, and the client is anonymous.
        """
        if self.user is None:
            return
        if not user.is_authenticated:
            if self.user.is_required:
                raise Refusal(401)
            if self.user.is_nullable:
                user = None
        values[self.user.name] = user

    @property
    def reads(self) -> bool:
        """Whether ``read`` has anything to do."""
        return self.content is not None or bool(self.values)

    def waits(self, request: HttpRequest) -> bool:
        """Return whether ``read`` may wait for a disk, so that it should not run on the event loop."""
        return isinstance(self.content, FormBody) and self.content.waits(request)

    def read(self, request: HttpRequest, values: dict[str, Any]) -> None:
        """
        Put what the rest of the request fills among *values*.

        Raises:
            Refusal: 422 with all that is invalid; or what the content is refused with.
            SuspiciousOperation: The request exceeds one of Django's limits.
        """
        entries: list[Entry] = []
        for one in self.values:
            one.read(source_of(request, one.place), values, entries)
        if self.content is not None:
            self.content.read(request, values, entries)
        if entries:
            raise invalid(entries)

    def arguments(self, request: HttpRequest, values: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of the handler, positional and by keyword."""
        if self.request is None:
            return (), values
        if self.request:
            values[self.request] = request
            return (), values
        return (request,), values
