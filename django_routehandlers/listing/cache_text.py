"""
Turn what the cache does with a URL into pairs of a name and a text, or into the object that JSON prints.

Pure: values in, text out.
"""

from collections.abc import Iterator

from django_routehandlers.handlers.cache_policy import CachePolicy
from django_routehandlers.listing.cache_answer import CacheAnswer, EntryAnswer

_ALWAYS = ("build", "scheme", "host", "path", "language", "time zone")


def cache_lines(answer: CacheAnswer) -> Iterator[tuple[str, str]]:
    """Yield what a person reads, each line with its name."""
    policy = answer.policy
    if not policy.is_cached:
        yield "Policy", f"dynamic: {policy.why_dynamic}"
        return
    yield "Policy", f"cached, {_lifetime(policy.lifetime)}"
    yield "Key", ", ".join([*_ALWAYS, *answer.context, *_declared(answer)])
    yield "Tags", "by a function of the segments" if callable(policy.tags) else ", ".join(policy.tags) or "none"
    yield "Tables", _tables(policy)
    if policy.static_params is not None:
        others = "others are served too" if policy.has_other_params else "others are 404"
        yield "Params", f"generate_static_params(), {others}"
    if (entry := answer.entry) is not None:
        yield from _entry_lines(entry)


def _entry_lines(entry: EntryAnswer) -> Iterator[tuple[str, str]]:
    if entry.state == "unknown":
        yield "Entry", f"unknown: {entry.why}"
    elif entry.age is None:
        yield "Entry", f"none for {entry.url}"
    else:
        yield "Entry", f"{entry.state}, {entry.age:.0f} s old, {_lifetime(entry.lifetime)}: {entry.url}"
        yield "  tags", ", ".join(entry.tags) or "none"
        yield "  tables", ", ".join(entry.tables) or "none"


def _declared(answer: CacheAnswer) -> Iterator[str]:
    if answer.query is None:
        yield "all query parameters"
    else:
        yield from (f"query parameter {name}" for name in answer.query)
    yield from (f"field {name}" for name in answer.fields)


def _tables(policy: CachePolicy) -> str:
    if policy.follows_tables:
        return "those that its queries read"
    return ", ".join(policy.tables or ()) or "none (depends_on = None)"


def _lifetime(seconds: float | None) -> str:
    return "until invalidated" if seconds is None else f"for {seconds:.0f} s"


def cache_as_json(answer: CacheAnswer) -> dict[str, object]:
    """Return the object that ``--match URL --format json`` prints; the policy itself is the route's."""
    entry = answer.entry
    if entry is None:
        return {"query_parameters": [], "fields": [], "entry": None}
    return {
        "query_parameters": "all" if answer.query is None else list(answer.query),
        "fields": list(answer.fields),
        "entry": {
            "state": entry.state,
            "url": entry.url or None,
            "why": entry.why or None,
            "age": None if entry.age is None else round(entry.age, 1),
            "lifetime": entry.lifetime,
            "tags": list(entry.tags),
            "tables": list(entry.tables),
        },
    }
