"""The books in one SQLite file: a writer thread that commits every waiting command at once, and readers beside it.

Durability is WAL with synchronous=FULL, each commit an fsync: group commit makes that cheap (PERFORMANCE.md,
"Storing"). The writer is alone in this process, and BEGIN IMMEDIATE makes it alone on the file, so its commands are
serial. A COMMIT that fails may have happened (RELIABILITY.md section 1.12): the connection is thrown away, the file
opened again, and the commands are run anew, which is harmless by the contract of gateway/store/engine.py. Local
disks only: WAL does not work over a network.
"""

import asyncio
import json
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import time_ns
from typing import Final, TypeVar

from gateway.points import point
from gateway.store.engine import (
    CAREFUL_BATCHES,
    COMMANDS_PER_COMMIT_MAX,
    COMMANDS_WAITING_MAX,
    RUNS_MAX,
    Command,
    ConstraintBroken,
    Counts,
    Query,
    Row,
    StoreBusy,
    StoreError,
    StoreUnavailable,
    drive,
)
from gateway.store.migrate import (
    RECORD_TABLES,
    RECORDED,
    Recorded,
    due_migrations,
    in_the_way,
    living,
    load_migrations,
    refuse,
    split_statements,
)
from gateway.store.queries import Statement, load_statements
from gateway.store.sqlite_file import HighWater, connect_file, in_words, look_through, open_file, was_left
from gateway.store.waiting import BatchLost, Waiting, answer_of, begun, deliver, handed_in, reading, transaction
from gateway.tracing import Kind, span

T = TypeVar("T")

# Result codes that concern one statement alone (SQLITE_ERROR: its text; TOOBIG, CONSTRAINT, MISMATCH, RANGE: its
# values). Any other code (FULL, IOERR, BUSY, CORRUPT …) concerns the file, and with it the whole transaction.
_ONE_STATEMENT: Final = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
    }
)
_PRIMARY_CODE: Final = 0xFF


class SqliteStore:
    """The store on one SQLite file."""

    def __init__(self, path: Path) -> None:
        self.counts = Counts()
        self.trouble = ""  # why nothing could be written the last time; empty once something was
        self._path = path
        self._high = HighWater(path)
        self._statements: Mapping[str, Statement] = load_statements("sqlite")
        self._waiting: deque[Waiting] = deque()
        self.counts.waiting = self._waiting.__len__
        self._wake = threading.Condition()
        self._closing = False
        self._careful = 0  # batches that are still to begin with savepoints
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer: sqlite3.Connection | None = None  # touched by the writer thread alone once it runs
        self._reader: sqlite3.Connection | None = None  # touched by the event loop's thread alone

    async def open(self) -> None:
        """Open the file, made with mode 0600 if it is not there, and start the writer; raises StoreUnavailable."""
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._open)
        except (OSError, sqlite3.Error, StoreUnavailable) as error:
            self._drop_writer()
            raise (
                error if isinstance(error, StoreUnavailable) else StoreUnavailable(in_words(self._path, error))
            ) from error
        self._thread = threading.Thread(target=self._write, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Commit what is waiting, then close the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._high.close()

    async def migrate(self) -> int:
        """Bring the schema to this program's in one transaction; answers how many ran; raises SchemaError."""
        return await asyncio.to_thread(migrate_file, self._path)

    async def run(self, command: Command[T]) -> T:
        """Run a command in the next commit; see :class:`gateway.store.engine.Store`."""
        loop = asyncio.get_running_loop()
        assert loop is self._loop, "a store serves the event loop that opened it"
        future: asyncio.Future[T] = loop.create_future()
        told = handed_in(command)
        with self._wake:
            if self._closing:
                raise StoreUnavailable("the store is closing")
            if len(self._waiting) >= COMMANDS_WAITING_MAX:
                raise StoreBusy(f"{COMMANDS_WAITING_MAX} commands are waiting")
            self._waiting.append(Waiting(command, future, told))
            self._wake.notify()
        return await answer_of(future, told, self.counts)

    async def read(self, command: Command[T]) -> T:
        """Run a small read on the event loop's own thread: at some ten microseconds a thread would cost more."""
        told, watched = reading(command, "sqlite")
        with told:
            reader = self._reader
            if reader is None:
                raise StoreUnavailable("the store is closed")
            try:
                self.counts.reads += 1
                return drive(watched, lambda query: self._execute(reader, query))
            except sqlite3.Error as error:
                raise _translate(error) from error

    async def read_at_length(self, command: Command[T]) -> T:
        """Run a long read in a thread, on a connection and a snapshot of its own."""
        told, watched = reading(command, "sqlite")
        with told:
            return await asyncio.to_thread(self._read_at_length, watched)

    def _read_at_length(self, command: Command[T]) -> T:
        try:
            connection = connect_file(self._path, read_only=True)
            try:
                connection.execute("BEGIN")
                return drive(command, lambda query: self._execute(connection, query))
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise _translate(error) from error

    def _open(self) -> None:
        """Open the file for both, and look at what a process before may have left."""
        left = was_left(self._path)
        self._writer = open_file(self._path)
        if left:
            look_through(self._path, self._writer)
        self._high.check(self._writer)
        self._reader = connect_file(self._path, read_only=True)

    # What follows runs in the writer's thread.

    def _write(self) -> None:
        """Take every waiting command, commit, answer; until closed and nothing waits."""
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), COMMANDS_PER_COMMIT_MAX))]
            if not batch:
                self._drop_writer()
                return
            self._settle(batch)
            assert self._loop is not None
            try:
                self._loop.call_soon_threadsafe(_deliver_all, batch)
            except RuntimeError:  # The loop is gone and with it everybody who waited; what was committed stays.
                self._drop_writer()
                return

    def _settle(self, batch: list[Waiting]) -> None:
        """Bring a batch to an end: committed, refused one by one, or unavailable for all."""
        unclear = False
        for run in range(1, RUNS_MAX + 1):
            try:
                with transaction(batch, "sqlite", self.counts):
                    self._commit(batch)
                self.trouble = ""
                return
            except BatchLost as lost:
                cause = lost.__cause__ or lost
                self._drop_writer()
                # Nothing more is tried for a full disk or a lock that did not come free: the caller may, later.
                # Only a COMMIT nobody can tell about is run again, by its unique keys.
                unclear = unclear or bool(lost.args)
                if not lost.args or run == RUNS_MAX:
                    error = _translate(cause)
                    if unclear and isinstance(error, StoreBusy):
                        error = StoreUnavailable(f"whether it was kept cannot be told yet: {error}")
                    self.trouble = str(error)
                    for one in batch:
                        one.result, one.error = None, error
                    return
                self.counts.repeated += len(batch)

    def _commit(self, batch: list[Waiting]) -> None:
        """One transaction for the whole batch; raises BatchLost, with an argument where the COMMIT itself failed."""
        careful = self._careful > 0
        self._careful -= careful
        try:
            writer = self._writer or self._reopen()
            writer.execute("BEGIN IMMEDIATE")
            point("after", "BEGIN")
            if not careful and not self._run_plain(writer, batch):
                # Somebody failed after it wrote, and without savepoints nothing less can be undone.
                self.counts.undone += 1
                self._careful = CAREFUL_BATCHES
                careful = True
                writer.execute("ROLLBACK")
                writer.execute("BEGIN IMMEDIATE")
        except (OSError, sqlite3.Error, StoreUnavailable) as error:
            raise BatchLost from error
        if careful:
            for one in batch:
                self._run_one(writer, one)
        self.counts.commands += len(batch)
        self.counts.refused += sum(one.error is not None for one in batch)
        try:
            point("before", "COMMIT")
            with span("COMMIT", Kind.CLIENT, database="sqlite"):
                writer.execute("COMMIT")
            point("after", "COMMIT")
        except sqlite3.Error as error:
            raise BatchLost("commit") from error
        self._high.note(writer)
        self.counts.committed(len(batch))

    def _run_plain(self, writer: sqlite3.Connection, batch: list[Waiting]) -> bool:
        """Run a batch without savepoints; False when one failed that wrote: the transaction is of no use any more.

        A command that failed before it wrote is no harm to anybody. Whether it wrote is SQLite's own count of rows
        changed, in triggers too; what a failed statement did itself, SQLite has undone. Raises sqlite3.Error when the
        file, not a command, is at fault.
        """
        for one in batch:
            begun(one)
            one.result = one.error = None
            changes = writer.total_changes
            try:
                one.result = drive(one.command, lambda query: self._execute_counted(writer, query))
            except Exception as error:
                if isinstance(error, sqlite3.Error) and not _concerns_one(error):
                    raise
                if writer.total_changes != changes or not writer.in_transaction:
                    return False
                one.error = _translate(error) if isinstance(error, sqlite3.Error) else error
        return True

    def _run_one(self, writer: sqlite3.Connection, one: Waiting) -> None:
        """Run one command in a savepoint of its own; raises BatchLost when the file, not the command, is at fault."""
        self.counts.savepoints += 1
        begun(one)
        one.result = one.error = None
        try:
            writer.execute("SAVEPOINT command")
            try:
                one.result = drive(one.command, lambda query: self._execute_counted(writer, query))
            except Exception as error:
                if isinstance(error, sqlite3.Error) and not _concerns_one(error):
                    raise
                one.error = _translate(error) if isinstance(error, sqlite3.Error) else error
                writer.execute("ROLLBACK TO command")
            writer.execute("RELEASE command")
        except sqlite3.Error as error:
            raise BatchLost from error

    def _execute_counted(self, writer: sqlite3.Connection, query: Query) -> Sequence[Row]:
        self.counts.statements += 1
        point("before", query.name)
        rows = self._execute(writer, query)
        point("after", query.name)
        return rows

    def _execute(self, connection: sqlite3.Connection, query: Query) -> Sequence[Row]:
        return execute(connection, self._statements, query)

    def _reopen(self) -> sqlite3.Connection:
        self.counts.reopened += 1
        self._writer = open_file(self._path)
        return self._writer

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def execute(connection: sqlite3.Connection, statements: Mapping[str, Statement], query: Query) -> Sequence[Row]:
    """Execute one statement of a command: the one place where that is done on SQLite."""
    statement, params = statements[query.name], query.params
    for name in statement.lists:
        if params[name] is not None:
            params = {**params, name: json.dumps(params[name])}
    return connection.execute(statement.text, params).fetchall()


def _deliver_all(batch: list[Waiting]) -> None:
    """Hand every caller what became of its command."""
    for one in batch:
        deliver(one)


def migrate_file(path: Path) -> int:
    """Run what is due in one transaction, alone on the file; answers how many; raises SchemaError, StoreUnavailable."""
    try:
        connection = open_file(path)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(in_words(path, error)) from error
    try:
        connection.execute("BEGIN IMMEDIATE")
        for table in RECORD_TABLES:
            connection.execute(table)
        recorded = [Recorded(**dict(row)) for row in connection.execute(RECORDED)]
        due = due_migrations(load_migrations("sqlite"), recorded)
        breaking = in_the_way(due, recorded)
        if breaking is not None:
            refuse(breaking, connection.execute(living("sqlite")).fetchone()["processes"])
        for migration in due:
            for statement in split_statements(migration.text):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_migrations VALUES(?, ?, ?, ?)",
                (migration.number, migration.name, migration.checksum, time_ns() // 1_000_000),
            )
            connection.execute("INSERT INTO schema_reach VALUES(?, ?)", (migration.number, migration.works_from))
        connection.execute("COMMIT")
        return len(due)
    except sqlite3.Error as error:
        said = _translate(error)
        raise type(said)(in_words(path, error)) from error
    finally:
        connection.close()  # Rolls back what was not committed.


def _concerns_one(error: sqlite3.Error) -> bool:
    """Whether an error is one statement's own, so that a rollback to its savepoint heals it.

    An error without a code is raised by Python's module itself, for a value it cannot bind.
    """
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & _PRIMARY_CODE in _ONE_STATEMENT


def _translate(error: BaseException) -> StoreError:
    """SQLite's errors in the store's words: the one place where that is done."""
    if isinstance(error, StoreError):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code == sqlite3.SQLITE_CONSTRAINT:
        return ConstraintBroken(str(error))
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(f"another program keeps the file locked: {error}")
    if isinstance(error, sqlite3.Error) and _concerns_one(error):
        return StoreError(str(error))
    return StoreUnavailable(str(error))
