"""
Turn what routes say of their clients into the security schemes of the document.

Source: OpenAPI 3.1, sections 4.8.27 and 4.8.30.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.plan import Plan
from django_routehandlers.handlers.preconditions import GUARDED_METHODS, Preconditions
from django_routehandlers.handlers.security import scheme_of
from django_routehandlers.policies.csrf import SAFE_METHODS
from django_routehandlers.policies.security import Scheme, name_of

_SESSION = "session"
"""Name of the scheme of handlers that take the user."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What of an operation asks who the client is."""

    security: Scheme | None
    """The scheme that is said of the route."""
    always: tuple[Plan, ...]
    """Plans of the functions that run for each request."""
    at_times: tuple[Plan, ...] = ()
    """Plans of those that run for a request which has a precondition."""

    @property
    def scheme(self) -> Scheme | None:
        """How the client says who it is; ``None`` where nobody asks."""
        return scheme_of((*self.always, *self.at_times), self.security)

    @property
    def is_required(self) -> bool:
        """Whether each request has to say so."""
        users = [plan.user.is_required for plan in self.always if plan.user is not None]
        return any(users) if users else self.security is not None

    @property
    def is_refused(self) -> bool:
        """Whether there are requests that are answered 401 where they do not."""
        return self.is_required or any(plan.user is not None and plan.user.is_required for plan in self.at_times)


def asking_of(
    handler: BoundHandler, method: str, security: Scheme | None, preconditions: Preconditions | None
) -> Asking:
    """
    Return what of an operation asks who the client is.

    Args:
        security: The scheme that is said of the route.
        preconditions: What judges those of its requests; ``None`` where nothing does.
    """
    if preconditions is None or method not in GUARDED_METHODS:
        return Asking(security, (handler.plan,))
    plans = preconditions.functions.plans
    if method in SAFE_METHODS or method in preconditions.required:
        return Asking(security, (handler.plan, *plans))
    return Asking(security, (handler.plan,), plans)


class Schemes:
    """The schemes of a document, each under a name of its own."""

    def __init__(self, operations: Iterable[Asking]) -> None:
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

    def requirements(self, asking: Asking) -> list[dict[str, list[str]]]:
        """Return the Security Requirement Objects of an operation; one that is empty where anonymous clients pass."""
        scheme = asking.scheme
        if scheme is None:
            return []
        needed: list[dict[str, list[str]]] = [{self._names[_key(scheme)]: []}]
        return needed if asking.is_required else [{}, *needed]


def _named(asking: Asking) -> tuple[str, Scheme | None]:
    scheme = asking.scheme
    return _SESSION if asking.security is None or scheme is None else name_of(scheme), scheme


def _key(scheme: Scheme) -> str:
    plain: dict[str, Any] = dict(scheme)
    return json.dumps(plain, sort_keys=True, default=str)
