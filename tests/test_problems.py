"""Faults become problem details (RFC 9457)."""

import dataclasses
import json

import pytest
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestAborted,
    RequestDataTooBig,
    SuspiciousFileOperation,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.urls import Resolver404
from django.utils.functional import lazystr

from django_routehandlers.responses.problems import ProblemDetails, ProblemResponse, problem_for_exception

NOT_FOUND = {"type": "about:blank", "title": "Not Found", "status": 404}
FORBIDDEN = {"type": "about:blank", "title": "Forbidden", "status": 403}
BAD_REQUEST = {"type": "about:blank", "title": "Bad Request", "status": 400}
TOO_LARGE = {"type": "about:blank", "title": "Content Too Large", "status": 413}


def test_a_problem_always_has_type_title_and_status() -> None:
    assert ProblemDetails.from_status(404).as_dict() == NOT_FOUND


def test_a_problem_has_detail_and_errors_where_there_are_any() -> None:
    errors = [{"pointer": "#/items/0/price", "detail": "Not a number.", "type": "decimal_parsing"}]
    assert ProblemDetails.from_status(422, detail="Two faults.", errors=errors).as_dict() == {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "Two faults.",
        "errors": errors,
    }


def test_a_problem_cannot_be_changed() -> None:
    problem = ProblemDetails.from_status(404)
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.status = 500  # type: ignore[misc]


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (405, "Method Not Allowed"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
        (504, "Gateway Timeout"),
        (499, "Unknown Status Code"),
    ],
)
def test_titles_are_the_phrases_of_rfc_9110_on_every_python(status: int, title: str) -> None:
    assert ProblemDetails.from_status(status).title == title


def test_a_problem_response_is_problem_json() -> None:
    response = ProblemResponse(405, detail="Use GET.", headers={"Allow": "GET"})
    assert (response.status_code, dict(response.items()), json.loads(response.content)) == (
        405,
        {"Content-Type": "application/problem+json", "Allow": "GET"},
        {"type": "about:blank", "title": "Method Not Allowed", "status": 405, "detail": "Use GET."},
    )


def test_a_problem_response_keeps_its_problem() -> None:
    assert ProblemResponse(404, detail="a").problem == ProblemDetails(title="Not Found", status=404, detail="a")


@pytest.mark.parametrize("status", [500, 504])
def test_server_errors_are_never_stored(status: int) -> None:
    """Invariant 64."""
    assert dict(ProblemResponse(status).items()) == {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
    }


def test_given_fields_win_over_those_of_a_server_error() -> None:
    response = ProblemResponse(503, headers={"cache-control": "no-cache", "Retry-After": "5"})
    assert dict(response.items()) == {
        "Content-Type": "application/problem+json",
        "cache-control": "no-cache",
        "Retry-After": "5",
    }


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        pytest.param(Http404(), NOT_FOUND, id="not-found"),
        pytest.param(Http404("No such order."), {**NOT_FOUND, "detail": "No such order."}, id="with-message"),
        pytest.param(Http404(lazystr("No.")), {**NOT_FOUND, "detail": "No."}, id="with-lazy-message"),
        pytest.param(Http404(""), NOT_FOUND, id="with-empty-message"),
        pytest.param(Http404(b"x"), NOT_FOUND, id="with-bytes"),
        pytest.param(Resolver404({"tried": [["secret/"]], "path": "a"}), NOT_FOUND, id="resolver"),
        pytest.param(PermissionDenied(), FORBIDDEN, id="permission"),
        pytest.param(PermissionDenied("Staff only."), {**FORBIDDEN, "detail": "Staff only."}, id="permission-message"),
        pytest.param(BadRequest("No date."), {**BAD_REQUEST, "detail": "No date."}, id="bad-request"),
        pytest.param(
            MultiPartParserError("Invalid boundary in multipart: secret"),
            {**BAD_REQUEST, "detail": "The multipart body is malformed."},
            id="multipart",
        ),
        pytest.param(
            RequestDataTooBig("settings.X"), {**TOO_LARGE, "detail": "The request body is too large."}, id="too-big"
        ),
        pytest.param(
            TooManyFilesSent("settings.X"), {**TOO_LARGE, "detail": "The request has too many files."}, id="files"
        ),
        pytest.param(
            TooManyFieldsSent("settings.X"), {**BAD_REQUEST, "detail": "The request has too many fields."}, id="fields"
        ),
        pytest.param(SuspiciousOperation("secret"), BAD_REQUEST, id="suspicious"),
        pytest.param(SuspiciousFileOperation("/srv/secret"), BAD_REQUEST, id="suspicious-file"),
        pytest.param(DisallowedHost("evil.test"), BAD_REQUEST, id="host"),
    ],
)
def test_a_known_exception_is_a_problem(error: Exception, problem: dict[str, object]) -> None:
    response = problem_for_exception(error)
    assert response is not None
    assert (response.status_code, json.loads(response.content)) == (problem["status"], problem)


@pytest.mark.parametrize(
    "error",
    [ValueError("secret"), KeyError("secret"), UnreadablePostError("gone"), RequestAborted()],
    ids=lambda error: type(error).__name__,
)
def test_any_other_exception_is_no_answer(error: Exception) -> None:
    """Invariant 64."""
    assert problem_for_exception(error) is None
