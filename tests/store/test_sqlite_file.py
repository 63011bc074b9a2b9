"""The SQLite file: where it may lie, what it says when something was taken out of it, damage that is told."""

import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from gateway.store.engine import StoreBusy, StoreUnavailable
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_file import NETWORK, HighWater, connect_file, file_system_of, look_through, open_file
from gateway.store.users import Choices, create_user, list_users
from tests.matrix.moments import after_commit_of, at
from tests.store.trade import NOW

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
nas:/books /srv/panel\\040books nfs4 rw 0 0
/dev/sdb1 /srv/panel\\040books/local xfs rw 0 0
host /mnt/host fuse.sshfs rw 0 0
"""


def test_file_system_is_that_of_the_nearest_mount() -> None:
    """Also below a mount in a mount, and where a name has a blank in it."""
    assert file_system_of(Path("/srv/panel books/x"), MOUNTS) in NETWORK
    assert file_system_of(Path("/mnt/host"), MOUNTS) in NETWORK
    assert file_system_of(Path("/srv/panel books/local/x"), MOUNTS) == "xfs"
    assert file_system_of(Path("/srv"), MOUNTS) == "ext4"
    assert file_system_of(Path("/tmpfoo"), MOUNTS) == "ext4"
    assert file_system_of(Path("/x"), "") == ""


def test_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With the path in the message; nothing is left there."""
    for path in (Path("/proc/self/books.db"), Path("/sys/books.db")):
        with pytest.raises((OSError, StoreUnavailable)):
            open_file(path)
    assert open_file(tmp_path / "books.db").execute("PRAGMA synchronous").fetchone()[0] == 2


async def write(path: Path, *names: str) -> None:
    """Open the books, make some users, and close them."""
    store = SqliteStore(path)
    await store.open()
    await store.migrate()
    for name in names:
        await store.run(partial(create_user, name, "USD", Choices(), actor="test", now=NOW))
    await store.close()


async def test_older_file_in_its_place_is_refused_until_somebody_says_so(tmp_path: Path) -> None:
    """A backup that was put back lacks orders that panels have: the message says how far it goes and what to do."""
    path = tmp_path / "books.db"
    await write(path, "alpha")
    shutil.copy(path, tmp_path / "backup.db")
    await write(path, "beta")
    shutil.copy(tmp_path / "backup.db", path)
    with pytest.raises(StoreUnavailable, match=r"ends with event 1, but event 2 was committed.*books\.db-high"):
        await write(path, "gamma")
    (tmp_path / "books.db-high").unlink()
    await write(path, "gamma")
    store = SqliteStore(path)
    await store.open()
    assert [each.user.name for each in await store.read(list_users)] == ["alpha", "gamma"]
    await store.close()


def test_mark_that_a_power_cut_spoilt_is_no_more_than_a_help(tmp_path: Path) -> None:
    """Empty or torn, it refuses nothing."""
    path = tmp_path / "books.db"
    with closing(open_file(path)) as connection:
        for junk in (b"", b"\0\0\0\0", b"12\0"):
            Path(f"{path}-high").write_bytes(junk)
            HighWater(path).check(connection)
        Path(f"{path}-high").write_bytes(b"7                   ")
        with pytest.raises(StoreUnavailable):
            HighWater(path).check(connection)


async def test_damaged_file_is_told(tmp_path: Path) -> None:
    """A page of noughts in the middle."""
    path = tmp_path / "books.db"
    await write(path, "alpha")
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\0" * 4096 * 4)
    with (
        closing(connect_file(path, read_only=True)) as connection,
        pytest.raises((StoreUnavailable, sqlite3.DatabaseError), match=r"damaged|malformed"),
    ):
        look_through(path, connection)


@pytest.mark.parametrize("place", [0, 3], ids=["head", "schema"])
async def test_damage_that_a_start_meets_is_told_with_what_to_do(tmp_path: Path, place: int) -> None:
    """Also in a file that was closed well, which nobody looks through: its head is gone, or its schema."""
    path = tmp_path / "books.db"
    await write(path, "alpha")
    with path.open("r+b") as file:
        file.seek(4096 * place)
        file.write(b"\xde\xad" * 8000)
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable, match=r"books\.db is damaged \(.*\): restore a backup, then reconcile"):
        await started(store)
    await store.close()


async def started(store: SqliteStore) -> None:
    """What a start does with its books first."""
    await store.open()
    await store.migrate()


async def test_unclear_commit_is_never_told_as_not_kept(tmp_path: Path) -> None:
    """The commit was told as failed though it happened, and then somebody has the file: "busy" would be a lie."""
    path = tmp_path / "books.db"
    store = SqliteStore(path)
    await store.open()
    await store.migrate()
    elsewhere = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def fail() -> None:
        elsewhere.execute("BEGIN IMMEDIATE")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    create = partial(create_user, "alpha", "USD", Choices(), actor="test", now=NOW)
    with at(after_commit_of("user_insert", fail)), pytest.raises(StoreUnavailable) as told:
        await store.run(create)
    assert not isinstance(told.value, StoreBusy)
    elsewhere.execute("ROLLBACK")
    elsewhere.close()
    assert [each.user.name for each in await store.read(list_users)] == ["alpha"]
    await store.close()
