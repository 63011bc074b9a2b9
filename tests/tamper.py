"""Books broken on purpose: statements past every trigger, constraint and foreign key, on a connection of our own."""

import sqlite3
from contextlib import closing
from typing import Final

import asyncpg

# What only forbids; the rows stay as they are. `transfers_move` goes too: a broken row moves no balance.
_TRIGGERS: Final = (
    "transfers_stay", "transfers_stay_all", "transfers_move", "accounts_stay", "attempts_move", "orders_terminal",
    "orders_refunded",
)  # fmt: skip
_DROP_CHECKS: Final = """
    DO $$ DECLARE found record; BEGIN
      FOR found IN SELECT conrelid::regclass AS name, conname FROM pg_constraint WHERE contype = 'c'
        AND connamespace = 'public'::regnamespace
      LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.name, found.conname); END LOOP;
    END $$"""


async def tamper(database_url: str, *statements: str) -> None:
    """Run statements that the schema would refuse, and leave what forbade them switched off."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as books:
            for text in ("PRAGMA foreign_keys=OFF", "PRAGMA ignore_check_constraints=ON"):
                books.execute(text)
            for name in _TRIGGERS:
                books.execute(f"DROP TRIGGER IF EXISTS {name}")
            books.execute("DROP INDEX IF EXISTS one_live_attempt")
            for text in statements:
                books.execute(text)
        return
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SET session_replication_role = replica")  # no trigger, no foreign key
        for text in (_DROP_CHECKS, "DROP INDEX IF EXISTS one_live_attempt"):
            await _execute_at_last(connection, text)
        for text in statements:
            await connection.execute(text)
    finally:
        await connection.close()


async def _execute_at_last(connection: asyncpg.Connection, text: str) -> None:
    """Change the schema under a gateway that reads it: whoever meets whom in a ring, we come again."""
    for _ in range(50):
        try:
            await connection.execute(text)
        except asyncpg.DeadlockDetectedError:
            continue
        return
    raise AssertionError(f"never without a deadlock: {text}")
