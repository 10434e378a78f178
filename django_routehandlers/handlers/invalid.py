"""
Turn what pydantic finds wrong with an input into entries of a problem's ``errors``.

An entry tells the place, the rule and the kind of fault, never the value: a client's password
must not come back in an answer that proxies and logs keep.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from django_routehandlers.responses.problems import Refusal

Entry = Mapping[str, object]
"""One fault of a request, as a problem's ``errors`` tells it."""

MAX_ENTRIES = 100
"""Faults that one problem tells. A small body can hold a million."""
_MAX_READ = 10_000
"""Faults of one input beyond which only their number is told: reading them takes seconds and a gigabyte."""
_MAX_POINTER = 1000
"""Characters of a pointer. A place that is named at greater length is told by what holds it."""
_MAX_NAMES = 100
"""Characters of names, for each byte of a JSON body, that validation may have to copy."""
_PREFIXES = ("Value error, ", "Assertion failed, ")
# What RFC 3986, section 3.5, lets stand in a fragment as it is.
_FRAGMENT = "!$&'()*+,;=:@?-._~"


def invalid(entries: Sequence[Entry]) -> Refusal:
    """Return the 422 that tells all faults of one request."""
    if len(entries) <= MAX_ENTRIES:
        return Refusal(422, errors=entries)
    detail = f"The first {MAX_ENTRIES} faults of more are listed."
    return Refusal(422, detail=detail, errors=entries[:MAX_ENTRIES])


def missing_parameter(place: str, parameter: str) -> Entry:
    """Return the entry of a required parameter that the request does not have."""
    return {"in": place, "parameter": parameter, "detail": "Field required", "type": "missing"}


def parameter_entries(place: str, parameter: str, error: ValidationError) -> Iterator[Entry]:
    """Yield the entries of one parameter."""
    for fault in _faults(error):
        yield {"in": place, "parameter": parameter, "detail": _detail(fault), "type": fault["type"]}


def group_entries(place: str, error: ValidationError) -> Iterator[Entry]:
    """Yield the entries of a model that stands for a whole query string or form."""
    for fault in _faults(error):
        name = next((step for step in fault["loc"] if isinstance(step, str)), None)
        where = {"in": place} if name is None else {"in": place, "parameter": name}
        yield {**where, "detail": _detail(fault), "type": fault["type"]}


def body_entries(error: ValidationError, data: object) -> Iterator[Entry]:
    """
    Yield the entries of a JSON body, each with its place as a JSON pointer.

    Args:
        data: The body, decoded: it tells the steps of pydantic's locations that lead into the
            body from those that name members of a union, or functions.
    """
    for fault in _faults(error):
        pointer = _pointer(fault["loc"], data, absent=fault["type"] == "missing")
        yield {"pointer": pointer, "detail": _detail(fault), "type": fault["type"]}


def check_names(data: object, size: int) -> None:
    """
    Refuse a JSON body in which long names stand above many values.

    pydantic copies all names above a fault for each fault: 300 kB of faults below a name of as
    many characters would fill 30 GB.

    Args:
        data: The body, decoded.
        size: Its length in bytes.

    Raises:
        Refusal: 413.
    """
    # Even the worst of few bytes is little.
    if size <= 2000:
        return
    count, longest = 1, 0
    containers: list[tuple[Any, int]] = [(data, 0)] if isinstance(data, dict | list) else []
    for container, above in containers:
        items: Any = container
        if type(container) is dict:
            # The longest of the names stands for all: that is seldom much, and quickly found.
            above += max(map(len, cast("dict[str, Any]", container)), default=0)
            items = cast("dict[str, Any]", container).values()
        count += len(items)
        longest = max(longest, above)
        containers += [(item, above) for item in items if type(item) is dict or type(item) is list]
    if longest * count > 1_000_000 + _MAX_NAMES * size:
        raise Refusal(413, detail="The body has names that are too long for as many values.")


def _faults(error: ValidationError) -> list[ErrorDetails]:
    count = error.error_count()
    if count > _MAX_READ:
        raise Refusal(422, detail=f"The request has {count} faults.")
    return error.errors(include_url=False, include_context=False, include_input=False)


def _detail(fault: ErrorDetails) -> str:
    message = fault["msg"]
    if fault["type"] == "union_tag_invalid":
        # Messages of pydantic that tell the value.
        return "Input tag found" + message[message.rindex(" using ") :]
    if fault["type"] == "zoneinfo_str":
        return "Input should be a valid timezone"
    for prefix in _PREFIXES:
        message = message.removeprefix(prefix)
    return message


def _pointer(location: Sequence[int | str], data: object, *, absent: bool) -> str:
    """Return an RFC 6901 pointer as a URI fragment (section 6)."""
    tokens: list[str] = []
    last, room = len(location) - 1, _MAX_POINTER
    for position, step in enumerate(location):
        match data:
            case dict() if step in data:
                data = cast("dict[Any, Any]", data)[step]
            case list() if isinstance(step, int) and step < len(cast("list[Any]", data)):
                data = cast("list[Any]", data)[step]
            case _ if not (absent and position == last):
                continue
            case _:
                pass
        token = quote(str(step).replace("~", "~0").replace("/", "~1"), safe=_FRAGMENT)
        room -= len(token) + 1
        if room < 0:
            break
        tokens.append(token)
    return "".join(["#", *(f"/{token}" for token in tokens)])
