"""
Turn what routes say of their clients into the security schemes of the document.

Source: OpenAPI 3.1, sections 4.8.27 and 4.8.30.
"""

import json
from collections.abc import Iterable
from typing import Any

from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.security import scheme_of
from django_routehandlers.policies.security import Scheme, name_of

_SESSION = "session"
"""Name of the scheme of handlers that take the user."""

Said = tuple[Plan, Scheme | None]
"""The plan of a handler, and the scheme that is said of its route."""


class Schemes:
    """The schemes of a document, each under a name of its own."""

    def __init__(self, operations: Iterable[Said]) -> None:
        self._names: dict[str, str] = {}
        self._schemes: dict[str, Scheme] = {}
        wanted = {_key(scheme): (name, scheme) for name, scheme in map(_named, operations) if scheme is not None}
        for key, (natural, scheme) in sorted(wanted.items(), key=lambda one: (one[1][0], one[0])):
            name, number = natural, 2
            while name in self._schemes:
                name, number = f"{natural}_{number}", number + 1
            self._schemes[name] = scheme
            self._names[key] = name

    def as_dict(self) -> dict[str, Scheme]:
        """Return the Security Scheme Objects by their names."""
        return {name: self._schemes[name] for name in sorted(self._schemes)}

    def requirements(self, plan: Plan, security: Scheme | None) -> list[dict[str, list[str]]]:
        """Return the Security Requirement Objects of an operation; one that is empty where anonymous clients pass."""
        scheme = scheme_of(plan, security)
        if scheme is None:
            return []
        needed: list[dict[str, list[str]]] = [{self._names[_key(scheme)]: []}]
        return needed if _is_required(plan) else [{}, *needed]


def is_refused(plan: Plan, security: Scheme | None) -> bool:
    """Return whether a client that does not say who it is is answered 401."""
    return scheme_of(plan, security) is not None and _is_required(plan)


def _is_required(plan: Plan) -> bool:
    return plan.user is None or plan.user.is_required


def _named(said: Said) -> tuple[str, Scheme | None]:
    plan, security = said
    scheme = scheme_of(plan, security)
    return _SESSION if security is None or scheme is None else name_of(scheme), scheme


def _key(scheme: Scheme) -> str:
    plain: dict[str, Any] = dict(scheme)
    return json.dumps(plain, sort_keys=True, default=str)
