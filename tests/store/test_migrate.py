"""Migrations: a fresh database, a second start, two starts at once, a newer or another schema, a failure half-way."""

import asyncio
import re
from typing import Final

import pytest

from gateway.store.engine import SchemaError, StoreError
from gateway.store.migrate import Migration, due_migrations, load_migrations, split_statements
from gateway.store.store import open_store
from tests.store.trade import ask

FIRST: Final = Migration(number=1, name="books", text="a", checksum="one")
SECOND: Final = Migration(number=2, name="orders", text="b", checksum="two")


async def tables(database_url: str) -> set[str]:
    """The tables in a database."""
    if database_url.startswith("sqlite"):
        rows = await ask(
            database_url, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
    else:
        rows = await ask(database_url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    return {row[0] for row in rows}


async def test_fresh_database_gets_all_and_a_second_start_nothing(database_url: str) -> None:
    """The first start makes every table and records each migration; the second finds nothing to do."""
    store = open_store(database_url)
    known = len(load_migrations("sqlite"))
    assert await store.migrate() == known
    made = await tables(database_url)
    assert {"orders", "attempts", "transfers", "polls", "refills", "service_ids", "schema_migrations"} <= made
    assert await store.migrate() == 0
    assert [row[0] for row in await ask(database_url, "SELECT number FROM schema_migrations ORDER BY number")] == [
        *range(1, known + 1)
    ]


async def test_replicas_that_start_together_migrate_once(database_url: str) -> None:
    """Of four starts at one moment one runs the migrations, the others find them done."""
    ran = await asyncio.gather(*(open_store(database_url).migrate() for _ in range(4)))
    assert sorted(ran) == [0, 0, 0, len(load_migrations("postgres"))]


async def test_newer_schema_is_refused(database_url: str) -> None:
    """A database with a migration we do not know was made by a newer version, and is left alone."""
    store = open_store(database_url)
    await store.migrate()
    await ask(database_url, "INSERT INTO schema_migrations VALUES(9999, 'later', 'x', 1) RETURNING number")
    with pytest.raises(SchemaError, match="9999, which this program does not know"):
        await store.migrate()


async def test_changed_checksum_is_refused(database_url: str) -> None:
    """A migration that was recorded with another text: nothing runs on a schema nobody knows."""
    store = open_store(database_url)
    await store.migrate()
    await ask(database_url, "UPDATE schema_migrations SET checksum = 'x' WHERE number = 2 RETURNING number")
    with pytest.raises(SchemaError, match="0002_services was recorded with another text"):
        await store.migrate()


async def test_failure_half_way_leaves_nothing(database_url: str) -> None:
    """The last table of a later migration cannot be made: not even the first migration is kept, nor the record."""
    await ask(database_url, "CREATE TABLE refills(id BIGINT)")
    with pytest.raises(StoreError, match="refills"):
        await open_store(database_url).migrate()
    assert await tables(database_url) == {"refills"}
    await ask(database_url, "DROP TABLE refills")
    assert await open_store(database_url).migrate() == len(load_migrations("sqlite"))


def test_due_are_those_after_the_recorded() -> None:
    """What is recorded is not run again; the rest is due, in order."""
    assert due_migrations((FIRST, SECOND), {}) == (FIRST, SECOND)
    assert due_migrations((FIRST, SECOND), {1: "one"}) == (SECOND,)
    assert due_migrations((FIRST, SECOND), {1: "one", 2: "two"}) == ()


def test_migration_left_out_before_a_later_one_is_refused() -> None:
    """Migrations only go forward: none is slipped in below the newest."""
    with pytest.raises(SchemaError, match="0001_books was left out before 0002"):
        due_migrations((FIRST, SECOND), {2: "two"})


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_numbers_have_no_holes_and_texts_no_placeholders(dialect: str) -> None:
    """The shipped migrations count 1, 2, 3 … and each is filled in for its database."""
    known = load_migrations("sqlite" if dialect == "sqlite" else "postgres")
    assert [migration.number for migration in known] == [*range(1, len(known) + 1)]
    assert [migration.name for migration in known if re.search("{[A-Z_]+}", migration.text)] == []
    assert len({migration.checksum for migration in known}) == len(known)


def test_statements_are_split_where_they_end() -> None:
    """A trigger's inner semicolons end nothing; a comment before a statement goes with it."""
    trigger = "CREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n  SELECT 1;\n  SELECT 2;\nEND;"
    text = f"-- Why.\nCREATE TABLE a(b);\n\n{trigger}\n-- The end.\n"
    assert split_statements(text) == ["-- Why.\nCREATE TABLE a(b);", trigger]


def test_migration_that_ends_inside_a_statement_is_refused() -> None:
    """A text cut off is not run up to the cut."""
    with pytest.raises(SchemaError, match="ends inside a statement: CREATE TABLE b"):
        split_statements("CREATE TABLE a(b);\nCREATE TABLE b(")
