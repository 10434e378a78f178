"""
Turn an exception of a handler into the answer, and the records, that Django would make of it.

What a handler raises on purpose (``Http404``, ``PermissionDenied`` …) is answered here with a
problem. Any other exception goes on to Django, so that ``process_exception()``, the signal
``got_request_exception``, the log, admin mail and the technical page see what they always see;
only the last step, the page of ``handler500``, becomes a problem.
"""

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.urls import get_resolver, get_urlconf, set_urlconf
from django.utils.log import log_response

from django_routehandlers.handlers.cross_origin import add_cors
from django_routehandlers.policies.rate_fields import add_rate_fields
from django_routehandlers.responses.problems import ProblemResponse, problem_for_exception
from django_routehandlers.responses.time_limit import Overdue

Fail = Callable[[Exception, HttpRequest], HttpResponseBase]
"""What answers an exception, or raises it."""


def answer_failure(error: Exception, request: HttpRequest) -> ProblemResponse:
    """
    Return the problem that *error* means.

    Raises:
        Exception: *error* itself, where Django has to report it.
    """
    response = problem_for_exception(error)
    if response is None:
        # Django takes any object with the attributes of a URLconf module; its stubs say str.
        set_urlconf(cast("str", _with_problem_for_500(get_urlconf() or settings.ROOT_URLCONF)))
        raise _raisable(error)
    _log(error, request, response)
    return response


def answer_refusal(error: Exception, request: HttpRequest) -> ProblemResponse:
    """
    As ``answer_failure()``, where something around may still catch what is raised.

    Raises:
        Exception: *error* itself, where it is no refusal.
    """
    response = problem_for_exception(error)
    if response is None:
        raise _raisable(error)
    _log(error, request, response)
    return response


def _raisable(error: Exception) -> Exception:
    if not isinstance(error, StopIteration):
        return error
    # No future takes a StopIteration: under ASGI the request would wait for ever.
    found = RuntimeError("The handler raised StopIteration.")
    found.__cause__ = error
    return found


def _log(error: Exception, request: HttpRequest, response: ProblemResponse) -> None:
    """Write the records of ``django.core.handlers.exception.response_for_exception()``."""
    if isinstance(error, SuspiciousOperation):
        logger = logging.getLogger(f"django.security.{type(error).__name__}")
        logger.error(str(error), exc_info=error, extra={"status_code": response.status_code, "request": request})
        return
    if isinstance(error, Overdue):
        # As a warning: that it may take too long is why it has a limit.
        log_response("%s: %s", error.label, error, response=response, request=request, level="warning")
    message = {
        PermissionDenied: "Forbidden (Permission denied): %s",
        MultiPartParserError: "Bad request (Unable to parse request body): %s",
    }
    for kind, text in message.items():
        if isinstance(error, kind):
            log_response(text, request.path, response=response, request=request, exception=error)
    if isinstance(error, BadRequest):
        log_response("%s: %s", str(error), request.path, response=response, request=request, exception=error)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer the problem of an unhandled exception, which tells nothing."""
    return add_rate_fields(request, add_cors(request, ProblemResponse(500)))


class _URLconf:
    """The project's URLconf but for ``handler500``, for what is left of a request that failed."""

    handler500 = staticmethod(server_error)

    def __init__(self, urlconf: Any) -> None:
        self._urlconf = urlconf

    def __getattr__(self, name: str) -> Any:
        return getattr(get_resolver(self._urlconf).urlconf_module, name)


@lru_cache(maxsize=16)
def _with_problem_for_500(urlconf: Any) -> _URLconf:
    return urlconf if isinstance(urlconf, _URLconf) else _URLconf(urlconf)
