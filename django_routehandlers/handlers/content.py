"""
Read the content of a request: JSON, raw, or a form.

Limits come before work. The content's coding, media type and size are judged before it is
decoded, and it is decoded strictly: what two readers could understand in two ways is refused.
"""

import codecs
from dataclasses import dataclass
from inspect import Parameter
from itertools import islice
from typing import Any, ClassVar, Literal

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from pydantic import TypeAdapter, ValidationError

from django_routehandlers.handlers.bounds import BoundedValidator
from django_routehandlers.handlers.inputs import Group, Input
from django_routehandlers.handlers.invalid import MAX_ENTRIES, Entry, body_entries, check_names
from django_routehandlers.handlers.lines import LinesBody
from django_routehandlers.handlers.raw_content import check_header, exceeds_limit, has_content, is_utf8, read_content
from django_routehandlers.handlers.strict_json import decode_json, not_json
from django_routehandlers.responses.problems import Refusal

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
# Python has codecs whose decoding takes quadratic time, which no client may choose.
_CODECS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"})


@dataclass(frozen=True, slots=True)
class JSONBody:
    """The parameter ``body`` as JSON, validated."""

    media_types: ClassVar = ("application/json",)

    name: str
    adapter: TypeAdapter[Any]
    default: Any
    """Default of the parameter; ``Parameter.empty`` where a body is required."""
    validator: BoundedValidator
    """What validates the content, within bounds."""

    @property
    def is_required(self) -> bool:
        """Whether a request without a body is refused."""
        return self.default is Parameter.empty

    def read(self, request: HttpRequest, values: dict[str, Any], entries: list[Entry]) -> None:
        """
        Put the body among *values*, or what is wrong with it among *entries*.

        Raises:
            Refusal: 415 for another media type or a content coding, 411 for content of unknown
                length that WSGI cannot read, 400 for what is not JSON.
            RequestDataTooBig: It is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
        """
        check_header(request)
        kind = request.content_type or ""
        if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
            if has_content(request):
                raise Refusal(415, detail="The body has to be JSON.", headers={"Accept": "application/json"})
        elif not is_utf8(request):
            # RFC 8259, section 8.1: JSON between systems is UTF-8.
            raise Refusal(415, detail="JSON has to be UTF-8.", headers={"Accept": "application/json"})
        content = read_content(request)
        if not content:
            if self.is_required:
                raise Refusal(400, detail="The body is empty, where JSON is due.")
            return
        data = decode_json(content)
        check_names(data, len(content))
        try:
            values[self.name] = self.validator.validate(content)
        except ValidationError as error:
            found = list(islice(body_entries(error, data), MAX_ENTRIES + 1))
            # pydantic's own reader has limits, too: 200 levels.
            if (found[0]["type"], found[0]["pointer"]) == ("json_invalid", "#"):
                raise not_json("it nests too deeply") from None
            entries.extend(found)


@dataclass(frozen=True, slots=True)
class RawBody:
    """The parameter ``body`` as ``bytes`` or ``str``, of whatever media type."""

    name: str
    kind: Literal["bytes", "str"]
    adapter: TypeAdapter[Any]
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether a parameter without default; an empty body is a body all the same."""
        return self.default is Parameter.empty

    @property
    def media_types(self) -> tuple[str, ...]:
        """What documents name; any other is read as well."""
        return ("application/octet-stream",) if self.kind == "bytes" else ("text/plain",)

    def read(self, request: HttpRequest, values: dict[str, Any], entries: list[Entry]) -> None:
        """
        Put the body among *values*, or what is wrong with it among *entries*.

        Raises:
            Refusal: 415 for a content coding or an unknown charset, 400 for text that is not in its charset.
            RequestDataTooBig: It is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
        """
        check_header(request)
        content = read_content(request)
        if not content and not self.is_required:
            return
        raw = content if self.kind == "bytes" else _text(content, request)
        try:
            values[self.name] = self.adapter.validate_python(raw)
        except ValidationError as error:
            entries.extend(body_entries(error, None))


@dataclass(frozen=True, slots=True)
class FormBody:
    """Parameters that the values and files of one form fill."""

    values: tuple[Input | Group, ...]
    files: tuple[Input, ...]

    @property
    def is_required(self) -> bool:
        """Whether a request without a body is invalid."""
        return any(one.is_required for one in (*self.values, *self.files))

    @property
    def media_types(self) -> tuple[str, ...]:
        """What the form may be sent as: a form with files is multipart."""
        return (_MULTIPART,) if self.files else (_URLENCODED, _MULTIPART)

    def waits(self, request: HttpRequest) -> bool:
        """Return whether reading it may wait for a disk, where Django keeps uploaded files."""
        return request.content_type == _MULTIPART

    def read(self, request: HttpRequest, values: dict[str, Any], entries: list[Entry]) -> None:
        """
        Put the form's values among *values*, or what is wrong with them among *entries*.

        Raises:
            Refusal: 415 for another media type or a content coding, 411 for a multipart form of unknown length.
            MultiPartParserError: The form is malformed.
            RequestDataTooBig: Its values are larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
            TooManyFieldsSent: It has more values than ``DATA_UPLOAD_MAX_NUMBER_FIELDS``.
            TooManyFilesSent: It has more files than ``DATA_UPLOAD_MAX_NUMBER_FILES``.
        """
        check_header(request)
        kind = request.content_type or ""
        if not is_utf8(request):
            # Django would decode with whatever codec Python has of that name.
            raise Refusal(415, detail="A form has to be UTF-8.")
        if kind not in (_URLENCODED, _MULTIPART) and has_content(request):
            accept = {"Accept": ", ".join(self.media_types)}
            raise Refusal(415, detail="The body has to be a form.", headers=accept)
        if kind == _MULTIPART and not request.META.get("CONTENT_LENGTH"):
            # Django takes a multipart body of unknown length for an empty one.
            raise Refusal(411, detail="A multipart form has to state its length.")
        if kind == _URLENCODED:
            read_content(request)
        elif not self.files and exceeds_limit(int(request.META.get("CONTENT_LENGTH") or 0)):
            # Django counts the values alone, and would store files that nobody asked for.
            raise RequestDataTooBig("Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")
        _parse_form(request)
        for one in self.values:
            one.read(request.POST, values, entries)
        for one in self.files:
            one.read(request.FILES, values, entries)


Content = JSONBody | RawBody | FormBody | LinesBody
"""What a handler reads of a request's content."""


def _text(content: bytes, request: HttpRequest) -> str:
    charset = (request.content_params or {}).get("charset", "utf-8")
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):
        codec = ""
    if codec not in _CODECS:
        raise Refusal(415, detail="The body's charset is not read here.")
    try:
        return content.decode(codec)
    except ValueError:
        raise Refusal(400, detail="The body is not text in its charset.") from None


def _parse_form(request: HttpRequest) -> None:
    """Make Django parse the form whatever the method: by itself it does so for POST alone."""
    method = request.method
    if method == "POST":
        request.POST  # noqa: B018 - parsing is what this attribute does
        return
    if not request.__dict__.get("_post"):
        # Some middleware has asked for it already, and got nothing.
        request.__dict__.pop("_post", None)
    request.method = "POST"
    try:
        request.POST  # noqa: B018 - parsing is what this attribute does
    finally:
        request.method = method
