"""
Markers for ``Annotated`` that say where a request holds a parameter: ``Annotated[str, Header()]``.

Plain values that need nothing of Django, so that importing them needs no ready app registry.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Header:
    """The parameter is a header field: ``x_plan`` reads ``X-Plan``."""

    name: str | None = None
    """Name of the field, where it does not follow from the parameter's."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """The parameter is a cookie of its own name."""

    name: str | None = None
    """Name of the cookie, where it is not the parameter's."""


@dataclass(frozen=True, slots=True)
class Form:
    """
    The parameter is a value of a form, urlencoded or multipart.

    On a pydantic model, a dataclass or a ``TypedDict`` it is the whole form.
    """

    name: str | None = None
    """Name of the value, where it is not the parameter's."""
