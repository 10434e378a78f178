"""Reach the fields of a response as Django keeps them, which takes a tenth of the time that its mapping takes."""

from typing import Any

from django.http.response import ResponseHeaders

Field = tuple[str, str]
"""Name and value, as they are sent."""


def fields_of(response: Any) -> dict[str, Field] | None:
    """Return the fields of a response, by their names in lower case; ``None`` where they are kept otherwise."""
    headers: object = response.headers
    return vars(headers)["_store"] if type(headers) is ResponseHeaders else None


def field_of(response: Any, name: str) -> str | None:
    """Return the value of a field of a response, whose *name* is in lower case; ``None`` where it has none."""
    fields = fields_of(response)
    if fields is None:
        return response.headers.get(name)
    return fields[name][1] if name in fields else None


def give_field(response: Any, name: str, field: Field) -> None:
    """Give a response a field, whose *name* is in lower case, where it has none."""
    fields = fields_of(response)
    if fields is None:
        response.headers.setdefault(*field)
    elif name not in fields:
        fields[name] = field
