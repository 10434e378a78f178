"""
Turn faults into problem details (RFC 9457).

Decides what a client is told. Logging and signals are the business of whoever caught the exception.
"""

import http
from collections.abc import Mapping
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

from django_routehandlers.documentation import Section, documented
from django_routehandlers.responses.encoding import encode_json
from django_routehandlers.responses.given_fields import checked_fields

_SECTION = Section("reference/responses", "Problem")

# Python 3.13 renamed these to the phrases of RFC 9110; a title is the same on every Python.
_RENAMED_TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDetails:
    """One fault of a request, as a value. Source: RFC 9457, section 3."""

    type: str = "about:blank"
    """URI that names the kind of problem. ``about:blank``: the status says it all."""
    title: str
    """Short name of the kind, the same each time it occurs."""
    status: int
    """HTTP status code, 400 to 599."""
    detail: str | None = None
    """What happened this time, for the client to read; ``None`` where there is nothing to say."""
    members: Mapping[str, object] = field(default_factory=lambda: {})
    """More members, such as ``errors``, all faults of an invalid request. None of them is one of the above."""

    @classmethod
    def from_status(cls, status: int, *, detail: str | None = None, **members: object) -> "ProblemDetails":
        """Return the problem whose title is the reason phrase of *status* (RFC 9457, section 4.2.1)."""
        return cls(title=title_of(status), status=status, detail=detail, members=members)

    def as_dict(self) -> dict[str, object]:
        """Return the members as they are sent; ``detail`` only where there is one."""
        members: dict[str, object] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail:
            members["detail"] = self.detail
        return {**members, **self.members}


class ProblemResponse(HttpResponse):
    """
    A problem as ``application/problem+json``.

    A status of 500 and above is never stored: ``Cache-Control: no-store``, unless *headers*
    say otherwise.

    Args:
        problem: The problem; a status stands for the one that says no more than it.
        detail: What happened this time, beside a status. It is sent to the client as it is.
        headers: More header fields, such as ``Allow`` beside a 405.
    """

    def __init__(
        self,
        problem: ProblemDetails | int,
        *,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(problem, ProblemDetails):
            problem = ProblemDetails.from_status(problem, detail=detail)
        self.problem = problem
        fields = {"Content-Type": "application/problem+json"}
        if problem.status >= 500:
            fields["Cache-Control"] = "no-store"
        content = encode_json(problem.as_dict())
        super().__init__(content, status=problem.status, headers={**fields, **(headers or {})})


class Problem(Exception):
    """
    A problem as an exception: a route answers it wherever it is raised. Source: RFC 9457.

    Args:
        status: HTTP status code, 400 to 599.
        detail: What happened this time. It is sent to the client as it is.
        type: URI that names the kind of problem; ``about:blank`` where the status says it all.
        title: Short name of the kind, the same each time it occurs; the reason phrase of *status* where it is ``None``.
        headers: More header fields, such as ``Retry-After`` beside a 503.
        members: More members of the problem. What ``JSONResponse`` encodes will do.

    Raises:
        ValueError: *status* is none of an error.
        BadHeaderError: HTTP cannot send a field: its name is no token, or its value has a control character.
        TypeError: A member has no JSON form.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        type: str = "about:blank",
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(status, detail)
        self.details = ProblemDetails(
            type=type,
            title=title_of(_checked_status(status)) if title is None else title,
            status=status,
            detail=detail,
            members=members,
        )
        self._headers = checked_fields(dict(headers or {}), f"Problem({status}, headers=…)")
        # What cannot be sent is told where it is written.
        self.response()

    def __str__(self) -> str:
        said = self.details.detail
        return f"{self.details.status} {self.details.title}{f': {said}' if said else ''}"

    def response(self) -> ProblemResponse:
        """Return the answer. A new one each time: one exception may answer all who wait for one run of a handler."""
        return ProblemResponse(self.details, headers=self._headers)


class Refusal(Problem):
    """A request that we refuse, before or beside the project's own code."""

    is_logged = False
    """Whether its answer is in the log already, in the words that Django would use."""

    def response(self) -> ProblemResponse:
        """Return the answer, which is logged once."""
        response = super().response()
        if self.is_logged:
            # As log_response() marks what it has logged.
            vars(response)["_has_been_logged"] = True
        return response


def problem_for_exception(error: Exception) -> ProblemResponse | None:
    """
    Return what a client is told about *error*, or ``None`` where it is no answer to the client.

    ``None`` means an unhandled exception, which tells the client nothing, or that there is
    nobody left to tell: ``RequestAborted``, and ``UnreadablePostError``, which Django treats
    as any other exception.
    """
    match error:
        case Problem():
            return error.response()
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


def title_of(status: int) -> str:
    """Return the reason phrase of *status*, the same on every Python."""
    if status in _RENAMED_TITLES:
        return _RENAMED_TITLES[status]
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status Code"


def _checked_status(status: object) -> int:
    if isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599:
        return status
    raise documented(
        ValueError(f"The status of a Problem is {status!r}. It is a whole number from 400 to 599 (RFC 9110, 15)."),
        _SECTION,
    )
