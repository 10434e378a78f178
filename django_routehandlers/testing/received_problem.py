"""Turn the content of a response into the problem that it is, as a client reads it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from django_routehandlers.testing.sent import media_type


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedProblem:
    """A problem that came as a response. Source: RFC 9457, section 3."""

    type: str = "about:blank"
    """URI that names the kind of problem."""
    title: str = ""
    """Short name of the kind."""
    status: int
    """HTTP status code."""
    detail: str | None = None
    """What happened this time."""
    errors: tuple[Mapping[str, Any], ...] = ()
    """All faults of an invalid request: ``detail``, ``type``, and ``pointer`` or ``in`` and ``parameter``."""
    members: Mapping[str, Any] = field(default_factory=lambda: {})
    """All further members."""


def problem_of(response: HttpResponseBase) -> ReceivedProblem | None:
    """
    Return the problem that a response is; ``None`` where it is none.

    What a member has of another type than its own counts for nothing (RFC 9457, section 3.1).
    """
    if not isinstance(response, HttpResponse) or media_type(response) != "application/problem+json":
        return None
    try:
        members: dict[str, Any] = json.loads(response.content)
    except ValueError:
        return None
    status: object = members.pop("status", None)
    known = {name: members.pop(name, None) for name in ("type", "title", "detail")}
    texts: dict[str, Any] = {name: value for name, value in known.items() if isinstance(value, str)}
    errors = tuple(members.pop("errors", None) or ())
    number = status if isinstance(status, int) else response.status_code
    return ReceivedProblem(**texts, status=number, errors=errors, members=members)
