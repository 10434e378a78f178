"""
Turn a Python value into JSON bytes, or into one line of NDJSON.

The common case is a single call of orjson. Names that are no str take a second one. What
orjson refuses though JSON allows it (integers beyond 64 bits, lone surrogates, decimals as
names) is rebuilt and encoded again.
Knows nothing of requests, responses or routes.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import cast
from uuid import UUID

import orjson
from django.utils.functional import Promise

from django_routehandlers.responses.jsonable import (
    JSONEncodeError,
    dump_pydantic_members,
    is_pydantic,
    simplify,
    type_name,
)

# Dataclasses pass through us: orjson 3.13 drops the slots of a parent class, shows
# cached properties, and crashes the interpreter on a slot that was never set.
# UTC is "Z", as pydantic and Django's own encoder write it.
_PLAIN = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_UTC_Z
_LINE = _PLAIN | orjson.OPT_APPEND_NEWLINE
_OPTIONS = _PLAIN | orjson.OPT_NON_STR_KEYS

# orjson's own limit, so that both ways refuse the same values.
_MAX_DEPTH = 254

# To look for a number in bytes takes an eighth of the time that bytes take.
_LF, _CR = b"\n\r"

_LINE_BREAKS = (
    ("\u0085".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


def encode_json(value: object) -> bytes:
    """
    Encode *value* as compact UTF-8 JSON.

    Takes what JSON has, and dataclasses (fields that do not begin with an underscore),
    pydantic models and dataclasses (as their own configuration says, names by alias),
    enum members (their value), ``datetime``, ``date``, ``time`` (ISO 8601, microseconds
    kept, UTC as ``Z``), ``timedelta`` (ISO 8601 duration), ``UUID``, ``Decimal`` (a string)
    and lazy strings. Integers of any size are written in full; readers with 64-bit floats lose digits
    beyond 2**53. NaN and Infinity become ``null``. Lone surrogates are escaped.

    Raises:
        JSONEncodeError: Something in *value* has no JSON form, or nests deeper than 254 levels.
    """
    # Other names than str cost two thirds more, whether there are any or not.
    try:
        return orjson.dumps(value, default=simplify, option=_PLAIN)
    except TypeError:
        pass
    try:
        return _dumps(value)
    except TypeError:
        pass
    # Outside the handler: orjson's message says less than ours and would stand above it.
    return _Rebuilder().encode(value)


def encode_line(value: object) -> bytes:
    r"""
    Encode *value* as one line of NDJSON, ending in ``\n``.

    U+0085, U+2028 and U+2029 are escaped: ``str.splitlines()`` and readers built on it
    take them for the end of a line.

    Raises:
        JSONEncodeError: As :func:`encode_json`.
    """
    try:
        line = orjson.dumps(value, default=simplify, option=_LINE)
    except TypeError:
        return as_line(encode_json(value))
    if line.isascii() and line.index(_LF) == len(line) - 1 and _CR not in line:
        return line
    return as_line(line[:-1])


def as_line(line: bytes) -> bytes:
    """Return *line*, which is JSON, without what readers may take for the end of a line, and with that end."""
    if not line.isascii():
        for character, escape in _LINE_BREAKS:
            if character in line:
                line = line.replace(character, escape)
    # Only a caller's own orjson.Fragment holds raw breaks, and there they are white space.
    if _LF in line or _CR in line:
        line = line.replace(b"\n", b" ").replace(b"\r", b" ")
    return line + b"\n"


class _Rebuilder:
    """Write one value in terms that orjson takes, with fragments for what it refuses."""

    def __init__(self) -> None:
        self._path: list[object] = []

    def encode(self, value: object) -> bytes:
        try:
            rebuilt = self._rebuild(value)
        except RecursionError:
            raise self._error("The value nests too deeply.") from None
        try:
            return _dumps(rebuilt)
        except TypeError as error:
            raise JSONEncodeError(str(error.__cause__ or error)) from error

    def _rebuild(self, value: object) -> object:
        match value:
            case None | bool() | orjson.Fragment():
                return value
            case Enum():
                return self._rebuild(value.value)
            case str():
                return value if _is_utf8(value) else orjson.Fragment(_escape(value))
            case int():
                return value if _is_64_bit(value) else orjson.Fragment(self._digits(value))
            case dict():
                return self._object(cast("dict[object, object]", value))
            case list() | tuple():
                return self._array(cast("Iterable[object]", value))
            case float():
                return float(value)
            case date() | UUID():
                return value
            case _:
                return self._rebuild_other(value)

    def _rebuild_other(self, value: object) -> object:
        try:
            simple = dump_pydantic_members(value) if is_pydantic(value) else simplify(value)
        except JSONEncodeError as error:
            raise self._error(str(error)) from error.__cause__
        return self._rebuild(simple)

    def _check_depth(self) -> None:
        if len(self._path) >= _MAX_DEPTH:
            del self._path[3:]
            raise self._error(f"The value nests deeper than {_MAX_DEPTH} levels, or holds itself.")

    def _array(self, items: Iterable[object]) -> list[object]:
        self._check_depth()
        rebuilt: list[object] = []
        for index, item in enumerate(items):
            self._path.append(index)
            rebuilt.append(self._rebuild(item))
            self._path.pop()
        return rebuilt

    def _object(self, members: Mapping[object, object]) -> object:
        self._check_depth()
        names: list[bytes | None] = []
        values: list[object] = []
        for key, item in members.items():
            self._path.append(key)
            names.append(self._name(key))
            values.append(self._rebuild(item))
            self._path.pop()
        if not any(names):
            return dict(zip(members, values, strict=True))
        pairs = zip(names, members, values, strict=True)
        written = (b"%b:%b" % (name or _plain_name(key), _dumps(item)) for name, key, item in pairs)
        return orjson.Fragment(b"{%b}" % b",".join(written))

    def _name(self, key: object) -> bytes | None:
        """Return *key* as a JSON string, or ``None`` where orjson writes it itself."""
        match key:
            case Enum():
                return self._name(key.value)
            case str():
                return None if _is_utf8(key) else _escape(key)
            case int() if not _is_64_bit(key):
                return b'"%b"' % self._digits(key)
            case Decimal() | Promise():
                return encode_json(str(key))
            case _:
                try:
                    _plain_name(key)
                except TypeError:
                    message = (
                        f"A name in a JSON object is a string, and {type_name(key)} has no form as one. Use a str."
                    )
                    raise self._error(message) from None
                return None

    def _digits(self, value: int) -> bytes:
        try:
            return int.__repr__(value).encode()
        except ValueError as error:
            raise self._error("The integer has more digits than Python writes out. Use a str.") from error

    def _error(self, message: str) -> JSONEncodeError:
        """Return the error with its place before *message*: an RFC 6901 pointer in fragment form."""
        tokens = (str(step).replace("~", "~0").replace("/", "~1") for step in self._path)
        pointer = "".join(f"/{token}" for token in tokens).encode("ascii", "backslashreplace").decode()
        return JSONEncodeError(f"At #{pointer}: {message}")


def _dumps(value: object) -> bytes:
    return orjson.dumps(value, default=simplify, option=_OPTIONS)


def _plain_name(key: object) -> bytes:
    return orjson.dumps({key: None}, option=_OPTIONS)[1 : -len(b":null}")]


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escape(text: str) -> bytes:
    return json.dumps(text).encode()


def _is_64_bit(value: int) -> bool:
    return -(2**63) <= value < 2**64
