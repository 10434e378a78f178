"""
Parameters that the query string, the header, cookies and forms of a request fill, as values.

Each knows its place in a request, its name there, and what validates it. Reading collects
what is wrong instead of stopping at the first fault.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter
from typing import Any, Literal, cast

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, PydanticKnownError

from django_routehandlers.handlers.invalid import Entry, group_entries, missing_parameter, parameter_entries
from django_routehandlers.handlers.text_values import check_texts

Place = Literal["query", "header", "cookie", "form", "file"]
"""Part of a request that holds named values."""

# Commas within quoted strings do not separate members (RFC 9110, section 5.6.1).
_MEMBERS = re.compile(r'((?:[^",]|"(?:[^"\\]|\\.)*"?)+)')

# Fields that are sent as UTF-8 (WHATWG HTML, section 9.2.4); Django reads every field as Latin-1.
_UTF8_FIELDS = frozenset({"HTTP_LAST_EVENT_ID"})


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter that one named value of the request fills."""

    name: str
    """Name of the handler's parameter."""
    place: Place
    key: str
    """Name on the wire: ``X-Plan``, ``page``."""
    adapter: TypeAdapter[Any]
    """What validates the text, the list of texts, or the file."""
    is_list: bool
    """Whether it takes every value of that name; else it takes the last."""
    default: Any
    """Default of the parameter; ``Parameter.empty`` where the value is required."""

    @property
    def is_required(self) -> bool:
        """Whether a request without the value is invalid."""
        return self.default is Parameter.empty

    def read(self, source: Mapping[str, Any], values: dict[str, Any], entries: list[Entry]) -> None:
        """
        Put the value among *values*, or what is wrong with it among *entries*.

        A value that is absent and not required is left out: the handler's own default counts.

        Args:
            source: The place of the request, as Django keeps it.
        """
        if isinstance(source, MultiValueDict) and self.is_list:
            raw: Any = source.getlist(self.key) or None
        elif self.place == "header":
            raw = self._field(source)
        else:
            raw = source.get(self.key)
        if raw is None:
            if self.default is Parameter.empty:
                entries.append(missing_parameter(self.place, self.key))
            return
        try:
            values[self.name] = self.adapter.validate_python(raw)
        except ValidationError as error:
            entries.extend(parameter_entries(self.place, self.key, error))

    def _field(self, meta: Mapping[str, Any]) -> Any:
        name = meta_key(self.key)
        raw = meta.get(name)
        # WSGI cannot tell an absent field of these two from an empty one.
        if raw is None or (raw == "" and name in ("CONTENT_TYPE", "CONTENT_LENGTH")):
            return None
        if name in _UTF8_FIELDS:
            raw = _read_utf8(raw)
        return [member.strip() for member in _MEMBERS.findall(raw) if member.strip()] if self.is_list else raw


@dataclass(frozen=True, slots=True)
class Group:
    """A parameter that a whole query string or form fills: a model of all its values."""

    name: str
    place: Place
    adapter: TypeAdapter[Any]
    """What validates the dict of all values."""
    schema: Mapping[str, Any]
    """JSON schema of the model, definitions included: its properties are the values."""
    names: tuple[str, ...]
    """Names of the values on the wire, in the order of the model."""
    lists: frozenset[str]
    """Those that are taken as lists."""
    forms: Mapping[str, type]
    """Name → the type whose written form its texts have."""
    takes_lists: bool
    """Whether values of other names, where the model takes any, are taken as lists."""
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether a request that has none of the values is invalid."""
        return self.default is Parameter.empty

    def read(self, source: Mapping[str, Any], values: dict[str, Any], entries: list[Entry]) -> None:
        """Put the model among *values*, or what is wrong with it among *entries*."""
        if not source and not self.is_required:
            return
        texts = cast("MultiValueDict[str, str]", source)
        data = {key: texts.getlist(key) if self._is_list(key) else texts[key] for key in texts}
        faults: list[Entry] = []
        for key, kind in self.forms.items():
            try:
                check_texts(kind, data.get(key))
            except (PydanticKnownError, PydanticCustomError) as error:
                fault = {"in": self.place, "parameter": key, "detail": error.message(), "type": error.type}
                faults.append(fault)
        try:
            value = self.adapter.validate_python(data)
        except ValidationError as error:
            told = {fault["parameter"] for fault in faults}
            faults.extend(one for one in group_entries(self.place, error) if one.get("parameter") not in told)
        else:
            values[self.name] = value
        entries.extend(sorted(faults, key=self._position))

    def _position(self, fault: Entry) -> int:
        """Return where the model has the value: what it does not have comes last."""
        name = fault.get("parameter")
        return self.names.index(name) if name in self.names else len(self.names)

    def _is_list(self, key: str) -> bool:
        return key in self.lists or (self.takes_lists and key not in self.forms)


@dataclass(frozen=True, slots=True)
class UserInput:
    """The parameter ``user``."""

    name: str
    is_required: bool
    """Whether anonymous clients are refused with 401."""
    is_nullable: bool
    """Whether an anonymous client is ``None``; else it is Django's ``AnonymousUser``."""


@lru_cache(maxsize=1024)
def meta_key(field: str) -> str:
    """Return the key under which Django keeps a header field in ``request.META``."""
    key = field.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _read_utf8(text: str) -> str:
    """Return a field that was read as Latin-1, read as UTF-8; as it is where it is none."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def source_of(request: HttpRequest, place: Place) -> Mapping[str, Any]:
    """Return the part of the request that *place* names; forms and files are read with the body."""
    if place == "query":
        return request.GET
    if place == "cookie":
        return request.COOKIES
    return request.META
