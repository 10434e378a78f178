"""
Turn what an entry depends on into a key: exact within a process, a digest in the store.

A key is a tuple of texts and tuples, so that two keys are equal only where every part is. The
digest is made of the same parts, each with its length: no two keys run together (CVE-2026-6873).
"""

import dataclasses
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any, cast

from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.functional import cached_property as DjangoProperty
from django.utils.safestring import SafeString

Key = tuple[Any, ...]
"""Parts of a key: ``None``, str, bytes and tuples of these."""

DIGEST_SIZE = 20
"""Bytes of a digest, twice as many characters."""

_PLAIN = frozenset({bool, bytes, int, float, complex, Decimal, uuid.UUID, date, datetime, time, timedelta, SafeString})


def digest(key: Key) -> str:
    """Return the name under which a store keeps what *key* stands for: ASCII, without spaces."""
    pieces: list[bytes] = []
    _write(key, pieces)
    return hashlib.blake2b(b"".join(pieces), digest_size=DIGEST_SIZE).hexdigest()


def freeze(value: object) -> Any:
    """
    Return the part of a key that stands for *value*: equal parts, equal values of one type.

    Takes types whose values are all that they show: a subclass may hold more, or be read in another way.

    Raises:
        TypeError: Values of this type cannot be told apart by what they hold.
    """
    kind: type = type(value)
    if kind is str or value is None:
        return value
    if kind in _PLAIN:
        return _named(kind), repr(value)
    if isinstance(value, Enum):
        # A combination of flags has no name of its own.
        return _named(kind), value.name, freeze(value.value)
    if kind is dict or kind is OrderedDict:
        return _named(kind), _frozen_pairs(cast("Mapping[object, object]", value).items())
    if kind in (MultiValueDict, QueryDict):
        return _named(kind), _frozen_pairs(cast("MultiValueDict[object, object]", value).lists())
    if kind in (list, tuple) or _is_named_tuple(kind):
        return _named(kind), tuple(map(freeze, cast("Sequence[object]", value)))
    if kind in (set, frozenset):
        members = map(freeze, cast("Iterable[object]", value))
        return _named(kind), tuple(sorted(members, key=lambda member: digest((member,))))
    if (names := _fields_of(value)) is not None:
        return _named(kind), tuple(freeze(getattr(value, name)) for name in names)
    raise TypeError(
        f"a value of type {kind.__qualname__} cannot be part of a key: what it holds cannot be told. "
        "Pass what identifies it: text, a number, a date, an id, or a list, dict or dataclass of these."
    )


def size_of(key: Key) -> int:
    """Return the bytes that the texts of a key take in memory, about."""
    pieces: list[bytes] = []
    _write(key, pieces)
    # Up to four bytes for each character where one of them is no ASCII.
    return 4 * sum(map(len, pieces))


def _frozen_pairs(pairs: Iterable[tuple[object, object]]) -> Key:
    return tuple((freeze(name), freeze(one)) for name, one in pairs)


def _is_named_tuple(kind: type) -> bool:
    return kind.__bases__ == (tuple,) and hasattr(kind, "_fields")


def _fields_of(value: object) -> tuple[str, ...] | None:
    """Return the fields of a dataclass that are all there is of *value*; ``None`` for anything else."""
    kind = type(value)
    # Not of a class below it, which has what it has added.
    if "__dataclass_fields__" not in vars(kind):
        return None
    names = tuple(field.name for field in dataclasses.fields(cast("Any", value)))
    others = set(getattr(value, "__dict__", ())) - set(names)
    # What a property has kept follows from the fields.
    is_kept = all(isinstance(getattr(kind, name, None), cached_property | DjangoProperty) for name in others)
    return names if is_kept else None


def _named(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _write(part: object, pieces: list[bytes]) -> None:
    if part is None:
        pieces.append(b"n")
    elif isinstance(part, tuple):
        parts = cast("tuple[object, ...]", part)
        pieces.append(b"(%d:" % len(parts))
        for one in parts:
            _write(one, pieces)
    elif isinstance(part, bytes):
        pieces.append(b"b%d:" % len(part) + part)
    else:
        # Django hands lone surrogates on, which have no UTF-8 of their own.
        text = cast("str", part).encode("utf-8", "surrogatepass")
        pieces.append(b"s%d:" % len(text) + text)
