"""
Turn how a GET is cached into the words of a table and the object of JSON.

Pure: a policy in, text out.
"""

from django_routehandlers.handlers.cache_policy import CachePolicy


def policy_cell(policy: CachePolicy | None) -> str:
    """Return a few words: ``60 s``, ``until invalidated``, ``dynamic``, or ``-`` where there is no GET."""
    if policy is None:
        return "-"
    if not policy.is_cached:
        return "dynamic"
    return "until invalidated" if policy.lifetime is None else f"{policy.lifetime:.0f} s"


def policy_as_json(policy: CachePolicy | None) -> dict[str, object] | None:
    """Return the object that ``--format json`` prints; ``None`` where there is no GET."""
    if policy is None:
        return None
    is_cached = policy.is_cached
    depends_on = "auto" if policy.follows_tables else list(policy.tables or ()) or None
    return {
        "policy": "cached" if is_cached else "dynamic",
        "why": policy.why_dynamic,
        "revalidate": _revalidate(policy) if is_cached else None,
        "tags": "function" if callable(policy.tags) else list(policy.tags),
        "depends_on": depends_on if is_cached else None,
        "force_static": policy.is_forced,
        "static_params": policy.static_params is not None,
        "dynamic_params": policy.has_other_params,
    }


def _revalidate(policy: CachePolicy) -> int | bool:
    return False if policy.lifetime is None else int(policy.lifetime)
