"""Connections to PostgreSQL: what they are told, what a server has to be like, and whose fault an error is.

`?pgbouncer=transaction` at the end of the URL says that a pooler in transaction mode stands in between. Two
transactions of one session may then run on two servers, so nothing is kept in a session: no named prepared statement,
and what a session is told at its start without a pooler is told in each transaction. LISTEN, session locks and SET
outside a transaction are used in neither case.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import datetime
from time import time_ns
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
import msgspec

from gateway.store.engine import ConstraintBroken, StoreBusy, StoreError, StoreUnavailable
from gateway.store.migrate import (
    RECORD_TABLES,
    RECORDED,
    Recorded,
    due_migrations,
    in_the_way,
    living,
    load_migrations,
    refuse,
)

CONNECT_SECONDS: Final = 1.0  # a server that does not answer by then is away: callers get their 503
PROBE_SECONDS: Final = 0.6  # how long it is asked for, when a statement stays without an answer
# The server ends a statement after 5 s itself; later than that the line is dead.
ANSWER_SECONDS: Final = 7.0
READERS: Final = 4  # connections for reads unless the URL says otherwise; a read takes well under a millisecond
READERS_MAX: Final = 64
STATEMENTS_KEPT: Final = 512  # prepared statements a connection keeps: more than there are named ones
# RELIABILITY.md section 1.12; milliseconds.
LIMITS: Final = {
    "lock_timeout": "2000",
    "statement_timeout": "5000",
    "idle_in_transaction_session_timeout": "10000",
}
_ALONE: Final = {
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "default_transaction_isolation": "read committed",
}
# A commit that is acknowledged before it lies on disk may be lost with the power; without full pages, a page that was
# half written then cannot be mended.
DURABLE: Final[Mapping[str, frozenset[str]]] = {
    "fsync": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "remote_apply"}),
    "full_page_writes": frozenset({"on"}),
}
# The session's own values, with whatever ALTER ROLE, ALTER DATABASE or the URL made of them.
_STATE: Final = (
    "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit, "
    "current_setting('full_page_writes') AS full_page_writes, pg_is_in_recovery() AS standby, "
    "pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
)
# Any number will do; every replica has to use the same one.
_MIGRATION_LOCK: Final = 0x6761_7465
# Beside processes that serve, a change of a table waits for their commits, `lock_timeout` each time.
MIGRATE_TRIES: Final = 10
MIGRATE_PAUSE_SECONDS: Final = 0.3
# A session of ours whose line broke may still hold its locks, until it notices: its successor ends it. A process number
# is used again, so the session's beginning has to fit too.
_END: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
# Another writer's lock; the command comes again in a later transaction.
CONFLICTS: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    # A migration changed a table under a prepared statement; prepared anew it works.
    asyncpg.InvalidCachedStatementError,
)
# These concern the server, not one command: shut down, no room on its disk, turned into a standby.
SERVER_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.PostgresSystemError,
)
FOREIGN: Final = (*SERVER_AWAY, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is reached."""

    url: str  # as the driver takes it
    pooled: bool = False  # a pooler in transaction mode stands in between
    readers: int = READERS  # connections a process keeps for reads, beside its writer's

    @property
    def begin(self) -> str:
        """The beginning of a transaction: a pooler's session is told its limits here."""
        return "BEGIN; " + self.limits

    @property
    def limits(self) -> str:
        """What a transaction is told at its beginning; nothing where the session knows."""
        return "".join(f"SET LOCAL {name} = {value}; " for name, value in LIMITS.items()) if self.pooled else ""

    def session(self, **more: str) -> dict[str, str]:
        """What a session is told at its start; a pooler would refuse all but its name."""
        name = {"application_name": "gateway"}
        return name if self.pooled else {**name, **LIMITS, **_ALONE, **more}

    @property
    def statements_kept(self) -> int:
        """Prepared statements that outlive a transaction."""
        return 0 if self.pooled else STATEMENTS_KEPT


def read_line(url: str) -> Line:
    """The line of `postgresql://…?readers=N&pgbouncer=transaction`; all else is the driver's. Raises StoreError."""
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name: value for name, value in asked if name in {"pgbouncer", "readers"}}
    if ours.get("pgbouncer", "transaction") != "transaction":
        raise StoreError("of a pooler only ?pgbouncer=transaction is to be said; in session mode it needs no word")
    readers = ours.get("readers", str(READERS))
    if not (readers.isascii() and readers.isdigit() and 1 <= int(readers[:4]) <= READERS_MAX):
        raise StoreError(f"?readers={readers[:20]} is not a number from 1 to {READERS_MAX}")
    rest = urlencode([(name, value) for name, value in asked if name not in ours])
    return Line(url=parts._replace(query=rest).geturl(), pooled="pgbouncer" in ours, readers=int(readers))


class Session(msgspec.Struct, frozen=True):
    """Which session of the server a connection is."""

    pid: int
    since: datetime


async def connect(line: Line, *, seconds: float = CONNECT_SECONDS) -> tuple[asyncpg.Connection, Session]:
    """A connection to write by; raises StoreUnavailable where a commit would not be durable, and the driver's own."""
    connection = await asyncpg.connect(
        line.url,
        timeout=seconds,
        command_timeout=ANSWER_SECONDS,
        statement_cache_size=line.statements_kept,
        server_settings=line.session(),
    )
    try:
        return connection, await _check(connection)
    except BaseException:
        connection.terminate()
        raise


async def end_session(connection: asyncpg.Connection, lost: Session) -> None:
    """End a session of ours whose line is lost, if it is still there; harmless where it cannot be."""
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
        await connection.execute(_END, lost.pid, lost.since)


async def anybody_there(line: Line) -> bool:
    """Whether a server takes connections, whatever it says."""
    try:
        connection = await asyncpg.connect(line.url, timeout=PROBE_SECONDS, server_settings=line.session())
    except (OSError, TimeoutError):
        return False
    except FOREIGN:
        return True
    connection.terminate()
    return True


async def _check(connection: asyncpg.Connection) -> Session:
    """Refuse a server that could lose an acknowledged commit, or that takes none; raises StoreUnavailable."""
    state = await connection.fetchrow(_STATE)
    assert state is not None, "a session sees itself"
    for setting, durable in DURABLE.items():
        if state[setting] not in durable:
            raise StoreUnavailable(
                f"PostgreSQL runs with {setting}={state[setting]}, and an acknowledged commit could be lost: set it to "
                "on (postgresql.conf, ALTER ROLE, ALTER DATABASE or the URL's options may have changed it)"
            )
    if state["standby"]:
        raise StoreUnavailable("PostgreSQL is a standby, which takes no writes: name the primary in the URL")
    return Session(state["pid"], state["backend_start"])


async def connect_reader(line: Line, *, seconds: float) -> asyncpg.Connection:
    """A connection that only reads; raises the driver's errors."""
    return await asyncpg.connect(
        line.url,
        timeout=seconds,
        command_timeout=ANSWER_SECONDS,
        statement_cache_size=line.statements_kept,
        server_settings=line.session(default_transaction_read_only="on"),
    )


async def migrate(connection: asyncpg.Connection) -> int:
    """Run what is due in one transaction; of replicas that start together, one does it and the others find it done.

    A change of a table waits for commands of processes that serve, and they for it: whoever loses comes again. Where
    nothing is due nothing is written, so a role that may only read gets to the books too.
    """
    if await _is_done(connection):
        return 0
    for tries_left in range(MIGRATE_TRIES - 1, -1, -1):
        try:
            async with connection.transaction():
                return await _migrate(connection)
        except CONFLICTS:
            if not tries_left:
                raise
            await asyncio.sleep(MIGRATE_PAUSE_SECONDS)
    raise AssertionError("the last try either returns or raises")


async def _is_done(connection: asyncpg.Connection) -> bool:
    try:
        rows = await connection.fetch(RECORDED)
    except asyncpg.UndefinedTableError:  # New books.
        return False
    return not due_migrations(load_migrations("postgres"), [Recorded(**dict(row)) for row in rows])


async def _migrate(connection: asyncpg.Connection) -> int:
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
    for table in RECORD_TABLES:
        await connection.execute(table)
    recorded = [Recorded(**dict(row)) for row in await connection.fetch(RECORDED)]
    due = due_migrations(load_migrations("postgres"), recorded)
    breaking = in_the_way(due, recorded)
    if breaking is not None:
        refuse(breaking, await connection.fetchval(living("postgres")))
    for migration in due:
        await connection.execute(migration.text)
        await connection.execute(
            "INSERT INTO schema_migrations VALUES($1, $2, $3, $4)",
            migration.number,
            migration.name,
            migration.checksum,
            time_ns() // 1_000_000,
        )
        await connection.execute("INSERT INTO schema_reach VALUES($1, $2)", migration.number, migration.works_from)
    return len(due)


def kind_of_conflict(error: BaseException) -> str:
    """What kind of conflict an error is, as it is counted."""
    match error:
        case asyncpg.DeadlockDetectedError():
            return "deadlock"
        case asyncpg.LockNotAvailableError():
            return "lock"
        case asyncpg.SerializationError():
            return "serialization"
        case _:
            return "statement"


def translate(error: BaseException) -> StoreError:
    """PostgreSQL's errors in the store's words: the one place where that is done."""
    if isinstance(error, StoreError):
        return error
    # A trigger's RAISE without a code of its own is a constraint too.
    if isinstance(error, (asyncpg.IntegrityConstraintViolationError, asyncpg.RaiseError)):
        return ConstraintBroken(str(error))
    if isinstance(error, (*CONFLICTS, asyncpg.QueryCanceledError)):
        return StoreBusy(f"a lock did not come free in time: {error}")
    if "unsupported startup parameter" in str(error):  # In PgBouncer's words; the code is one for many things.
        return StoreUnavailable(f"a pooler stands in between, say so with ?pgbouncer=transaction in the URL: {error}")
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return StoreError(f"the database role of this URL may not do that, and nothing was done: {error}")
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return StoreUnavailable(f"PostgreSQL takes no writes here (a standby, or a role that only reads): {error}")
    if isinstance(error, SERVER_AWAY):
        return StoreUnavailable(f"PostgreSQL is away: {str(error) or type(error).__name__}")
    return StoreError(str(error))
