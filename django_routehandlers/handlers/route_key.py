"""
Turn a request for a cached route into the key of its entry.

And tell what of a key other caches can know: they see fields, and neither time zones nor tenants.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.translation import get_language_from_path

from django_routehandlers.caching.current import context_variables, origin
from django_routehandlers.caching.keys import Key, freeze
from django_routehandlers.caching.surroundings import surroundings_key
from django_routehandlers.engine.live_settings import setting
from django_routehandlers.handlers.host import normal_host
from django_routehandlers.handlers.key_inputs import KeyInputs

_SURROUNDINGS = -2
"""Place of the surroundings in a key."""


def route_key(name: tuple[str, ...], request: HttpRequest, segments: Mapping[str, Any], inputs: KeyInputs) -> Key:
    """
    Return the key of the entry that answers *request*.

    Args:
        name: What tells the route from all others.

    Raises:
        Unkeyable: Something that the handler may see cannot be part of a key.
        DisallowedHost: The project does not allow the host.
    """
    scheme = request.scheme or ""
    # The project may allow some hosts only, and not each of its middleware asks.
    host = normal_host(request, scheme)
    return (
        origin(),
        name,
        scheme,
        host,
        _segments_key(segments) if segments else None,
        surroundings_key(request, context_variables()),
        inputs.key(request),
    )


def is_told_by_fields(key: Key) -> bool:
    """Return whether fields of a request tell all that the key has: none tells a time zone, or a context variable."""
    _, _, _, time_zone, variables = key[_SURROUNDINGS]
    return variables is None and time_zone == setting("TIME_ZONE")


def is_translated(key: Key) -> bool:
    """Return whether the language is another than the project's, and not told by the path."""
    (_, path), _, language, _, _ = key[_SURROUNDINGS]
    return language not in (None, setting("LANGUAGE_CODE")) and get_language_from_path(path) is None


def _segments_key(segments: Mapping[str, Any]) -> Key | None:
    try:
        return tuple([(name, freeze(value)) for name, value in segments.items()])
    except TypeError:
        # What a path converter made of the path, which is part of the key.
        return None
