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
from time import monotonic
from typing import Any, Final, TypeVar

import asyncpg

from gateway.points import point
from gateway.store.engine import (
    COMMANDS_PER_COMMIT_MAX,
    COMMANDS_WAITING_MAX,
    RUNS_MAX,
    Command,
    Counts,
    Query,
    Row,
    StoreBusy,
    StoreUnavailable,
)
from gateway.store.postgres_line import (
    CONFLICTS,
    CONNECT_SECONDS,
    FOREIGN,
    SERVER_AWAY,
    Session,
    anybody_there,
    connect,
    end_session,
    kind_of_conflict,
    migrate,
    read_line,
    translate,
)
from gateway.store.postgres_readers import Readers
from gateway.store.queries import Statement, load_statements
from gateway.store.waiting import BatchLost, Waiting, answer_of, begun, deliver, handed_in, reading, transaction
from gateway.tracing import Kind, span

T = TypeVar("T")

# A statement that stays without an answer for so long: is there anybody? A lock or a slow disk may be the reason.
SILENT_SECONDS: Final = 0.7
_TICK_SECONDS: Final = 0.2  # how often that is looked at
# After a lost line a server that restarts is waited for this long, before the batch is given up.
BRIDGE_SECONDS: Final = 1.5
_BRIDGE_PAUSE_SECONDS: Final = 0.1
# The longest a read may take in all, the wait for a connection included: the caller hears of a dead server in time.
READ_SECONDS: Final = 1.8
# Only a command that comes first in its transaction may wait for a lock (ms), as long as another process's commit
# takes on a slow disk: it holds nothing that anybody else waits for. In vain, it comes again after a pause, so that
# others are not behind it every time. The session's own limit of 2 s is for what is not the writer's.
_PATIENT: Final = "SET LOCAL lock_timeout = 300; SAVEPOINT command"
_LONG_WAIT_SECONDS: Final = 0.2
_PAUSE_SECONDS: Final = 0.25
# From then on the wait is this short (milliseconds), far below the server's `deadlock_timeout`: two replicas whose
# batches want the same rows in another order let go instead of waiting in a ring. Measured, three replicas and four
# users with whole lives of orders: 68 deadlocks in 450 orders and 66 s without, none and 4 s with it.
_IMPATIENT: Final = "RELEASE SAVEPOINT command; SET LOCAL lock_timeout = 1; SAVEPOINT command"
_NEXT: Final = "RELEASE SAVEPOINT command; SAVEPOINT command"
# A transaction that holds something and met so many conflicts ends: others wait for what it holds, and it would only
# meet more. What it did not run comes first in the next one.
CONFLICTS_MAX: Final = 3
# A command that meets conflicts is not run again after so long; its caller hears that nothing was kept.
REPEAT_SECONDS: Final = 6.0


class PostgresStore:
    """The store on PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.counts = Counts()
        self.trouble = ""  # why nothing could be written the last time; empty once something was
        self._line = read_line(url)
        self._statements: Mapping[str, Statement] = load_statements("postgres")
        self._waiting: deque[Waiting] = deque()
        self.counts.waiting = self._waiting.__len__
        self._coming_again = 0  # commands that met a conflict and pause
        self._wake = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._writer: asyncpg.Connection | None = None
        self._session: Session | None = None  # the writer's, or the one that was lost
        self._readers: Readers | None = None
        self._asked_at: float | None = None  # since when the writer waits for an answer
        self._silent = False  # the line was cut because nobody was there

    async def open(self) -> None:
        """Connect, check that commits are durable, and start the writer; raises StoreUnavailable."""
        try:
            self._writer, self._session = await connect(self._line)
            self._readers = Readers(self._line, self.counts.pool)
            await self._readers.open()
        except FOREIGN as error:
            self._drop_writer()
            raise translate(error) from error
        self._tasks = [
            asyncio.create_task(self._write(), name="postgres-writer"),
            asyncio.create_task(self._watch(), name="postgres-watch"),
        ]

    async def close(self) -> None:
        """Commit what is waiting, then let go of every connection."""
        self._closing = True
        self._wake.set()
        if self._tasks:
            writing, watching = self._tasks
            await writing
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._tasks = []
        if self._readers is not None:
            self._readers.close()
            self._readers = None

    async def migrate(self) -> int:
        """Bring the schema to this program's in one transaction; answers how many ran; raises SchemaError."""
        try:
            connection, _ = await connect(self._line)
            try:
                return await migrate(connection)
            finally:
                await connection.close(timeout=CONNECT_SECONDS)
        except FOREIGN as error:
            raise translate(error) from error

    async def run(self, command: Command[T]) -> T:
        """Run a command in the next commit; see :class:`gateway.store.engine.Store`."""
        if self._closing or not self._tasks:
            raise StoreUnavailable("the store is closed")
        if len(self._waiting) >= COMMANDS_WAITING_MAX:
            raise StoreBusy(f"{COMMANDS_WAITING_MAX} commands are waiting")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        told = handed_in(command)
        self._waiting.append(Waiting(command, future, told))
        self._wake.set()
        return await answer_of(future, told, self.counts)

    async def read(self, command: Command[T]) -> T:
        """Run a small read on a reader's connection; a line found dead is replaced once, for a read may be repeated."""
        until = monotonic() + READ_SECONDS
        told, watched = reading(command, "postgresql")
        with told:
            try:
                try:
                    return await self._read(watched, until)
                except (ConnectionError, asyncpg.PostgresConnectionError):
                    return await self._read(watched, until)
            except FOREIGN as error:
                raise translate(error) from error

    async def read_at_length(self, command: Command[T]) -> T:
        """Run a long read on a connection and a snapshot of its own."""
        told, watched = reading(command, "postgresql")
        with told:
            try:
                connection = await asyncpg.connect(
                    self._line.url, timeout=CONNECT_SECONDS, statement_cache_size=self._line.statements_kept
                )
                try:
                    async with connection.transaction(isolation="repeatable_read", readonly=True):
                        return await self._drive(connection, watched)
                finally:
                    await connection.close(timeout=CONNECT_SECONDS)
            except FOREIGN as error:
                raise translate(error) from error

    async def _read(self, command: Command[T], until: float) -> T:
        if self._readers is None:
            raise StoreUnavailable("the store is closed")
        async with self._readers.one(until) as connection:
            self.counts.reads += 1
            if not self._line.pooled:
                return await self._drive(connection, command)
            async with connection.transaction(readonly=True):
                await connection.execute(self._line.limits)
                return await self._drive(connection, command)

    async def _write(self) -> None:
        """Take every waiting command, commit, answer; until closed and nothing waits."""
        while True:
            while not self._waiting:
                if self._closing and not self._coming_again:
                    self._drop_writer()
                    return
                self._wake.clear()
                await self._wake.wait()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), COMMANDS_PER_COMMIT_MAX))]
            await self._settle(batch)
            for one in batch:
                if one.undecided:
                    self.counts.repeated += 1
                    self._coming_again += 1
                    asyncio.get_running_loop().call_later(one.pause, self._come_again, one)
                else:
                    deliver(one)

    def _come_again(self, one: Waiting) -> None:
        self._coming_again -= 1
        self._waiting.append(one)
        self._wake.set()

    async def _watch(self) -> None:
        """Cut the writer's line when a statement stays without an answer and the server takes no connection either."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            writer, asked_at = self._writer, self._asked_at
            if writer is None or asked_at is None or monotonic() - asked_at < SILENT_SECONDS:
                continue
            if not await anybody_there(self._line) and self._writer is writer and self._asked_at == asked_at:
                self._silent = True
                writer.terminate()

    async def _settle(self, batch: list[Waiting]) -> None:
        """Bring a batch to an end: committed, refused one by one, to come again, or unavailable for all."""
        for run in range(1, RUNS_MAX + 1):
            self._silent = False
            try:
                with transaction(batch, "postgresql", self.counts):
                    await self._commit(batch)
                self.trouble = ""
                return
            except BatchLost as lost:
                cause = lost.__cause__ or lost
                was_there = self._writer is not None
                line_lost = was_there and self._writer is not None and self._writer.is_closed()
                self._drop_writer()
                # A new line is tried when one was lost; a server that says no, or says nothing, is not asked again
                # here.
                if line_lost and not self._silent and not isinstance(cause, TimeoutError) and run < RUNS_MAX:
                    self.counts.repeated += len(batch)
                    await self._bridge()
                    continue
                error = translate(cause)
                self.trouble = str(error)
                # Nobody there: whoever came meanwhile need not wait for the same news.
                away = [] if was_there and not self._silent else list(self._waiting)
                for one in (*batch, *away):
                    one.result, one.error, one.undecided = None, error, False
                for one in away:
                    deliver(one)
                if away:
                    self._waiting.clear()
                return

    async def _bridge(self) -> None:
        """Wait a little for a server that restarts; without success the next commit says what is wrong."""
        until = monotonic() + BRIDGE_SECONDS
        while self._writer is None and monotonic() < until:
            try:
                await self._reconnect()
            except FOREIGN:
                await asyncio.sleep(_BRIDGE_PAUSE_SECONDS)
            except StoreUnavailable:
                return

    async def _commit(self, batch: list[Waiting]) -> None:
        """One transaction for the whole batch; raises BatchLost."""
        try:
            writer = self._writer or await self._reconnect()
            await self._say(writer, self._line.begin + _PATIENT)
            point("after", "BEGIN")
            holding, lost = False, 0
            for n, one in enumerate(batch):
                if lost == CONFLICTS_MAX:
                    self._waiting.extendleft(reversed(batch[n:]))
                    del batch[n:]
                    break
                kept = await self._run_one(writer, one)
                lost += holding and one.undecided
                # The savepoint of a command that was rolled back serves the next one.
                if kept and n + 1 < len(batch):
                    await self._say(writer, _NEXT if holding else _IMPATIENT)
                    holding = True
            point("before", "COMMIT")
            for one in batch:
                one.unclear |= one.error is None and not one.undecided
            with span("COMMIT", Kind.CLIENT, database="postgresql"):
                await self._say(writer, "COMMIT")
            point("after", "COMMIT")
        except (*FOREIGN, StoreUnavailable) as error:
            raise BatchLost from error
        finally:
            self._asked_at = None
        self.counts.committed(len(batch))

    async def _run_one(self, writer: asyncpg.Connection, one: Waiting) -> bool:
        """Run one command in the savepoint; answers whether it is kept; raises when the server is at fault."""
        self.counts.commands += 1
        self.counts.savepoints += 1
        begun(one)
        one.runs += 1
        one.began = one.began or monotonic()
        one.result, one.error, one.undecided = None, None, False
        try:
            one.result = await self._drive(writer, one.command, counted=True)
        except Exception as error:
            waited = monotonic() - (self._asked_at or 0.0)
            if writer.is_closed() or (
                isinstance(error, SERVER_AWAY) and not isinstance(error, asyncpg.QueryCanceledError)
            ):
                raise
            await self._say(writer, "ROLLBACK TO SAVEPOINT command")
            if isinstance(error, asyncpg.LockNotAvailableError):
                await self._say(writer, _IMPATIENT)
            if isinstance(error, CONFLICTS):
                self.counts.conflicts[kind_of_conflict(error)] += 1
                # A lock that is held for a moment is a matter of time; anything else is tried so often.
                may = one.runs < RUNS_MAX or isinstance(error, asyncpg.LockNotAvailableError)
                if may and monotonic() - one.began < REPEAT_SECONDS:
                    one.undecided, one.pause = True, _PAUSE_SECONDS if waited > _LONG_WAIT_SECONDS else 0.0
                    return False
            self.counts.refused += 1
            one.error = translate(error) if isinstance(error, FOREIGN) else error
            if one.unclear and isinstance(one.error, StoreBusy):
                one.error = StoreUnavailable(f"whether it was kept cannot be told yet: {one.error}")
            return False
        return True

    async def _say(self, writer: asyncpg.Connection, text: str) -> None:
        """Say something to the server that has no rows for an answer."""
        self._asked_at = monotonic()
        self.counts.round_trips += 1
        await writer.execute(text)

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
        self._asked_at = monotonic()
        self.counts.round_trips += 1
        rows = await self._execute(connection, query)
        point("after", query.name)
        return rows

    async def _execute(self, connection: Any, query: Query) -> Sequence[Row]:
        """Execute one statement: the one place where this store does so for a command."""
        statement = self._statements[query.name]
        params = query.params
        rows: Sequence[Row] = await connection.fetch(statement.text, *[params[name] for name in statement.parameters])
        return rows

    async def _reconnect(self) -> asyncpg.Connection:
        """A new line for the writer; the session at the end of the one that was lost is ended, should it linger."""
        lost, self._session = self._session, None
        self.counts.reopened += 1
        self._writer, self._session = await connect(self._line)
        if lost is not None and not self._line.pooled:
            await end_session(self._writer, lost)
        return self._writer

    def _drop_writer(self) -> None:
        """Let go of the writer's connection without a word; the server rolls back what was not committed."""
        if self._writer is not None:
            self._writer.terminate()
            self._writer = None
