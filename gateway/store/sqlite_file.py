"""The SQLite file itself: where it may lie, how it is opened, and how we know that nothing was taken out of it.

Beside FILE lies FILE-high, the number of the last event whose commit was told to anybody. It is written without fsync,
after the commit: a killed process leaves it right, a power cut leaves it right or too low. A file that knows less than
that was put back, or its write-ahead log was cut or taken away, and orders that panels have may be missing from it.
"""

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from gateway.store.engine import BUSY_SECONDS, StoreUnavailable

# Prepared statements each connection keeps: more than there are named statements.
STATEMENTS_KEPT: Final = 512
# The write-ahead log is shared memory between processes, which no network file system keeps; sqlite.org/wal.html.
NETWORK: Final = frozenset(
    {"afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gfs2", "lustre", "nfs", "nfs4"}
    | {"ocfs2", "smb3", "smbfs"}
)
_MOUNTS: Final = Path("/proc/self/mounts")
# A file that a process before left without closing it is looked through, as far as that is a matter of a second.
LOOKED_THROUGH_BYTES: Final = 256 * 1024 * 1024
_LAST_EVENT: Final = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
# The switch to the log does not wait for another's lock as statements do.
WAL_TRIES: Final = 20
WAL_PAUSE_SECONDS: Final = 0.05


def open_file(path: Path) -> sqlite3.Connection:
    """The writer's connection; a new file is made readable by its owner alone before anything is in it.

    A file that is there is never opened and closed beside SQLite: closing any descriptor of a file drops all locks this
    process has on it (POSIX). Another process that closed its connection then took itself for the last, and removed the
    log from under the ones in use here (seen with the crash harness; sqlite.org/howtocorrupt.html, section 2.2).

    Raises StoreUnavailable for a place that cannot keep books, OSError and sqlite3.Error for one that cannot be used.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    kind = file_system_of(path.parent.resolve(), _MOUNTS.read_text() if _MOUNTS.exists() else "")
    if kind in NETWORK:
        raise StoreUnavailable(f"{path} lies on a network file system ({kind}): SQLite's books need a local disk")
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise StoreUnavailable(f"{path} cannot be written, or its folder cannot: SQLite needs both")
    return connect_file(path, read_only=False)


def look_through(path: Path, connection: sqlite3.Connection) -> None:
    """Look for damage in a file of some size; raises StoreUnavailable, or sqlite3.Error where it is hopeless."""
    if path.stat().st_size <= LOOKED_THROUGH_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreUnavailable(f"{path} is damaged ({found}): restore a backup, then reconcile")


def in_words(path: Path, error: BaseException) -> str:
    """What is wrong with a file that cannot be opened or brought up to date, and what to do where it is damaged."""
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return f"{path} is damaged ({error}): restore a backup, then reconcile" if damaged else f"{path}: {error}"


def was_left(path: Path) -> bool:
    """Whether a process that used the file did not close it, or still uses it; asked before the file is opened."""
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def connect_file(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection whose commits are durable; raises sqlite3.Error where that cannot be."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS_KEPT
    )
    try:
        connection.row_factory = sqlite3.Row
        mode = _to_wal(connection)
        if mode != "wal":
            raise sqlite3.OperationalError(f"the write-ahead log is not to be had here (journal_mode={mode})")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _to_wal(connection: sqlite3.Connection) -> str:
    """Switch to the log and answer the mode; of two processes on a new file one is refused at once, and comes again."""
    for _ in range(WAL_TRIES):
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(WAL_PAUSE_SECONDS)
    return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])


def file_system_of(path: Path, mounts: str) -> str:
    """The kind of file system a path lies on, by the lines of /proc/self/mounts; empty where they do not say."""
    found, depth = "", -1
    for line in mounts.splitlines():
        words = line.split(" ")
        where = Path(words[1].replace("\\040", " "))
        # Of two mounts on one place the later one is seen.
        if path.is_relative_to(where) and len(where.parts) >= depth:
            found, depth = words[2], len(where.parts)
    return found


class HighWater:
    """The number of the last event that was committed, kept beside the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = Path(f"{path}-high")
        self._known = -1
        self._file: int | None = None

    def check(self, connection: sqlite3.Connection) -> None:
        """Refuse a file that lacks what was committed in it; raises StoreUnavailable."""
        try:
            noted = int(self._beside.read_text() or "0")
        except FileNotFoundError:
            return
        except ValueError:
            noted = 0  # Cut off by a power failure; it is no more than a help.
        last = _last_event(connection)
        if last < noted:
            raise StoreUnavailable(
                f"{self._path} ends with event {last}, but event {noted} was committed: a backup was put back, or "
                f"{self._path.name}-wal was cut or taken away, and orders that panels have may be missing. Put the "
                f"file and its -wal back together; to go on without what is missing, delete {self._beside}"
            )

    def note(self, connection: sqlite3.Connection) -> None:
        """Note what was committed; what cannot be noted is no harm."""
        try:
            last = _last_event(connection)
            if last == self._known:
                return
            if self._file is None:
                self._file = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._file, f"{last:<20}".encode(), 0)
        except (OSError, sqlite3.Error):
            return
        self._known = last

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _last_event(connection: sqlite3.Connection) -> int:
    """The number of the last event; it only grows, whatever is deleted."""
    try:
        row = connection.execute(_LAST_EVENT).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return 0  # Before the first migration.
    return 0 if row is None else int(row[0])
