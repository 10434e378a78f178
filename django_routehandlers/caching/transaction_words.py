"""
Turn the words of SQL statements into what they do to a transaction that is begun and ended by hand.

Where databases differ, the answer is that something may be committed: to be told of a commit
too often costs a refresh.
"""

from collections.abc import Sequence

from django_routehandlers.caching.words import Word


def read_transaction(parts: Sequence[Sequence[Word]], sql: str) -> tuple[bool | None, bool]:
    """
    Return whether a transaction is open behind statements, and whether they may commit one.

    Args:
        parts: The words of each statement, none empty.
        sql: Their text.

    Returns:
        First: ``None`` where they leave it as it was.
    """
    begins: bool | None = None
    commits = False
    for words in parts:
        found, may_commit = _read([word.key for word in words], sql)
        begins = begins if found is None else found
        commits = commits or may_commit
    return begins, commits


def _read(keys: Sequence[str], sql: str) -> tuple[bool | None, bool]:
    match keys[0]:
        case "COMMIT" | "END" if "PREPARED" not in keys:
            return _chains(keys), True
        case "ROLLBACK" | "ABORT" if "PREPARED" not in keys and "TO" not in keys:
            return _chains(keys), False
        case "RELEASE":
            # In SQLite, that of a savepoint which stands for a whole transaction.
            return None, True
        case "BEGIN":
            # In MySQL, it commits what was begun before.
            return True, True
        case "START" if keys[1:2] == ["TRANSACTION"]:
            return True, True
        # The words leave out variables, of which @@autocommit is one.
        case "SET" if "AUTOCOMMIT" in sql.upper():
            return True, True
        case _:
            return None, False


def _chains(keys: Sequence[str]) -> bool:
    """Return whether the next transaction begins at once: COMMIT AND CHAIN."""
    return "CHAIN" in keys and "NO" not in keys
