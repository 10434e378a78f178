"""Turn a response of a test client into the request that it answers, what failures call it, and its media type."""

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


def media_type(response: Any) -> str:
    """Return the media type of a response, without its parameters."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
