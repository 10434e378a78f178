"""
Turn bytes into the JSON value that they are, and refuse what two readers could understand in two ways.

Source: RFC 8259, and RFC 7493 for names and numbers.
"""

import json
from typing import cast

import orjson

from django_routehandlers.responses.problems import Refusal

_SHORT = 4_096  # bytes: of no number are there more digits than Python reads
_FEW = 200  # of what nests: less deeply than Python calls
_NESTED = frozenset({dict, list})


def decode_json(content: bytes, what: str = "The body") -> object:
    """
    Return the value that *content* is, read strictly.

    Args:
        what: What an error calls the content.

    Raises:
        Refusal: 400: it is no UTF-8, no JSON (RFC 8259), NaN or Infinity, has a number beyond the
            range of 64-bit floats (section 6), a name twice in one object (section 4), or nests too deeply.
    """
    try:
        value: object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}" if what == "The body" else f"column {error.colno}"
        raise not_json(f"{error.msg} at {place}", what) from None
    is_small = len(content) <= _SHORT and content.count(b"{") + content.count(b"[") <= _FEW
    if is_small and content.count(b":") == _count_names(value):
        # No more colons than there are names: none came twice. With colons in a text, the next reader tells.
        return value
    try:
        _DECODER.decode(content.decode())
    except _NameTwice:
        detail = f"{what} is not JSON that can be relied on: an object has a name twice."
        raise Refusal(400, detail=detail) from None
    except (RecursionError, ValueError):
        raise not_json("it nests too deeply, or has a number of too many digits", what) from None
    return value


class _NameTwice(Exception):
    pass


def _count_names(value: object) -> int:
    """Return how many names the objects in *value* have."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return len(members) + sum([_count_names(one) for one in members.values() if one.__class__ in _NESTED])
    if isinstance(value, list):
        return sum([_count_names(one) for one in cast("list[object]", value) if one.__class__ in _NESTED])
    return 0


def _once_each(members: list[tuple[str, object]]) -> None:
    if len({name for name, _ in members}) != len(members):
        raise _NameTwice


# orjson keeps the last of two members of one name, in silence.
_DECODER = json.JSONDecoder(object_pairs_hook=_once_each)


def not_json(why: str, what: str = "The body") -> Refusal:
    """Return the 400 of content that is no JSON."""
    return Refusal(400, detail=f"{what} is not JSON: {why}.")
