"""
Turn SQL text into its words, leaving out literals, comments and placeholders.

Dialects disagree on where a literal or a comment ends. Text that they read differently is told
from the rest by ``is_ambiguous()``, and can be read ``loosely``: every word counts, wherever it stands.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_PARTS = re.compile(
    r"""
    (?P<skipped>
        \s+
      | --[^\n]*
      | /\*(?!!)(?:.*?\*/|.*)                               # MySQL executes what stands in /*! … */
      | \$(?P<tag>(?:[^\W\d]\w*)?)\$(?:.*?\$(?P=tag)\$|.*)  # PostgreSQL
      | %\(\w+\)s | (?<![:\w]):[^\W\d]\w* | @+[\w.]*        # placeholders and variables
      | \d[\w.]*
    )
    | (?P<literal>'(?:[^']|'')*(?:'|\Z))
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z)|`(?:[^`]|``)*(?:`|\Z))
    | (?P<word>[^\W\d][\w$\#]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LOOSE_PARTS = re.compile(r"(?P<word>[^\W\d][\w$#]*)|(?P<mark>[(),.;])")
# A backslash in a literal, "#" and "--" without a space as comment or operator, comments
# within comments, and Oracle's q'[…]'.
_AMBIGUOUS = re.compile(r"""\\|\#|--(?!\s)|/\*(?:(?!\*/).)*/\*|\bn?q'""", re.VERBOSE | re.DOTALL | re.IGNORECASE)
_MANY_PLACEHOLDERS = re.compile(r"%s(?:\s*,\s*%s)+")
_MANY_ROWS = re.compile(r"\(%s\)(?:\s*,\s*\(%s\))+")


LITERAL = "'"
"""The key of a literal of text."""


class Word(NamedTuple):
    """A word of SQL, or one mark between words."""

    key: str
    """A keyword or an unquoted name, in capitals; a mark; ``""`` for a quoted name; ``LITERAL``."""
    name: str
    """What the word names, casefolded and without its quotes; ``""`` for a mark."""


def split_words(sql: str, *, has_literals: bool = False) -> Iterator[Word]:
    """
    Yield the words and marks of *sql*, as standard SQL reads it.

    Args:
        has_literals: Whether literals of text are among them, as names: SQLite takes them for such
            where nothing else can stand.
    """
    for part in _PARTS.finditer(sql):
        match part.lastgroup:
            case "word":
                yield Word(part[0].upper(), part[0].casefold())
            case "quoted":
                yield Word("", unquote(part[0]))
            case "literal" if has_literals:
                yield Word(LITERAL, unquote(part[0]))
            case "mark":
                yield Word(part[0], "")
            case _:
                pass


def split_words_loosely(sql: str) -> Iterator[Word]:
    """Yield all words of *sql*, those of literals and comments too."""
    for part in _LOOSE_PARTS.finditer(sql):
        yield Word(part[0].upper(), part[0].casefold()) if part.lastgroup == "word" else Word(part[0], "")


def is_ambiguous(sql: str) -> bool:
    """Return whether there is anything in *sql* that databases read differently."""
    return _AMBIGUOUS.search(sql) is not None


def unquote(name: str) -> str:
    """Return a quoted name, casefolded and without its quotes."""
    quote = name[0]
    return name[1:].removesuffix(quote).replace(quote * 2, quote).casefold()


def shorten(sql: str) -> str:
    """Return *sql* with one placeholder for many in a row: bulk statements differ in their number alone."""
    return _MANY_ROWS.sub("(%s)", _MANY_PLACEHOLDERS.sub("%s", sql))
