"""A SQLite file copied while it is in use, and put back while it is not.

A copy is one snapshot, made by SQLite itself, written under another name, read whole, and only then given its name: a
backup that is there is a whole one. It is marked as a backup, so that a gateway that is started on it, whoever put it
there, places nothing until it was reconciled (gateway/store/safety.py). The file that is replaced is set aside, never
deleted. `FILE-high`, which refuses a file that knows less than was committed, is set aside with it: the mark does its
work better.

Nothing here opens the books' file but SQLite: see gateway/store/sqlite_file.py.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from gateway.store.engine import StoreBusy, StoreError, drive
from gateway.store.migrate import RECORDED, Recorded, due_migrations, load_migrations
from gateway.store.queries import load_statements
from gateway.store.sqlite import execute, migrate_file
from gateway.store.sqlite_file import connect_file
from gateway.store.verify import verify

_SIDES: Final = ("-wal", "-shm", "-high")
_MARK: Final = (
    "UPDATE safe_mode SET since = :now, ended_at = NULL, reason = :reason, skipped = 0, "
    "known_until = COALESCE((SELECT created_at FROM events ORDER BY id DESC LIMIT 1), :now)"
)


class BadBackup(StoreError):
    """A file that is not whole books of ours; the message says what is wrong with it."""


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied."""

    bytes: int
    orders: int
    known_until: int | None  # ms: the moment of its last event; None before the first


def spare(target: Path, *, replace: bool) -> None:
    """Raise StoreError where a file has the name that a copy is to get, unless it may be replaced."""
    if target.exists() and not replace:
        raise StoreError(f"{target} is there already; name another file, or say --replace")


def back_up(books: Path, target: Path, *, now: int, replace: bool) -> Copied:
    """Copy the books of a gateway, running or not, to a file of mode 0600; raises StoreError."""
    if not books.exists():
        raise StoreError(f"{books} is not there")
    spare(target, replace=replace)
    with _part(target) as part:
        with contextlib.closing(connect_file(books, read_only=True)) as source:
            _copy(source, part)
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as made:
            # One file, without a log beside it: it may be copied by any program from now on.
            made.execute("PRAGMA journal_mode=DELETE")
            made.execute(_MARK, {"now": now, "reason": "this is a backup that was put back"})
        copied = _look_through(part)
        _settle(part, target)
    return copied


def put_back(backup: Path, books: Path, *, now: int, stamp: str) -> tuple[Copied, Path | None]:
    """Make a backup the books; answers what it has, and where what was there before is now.

    Raises StoreBusy while a process uses the books, BadBackup for what is no backup, SchemaError for a newer one.
    """
    if not backup.is_file():
        raise BadBackup(f"{backup} is not a file")
    log = Path(f"{backup}-wal")
    if log.exists() and log.stat().st_size:
        raise BadBackup(
            f"{backup} has a log beside it, so it is in use or was not closed: take one of `gateway backup`"
        )
    if books.exists() and backup.samefile(books):
        raise BadBackup(f"{backup} is the books themselves")
    with _part(books) as part:
        # Nothing writes to a backup, so it is read as it lies, from a read-only disk too.
        with contextlib.closing(_open_still(backup)) as source:
            _refuse_newer(source, backup)
            _copy(source, part)
        migrate_file(part)
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as made:
            made.execute("PRAGMA journal_mode=DELETE")
            made.execute(_MARK, {"now": now, "reason": f"restored from {backup.name}"})
        copied = _look_through(part)
        with _alone(books):
            aside = _set_aside(books, stamp)
            _settle(part, books)
    return copied, aside


@contextlib.contextmanager
def _part(target: Path) -> Iterator[Path]:
    """A new file of mode 0600 beside the one it is to become; removed if it does not."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield part
    except sqlite3.Error as error:
        raise BadBackup(f"{target} was not written: {error}") from error
    finally:
        for left in (part, *(Path(f"{part}{side}") for side in (*_SIDES, "-journal"))):
            left.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, part: Path) -> None:
    """All pages in one go, on one snapshot: in steps it would begin anew whenever somebody commits."""
    with contextlib.closing(sqlite3.connect(part)) as made:
        source.backup(made)


def _open_still(backup: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{backup.resolve().as_uri()}?immutable=1", uri=True)


def _refuse_newer(source: sqlite3.Connection, backup: Path) -> None:
    """Raises BadBackup for a file that is not ours, SchemaError for one that this program cannot work on."""
    source.row_factory = sqlite3.Row
    try:
        reach = source.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_reach'").fetchone()[0]
        query = RECORDED if reach else "SELECT number, checksum, number AS works_from FROM schema_migrations"
        recorded = [Recorded(**dict(row)) for row in source.execute(query)]
    except sqlite3.DatabaseError as error:
        raise BadBackup(f"{backup} holds no books: {error}") from error
    due_migrations(load_migrations("sqlite"), recorded)


def _look_through(part: Path) -> Copied:
    """Read a copy whole: its pages, its references, and every invariant of the books; raises BadBackup."""
    with contextlib.closing(_open_still(part)) as made:
        made.row_factory = sqlite3.Row
        damage = made.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if damage != "ok":
            raise BadBackup(f"the copy is damaged: {damage}")
        if made.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise BadBackup("the copy has rows that refer to nothing")
        statements = load_statements("sqlite")
        found = drive(partial(verify), lambda query: execute(made, statements, query))
        if not found.sound:
            broken = ", ".join(f"{invariant}: {rows}" for invariant, rows in found.counts.items())
            raise BadBackup(f"these books break their invariants ({broken}); `gateway ledger verify` names the rows")
        known = made.execute("SELECT known_until FROM safe_mode").fetchone()[0]
        return Copied(bytes=part.stat().st_size, orders=found.orders, known_until=known)


@contextlib.contextmanager
def _alone(books: Path) -> Iterator[None]:
    """Nobody else has the books open while this lasts; raises StoreBusy. A damaged file has nobody who could use it."""
    if not books.exists():
        yield
        return
    with contextlib.closing(sqlite3.connect(books, timeout=0, isolation_level=None)) as held:
        try:
            # Fails while anybody has the file open in its log mode; after it the log is in the file.
            held.execute("PRAGMA journal_mode=DELETE")
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise
            raise StoreBusy(f"a process uses {books}: stop the gateway first ({error})") from error
        except sqlite3.DatabaseError:
            held.close()
        yield


def _set_aside(books: Path, stamp: str) -> Path | None:
    """Give the books and what belongs to them other names; answers the new one, None if there were none."""
    aside = books.with_name(f"{books.name}.before-{stamp}")
    if aside.exists():
        raise StoreError(f"{aside} is there already")
    was_there = books.exists()
    for side in _SIDES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{books}{side}").rename(f"{aside}{side}")
    if was_there:
        books.rename(aside)
    return aside if was_there else None


def _settle(part: Path, target: Path) -> None:
    """Flush a file, give it its name, and flush that: after a power cut the old one is there, or the whole new one."""
    part.chmod(stat.S_IRUSR | stat.S_IWUSR)
    for path, then in ((part, lambda: part.replace(target)), (target.parent, lambda: None)):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        then()
