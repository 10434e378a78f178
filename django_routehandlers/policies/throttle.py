"""
Say how often clients may ask, and what they are told of it.

Source: RateLimit header fields for HTTP (draft-ietf-httpapi-ratelimit-headers-10), whose fields are structured
ones (RFC 9651).
"""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, cast

from django_routehandlers.documentation import Section, documented

_SECTION = Section("reference/throttling", "Arguments of Throttle")

Fields = tuple[tuple[str, str], ...]
Key = Literal["user", "ip"] | Callable[..., Any] | None

EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""URI of the problem that a refusal is (section 5.1 of the draft)."""
EXCEEDED_TITLE = "Request cannot be satisfied as assigned quota has been exceeded"

_RATE = re.compile(r"([1-9][0-9]{0,8}) ?/ ?(?:([1-9][0-9]{0,5}) ?)?(second|minute|hour|day)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_EXAMPLE = 'Write "100/minute", or "20/10 seconds".'
# What a String of structured fields may hold without escapes.
_NAME = re.compile(r"[ !#-\[\]-~]+")
_METHOD = re.compile(r"[A-Z]+")


@dataclass(frozen=True, slots=True)
class Throttle:
    """
    How often one client may ask.

    In any period of that length, wherever it begins, no more than the quota are let through.

    Raises:
        ValueError: An argument has a value that it cannot have; the message says which, the rule and the remedy.
    """

    rate: str
    """Requests and a period: ``"100/minute"``, ``"20/10 seconds"``."""
    _: KW_ONLY
    key: Key = None
    """
    What one client is: ``"user"``, the user who is logged in, and nobody else is counted; ``"ip"``, the address;
    a function of the request that returns text, or ``None`` for a request that is not counted.
    ``None``: the user, else the address.
    """
    methods: Sequence[str] | None = None
    """Methods of the requests that are counted, those of GET with those of HEAD; ``None`` for all but OPTIONS."""
    name: str | None = None
    """What the client is told that the limit is called; ``None``: the period."""
    quota: int = field(init=False, repr=False, compare=False)
    """Requests that are let through."""
    period: int = field(init=False, repr=False, compare=False)
    """Seconds."""
    policy: str = field(init=False, repr=False, compare=False)
    """The member of ``RateLimit-Policy``."""

    def __post_init__(self) -> None:
        found = _RATE.fullmatch(self.rate) if isinstance(cast("object", self.rate), str) else None
        if found is None:
            raise documented(ValueError(f"Throttle({self.rate!r}): it is no rate. {_EXAMPLE}"), _SECTION)
        for name, wrong in _wrong(self):
            raise documented(ValueError(f"Throttle({name}=…): {wrong}"), _SECTION)
        quota, many, unit = found.groups()
        derived = {"quota": int(quota), "period": int(many or 1) * _SECONDS[unit]}
        name = self.name or (f"{many} {unit}s" if many else unit)
        derived |= {"name": name, "policy": f'"{name}";q={derived["quota"]};w={derived["period"]}'}
        for attribute, value in derived.items():
            object.__setattr__(self, attribute, value)

    def counts(self, method: str) -> bool:
        """Return whether requests with *method* are counted."""
        if self.methods is None:
            return method != "OPTIONS"
        return method in self.methods or (method == "HEAD" and "GET" in self.methods)


@dataclass(frozen=True, slots=True)
class Use:
    """How far one client has used one limit, after its request has been judged."""

    used: int
    """Requests that were let through."""
    wait: float
    """Seconds until the oldest of them counts no more; 0 where there are none."""
    is_exceeded: bool
    """Whether this request was one too many."""


Uses = Sequence[tuple[Throttle, Use]]


def is_refused(uses: Uses) -> bool:
    """Return whether one of the limits is exceeded."""
    return any(use.is_exceeded for _, use in uses)


def rate_fields(uses: Uses) -> Fields:
    """Return what the client is told of its limits; ``Retry-After`` too where one is exceeded."""
    policies, limits = [limit.policy for limit, _ in uses], [_service_limit(*one) for one in uses]
    fields = (("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(limits)))
    waits = [use.wait for _, use in uses if use.is_exceeded]
    return (*fields, ("Retry-After", str(max(1, math.ceil(max(waits)))))) if waits else fields


def _service_limit(limit: Throttle, use: Use) -> str:
    left = f'"{limit.name}";r={max(0, limit.quota - use.used)}'
    return f"{left};t={math.ceil(use.wait)}" if use.used else left


def read_throttle(value: object) -> tuple[Throttle, ...]:
    """
    Return the limits that a value of `throttle` stands for.

    Raises:
        ValueError: It stands for none.
    """
    if value is None:
        return ()
    many = cast("Sequence[object]", value) if isinstance(value, list | tuple) else (value,)
    if not many:
        raise ValueError("an empty list")
    limits: list[Throttle] = []
    for one in many:
        if isinstance(one, str):
            limits.append(Throttle(one))
        elif isinstance(one, Throttle):
            limits.append(one)
        else:
            raise ValueError(f"{one!r} is neither a rate nor a Throttle")
    return tuple(limits)


def repeated_name(limits: Iterable[Throttle]) -> str | None:
    """Return a name that two of *limits* have, which could then not be told apart; ``None`` where there is none."""
    names = [cast("str", limit.name) for limit in limits]
    return next((name for name in names if names.count(name) > 1), None)


def _takes_request(key: Callable[..., object]) -> bool:
    try:
        inspect.signature(key).bind(None)
    except TypeError:
        return False
    except ValueError:
        # What is written in C may not tell.
        return True
    return True


def _wrong(limit: Throttle) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with the arguments of *limit*: name, and what, rule and remedy."""
    key, name = cast("object", limit.key), cast("object", limit.name)
    if not (key is None or key in ("user", "ip") or callable(key)):
        yield "key", f'{key!r} names no client. Write "user", "ip", or a function of the request.'
    if callable(key) and not _takes_request(key):
        yield "key", f"{key!r} cannot be called with the request alone. Write `def key(request): …`."
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        yield "name", f'{name!r} cannot be sent. Write a word in ASCII, such as "burst".'
    methods = cast("object", limit.methods)
    if methods is None:
        return
    if not isinstance(methods, list | tuple | set | frozenset) or not methods:
        yield "methods", f'{methods!r} is no list of methods. Write ["POST"], or None for all.'
        return
    for one in cast("Iterable[object]", methods):
        if not isinstance(one, str) or not _METHOD.fullmatch(one):
            yield "methods", f'{one!r} is no method in capitals. Write ["POST"].'
