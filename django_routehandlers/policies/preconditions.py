"""
Say what a representation is known by, and which requests have to say which one they mean.

Sources: validators (RFC 9110, section 8.8), preconditions (section 13), 428 (RFC 6585, section 3).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import http_date, parse_etags, parse_http_date_safe, quote_etag

from django_routehandlers.documentation import Section, documented

_SECTION = Section("reference/handlers", "Conditional requests")

UNSAFE_METHODS = ("POST", "PUT", "PATCH", "DELETE")
"""Methods of which a precondition can be required."""
CHANGED = "The resource is not in the state that the request is based on."
"""What a 412 says."""

# Characters of RFC 9110, section 8.8.3, but for the comma, at which Django splits a list of tags, and obsolete ones.
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x2b\x2d-\x7e]*"')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENDS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
# Below it, Django and others take the year of a date that comes back for one of this century or the last.
_FIRST_YEAR = 100


@dataclass(frozen=True, slots=True)
class Validators:
    """What the current representation of a resource is known by; ``None`` where that is nothing."""

    etag: str | None = None
    """As the route file made it, quoted or not."""
    last_modified: datetime | None = None
    """Aware."""

    @property
    def entity_tag(self) -> str | None:
        """The entity tag as it is sent, in its quotes."""
        return None if self.etag is None else quote_etag(self.etag)

    @property
    def timestamp(self) -> int | None:
        """Whole seconds since 1970: a date of HTTP has no fractions."""
        return None if self.last_modified is None else _seconds(self.last_modified)

    @property
    def _date(self) -> str | None:
        """What ``Last-Modified`` says; ``None`` where no client could send it back as it is."""
        if self.last_modified is None or self.last_modified.year < _FIRST_YEAR:
            return None
        # None that is still to come (RFC 9110, section 8.8.2.1).
        return http_date(_seconds(min(self.last_modified, datetime.now(UTC))))

    @property
    def fields(self) -> dict[str, str]:
        """The fields that tell of them."""
        found = {"ETag": self.entity_tag, "Last-Modified": self._date}
        return {name: value for name, value in found.items() if value is not None}


def _seconds(moment: datetime) -> int:
    # datetime.timestamp() rounds the last second of the year 9999 up.
    return (moment - _EPOCH) // timedelta(seconds=1)


def checked_etag(value: object, label: str) -> str | None:
    """
    Return what ``etag()`` returned.

    Raises:
        TypeError: It is neither text nor ``None``.
        ValueError: No entity tag is written so, or Django would not find it in a list of them.
    """
    if not isinstance(value, str | None):
        raise documented(
            TypeError(f"{label} returned {value!r}. It returns str, or None where there is no representation yet."),
            _SECTION,
        )
    if value is not None and _ETAG.fullmatch(quote_etag(value)) is None:
        what = "An entity tag is of ASCII characters, without spaces, commas and double quotes in it"
        raise documented(ValueError(f"{label} returned {value!r}. {what} (RFC 9110, section 8.8.3)."), _SECTION)
    return value


def checked_moment(value: object, label: str) -> datetime | None:
    """
    Return what ``last_modified()`` returned, in UTC; where UTC has no such date, the first or the last one.

    Raises:
        TypeError: It is neither a datetime nor ``None``.
        ValueError: It has no time zone.
    """
    if not isinstance(value, datetime | None):
        raise documented(
            TypeError(f"{label} returned {value!r}. It returns a datetime with a time zone, or None."), _SECTION
        )
    if value is not None and value.utcoffset() is None:
        raise documented(
            ValueError(f"{label} returned {value!r}, which has no time zone. Make it aware: timezone.make_aware()."),
            _SECTION,
        )
    if value is None:
        return None
    try:
        return value.astimezone(UTC)
    except OverflowError:
        # datetime.max of a zone in the west, say, which stands for "always".
        return _ENDS[value.year > _FIRST_YEAR]


def required_methods(value: object) -> frozenset[str] | None:
    """Return the methods that ``require_precondition`` means; ``None`` where it means nothing."""
    if isinstance(value, bool):
        return frozenset(UNSAFE_METHODS) if value else frozenset()
    if not isinstance(value, list | tuple):
        return None
    names = frozenset(cast("Iterable[object]", value))
    return cast("frozenset[str]", names) if names <= frozenset(UNSAFE_METHODS) else None


def has_precondition(meta: Mapping[str, Any], *, by_date: bool) -> bool:
    """
    Return whether a request says on which state of the resource it is based, so that it can be judged.

    Args:
        meta: The fields, under the keys of ``request.META``.
        by_date: Whether it has dates of modification.
    """
    # Other tags in If-None-Match say on which states it is not based.
    if "HTTP_IF_MATCH" in meta or parse_etags(meta.get("HTTP_IF_NONE_MATCH", "")) == ["*"]:
        return True
    return by_date and parse_http_date_safe(meta.get("HTTP_IF_UNMODIFIED_SINCE", "")) is not None


def is_unchanged(meta: Mapping[str, Any], etag: str, last_modified: str | None) -> bool:
    """
    Return whether ``If-Match`` holds of a representation, or where there is none, ``If-Unmodified-Since``.

    Args:
        meta: The fields, under the keys of ``request.META``.
        etag, last_modified: Fields of the representation.
    """
    if "HTTP_IF_MATCH" in meta:
        tags = parse_etags(meta["HTTP_IF_MATCH"])
        # A weak tag matches nothing, but for one that compression on the way has made weak.
        own = [] if etag.startswith("W/") else [etag, f"W/{etag}"]
        return tags == ["*"] or not set(own).isdisjoint(tags)
    since = parse_http_date_safe(meta.get("HTTP_IF_UNMODIFIED_SINCE", ""))
    modified = None if last_modified is None else parse_http_date_safe(last_modified)
    # What has no date ignores conditions on it (RFC 9110, section 13.1.4).
    return since is None or modified is None or modified <= since


def note_judged(response: HttpResponseBase) -> None:
    """Note that ``If-Match`` and ``If-Unmodified-Since`` have been judged, and hold, of what *response* says."""
    vars(response)["is_judged"] = True


def left_to_judge(request: HttpRequest, response: HttpResponseBase) -> HttpRequest:
    """Return the request with those preconditions alone that *response* has not been held to yet."""
    if "is_judged" not in vars(response):
        return request
    left = HttpRequest()
    left.method, left.path = request.method, request.path
    names = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE")
    left.META = {name: request.META[name] for name in names if name in request.META}
    return left
