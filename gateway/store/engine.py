"""What every store is: commands written once as generators of named queries, and the face both databases offer them.

A command is a generator: it yields a :class:`Query`, is sent the rows, and returns its result. It waits for
nothing, so the thread of SQLite and the event loop of PostgreSQL run the same text. The store runs many commands in
one transaction (group commit), each so that it can be undone alone, and answers only after COMMIT. What undoes it is
a savepoint; SQLite's writer runs a batch without first, and where a command fails after it wrote, all of it is rolled
back and run again with savepoints.

What a command has to keep to:

- It may be run again. After a conflict, a lost connection or a COMMIT whose outcome nobody told, the store calls
  the factory anew; a run before may have been kept. So everything it writes stands under a unique key that it looks
  for first (an order's token, a transfer's tx_key, an attempt's state *and* owner), and a second run answers what
  the first would have.
- It raises :class:`Refused` (or a subclass of it) to say no. Everything it wrote is undone, its neighbours are
  untouched.
- It locks in one order: the order's row, then accounts by id, nothing else.
- It does not catch database errors: after one, PostgreSQL takes nothing more in that savepoint. Where a key may
  exist already, the statement says ON CONFLICT.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from time import perf_counter
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import msgspec

from gateway.core.errors import GatewayError
from gateway.metrics.declare import Spread
from gateway.metrics.house import BATCH_BUCKETS, STORE_BUCKETS

T = TypeVar("T")

# Commands in one transaction: at 256 waiting, group commit was measured 30 to 60 times one transaction each
# (PERFORMANCE.md); more would only lengthen the wait of the first.
COMMANDS_PER_COMMIT_MAX: Final = 256
# Commands waiting for the writer: at the 400 orders a second of one core this is some ten seconds of work, longer
# than any caller waits.
COMMANDS_WAITING_MAX: Final = 10_000
# Runs of one command that meets conflicts (SQLSTATE 40001, 40P01, 55P03) or lost connections, RELIABILITY.md
# section 1.12: the first, and five more.
RUNS_MAX: Final = 6
# After a batch that had to be undone and run again with savepoints, so many begin with them: commands that fail after
# they wrote come in runs (a user beyond its limit who does not stop).
CAREFUL_BATCHES: Final = 16
# How long a statement waits for somebody else's lock on the whole database (SQLite).
BUSY_SECONDS: Final = 5.0

# What a parameter may be: a column's value, or a list for `{ANY:name}`.
Value: TypeAlias = int | str | Sequence[int] | Sequence[str] | None


class Query(msgspec.Struct, frozen=True):
    """One named statement of gateway/store/sql and its parameters."""

    name: str
    params: Mapping[str, Value] = {}


class Row(Protocol):
    """One row of an answer, by column name. Whoever receives it decodes it at once; it never leaves the room."""

    def __getitem__(self, column: str, /) -> Any:
        """The value in a column."""
        ...


Steps: TypeAlias = Generator[Query, Sequence[Row], T]
Command: TypeAlias = Callable[[], Steps[T]]


class StoreError(GatewayError):
    """The books could not do what was asked.

    StoreError
     ├─ Refused            the command said no, by the rules of trade; it wrote nothing
     ├─ ConstraintBroken   the database said no: a constraint or a trigger; the command wrote nothing
     ├─ StoreUnavailable   the database cannot be reached or cannot write; nothing is promised about what was kept
     │   └─ StoreBusy      too much is waiting, or a lock did not come free; nothing was kept
     └─ SchemaError        the database was made by a newer or another version of this program
    """


class Refused(StoreError):
    """A command's own no. What it wrote is undone, its neighbours go on."""


class ConstraintBroken(StoreError):
    """A constraint or trigger of the schema forbade a command: a mistake of ours, caught by the last line."""


class StoreUnavailable(StoreError):
    """The database is away, full or read only. Whether the command was kept is to be read by its unique key."""


class StoreBusy(StoreUnavailable):
    """The queue is full or a lock did not come free in time. Nothing of the command was kept."""


class SchemaError(StoreError):
    """The schema in the database is not one this program may work on."""


class Counts:
    """What a store has done since it was opened, in plain numbers, for metrics and benchmarks."""

    def __init__(self) -> None:
        self.statements = 0  # statements that commands executed, without savepoints and COMMIT
        self.reads = 0  # commands that only read
        self.round_trips = 0  # times PostgreSQL's writer waited for the server; none on SQLite
        self.savepoints = 0  # commands run in a savepoint of their own
        self.undone = 0  # batches rolled back to be run again with savepoints
        self.commands = 0  # commands that were run, repeated runs included
        self.commits = 0  # transactions committed
        self.refused = 0  # commands that ended in an error of their own
        self.repeated = 0  # commands run again after a conflict or a lost connection
        self.reopened = 0  # connections made anew after a loss
        self.conflicts: Counter[str] = Counter()  # commands that met another writer, by kind: deadlock, lock …
        self.batches: Counter[int] = Counter()  # commands in a commit → how many commits had so many
        self.batch = Spread(BATCH_BUCKETS)  # the same, to be looked at over time
        self.write = Spread(STORE_BUCKETS, exemplars=True)  # seconds from handing in a command to its result
        self.pool = Spread(STORE_BUCKETS)  # seconds a read waited for a connection
        self.waiting: Callable[[], int] = lambda: 0  # commands that wait for the writer

    async def timed(self, result: Awaitable[T]) -> T:
        """A command's result, and how long it took."""
        began = perf_counter()
        try:
            return await result
        finally:
            self.write.note(perf_counter() - began)

    def committed(self, commands: int) -> None:
        """A transaction with so many commands was committed."""
        self.commits += 1
        self.batches[commands] += 1
        self.batch.note(commands)


class Store(Protocol):
    """The books, on either database."""

    counts: Counts
    trouble: str  # why nothing could be written the last time something was to be; empty once something was

    async def open(self) -> None:
        """Connect, check that a commit will be durable, and start the writer; raises StoreUnavailable."""

    async def close(self) -> None:
        """Finish what is waiting, then let go of every connection."""

    async def migrate(self) -> int:
        """Bring the schema to this program's in one transaction; answers how many ran; raises SchemaError."""

    async def run(self, command: Command[T]) -> T:
        """Run a command and answer its result once it is durable.

        Raises what the command raised, ConstraintBroken, StoreBusy or StoreUnavailable. Cancelling the caller does
        not take the command back.
        """

    async def read(self, command: Command[T]) -> T:
        """Run a small command that only reads, at once, beside the writer; each statement sees what is committed."""

    async def read_at_length(self, command: Command[T]) -> T:
        """Run a long read away from the event loop, all of it on one snapshot."""


def drive(command: Command[T], execute: Callable[[Query], Sequence[Row]]) -> T:
    """Run a command on a database that answers at once; closes the generator whatever happens."""
    steps = command()
    try:
        query = next(steps)
        while True:
            query = steps.send(execute(query))
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()
