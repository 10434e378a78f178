"""Turn a response of a test client into the request that it answers, and into what failures call it."""

from typing import Any

from django.http import HttpRequest


def request_of(response: Any) -> HttpRequest | None:
    """Return the request that a test client sent; ``None`` for a response that was made by hand."""
    for name in ("wsgi_request", "asgi_request"):
        if (request := getattr(response, name, None)) is not None:
            return request
    return None


def where(response: Any) -> str:
    """Return the request's method and path; without one, the kind of the response."""
    request = request_of(response)
    return type(response).__name__ if request is None else f"{request.method} {request.get_full_path()}"
