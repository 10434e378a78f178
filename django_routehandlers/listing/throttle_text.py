"""What a listing says of how often clients may ask."""

from django_routehandlers.handlers.throttling import Throttling
from django_routehandlers.policies.throttle import Key


def throttle_as_json(throttling: Throttling | None) -> list[dict[str, object]]:
    """Return the objects that ``--format json`` prints, one for each limit."""
    if throttling is None:
        return []
    return [
        {
            "name": limit.name,
            "quota": limit.quota,
            "period": limit.period,
            "key": _key(limit.key),
            "methods": None if limit.methods is None else sorted(limit.methods),
            "place": throttling.place,
        }
        for limit in throttling.limits
    ]


def _key(key: Key) -> str | None:
    return getattr(key, "__name__", type(key).__name__) if callable(key) else key
