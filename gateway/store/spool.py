"""The spool: verdicts the books could not take yet, in a file of this process that outlives it (RELIABILITY 1.4, A8).

It stands beside the books because it keeps what must never be lost; it is no copy of them. A verdict is one line,
flushed to the disk before anything else is done with it, and brought to the books until they take it: by the process
that knows it, or, when that one has died, by any other on the same data folder. Bringing one twice is harmless.

A process holds a lock on its file, so nobody takes the file of a living one for a dead one's; the kernel lets go of
the lock however a process ends. A line that broke off when its process died is left out: it was never relied upon.
"""

import errno
import fcntl
import os
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.attempt import Attempt
from gateway.points import point
from gateway.store.attempts import Verdict

# Bytes of one file; ten thousand verdicts, as many as a process may have in hand, are a tenth of it.
SPOOL_BYTES_MAX: Final = 1024**3
# Files of dead processes that are opened in one go.
LEFT_MAX: Final = 16
_SUFFIX: Final = ".spool"
ASIDE_SUFFIX: Final = ".unread"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]")


class Spooled(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict with the attempt it is about."""

    attempt: Attempt
    verdict: Verdict


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What a dead process left, locked by us."""

    path: Path
    records: tuple[Spooled, ...]
    unreadable: int = 0  # lines that are no verdict, beside a last one that broke off


class Spool:
    """One process's file, made when it is first needed, and a look at those of others."""

    def __init__(self, folder: Path, owner: str, *, bytes_max: int = SPOOL_BYTES_MAX) -> None:
        self.refused: set[int] = set()  # attempts whose verdict the books refused: told once, and not brought again
        self._folder = folder
        self._bytes_max = bytes_max
        self._owner = _NOT_IN_NAMES.sub("_", owner)
        self._mine: dict[int, Spooled] = {}  # by attempt: kept and not yet settled
        self._lock = threading.Lock()  # keep() runs in threads; what comes next is touched under it alone
        self._file: int | None = None
        self._path: Path | None = None
        self._size = 0
        self._number = 0

    @property
    def waiting(self) -> tuple[Spooled, ...]:
        """Verdicts of this process that the books have not taken."""
        return tuple(self._mine.values())

    def prepare(self) -> None:
        """Make the folder, its owner's alone (0700); raises OSError when nothing could be kept in it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "it cannot be written", str(self._folder))

    def keep(self, record: Spooled) -> None:
        """Put a verdict on the disk; it is there when this returns. Raises OSError; then it is not relied upon."""
        line = _written(record)
        with self._lock:
            self._mine[record.attempt.id] = record
            file = self._opened()
            try:
                if self._size + len(line) > self._bytes_max:
                    raise OSError(errno.EFBIG, "the spool is full", str(self._path))
                point("before", "SPOOL")
                _write_all(file, line)
                os.fsync(file)
                point("after", "SPOOL")
            except OSError:
                self._leave_file()  # Its end may be torn; what comes next gets a file of its own.
                raise
            self._size += len(line)

    def settled(self, attempt_id: int) -> None:
        """The books have a verdict: once none is waiting any more, the file is emptied."""
        if attempt_id not in self._mine:  # As nearly always: nothing was spooled.
            return
        with self._lock:
            self._mine.pop(attempt_id, None)
            if self._mine:
                return
            self._leave_file()
            for path in self._folder.glob(f"{self._owner}.*{_SUFFIX}"):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; what still waits in it is for the next process."""
        with self._lock:
            self._leave_file()

    @contextmanager
    def left_behind(self) -> Iterator[tuple[Left, ...]]:
        """What dead processes left, nobody else's for as long as this lasts; `forget` what the books have taken."""
        locks: list[int] = []
        found: list[Left] = []
        try:
            for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
                if len(found) == LEFT_MAX or path.name.startswith(f"{self._owner}."):
                    continue
                file = _lock(path)
                if file is not None:
                    locks.append(file)
                    found.append(_read(path))
            yield tuple(found)
        finally:
            for file in locks:
                os.close(file)

    def forget(self, left: Left) -> None:
        """Remove a dead process's file, every verdict in it being in the books; what cannot be read is put aside."""
        if left.unreadable:
            left.path.replace(left.path.with_suffix(ASIDE_SUFFIX))
        else:
            left.path.unlink(missing_ok=True)

    def _opened(self) -> int:
        """The file, made and locked if it is not there yet."""
        while self._file is None:
            self.prepare()
            self._number += 1
            self._path = self._folder / f"{self._owner}.{self._number}{_SUFFIX}"
            self._size = 0
            made = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(made, fcntl.LOCK_EX)
            # Between the two lines above somebody may have taken it for a dead process's, and removed it.
            if os.fstat(made).st_nlink:
                self._file = made
                _sync_folder(self._folder)
            else:
                os.close(made)
        return self._file

    def _leave_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # Whatever closing says, what was flushed before is on the disk.
                os.close(self._file)
            self._file = None


def _written(record: Spooled) -> bytes:
    """One line: a checksum, so that half a line is seen to be one, and the verdict."""
    body = msgspec.json.encode(record)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _read(path: Path) -> Left:
    """The verdicts of a file; a last line without its end was being written when its process died."""
    *lines, _torn = path.read_bytes().split(b"\n")
    records: list[Spooled] = []
    for line in lines:
        checksum, _, body = line.partition(b" ")
        if checksum == b"%08x" % zlib.crc32(body):
            with suppress(msgspec.DecodeError):  # Whole, and yet not ours to read: of a version that knew more.
                records.append(msgspec.json.decode(body, type=Spooled))
    return Left(path=path, records=tuple(records), unreadable=len(lines) - len(records))


def _lock(path: Path) -> int | None:
    """The file, locked, or None when a living process has it or it is gone."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    if not os.fstat(file).st_nlink:
        os.close(file)
        return None
    return file


def _write_all(file: int, line: bytes) -> None:
    left = memoryview(line)
    while left:
        left = left[os.write(file, left) :]


def _sync_folder(folder: Path) -> None:
    """Flush a folder, so that a new name in it outlives a power cut."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
