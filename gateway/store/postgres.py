"""The books in PostgreSQL: one writer that commits every waiting command at once, and a few readers beside it.

READ COMMITTED: an UPDATE waits for the row and checks its WHERE again on the new version, and commands lock in one
order (the order's row, accounts by id), so nothing more is needed (RELIABILITY.md section 1.12). Other replicas
have writers of their own; what meets theirs in a lock is rolled back to its savepoint and tried again in a later
transaction, so that its neighbours commit now. A connection lost at any moment, COMMIT included, leaves the batch's
outcome open: it is run again by its unique keys on a new connection.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final, TypeVar

import asyncpg

from gateway.points import point
from gateway.store.engine import (
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
)
from gateway.store.migrate import RECORD_TABLE, RECORDED, due_migrations, load_migrations
from gateway.store.queries import Statement, load_statements

T = TypeVar("T")

READERS_MAX: Final = 4  # connections for reads; a read takes well under a millisecond
CONNECT_SECONDS: Final = 2.0  # a database that does not answer by then is away: callers get their 503
# The server ends a statement after 5 s itself; later than that the line is dead.
ANSWER_SECONDS: Final = 7.0
_STATEMENTS_KEPT: Final = 512  # prepared statements a connection keeps: more than there are named ones
# What the server is told of a writing connection; RELIABILITY.md section 1.12.
_SESSION: Final = {
    "application_name": "gateway",
    "lock_timeout": "2000",
    "statement_timeout": "5000",
    "idle_in_transaction_session_timeout": "10000",
    "tcp_keepalives_idle": "15",
    "default_transaction_isolation": "read committed",
}
# A commit that is acknowledged before it lies on disk may be lost with the power.
_DURABLE: Final = {"fsync": frozenset({"on"}), "synchronous_commit": frozenset({"on", "remote_apply"})}
# Any number will do; every replica has to use the same one.
_MIGRATION_LOCK: Final = 0x6761_7465
# Another writer's lock; the command comes again in a later transaction.
_CONFLICTS: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    # A migration changed a table under a prepared statement; prepared anew it works.
    asyncpg.InvalidCachedStatementError,
)
# These concern the server, not one command: shut down, no room on its disk, turned into a standby.
_SERVER_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.PostgresSystemError,
)


class _Waiting:
    """A command on its way through the writer."""

    __slots__ = ("command", "error", "future", "result", "runs", "undecided")

    def __init__(self, command: Command[Any], future: asyncio.Future[Any]) -> None:
        self.command = command
        self.future = future
        self.runs = 0
        self.undecided = False  # met a conflict and has to come again
        self.result: Any = None
        self.error: Exception | None = None


class _BatchLost(Exception):
    """The transaction is gone, or may be; nobody in the batch may be told success."""


class PostgresStore:
    """The store on PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.counts = Counts()
        self._url = url
        self._statements: Mapping[str, Statement] = load_statements("postgres")
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncpg.Connection | None = None
        self._readers: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Connect, check that commits are durable, and start the writer; raises StoreUnavailable."""
        try:
            self._writer = await self._connect()
            self._readers = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=READERS_MAX,
                timeout=CONNECT_SECONDS,
                command_timeout=ANSWER_SECONDS,
                statement_cache_size=_STATEMENTS_KEPT,
                server_settings={**_SESSION, "default_transaction_read_only": "on"},
            )
        except (*_SERVER_AWAY, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await self._drop_writer()
            raise _translate(error) from error
        self._task = asyncio.create_task(self._write(), name="postgres-writer")

    async def close(self) -> None:
        """Commit what is waiting, then let go of every connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None
        if self._readers is not None:
            self._readers.terminate()
            self._readers = None

    async def migrate(self) -> int:
        """Bring the schema to this program's in one transaction; answers how many ran; raises SchemaError."""
        try:
            connection = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS)
            try:
                return await _migrate(connection)
            finally:
                await connection.close(timeout=CONNECT_SECONDS)
        except (*_SERVER_AWAY, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _translate(error) from error

    async def run(self, command: Command[T]) -> T:
        """Run a command in the next commit; see :class:`gateway.store.engine.Store`."""
        if self._closing or self._task is None:
            raise StoreUnavailable("the store is closed")
        if len(self._waiting) >= COMMANDS_WAITING_MAX:
            raise StoreBusy(f"{COMMANDS_WAITING_MAX} commands are waiting")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(command, future))
        self._wake.set()
        return await future

    async def read(self, command: Command[T]) -> T:
        """Run a small read on a reader's connection; a line found dead is replaced once, for a read may be repeated."""
        for last in (False, True):
            try:
                return await self._read(command)
            except (*_SERVER_AWAY, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if last or not isinstance(error, (ConnectionError, asyncpg.PostgresConnectionError)):
                    raise _translate(error) from error
        raise AssertionError("the second reading answers or raises")

    async def read_at_length(self, command: Command[T]) -> T:
        """Run a long read on a connection and a snapshot of its own."""
        try:
            connection = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS)
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    return await self._drive(connection, command)
            finally:
                await connection.close(timeout=CONNECT_SECONDS)
        except (*_SERVER_AWAY, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _translate(error) from error

    async def _read(self, command: Command[T]) -> T:
        if self._readers is None:
            raise StoreUnavailable("the store is closed")
        async with self._readers.acquire(timeout=CONNECT_SECONDS) as connection:
            self.counts.reads += 1
            return await self._drive(connection, command)

    async def _write(self) -> None:
        """Take every waiting command, commit, answer; until closed and nothing waits."""
        while True:
            while not self._waiting:
                if self._closing:
                    await self._drop_writer()
                    return
                self._wake.clear()
                await self._wake.wait()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), COMMANDS_PER_COMMIT_MAX))]
            await self._settle(batch)
            for one in batch:
                if one.undecided:
                    self.counts.repeated += 1
                    self._waiting.append(one)
                else:
                    _deliver(one)

    async def _settle(self, batch: list[_Waiting]) -> None:
        """Bring a batch to an end: committed, refused one by one, to come again, or unavailable for all."""
        for run in range(1, RUNS_MAX + 1):
            try:
                await self._commit(batch)
                return
            except _BatchLost as lost:
                cause = lost.__cause__ or lost
                line_lost = self._writer is not None and self._writer.is_closed()
                await self._drop_writer()
                # A new line is tried when one was lost; a server that says no, or says nothing, is not asked again
                # here.
                if not line_lost or isinstance(cause, TimeoutError) or run == RUNS_MAX:
                    for one in batch:
                        one.result, one.error, one.undecided = None, _translate(cause), False
                    return
                self.counts.repeated += len(batch)

    async def _commit(self, batch: list[_Waiting]) -> None:
        """One transaction for the whole batch; raises _BatchLost."""
        try:
            writer = self._writer or await self._reconnect()
            await writer.execute("BEGIN; SAVEPOINT command")
            point("after", "BEGIN")
            for n, one in enumerate(batch):
                kept = await self._run_one(writer, one)
                # The savepoint of a command that was rolled back serves the next one.
                if kept and n + 1 < len(batch):
                    await writer.execute("RELEASE SAVEPOINT command; SAVEPOINT command")
            point("before", "COMMIT")
            await writer.execute("COMMIT")
            point("after", "COMMIT")
        except (*_SERVER_AWAY, asyncpg.PostgresError, asyncpg.InterfaceError, StoreUnavailable) as error:
            raise _BatchLost from error
        self.counts.commits += 1
        self.counts.batches[len(batch)] += 1

    async def _run_one(self, writer: asyncpg.Connection, one: _Waiting) -> bool:
        """Run one command in the savepoint; answers whether it is kept; raises when the server is at fault."""
        self.counts.commands += 1
        one.runs += 1
        one.result, one.error, one.undecided = None, None, False
        try:
            one.result = await self._drive(writer, one.command, counted=True)
        except Exception as error:
            if writer.is_closed() or (
                isinstance(error, _SERVER_AWAY) and not isinstance(error, asyncpg.QueryCanceledError)
            ):
                raise
            await writer.execute("ROLLBACK TO SAVEPOINT command")
            if isinstance(error, _CONFLICTS) and one.runs < RUNS_MAX:
                one.undecided = True
                return False
            self.counts.refused += 1
            one.error = _translate(error) if _is_foreign(error) else error
            return False
        return True

    async def _drive(self, connection: Any, command: Command[T], *, counted: bool = False) -> T:
        """Run a command on one connection; closes the generator whatever happens."""
        steps = command()
        try:
            query = next(steps)
            while True:
                self.counts.statements += counted
                rows = await self._passing(connection, query) if counted else await self._execute(connection, query)
                query = steps.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            steps.close()

    async def _passing(self, connection: Any, query: Query) -> Sequence[Row]:
        """Execute a statement of the writer's between its two points."""
        point("before", query.name)
        rows = await self._execute(connection, query)
        point("after", query.name)
        return rows

    async def _execute(self, connection: Any, query: Query) -> Sequence[Row]:
        """Execute one statement: the one place where this store does so for a command."""
        statement = self._statements[query.name]
        params = query.params
        rows: Sequence[Row] = await connection.fetch(statement.text, *[params[name] for name in statement.parameters])
        return rows

    async def _connect(self) -> asyncpg.Connection:
        """A connection for the writer; raises StoreUnavailable where a commit would not be durable."""
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            command_timeout=ANSWER_SECONDS,
            statement_cache_size=_STATEMENTS_KEPT,
            server_settings=_SESSION,
        )
        for setting, durable in _DURABLE.items():
            value = await connection.fetchval(f"SHOW {setting}")
            if value not in durable:
                await connection.close()
                raise StoreUnavailable(f"PostgreSQL runs with {setting}={value}: an acknowledged commit could be lost")
        return connection

    async def _reconnect(self) -> asyncpg.Connection:
        self.counts.reopened += 1
        self._writer = await self._connect()
        return self._writer

    async def _drop_writer(self) -> None:
        """Let go of the writer's connection without a word; the server rolls back what was not committed."""
        if self._writer is not None:
            self._writer.terminate()
            self._writer = None


def _deliver(one: _Waiting) -> None:
    """Hand a caller what became of its command; a caller that was cancelled is gone, its command is not."""
    if one.future.done():
        return
    if one.error is not None:
        one.future.set_exception(one.error)
    else:
        one.future.set_result(one.result)


async def _migrate(connection: asyncpg.Connection) -> int:
    """Run what is due in one transaction; of replicas that start together, one does it and the others find it done."""
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute(RECORD_TABLE)
        recorded = {row["number"]: row["checksum"] for row in await connection.fetch(RECORDED)}
        due = due_migrations(load_migrations("postgres"), recorded)
        for migration in due:
            await connection.execute(migration.text)
            await connection.execute(
                "INSERT INTO schema_migrations VALUES($1, $2, $3, $4)",
                migration.number,
                migration.name,
                migration.checksum,
                time_ns() // 1_000_000,
            )
        return len(due)


def _is_foreign(error: BaseException) -> bool:
    return isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError))


def _translate(error: BaseException) -> StoreError:
    """PostgreSQL's errors in the store's words: the one place where that is done."""
    if isinstance(error, StoreError):
        return error
    # A trigger's RAISE without a code of its own is a constraint too.
    if isinstance(error, (asyncpg.IntegrityConstraintViolationError, asyncpg.RaiseError)):
        return ConstraintBroken(str(error))
    if isinstance(error, (*_CONFLICTS, asyncpg.QueryCanceledError)):
        return StoreBusy(f"a lock did not come free in time: {error}")
    if isinstance(error, _SERVER_AWAY):
        return StoreUnavailable(f"PostgreSQL is away: {str(error) or type(error).__name__}")
    return StoreError(str(error))
