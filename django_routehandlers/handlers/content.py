"""
Read the content of a request: JSON, raw, or a form.

Limits come before work. The content's coding, media type and size are judged before it is
decoded, and it is decoded strictly: what two readers could understand in two ways is refused.
"""

import codecs
import json
from dataclasses import dataclass
from inspect import Parameter
from itertools import islice
from typing import Any, ClassVar, Literal, cast

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from pydantic import TypeAdapter, ValidationError

from django_routehandlers.handlers.bounds import BoundedValidator
from django_routehandlers.handlers.inputs import Group, Input
from django_routehandlers.handlers.invalid import MAX_ENTRIES, Entry, body_entries, check_names
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
        _check_header(request)
        kind = request.content_type or ""
        if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
            if _has_content(request):
                raise Refusal(415, detail="The body has to be JSON.", headers={"Accept": "application/json"})
        elif not _is_utf8(request):
            # RFC 8259, section 8.1: JSON between systems is UTF-8.
            raise Refusal(415, detail="JSON has to be UTF-8.", headers={"Accept": "application/json"})
        content = _content(request)
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
                raise Refusal(400, detail=_not_json("it nests too deeply")) from None
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
        _check_header(request)
        content = _content(request)
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
        _check_header(request)
        kind = request.content_type or ""
        if not _is_utf8(request):
            # Django would decode with whatever codec Python has of that name.
            raise Refusal(415, detail="A form has to be UTF-8.")
        if kind not in (_URLENCODED, _MULTIPART) and _has_content(request):
            accept = {"Accept": ", ".join(self.media_types)}
            raise Refusal(415, detail="The body has to be a form.", headers=accept)
        if kind == _MULTIPART and not request.META.get("CONTENT_LENGTH"):
            # Django takes a multipart body of unknown length for an empty one.
            raise Refusal(411, detail="A multipart form has to state its length.")
        if kind == _URLENCODED:
            _content(request)
        elif not self.files and _exceeds_limit(int(request.META.get("CONTENT_LENGTH") or 0)):
            # Django counts the values alone, and would store files that nobody asked for.
            raise RequestDataTooBig("Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")
        _parse_form(request)
        for one in self.values:
            one.read(request.POST, values, entries)
        for one in self.files:
            one.read(request.FILES, values, entries)


Content = JSONBody | RawBody | FormBody
"""What a handler reads of a request's content."""


def decode_json(content: bytes) -> object:
    """
    Return the value that *content* is, read strictly.

    Raises:
        Refusal: 400: it is no UTF-8, no JSON (RFC 8259), NaN or Infinity, has a number beyond the
            range of 64-bit floats (section 6), a name twice in one object (section 4), or nests too deeply.
    """
    try:
        value: object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, detail=_not_json(f"{error.msg} at line {error.lineno} column {error.colno}")) from None
    if content.count(b"{") == 1 and content.count(b":") == _count_names(value):
        # One object, and no more colons than it has names: none came twice.
        return value
    try:
        _DECODER.decode(content.decode())
    except _NameTwice:
        raise Refusal(400, detail="The body is not JSON that can be relied on: an object has a name twice.") from None
    except (RecursionError, ValueError):
        raise Refusal(400, detail=_not_json("it nests too deeply, or has a number of too many digits")) from None
    return value


class _NameTwice(Exception):
    pass


def _count_names(value: object) -> int:
    return len(cast("dict[str, object]", value)) if isinstance(value, dict) else -1


def _once_each(members: list[tuple[str, object]]) -> None:
    if len({name for name, _ in members}) != len(members):
        raise _NameTwice


# orjson keeps the last of two members of one name, in silence.
_DECODER = json.JSONDecoder(object_pairs_hook=_once_each)


def _not_json(why: str) -> str:
    return f"The body is not JSON: {why}."


def _check_header(request: HttpRequest) -> None:
    # Some servers hand on the white space behind a field's value, which is no part of it (RFC 9110, section 5.5).
    length = (request.META.get("CONTENT_LENGTH") or "0").strip(" \t")
    # Django comma-joins two fields; to some of its versions that is a length of 0, to others a server error.
    if not (length.isascii() and length.isdigit() and len(length) < 100):
        raise Refusal(400, detail="Content-Length is no length.")
    coding = request.META.get("HTTP_CONTENT_ENCODING", "")
    if coding and coding.strip().lower() != "identity":
        detail = "A body with a content coding is not decoded here."
        raise Refusal(415, detail=detail, headers={"Accept-Encoding": "identity"})


def _is_utf8(request: HttpRequest) -> bool:
    return (request.content_params or {}).get("charset", "utf-8").lower() in ("utf-8", "utf8")


def _has_content(request: HttpRequest) -> bool:
    # Without content there is no media type to be wrong: some servers name one that the client has not sent.
    return request.META.get("CONTENT_LENGTH") not in (None, "", "0") or bool(_content(request))


def _content(request: HttpRequest) -> bytes:
    content = request.body
    if not content and "HTTP_TRANSFER_ENCODING" in request.META and hasattr(request, "environ"):
        # Django's WSGI handler reads as much as Content-Length says, so this body is lost.
        raise Refusal(411, detail="This server needs a body to state its length.")
    return content


def _exceeds_limit(size: int) -> bool:
    limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return limit is not None and size > limit


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
