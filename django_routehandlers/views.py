"""
Turn errors outside the routes into problems for programs, and into Django's pages for people.

Name them in the project's URLconf: ``handler404 = "django_routehandlers.views.handler404"``.
"""

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views import defaults

from django_routehandlers.responses.problems import ProblemResponse

# HTML first: it wins where the client is equally content with all of them.
_MEDIA_TYPES = ("text/html", "application/problem+json", "application/json")


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404: a problem where the client prefers JSON, else Django's page."""
    # Without the exception's message: views such as the one of static files put paths into it.
    is_json = _prefers_json(request)
    response: HttpResponse = ProblemResponse(404) if is_json else defaults.page_not_found(request, exception)
    patch_vary_headers(response, ["Accept"])
    return response


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer 500: a problem that tells nothing where the client prefers JSON, else Django's page."""
    response: HttpResponse = ProblemResponse(500) if _prefers_json(request) else defaults.server_error(request)
    patch_vary_headers(response, ["Accept"])
    return response


def _prefers_json(request: HttpRequest) -> bool:
    try:
        preferred = request.get_preferred_type(_MEDIA_TYPES)
    except (LookupError, ValueError):
        # Django parses parameters strictly, and an error page must not fail on them.
        return False
    return preferred not in (None, "text/html")
