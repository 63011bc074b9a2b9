"""The two databases under the machine: emptied for each walk, and read whole after each of its steps."""

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import asyncpg

from gateway.store.engine import Store
from gateway.store.store import open_store

# Everything the model knows of: one statement, what it is in its first column.
_ALL: Final = """
    SELECT 'order', CAST(id AS TEXT), CAST(user_id AS TEXT), state, CAST(refunded AS TEXT), '' FROM orders
    UNION ALL SELECT 'attempt', CAST(order_id AS TEXT), CAST(n AS TEXT), provider || ' ' || state, owner,
      COALESCE(upstream_order, '') FROM attempts
    UNION ALL SELECT 'brake', provider, CASE WHEN since IS NULL THEN 'off' ELSE 'on' END, '', '', '' FROM brakes
    UNION ALL SELECT 'account', code, CAST(balance AS TEXT), '', '', '' FROM accounts WHERE enforced = 1
"""
# Every table of the books, whatever migrations have added; only the records of the migrations themselves stay.
_TABLES: Final = """
    SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT IN ('schema_migrations', 'schema_reach')
"""
Row: TypeAlias = tuple[str, ...]


class Books(Protocol):
    """One database."""

    async def fresh(self) -> Store:
        """An open store on empty books."""

    async def rows(self) -> Sequence[Row]:
        """What stands in the books."""

    async def end(self) -> None:
        """Let go of everything."""


# Files of walks lie in memory where they can: thousands of walks wait for no disk, and what a power loss does is not
# what they prove.
_MEMORY: Final = Path("/dev/shm")


class SqliteBooks:
    """A file for each walk, copied from a template that was migrated once."""

    def __init__(self, folder: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else folder)
        self._template = Path(self._folder.name, "template.db")
        self._file = Path(self._folder.name, "walk.db")
        self._store: Store | None = None
        self._side: sqlite3.Connection | None = None

    async def fresh(self) -> Store:
        """A copy made by SQLite's own backup, so that no write-ahead log is left behind."""
        await self._close()
        if not self._template.exists():
            store = open_store(f"sqlite:///{self._template}")
            await store.open()
            await store.migrate()
            await store.close()
        for leftover in self._file.parent.glob("walk.db*"):
            leftover.unlink()
        with closing(sqlite3.connect(self._template)) as template, closing(sqlite3.connect(self._file)) as copy:
            template.backup(copy)
        self._store = open_store(f"sqlite:///{self._file}")
        await self._store.open()
        self._side = sqlite3.connect(self._file)
        return self._store

    async def rows(self) -> Sequence[Row]:
        """By a connection of our own: what is committed and nothing else."""
        assert self._side is not None
        return self._side.execute(_ALL).fetchall()

    async def end(self) -> None:
        """Close the walk's store and forget the files."""
        await self._close()
        self._folder.cleanup()

    async def _close(self) -> None:
        if self._store is not None:
            await self._store.close()
            self._store = None
        if self._side is not None:
            self._side.close()
            self._side = None


class PostgresBooks:
    """One database, emptied for each walk: the triggers that forbid it look away from a replica's session."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: Store | None = None
        self._side: asyncpg.Connection | None = None

    async def fresh(self) -> Store:
        """The same open store, so that its statements stay prepared."""
        if self._store is None:
            self._store = open_store(self._url)
            await self._store.open()
            await self._store.migrate()
            self._side = await asyncpg.connect(self._url)
            await self._side.execute("SET session_replication_role = replica")
        assert self._side is not None
        tables = await self._side.fetchval(_TABLES)
        await self._side.execute(f"TRUNCATE {tables} RESTART IDENTITY")
        return self._store

    async def rows(self) -> Sequence[Row]:
        """By a connection of our own: what is committed and nothing else."""
        assert self._side is not None
        return [tuple(row.values()) for row in await self._side.fetch(_ALL)]

    async def end(self) -> None:
        """Close the store."""
        if self._store is not None:
            await self._store.close()
            self._store = None
        if self._side is not None:
            await self._side.close()
            self._side = None
