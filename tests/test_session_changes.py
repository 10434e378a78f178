"""What a statement changes of its session: a table of SQL as several databases write it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_routehandlers.caching.session_changes import EVERY_SETTING, EVERYTHING, UNNAMED, Change, read_change

SETS = [
    ("SET app.user = %s", "app.user"),
    ("set app.user to 5", "app.user"),
    ("SET SESSION search_path = a, statement_timeout", "search_path"),
    ('SET "App"."User" = 5', "app.user"),
    ("SET search_path TO tenant_1, public", "search_path"),
    ("SET ROLE ann", "role"),
    ("SET SESSION ROLE ann", "role"),
    ("SET role = 'ann'", "role"),
    ("SET SESSION AUTHORIZATION 'ann'", "session_authorization"),
    ("SET TIME ZONE 'Europe/Berlin'", "timezone"),
    ("SET SCHEMA 'tenant_1'", "search_path"),
    ("SET transaction.user = 5", "transaction.user"),
    ("SET log_of.user = 5", "log_of.user"),
    ("-- who\nSET /* is */ app.user = 5", "app.user"),
    ("SELECT 1; SET app.user = 5", "app.user"),
    ("SET statement_timeout = 5; SET app.user = 5", "app.user"),
    ("DISCARD ALL; SET app.user = 5", "app.user"),
    ("SET statement_timeout = '\\'; SET app.user = 5; --'", "app.user"),
    ("SET @user = 5", UNNAMED),
    ("SET sql_mode := ''", "sql_mode"),
    ("SET wait_timeout = 5, @user = 5", UNNAMED),
    ("SET sql_mode = ''", "sql_mode"),
    ("SET autocommit = 1, SESSION sql_mode = ''", "sql_mode"),
    ("SET @a = (SELECT 1, 2), wait_timeout = 5", UNNAMED),
    ("/*!40101 SET NAMES utf8 */", "namesutf8"),
    ("SET STATEMENT max_statement_time = 5 FOR SELECT 1", "statementmax_statement_time"),
    ("SELECT @user := 5", UNNAMED),
    ("SELECT id\nINTO @user FROM a", UNNAMED),
    ("SELECT set_config('app.user', %s, false)", "app.user"),
    ("select pg_catalog.SET_CONFIG ( 'App.User' , %(user)s , False )", "app.user"),
    ("SELECT set_config('app.user', %s, %s)", UNNAMED),
    ("SELECT set_config(%s, %s, false)", UNNAMED),
    ("SELECT set_config('app.user', concat('a', 'b'), true)", UNNAMED),
    ("INSERT INTO a SELECT set_config('app.user', '5', false)", "app.user"),
    ("DO $$ BEGIN PERFORM set_config('app.user', '5', false); END $$", "app.user"),
    ("DO $$ BEGIN SET app.user = 5; END $$", UNNAMED),
    ("DO 'BEGIN EXECUTE ''SET app.user = 5''; END'", UNNAMED),
    ("ALTER SESSION SET CURRENT_SCHEMA = a", UNNAMED),
    ("BEGIN DBMS_SESSION.SET_IDENTIFIER(:who); END;", UNNAMED),
    ("EXEC sp_set_session_context 'user', 5", UNNAMED),
    ("PRAGMA user_version = 5", "pragma user_version"),
    ("PRAGMA main.case_sensitive_like(1)", "pragma case_sensitive_like"),
    ("pragma foreign_keys = ON; pragma query_only = ON", "pragma query_only"),
    ("USE tenant_1", "use"),
    ("ATTACH DATABASE 'tenant_1.sqlite3' AS tenant", "attach"),
    ("DETACH tenant", "detach"),
    ("CREATE TEMP TABLE who AS SELECT 5 AS id", "temporary table"),
    ("CREATE OR REPLACE TEMPORARY VIEW a AS SELECT 5 AS id", "temporary table"),
    ("SELECT id INTO TEMP who FROM a", "temporary table"),
    ("SET", UNNAMED),
]
LOCAL = [
    ("SET LOCAL app.user = 5", "app.user"),
    ("SET LOCAL ROLE ann", "role"),
    ("SELECT set_config('app.user', %s, true)", "app.user"),
    ("SELECT set_config('a.b', %s, true), set_config('a.c', %s::text, TRUE); UPDATE a SET b = 1", "a.b a.c"),
    ("CREATE TEMP TABLE who (id int) ON COMMIT DROP", "temporary table"),
]
RESETS = [
    ("RESET app.user", "app.user"),
    ("RESET ROLE", "role"),
    ("RESET SESSION AUTHORIZATION", "session_authorization"),
    ("RESET TIME ZONE", "timezone"),
    ("SET app.user TO DEFAULT", "app.user"),
    ("SET ROLE NONE", "role"),
    ("SET SESSION AUTHORIZATION DEFAULT", "session_authorization"),
    ("RESET ALL", EVERY_SETTING),
    ("DISCARD ALL", EVERYTHING),
    ("DISCARD TEMP", "temporary table"),
]
NOTHING = [
    "SET statement_timeout = 5",
    "SET LOCAL lock_timeout TO '5s'",
    "SET idle_in_transaction_session_timeout = %s",
    "SET work_mem = '64MB'",
    "SET application_name = 'shop'",
    "SET jit = off",
    "SET synchronous_commit TO off",
    "SET client_min_messages = 'debug'",
    "SET log_min_duration_statement = 0",
    "SET enable_seqscan = off",
    "SELECT set_config('statement_timeout', %s, false)",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
    "SET LOCAL TRANSACTION READ ONLY",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET default_transaction_isolation = 'serializable'",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET CONSTRAINTS a, b IMMEDIATE",
    "ALTER TABLE a ADD CONSTRAINT b UNIQUE (c); SET CONSTRAINTS ALL IMMEDIATE",
    "SET SQL_AUTO_IS_NULL = 0; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET foreign_key_checks=0",
    "SET SESSION wait_timeout = 5, autocommit = 1, GLOBAL unique_checks = 0",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous(1)",
    "PRAGMA busy_timeout = 5",
    "PRAGMA cache_size = -2000",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA wal_autocheckpoint = 5",
    'PRAGMA foreign_key_check("a")',
    "PRAGMA user_version",
    "UPDATE a SET b = c",
    "UPDATE a SET b = 'SET app.user = 5; x'",
    "UPDATE a SET email = 'ann@example.com'",
    "INSERT INTO a (b) VALUES (%s)",
    "SELECT a -> '@' FROM b",
    "SELECT current_setting('app.user')",
    "SELECT ';SET x' FROM a",
    "CREATE TABLE a (b int)",
    "CREATE FUNCTION f() RETURNS void AS $$ BEGIN PERFORM set_config('a.b', '5', false); x := 5; END $$",
    "DO $$ BEGIN UPDATE a SET b = 5; END $$",
    "BEGIN; COMMIT",
    "SHOW search_path",
    "",
]


def names(text: str) -> frozenset[str]:
    return frozenset({text} if text.startswith(("pragma", "temporary")) else text.split())


@pytest.mark.parametrize(("sql", "expected"), SETS, ids=[row[0] for row in SETS])
def test_statement_sets_something_of_the_session(sql: str, expected: str) -> None:
    assert read_change(sql) == Change(names(expected), frozenset())


@pytest.mark.parametrize(("sql", "expected"), LOCAL, ids=[row[0] for row in LOCAL])
def test_statement_sets_something_of_the_transaction(sql: str, expected: str) -> None:
    assert read_change(sql) == Change(frozenset(), names(expected))


@pytest.mark.parametrize(("sql", "expected"), RESETS, ids=[row[0] for row in RESETS])
def test_statement_resets(sql: str, expected: str) -> None:
    assert read_change(sql) == Change(frozenset(), frozenset(), names(expected))


@pytest.mark.parametrize("sql", NOTHING)
def test_statement_changes_nothing_of_the_session(sql: str) -> None:
    assert read_change(sql) is None


@given(st.text(alphabet="SET ALocuser.=,;'()@-%s\n", max_size=30))
@example("'")
def test_text_in_front_hides_no_setting_behind_a_semicolon(text: str) -> None:
    """Where quotes are balanced, that is: within a literal or a comment there is no statement."""
    if text.count("'") % 2 or "--" in text:
        return
    change = read_change(f"{text};SET app.user = 5")
    assert change is not None
    assert "app.user" in change.sets | change.sets_locally


def test_long_texts_are_read_to_their_end() -> None:
    padding = "SELECT 1; " * 2000
    assert read_change(f"{padding}SET app.user = 5") == Change(frozenset({"app.user"}), frozenset())
