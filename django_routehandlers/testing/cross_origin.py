"""
Judge a response as a browser does that has to decide whether the page of another origin may have it.

Source: Fetch, sections 4.9 (CORS check) and 4.8 (CORS-preflight fetch).
"""

from collections.abc import Iterator, Mapping

from django.http.response import HttpResponseBase

from django_routehandlers.testing.replies import UnexpectedResponse
from django_routehandlers.testing.sent import request_of, where

# Fetch: a preflight need not allow these.
_SAFE_METHODS = ("GET", "HEAD", "POST")


def assert_cors_allowed(response: HttpResponseBase, origin: str, *, credentials: bool = False) -> None:
    """
    Fail unless a browser lets a page of *origin* read *response*, or, where it answers a preflight, send its request.

    Args:
        credentials: Whether the page asks with cookies: ``credentials: "include"``.

    Raises:
        UnexpectedResponse: It does not; the message says why, and what the response says.
    """
    if (why := next(_refusals(response, origin, credentials=credentials), None)) is not None:
        said = {name: value for name, value in response.items() if _is_about_origins(name)}
        raise UnexpectedResponse(f"{where(response)}: a page of {origin} is refused: {why} The response says {said}.")


def assert_cors_refused(response: HttpResponseBase, origin: str, *, credentials: bool = False) -> None:
    """
    Fail where a browser lets a page of *origin* have *response*. See ``assert_cors_allowed()``.

    Raises:
        UnexpectedResponse: It does.
    """
    if next(_refusals(response, origin, credentials=credentials), None) is None:
        said = {name: value for name, value in response.items() if _is_about_origins(name)}
        raise UnexpectedResponse(f"{where(response)}: a page of {origin} is allowed. The response says {said}.")


def _refusals(response: HttpResponseBase, origin: str, *, credentials: bool) -> Iterator[str]:
    """Yield why a browser keeps *response* from the page."""
    request = request_of(response)
    sent: Mapping[str, str] = {} if request is None else request.headers
    if (asked_by := sent.get("Origin")) != origin and request is not None:
        yield f"the request's Origin is {asked_by!r}. Send it as that page would."
    allowed = response.headers.get("Access-Control-Allow-Origin")
    if allowed != origin and (allowed != "*" or credentials):
        yield f"Access-Control-Allow-Origin is {allowed!r}."
    if credentials and response.headers.get("Access-Control-Allow-Credentials") != "true":
        yield "Access-Control-Allow-Credentials is not 'true'."
    if allowed != "*" and "origin" not in _members(response, "Vary"):
        yield "Vary does not name Origin, so that a cache gives it to others."
    if request is not None and request.method == "OPTIONS" and "Access-Control-Request-Method" in sent:
        yield from _refusals_to_send(response, sent, credentials=credentials)


def _refusals_to_send(response: HttpResponseBase, sent: Mapping[str, str], *, credentials: bool) -> Iterator[str]:
    method = sent["Access-Control-Request-Method"]
    methods = _members(response, "Access-Control-Allow-Methods")
    names = _members(response, "Access-Control-Allow-Headers")
    is_any = not credentials
    if not 200 <= response.status_code < 300:
        yield f"the status of a preflight has to be one of success, and is {response.status_code}."
    if method not in _SAFE_METHODS and method.lower() not in methods and not (is_any and "*" in methods):
        yield f"Access-Control-Allow-Methods does not name {method}."
    for name in filter(None, sent.get("Access-Control-Request-Headers", "").split(",")):
        # The one field that "*" does not stand for.
        if name not in names and not (is_any and "*" in names and name != "authorization"):
            yield f"Access-Control-Allow-Headers does not name {name}."


def _members(response: HttpResponseBase, field: str) -> list[str]:
    return [one.strip().lower() for one in response.headers.get(field, "").split(",")]


def _is_about_origins(name: str) -> bool:
    return name.lower() == "vary" or name.lower().startswith("access-control-")
