"""
Judge what a request's header says of its content, and read the content as it is.

Limits come before work: its coding, length and charset are judged before it is read.
"""

from django.conf import settings
from django.http import HttpRequest

from django_routehandlers.responses.problems import Refusal


def check_header(request: HttpRequest) -> None:
    """
    Judge what the header says of the content, its media type aside.

    Raises:
        Refusal: 400 for a length that is none, 415 for a content coding.
    """
    # Some servers hand on the white space behind a field's value, which is no part of it (RFC 9110, section 5.5).
    length = (request.META.get("CONTENT_LENGTH") or "0").strip(" \t")
    # Django comma-joins two fields; to some of its versions that is a length of 0, to others a server error.
    if not (length.isascii() and length.isdigit() and len(length) < 100):
        raise Refusal(400, detail="Content-Length is no length.")
    coding = request.META.get("HTTP_CONTENT_ENCODING", "")
    if coding and coding.strip().lower() != "identity":
        detail = "A body with a content coding is not decoded here."
        raise Refusal(415, detail=detail, headers={"Accept-Encoding": "identity"})


def is_utf8(request: HttpRequest) -> bool:
    """Return whether the content is said to be UTF-8, which goes without saying."""
    return (request.content_params or {}).get("charset", "utf-8").lower() in ("utf-8", "utf8")


def has_content(request: HttpRequest) -> bool:
    """Return whether there is content, which is read where the header does not tell."""
    # Without content there is no media type to be wrong: some servers name one that the client has not sent.
    return request.META.get("CONTENT_LENGTH") not in (None, "", "0") or bool(read_content(request))


def read_content(request: HttpRequest) -> bytes:
    """
    Return the whole content.

    Raises:
        Refusal: 411 for content of unknown length that WSGI cannot read.
        RequestDataTooBig: It is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
    """
    content = request.body
    if not content:
        check_length(request)
    return content


def check_length(request: HttpRequest) -> None:
    """
    Refuse content of unknown length where that is lost.

    Raises:
        Refusal: 411.
    """
    if "HTTP_TRANSFER_ENCODING" in request.META and hasattr(request, "environ"):
        # Django's WSGI handler reads as much as Content-Length says, so this body is lost.
        raise Refusal(411, detail="This server needs a body to state its length.")


def exceeds_limit(size: int) -> bool:
    """Return whether *size* bytes are more than ``DATA_UPLOAD_MAX_MEMORY_SIZE``."""
    limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return limit is not None and size > limit
