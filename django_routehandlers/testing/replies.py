"""
Turn a response of Django's test client into one that is also read by its type: a value, a problem, a stream.

It stays the object that Django made, with what ``assertContains()`` and its kin read, and with more attributes.
"""

import json
from types import MethodType
from typing import Any, TypeVar, cast

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from pydantic import TypeAdapter, ValidationError

from django_routehandlers.documentation import Documented, Section
from django_routehandlers.testing.events import ReceivedEvent
from django_routehandlers.testing.received_problem import ReceivedProblem, problem_of
from django_routehandlers.testing.sent import media_type, where
from django_routehandlers.testing.streams import aread_events, aread_records, read_events, read_records

_T = TypeVar("_T")
_Response = TypeVar("_Response", "RouteResponse", "AsyncRouteResponse")


class UnexpectedResponse(Documented, AssertionError):
    """A response is not what the test expects: another status, or content of another type."""

    section = Section("reference/testing", "Responses")


class RouteResponse(HttpResponse):
    """
    What a ``RouteClient`` returns, for type checkers: Django's response, with these attributes beside Django's own.

    None is ever made: the attributes are put on the response of the handler, whatever its class.
    """

    problem: ReceivedProblem | None
    """The problem (RFC 9457) that the response is; ``None`` where it is none."""

    def json(self, **kwargs: Any) -> Any:
        """Return the value of the JSON content. Django's own method, where its client has asked."""
        return json.loads(self.content, **kwargs)

    def parse(self, kind: type[_T], *, status: int | None = None) -> _T:
        """
        Return the content as *kind*: a pydantic model, a dataclass, ``list[Product]``, whatever pydantic knows.

        Args:
            status: The status code that the response has to have; ``None`` for any of success.

        Raises:
            UnexpectedResponse: Another status, or content that is no *kind*.
        """
        return parsed(self, kind, status)

    def lines(self, limit: int | None = None, *, timeout: float | None = 5.0, status: int = 200) -> list[Any]:
        """Return the values of an NDJSON stream: ``read_records()`` of this response."""
        return read_records(self, limit, timeout=timeout, status=status)

    def events(
        self, limit: int | None = None, *, timeout: float | None = 5.0, status: int = 200
    ) -> list[ReceivedEvent]:
        """Return the events of a stream of server-sent events: ``read_events()`` of this response."""
        return read_events(self, limit, timeout=timeout, status=status)


class AsyncRouteResponse(HttpResponse):
    """What an ``AsyncRouteClient`` returns. See ``RouteResponse``."""

    problem: ReceivedProblem | None
    """The problem (RFC 9457) that the response is; ``None`` where it is none."""

    def json(self, **kwargs: Any) -> Any:
        """As ``RouteResponse.json()``."""
        return json.loads(self.content, **kwargs)

    def parse(self, kind: type[_T], *, status: int | None = None) -> _T:
        """As ``RouteResponse.parse()``."""
        return parsed(self, kind, status)

    async def lines(
        self,
        limit: int | None = None,
        *,
        timeout: float | None = 5.0,  # noqa: ASYNC109 - as the readers have it
        status: int = 200,
    ) -> list[Any]:
        """Return the values of an NDJSON stream: ``aread_records()`` of this response."""
        return await aread_records(self, limit, timeout=timeout, status=status)

    async def events(
        self,
        limit: int | None = None,
        *,
        timeout: float | None = 5.0,  # noqa: ASYNC109
        status: int = 200,
    ) -> list[ReceivedEvent]:
        """Return the events of a stream of server-sent events: ``aread_events()`` of this response."""
        return await aread_events(self, limit, timeout=timeout, status=status)


def extended(response: HttpResponseBase, kind: type[_Response]) -> _Response:
    """Put the attributes of *kind*, one of the two above, on *response*, and return it."""
    left = vars(response)
    left["problem"] = problem_of(response)
    for name in ("parse", "lines", "events"):
        left[name] = MethodType(getattr(kind, name), response)
    # Django's client has put its own there.
    left.setdefault("json", MethodType(kind.json, response))
    return cast("_Response", response)


def parsed(response: HttpResponseBase, kind: type[_T], status: int | None) -> _T:
    """Return the content of *response* as *kind*. See ``RouteResponse.parse()``."""
    code = response.status_code
    if not (200 <= code < 300 if status is None else code == status):
        expected = "one of success" if status is None else status
        raise UnexpectedResponse(
            f"{where(response)}: the status is {code}, and {expected} was expected. {_show(response)}"
        )
    if not isinstance(response, HttpResponse):
        raise UnexpectedResponse(f"{where(response)}: it is a stream. Read it with lines() or events().")
    if not media_type(response).removeprefix("application/").endswith("json"):
        raise UnexpectedResponse(
            f"{where(response)}: the media type is {media_type(response)!r}, and JSON was expected. {_show(response)}"
        )
    try:
        return TypeAdapter[_T](kind).validate_json(response.content)
    except ValidationError as error:
        raise UnexpectedResponse(
            f"{where(response)}: the content is no {_name(kind)}: {error}. {_show(response)}"
        ) from error


def _show(response: HttpResponseBase) -> str:
    return f"Its content is {response.content[:1000]!r}" if isinstance(response, HttpResponse) else "It is a stream."


def _name(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
