"""
Turn the ``Cache-Control`` and ``Vary`` fields of a response into values, and a policy into a field.

Reads them as a careful cache does: a directive counts in any spelling, and what cannot be
read counts as the most restrictive thing that it may mean. Source: RFC 9111, sections 4.1 and 5.2.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PRIVATE = "private, no-cache, no-store, max-age=0, must-revalidate"
"""What a response says that is for one client alone, in the words of Django's ``never_cache``."""
LONGEST = 2**31
"""Seconds that stand for any longer time (RFC 9111, section 1.2.2)."""

# Possessive, so that the time it takes grows with the length of the field and no faster.
_MEMBER = re.compile(r'(?:[^",]++|"(?:[^"\\]++|\\.)*+")++', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DIGITS = re.compile(r"[0-9]+")
# Directives that end where the response does, with a list of fields as well as without one.
_FORBIDDING = frozenset({"private", "no-store", "no-cache"})


@dataclass(frozen=True, slots=True)
class CacheControl:
    """A ``Cache-Control`` field as a value. Source: RFC 9111, section 5.2."""

    directives: tuple[tuple[str, str | None], ...] = ()
    """Lower-case name and argument of each directive, known or not, in the order of the field. Quotes are taken off."""

    def __contains__(self, name: str) -> bool:
        return any(name == directive for directive, _ in self.directives)

    @property
    def forbids_storing(self) -> bool:
        """
        Whether a cache that serves several users must not store the response.

        ``no-cache`` counts, since an entry is served without asking the handler; so do its form
        with a list of fields and that of ``private`` (sections 5.2.2.4 and 5.2.2.7 allow that);
        and so does a freshness lifetime of 0.
        """
        return any(name in _FORBIDDING for name, _ in self.directives) or self.freshness_lifetime() == 0

    @property
    def lets_others_store(self) -> bool:
        """Whether caches downstream that serve several users may store the response, be it to ask before each use."""
        return "no-store" not in self and ("private", None) not in self.directives

    def freshness_lifetime(self, *, shared: bool = True) -> int | None:
        """
        Return for how long a stored response stays fresh.

        Source: RFC 9111, section 4.2.1. Without an explicit lifetime there is none: heuristic
        freshness (section 4.2.2) and ``Expires`` are not looked at.

        Args:
            shared: Whether ``s-maxage`` comes first, that is, whether the cache serves several users.

        Returns:
            Seconds, from 0 to ``LONGEST``; ``None`` where the field states none.
        """
        if shared and (seconds := self.seconds("s-maxage")) is not None:
            return seconds
        return self.seconds("max-age")

    def seconds(self, name: str) -> int | None:
        """
        Return the number of seconds that directive *name* states; ``None`` where the field lacks it.

        What is no number counts as 0, and of several numbers the smallest (RFC 9111, section 4.2.1).
        """
        return min((_seconds(argument) for directive, argument in self.directives if directive == name), default=None)


def parse_cache_control(field: str) -> CacheControl:
    """Return the ``Cache-Control`` field as a value. Several lines are given as one, joined with commas."""
    return CacheControl(tuple(_directive(member) for member in _members(field) if member.strip()))


def public_cache_control(lifetime: int | None, window: int) -> str:
    """
    Return the field for a response that is for everybody.

    Args:
        lifetime: Freshness lifetime in caches that serve several users, in seconds; ``None``
            where only the server knows when it ends: they have to ask before each use.
        window: For how many seconds after that they may serve it while they ask for a fresh one
            (RFC 5861, section 3); 0 for none.
    """
    if lifetime is None:
        return "public, no-cache"
    return f"public, s-maxage={lifetime:d}" + (f", stale-while-revalidate={window:d}" if window else "")


def vary_names(field: str) -> frozenset[str] | None:
    """
    Return the fields of the request that a response depends on, in lower case.

    ``None`` means that it depends on more than can be named: ``*``, alone or beside names
    (RFC 9110, section 12.5.5). Several lines are given as one, joined with commas.
    """
    names = frozenset(name for part in field.split(",") if (name := part.strip().lower()))
    return None if "*" in names else names


def _members(field: str) -> Iterator[str]:
    position = 0
    while position < len(field):
        if (member := _MEMBER.match(field, position)) is not None:
            yield member[0]
            position = member.end()
        elif field[position] == ",":
            position += 1
        else:
            # A quote that nothing closes: what it would hide may be a directive.
            yield from field[position:].split(",")
            return


def _directive(member: str) -> tuple[str, str | None]:
    name, equals, argument = member.partition("=")
    if not equals:
        return name.strip().lower(), None
    # Recipients accept both forms of an argument (RFC 9111, section 5.2).
    quoted = _QUOTED.fullmatch(argument.strip())
    return name.strip().lower(), argument.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted[1])


def _seconds(argument: str | None) -> int:
    if argument is None or _DIGITS.fullmatch(argument) is None:
        return 0
    # Python refuses to read a number of thousands of digits.
    digits = argument.lstrip("0")
    return LONGEST if len(digits) > len(str(LONGEST)) else min(int(digits or "0"), LONGEST)
