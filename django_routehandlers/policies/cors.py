"""
Decide which pages of other origins may read the responses of a route, and which requests they may send it.

The CORS protocol is part of the Fetch standard (https://fetch.spec.whatwg.org/#http-cors-protocol). What does
not depend on the request is worked out once, when a policy is made.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from django_routehandlers.documentation import Section, documented

_SECTION = Section("reference/cors", "Arguments of CORS")

Fields = tuple[tuple[str, str], ...]

MOST_SECONDS = 7200
"""Seconds beyond which no answer to a preflight is kept: Chromium keeps none for longer, whatever it is told."""

# A host has 253 letters at most (RFC 1035, section 2.3.4), beside a scheme and a port. A careless pattern may take
# time that grows with the square of what it is given, or worse.
_LONGEST = 300
# As browsers write an origin (HTML, "serialization of an origin"): lower case, the port where it is not the scheme's.
_SERIALIZED = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_ESCAPED_OR_SET = re.compile(r"\\.|\[[^\]]*\]")
_BARE_DOT = re.compile(r"\.(?![*+?{])")
# Nobody owns a name in ".invalid" (RFC 6761), and nobody writes a pattern for both.
_STRANGERS = ("https://routehandlers.invalid", "https://a-b.c.invalid:8443")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
# Schemes by which a browser lets a client in without the page's doing.
_AMBIENT = ("basic", "digest", "negotiate", "ntlm")


@dataclass(frozen=True, slots=True)
class Preflight:
    """The answer to a preflight."""

    fields: Fields
    refusal: str | None = None
    """What was refused, and why; ``None`` where the request may be sent."""


@dataclass(frozen=True, slots=True)
class CORS:
    """
    Which other origins a route answers.

    Raises:
        ValueError: An argument has a value that it cannot have; the message says which, the rule and the remedy.
    """

    origins: Sequence[str] | Literal["*"] = ()
    """Origins as browsers write them, ``https://app.example.com``; ``"*"`` for every one."""
    _: KW_ONLY
    origin_regexes: Sequence[str | re.Pattern[str]] = ()
    """Regular expressions; one of them has to match the whole origin."""
    methods: Sequence[str] | None = None
    """Methods that a preflight allows; ``None`` for those of the route."""
    headers: Sequence[str] | Literal["*"] = ("authorization", "content-type")
    """Names of fields that a request may carry, beside those that Fetch lets every request carry; ``"*"`` for any."""
    expose_headers: Sequence[str] = ()
    """Names of fields of the response that the page may read, beside those that Fetch lets it read."""
    credentials: bool = False
    """Whether the page may read responses to requests with cookies."""
    max_age: int = 600
    """Seconds for which a browser may keep the answer to a preflight, 7,200 at most."""
    private_network: bool = False
    """Whether pages of the public network may ask a server in a private one (Private Network Access)."""
    _exact: frozenset[str] = field(init=False, repr=False, compare=False)
    _patterns: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)
    _names: frozenset[str] = field(init=False, repr=False, compare=False)
    _fixed: Fields = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, wrong in _wrong(self):
            raise documented(ValueError(f"CORS({name}=…): {wrong}"), _SECTION)
        is_any_header = self.headers == "*"
        derived: dict[str, Any] = {
            "_exact": frozenset(() if self.origins == "*" else self.origins),
            "_patterns": tuple(re.compile(one) for one in self.origin_regexes),
            "_names": frozenset(() if is_any_header else (name.lower() for name in self.headers)),
            "_fixed": _fixed(self),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def is_for_all(self) -> bool:
        """Whether every origin is answered alike, so that no response depends on the origin."""
        return self.origins == "*"

    @property
    def loose_patterns(self) -> tuple[str, ...]:
        """
        Patterns that match what nobody means: a dot that stands for any one character, or origins of strangers.

        Whoever registers ``appXexample.com`` is let in where the first dot of ``app.example.com`` is not escaped.
        """
        return tuple(
            one.pattern
            for one in self._patterns
            if _BARE_DOT.search(_ESCAPED_OR_SET.sub("", one.pattern)) or all(map(one.fullmatch, _STRANGERS))
        )

    def allows(self, origin: str) -> bool:
        """Return whether pages of *origin*, the ``Origin`` field, may read responses."""
        if self.is_for_all or origin in self._exact:
            return True
        if len(origin) > _LONGEST or _SERIALIZED.fullmatch(origin) is None:
            return False
        return any(one.fullmatch(origin) for one in self._patterns)

    def admits(self, origin: str, *, has_cookies: bool, authorization: str) -> bool:
        """
        Return whether an unsafe request of a page of *origin* may pass.

        Without ``credentials`` one may that has nothing which the browser adds by itself: a page can send
        such a request unasked, with the cookies of whoever looks at it, though it cannot read the answer.

        Args:
            authorization: The field of that name; ``""`` for none.
        """
        if not self.allows(origin):
            return False
        scheme = authorization.partition(" ")[0].lower()
        return self.credentials or not (has_cookies or scheme in _AMBIENT)

    def fields(self, origin: str | None) -> Fields:
        """Return the fields of every response but that to a preflight, ``Vary`` excepted."""
        if self.is_for_all:
            return self._fixed
        if origin is None or not self.allows(origin):
            return ()
        return (("Access-Control-Allow-Origin", origin), *self._fixed)

    def preflight(self, asked: Mapping[str, str], methods: Iterable[str]) -> Preflight:
        """
        Return the answer to a preflight.

        Args:
            asked: The fields ``origin``, ``method``, ``headers`` and ``private-network`` of the request, the
                last three as ``Access-Control-Request-…`` gives them; ``""`` for none.
            methods: Those of the route.
        """
        origin = asked["origin"]
        if not self.allows(origin):
            return Preflight((), "The origin is not allowed.")
        allowed = tuple(methods if self.methods is None else self.methods)
        wanted = [name.strip().lower() for name in asked["headers"].split(",") if name.strip()]
        named = [name for name in wanted if _TOKEN.fullmatch(name)] if self.headers == "*" else sorted(self._names)
        fields = [*self.fields(origin), ("Access-Control-Allow-Methods", ", ".join(allowed))]
        if named:
            fields.append(("Access-Control-Allow-Headers", ", ".join(named)))
        if self.private_network and asked["private-network"] == "true":
            fields.append(("Access-Control-Allow-Private-Network", "true"))
        fields.append(("Access-Control-Max-Age", str(min(self.max_age, MOST_SECONDS))))
        refused = [name for name in wanted if name not in named]
        refusal = None
        if asked["method"] not in allowed:
            refusal = f"The method is not allowed. Allowed are {', '.join(allowed)}."
        elif refused:
            refusal = f"Fields are not allowed: {', '.join(refused)[:200]}."
        return Preflight(tuple(name for name in fields if name[0] != "Access-Control-Expose-Headers"), refusal)


def _fixed(policy: CORS) -> Fields:
    fields: list[tuple[str, str]] = []
    if policy.origins == "*":
        fields.append(("Access-Control-Allow-Origin", "*"))
    if policy.credentials:
        fields.append(("Access-Control-Allow-Credentials", "true"))
    if policy.expose_headers:
        fields.append(("Access-Control-Expose-Headers", ", ".join(policy.expose_headers)))
    return tuple(fields)


def _wrong(policy: CORS) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with the arguments of *policy*: name, and what, rule and remedy."""
    values = cast("Mapping[str, object]", {name: getattr(policy, name) for name in _LISTS})
    for name, value in values.items():
        is_word = value == "*" and name in ("origins", "headers")
        if not (is_word or (name == "methods" and value is None) or _is_list(value, name)):
            yield name, f"{value!r} is no list of texts. Write a list, such as {_LISTS[name]}."
            return
    yield from _wrong_origins(policy)
    yield from _wrong_names(policy)
    for name in ("credentials", "private_network"):
        if not isinstance(getattr(policy, name), bool):
            yield name, f"{getattr(policy, name)!r} is neither True nor False. Write True or False."
    age = cast("object", policy.max_age)
    if not isinstance(age, int) or isinstance(age, bool) or age < 0:
        yield "max_age", f"{age!r} is no number of seconds. Write 600, or 0 for answers that are not kept."


def _wrong_names(policy: CORS) -> Iterable[tuple[str, str]]:
    for name in ("methods", "headers", "expose_headers"):
        given = cast("Sequence[str] | None", getattr(policy, name))
        for one in () if given is None or given == "*" else given:
            if not _TOKEN.fullmatch(one) or (one == "*" and name != "expose_headers"):
                yield name, f"{one!r} is no name. Write {_LISTS[name]}."
            elif name == "methods" and one != one.upper():
                yield name, f"{one!r} is not in capitals, and methods are case-sensitive. Write {one.upper()!r}."
    if policy.credentials and "*" in policy.expose_headers:
        yield "expose_headers", '"*" is a name like any other where credentials are sent (Fetch). List the names.'


_LISTS: Mapping[str, str] = {
    "origins": '["https://app.example.com"]',
    "origin_regexes": r'[r"https://[a-z]+\.example\.com"]',
    "methods": '["GET", "POST"]',
    "headers": '["content-type"]',
    "expose_headers": '["etag"]',
}


def _is_list(value: object, name: str) -> bool:
    kinds = (str, re.Pattern) if name == "origin_regexes" else (str,)
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(one, kinds) for one in cast("Iterable[object]", value)
    )


def _wrong_origins(policy: CORS) -> Iterable[tuple[str, str]]:
    if not policy.origins and not policy.origin_regexes:
        yield "origins", 'nobody is allowed. Name an origin, such as "https://app.example.com".'
    if policy.origins == "*":
        if policy.credentials:
            yield "origins", '"*" goes with no credentials: any page could read what is private. List the origins.'
        if policy.origin_regexes:
            yield "origin_regexes", 'origins="*" stands alone: no pattern allows more. Remove one of the two.'
        return
    for origin in policy.origins:
        if wrong := wrong_origin(origin, has_credentials=policy.credentials):
            yield "origins", wrong
    for one in policy.origin_regexes:
        try:
            re.compile(one)
        except re.error as error:
            yield "origin_regexes", f"{one!r} is no regular expression: {error}. Mend it."


def wrong_origin(origin: str, *, has_credentials: bool = False) -> str | None:
    """Return why *origin* is none that a browser sends, with the remedy; ``None`` where it is one."""
    if origin == "null":
        remedy = "Any page can make a frame of that origin, and read what is private. Leave it out."
        return f'"null" goes with no credentials. {remedy}' if has_credentials else None
    if origin == "*":
        return '"*" stands alone. Write origins="*".'
    if not origin.isascii():
        name = origin.partition("://")[2]
        return f"{origin!r} is not ASCII, and browsers send xn-- names. Write {_idna(origin, name)!r}."
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return f'{origin!r} is no origin. Write scheme, host and port alone: "https://app.example.com".'
    plain = f"{parts.scheme}://{_host(parts.hostname)}" + ("" if _is_default(parts.scheme, port) else f":{port}")
    if not parts.scheme or not parts.hostname or not _SERIALIZED.fullmatch(plain):
        return f'{origin!r} is no origin. Write scheme, host and port alone: "https://app.example.com".'
    return None if plain == origin else f"{origin!r} is not what a browser sends. Write {plain!r}."


def _idna(origin: str, name: str) -> str:
    try:
        return origin.replace(name, name.encode("idna").decode())
    except UnicodeError:
        return "https://xn--….example"


def _host(name: str | None) -> str:
    return f"[{name}]" if name and ":" in name else name or ""


def _is_default(scheme: str, port: int | None) -> bool:
    return port is None or _DEFAULT_PORTS.get(scheme) == port
