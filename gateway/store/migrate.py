"""Migrations: numbered, forward only, each recorded with its checksum and with the oldest programs it lets go on.

A migration is a file 0001_books.sql for both databases, beside it what only one of them can read
(0001_books.sqlite.sql, 0001_books.postgres.sql). All that are due run in one transaction: a crash half-way leaves
the schema as it was.

In a rolling upgrade the first new process migrates while old ones serve, and an old one may be started once more
beside it, or after a rollback. So a migration that only adds says from which schema on programs may work with it, in a
line of its own: `-- Programs from 0009 on work with it.` That goes into the database, because an old program cannot
read it in a file it does not have. A newer database is refused only by programs below that; and a migration that has no
such line, which programs before it would trip over, is not run while one of them lives.
"""

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store.engine import SchemaError
from gateway.store.owners import OWNER_DEAD_MS
from gateway.store.queries import Dialect, fill, sql_folder

_REACH: Final = re.compile(r"^-- Programs from ([0-9]{4}) on work with it\.$", re.MULTILINE)
_FILE: Final = re.compile(r"^([0-9]{4})_([a-z][a-z0-9_]*)(?:\.(sqlite|postgres))?\.sql$")

# What ran, and what each lets go on; the only tables that are made outside a migration.
RECORD_TABLES: Final = (
    (
        "CREATE TABLE IF NOT EXISTS schema_migrations("
        "number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)"
    ),
    "CREATE TABLE IF NOT EXISTS schema_reach(number BIGINT PRIMARY KEY, works_from BIGINT NOT NULL)",
)
RECORDED: Final = (
    "SELECT m.number AS number, m.checksum AS checksum, COALESCE(r.works_from, m.number) AS works_from "
    "FROM schema_migrations m LEFT JOIN schema_reach r ON r.number = m.number ORDER BY m.number"
)
# Processes that gave a sign of life of late.
_LIVING: Final = f"SELECT COUNT(*) AS processes FROM owners WHERE heartbeat_at > {{NOW}} - {OWNER_DEAD_MS}"  # noqa: S608 - a number


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the schema, as one database reads it."""

    number: int
    name: str
    text: str
    checksum: str  # SHA-256 of the text
    works_from: int  # programs that know the schema up to this number may go on after it


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One step as a database remembers it."""

    number: int
    checksum: str
    works_from: int


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
            works_from=_works_from(number, texts[number]),
        )
        for number in sorted(texts)
    )


def due_migrations(known: Sequence[Migration], recorded: Sequence[Recorded]) -> tuple[Migration, ...]:
    """What has to run, given what did; raises SchemaError when the two histories disagree.

    A step that this program does not know is no disagreement if it lets programs of this one's schema go on.
    """
    by_number = {migration.number: migration for migration in known}
    ours, newest = max(by_number, default=0), max((each.number for each in recorded), default=0)
    for each in recorded:
        migration = by_number.get(each.number)
        if migration is not None and migration.checksum != each.checksum:
            raise SchemaError(
                f"migration {each.number:04d}_{migration.name} was recorded with another text than this program has: "
                "the database was made by a version that never was released, or the file was changed"
            )
        if migration is None and (each.works_from > ours or each.number < ours):
            raise SchemaError(
                f"the database's schema has migration {each.number:04d}, which this program does not know: it was made "
                f"by a newer version, for programs that know {each.works_from:04d}; start that version, or restore a "
                "backup from before it"
            )
    ran = {each.number for each in recorded}
    due = tuple(migration for migration in known if migration.number not in ran)
    for migration in due:
        if migration.number < newest:
            raise SchemaError(
                f"migration {migration.number:04d}_{migration.name} was left out before {newest:04d}: "
                "migrations only go forward"
            )
    return due


def in_the_way(due: Sequence[Migration], recorded: Sequence[Recorded]) -> Migration | None:
    """The first due step that programs which work on the database now could not go on with; None on a new database."""
    newest = max((each.number for each in recorded), default=0)
    return next((each for each in due if recorded and each.works_from > newest), None)


def living(dialect: Dialect) -> str:
    """The statement that counts living processes."""
    return fill(_LIVING, dialect)


def refuse(migration: Migration, processes: int) -> None:
    """Refuse a step while processes live that it would trip; raises SchemaError."""
    if processes:
        raise SchemaError(
            f"migration {migration.number:04d}_{migration.name} is not for running processes of the version before, "
            f"and {processes} gave a sign of life within {OWNER_DEAD_MS // 1000} s: stop them, then start this version"
        )


def _works_from(number: int, text: str) -> int:
    """From which schema on programs work with a migration: what its line says, or none but those that know it."""
    found = _REACH.search(text)
    return number if found is None else int(found[1])


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
