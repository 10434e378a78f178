"""
Turn the text of an SQL statement into what it changes for later statements of the same connection.

Such as the user that row-level security asks for, or where names are looked up. What is known to
change no row that a query returns is left out: limits, durability, plans, logs. What is not known
is a change.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, takewhile

from django_routehandlers.caching.words import Word, is_ambiguous, shorten, split_words, split_words_loosely

EVERYTHING = "**"
"""Stands for all that a session has, where it is reset."""
EVERY_SETTING = "*"
"""Stands for the settings, where they are reset."""
UNNAMED = "?"
"""What cannot be told by a name: variables, and settings whose names are parameters."""
_TEMPORARY = "temporary table"
BEYOND_SETTINGS = frozenset({UNNAMED, _TEMPORARY, "role", "session_authorization"})
"""What PostgreSQL's RESET ALL leaves as it is."""
_SHORTENED_FROM = 500  # characters
_KEPT_UP_TO = 10_000  # characters of a text whose meaning is remembered


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HARMLESS = _names(
    """
    application_name autocommit client_min_messages commit_delay constraint_exclusion cursor_tuple_fraction
    deadlock_timeout default_statistics_target default_transaction_deferrable default_transaction_isolation
    default_transaction_read_only effective_cache_size effective_io_concurrency foreign_key_checks
    from_collapse_limit hash_mem_multiplier idle_in_transaction_session_timeout idle_session_timeout
    innodb_lock_wait_timeout interactive_timeout jit join_buffer_size join_collapse_limit lock_timeout
    lock_wait_timeout maintenance_work_mem max_execution_time max_heap_table_size max_parallel_maintenance_workers
    max_parallel_workers max_parallel_workers_per_gather max_statement_time net_read_timeout net_write_timeout
    optimizer_switch plan_cache_mode random_page_cost read_buffer_size seq_page_cost sort_buffer_size
    sql_auto_is_null statement_timeout synchronous_commit temp_buffers tmp_table_size transaction_deferrable
    transaction_isolation transaction_read_only transaction_timeout tx_isolation unique_checks wait_timeout work_mem
    """
)
# Of PostgreSQL's own settings: those that a project makes up have a dot.
_HARMLESS_PREFIXES = ("enable_", "log_", "jit_", "tcp_keepalives_")
_HARMLESS_PRAGMAS = _names(
    """
    analysis_limit auto_vacuum automatic_index busy_timeout cache_size cache_spill defer_foreign_keys foreign_key_check
    foreign_key_list foreign_keys incremental_vacuum index_info index_list index_xinfo integrity_check journal_mode
    journal_size_limit legacy_alter_table locking_mode mmap_size optimize page_size quick_check secure_delete
    shrink_memory synchronous table_info table_list table_xinfo temp_store threads wal_autocheckpoint wal_checkpoint
    """
)
_SCOPES = _names("SESSION LOCAL GLOBAL PERSIST PERSIST_ONLY")
# Behind SET, followed by no "=": the isolation of transactions is not the session's, and when constraints are judged.
_HARMLESS_WORDS = _names("TRANSACTION CHARACTERISTICS CONSTRAINTS")
_SYNONYMS = {"AUTHORIZATION": "session_authorization", "TIME": "timezone", "SCHEMA": "search_path", "ROLE": "role"}
_DEFINES = frozenset({"CREATE", "ALTER", "DROP", "COMMENT"})
# SQL Server, and Oracle's packages: what they are called with decides what rows are seen.
_CALLS = ("SP_SET_SESSION_CONTEXT", "DBMS_SESSION", "DBMS_APPLICATION_INFO")
_VARIABLE = re.compile(r"@[\w.$`]+\s*:=|\bINTO\s+@", re.IGNORECASE)
# Where a statement begins in code, which is a literal to the text around it.
_SET_IN_CODE = re.compile(r"(?:\b(?:BEGIN|THEN|ELSE|LOOP|EXECUTE)|[;'$(])\s*SET\s", re.IGNORECASE)
_SET_CONFIG = re.compile(
    r"""
    set_config \s* \( \s*
    (?: '(?P<name>[^']*)' | %\(\w+\)s | [^',()]+ ) \s* ,
    \s* (?: '[^']*' | %\(\w+\)s | [^',()]+ ) \s* ,
    \s* (?P<flag>\w+) \s* \)
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Change:
    """What one text changes of the session of its connection."""

    sets: frozenset[str]
    """Names of what is set until the connection is closed, casefolded; ``"?"`` for what has none."""
    sets_locally: frozenset[str]
    """The same until the end of the transaction, where the database is PostgreSQL; elsewhere ``LOCAL`` is no limit."""
    resets: frozenset[str] = frozenset()
    """What has its default again. None where the text sets anything: it may do so behind."""


def read_change(sql: str) -> Change | None:
    """Return what *sql* changes; ``None`` for nothing. What a text of up to 10,000 characters does is remembered."""
    if sql.startswith(("INSERT ", "UPDATE ", "DELETE ", "SELECT ")) and ";" not in sql:
        upper = sql.upper()
        if not may_change(upper) and "@" not in upper and not ("INTO" in upper and upper.startswith("SELECT ")):
            return None
    if len(sql) > _SHORTENED_FROM:
        sql = shorten(sql)
    return _read(sql) if len(sql) > _KEPT_UP_TO else _remembered(sql)


def may_change(upper: str) -> bool:
    """Return whether a query may call what changes the session, by its text in capitals. It is asked of each query."""
    return "SET_CONFIG" in upper or ":=" in upper


@lru_cache(maxsize=1024)
def _remembered(sql: str) -> Change | None:
    return _read(sql)


def _read(sql: str) -> Change | None:
    readings = [[*split_words(sql)]]
    if is_ambiguous(sql):
        readings.append([*split_words_loosely(sql)])
    parts = [words for reading in readings for words in _split(reading)]
    found = [change for words in parts for change in _changes(words)]
    # The code of a function that is defined is not run.
    if any(words[0].key not in _DEFINES for words in parts):
        found.extend(_calls(sql))
    if any(words[0].key == "DO" for words in parts) and _SET_IN_CODE.search(sql):
        found.append((UNNAMED, "set"))
    sets, local, resets = (frozenset(name for name, how in found if how == one) for one in ("set", "local", "reset"))
    if not found:
        return None
    return Change(sets, local, frozenset() if sets or local else resets)


def _split(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Yield the words of each statement, from its first word."""
    for is_mark, group in groupby(words, lambda word: word.key == ";"):
        part = [*group]
        while part and not part[0].name:
            del part[0]
        if part and not is_mark:
            yield part


def _changes(words: Sequence[Word]) -> Iterator[tuple[str, str]]:
    """Yield what one statement sets or resets, and which of the two; ``"local"`` for the length of the transaction."""
    keys = [word.key for word in words]
    match keys[0]:
        case "SET":
            yield from _read_set(words[1:])
        case "RESET":
            yield (EVERY_SETTING if keys[1:] == ["ALL"] else _name(words[1:]), "reset")
        case "DISCARD":
            yield ({"ALL": EVERYTHING, "PLANS": "plans", "SEQUENCES": "sequences"}.get(keys[-1], _TEMPORARY), "reset")
        case "PRAGMA":
            yield from _read_pragma(words)
        case "USE" | "ATTACH" | "DETACH":
            yield keys[0].casefold(), "set"
        case "ALTER" if keys[1:2] == ["SESSION"]:
            yield UNNAMED, "set"
        case "CREATE" | "SELECT" | "WITH" if _makes_temporary(keys):
            # Each session has tables of its own under the same name.
            yield _TEMPORARY, "local" if keys[-3:] == ["ON", "COMMIT", "DROP"] else "set"
        case _:
            pass


def _read_pragma(words: Sequence[Word]) -> Iterator[tuple[str, str]]:
    end = next((place for place, word in enumerate(words) if word.key in ("=", "(")), None)
    if end is not None and words[end - 1].name not in _HARMLESS_PRAGMAS:
        yield f"pragma {words[end - 1].name}", "set"


def _makes_temporary(keys: Sequence[str]) -> bool:
    """Return whether CREATE TEMP …, CREATE OR REPLACE TEMP …, or SELECT … INTO TEMP … is meant."""
    if keys[0] == "CREATE":
        return not {"TEMP", "TEMPORARY"}.isdisjoint(keys[1:5])
    return any(key == "INTO" and after.startswith("TEMP") for key, after in zip(keys, keys[1:], strict=False))


def _read_set(words: Sequence[Word]) -> Iterator[tuple[str, str]]:
    how = "set"
    while len(words) > 1 and words[0].key in _SCOPES and words[1].name:
        how = "local" if words[0].key == "LOCAL" else how
        words = words[1:]
    for place, piece in enumerate(_pieces(words)):
        keys = [word.key for word in piece]
        end = next((at for at, key in enumerate(keys) if key in ("=", "TO")), None)
        # SET a = 1, SESSION b = 2 in MySQL; SET a = b, c in PostgreSQL, where c is a value.
        if end is None and place > 0:
            continue
        while end is not None and len(piece) > 1 and piece[0].key in _SCOPES and piece[1].name:
            piece, keys, end = piece[1:], keys[1:], end - 1
        if end is None and (piece and piece[0].key in _HARMLESS_WORDS):
            continue
        name = _name(piece if end is None else piece[:end])
        value = keys[1:] if end is None else keys[end + 1 :]
        if value == ["DEFAULT"] or (name == "role" and value == ["NONE"]):
            yield name, "reset"
        elif not _is_harmless(name):
            yield name, how


def _pieces(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Yield what is between the commas outside of brackets, as a list."""
    depth, start = 0, 0
    for place, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word.key, 0)
        if word.key == "," and depth == 0:
            yield words[start:place]
            start = place + 1
    yield words[start:]


def _name(words: Sequence[Word]) -> str:
    """Return the name of a setting. Source: SET and its other spellings, in PostgreSQL's documentation."""
    keys = [word.key for word in words]
    if keys[:2] == ["SESSION", "AUTHORIZATION"]:
        return _SYNONYMS["AUTHORIZATION"]
    if keys and "." not in keys and keys[0] in _SYNONYMS:
        return _SYNONYMS[keys[0]]
    named = takewhile(lambda word: word.name or word.key == ".", words)
    return "".join(word.name or word.key for word in named) or UNNAMED


def _is_harmless(name: str) -> bool:
    return name in _HARMLESS or (name.startswith(_HARMLESS_PREFIXES) and "." not in name)


def _calls(sql: str) -> Iterator[tuple[str, str]]:
    """Yield what functions and assignments anywhere in the text set, be it in a literal that is run as code."""
    upper = sql.upper()
    if any(call in upper for call in _CALLS) or ("@" in sql and _VARIABLE.search(sql)):
        yield UNNAMED, "set"
    if "SET_CONFIG" not in upper:
        return
    found = [*_SET_CONFIG.finditer(sql)]
    if len(found) < upper.count("SET_CONFIG"):
        yield UNNAMED, "set"
    for call in found:
        name = (call["name"] or UNNAMED).casefold()
        if not _is_harmless(name):
            yield name, "local" if call["flag"].upper() == "TRUE" else "set"
