"""Log and signal what has ended a stream, and decide what its client is told."""

import logging

from django.core.signals import got_request_exception
from django.http import HttpRequest

from django_routehandlers.responses.problems import ProblemDetails, problem_for_exception
from django_routehandlers.responses.time_limit import Overdue

_logger = logging.getLogger("django.request")


def report(error: Exception, name: str, request: HttpRequest | None) -> ProblemDetails:
    """
    Log and signal what ended a stream; return what the client is told.

    Args:
        name: What the log calls the stream.
    """
    if (problem := _log(error, name, request)) is None:
        try:
            raise error
        except Exception:
            # Receivers look for the exception that is being handled.
            got_request_exception.send(sender=None, request=request)
    return problem or ProblemDetails.from_status(500)


def _log(error: Exception, name: str, request: HttpRequest | None) -> ProblemDetails | None:
    extra = {"status_code": 500, "request": request}
    if (response := problem_for_exception(error)) is not None:
        why = error if isinstance(error, Overdue) else type(error).__name__
        _logger.warning("%s: the stream broke off: %s.", name, why, extra=extra)
        return response.problem
    _logger.error("%s: the stream broke off.", name, exc_info=error, extra=extra)
    return None
