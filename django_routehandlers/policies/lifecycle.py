"""
Say since when something is deprecated, and from when on it may be gone.

Sources: the Deprecation field (RFC 9745), the Sunset field (RFC 8594).
"""

from datetime import UTC, date, datetime, time

from django.utils.http import http_date

Fields = tuple[tuple[str, str], ...]


def moment(value: object) -> datetime | None:
    """Return the moment that a value stands for, a date for its first one in UTC; ``None`` where it is none."""
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else None
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else None


def lifecycle_fields(deprecation: datetime | None, sunset: datetime | None) -> Fields:
    """Return the fields that say both; of what is ``None``, nothing."""
    fields: list[tuple[str, str]] = []
    if deprecation is not None:
        # A Date of structured fields (RFC 9651, section 3.3.7).
        fields.append(("Deprecation", f"@{int(deprecation.timestamp())}"))
    if sunset is not None:
        fields.append(("Sunset", http_date(sunset.timestamp())))
    return tuple(fields)
