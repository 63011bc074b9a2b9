"""Migrations: a fresh database, a second start, two starts at once, a newer or another schema, a failure half-way."""

import asyncio
import re
from typing import Final

import pytest

from gateway.store.engine import SchemaError, StoreError
from gateway.store.migrate import (
    Migration,
    Recorded,
    due_migrations,
    in_the_way,
    load_migrations,
    refuse,
    split_statements,
)
from gateway.store.store import open_store
from tests.store.trade import ask

FIRST: Final = Migration(number=1, name="books", text="a", checksum="one", works_from=1)
SECOND: Final = Migration(number=2, name="orders", text="b", checksum="two", works_from=1)
THIRD: Final = Migration(number=3, name="prices", text="c", checksum="three", works_from=3)
RAN_FIRST: Final = Recorded(number=1, checksum="one", works_from=1)
RAN_SECOND: Final = Recorded(number=2, checksum="two", works_from=1)
RAN_THIRD: Final = Recorded(number=3, checksum="three", works_from=3)
TRIPPING: Final = 9  # the last step that says nothing of programs before it
# What no migration may do that lets programs before it go on: take away, rename, or demand what they do not write.
_TRIPS = re.compile(
    r"DROP (TABLE|COLUMN)|RENAME|ALTER COLUMN|ADD COLUMN [^,;]*NOT NULL(?![^,;]*DEFAULT)", re.IGNORECASE
)


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
    assert due_migrations((FIRST, SECOND), ()) == (FIRST, SECOND)
    assert due_migrations((FIRST, SECOND), (RAN_FIRST,)) == (SECOND,)
    assert due_migrations((FIRST, SECOND), (RAN_FIRST, RAN_SECOND)) == ()


def test_migration_left_out_before_a_later_one_is_refused() -> None:
    """Migrations only go forward: none is slipped in below the newest."""
    with pytest.raises(SchemaError, match="0001_books was left out before 0002"):
        due_migrations((FIRST, SECOND), (RAN_SECOND,))


def test_newer_database_is_worked_on_by_programs_it_lets_go_on() -> None:
    """A step that only added something keeps nobody out; one that changed something keeps out who does not know it."""
    assert due_migrations((FIRST,), (RAN_FIRST, RAN_SECOND)) == ()
    with pytest.raises(SchemaError, match=r"0003, which this program does not know: .* for programs that know 0003"):
        due_migrations((FIRST,), (RAN_FIRST, RAN_SECOND, RAN_THIRD))
    with pytest.raises(SchemaError, match="0003, which this program does not know"):
        due_migrations((FIRST, SECOND), (RAN_FIRST, RAN_SECOND, RAN_THIRD))
    with pytest.raises(SchemaError, match="0001, which this program does not know"):
        due_migrations((SECOND,), (RAN_FIRST, RAN_SECOND))


def test_step_that_trips_running_programs_is_in_the_way() -> None:
    """On a new database nothing is; on one in use the first step that programs of its schema could not go on with."""
    assert in_the_way((FIRST, SECOND, THIRD), ()) is None
    assert in_the_way((SECOND,), (RAN_FIRST,)) is None
    assert in_the_way((SECOND, THIRD), (RAN_FIRST,)) == THIRD
    refuse(THIRD, 0)
    with pytest.raises(SchemaError, match=r"0003_prices is not for running processes .* and 2 gave a sign of life"):
        refuse(THIRD, 2)


async def test_step_that_trips_others_waits_until_nobody_lives(database_url: str) -> None:
    """A step that is due once more: refused while somebody lives, and tried once nobody does."""
    store = open_store(database_url)
    await store.migrate()
    now = "CAST(strftime('%s','now') AS INTEGER)" if "sqlite" in database_url else "EXTRACT(EPOCH FROM now())"
    await ask(
        database_url,
        f"INSERT INTO owners(owner, started_at, heartbeat_at) VALUES('somebody', 0, {now} * 1000) RETURNING owner",
    )
    for table in ("schema_migrations", "schema_reach"):
        await ask(database_url, f"DELETE FROM {table} WHERE number >= {TRIPPING} RETURNING number")  # noqa: S608 - ours
    with pytest.raises(SchemaError, match="and 1 gave a sign of life within 30 s"):
        await store.migrate()
    await ask(database_url, "DELETE FROM owners RETURNING owner")
    with pytest.raises(StoreError, match=r"duplicate column|already exists"):
        await store.migrate()


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_migration_that_lets_others_go_on_only_adds(dialect: str) -> None:
    """Whoever says so in a migration has taken nothing away, renamed nothing, and demands nothing of old statements."""
    for migration in load_migrations("sqlite" if dialect == "sqlite" else "postgres"):
        assert migration.works_from <= migration.number
        if migration.works_from < migration.number:
            found = _TRIPS.findall(migration.text)
            assert not found, f"{migration.number:04d}_{migration.name}: {found}"


async def test_what_a_migration_lets_go_on_is_kept_in_the_database(database_url: str) -> None:
    """For programs that do not have its file: each step's number with the schema from which on it may be worked on."""
    await open_store(database_url).migrate()
    kept = await ask(database_url, "SELECT number, works_from FROM schema_reach ORDER BY number")
    assert [tuple(row) for row in kept] == [(each.number, each.works_from) for each in load_migrations("sqlite")]


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
