"""Turn bytes, cut anywhere, into the records of NDJSON."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

from django_routehandlers.testing.failures import StreamError


def parse_json(text: str | bytes, place: str) -> Any:
    """
    Return the value of a JSON text. Source: RFC 8259.

    Raises:
        StreamError: It is none: NaN and Infinity are not, though Python's parser takes them.
    """
    try:
        return json.loads(text.decode() if isinstance(text, bytes) else text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StreamError(f"{place} is not JSON ({error}): {text!r:.500}") from error


def problem_in(value: object) -> Mapping[str, Any] | None:
    """Return *value* if it is a problem as our streams send it, with type, title and status (RFC 9457)."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        texts = [members.get("type"), members.get("title")]
        if all(isinstance(text, str) for text in texts) and isinstance(members.get("status"), int):
            return members
    return None


class RecordDecoder:
    """Decoder of ``application/x-ndjson``: a JSON value a line. Blank lines are passed over."""

    media_types = ("application/x-ndjson", "application/jsonl")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._line = 0

    def feed(self, part: bytes) -> Iterator[Any]:
        """Yield the records that end in *part*."""
        # Only LF ends a line: careless splitting at U+2028 and its kin tears values apart.
        *lines, rest = part.split(b"\n")
        for line in lines:
            self._rest += line
            yield from self._take()
        self._rest += rest

    def end(self) -> Iterator[Any]:
        """Yield the record of a last line that nothing ends."""
        yield from self._take()

    def problem(self, record: Any) -> Mapping[str, Any] | None:
        """Return the problem, if this is the record that ends a broken stream."""
        if isinstance(record, dict):
            members = cast("dict[str, Any]", record)
            if list(members) == ["error"]:
                return problem_in(members["error"])
        return None

    def _take(self) -> Iterator[Any]:
        line = bytes(self._rest)
        self._rest.clear()
        self._line += 1
        if line.strip():
            yield parse_json(line, f"Line {self._line}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")
