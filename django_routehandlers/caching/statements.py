"""
Turn the text of an SQL statement into what it does, and to which tables.

No database is asked, and none is favoured: where dialects differ, or a construct is not known,
the answer is the one that names more. A name too many costs a refresh; one too few is a wrong answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from django_routehandlers.caching.transaction_words import read_transaction
from django_routehandlers.caching.words import LITERAL, Word, is_ambiguous, shorten, split_words, split_words_loosely

Kind = Literal["none", "read", "write", "anything"]

ANY_TABLE = "*"
"""Stands for tables that a statement may write to without naming them."""
_SHORTENED_FROM = 500  # characters
_KEPT_UP_TO = 10_000  # characters of a text whose meaning is remembered
_ORDER: Sequence[Kind] = ("none", "read", "write", "anything")
_END = Word("", "")


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READS = _keys("SELECT VALUES TABLE SHOW PRAGMA DESCRIBE DESC WITH EXPLAIN")
_WRITES = _keys("INSERT REPLACE UPDATE DELETE MERGE UPSERT TRUNCATE RENAME LOAD REFRESH")
_DEFINES = frozenset({"CREATE", "ALTER", "DROP"})
_NOTHING = _keys(
    """
    COMMIT END ABORT SAVEPOINT RELEASE ROLLBACK START SET RESET LOCK UNLOCK FETCH MOVE CLOSE ANALYZE VACUUM OPTIMIZE
    REINDEX CLUSTER CHECKPOINT LISTEN UNLISTEN NOTIFY DISCARD USE GRANT REVOKE COMMENT PREPARE DEALLOCATE ATTACH DETACH
    """
)
# What may follow BEGIN where it begins a transaction; anything else begins a block of code.
_OF_BEGIN = _keys("TRANSACTION WORK IMMEDIATE DEFERRED EXCLUSIVE CONCURRENT ISOLATION READ TRAN")
# Objects whose definition says nothing of what a table holds.
_WITHOUT_ROWS = _keys("INDEX SEQUENCE STATISTICS ROLE USER COLLATION EXTENSION TABLESPACE DOMAIN")

_OPENERS = _keys("FROM JOIN STRAIGHT_JOIN APPLY INTO UPDATE TABLE VIEW USING")
_VERBS = _keys("INSERT REPLACE DELETE MERGE UPSERT TRUNCATE COPY")
_MODIFIERS = _keys(
    """
    ONLY LATERAL IF NOT EXISTS IGNORE LOW_PRIORITY HIGH_PRIORITY DELAYED QUICK OR REPLACE ROLLBACK ABORT FAIL
    CONCURRENTLY OVERWRITE ALL FIRST
    """
)
_ENDS_LIST = _keys("SELECT WHERE GROUP HAVING ORDER LIMIT UNION EXCEPT INTERSECT MINUS SET VALUES RETURNING WINDOW")
_NO_NAMES = _ENDS_LIST | _OPENERS | _keys("ON AS WITH WHEN DEFAULT AND")
# EXTRACT(YEAR FROM created) reads from no table.
_FUNCTIONS_WITH_FROM = frozenset({"EXTRACT", "SUBSTRING", "TRIM", "OVERLAY"})
# Stand in the place of a table, and read from none.
_TABLE_FUNCTIONS = frozenset({"UNNEST", "GENERATE_SERIES", "JSON_TABLE", "JSON_EACH", "JSON_TREE"})
_BEFORE_UPDATE = frozenset({"FOR", "KEY", "DO", "ON", "THEN"})


@dataclass(frozen=True, slots=True)
class Statement:
    """What a text does, be it one statement or several."""

    kind: Kind
    """``"read"``, ``"write"``, ``"none"``: neither; ``"anything"``: it may write to any table."""
    names: frozenset[str]
    """
    Names in the place of a table, casefolded, without schema. Those of a common table expression
    may be among them, and ``"*"`` where the tables of others are written as well.
    """
    words: frozenset[str] = frozenset()
    """All names and keywords of the text, casefolded."""
    shows_rows: bool = False
    """Whether its outcome may depend on what tables hold; a plain INSERT's does not."""
    defines: bool = False
    """Whether it defines tables: databases without transactions for that commit before it."""
    begins: bool | None = None
    """Whether a transaction that it begins is open behind it; ``None`` where it neither begins nor ends one."""
    commits: bool = False
    """Whether it may commit a transaction."""


def read_statement(sql: str) -> Statement:
    """Return what *sql* does. The meaning of a text of up to 10,000 characters is remembered."""
    if len(sql) > _SHORTENED_FROM:
        sql = shorten(sql)
    return _read(sql) if len(sql) > _KEPT_UP_TO else _remembered(sql)


# 1,024 texts of 1 kB, with their names, take some 4 MB.
@lru_cache(maxsize=1024)
def _remembered(sql: str) -> Statement:
    return _read(sql)


def _read(sql: str) -> Statement:
    readings = [[*split_words(sql, has_literals=True)]]
    if is_ambiguous(sql):
        readings.append([*split_words_loosely(sql)])
    parts = [words for reading in readings for words in _split(reading)]
    kinds: list[Kind] = [_kind(words) for words in parts]
    names: set[str] = set()
    for words, kind in zip(parts, kinds, strict=True):
        if kind != "none":
            names.update(_Names(words))
        if kind == "write" and any(word.key == "CASCADE" for word in words) and _first(words) in ("TRUNCATE", "DROP"):
            # The rows of tables, and the views, that refer to those named go as well.
            names.add(ANY_TABLE)
    return Statement(
        max(kinds, key=_ORDER.index) if kinds else "none",
        frozenset(names),
        frozenset(word.name for words in parts for word in words if word.name and word.key != LITERAL),
        any(map(_shows_rows, parts, kinds)),
        any(_first(words) in _DEFINES | {"TRUNCATE", "RENAME"} for words in parts),
        *read_transaction(parts, sql),
    )


def _split(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Yield the words of each statement, from its first word."""
    part: list[Word] = []
    for word in (*words, Word(";", "")):
        if word.key == ";":
            if part:
                yield part
            part = []
        elif part or word.name:
            part.append(word)


def _first(words: Sequence[Word]) -> str:
    return words[0].key


def _shows_rows(words: Sequence[Word], kind: Kind) -> bool:
    if kind != "write" or _first(words) not in ("INSERT", "REPLACE"):
        return kind != "none"
    return any(
        word.key in ("CONFLICT", "DUPLICATE") or (word.key == "FROM" and following.key not in _TABLE_FUNCTIONS)
        for word, following in zip(words, words[1:], strict=False)
    )


def _kind(words: Sequence[Word]) -> Kind:
    keys = [word.key for word in words]
    first = keys[0]
    if first in _READS:
        return _kind_of_read(keys)
    if first in _WRITES:
        return "write"
    if first in _NOTHING:
        # What another connection has written, perhaps of another process.
        return "anything" if first == "COMMIT" and "PREPARED" in keys else "none"
    if first in _DEFINES:
        return _kind_of_definition(keys)
    if first == "BEGIN":
        return "none" if len(keys) == 1 or keys[1] in _OF_BEGIN else "anything"
    if first == "COPY":
        return "write" if "FROM" in keys[: _index(keys, "SELECT")] or _changes(keys) else "read"
    if first == "DECLARE" and "CURSOR" in keys and "BEGIN" not in keys:
        return "read"
    return "anything"


def _kind_of_read(keys: Sequence[str]) -> Kind:
    if keys[0] in ("WITH", "EXPLAIN"):
        return "write" if _changes(keys) else "read"
    return "write" if keys[0] == "SELECT" and "INTO" in keys else "read"


def _changes(keys: Sequence[str]) -> bool:
    """Return whether a word says that something is written, apart from FOR UPDATE, which only locks."""
    for before, key in zip(("", *keys), keys, strict=False):
        if key in ("INSERT", "DELETE", "MERGE", "INTO") or (key == "UPDATE" and before not in ("FOR", "KEY")):
            return True
    return False


def _kind_of_definition(keys: Sequence[str]) -> Kind:
    for key in keys[1:]:
        if key in ("TABLE", "VIEW"):
            return "write"
        if key in _WITHOUT_ROWS:
            return "none"
        if not key or key in ("FUNCTION", "PROCEDURE", "TRIGGER", "SCHEMA", "DATABASE", "RULE", "POLICY", "TYPE"):
            break
    return "anything"


def _index(keys: Sequence[str], key: str) -> int:
    return keys.index(key) if key in keys else len(keys)


class _Names:
    """
    The names in the place of a table, as an iterator over the words of one statement.

    A place begins at a word such as FROM, and again at each comma of its list, which ends at
    a word such as WHERE, or with the brackets around it.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self._at = 0
        self._is_place = words[0].key in _VERBS
        # For each open bracket: whether a list of tables is open, and whether FROM is a function's own.
        self._lists = [self._is_place]
        self._functions = [False]
        self._renames = words[0].key in ("ALTER", "RENAME")

    def __iter__(self) -> Iterator[str]:
        if self._is_place:
            self._at = 1
        while self._at < len(self._words):
            word = self._words[self._at]
            if word.name or (self._is_place and word.key == "["):
                yield from self._read_word(word)
            else:
                self._read_mark(word.key)
                self._at += 1

    def _key(self, distance: int) -> str:
        """Return the key of a word before or behind the present one."""
        at = self._at + distance
        return self._words[at].key if 0 <= at < len(self._words) else ""

    def _read_mark(self, mark: str) -> None:
        if mark == "(":
            # FROM (a, b) is a list of its own.
            self._lists.append(self._is_place)
            self._functions.append(self._key(-1) in _FUNCTIONS_WITH_FROM)
            return
        if mark == ")" and len(self._lists) > 1:
            self._lists.pop()
            self._functions.pop()
        if mark != "*":
            self._is_place = mark == "," and self._lists[-1]

    def _read_word(self, word: Word) -> Iterator[str]:
        if word.key in _ENDS_LIST:
            self._lists[-1] = self._is_place = False
        elif self._opens(word.key):
            self._is_place = True
            # The columns in INSERT INTO t (a, b) are in brackets of their own.
            self._lists[-1] = self._lists[-1] or word.key not in ("INTO", "IN")
        elif self._is_place and not (word.key in _MODIFIERS and self._key(1) != ".") and word.key not in _NO_NAMES:
            self._is_place = False
            if not (word.key in _TABLE_FUNCTIONS and self._key(1) == "("):
                yield self._name()
        elif word.key not in _MODIFIERS:
            self._is_place = False
        self._at += 1

    def _opens(self, key: str) -> bool:
        before = self._key(-1)
        if before == ".":
            return False
        if key == "FROM":
            is_comparison = before == "DISTINCT" and self._key(-2) in ("IS", "NOT")
            return not is_comparison and not self._functions[-1]
        if key == "UPDATE":
            return before not in _BEFORE_UPDATE
        if key == "IN":
            # In SQLite, a table may stand there without brackets.
            return self._key(1) != "("
        return key in _OPENERS or (key == "TO" and self._renames)

    def _name(self) -> str:
        """Return the last part of a name with dots, and go to its end."""
        while True:
            name = self._in_brackets() if self._key(0) == "[" else self._words[self._at].name
            following = self._words[self._at + 2] if self._at + 2 < len(self._words) else _END
            if self._key(1) != "." or not (following.name or following.key == "["):
                return name
            self._at += 2

    def _in_brackets(self) -> str:
        parts: list[str] = []
        while self._at + 1 < len(self._words) and self._key(1) != "]":
            self._at += 1
            parts.append(self._words[self._at].name)
        self._at += 1
        return " ".join(parts)
