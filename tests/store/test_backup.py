"""Backups of a SQLite file: whole or not there, marked as what they are, put back where nobody is in the way."""

import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from gateway.store.backup import BadBackup, back_up, put_back
from gateway.store.engine import SchemaError, Store, StoreBusy, StoreError, StoreUnavailable
from gateway.store.events import record
from gateway.store.safety import safety
from gateway.store.store import open_store
from tests.store.trade import ME, NOW, make_user

STAMP = "20260101T000000Z"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Where the books are."""
    return tmp_path / "gateway.db"


@pytest.fixture
async def store(books: Path) -> AsyncIterator[Store]:
    """Books that are open, with something in them."""
    made = open_store(f"sqlite:///{books}")
    await made.open()
    await made.migrate()
    await make_user(made)
    yield made
    await made.close()


def events(path: Path) -> int:
    """How many events a file has."""
    with closing(sqlite3.connect(path)) as books:
        return int(books.execute("SELECT COUNT(*) FROM events").fetchone()[0])


def names(folder: Path, *parts: str) -> list[str]:
    """Files whose names have one of these in them."""
    return sorted(path.name for path in folder.iterdir() if any(part in path.name for part in parts))


def mode(path: Path) -> int:
    """A file's mode."""
    return stat.S_IMODE(path.stat().st_mode)


def content(path: Path) -> bytes:
    """What is in a file."""
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    """Put something else into a file."""
    path.write_bytes(data)


async def happen(store: Store) -> None:
    """One more event."""
    await store.run(partial(record, "thing", actor=ME, now=NOW))


async def test_backup_of_books_in_use_is_whole_marked_and_its_owners(store: Store, books: Path, tmp_path: Path) -> None:
    """What is committed is in it, in one file of mode 0600; the books themselves are not marked."""
    backup = tmp_path / "copy.db"
    copied = back_up(books, backup, now=NOW, replace=False)
    assert mode(backup) == 0o600
    assert copied.bytes == backup.stat().st_size
    assert copied.orders == 0
    assert events(backup) == events(books)
    assert names(tmp_path, "copy") == ["copy.db"]
    assert not (await store.read(safety)).on
    with closing(sqlite3.connect(backup)) as made:
        assert made.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
        assert made.execute("SELECT since, ended_at, reason FROM safe_mode").fetchone() == (
            NOW,
            None,
            "this is a backup that was put back",
        )


async def test_backup_that_is_there_stays_until_the_new_one_is_whole(store: Store, books: Path, tmp_path: Path) -> None:
    """Refused without a word for it; with one, replaced at once; books that are not there replace nothing."""
    backup = tmp_path / "copy.db"
    back_up(books, backup, now=NOW, replace=False)
    before = events(backup)
    await happen(store)
    with pytest.raises(StoreError, match="is there already"):
        back_up(books, backup, now=NOW, replace=False)
    with pytest.raises(StoreError, match="is not there"):
        back_up(tmp_path / "none.db", backup, now=NOW, replace=True)
    assert events(backup) == before
    back_up(books, backup, now=NOW, replace=True)
    assert events(backup) == before + 1


async def test_restore_waits_for_nobody_and_disturbs_nobody(store: Store, books: Path, tmp_path: Path) -> None:
    """While a process has the books open nothing is done; later they are set aside, with what refuses old files."""
    backup = tmp_path / "copy.db"
    back_up(books, backup, now=NOW, replace=False)
    await happen(store)
    with pytest.raises(StoreBusy, match="stop the gateway first"):
        put_back(backup, books, now=NOW, stamp=STAMP)
    await happen(store)
    await store.close()
    had = events(books)
    assert (tmp_path / "gateway.db-high").exists()
    copied, aside = put_back(backup, books, now=NOW + 5, stamp=STAMP)
    assert aside == tmp_path / f"gateway.db.before-{STAMP}"
    assert events(aside) == had
    assert (tmp_path / f"gateway.db.before-{STAMP}-high").exists()
    assert mode(books) == 0o600
    assert copied.orders == 0
    again = open_store(f"sqlite:///{books}")
    await again.open()
    await again.migrate()
    found = await again.read(safety)
    assert (found.on, found.reason) == (True, "restored from copy.db")
    await again.close()


async def test_file_that_was_merely_copied_into_place_is_refused(store: Store, books: Path, tmp_path: Path) -> None:
    """The file beside it knows of more: somebody has to say that it is meant, and then it is in safe mode."""
    backup = tmp_path / "copy.db"
    back_up(books, backup, now=NOW, replace=False)
    await happen(store)
    await store.close()
    write(books, content(backup))
    again = open_store(f"sqlite:///{books}")
    with pytest.raises(StoreUnavailable, match="a backup was put back"):
        await again.open()
    (tmp_path / "gateway.db-high").unlink()
    again = open_store(f"sqlite:///{books}")
    await again.open()
    assert (await again.read(safety)).on
    await again.close()


async def test_what_is_no_backup_changes_nothing(store: Store, books: Path, tmp_path: Path) -> None:
    """Not a file, not a database, no books, cut, of a newer version, in use, the books themselves: each is said."""
    backup = tmp_path / "copy.db"
    back_up(books, backup, now=NOW, replace=False)
    await store.close()
    before = content(books)
    whole = content(backup)
    with pytest.raises(BadBackup, match="is not a file"):
        put_back(tmp_path / "none.db", books, now=NOW, stamp=STAMP)
    with pytest.raises(BadBackup, match="the books themselves"):
        put_back(books, books, now=NOW, stamp=STAMP)
    other = tmp_path / "other.db"
    write(other, b"no database at all, " * 100)
    with pytest.raises(BadBackup, match="holds no books"):
        put_back(other, books, now=NOW, stamp=STAMP)
    write(other, whole[: len(whole) // 2])
    with pytest.raises((BadBackup, StoreError)):
        put_back(other, books, now=NOW, stamp=STAMP)
    write(other, whole)
    write(tmp_path / "other.db-wal", b"log")
    with pytest.raises(BadBackup, match="log beside it"):
        put_back(other, books, now=NOW, stamp=STAMP)
    with closing(sqlite3.connect(backup)) as made, made:
        made.execute("INSERT INTO schema_migrations VALUES(9999, 'later', 'x', 1)")
    with pytest.raises(SchemaError, match="9999, which this program does not know"):
        put_back(backup, books, now=NOW, stamp=STAMP)
    assert content(books) == before
    assert names(tmp_path, "part", "before") == []


async def test_books_that_break_their_invariants_make_no_backup(store: Store, books: Path, tmp_path: Path) -> None:
    """A backup is what one relies on: a balance that is not the sum of its transfers is said at once."""
    await store.close()
    with closing(sqlite3.connect(books)) as made, made:
        made.execute("UPDATE accounts SET balance = balance + 1 WHERE enforced = 1")
    with pytest.raises(BadBackup, match="break their invariants"):
        back_up(books, tmp_path / "copy.db", now=NOW, replace=False)
    assert not (tmp_path / "copy.db").exists()


async def test_damaged_books_are_set_aside(store: Store, books: Path, tmp_path: Path) -> None:
    """What nobody can open stands in no way, and is kept for whoever can read it yet."""
    backup = tmp_path / "copy.db"
    back_up(books, backup, now=NOW, replace=False)
    await store.close()
    write(books, b"damaged" * 1000)
    _, aside = put_back(backup, books, now=NOW, stamp=STAMP)
    assert aside is not None
    assert content(aside) == b"damaged" * 1000
    assert events(books) > 0


async def test_lost_books_are_restored_into_an_empty_place(store: Store, books: Path, tmp_path: Path) -> None:
    """The disk is new: nothing is set aside, and the books are there."""
    backup = tmp_path / "copy.db"
    back_up(books, backup, now=NOW, replace=False)
    await store.close()
    elsewhere = tmp_path / "new.db"
    _, aside = put_back(backup, elsewhere, now=NOW, stamp=STAMP)
    assert aside is None
    assert events(elsewhere) == events(books)
