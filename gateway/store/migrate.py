"""Migrations: numbered, forward only, each recorded with its checksum; a database newer than this program is refused.

A migration is a file 0001_books.sql for both databases, beside it what only one of them can read
(0001_books.sqlite.sql, 0001_books.postgres.sql). All that are due run in one transaction: a crash half-way leaves
the schema as it was.
"""

import hashlib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from gateway.store.engine import SchemaError
from gateway.store.queries import Dialect, fill, sql_folder

_FILE: Final = re.compile(r"^([0-9]{4})_([a-z][a-z0-9_]*)(?:\.(sqlite|postgres))?\.sql$")

# The table of what ran; the only one that is made outside a migration.
RECORD_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS schema_migrations("
    "number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)"
)
RECORDED: Final = "SELECT number, checksum FROM schema_migrations ORDER BY number"


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the schema, as one database reads it."""

    number: int
    name: str
    text: str
    checksum: str  # SHA-256 of the text


def load_migrations(dialect: Dialect) -> tuple[Migration, ...]:
    """Every migration this program knows, in order."""
    names: dict[int, str] = {}
    texts: dict[int, str] = {}
    # Sorted so that 0001_books.sql comes before what only one database reads of it.
    files = sorted(sql_folder().joinpath("migrations").iterdir(), key=lambda entry: entry.name.removesuffix(".sql"))
    for file in files:
        match = _FILE.match(file.name)
        if match is None or match[3] not in {None, dialect}:
            continue
        number = int(match[1])
        if names.setdefault(number, match[2]) != match[2]:
            raise SchemaError(f"migrations {names[number]} and {match[2]} have the same number {number}")
        texts[number] = texts.get(number, "") + fill(file.read_text(encoding="utf-8"), dialect)
    return tuple(
        Migration(
            number=number,
            name=names[number],
            text=texts[number],
            checksum=hashlib.sha256(texts[number].encode()).hexdigest(),
        )
        for number in sorted(texts)
    )


def due_migrations(known: Sequence[Migration], recorded: Mapping[int, str]) -> tuple[Migration, ...]:
    """What has to run, given the recorded numbers and checksums; raises SchemaError when the two histories disagree."""
    newest = max(recorded, default=0)
    by_number = {migration.number: migration for migration in known}
    for number, checksum in sorted(recorded.items()):
        migration = by_number.get(number)
        if migration is None:
            raise SchemaError(
                f"the database's schema has migration {number:04d}, which this program does not know: "
                "it was made by a newer version; start that version, or restore a backup from before it"
            )
        if migration.checksum != checksum:
            raise SchemaError(
                f"migration {number:04d}_{migration.name} was recorded with another text than this program has: "
                "the database was made by a version that never was released, or the file was changed"
            )
    due = tuple(migration for migration in known if migration.number not in recorded)
    for migration in due:
        if migration.number < newest:
            raise SchemaError(
                f"migration {migration.number:04d}_{migration.name} was left out before {newest:04d}: "
                "migrations only go forward"
            )
    return due


def split_statements(text: str) -> list[str]:
    """The statements of a migration one by one: SQLite's driver takes no more, and `executescript` commits."""
    statements: list[str] = []
    gathered = ""
    for line in text.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            statements.append(gathered.strip())
            gathered = ""
    if any(line.strip() and not line.strip().startswith("--") for line in gathered.splitlines()):
        raise SchemaError(f"a migration ends inside a statement: {gathered.strip()[:80]}")
    return statements
