"""What a statement does, and to which tables: a table of SQL as several databases write it."""

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_routehandlers.caching.statements import Statement, read_statement
from django_routehandlers.caching.words import shorten

READS = [
    ('SELECT "shop_product"."id" FROM "shop_product" ORDER BY "shop_product"."id" ASC', "shop_product"),
    ("select * from Product", "product"),
    ("SELECT `shop_order`.`id` FROM `shop_order` WHERE `shop_order`.`id` = %s LIMIT 21", "shop_order"),
    ("SELECT [o].[id] FROM [dbo].[Order Lines] AS [o]", "order lines|"),
    ('SELECT 1 FROM "a" INNER JOIN "b" ON ("a"."id" = "b"."a_id") LEFT OUTER JOIN "c" T4 ON (T4.x = "b".x)', "a b c"),
    ("SELECT * FROM a, b AS x, c y JOIN d USING (n), e WHERE f = g", "a b c d e n"),
    ("SELECT * FROM a JOIN b ON least(a.x, b.y) = 1, c", "a b c"),
    ("SELECT * FROM (a JOIN b ON a.x = b.x), (c)", "a b c"),
    ("SELECT (SELECT count(*) FROM b WHERE b.a = a.id) AS n FROM a", "a b"),
    ("SELECT * FROM a WHERE EXISTS (SELECT 1 AS x FROM b WHERE b.a IN (SELECT id FROM c))", "a b c"),
    ("SELECT * FROM a WHERE id = ANY(ARRAY[(SELECT id FROM b)])", "a b"),
    ("(SELECT id FROM a) UNION ALL (SELECT id FROM b) ORDER BY 1", "a b"),
    ("SELECT a, b FROM c GROUP BY d, e HAVING f > 1 ORDER BY g, h", "c"),
    ("SELECT * FROM LATERAL (SELECT * FROM a) x, ONLY b", "a b"),
    ('SELECT * FROM "public"."Mixed Case" m, other.schema_b.t', "mixed case|t"),
    ("WITH x AS (SELECT * FROM a) SELECT * FROM x", "a x"),
    ("WITH RECURSIVE t(n) AS (SELECT 1 UNION SELECT n FROM t, u) SELECT n FROM t", "t u"),
    ("SELECT * FROM a FOR UPDATE OF a SKIP LOCKED", "a"),
    ("WITH x AS (SELECT * FROM a FOR NO KEY UPDATE) SELECT * FROM x", "a x"),
    ("SELECT EXTRACT(YEAR FROM a.created), TRIM(BOTH 'x' FROM a.n) FROM a", "a"),
    ("SELECT a.x IS NOT DISTINCT FROM a.y, a.x IS DISTINCT FROM a.z FROM a", "a"),
    ("SELECT 'it''s FROM b' FROM a", "a"),
    ("SELECT $$ FROM b $$, $tag$ FROM 'c $tag$ FROM a", "a"),
    ("SELECT * FROM a -- FROM b, 'c\n, d", "a d"),
    ("/* FROM x */ SELECT * /* ' */ FROM /* y */ a", "a"),
    ("SELECT * FROM a WHERE x = %(from)s AND y = :join AND z = @into", "a"),
    ("SELECT x::text, y[1:2] FROM a", "a"),
    ('SELECT "from", "into b" FROM a', "a"),
    ("SELECT STRAIGHT_JOIN * FROM a STRAIGHT_JOIN b", "a b"),
    ("SELECT * FROM a CROSS APPLY b", "a b"),
    ("SELECT * FROM a PARTITION (p0, p1), b", "a b"),
    # SQLite takes a literal for a name where a name is due, and a table behind IN.
    ("SELECT 'x' FROM 'A' AS x, main.'b' JOIN 'c''d' ON x.y = 'z'", "a|b|c'd"),
    ("SELECT 1 FROM a JOIN g ON x IN b AND y NOT IN main.c OR z IN 'd' AND w IN [e], f", "a b c d e f g"),
    ("SELECT 1 IN a, b FROM c", "a c"),
    ("SELECT 1 FROM a WHERE x IN (b, 'c') AND y IN %s AND z IN (SELECT 'd')", "a"),
    ("SELECT 1 FROM a WHERE x IN json_each('[1]')", "a"),
    ("SELECT 1 FROM f('x', 'y'), (VALUES ('a'), ('b')) AS t WHERE z = 'v'", "f"),
    ("SELECT * FROM generate_series(1, 3) n, unnest(%s), a", "a"),
    ("VALUES (1, 2), (3, 4)", ""),
    ("TABLE a", "a"),
    ("SELECT 1", ""),
    ("EXPLAIN SELECT * FROM a", "a"),
    ("EXPLAIN QUERY PLAN SELECT * FROM a", "a"),
    ("SHOW transaction_isolation", ""),
    ("PRAGMA table_info('a')", ""),
    ("DESCRIBE a", ""),
    ("COPY (SELECT * FROM a) TO STDOUT", "a"),
    ("COPY a (x, y) TO STDOUT", "a"),
    ("DECLARE c CURSOR FOR SELECT * FROM a", "a"),
]
WRITES = [
    ('INSERT INTO "shop_product" ("name", "price") VALUES (%s, %s) RETURNING "shop_product"."id"', "shop_product"),
    ("INSERT OR IGNORE INTO a (x) VALUES ('INTO b')", "a"),
    ("INSERT IGNORE INTO `a` VALUES (1), (2)", "a"),
    ("INSERT INTO 'A' (x, y) VALUES ('b', 'c'), ('d', '')", "a"),
    ("INSERT OR REPLACE INTO main.'a' SELECT 'b', x FROM 'c'", "a c"),
    ("UPDATE 'a' SET x = 'b', y = 'c' WHERE z = 'd'", "a"),
    ("DELETE FROM 'main'.'a' WHERE x = 'b'", "a"),
    ("DROP TABLE IF EXISTS 'a'", "a"),
    ("ALTER TABLE 'a' RENAME TO 'b'", "a b"),
    ("INSERT LOW_PRIORITY IGNORE a SET x = 1, y = 2", "a"),
    ("INSERT INTO a (x) SELECT b.x FROM b, c", "a b c"),
    ("INSERT INTO a (x) SELECT * FROM UNNEST(%s::int[])", "a"),
    ("INSERT INTO a (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET y = EXCLUDED.y", "a"),
    ("INSERT INTO a (x) VALUES (1) ON DUPLICATE KEY UPDATE y = 2", "a"),
    ("INSERT ALL INTO a VALUES (1) INTO b VALUES (2) SELECT * FROM dual", "a b dual"),
    ("REPLACE INTO a VALUES (1)", "a"),
    ("REPLACE a VALUES (1)", "a"),
    ('UPDATE "a" SET "x" = (SELECT U0."y" FROM "b" U0) WHERE "a"."id" IN (1, 2)', "a b"),
    ("UPDATE OR IGNORE a SET x = 1, y = 2", "a"),
    ("UPDATE ONLY a SET x = b.x FROM b, c WHERE a.id = b.id", "a b c"),
    ("UPDATE a, b SET a.x = b.x, a.y = 1", "a b"),
    ("UPDATE a JOIN b ON a.id = b.id SET a.x = 1", "a b"),
    ('DELETE FROM "a" WHERE "a"."id" IN (%s, %s)', "a"),
    ("DELETE FROM a USING b, c WHERE a.x = b.x", "a b c"),
    ("DELETE a, b FROM a INNER JOIN b", "a b"),
    ("DELETE a WHERE x = 1", "a"),
    ("MERGE INTO a USING b ON (a.x = b.x) WHEN MATCHED THEN UPDATE SET y = 1, z = 2", "a b"),
    (
        "MERGE INTO a t USING (SELECT x FROM b) s ON (t.x = s.x) WHEN NOT MATCHED THEN INSERT (x, y) VALUES (1, 2)",
        "a b",
    ),
    ('TRUNCATE "a", "b", "c";', "a b c"),
    ("TRUNCATE TABLE ONLY a, b RESTART IDENTITY", "a b"),
    ("TRUNCATE a CASCADE", "a *"),
    ("COPY a FROM STDIN", "a stdin"),
    ("COPY a (x, y) FROM '/tmp/file'", "a /tmp/file"),
    ("LOAD DATA INFILE 'x' INTO TABLE a", "a"),
    ("WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "a x"),
    ("WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x", "a x"),
    ("with x as (select 1) update a set y = 1", "a"),
    ("SELECT * INTO a FROM b", "a b"),
    ("EXPLAIN ANALYZE DELETE FROM a", "a"),
    ('CREATE TABLE IF NOT EXISTS "a" ("id" integer PRIMARY KEY, "b_id" integer REFERENCES "b" ("id"))', "a"),
    ("CREATE TEMPORARY TABLE a AS SELECT * FROM b", "a b"),
    ('ALTER TABLE "new__a" RENAME TO "a"', "new__a a"),
    ("ALTER TABLE a ADD COLUMN x integer", "a"),
    ("DROP TABLE IF EXISTS a, b", "a b"),
    ('DROP TABLE "a" CASCADE', "a *"),
    ("DROP VIEW a", "a"),
    ("CREATE OR REPLACE VIEW a AS SELECT * FROM b", "a b"),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY a", "a"),
    ("RENAME TABLE a TO b, c TO d", "a b c d"),
    ("SELECT 1; DELETE FROM a; COMMIT", "a"),
    ("/*!40000 DELETE FROM a */", "a"),
]
NEITHER = [
    *(
        "",
        "  -- nothing",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "START TRANSACTION",
        "COMMIT",
    ),
    *("END", "ROLLBACK", 'SAVEPOINT "s1_x1"', 'RELEASE SAVEPOINT "s1_x1"', 'ROLLBACK TO SAVEPOINT "s1_x1"', "ABORT"),
    *("SET search_path = a", "RESET ALL", "LOCK TABLE a IN SHARE MODE", "FETCH 10 FROM c", "CLOSE c", "ANALYZE a"),
    *(
        "VACUUM a",
        "CREATE INDEX i ON a (x)",
        "CREATE UNIQUE INDEX i ON a (x)",
        "DROP INDEX i",
        "COMMENT ON TABLE a IS ''",
    ),
    *("LISTEN c", "GRANT SELECT ON a TO b", "PREPARE p AS DELETE FROM a", "CREATE SEQUENCE s"),
]
ANYTHING = [
    *("CALL change_prices()", "DO $$ BEGIN DELETE FROM a; END $$", "EXEC change_prices", "EXECUTE p(1)"),
    *("BEGIN DELETE FROM a; END;", "DECLARE x NUMBER; BEGIN x := 1; END;", "BEGIN ATOMIC", "FROBNICATE a"),
    *(
        "CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$",
        "CREATE TRIGGER t AFTER UPDATE ON a",
        "DROP SCHEMA s CASCADE",
    ),
    *("SELECT 1; CALL f()", "CREATE", "{call f()}"),
    # Written by another connection.
    *("COMMIT PREPARED 'x'", "XA COMMIT 'x'"),
]


@pytest.mark.parametrize(("sql", "names"), READS)
def test_read_names_its_tables(sql: str, names: str) -> None:
    statement = read_statement(sql)
    assert (statement.kind, statement.names) == ("read", of(names))


@pytest.mark.parametrize(("sql", "names"), WRITES)
def test_write_names_its_tables(sql: str, names: str) -> None:
    statement = read_statement(sql)
    assert (statement.kind, statement.names) == ("write", of(names))


@pytest.mark.parametrize("sql", NEITHER)
def test_statement_that_neither_reads_nor_writes(sql: str) -> None:
    statement = read_statement(sql)
    assert (statement.kind, statement.names) == ("none", frozenset())


@pytest.mark.parametrize("sql", ANYTHING)
def test_statement_that_may_write_to_any_table(sql: str) -> None:
    assert read_statement(sql).kind == "anything"


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        # A backslash ends no literal in MySQL, and is one like any other in standard SQL.
        (r"SELECT * FROM a WHERE x = 'it\'s' AND y IN (SELECT z FROM b WHERE n = 'o')", "a b"),
        (r"SELECT * FROM a WHERE x LIKE %s ESCAPE '\' AND y IN (SELECT z FROM b WHERE n = 'o')", "a b"),
        # "#" begins a comment in MySQL, and is an operator in PostgreSQL.
        ("SELECT 1 # don't\nFROM a", "a"),
        ("SELECT x #> '{y}' FROM a", "a"),
        # "--" without a space begins a comment in PostgreSQL, and is a double minus in MySQL.
        ("SELECT 5--3 FROM a", "a"),
        ("SELECT 1 --don't\nFROM a", "a"),
        ("SELECT 1 /* a /* nested */ don't */ FROM a WHERE x = 'y'", "a"),
        ("SELECT q'[it's]' FROM a WHERE x = 'y' AND z IN (SELECT 1 FROM b)", "a b"),
    ],
)
def test_text_that_databases_read_differently_names_the_tables_of_either(sql: str, names: str) -> None:
    assert of(names) <= read_statement(sql).names


def test_every_word_is_known_so_that_the_projects_own_tables_are_found_anywhere() -> None:
    sql = "SELECT f(\"Shop_Order\") FROM [dbo].[x] WHERE y(shop_line) = 'shop_product'"
    assert read_statement(sql).words == {*("select", "f", "shop_order", "from", "dbo", "x", "where", "y", "shop_line")}


@pytest.mark.parametrize(
    ("sql", "shows"),
    [
        ("INSERT INTO a (x) VALUES (1) RETURNING id", False),
        ("REPLACE INTO a VALUES (1)", False),
        ("INSERT INTO a SELECT * FROM b", True),
        ("INSERT INTO a (x) SELECT * FROM UNNEST(%s::int[])", False),
        ("INSERT INTO a (x) VALUES (1) ON CONFLICT DO NOTHING", True),
        ("UPDATE a SET x = 1", True),
        ("DELETE FROM a", True),
        ("WITH x AS (INSERT INTO a VALUES (1) RETURNING *) SELECT * FROM x", True),
        ("SELECT 1", True),
        ("CALL f()", True),
        ("COMMIT", False),
    ],
)
def test_outcome_of_all_but_plain_inserts_shows_what_tables_hold(sql: str, shows: bool) -> None:
    assert read_statement(sql).shows_rows is shows


@pytest.mark.parametrize(
    ("sql", "defines"),
    [("CREATE TABLE a (x int)", True), ("TRUNCATE a", True), ("DROP TABLE a", True), ("DELETE FROM a", False)],
)
def test_definitions_are_told_from_other_writes(sql: str, defines: bool) -> None:
    assert read_statement(sql).defines is defines


@pytest.mark.parametrize(
    ("sql", "begins", "commits"),
    [
        ("BEGIN", True, True),
        ("begin immediate;", True, True),
        ("START TRANSACTION READ ONLY", True, True),
        ("COMMIT", False, True),
        ("END TRANSACTION", False, True),
        ("COMMIT AND CHAIN", True, True),
        ("COMMIT AND NO CHAIN", False, True),
        ("ROLLBACK", False, False),
        ("ABORT", False, False),
        ("ROLLBACK AND CHAIN", True, False),
        ("ROLLBACK TO SAVEPOINT a", None, False),
        ("SAVEPOINT a", None, False),
        ("RELEASE a", None, True),
        ("SET @@autocommit = 0", True, True),
        ("SET SESSION autocommit = 1", True, True),
        ("SET x = 1", None, False),
        ("BEGIN; UPDATE a SET x = 1; COMMIT", False, True),
        ("ROLLBACK; BEGIN", True, True),
        ("UPDATE a SET x = 'COMMIT'", None, False),
        ("SELECT 1", None, False),
        ("START REPLICA", None, False),
        ("BEGIN UPDATE a SET x = 1; END", False, True),
    ],
)
def test_statements_that_begin_and_end_transactions_are_told_from_others(
    sql: str, begins: bool | None, commits: bool
) -> None:
    statement = read_statement(sql)
    assert (statement.begins, statement.commits) == (begins, commits)


BASE = [
    ("SELECT id FROM {a} INNER JOIN {b} ON {a}.id = {b}.id WHERE x IN (SELECT y FROM {c}) ORDER BY z", "a b c"),
    ("INSERT INTO {a} (x, y) VALUES (%s, %s)", "a"),
    ("UPDATE {a} SET x = 1 WHERE y = 2", "a"),
    ("DELETE FROM {a} WHERE x = 1", "a"),
    ("TRUNCATE TABLE {a}, {b}", "a b"),
    ("MERGE INTO {a} USING {b} ON x = y WHEN MATCHED THEN UPDATE SET z = 1", "a b"),
    ("DROP TABLE IF EXISTS {a}, {c}", "a c"),
    ("WITH {c} AS (SELECT x FROM {a}) SELECT x FROM {c}, {b}", "a b c"),
]
GAPS = [" ", "\n", "\t ", " /* from nowhere, 'x */ ", " -- into nothing\n"]
QUOTES = ["{}", '"{}"', "`{}`", "'{}'", "[{}]", 'main."{}"', "other.{}", '"x" . "{}"']


@given(st.sampled_from(BASE), st.integers())
def test_case_space_comments_and_quotes_change_no_names(base: tuple[str, str], seed: int) -> None:
    pattern, names = base
    chance = random.Random(seed)
    words: list[str] = []
    for word in pattern.split(" "):
        quoted = {name: chance.choice(QUOTES).format(recase(f"shop_{name}", chance)) for name in "abc"}
        is_keyword = "{" not in word and "%" not in word
        words.append(recase(word, chance) if is_keyword else word.format(**quoted))
    sql = "".join(part for word in words for part in (word, chance.choice(GAPS)))
    assert read_statement(sql).names == frozenset(f"shop_{name}" for name in names.split())


@given(st.text(alphabet="SELECTFROMINTOa,b.()[]'\"`$-/*;\\#% \n", max_size=60))
def test_any_text_is_read(sql: str) -> None:
    assert isinstance(read_statement(sql), Statement)


def test_bulk_statements_that_differ_in_their_number_alone_are_one() -> None:
    some, more = (f"INSERT INTO a (x, y) VALUES {', '.join(['(%s, %s)'] * count)}" for count in (300, 9000))
    assert shorten(some) == shorten(more) == "INSERT INTO a (x, y) VALUES (%s)"
    assert read_statement(some) == read_statement(more) == read_statement("INSERT INTO a (x, y) VALUES (%s)")


@pytest.mark.slow
def test_long_texts_do_not_fill_memory() -> None:
    """Invariant 24: nothing grows without bound."""
    texts = (f"INSERT INTO a VALUES ('{number}{'x' * 100_000}')" for number in range(300))
    tracemalloc.start()
    for text in texts:
        read_statement(text)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


def of(names: str) -> frozenset[str]:
    """Return names that spaces part, or bars where a name has a space."""
    return frozenset(name for name in names.split("|" if "|" in names else " ") if name)


def recase(word: str, chance: random.Random) -> str:
    return "".join(chance.choice([letter.upper(), letter.lower()]) for letter in word)
