"""
Judge a response as a browser does that has to decide whether the page of another origin may have it.

Source: Fetch, sections 4.9 (CORS check) and 4.8 (CORS-preflight fetch).
"""

from collections.abc import Iterator, Mapping

from django.http.response import HttpResponseBase

from django_routehandlers.documentation import Section, documented
from django_routehandlers.policies.cors import wrong_origin
from django_routehandlers.testing.replies import UnexpectedResponse
from django_routehandlers.testing.sent import request_of, where

_SECTION = Section("reference/testing", "Pages of other origins")

# Fetch: a preflight need not allow these.
_SAFE_METHODS = ("GET", "HEAD", "POST")


def assert_cors_allowed(response: HttpResponseBase, origin: str, *, credentials: bool = False) -> None:
    """
    Fail unless a browser lets a page of *origin* read *response*, or, where it answers a preflight, send its request.

    Args:
        credentials: Whether the page asks with cookies: ``credentials: "include"``.

    Raises:
        UnexpectedResponse: It does not, or a cache would give the response to others; the message says why, and
            what the response says.
        ValueError: *origin* is none that a browser sends.
    """
    checked_origin(origin)
    why = _unlike_the_page(response, origin) or next(_refusals(response, origin, credentials=credentials), None)
    if (why := why or _leak(response)) is not None:
        raise UnexpectedResponse(f"{where(response)}: a page of {origin} is refused: {why} {_said(response)}")


def assert_cors_refused(response: HttpResponseBase, origin: str, *, credentials: bool = False) -> None:
    """
    Fail where a browser lets a page of *origin* have *response*. See ``assert_cors_allowed()``.

    Raises:
        UnexpectedResponse: It does, or the request was not of such a page, so that nothing is known.
        ValueError: *origin* is none that a browser sends.
    """
    checked_origin(origin)
    if (why := _unlike_the_page(response, origin)) is not None:
        raise UnexpectedResponse(f"{where(response)}: nobody knows whether a page of {origin} is refused: {why}")
    if next(_refusals(response, origin, credentials=credentials), None) is None:
        raise UnexpectedResponse(f"{where(response)}: a page of {origin} is allowed. {_said(response)}")


def checked_origin(origin: str) -> str:
    """
    Return *origin*.

    Raises:
        ValueError: It is none that a browser sends.
    """
    if (wrong := wrong_origin(origin)) is not None:
        raise documented(ValueError(wrong), _SECTION)
    return origin


def _unlike_the_page(response: HttpResponseBase, origin: str) -> str | None:
    """Return why *response* says nothing of pages of *origin*; ``None`` where it does."""
    request = request_of(response)
    if request is None or (asked_by := request.headers.get("Origin")) == origin:
        return None
    return f"the request's Origin is {asked_by!r}. Send it as that page would, with BrowserClient({origin!r}) say."


def _leak(response: HttpResponseBase) -> str | None:
    if response.headers.get("Access-Control-Allow-Origin") == "*" or {"origin", "*"} & {*_names(response, "Vary")}:
        return None
    return "Vary does not name Origin, so that a cache gives it to others."


def _said(response: HttpResponseBase) -> str:
    return f"The response says { {name: value for name, value in response.items() if _is_about_origins(name)} }."


def _refusals(response: HttpResponseBase, origin: str, *, credentials: bool) -> Iterator[str]:
    """Yield why a browser keeps *response* from the page."""
    request = request_of(response)
    sent: Mapping[str, str] = {} if request is None else request.headers
    allowed = response.headers.get("Access-Control-Allow-Origin")
    if allowed != origin and (allowed != "*" or credentials):
        yield f"Access-Control-Allow-Origin is {allowed!r}."
    if credentials and response.headers.get("Access-Control-Allow-Credentials") != "true":
        yield "Access-Control-Allow-Credentials is not 'true'."
    if request is not None and request.method == "OPTIONS" and "Access-Control-Request-Method" in sent:
        yield from _refusals_to_send(response, sent, credentials=credentials)


def _refusals_to_send(response: HttpResponseBase, sent: Mapping[str, str], *, credentials: bool) -> Iterator[str]:
    method = sent["Access-Control-Request-Method"]
    methods = _members(response, "Access-Control-Allow-Methods")
    names = _names(response, "Access-Control-Allow-Headers")
    is_any = not credentials
    if not 200 <= response.status_code < 300:
        yield f"the status of a preflight has to be one of success, and is {response.status_code}."
    # Names of methods are case-sensitive, those of fields are not.
    if method not in _SAFE_METHODS and method not in methods and not (is_any and "*" in methods):
        yield f"Access-Control-Allow-Methods does not name {method}."
    for name in filter(None, sent.get("Access-Control-Request-Headers", "").split(",")):
        # The one field that "*" does not stand for.
        if name not in names and not (is_any and "*" in names and name != "authorization"):
            yield f"Access-Control-Allow-Headers does not name {name}."


def _members(response: HttpResponseBase, field: str) -> list[str]:
    return [one.strip() for one in response.headers.get(field, "").split(",")]


def _names(response: HttpResponseBase, field: str) -> list[str]:
    return [one.lower() for one in _members(response, field)]


def _is_about_origins(name: str) -> bool:
    return name.lower() == "vary" or name.lower().startswith("access-control-")
