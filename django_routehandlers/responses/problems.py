"""
Turn faults into problem details (RFC 9457).

Decides what a client is told. Logging and signals are the business of whoever caught the exception.
"""

import http
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.functional import Promise

from django_routehandlers.responses.encoding import encode_json

# Python 3.13 renamed these to the phrases of RFC 9110; a title is the same on every Python.
_RENAMED_TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a request, as a value. Source: RFC 9457, section 3."""

    type: str = "about:blank"
    """URI that names the kind of problem. ``about:blank``: the status says it all."""
    title: str
    """Short name of the kind, the same each time it occurs."""
    status: int
    """HTTP status code, 400 to 599."""
    detail: str | None = None
    """What happened this time, for the client to read; ``None`` where there is nothing to say."""
    errors: Sequence[Mapping[str, object]] = ()
    """All faults of an invalid request: dicts with ``detail``, ``type`` and the place."""
    more: Mapping[str, object] = field(default_factory=lambda: {})
    """Members that its kind has beside these (RFC 9457, section 3.2)."""

    @classmethod
    def from_status(
        cls, status: int, *, detail: str | None = None, errors: Sequence[Mapping[str, object]] = ()
    ) -> "Problem":
        """Return the problem whose title is the reason phrase of *status* (RFC 9457, section 4.2.1)."""
        return cls(title=_title(status), status=status, detail=detail, errors=tuple(errors))

    def as_dict(self) -> dict[str, object]:
        """Return the members as they are sent; ``detail`` and ``errors`` only where there are any."""
        members: dict[str, object] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail:
            members["detail"] = self.detail
        if self.errors:
            members["errors"] = list(self.errors)
        return {**members, **self.more}


class ProblemResponse(HttpResponse):
    """
    A problem as ``application/problem+json``.

    A status of 500 and above is never stored: ``Cache-Control: no-store``, unless *headers*
    say otherwise.

    Args:
        status: HTTP status code, 400 to 599.
        detail: What happened this time. It is sent to the client as it is.
        errors: All faults of an invalid request.
        headers: More header fields, such as ``Allow`` beside a 405.
        problem: The problem, of that status, where it has a kind of its own.
    """

    def __init__(
        self,
        status: int,
        *,
        detail: str | None = None,
        errors: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
        problem: Problem | None = None,
    ) -> None:
        self.problem = problem or Problem.from_status(status, detail=detail, errors=errors)
        fields = {"Content-Type": "application/problem+json"}
        if status >= 500:
            fields["Cache-Control"] = "no-store"
        content = encode_json(self.problem.as_dict())
        super().__init__(content, status=status, headers={**fields, **(headers or {})})


class Refusal(Exception):
    """
    A request that is answered with a problem, wherever that is found.

    Args:
        status: HTTP status code, 400 to 599.
        detail: What is wrong. It is sent to the client as it is.
        errors: All faults of an invalid request.
        headers: More header fields, such as ``Accept`` beside a 415.
    """

    def __init__(
        self,
        status: int,
        *,
        detail: str | None = None,
        errors: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.response = ProblemResponse(status, detail=detail, errors=errors, headers=headers)


def problem_for_exception(error: Exception) -> ProblemResponse | None:
    """
    Return what a client is told about *error*, or ``None`` where it is no answer to the client.

    ``None`` means an unhandled exception, which tells the client nothing, or that there is
    nobody left to tell: ``RequestAborted``, and ``UnreadablePostError``, which Django treats
    as any other exception.
    """
    match error:
        case Refusal():
            return error.response
        case Http404():
            return ProblemResponse(404, detail=_message(error))
        case PermissionDenied():
            return ProblemResponse(403, detail=_message(error))
        case BadRequest():
            return ProblemResponse(400, detail=_message(error))
        case MultiPartParserError():
            return ProblemResponse(400, detail="The multipart body is malformed.")
        case RequestDataTooBig():
            return ProblemResponse(413, detail="The request body is too large.")
        case TooManyFilesSent():
            return ProblemResponse(413, detail="The request has too many files.")
        case TooManyFieldsSent():
            # Not 413: the fields may be those of the query string, which is no content.
            return ProblemResponse(400, detail="The request has too many fields.")
        case SuspiciousOperation():
            # Its message may hold internal paths, or what an attacker sent.
            return ProblemResponse(400)
        case _:
            return None


def _message(error: Exception) -> str | None:
    """Return what the project's own code says of *error*: Django's own messages name models and paths."""
    if _raised_in(error).partition(".")[0] == "django":
        return None
    # Django's resolver raises Http404 with a dict of the patterns it tried.
    match error.args:
        case (str() | Promise() as message, *_):
            return str(message) or None
        case _:
            return None


def _raised_in(error: Exception) -> str:
    """Return the name of the module that raised *error*; ``""`` where it has not been raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else trace.tb_frame.f_globals.get("__name__", "")


def _title(status: int) -> str:
    if status in _RENAMED_TITLES:
        return _RENAMED_TITLES[status]
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status Code"
