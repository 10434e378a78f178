"""Read settings for each request, as Django does, so that what tests override counts at once."""

from typing import Any, Final

from django.conf import settings

KNOWN: Final[dict[str, Any]] = vars(settings)
"""
What has been read of the settings since they changed last: Django's own memory, which it empties itself.

To read a setting as an attribute of theirs takes six times as long.
"""


def setting(name: str) -> Any:
    """Return the value of a setting right now."""
    return KNOWN[name] if name in KNOWN else getattr(settings, name)
